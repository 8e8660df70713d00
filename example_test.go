package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/protocol-websocket/websocket"
)

// echo answers every message with itself.
func echo(ctx context.Context, c *websocket.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.WriteMessage(m.Type, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// wsURL is the address of a test server for clients of this package.
func wsURL(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }

// A server that answers every message with itself.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/echo", websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := c.WriteMessage(m.Type, m.Data); err != nil {
				return err
			}
		}
		return nil
	}))
	s := httptest.NewServer(mux)
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s)+"/echo")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.WriteMessage(websocket.Text, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	_, p, err := c.ReadMessage()
	fmt.Printf("%s %v\n", p, err)
	// Output: hello <nil>
}

// A handler of one's own, which may return while the connection lives on.
func ExampleUpgrader_Upgrade() {
	var upgrader websocket.Upgrader
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "seen=yes")
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // the request was answered
		}
		go func() {
			c.WriteMessage(websocket.Text, []byte("welcome to "+r.URL.Path))
			c.Shutdown(context.Background(), websocket.StatusNormalClosure, "")
		}()
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s)+"/room")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, p, _ := c.ReadMessage()
	fmt.Printf("%s, %s\n", p, c.Response().Header.Get("Set-Cookie"))
	_, _, err = c.ReadMessage()
	fmt.Println(err)
	// Output:
	// welcome to /room, seen=yes
	// websocket: peer closed the connection: 1000 (normal closure)
}

type userKey struct{}

// Who is it? Check refuses a request, or says for whom the connection is.
func ExampleUpgrader_check() {
	check := func(r *http.Request, h http.Header) (context.Context, error) {
		user, password, _ := r.BasicAuth()
		if password != "sesame" {
			h.Set("WWW-Authenticate", "Basic")
			return nil, &websocket.HandshakeError{Status: http.StatusUnauthorized, Err: errors.New("wrong password")}
		}
		return context.WithValue(r.Context(), userKey{}, user), nil
	}
	s := httptest.NewServer(&websocket.Server{
		Upgrader: websocket.Upgrader{Check: check},
		Handler: func(ctx context.Context, c *websocket.Conn) error {
			return c.WriteMessage(websocket.Text, fmt.Append(nil, "hello ", ctx.Value(userKey{})))
		},
	})
	defer s.Close()

	host := strings.TrimPrefix(wsURL(s), "ws://")
	for _, user := range []string{"alibaba:sesame", "kasim:barley"} {
		c, err := websocket.Dial(context.Background(), "ws://"+user+"@"+host)
		var refused *websocket.HandshakeError
		if errors.As(err, &refused) {
			fmt.Println(refused.Status, refused.Response.Header.Get("WWW-Authenticate"))
			continue
		}
		_, p, _ := c.ReadMessage()
		fmt.Printf("%s\n", p)
		c.Close()
	}
	// Output:
	// hello alibaba
	// 401 Basic
}

// A server without net/http, on any net.Listener.
func ExampleUpgrader_Accept() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	upgrader := websocket.Upgrader{
		Check: func(r *http.Request, h http.Header) (context.Context, error) {
			if r.URL.Path != "/echo" {
				return nil, &websocket.HandshakeError{Status: http.StatusNotFound, Err: errors.New("no such room")}
			}
			h.Set("X-Room", "echo")
			return nil, nil
		},
	}
	serve := func(nc net.Conn) {
		c, err := upgrader.Accept(context.Background(), nc)
		if err != nil {
			return // the client was answered, and nc is closed
		}
		defer c.Close()
		echo(context.Background(), c)
	}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go serve(nc)
		}
	}()

	for _, path := range []string{"/echo", "/other"} {
		c, err := websocket.Dial(context.Background(), "ws://"+l.Addr().String()+path)
		var refused *websocket.HandshakeError
		switch {
		case errors.As(err, &refused):
			fmt.Println(path, "is refused with", refused.Status)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(path, "is room", c.Response().Header.Get("X-Room"))
			c.Close()
		}
	}
	// Output:
	// /echo is room echo
	// /other is refused with 404
}

// A client.
func ExampleDial() {
	s := httptest.NewServer(websocket.Handler(echo))
	defer s.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := websocket.Dial(ctx, wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.WriteMessage(websocket.Text, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	t, p, err := c.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v %s\n", t, p)
	fmt.Println(c.Shutdown(ctx, websocket.StatusNormalClosure, "bye"))
	// Output:
	// Text hello
	// <nil>
}

// An old server is spoken to in its own version.
func ExampleDialer_version() {
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		return c.WriteMessage(websocket.Text, []byte("you speak "+c.Version().String()))
	}))
	defer s.Close()

	for _, v := range []websocket.Version{websocket.RFC6455, websocket.Hybi00, websocket.Hixie75} {
		d := websocket.Dialer{Version: v}
		c, err := d.Dial(context.Background(), wsURL(s))
		if err != nil {
			log.Fatal(err)
		}
		_, p, _ := c.ReadMessage()
		err = c.WriteMessage(websocket.Binary, []byte{1, 2, 3})
		fmt.Printf("%s; binary is unsupported: %v\n", p, errors.Is(err, errors.ErrUnsupported))
		c.Close()
	}
	// Output:
	// you speak rfc6455; binary is unsupported: false
	// you speak draft-ietf-hybi-00; binary is unsupported: true
	// you speak draft-hixie-75; binary is unsupported: true
}

