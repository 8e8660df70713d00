package bench

import (
	"bufio"
	"io"
	"net"
	"net/url"

	"github.com/gobwas/ws"

	ours "github.com/protocol-websocket/websocket"
)

// gobwasConn is the low level of gobwas/ws with a bufio.Reader and Writer of
// 4 KiB, flushed after each message, and one slice for payloads.
type gobwasConn struct {
	nc      net.Conn
	br      *bufio.Reader
	bw      *bufio.Writer
	payload []byte
}

// A server can send frames that were made before, a client masks.
type (
	gobwasServer struct{ gobwasConn }
	gobwasClient struct{ gobwasConn }
)

func newGobwas(nc net.Conn) (conn, error) {
	return &gobwasServer{gobwasConn{nc: nc, br: bufio.NewReader(nc), bw: bufio.NewWriter(nc)}}, nil
}

func newGobwasClient(nc net.Conn) (conn, error) {
	if err := gobwasHandshake(nc); err != nil {
		return nil, err
	}
	return &gobwasClient{gobwasConn{nc: nc, br: bufio.NewReader(nc), bw: bufio.NewWriter(nc)}}, nil
}

// gobwasHandshake leaves the reader that comes of it: nothing follows the head
// that early.
func gobwasHandshake(nc net.Conn) error {
	_, _, err := ws.Dialer{}.Upgrade(nc, &url.URL{Scheme: "ws", Host: "localhost", Path: "/"})
	return err
}

func (c *gobwasConn) read(n int, _ ours.MessageType, p []byte) error {
	for range n {
		h, err := ws.ReadHeader(c.br)
		if err != nil {
			return err
		}
		c.grow(int(h.Length))
		if _, err := io.ReadFull(c.br, c.payload); err != nil {
			return err
		}
		if h.Masked {
			ws.Cipher(c.payload, h.Mask, 0)
		}
	}
	return same(c.payload, p)
}

func (c *gobwasConn) grow(n int) {
	if n > cap(c.payload) {
		c.payload = make([]byte, n)
	}
	c.payload = c.payload[:n]
}

func (c *gobwasConn) write(n int, t ours.MessageType, p []byte) error {
	h := ws.Header{Fin: true, OpCode: ws.OpCode(t), Length: int64(len(p))}
	for range n {
		if err := c.send(h, p); err != nil {
			return err
		}
	}
	return nil
}

// write masks a copy, since the payload is the caller's.
func (c *gobwasClient) write(n int, t ours.MessageType, p []byte) error {
	h := ws.Header{Fin: true, OpCode: ws.OpCode(t), Length: int64(len(p)), Masked: true}
	for range n {
		c.grow(len(p))
		copy(c.payload, p)
		h.Mask = ws.NewMask()
		ws.Cipher(c.payload, h.Mask, 0)
		if err := c.send(h, c.payload); err != nil {
			return err
		}
	}
	return nil
}

func (c *gobwasConn) send(h ws.Header, p []byte) error {
	if err := ws.WriteHeader(c.bw, h); err != nil {
		return err
	}
	if _, err := c.bw.Write(p); err != nil {
		return err
	}
	return c.bw.Flush()
}

func (c *gobwasServer) writePrepared(n int, t ours.MessageType, p []byte) error {
	b, err := ws.CompileFrame(ws.NewFrame(ws.OpCode(t), true, p))
	if err != nil {
		return err
	}
	for range n {
		if _, err := c.nc.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func broadcastGobwas(to []conn, p []byte) error {
	return broadcastFrame(to, p, func(c conn) io.Writer { return c.(*gobwasServer).nc })
}

// broadcastFrame makes a frame once, as the documentation of ws.CompileFrame
// recommends for those that are used often.
func broadcastFrame(to []conn, p []byte, below func(conn) io.Writer) error {
	b, err := ws.CompileFrame(ws.NewBinaryFrame(p))
	if err != nil {
		return err
	}
	for _, c := range to {
		if _, err := below(c).Write(b); err != nil {
			return err
		}
	}
	return nil
}
