//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/protocol-websocket/websocket"
)

// patience is how long a test waits for what should come at once.
const patience = 10 * time.Second

// testLoop is a running loop.
type testLoop struct {
	*loop
	addr  string
	ended chan error
}

// start runs a loop until the end of the test, and then checks that it ends.
func start(t *testing.T, o options) *testLoop {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLoop(ln.(*net.TCPListener), o)
	if err != nil {
		t.Fatal(err)
	}
	tl := &testLoop{loop: l, addr: ln.Addr().String(), ended: make(chan error, 1)}
	go func() { tl.ended <- l.run() }()
	t.Cleanup(func() {
		l.stop()
		tl.awaitEnd(t)
	})
	return tl
}

func (l *testLoop) awaitEnd(t *testing.T) {
	t.Helper()
	select {
	case err := <-l.ended:
		if err != nil {
			t.Errorf("run: %v", err)
		}
		l.ended <- nil // for the next call
	case <-time.After(patience):
		t.Fatal("the loop did not end after stop")
	}
}

func (l *testLoop) dial(t *testing.T, v websocket.Version) *websocket.Conn {
	t.Helper()
	d := websocket.Dialer{Version: v}
	c, err := d.Dial(t.Context(), "ws://"+l.addr+"/")
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

// dialRaw connects without a handshake.
func (l *testLoop) dialRaw(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

func echo(c *websocket.Conn, typ websocket.MessageType, text string) error {
	if err := c.WriteMessage(typ, []byte(text)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return expect(c, typ, text)
}

func expect(c *websocket.Conn, typ websocket.MessageType, want string) error {
	got, p, err := c.ReadMessage()
	if err != nil {
		return fmt.Errorf("read, expecting %v %.40q: %w", typ, want, err)
	}
	if got != typ || string(p) != want {
		return fmt.Errorf("received %v %.40q, expected %v %.40q", got, p, typ, want)
	}
	return nil
}

func expectClose(t *testing.T, c *websocket.Conn, want websocket.StatusCode) {
	t.Helper()
	if hixie(c.Version()) {
		want = websocket.StatusNoStatusReceived
	}
	_, _, err := c.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != want {
		t.Errorf("%v: read: %v; expected a CloseError with %v", c.Version(), err, want)
	}
}

func TestEchoInEveryVersion(t *testing.T) {
	l := start(t, options{})
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			c := l.dial(t, v)
			for _, text := range []string{"Hello", "", "Grüße, 世界", strings.Repeat("long ", 200_000)} {
				if err := echo(c, websocket.Text, text); err != nil {
					t.Fatal(err)
				}
			}
			if !hixie(v) {
				if err := echo(c, websocket.Binary, "\x00\xff"); err != nil {
					t.Fatal(err)
				}
				ping(t, c)
			}
			if err := c.Shutdown(t.Context(), websocket.StatusNormalClosure, "done"); err != nil {
				t.Errorf("closing handshake: %v", err)
			}
		})
	}
}

// ping sends a Ping. Only a read receives the Pong, so ping reads; after the
// Pong it sends a message, whose echo ends the read.
func ping(t *testing.T, c *websocket.Conn) {
	t.Helper()
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		_, err := c.Ping(ctx)
		done <- errors.Join(err, c.WriteMessage(websocket.Text, []byte("after the Pong")))
	}()
	if err := errors.Join(expect(c, websocket.Text, "after the Pong"), <-done); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// TestManyConnections has 250 clients at once. Some of them end without a
// closing handshake.
func TestManyConnections(t *testing.T) {
	l := start(t, options{})
	var wg sync.WaitGroup
	for i := range 250 {
		c := l.dial(t, versions[i%len(versions)])
		wg.Go(func() {
			for j := range 20 {
				if err := echo(c, websocket.Text, fmt.Sprintf("client %d, message %d, %s", i, j, strings.Repeat("x", 50*j))); err != nil {
					t.Errorf("client %d, %v: %v", i, c.Version(), err)
					return
				}
			}
			if i%3 == 0 {
				c.Close()
			}
		})
	}
	wg.Wait()
}

