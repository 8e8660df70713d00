package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/rpc"
	"os"
	"time"

	"github.com/protocol-websocket/websocket"
)

// Options of both sides: the peer is dropped if it is silent too long.
func ExampleConfig_keepalive() {
	ended := make(chan error)
	s := httptest.NewServer(&websocket.Server{
		Upgrader: websocket.Upgrader{Config: websocket.Config{
			PingInterval: 10 * time.Millisecond, // in a program, 30 seconds or so
			PingTimeout:  10 * time.Millisecond,
		}},
		Handler: func(ctx context.Context, c *websocket.Conn) error {
			_, _, err := c.ReadMessage()
			ended <- err
			return err
		},
	})
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close() // and does not read, so it answers no Ping
	fmt.Println(errors.Is(<-ended, websocket.ErrPingTimeout))
	// Output: true
}

// A loop that ends when the peer closes the connection, or the context ends.
func ExampleConn_Messages() {
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		for _, text := range []string{"one", "two", "three"} {
			c.WriteMessage(websocket.Text, []byte(text))
		}
		return nil // which closes the connection normally
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for m, err := range c.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v %s\n", m.Type, m.Data)
	}
	fmt.Println("done")
	// Output:
	// Text one
	// Text two
	// Text three
	// done
}

// A message that is not held in memory, on the way out.
func ExampleConn_NextWriter() {
	s := httptest.NewServer(websocket.Handler(echo))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	w, err := c.NextWriter(websocket.Text)
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		fmt.Fprintf(w, "line %d\n", i)
	}
	if err := w.Close(); err != nil { // sends the rest
		log.Fatal(err)
	}
	_, p, _ := c.ReadMessage()
	fmt.Printf("%s", p)
	// Output:
	// line 0
	// line 1
	// line 2
}

// A message that is not held in memory, on the way in.
func ExampleConn_NextReader() {
	received := make(chan int64)
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		_, r, err := c.NextReader()
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, r) // or to a file
		received <- n
		return err
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.WriteMessage(websocket.Binary, make([]byte, 1<<20))
	fmt.Println(<-received)
	// Output: 1048576
}

// The fastest echo: nothing is allocated, and what arrives together is
// answered together.
func ExampleConn_BufferMessage() {
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		var buf []byte
		for {
			t, p, err := c.ReadAppend(buf[:0])
			if err != nil {
				return err
			}
			if err := c.BufferMessage(t, p); err != nil {
				return err
			}
			buf = p
		}
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for i := range 3 {
		c.BufferMessage(websocket.Text, fmt.Appendf(nil, "message %d", i))
	}
	c.Flush() // the next read would do it too
	for range 3 {
		_, p, _ := c.ReadMessage()
		fmt.Printf("%s\n", p)
	}
	// Output:
	// message 0
	// message 1
	// message 2
}

// A message for many connections, framed once.
func ExamplePrepare() {
	joined := make(chan *websocket.Conn, 3)
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		joined <- c
		<-c.Discard(ctx).Done() // until the client leaves
		return nil
	}))
	defer s.Close()

	clients := make([]*websocket.Conn, 3)
	for i := range clients {
		c, err := websocket.Dial(context.Background(), wsURL(s))
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		clients[i] = c
	}

	news, err := websocket.Prepare(websocket.Text, []byte("news"))
	if err != nil {
		log.Fatal(err)
	}
	for range clients {
		c := <-joined
		if err := c.WritePrepared(news); err != nil {
			log.Fatal(err)
		}
	}
	for i, c := range clients {
		_, p, _ := c.ReadMessage()
		fmt.Printf("client %d: %s\n", i, p)
	}
	// Output:
	// client 0: news
	// client 1: news
	// client 2: news
}

// A read that gives up in the middle has lost nothing.
func ExampleConn_SetReadDeadline() {
	proceed := make(chan struct{})
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		<-proceed
		return c.WriteMessage(websocket.Text, []byte("at last"))
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, _, err = c.ReadMessage()
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))

	close(proceed)
	c.SetReadDeadline(time.Time{})
	_, p, err := c.ReadMessage()
	fmt.Printf("%s %v\n", p, err)
	// Output:
	// true
	// at last <nil>
}

