package bench

import (
	"context"
	"net"

	ours "github.com/protocol-websocket/websocket"
)

type oursConn struct{ *ours.Conn }

var oursConfig = ours.Config{MaxMessageSize: -1}

func newOurs(nc net.Conn) (conn, error) {
	u := ours.Upgrader{Config: oursConfig}
	c, err := u.Upgrade(newHijacker(nc), request())
	return oursConn{c}, err
}

func newOursClient(nc net.Conn) (conn, error) {
	d := ours.Dialer{Config: oursConfig}
	c, err := d.Handshake(context.Background(), nc, "ws://localhost/")
	return oursConn{c}, err
}

func (c oursConn) read(n int, _ ours.MessageType, p []byte) error {
	var b []byte
	var err error
	for range n {
		if _, b, err = c.ReadAppend(b[:0]); err != nil {
			return err
		}
	}
	return same(b, p)
}

func (c oursConn) readStream(n int, _ ours.MessageType, p []byte) error {
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

func (c oursConn) write(n int, t ours.MessageType, p []byte) error {
	for range n {
		if err := c.WriteMessage(t, p); err != nil {
			return err
		}
	}
	return nil
}

func (c oursConn) writeStream(n int, t ours.MessageType, p []byte) error {
	for range n {
		w, err := c.NextWriter(t)
		if err != nil {
			return err
		}
		if err := pour(w, p); err != nil {
			return err
		}
	}
	return nil
}

func (c oursConn) writePrepared(n int, t ours.MessageType, p []byte) error {
	m, err := ours.Prepare(t, p)
	if err != nil {
		return err
	}
	for range n {
		if err := c.WritePrepared(m); err != nil {
			return err
		}
	}
	return nil
}

func broadcastOurs(to []conn, p []byte) error {
	m, err := ours.Prepare(ours.Binary, p)
	if err != nil {
		return err
	}
	for _, c := range to {
		if err := c.(oursConn).WritePrepared(m); err != nil {
			return err
		}
	}
	return nil
}
