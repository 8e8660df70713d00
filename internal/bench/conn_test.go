package bench

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// memConn is a connection whose peer has sent the same frame count times and
// takes everything. Its Read gives as much as fits, as a busy socket does.
type memConn struct {
	frame []byte
	left  int // frames
	at    int // in frame
	wrote int64
}

func (c *memConn) Read(p []byte) (int, error) {
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

func (c *memConn) Write(p []byte) (int, error)      { c.wrote += int64(len(p)); return len(p), nil }
func (c *memConn) Close() error                     { return nil }
func (c *memConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// hijacker is the ResponseWriter of a request whose connection is a memConn.
type hijacker struct {
	conn net.Conn
	h    http.Header
}

func (w *hijacker) Header() http.Header         { return w.h }
func (w *hijacker) Write(p []byte) (int, error) { return len(p), nil }
func (w *hijacker) WriteHeader(int)             {}
func (w *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	// An empty reader of its own: bytes that were sent come from the conn.
	return w.conn, bufio.NewReadWriter(bufio.NewReaderSize(w.conn, 4096), bufio.NewWriterSize(w.conn, 4096)), nil
}

func request() *http.Request {
	r, _ := http.NewRequest(http.MethodGet, "http://localhost/", nil)
	r.Host = "localhost"
	r.RequestURI = "/"
	r.Header = http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	return r
}

func newBufReader(nc net.Conn) *bufio.Reader { return bufio.NewReaderSize(nc, 4096) }
