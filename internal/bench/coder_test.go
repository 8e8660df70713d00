package bench

import (
	"bytes"
	"context"
	"net"
	"net/http"

	coder "github.com/coder/websocket"

	ours "github.com/protocol-websocket/websocket"
)

// coderConn is not compressed, the default.
type coderConn struct{ *coder.Conn }

func newCoder(nc net.Conn) (conn, error) {
	c, err := coder.Accept(newHijacker(nc), request(), nil)
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return coderConn{c}, nil
}

func newCoderClient(nc net.Conn) (conn, error) {
	dial := func(context.Context, string, string) (net.Conn, error) { return nc, nil }
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	c, _, err := coder.Dial(context.Background(), "ws://localhost/", &coder.DialOptions{HTTPClient: client})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return coderConn{c}, nil
}

func (c coderConn) read(n int, _ ours.MessageType, p []byte) error {
	var b bytes.Buffer
	ctx := context.Background()
	for range n {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		b.Reset()
		if _, err := b.ReadFrom(r); err != nil {
			return err
		}
	}
	return same(b.Bytes(), p)
}

func (c coderConn) readStream(n int, _ ours.MessageType, p []byte) error {
	buf, got := make([]byte, piece), 0
	ctx := context.Background()
	for range n {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		if got, err = drain(r, buf); err != nil {
			return err
		}
	}
	return sameLength(got, p)
}

func (c coderConn) write(n int, t ours.MessageType, p []byte) error {
	ctx := context.Background()
	for range n {
		if err := c.Write(ctx, coder.MessageType(t), p); err != nil {
			return err
		}
	}
	return nil
}

func (c coderConn) writeStream(n int, t ours.MessageType, p []byte) error {
	ctx := context.Background()
	for range n {
		w, err := c.Writer(ctx, coder.MessageType(t))
		if err != nil {
			return err
		}
		if err := pour(w, p); err != nil {
			return err
		}
	}
	return nil
}
