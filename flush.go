package websocket

// Flush writes what [Conn.BufferMessage] has queued, and waits until what other
// goroutines had written or queued before has left too.
func (c *Conn) Flush() error {
	w := &c.wr
	w.lock()
	defer w.unlock()
	goal := w.taken
	if w.pending() {
		goal++
	}
	for w.err == nil && w.written < goal && (w.busy || w.pending()) {
		if err := c.flushSome(); err != nil {
			return err
		}
	}
	switch {
	case w.err != nil:
		return w.err
	case w.ended:
		return errClosed
	}
	return nil
}

// flushSome writes what is queued, or waits for the goroutine that writes.
func (c *Conn) flushSome() error {
	w := &c.wr
	if w.busy {
		if w.flushed == nil {
			w.flushed = make(chan struct{})
		}
		return w.wait(w.flushed)
	}
	if w.late() {
		return errWriteTimeout
	}
	c.begin(true)
	err := c.writeQueued()
	c.writeOn(maxRounds)
	return err
}

// flushSoon starts to write what is queued without ever waiting for the peer,
// who may be waiting for us to read: what the system does not take at once is
// left to a goroutine.
func (c *Conn) flushSoon() {
	w := &c.wr
	if w.gate.Load() != gateShut {
		return // nothing is queued
	}
	w.lock()
	defer w.unlock()
	if w.busy || w.err != nil || !w.pending() {
		return
	}
	c.begin(false)
	out := c.take()
	n := c.writeSome(out.b)
	if n < len(out.b) {
		go c.writeRest(out, n)
		return
	}
	w.sent(out, nil)
	w.release()
}

func (c *Conn) writeRest(out *outBuffer, n int) {
	_, err := c.nc.Write(out.b[n:])
	c.wr.lock()
	defer c.wr.unlock()
	c.wr.sent(out, err)
	c.writeOn(-1)
}
