package routers

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// pipeNet is a listener whose connections are in memory, with clients for them.
type pipeNet struct{ *testkit.PipeListener }

// serve serves h until the test ends.
func serve(t *testing.T, h http.Handler) *pipeNet {
	n := &pipeNet{testkit.NewPipeListener(websocket.NetPipe)}
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
	return new(websocket.Dialer).Handshake(context.Background(), n.Connect(), "ws://server.test/rooms/"+room)
}

// get makes a plain request for a room. It checks the answer, so that it is
// sure that the router's context is in use.
func (n *pipeNet) get(t *testing.T, room string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return n.Connect(), nil }, DisableKeepAlives: true}}
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

// untilRead is a handler that returns when the client has sent a message or has
// gone.
func untilRead(_ context.Context, c *websocket.Conn) error {
	_, _, err := c.ReadMessage()
	return err
}
