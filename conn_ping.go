package websocket

import (
	"context"
	"fmt"
	"time"
)

// Ping sends a Ping and returns how long the Pong took, RFC 6455 section 5.5.2.
// Pongs are noticed by reads: another goroutine must be in one. On [Hybi00] and
// [Hixie75] it returns an error that wraps [errors.ErrUnsupported] and sends
// nothing. If ctx ends first, Ping returns an error that wraps that of ctx, and
// the connection is as it was. Ping never waits to send: write deadlines do not
// concern it. If the connection ends, or a write fails, Ping returns why. That
// error does not wrap [os.ErrDeadlineExceeded].
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if !c.send.enc.version.traits().ping {
		return 0, errHixie("Ping")
	}
	start := time.Now()
	pings := sharedPings(&c.rcv.pings)
	p, err := pings.send(&c.send, true)
	if err != nil {
		return 0, afterEnd(err)
	}
	defer pings.forget(p)
	select {
	case <-p.answer:
		return time.Since(start), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("websocket: no Pong received (another goroutine must be reading): %w", ctx.Err())
	case <-c.life.over():
	case <-c.send.failed():
	}
	if why := c.life.why(); why != nil {
		return 0, afterEnd(why)
	}
	return 0, afterEnd(c.send.failure())
}
