package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket/internal/proxy"
)

// answerConn is a connection to a proxy that gives one answer, at most size
// bytes in each Read, and then ends.
type answerConn struct {
	net.Conn // nil: other methods are not called
	answer   []byte
	size     int
}

func (c *answerConn) Read(p []byte) (int, error) {
	if len(c.answer) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.answer[:min(c.size, len(c.answer))])
	c.answer = c.answer[n:]
	return n, nil
}

func (c *answerConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *answerConn) Close() error                     { return nil }
func (c *answerConn) SetDeadline(time.Time) error      { return nil }
func (c *answerConn) SetReadDeadline(time.Time) error  { return nil }
func (c *answerConn) SetWriteDeadline(time.Time) error { return nil }

// connectTo returns what begins the tunnel through a proxy that gives answer,
// and the error of Dial.
func connectTo(t *testing.T, answer []byte, size int) (tunnel []byte, err error) {
	dial := func(context.Context, string, string) (net.Conn, error) {
		return &answerConn{answer: bytes.Clone(answer), size: size}, nil
	}
	nc, err := proxy.Dial(t.Context(), dial, mustURL(t, "http://p.test"), "a.test:80", proxy.Options{})
	if err != nil {
		return nil, err
	}
	tunnel, err = io.ReadAll(nc)
	if err != nil {
		t.Errorf("reading the tunnel: %v", err)
	}
	return tunnel, nil
}

// An answer to CONNECT means the same however it is cut into pieces, and no byte
// of the tunnel is lost or made up.
func FuzzConnect(f *testing.F) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nearly", "HTTP/1.0 204 Fine\nVia: x\n\nearly",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 407 Nope\r\nContent-Length: 3\r\n\r\nwho", "HTTP/1.1 502 Nope\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n", "SSH-2.0-x\r\n", "\r\n\r\n", "",
	} {
		f.Add([]byte(answer), uint8(1))
	}
	f.Fuzz(func(t *testing.T, answer []byte, size uint8) {
		whole, wholeErr := connectTo(t, answer, len(answer)+1)
		tunnel, err := connectTo(t, answer, int(size)+1)
		switch {
		case (err == nil) != (wholeErr == nil) || err != nil && err.Error() != wholeErr.Error():
			t.Errorf("in pieces of %d: error %v, whole: %v", int(size)+1, err, wholeErr)
		case !bytes.Equal(tunnel, whole):
			t.Errorf("in pieces of %d the tunnel begins with %q, whole with %q", int(size)+1, tunnel, whole)
		case !bytes.HasSuffix(answer, tunnel):
			t.Errorf("the tunnel begins with %q, which is not the end of %q", tunnel, answer)
		}
		refused, ok := errors.AsType[*proxy.Refusal](err)
		if ok && (refused.Response.StatusCode/100 == 2 || refused.Response.Body == nil) {
			t.Errorf("refused with %v and body %v", refused.Response.Status, refused.Response.Body)
		}
	})
}