// A Pong is found by a read, so another goroutine must be in one.
func ExampleConn_Ping() {
	s := httptest.NewServer(websocket.Handler(echo))
	defer s.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := websocket.Dial(ctx, wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.Discard(ctx)
	took, err := c.Ping(ctx)
	fmt.Println(took > 0, err)
	// Output: true <nil>
}

// A program that only writes still answers Pings, and learns of the end.
func ExampleConn_Discard() {
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		_, p, err := c.ReadMessage()
		if err != nil {
			return err
		}
		return &websocket.CloseError{Code: 4000, Reason: "got " + string(p)}
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := c.Discard(context.Background())
	c.WriteMessage(websocket.Text, []byte("42"))
	<-ctx.Done()
	fmt.Println(context.Cause(ctx))
	// Output: websocket: peer closed the connection: 4000: "got 42"
}

// The closing handshake: the peer has received all that was sent before.
func ExampleConn_Shutdown() {
	heard := make(chan any, 2)
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		_, p, _ := c.ReadMessage()
		heard <- string(p)
		_, _, err := c.ReadMessage()
		heard <- err
		return err
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	c.WriteMessage(websocket.Text, []byte("last words"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := c.Shutdown(ctx, websocket.StatusGoingAway, "closing time"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-heard)
	fmt.Println(<-heard)
	// Output:
	// last words
	// websocket: peer closed the connection: 1001 (going away): "closing time"
}

// A tunnel carries any connection in a WebSocket. Here it leads to a server that
// answers one line.
func ExampleStream_tunnel() {
	to, server := net.Pipe()
	go func() {
		line, _ := bufio.NewReader(server).ReadString('\n')
		fmt.Fprintf(server, "you said %s", line)
		server.Close()
	}()
	tunnel := func(c *websocket.Conn, nc net.Conn) {
		s := websocket.Stream(c, websocket.Binary)
		go func() { io.Copy(s, nc); s.Close() }()
		io.Copy(nc, s)
		nc.Close()
	}
	srv := httptest.NewServer(websocket.Handler(func(_ context.Context, c *websocket.Conn) error {
		tunnel(c, to)
		return nil
	}))
	defer srv.Close()

	c, err := websocket.Dial(context.Background(), wsURL(srv))
	if err != nil {
		log.Fatal(err)
	}
	from, local := net.Pipe()
	go tunnel(c, from)
	fmt.Fprintln(local, "hello")
	answer, err := io.ReadAll(local)
	fmt.Printf("%q %v\n", answer, err)
	// Output: "you said hello\n" <nil>
}

// A protocol that knows nothing of messages, here lines of text.
func ExampleStream() {
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		stream := websocket.Stream(c, websocket.Binary)
		_, err := io.Copy(stream, stream)
		return err
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	stream := websocket.Stream(c, websocket.Binary)
	defer stream.Close()
	fmt.Fprintln(stream, "220 ready")
	fmt.Fprintln(stream, "250 ok")
	for range 2 {
		var code int
		var text string
		fmt.Fscanln(stream, &code, &text)
		fmt.Println(code, text)
	}
	// Output:
	// 220 ready
	// 250 ok
}

// Calculator is a service of net/rpc.
type Calculator struct{}

// Numbers are the argument of Add.
type Numbers struct{ A, B int }

// Add adds two numbers.
func (Calculator) Add(in Numbers, sum *int) error { *sum = in.A + in.B; return nil }

// A package that wants a net.Conn, here net/rpc, gets one.
func ExampleStream_rpc() {
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		service := rpc.NewServer()
		if err := service.Register(Calculator{}); err != nil {
			return err
		}
		service.ServeConn(websocket.Stream(c, websocket.Binary)) // until the peer closes
		return nil
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	stream := websocket.Stream(c, websocket.Binary)
	stream.SetDeadline(time.Now().Add(time.Minute))
	client := rpc.NewClient(stream)
	defer client.Close()
	var sum int
	fmt.Println(client.Call("Calculator.Add", Numbers{20, 22}, &sum), sum)
	// Output: <nil> 42
}

type question struct{ A, B int }

// JSON in messages of text.
func ExampleReadJSON() {
	s := httptest.NewServer(websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
		q, err := websocket.ReadJSON[question](c)
		if err != nil {
			return err
		}
		return websocket.WriteJSON(c, map[string]int{"sum": q.A + q.B})
	}))
	defer s.Close()

	c, err := websocket.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := websocket.WriteJSON(c, question{A: 2, B: 3}); err != nil {
		log.Fatal(err)
	}
	answer, err := websocket.ReadJSON[map[string]int](c)
	fmt.Println(answer["sum"], err)
	// Output: 5 <nil>
}

// Hooks that tell what happens on a connection.
func ExampleTrace() {
	s := httptest.NewServer(websocket.Handler(echo))
	defer s.Close()

	d := websocket.Dialer{Config: websocket.Config{Trace: &websocket.Trace{
		Opened: func(c *websocket.Conn) { fmt.Println("opened", c.Version()) },
		FrameRead: func(_ *websocket.Conn, f websocket.FrameInfo) {
			fmt.Println("read", f.Opcode, f.Length)
		},
		FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) {
			fmt.Println("wrote", f.Opcode, f.Length)
		},
	}}}
	c, err := d.Dial(context.Background(), wsURL(s))
	if err != nil {
		log.Fatal(err)
	}
	c.WriteMessage(websocket.Text, []byte("hello"))
	c.ReadMessage()
	c.Shutdown(context.Background(), websocket.StatusNormalClosure, "")
	// Output:
	// opened rfc6455
	// wrote Text 5
	// read Text 5
	// wrote Close 2
	// read Close 2
}
