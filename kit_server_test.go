package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// pipeNet is a listener whose connections are net.Pipes, with clients for them.
type pipeNet struct{ *testkit.PipeListener }

// startServer serves h by net/http until the test ends.
func startServer(t *testing.T, h http.Handler) *pipeNet {
	t.Helper()
	return startHTTP(t, &http.Server{Handler: h})
}

// startHTTP starts srv until the test ends.
func startHTTP(t *testing.T, srv *http.Server) *pipeNet {
	t.Helper()
	n := &pipeNet{testkit.NewPipeListener(net.Pipe)}
	srv.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	go srv.Serve(n)
	t.Cleanup(func() { srv.Close() })
	return n
}

// startInBubble is startServer in a bubble.
func startInBubble(t *testing.T, h http.Handler) *pipeNet {
	t.Helper()
	t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) }) // after which nothing may be left
	return startServer(t, h)
}

// handshake turns a new connection into one of a client.
func (n *pipeNet) handshake(t *testing.T, d websocket.Dialer, path string) (*websocket.Conn, error) {
	return d.Handshake(t.Context(), n.Connect(), "ws://server.test"+path)
}

// dial returns a client's connection. It is closed when the test ends.
func (n *pipeNet) dial(t *testing.T, v websocket.Version) *websocket.Conn {
	t.Helper()
	c, err := n.handshake(t, websocket.Dialer{Version: v}, "/path?q=1")
	if err != nil {
		t.Fatalf("dialing with %v: %v", v, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// refusal returns the response to a request, which must be refused.
func (n *pipeNet) refusal(t *testing.T) *http.Response {
	t.Helper()
	_, err := n.handshake(t, websocket.Dialer{}, "/")
	var refused *websocket.HandshakeError
	if !errors.As(err, &refused) || refused.Response == nil {
		t.Fatalf("dialing: %v; expected to be refused", err)
	}
	return refused.Response
}

// echoHandler answers every message with itself.
func echoHandler(_ context.Context, c *websocket.Conn) error {
	for {
		typ, p, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if err := c.WriteMessage(typ, p); err != nil {
			return err
		}
	}
}

// readToEnd reads messages until the connection ends, and returns why.
func readToEnd(c *websocket.Conn) error {
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			return err
		}
	}
}

// wantClose reads to the end, which must be a Close with this code and reason.
func wantClose(t *testing.T, c *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	err := readToEnd(c)
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != code || ce.Reason != reason {
		t.Errorf("the client's read ends with %v; expected a Close with %v %q", err, code, reason)
	}
}

// logBuffer keeps what is logged, one record per line.
type logBuffer struct{ testkit.LogBuffer }

// logger returns a Logger that writes to l.
func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// at returns the records of a level.
func (l *logBuffer) at(level slog.Level) []string {
	var found []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, "level="+level.String()) {
			found = append(found, line)
		}
	}
	return found
}

// connectTo starts srv until the test ends and returns a connection to it.
func connectTo(t *testing.T, srv *http.Server) net.Conn {
	t.Helper()
	client := startHTTP(t, srv).Connect()
	t.Cleanup(func() { client.Close() })
	return client
}

// echoOnceHandler returns a handler that upgrades, answers one message with
// itself and closes the connection. It sends the error of Upgrade to result,
// which may be nil.
func echoOnceHandler(up *websocket.Upgrader, result chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r)
		if err == nil {
			defer c.Close()
			echoOnce(c)
		}
		if result != nil {
			result <- err
		}
	}
}

// echoOnce answers one message with itself.
func echoOnce(c *websocket.Conn) {
	if typ, p, err := c.ReadMessage(); err == nil {
		c.WriteMessage(typ, p)
	}
}

// wantBytes reads len(want) bytes, which must be want.
func wantBytes(t *testing.T, nc io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(nc, got); err != nil || string(got) != want {
		t.Fatalf("received (%v)\n%q, want\n%q", err, got[:n], want)
	}
}

// readRest reads to the end.
func readRest(t *testing.T, nc io.Reader) string {
	t.Helper()
	got, err := io.ReadAll(nc)
	if err != nil {
		t.Errorf("reading to the end: %v after %q", err, got)
	}
	return string(got)
}

// serverWays are Upgrade and Accept, with an echo of one message after the
// handshake. Each returns the client's end of the connection and the error of
// the handshake.
var serverWays = map[string]func(*testing.T, *websocket.Upgrader) (net.Conn, <-chan error){
	"Upgrade": func(t *testing.T, up *websocket.Upgrader) (net.Conn, <-chan error) {
		result := make(chan error, 1)
		return connectTo(t, &http.Server{Handler: echoOnceHandler(up, result)}), result
	},
	"Accept": func(t *testing.T, up *websocket.Upgrader) (net.Conn, <-chan error) {
		result := make(chan error, 1)
		client, server := net.Pipe()
		t.Cleanup(func() { client.Close() })
		go func() {
			c, err := up.Accept(t.Context(), server)
			if err == nil {
				defer c.Close()
				echoOnce(c)
			}
			result <- err
		}()
		return client, result
	},
}

// eachServerWay runs f for Upgrade and Accept, each in a bubble.
func eachServerWay(t *testing.T, up *websocket.Upgrader, f func(t *testing.T, client net.Conn, result <-chan error)) {
	t.Helper()
	for name, serve := range serverWays {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, result := serve(t, up)
				f(t, client, result)
			})
		})
	}
}

// checkPeerClosed fails unless the other end of a pipe is closed already.
func checkPeerClosed(t *testing.T, nc net.Conn) {
	t.Helper()
	nc.SetWriteDeadline(time.Unix(1, 0))
	if _, err := nc.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write to the other end: %v; it is still open", err)
	}
	nc.Close()
}

// hijacker is a ResponseWriter whose connection is nc.
type hijacker struct {
	*httptest.ResponseRecorder
	nc net.Conn
}

func (w hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(bufio.NewReader(w.nc), bufio.NewWriter(w.nc)), nil
}

// deadlineLog is a connection that remembers its deadlines.
type deadlineLog struct {
	net.Conn
	mu          sync.Mutex
	read, write time.Time
	count       int
}

func (c *deadlineLog) note(read, write bool, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if read {
		c.read = at
	}
	if write {
		c.write = at
	}
}

func (c *deadlineLog) SetDeadline(at time.Time) error {
	c.note(true, true, at)
	return c.Conn.SetDeadline(at)
}

func (c *deadlineLog) SetReadDeadline(at time.Time) error {
	c.note(true, false, at)
	return c.Conn.SetReadDeadline(at)
}

func (c *deadlineLog) SetWriteDeadline(at time.Time) error {
	c.note(false, true, at)
	return c.Conn.SetWriteDeadline(at)
}

// check fails if a deadline is still set, or none ever was.
func (c *deadlineLog) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count < 2 || !c.read.IsZero() || !c.write.IsZero() {
		t.Errorf("%d deadlines set, left are %v for reads and %v for writes; want none left", c.count, c.read, c.write)
	}
}
