package bench

import (
	"bytes"
	"net"

	"github.com/gorilla/websocket"

	ours "github.com/protocol-websocket/websocket"
)

// gorillaConn has the default buffers. Types of messages have the same values
// in all libraries: those of the opcodes.
type gorillaConn struct{ *websocket.Conn }

func newGorilla(nc net.Conn) (conn, error) {
	var u websocket.Upgrader
	c, err := u.Upgrade(newHijacker(nc), request(), nil)
	return gorillaConn{c}, err
}

func newGorillaClient(nc net.Conn) (conn, error) {
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return nc, nil }}
	c, _, err := d.Dial("ws://localhost/", nil)
	return gorillaConn{c}, err
}

func (c gorillaConn) read(n int, _ ours.MessageType, p []byte) error {
	var b bytes.Buffer
	for range n {
		_, r, err := c.NextReader()
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

func (c gorillaConn) readStream(n int, _ ours.MessageType, p []byte) error {
	buf, got := make([]byte, piece), 0
	for range n {
		_, r, err := c.NextReader()
		if err != nil {
			return err
		}
		if got, err = drain(r, buf); err != nil {
			return err
		}
	}
	return sameLength(got, p)
}

func (c gorillaConn) write(n int, t ours.MessageType, p []byte) error {
	for range n {
		if err := c.WriteMessage(int(t), p); err != nil {
			return err
		}
	}
	return nil
}

func (c gorillaConn) writeStream(n int, t ours.MessageType, p []byte) error {
	for range n {
		w, err := c.NextWriter(int(t))
		if err != nil {
			return err
		}
		if err := pour(w, p); err != nil {
			return err
		}
	}
	return nil
}

func (c gorillaConn) writePrepared(n int, t ours.MessageType, p []byte) error {
	m, err := websocket.NewPreparedMessage(int(t), p)
	if err != nil {
		return err
	}
	for range n {
		if err := c.WritePreparedMessage(m); err != nil {
			return err
		}
	}
	return nil
}

func broadcastGorilla(to []conn, p []byte) error {
	m, err := websocket.NewPreparedMessage(websocket.BinaryMessage, p)
	if err != nil {
		return err
	}
	for _, c := range to {
		if err := c.(gorillaConn).WritePreparedMessage(m); err != nil {
			return err
		}
	}
	return nil
}