// What a server says when it refuses a connection.
func ExampleHandshakeError() {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "closed on Sundays", http.StatusServiceUnavailable)
	}))
	defer s.Close()

	_, err := websocket.Dial(context.Background(), wsURL(s))
	var refused *websocket.HandshakeError
	if errors.As(err, &refused) && refused.Response != nil {
		body, _ := io.ReadAll(refused.Response.Body)
		fmt.Printf("%d: %s", refused.Status, body)
	}
	// Output: 503: closed on Sundays
}

// The server chooses one of the subprotocols that the client offers.
func ExampleUpgrader_subprotocols() {
	s := httptest.NewServer(&websocket.Server{
		Upgrader: websocket.Upgrader{Subprotocols: []string{"chat.v2", "chat.v1"}},
		Handler: func(ctx context.Context, c *websocket.Conn) error {
			return c.WriteMessage(websocket.Text, []byte("we speak "+c.Subprotocol()))
		},
	})
	defer s.Close()

	for _, offer := range [][]string{{"chat.v1", "chat.v2"}, {"chat.v1"}, {"video"}} {
		d := websocket.Dialer{Subprotocols: offer}
		c, err := d.Dial(context.Background(), wsURL(s))
		if err != nil {
			log.Fatal(err)
		}
		_, p, _ := c.ReadMessage()
		fmt.Printf("%v: %q, %q\n", offer, c.Subprotocol(), p)
		c.Close()
	}
	// Output:
	// [chat.v1 chat.v2]: "chat.v2", "we speak chat.v2"
	// [chat.v1]: "chat.v1", "we speak chat.v1"
	// [video]: "", "we speak "
}

// Which pages may connect.
func ExampleUpgrader_origins() {
	s := httptest.NewServer(&websocket.Server{
		Upgrader: websocket.Upgrader{Origins: []string{"https://example.com", "https://*.example.org"}},
		Handler:  echo,
	})
	defer s.Close()

	for _, origin := range []string{s.URL, "https://example.com", "https://www.example.org", "https://evil.example"} {
		d := websocket.Dialer{Header: http.Header{"Origin": {origin}}}
		c, err := d.Dial(context.Background(), wsURL(s))
		if err == nil {
			c.Close()
		}
		var refused *websocket.HandshakeError
		if errors.As(err, &refused) {
			fmt.Println(origin, refused.Status)
		}
	}
	// Output: https://evil.example 403
}

// Compression is agreed on if both sides want it.
func ExampleCompression() {
	u := websocket.Upgrader{Config: websocket.Config{Compression: &websocket.Compression{}}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r)
		if err != nil {
			return
		}
		defer c.Close()
		c.WriteMessage(websocket.Text, []byte(strings.Repeat("all the same ", 1000)))
	}))
	defer s.Close()

	d := websocket.Dialer{Config: websocket.Config{Compression: &websocket.Compression{}}}
	c, err := d.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, p, err := c.ReadMessage()
	fmt.Println(len(p), err)
	fmt.Println(c.Response().Header.Get("Sec-WebSocket-Extensions"))
	// Output:
	// 13000 <nil>
	// permessage-deflate; server_max_window_bits=12; client_max_window_bits=12
}

// Cookies, in both directions.
func ExampleDialer_cookies() {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before := r.Header.Get("Cookie")
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "abc"})
		c, err := new(websocket.Upgrader).Upgrade(w, r)
		if err != nil {
			return
		}
		defer c.Close()
		c.WriteMessage(websocket.Text, fmt.Appendf(nil, "you came with %q", before))
	}))
	defer s.Close()

	jar, _ := cookiejar.New(nil)
	d := websocket.Dialer{Jar: jar}
	for range 2 {
		c, err := d.Dial(context.Background(), wsURL(s))
		if err != nil {
			log.Fatal(err)
		}
		_, p, _ := c.ReadMessage()
		fmt.Printf("%s\n", p)
		c.Close()
	}
	// Output:
	// you came with ""
	// you came with "session=abc"
}

// A connection to a Unix socket.
func ExampleDialer_unix() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", dir+"/socket")
	if err != nil {
		log.Fatal(err)
	}
	s := &http.Server{Handler: websocket.Handler(echo)}
	go s.Serve(l)
	defer s.Close()

	d := websocket.Dialer{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", dir+"/socket")
		},
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	}
	c, err := d.Dial(context.Background(), "ws://localhost/")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.WriteMessage(websocket.Text, []byte("hello"))
	_, p, err := c.ReadMessage()
	fmt.Printf("%s %v\n", p, err)
	// Output: hello <nil>
}

// A client over a connection that the program has made.
func ExampleDialer_Handshake() {
	near, far := net.Pipe()
	go func() {
		c, err := new(websocket.Upgrader).Accept(context.Background(), far)
		if err != nil {
			log.Fatal(err)
		}
		echo(context.Background(), c)
	}()

	c, err := new(websocket.Dialer).Handshake(context.Background(), near, "ws://in.memory/")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.WriteMessage(websocket.Text, []byte("hello"))
	_, p, err := c.ReadMessage()
	fmt.Printf("%s %v\n", p, err)
	// Output: hello <nil>
}
