package websocket

import (
	"context"
	"errors"
)

// Shutdown does the closing handshake, RFC 6455 section 7.1.2: it sends what is
// queued and a Close frame with code and reason, waits for the peer's, and ends
// the connection. Messages that arrive meanwhile are dropped, unless another
// goroutine reads them. [StatusNoStatusReceived] with no reason sends no code.
//
// A message that NextWriter has begun is cut off.
//
// ctx bounds it all, whatever the peer does or sends; without a deadline the
// bound is 5 seconds. At the bound the connection is closed as by Close, and
// the error is that of ctx. Other errors are those of a peer that broke the
// protocol instead of answering. Nothing is sent if code may not be, or if
// reason is longer than 123 bytes or not UTF-8.
//
// [Hybi00] has no code and reason, and [Hixie75] no handshake: there the
// connection is ended once everything was sent.
func (c *Conn) Shutdown(ctx context.Context, code StatusCode, reason string) error {
	p, err := appendClosePayload(nil, code, reason)
	if err != nil {
		return err
	}
	if c.life.isOver() {
		return c.shutdownResult()
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, closeTimeout)
		defer cancel()
	}
	stop := context.AfterFunc(ctx, func() {
		c.life.end(&overError{"closing handshake not finished", ctx.Err()})
	})
	defer stop()
	if c.life.beginClosing(errClosed, true, p) {
		go c.sayClose()
		c.awaitClose()
	}
	<-c.life.over()
	return c.shutdownResult()
}

// sayClose sends what is queued, with the Close frame at its end. If there is
// no Close frame, as always in hixie-75, it ends this side of the connection,
// which tells the peer the same.
func (c *Conn) sayClose() {
	if err := c.send.flush(); err != nil {
		c.life.end(err) // the peer cannot answer a frame that it does not get
		return
	}
	if !c.life.closeWasQueued() {
		c.life.hangUp()
	}
}

// awaitClose reads until nothing more can come. It does not wait for sayClose:
// if the peer is writing too, it may read nothing until we have read what it
// writes.
func (c *Conn) awaitClose() {
	for {
		// A deadline that passed before the closing handshake does not end it.
		if err := c.rcv.discard(); err != nil && err != errReadTimeout {
			return
		}
	}
}

// shutdownResult returns nil if the connection ended as it should, and
// otherwise the reason why it did not.
func (c *Conn) shutdownResult() error {
	read, cause := c.rcv.finalError(), c.life.why()
	answers := c.send.enc.version.traits().closeFrame
	var peer *CloseError
	switch {
	case errors.As(read, &peer), errors.As(cause, &peer):
		return nil
	case errors.Is(cause, context.DeadlineExceeded), errors.Is(cause, context.Canceled):
		return cause
	case read != nil && answers:
		return read
	case cause != errClosed || read == nil && answers:
		return cause
	}
	return nil
}

// Close ends the connection now, without a closing handshake and without
// waiting for anything; what is queued is lost. Only a Close frame that answers
// the peer's, or tells it of its mistake, is still sent, in the background and
// for at most 5 seconds. The error is that of closing the connection below. It is
// safe to call after Shutdown, and after errors; it returns nil while, and after,
// an end is seen to in the background, and wraps [net.ErrClosed] if there is
// nothing left to end.
func (c *Conn) Close() error {
	if c.life.isAttended() {
		return nil
	}
	return c.life.end(errClosed)
}
