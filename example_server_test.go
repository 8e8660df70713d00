package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/protocol-websocket/websocket"
)

// A server that ends its connections before the program does. Shutdown of the
// http.Server does not know of them, so both are called at once: one stops new
// requests, the other says goodbye to those who are there.
func ExampleServer_Shutdown() {
	ws := &websocket.Server{Handler: echo}
	hs := &http.Server{Handler: ws}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go hs.Serve(l)

	shutdown := func() { // in a program, at the end of main
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var both sync.WaitGroup
		both.Go(func() { hs.Shutdown(ctx) })
		both.Go(func() { ws.Shutdown(ctx) })
		both.Wait()
	}

	c, err := websocket.Dial(context.Background(), "ws://"+l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.WriteMessage(websocket.Text, []byte("hello"))
	_, p, _ := c.ReadMessage()
	fmt.Printf("%s\n", p)

	go shutdown()
	_, _, err = c.ReadMessage()
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		fmt.Println(closed.Code)
	}
	// Output:
	// hello
	// 1001 (going away)
}

// A server for very many idle connections: Detach hands on what the handler needs
// of the request's context.
func ExampleServer_detach() {
	type roomKey struct{}
	join := func(room string, c *websocket.Conn) error {
		return c.WriteMessage(websocket.Text, []byte("welcome to "+room))
	}
	s := &websocket.Server{
		Detach: func(r *http.Request) context.Context {
			return context.WithValue(context.Background(), roomKey{}, r.PathValue("room"))
		},
		Handler: func(ctx context.Context, c *websocket.Conn) error {
			return join(ctx.Value(roomKey{}).(string), c)
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/rooms/{room}", s)
	hs := httptest.NewServer(mux)
	defer hs.Close()

	c, err := websocket.Dial(context.Background(), wsURL(hs)+"/rooms/kitchen")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, p, _ := c.ReadMessage()
	fmt.Printf("%s\n", p)
	// Output: welcome to kitchen
}

// A test of a handler, without a network and without net/http.
func ExampleServer_ServeConn() {
	s := &websocket.Server{Handler: echo}
	ctx := context.Background() // in a test, t.Context()

	client, server := websocket.NetPipe()
	go s.ServeConn(ctx, server)
	c, err := new(websocket.Dialer).Handshake(ctx, client, "ws://example.com/")

	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.WriteMessage(websocket.Text, []byte("hello"))
	_, p, err := c.ReadMessage()
	fmt.Printf("%s %v\n", p, err)
	// Output: hello <nil>
}

// A server with options. What its handler returns tells the peer how it went.
func ExampleServer() {
	serve := func(ctx context.Context, c *websocket.Conn) error {
		if c.Request().URL.Query().Get("token") != "secret" {
			return &websocket.CloseError{Code: 4401, Reason: "who are you?"}
		}
		return echo(ctx, c)
	}
	s := &websocket.Server{
		Upgrader: websocket.Upgrader{
			Config:   websocket.Config{PingInterval: time.Minute},
			Versions: []websocket.Version{websocket.RFC6455},
			Origins:  []string{"https://app.example.com"},
		},
		Handler: serve,
	}
	hs := httptest.NewServer(s)
	defer hs.Close()

	c, err := websocket.Dial(context.Background(), wsURL(hs)+"/?token=guess")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, _, err = c.ReadMessage()
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		fmt.Println(closed.Code, closed.Reason)
	}
	// Output: 4401 who are you?
}
