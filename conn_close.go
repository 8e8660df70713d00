package websocket

import (
	"context"
	"errors"
	"time"
)

// Shutdown does the closing handshake, RFC 6455 section 7.1.2: it sends what is
// queued and a Close frame with code and reason, waits for the peer's, and ends
// the connection. It returns when the connection has ended, with nil if the peer
// has answered, and otherwise with the reason why it did not.
//
// ctx bounds only how long Shutdown waits. When ctx ends, or if it has ended
// already, the Close frame is sent all the same, Shutdown returns an error that
// wraps that of ctx, and the handshake goes on in the background. The handshake
// takes at most 5 seconds, whatever the peer does. After that Shutdown returns
// an error that wraps [context.DeadlineExceeded]. [Conn.CloseWith] does not wait.
//
// A goroutine that reads keeps reading, and gets all messages that arrive before
// the peer's Close frame. Where no goroutine reads, the handshake reads by
// itself. It keeps up to 64 KiB of messages for later reads, as they arrive; if
// they are compressed they may be longer. If the program does not read for a
// second then, it drops the rest, and reads that come to this point return an
// error that wraps [net.ErrClosed]. It never drops a message that a read has
// begun, unless a [Server]'s handler has returned.
//
// A message that NextWriter has begun is cut off. Nothing is sent if code may
// not be, or if reason is longer than 123 bytes or not UTF-8.
// [StatusNoStatusReceived] with no reason sends no code. [Hybi00] has no code
// and reason. [Hixie75] has no Close frame: there this side ends once everything
// was sent, and the peer's end is its answer.
func (c *Conn) Shutdown(ctx context.Context, code StatusCode, reason string) error {
	p, err := appendClosePayload(nil, code, reason)
	if err != nil {
		return err
	}
	_ = c.beginClose(p) // shutdownResult knows more
	select {
	case <-c.life.over():
	case <-ctx.Done():
		if !c.life.isOver() {
			return &overError{"closing handshake not finished", ctx.Err()}
		}
	}
	return c.shutdownResult()
}

// CloseWith begins the closing handshake as [Conn.Shutdown] does, and does not
// wait for anything: it queues a Close frame with code and reason and returns.
// The rest is done in the background, in at most 5 seconds. It is for "say why
// and hang up": a call of [Conn.Close] after it does not prevent the frame from
// being sent.
//
// The error is nil if the frame was queued, or if the connection is closing
// already. It wraps [net.ErrClosed] if the connection has ended. If an earlier
// write has failed, CloseWith ends the connection and returns that error. Code
// and reason are as for Shutdown.
func (c *Conn) CloseWith(code StatusCode, reason string) error {
	p, err := appendClosePayload(nil, code, reason)
	if err != nil {
		return err
	}
	return c.beginClose(p)
}

// beginClose queues a Close frame with payload p and sees to the end of the
// connection in the background.
func (c *Conn) beginClose(p []byte) error {
	began, err := c.life.beginClosing(p)
	switch {
	case began:
		c.send.flushSoon()
		c.finishClose()
	case err != nil && !c.life.isLeaving(): // what is queued may still leave
		c.life.end(err) // the peer cannot answer a frame that it does not get
	}
	return err
}

// finishClose sends what the system has not taken at once, and reads until the
// peer's Close frame. Reading does not wait for the sending: if the peer is
// writing too, it may read nothing until we have read what it writes.
func (c *Conn) finishClose() {
	if c.send.idle() && c.life.closeWasQueued() {
		c.sayClose()
	} else {
		go c.sayClose()
	}
	go c.rcv.drain()
}

// sayClose sends what is queued, with the Close frame at its end. If there is
// no Close frame, as always in hixie-75, it ends this side of the connection,
// which tells the peer the same.
func (c *Conn) sayClose() {
	if err := c.send.flushLast(); err != nil {
		c.life.end(err)
		return
	}
	if !c.life.closeWasQueued() {
		c.life.hangUp()
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
	case isTimeout(cause):
		return cause
	case read != nil && answers:
		return read
	case cause != errClosed || read == nil && answers:
		return cause
	}
	return nil
}

// Close ends the connection. It does not wait for anything.
//
// If no closing handshake has begun, Close ends the connection now: nothing more
// is sent, and what is queued is lost. The error is that of closing the
// connection below.
//
// If one has begun, by [Conn.Shutdown] or [Conn.CloseWith], by the peer, or
// because the peer broke the protocol, Close returns nil. The Close frame and
// what is queued before it are still sent, in the background. The connection
// does not wait for the peer's Close frame any more: it ends within one second
// after our frame was sent, and within the 5 seconds of the handshake. Reads
// return an error that wraps [net.ErrClosed]; if the peer was first, they go on to
// return its [CloseError] or [ProtocolError].
//
// Close may be called after Shutdown and after errors. If there is nothing left
// to end, and no closing handshake was done, the error wraps net.ErrClosed.
func (c *Conn) Close() error {
	depart, err := c.life.hurry()
	if depart {
		go c.depart()
	}
	return err
}

// depart ends a connection whose closing handshake Close has cut short. Its reads
// have been interrupted. On a connection without deadlines they go on until the
// timer ends the connection.
func (c *Conn) depart() {
	if c.send.flushLast() == nil {
		defer time.AfterFunc(closeLinger, func() { c.life.end(errClosed) }).Stop()
		c.rcv.stop(errClosed)
	}
	c.life.depart(errClosed)
}
