package bench

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// memConn is a connection whose peer has sent the same frame a number of times
// and takes everything. Its Read gives as much as fits, as a busy socket does,
// and its Write copies, as a kernel does.
type memConn struct {
	frame []byte
	left  int // frames
	at    int // in frame

	out     []byte // a ring, into which is written; nil takes everything and copies nothing
	outAt   int
	written int64 // bytes, after the handshake

	counting bool // system calls, which is slow
	calls    int
	parts    bool // the last Write was of net.Buffers

	// The end of a client first writes a request and reads the answer.
	asked  []byte
	answer []byte
	ready  chan struct{} // nil once the answer was read, and for servers
}

// ringSize is how much of what was written a memConn keeps.
const ringSize = 64 << 10

func newServerEnd(frame []byte, n int) *memConn {
	return &memConn{frame: frame, left: n, out: make([]byte, ringSize)}
}

// newClientEnd returns a memConn that answers the opening handshake first.
func newClientEnd(frame []byte, n int) *memConn {
	c := newServerEnd(frame, n)
	c.ready = make(chan struct{})
	return c
}

func (c *memConn) Read(p []byte) (int, error) {
	if c.ready != nil {
		<-c.ready
		n := copy(p, c.answer)
		if c.answer = c.answer[n:]; len(c.answer) == 0 {
			c.ready = nil
		}
		return n, nil
	}
	if c.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && c.left > 0 {
		k := copy(p[n:], c.frame[c.at:])
		n += k
		if c.at += k; c.at == len(c.frame) {
			c.at = 0
			c.left--
		}
	}
	return n, nil
}

func (c *memConn) Write(p []byte) (int, error) {
	if c.ready != nil && c.answer == nil {
		if c.asked = append(c.asked, p...); bytes.HasSuffix(c.asked, []byte("\r\n\r\n")) {
			c.answer = answerTo(c.asked)
			close(c.ready)
		}
		return len(p), nil
	}
	if c.counting {
		c.count()
	}
	c.written += int64(len(p))
	for rest := p; len(rest) > 0 && c.out != nil; {
		n := copy(c.out[c.outAt:], rest)
		rest = rest[n:]
		if c.outAt += n; c.outAt == len(c.out) {
			c.outAt = 0
		}
	}
	return len(p), nil
}

// count counts the system calls that writes on a socket would be: the parts of
// net.Buffers leave in one writev(2). Only net can tell them, by a method that
// is not exported, and the stack. The libraries write one such list a message,
// so parts that follow each other are of the same.
func (c *memConn) count() {
	callers := make([]uintptr, 1)
	runtime.Callers(3, callers) // who called Write
	caller, _ := runtime.CallersFrames(callers).Next()
	parts := caller.Function == "net.(*Buffers).WriteTo"
	if !parts || !c.parts {
		c.calls++
	}
	c.parts = parts
}

// callsOf returns how many system calls the writes of do would be on a socket.
func (c *memConn) callsOf(do func() error) (int, error) {
	c.counting, c.calls, c.parts = true, 0, false
	err := do()
	c.counting = false
	return c.calls, err
}

// answerTo accepts the request of a client, RFC 6455 section 4.2.2.
func answerTo(request []byte) []byte {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		panic(err)
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")
}

func (c *memConn) Close() error                     { return nil }
func (c *memConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// hijacker is the ResponseWriter of a request that came over conn. What it hands
// out is what net/http hands out: its own reader, and a new writer.
type hijacker struct {
	conn   net.Conn
	reader *bufio.Reader
	header http.Header
}

func newHijacker(conn net.Conn) *hijacker {
	return &hijacker{conn, bufio.NewReader(conn), http.Header{}}
}

func (w *hijacker) Header() http.Header         { return w.header }
func (w *hijacker) Write(p []byte) (int, error) { return len(p), nil }
func (w *hijacker) WriteHeader(int)             {}
func (w *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(w.reader, bufio.NewWriter(w.conn)), nil
}

// requestText is a request of RFC 6455.
const requestText = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://localhost\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func request() *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader([]byte(requestText))))
	if err != nil {
		panic(err)
	}
	return r
}

func TestMemConnWrite(t *testing.T) {
	c := newServerEnd(nil, 0)
	p := bytes.Repeat([]byte("abc"), ringSize)
	if n, err := c.Write(p); n != len(p) || err != nil || c.written != int64(len(p)) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if !bytes.Equal(c.out, p[len(p)-ringSize:]) {
		t.Error("what was written last is not in the ring")
	}
}

func TestMemConnCalls(t *testing.T) {
	c := newServerEnd(nil, 0)
	for _, tt := range []struct {
		name string
		do   func() error
		want int
	}{
		{"nothing", func() error { return nil }, 0},
		{"writes", func() error { _, _ = c.Write([]byte("a")); _, err := c.Write([]byte("b")); return err }, 2},
		{"parts", func() error { _, err := (&net.Buffers{[]byte("a"), []byte("b")}).WriteTo(c); return err }, 1},
		{"parts, then a write", func() error {
			_, _ = (&net.Buffers{[]byte("a"), []byte("b")}).WriteTo(c)
			_, err := c.Write([]byte("c"))
			return err
		}, 2},
	} {
		if got, err := c.callsOf(tt.do); got != tt.want || err != nil {
			t.Errorf("%s: %d calls, %v, want %d", tt.name, got, err, tt.want)
		}
	}
}
