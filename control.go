package websocket

import "encoding/binary"

// control deals with a control frame, RFC 6455 section 5.5.
func (c *Conn) control(op MessageType, p []byte) error {
	switch op {
	case Ping:
		c.rd.owed = true
		c.queuePong(p)
	case Pong:
		c.gotPong(p)
	case Close:
		ce, err := parseClosePayload(c.version, p)
		if err != nil {
			return c.failPeer(err)
		}
		c.rd.fail(c.peerClosed(ce, p))
		return c.rd.err
	}
	return nil
}

// queuePong answers a Ping, RFC 6455 section 5.5.3. While the queue is full or
// being written only the last of many is remembered, which the section allows,
// so that Pings cost no memory.
func (c *Conn) queuePong(p []byte) {
	w := &c.wr
	w.lock()
	defer w.unlock()
	if w.closing || w.err != nil {
		return
	}
	if w.owesPong || w.busy || !w.fits(len(p)) {
		w.pong = append(w.pong[:0], p...)
		w.owesPong = true
		return
	}
	c.queueControl(Pong, p)
}

// queueControl queues a control frame, with w.mu locked.
func (c *Conn) queueControl(op MessageType, p []byte) {
	h := header{fin: true, op: op}
	c.traceWritten(h, len(p))
	c.appendFrame(c.wr.queued(), h, p)
}

// queueOwed queues the control frames that were parked, with w.mu locked.
func (c *Conn) queueOwed() {
	w := &c.wr
	if w.owesPong {
		w.owesPong = false
		c.queueControl(Pong, w.pong)
	}
	if w.owesPing {
		w.owesPing = false
		var id [pingPayload]byte
		binary.BigEndian.PutUint64(id[:], w.lastPing)
		c.queueControl(Ping, id[:])
	}
}
