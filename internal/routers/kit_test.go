package routers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// pipeNet is a listener whose connections are in memory, so that all time is
// that of a bubble.
type pipeNet struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (n *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *pipeNet) Close() error   { close(n.closed); return nil }
func (n *pipeNet) Addr() net.Addr { return &net.UnixAddr{Name: "bubble", Net: "unix"} }

func (n *pipeNet) connect() net.Conn {
	client, server := websocket.NetPipe()
	n.conns <- server
	return client
}

// serve serves h until the test ends.
func serve(t *testing.T, h http.Handler) *pipeNet {
	n := &pipeNet{make(chan net.Conn), make(chan struct{})}
	srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go srv.Serve(n)
	t.Cleanup(func() {
		srv.Close()
		time.Sleep(time.Minute) // after which nothing may be left
	})
	return n
}

// dial connects to a room. The connection is closed when the test ends.
func (n *pipeNet) dial(t *testing.T, room string) *websocket.Conn {
	t.Helper()
	c, err := n.tryDial(room)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (n *pipeNet) tryDial(room string) (*websocket.Conn, error) {
	return new(websocket.Dialer).Handshake(context.Background(), n.connect(), "ws://server.test/rooms/"+room)
}

// get makes a plain request for a room. It checks the answer, so that it is
// sure that the router's context is in use.
func (n *pipeNet) get(t *testing.T, room string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return n.connect(), nil }, DisableKeepAlives: true}}
	res, err := client.Get("http://server.test/plain/" + room)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != room {
		t.Fatalf("plain request: %q, %v, want %q", b, err, room)
	}
}

// wantText reads a message, which must be this text.
func wantText(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	if _, p, err := c.ReadMessage(); err != nil || string(p) != want {
		t.Errorf("read %q, %v, want %q", p, err, want)
	}
}

// wantClose reads to the end, which must be a Close with this code.
func wantClose(t *testing.T, c *websocket.Conn, code websocket.StatusCode) {
	t.Helper()
	for {
		_, _, err := c.ReadMessage()
		var ce *websocket.CloseError
		if errors.As(err, &ce) && ce.Code == code {
			return
		}
		if err != nil {
			t.Errorf("read ends with %v, want a Close with %v", err, code)
			return
		}
	}
}

// eachRouter runs f for each router, in a bubble.
func eachRouter(t *testing.T, f func(t *testing.T, r router)) {
	for _, r := range routers {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, r) })
		})
	}
}

// logBuffer collects what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// untilRead is a handler that returns when the client has sent a message or has
// gone.
func untilRead(_ context.Context, c *websocket.Conn) error {
	_, _, err := c.ReadMessage()
	return err
}
