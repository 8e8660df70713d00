package websocket

import "context"

// Discard reads and drops messages in the background, for programs that only
// write: Pings are answered and the peer's Close is noticed. The context it
// returns ends when reading does, with the error of the read as its cause, or
// with ctx, which leaves the connection as it was.
func (c *Conn) Discard(ctx context.Context) context.Context {
	over, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	go func() {
		release := c.interruptReads(ctx)
		err := ctx.Err()
		for err == nil {
			if err = c.discardMessage(); err == nil {
				err = ctx.Err()
			}
		}
		release() // so that whoever sees the end may read at once
		cancel(contextError(ctx, err))
	}()
	return over
}

// discardMessage reads a message and drops it.
func (c *Conn) discardMessage() error {
	c.rd.mu.Lock()
	defer c.rd.mu.Unlock()
	if err := c.beginRead(); err != nil {
		return err
	}
	return c.skipMessage()
}

// skipMessage reads to the end of the message at hand, or of the next. If it
// gives up on the way, the next read goes on with it.
func (c *Conn) skipMessage() error {
	rd := &c.rd
	rd.stream = nil
	for {
		if rd.dec.open && rd.dec.rsv != 0 { // the next may refer to it
			_, err := c.takeMessage(nil, true)
			rd.skip = err != nil && rd.dec.open
			return err
		}
		rd.partial = nil
		ev, err := c.decodeWaste()
		if err == nil && ev == needInput {
			err = c.fill()
		}
		switch {
		case err != nil:
			rd.skip = rd.dec.open
			return err
		case ev == gotMessage:
			rd.skip = false
			return nil
		}
	}
}

// decodeWaste decodes into memory that is held no longer than that: what comes
// next may be a long wait.
func (c *Conn) decodeWaste() (event, error) {
	waste := pieces.Get().(*piece)
	defer pieces.Put(waste)
	p := waste.b[:0]
	if !c.rd.dec.open {
		p = nil // a message that begins may not be to be wasted
	}
	return c.decode(&p)
}
