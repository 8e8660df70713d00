package bench

import (
	"bytes"
	"math"
	"net"

	"github.com/lxzan/gws"

	ours "github.com/protocol-websocket/websocket"
)

// gwsConn has no limit on what it reads. UTF-8 is not checked, the default.
type gwsConn struct {
	*gws.Conn
	*gwsEvents
}

func newGws(nc net.Conn) (conn, error) {
	events := newGwsEvents()
	u := gws.NewUpgrader(events, &gws.ServerOption{ReadMaxPayloadSize: math.MaxInt32})
	c, err := u.Upgrade(newHijacker(nc), request())
	return gwsConn{c, events}, err
}

func newGwsClient(nc net.Conn) (conn, error) {
	events := newGwsEvents()
	option := &gws.ClientOption{Addr: "ws://localhost/", ReadMaxPayloadSize: math.MaxInt32}
	c, _, err := gws.NewClientFromConn(events, option, nc)
	return gwsConn{c, events}, err
}

// gwsEvents counts messages down and then has the reading loop wait.
type gwsEvents struct {
	gws.BuiltinEventHandler
	looping bool
	left    int
	want    []byte
	done    chan error
	more    chan struct{}
}

func newGwsEvents() *gwsEvents {
	return &gwsEvents{done: make(chan error, 1), more: make(chan struct{})}
}

func (e *gwsEvents) OnMessage(_ *gws.Conn, m *gws.Message) {
	e.left--
	if e.left > 0 {
		_ = m.Close()
		return
	}
	err := same(m.Bytes(), e.want)
	_ = m.Close()
	e.done <- err
	<-e.more
}

func (e *gwsEvents) OnClose(_ *gws.Conn, err error) { e.done <- err }

func (c gwsConn) read(n int, _ ours.MessageType, p []byte) error {
	c.left, c.want = n, p
	if c.looping {
		c.more <- struct{}{}
	} else {
		c.looping = true
		go c.ReadLoop()
	}
	return <-c.done
}

func (c gwsConn) write(n int, t ours.MessageType, p []byte) error {
	for range n {
		if err := c.WriteMessage(gws.Opcode(t), p); err != nil {
			return err
		}
	}
	return nil
}

func (c gwsConn) writeStream(n int, t ours.MessageType, p []byte) error {
	var r bytes.Reader
	for range n {
		r.Reset(p)
		if err := c.WriteFile(gws.Opcode(t), &r); err != nil {
			return err
		}
	}
	return nil
}

// broadcastGws returns before all is sent: the messages leave from goroutines.
func broadcastGws(to []conn, p []byte) error {
	b := gws.NewBroadcaster(gws.OpcodeBinary, p)
	defer b.Close()
	for _, c := range to {
		if err := b.Broadcast(c.(gwsConn).Conn); err != nil {
			return err
		}
	}
	return nil
}
