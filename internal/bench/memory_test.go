package bench

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"time"
)

// memConn is a connection whose peer has sent the same frame a number of times
// and takes everything. Its Read gives as much as fits, as a busy socket does.
type memConn struct {
	frame []byte
	left  int // frames
	at    int // in frame

	writes int // calls of Write after the handshake

	// The end of a client first writes a request and reads the answer.
	asked  []byte
	answer []byte
	ready  chan struct{} // nil once the answer was read, and for servers
}

// newClientEnd returns a memConn that answers the opening handshake first.
func newClientEnd(frame []byte, n int) *memConn {
	return &memConn{frame: frame, left: n, ready: make(chan struct{})}
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
	c.writes++
	return len(p), nil
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
