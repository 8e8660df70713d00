package bench

import (
	"bufio"
	"io"
	"net"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	ours "github.com/protocol-websocket/websocket"
)

// wsutilConn is the high level of gobwas/ws, reading through a bufio.Reader.
// Unlike the other peers it checks UTF-8, its default.
type wsutilConn struct {
	io.Reader
	io.Writer
	state ws.State
}

func newWsutil(nc net.Conn) (conn, error) {
	return wsutilConn{bufio.NewReader(nc), nc, ws.StateServerSide}, nil
}

func newWsutilClient(nc net.Conn) (conn, error) {
	if err := gobwasHandshake(nc); err != nil {
		return nil, err
	}
	return wsutilConn{bufio.NewReader(nc), nc, ws.StateClientSide}, nil
}

func (c wsutilConn) read(n int, _ ours.MessageType, p []byte) error {
	var b []byte
	var err error
	for range n {
		if b, _, err = wsutil.ReadData(c, c.state); err != nil {
			return err
		}
	}
	return same(b, p)
}

func (c wsutilConn) readStream(n int, _ ours.MessageType, p []byte) error {
	r := wsutil.DefaultReader(c.Reader, c.state)
	buf, got := make([]byte, piece), 0
	for range n {
		_, err := r.NextFrame()
		if err != nil {
			return err
		}
		if got, err = drain(r, buf); err != nil {
			return err
		}
	}
	return sameLength(got, p)
}

func (c wsutilConn) write(n int, t ours.MessageType, p []byte) error {
	for range n {
		if err := wsutil.WriteMessage(c.Writer, c.state, ws.OpCode(t), p); err != nil {
			return err
		}
	}
	return nil
}

// flusher makes Close of Flush, which ends a message here.
type flusher struct{ *wsutil.Writer }

func (w flusher) Close() error { return w.Flush() }

func (c wsutilConn) writeStream(n int, t ours.MessageType, p []byte) error {
	w := flusher{wsutil.NewWriter(c.Writer, c.state, ws.OpCode(t))}
	for range n {
		w.ResetOp(ws.OpCode(t))
		if err := pour(w, p); err != nil {
			return err
		}
	}
	return nil
}

func broadcastWsutil(to []conn, p []byte) error {
	return broadcastFrame(to, p, func(c conn) io.Writer { return c.(wsutilConn).Writer })
}