func TestManyMessagesAtOnce(t *testing.T) {
	l := start(t, options{})
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			c := l.dial(t, v)
			for i := range 5000 {
				if err := c.BufferMessage(websocket.Text, fmt.Appendf(nil, "message %d", i)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 5000 {
				if err := expect(c, websocket.Text, fmt.Sprintf("message %d", i)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestGarbage(t *testing.T) {
	l := start(t, options{})
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	good := l.dial(t, websocket.RFC6455)
	tests := []struct{ name, in, want string }{
		{"plain HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 "},
		{"HTTP, and more of it than is read", "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + string(noise), "HTTP/1.1 426 "},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "HTTP/1.1 400 "},
		{"noise", string(noise) + "\r\n\r\n", "HTTP/1.1 4"},
		{"header without end", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 200_000), "HTTP/1.1 4"},
		{"noise for frames", string(newClient(t, websocket.RFC6455).request()) + string(noise), "HTTP/1.1 101 "},
		{"noise for hixie frames", string(newClient(t, websocket.Hybi00).request()) + string(noise), "HTTP/1.1 101 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := l.dialRaw(t)
			go func() {
				io.WriteString(c, tt.in)
				c.(*net.TCPConn).CloseWrite()
			}()
			got, err := io.ReadAll(c) // an error means a reset, which may destroy the answer
			if err != nil || !strings.HasPrefix(string(got), tt.want) {
				t.Errorf("answer %.100q, error %v; expected it to begin %q, and the end", got, err, tt.want)
			}
			if err := echo(good, websocket.Text, "still here"); err != nil {
				t.Errorf("another connection suffered: %v", err)
			}
		})
	}
}

// TestClientOfHixie75EndsItsSide ends a connection in the only way that this
// version has. The server still answers what came before the end.
func TestClientOfHixie75EndsItsSide(t *testing.T) {
	l := start(t, options{})
	c := l.dialRaw(t)
	cl := newClient(t, websocket.Hixie75)
	c.Write(append(cl.request(), cl.message(websocket.Text, "last words")...))
	c.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasSuffix(string(got), "\x00last words\xff") {
		t.Errorf("received %q, error %v; expected the echo and the end", got, err)
	}
}

func TestTimeouts(t *testing.T) {
	const short, long = 30 * time.Millisecond, time.Hour
	request := string(newClient(t, websocket.RFC6455).request())
	hybi00 := string(newClient(t, websocket.Hybi00).request())
	tests := []struct {
		name          string
		opening, idle time.Duration
		in            string
		first, last   string // of what is received
	}{
		{"silence", short, long, "", "HTTP/1.1 408 ", ""},
		{"half a request", short, long, request[:60], "HTTP/1.1 408 ", ""},
		{"request without its key3", short, long, hybi00[:len(hybi00)-8], "HTTP/1.1 101 ", "\r\n\r\n"},
		{"idle connection", long, short, request, "HTTP/1.1 101 ", "\x88\x02\x03\xe9"},
		{"idle connection of hixie-76", long, short, hybi00, "HTTP/1.1 101 ", "\xff\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := start(t, options{
				upgrader:    websocket.Upgrader{Config: websocket.Config{HandshakeTimeout: tt.opening}},
				idleTimeout: tt.idle, closeTimeout: long,
			})
			c := l.dialRaw(t)
			io.WriteString(c, tt.in)
			got, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(got), tt.first) || !strings.HasSuffix(string(got), tt.last) {
				t.Errorf("received %q, error %v; expected %q … %q and the end", got, err, tt.first, tt.last)
			}
			c.Close() // otherwise the shutdown would wait for it
		})
	}
}

// TestPeerThatNeverEnds has a peer that gets its answer, and then neither ends
// its side nor stops sending. The server cuts it off after closeTimeout.
func TestPeerThatNeverEnds(t *testing.T) {
	l := start(t, options{closeTimeout: 30 * time.Millisecond})
	c := l.dialRaw(t)
	cl := newClient(t, websocket.RFC6455)
	c.Write(append(cl.request(), cl.closing(websocket.StatusNormalClosure)...))
	for {
		if _, err := c.Write(make([]byte, 1000)); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection was not cut off")
			}
			return
		}
	}
}

func TestShutdown(t *testing.T) {
	l := start(t, options{})
	var conns []*websocket.Conn
	for _, v := range versions {
		c := l.dial(t, v)
		if err := echo(c, websocket.Text, "Hello"); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	half := l.dialRaw(t)
	io.WriteString(half, "GET / HTTP/1.1\r\n")
	l.stop()
	for _, c := range conns {
		expectClose(t, c, websocket.StatusGoingAway)
	}
	// The server may end before it accepts the connection with half a request.
	// If it accepts it, it must answer.
	if got, err := io.ReadAll(half); err == nil && len(got) > 0 && !strings.HasPrefix(string(got), "HTTP/1.1 503 ") {
		t.Errorf("answer to half a request: %q, expected status 503", got)
	}
	half.Close()
	l.awaitEnd(t)
	if len(l.conns) > 0 {
		t.Errorf("%d connections left", len(l.conns))
	}
	if c, err := net.Dial("tcp", l.addr); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

// TestConnectionsAreLimited opens as many connections as the loop allows. The
// next one waits in the system's queue until another ends.
func TestConnectionsAreLimited(t *testing.T) {
	l := start(t, options{maxConns: 3})
	var conns []*websocket.Conn
	for range 3 {
		conns = append(conns, l.dial(t, websocket.RFC6455))
	}
	next := l.dialRaw(t)
	next.Write(newClient(t, websocket.RFC6455).request())
	next.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := next.Read(make([]byte, 1)); n > 0 {
		t.Fatalf("one connection too many was answered (error %v)", err)
	}
	if err := echo(conns[2], websocket.Text, "Hello"); err != nil {
		t.Fatalf("a connection of the full loop: %v", err)
	}
	conns[0].Close()
	next.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(next, make([]byte, 1)); err != nil {
		t.Fatalf("the waiting connection was not accepted after another had left: %v", err)
	}
}

func TestRun(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().String()
	err = run(t.Context(), port, time.Minute)
	if err == nil || !strings.Contains(err.Error(), port) || !strings.Contains(err.Error(), "-addr") {
		t.Errorf("run on a port in use: %v; expected an error that names it and the flag", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, "127.0.0.1:0", time.Minute); err != nil {
		t.Errorf("run until its context ends: %v", err)
	}
}

func TestRemoteAddr(t *testing.T) {
	tests := []struct {
		name string
		sa   unix.Sockaddr
		want string
	}{
		{"IPv4", &unix.SockaddrInet4{Port: 80, Addr: [4]byte{192, 0, 2, 1}}, "192.0.2.1:80"},
		{"IPv6", &unix.SockaddrInet6{Port: 80, Addr: [16]byte{15: 1}}, "[::1]:80"},
		{"IPv4 on a socket for both", &unix.SockaddrInet6{Port: 80, Addr: [16]byte{10: 0xff, 0xff, 192, 0, 2, 1}}, "192.0.2.1:80"},
		{"none of these", &unix.SockaddrUnix{}, ""},
	}
	for _, tt := range tests {
		if got := remoteAddr(tt.sa); got != tt.want {
			t.Errorf("%s: %q, expected %q", tt.name, got, tt.want)
		}
	}
}
