//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/protocol-websocket/websocket"
)

// steppedLoop is a loop that runs only when the test calls step, so that the
// test can look into it. fd is a non-blocking connection to it.
type steppedLoop struct {
	t *testing.T
	*loop
	fd int
}

func newSteppedLoop(t *testing.T, o options) *steppedLoop {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLoop(ln.(*net.TCPListener), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.release)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	s := &steppedLoop{t: t, loop: l, fd: fd}
	for len(s.conns) == 0 {
		s.step(1000)
	}
	return s
}

// step runs one turn of the loop. It reports whether anything happened within
// so many milliseconds.
func (s *steppedLoop) step(milliseconds int) bool {
	s.t.Helper()
	n, err := s.loop.step(milliseconds)
	if err != nil {
		s.t.Fatal(err)
	}
	return n > 0
}

// conn returns the only connection, or nil if it has ended.
func (s *steppedLoop) conn() *conn {
	for _, c := range s.conns {
		return c
	}
	return nil
}

// write writes as much of p as the system accepts.
func (s *steppedLoop) write(p []byte) int {
	s.t.Helper()
	n, err := unix.Write(s.fd, p)
	if err == unix.EAGAIN {
		return 0
	}
	if err != nil {
		s.t.Fatalf("write: %v", err)
	}
	return n
}

// read reads what has arrived.
func (s *steppedLoop) read() []byte {
	s.t.Helper()
	p := make([]byte, 64<<10)
	n, err := unix.Read(s.fd, p)
	if err == unix.EAGAIN {
		return nil
	}
	if err != nil {
		s.t.Fatalf("read: %v", err)
	}
	return p[:n]
}

// keepBuffersSmall makes the system's buffers small, so that they are full
// soon.
func (s *steppedLoop) keepBuffersSmall() {
	unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10)
	unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<10)
	unix.SetsockoptInt(s.conn().fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10)
	unix.SetsockoptInt(s.conn().fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<10)
}

// poison overwrites the buffer that all connections share. No bytes in it may
// still wait to be sent.
func (s *steppedLoop) poison() {
	shared := s.out[:cap(s.out)]
	for i := range shared {
		shared[i] = '!'
	}
}

// TestSlowReader writes and does not read until it can write no more. By then
// the server must have stopped reading, with little in its memory. Then the
// test reads, and all messages must come back in order.
func TestSlowReader(t *testing.T) {
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			const maxOut = 128 << 10
			s := newSteppedLoop(t, options{maxOut: maxOut})
			c := newClient(t, v)
			s.keepBuffersSmall()
			var queue []byte
			queue = append(queue, c.request()...)
			sent, want := 0, []string(nil)
			for blocked := false; !blocked; {
				for len(queue) < 256<<10 {
					text := fmt.Sprintf("message %d %s", len(want), strings.Repeat("x", 10_000))
					queue = append(queue, c.message(websocket.Text, text)...)
					want = append(want, "Text: "+text)
				}
				n := s.write(queue)
				queue, sent = queue[n:], sent+n
				blocked = !s.step(100) && n == 0
				s.poison()
				// The last read may exceed the limit by as much as the buffer
				// holds.
				if most := len(s.in) + maxOut + 20_000; len(s.conn().out) > most {
					t.Fatalf("%d bytes wait for the peer, expected no more than %d", len(s.conn().out), most)
				}
				if sent > 64<<20 {
					t.Fatal("64 MiB were taken from a peer that reads nothing")
				}
			}
			if s.conn().interest&unix.EPOLLIN != 0 {
				t.Error("the server still waits for input from a peer that does not read")
			}
			var got []string
			for deadline := time.Now().Add(patience); len(got) < len(want) && time.Now().Before(deadline); {
				got = append(got, c.receive(s.read())...)
				queue = queue[s.write(queue):]
				s.step(1)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d of %d messages came back, in this order: %.100q …", len(got), len(want), got)
			}
			if out := s.conn().out; out != nil {
				t.Errorf("a buffer of %d bytes is kept though all was sent", cap(out))
			}
		})
	}
}

// TestSlowReaderIsGivenUp has a peer that reads nothing, until the idle
// timeout. The server drops it without a Close frame, which the peer would not
// read.
func TestSlowReaderIsGivenUp(t *testing.T) {
	s := newSteppedLoop(t, options{idleTimeout: 50 * time.Millisecond, closeTimeout: time.Hour})
	c := newClient(t, websocket.RFC6455)
	s.write(c.request())
	s.keepBuffersSmall()
	queue := bytes.Repeat(c.message(websocket.Binary, strings.Repeat("x", 10_000)), 1000)
	for deadline := time.Now().Add(patience); s.conn() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the connection was not dropped")
		}
		if n, err := unix.Write(s.fd, queue); err == nil {
			queue = queue[n:]
		}
		s.step(1)
	}
	if !s.idleIsEmpty() {
		t.Error("the ended connection still has a deadline")
	}
}

func (s *steppedLoop) idleIsEmpty() bool {
	return s.opening.first() == nil && s.idle.first() == nil && s.closing.first() == nil
}

// TestConnectionsAndMemoryAreGivenBack checks that nothing is left of a
// connection: its descriptor, its deadline, and the buffer for a large message.
func TestConnectionsAndMemoryAreGivenBack(t *testing.T) {
	s := newSteppedLoop(t, options{})
	c := newClient(t, websocket.RFC6455)
	queue := append(c.request(), c.message(websocket.Binary, strings.Repeat("x", 1<<20))...)
	var got []string
	for deadline := time.Now().Add(patience); len(got) == 0 && time.Now().Before(deadline); s.step(1) {
		queue = queue[s.write(queue):]
		got = c.receive(s.read())
	}
	if len(got) != 1 {
		t.Fatalf("echo of a large message: %.40q", got)
	}
	for s.step(10) {
	}
	if conn := s.conn(); cap(s.out) > s.maxOut || conn.out != nil {
		t.Errorf("after a large message, buffers of %d and %d bytes are kept; expected at most %d and none", cap(s.out), cap(conn.out), s.maxOut)
	}
	fd := s.conn().fd
	unix.Shutdown(s.fd, unix.SHUT_WR)
	for s.conn() != nil && s.step(1000) {
	}
	if s.conn() != nil || !s.idleIsEmpty() {
		t.Error("the connection is not forgotten after its end")
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("descriptor of the connection after its end: error %v, expected EBADF", err)
	}
}

func TestStopMayBeCalledTwice(t *testing.T) {
	s := newSteppedLoop(t, options{})
	s.stop()
	s.stop()
	s.step(1000)
	if !s.stopping || s.listener != -1 {
		t.Errorf("stopping: %v, listener: %d; expected that nothing is accepted any more", s.stopping, s.listener)
	}
	s.stop()
	if s.step(50) {
		t.Error("the loop had an event, though nothing happened")
	}
}
