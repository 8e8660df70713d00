package bench

import (
	"errors"
	"math"
	"net"

	xnet "golang.org/x/net/websocket"

	ours "github.com/protocol-websocket/websocket"
)

type xnetConn struct{ *xnet.Conn }

// newXnet returns a connection whose handler never returns: the package has no
// other way to keep one.
func newXnet(nc net.Conn) (conn, error) {
	opened := make(chan *xnet.Conn, 1)
	s := xnet.Server{Handler: func(c *xnet.Conn) {
		c.MaxPayloadBytes = math.MaxInt32
		opened <- c
		select {}
	}}
	go func() {
		defer close(opened)
		s.ServeHTTP(newHijacker(nc), request())
	}()
	c := <-opened
	if c == nil {
		return nil, errors.New("handshake failed")
	}
	return xnetConn{c}, nil
}

func newXnetClient(nc net.Conn) (conn, error) {
	config, err := xnet.NewConfig("ws://localhost/", "http://localhost/")
	if err != nil {
		return nil, err
	}
	c, err := xnet.NewClient(config, nc)
	if err != nil {
		return nil, err
	}
	c.MaxPayloadBytes = math.MaxInt32
	return xnetConn{c}, nil
}

func (c xnetConn) read(n int, _ ours.MessageType, p []byte) error {
	var b []byte
	for range n {
		if err := xnet.Message.Receive(c.Conn, &b); err != nil {
			return err
		}
	}
	return same(b, p)
}

func (c xnetConn) write(n int, t ours.MessageType, p []byte) error {
	if c.PayloadType != byte(t) { // writers at once have the same type, and only read it
		c.PayloadType = byte(t)
	}
	for range n {
		if _, err := c.Write(p); err != nil {
			return err
		}
	}
	return nil
}
