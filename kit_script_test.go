package websocket_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// script is a connection whose peer sends in and then ends, or sends it again
// and again if again is set. It keeps in out what is written to it, unless
// again is set. It has neither deadlines nor goroutines.
type script struct {
	in    []byte
	pos   int
	again bool
	out   bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) {
	if s.pos == len(s.in) {
		if !s.again {
			return 0, io.EOF
		}
		s.pos = 0
	}
	n := copy(p, s.in[s.pos:])
	s.pos += n
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	if s.again {
		return len(p), nil
	}
	return s.out.Write(p)
}

func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return nil }
func (s *script) RemoteAddr() net.Addr             { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// newScripted returns a connection whose peer sends wire and then ends.
func newScripted(v websocket.Version, side websocket.Side, wire []byte) (*websocket.Conn, *script) {
	s := &script{in: wire}
	return newConn(s, v, side, &websocket.Config{}), s
}

// stutter is a connection whose deadline passes before every byte, while on is
// set. After stutterBytes it takes larger steps, or the tests would take long.
type stutter struct {
	net.Conn
	on      *atomic.Bool
	expired bool
	reads   int
}

func (s *stutter) Read(p []byte) (int, error) {
	if !s.on.Load() || len(p) == 0 {
		return s.Conn.Read(p)
	}
	if s.expired = !s.expired; s.expired {
		return 0, os.ErrDeadlineExceeded
	}
	if s.reads++; s.reads > stutterBytes {
		return s.Conn.Read(p[:min(len(p), 61)])
	}
	return s.Conn.Read(p[:1])
}

const stutterBytes = 1500

// gate is a connection whose writes wait. The test takes each from writes and
// says in results what it returns.
type gate struct {
	script
	writes  chan []byte
	results chan gateResult
}

func (g *gate) Write(p []byte) (int, error) {
	g.writes <- bytes.Clone(p)
	r := <-g.results
	if r.n < 0 {
		r.n = len(p)
	}
	return r.n, r.err
}

// expect takes the next write and lets it succeed. It must be frames with these
// texts.
func (g *gate) expect(t *testing.T, what string, want ...string) {
	t.Helper()
	got := <-g.writes
	g.results <- gateResult{n: -1}
	wantTexts(t, what, websocket.RFC6455, got, want...)
}

// gateResult is what a Write returns. If n is less than 0, it has written
// everything.
type gateResult struct {
	n   int
	err error
}

// errGateTimeout is what connections of package net return at the deadline.
var errGateTimeout = &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}

// withGate runs f in a bubble with a connection on a gate.
func withGate(t *testing.T, v websocket.Version, f func(t *testing.T, c *websocket.Conn, g *gate)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{writes: make(chan []byte), results: make(chan gateResult)}
		c := newConn(g, v, websocket.ServerSide, &websocket.Config{})
		f(t, c, g)
		c.Close()
	})
}

// textsOf returns the payloads of the frames in b.
func textsOf(t *testing.T, v websocket.Version, b []byte) (texts []string) {
	t.Helper()
	for len(b) > 0 {
		f, n, err := websocket.ParseFrame(b, v)
		if err != nil {
			t.Fatalf("what was written is not frames: %v: % .40x", err, b)
		}
		texts, b = append(texts, string(f.Payload)), b[n:]
	}
	return texts
}

// wantTexts checks that b is frames with these payloads. what is for errors.
func wantTexts(t *testing.T, what string, v websocket.Version, b []byte, want ...string) {
	t.Helper()
	got := textsOf(t, v, b)
	short := func(list []string) (s []string) {
		for _, e := range list {
			s = append(s, fmt.Sprintf("%.10s(%d)", e, len(e)))
		}
		return s
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s: wrote %v, want %v", what, short(got), short(want))
	}
}

// later runs f in a goroutine and sends its error on the channel.
func later(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

// writeText returns a function that writes s.
func writeText(c *websocket.Conn, s string) func() error {
	return func() error { return c.WriteMessage(websocket.Text, []byte(s)) }
}

// writeString is io.WriteString without the count.
func writeString(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

// cancelled returns a context that has ended. Ping sends a Ping all the same,
// and does not wait for the Pong.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
