package websocket

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/protocol-websocket/websocket/internal/netx"
)

const (
	// closeTimeout bounds a closing handshake that has no other bound, from its
	// first frame to the end of the connection.
	closeTimeout = 5 * time.Second

	// closeLinger is how long the peer may take to end its side of the
	// connection after both Close frames.
	closeLinger = time.Second
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
	if c.over() {
		return c.shutdownResult()
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, closeTimeout)
		defer cancel()
	}
	stop := context.AfterFunc(ctx, func() {
		c.end(&overError{"closing handshake", ctx.Err()})
	})
	defer stop()
	if c.beginClosing(errClosed, closeFrame(p)) {
		go c.sayClose()
		c.awaitClose()
	}
	<-c.done()
	return c.shutdownResult()
}

// over reports whether the connection has ended and is closed.
func (c *Conn) over() bool {
	c.wr.lock()
	defer c.wr.unlock()
	return c.wr.over
}

// done returns a channel that is closed when the connection is over. It is not
// made before somebody waits, since each idle connection would keep one.
func (c *Conn) done() <-chan struct{} {
	w := &c.wr
	w.lock()
	defer w.unlock()
	if w.done == nil {
		w.done = make(chan struct{})
		if w.over {
			close(w.done)
		}
	}
	return w.done
}

// setOver tells those who wait for the end.
func (w *writer) setOver() {
	w.lock()
	defer w.unlock()
	w.over = true
	if w.done != nil {
		close(w.done)
	}
}

// sayClose sends what is queued, of which the Close frame is the last. Where
// there is none, as always in hixie-75, the end of our side says the same.
func (c *Conn) sayClose() {
	if err := c.Flush(); err != nil {
		c.end(err) // the peer cannot answer what it will not get
		return
	}
	if c.saidClose() {
		return
	}
	time.AfterFunc(closeLinger, func() { c.end(errClosed) })
	if !netx.CloseWrite(c.nc) {
		c.end(errClosed)
	}
}

// awaitClose reads until nothing more can come. The peer may be writing too,
// and read nothing until it has: so this does not wait for sayClose.
func (c *Conn) awaitClose() {
	for {
		// A deadline that passed before the closing handshake began is no end.
		if err := c.discardMessage(); err != nil && err != errReadTimeout {
			return
		}
	}
}

func (c *Conn) saidClose() bool {
	c.wr.lock()
	defer c.wr.unlock()
	return c.wr.said
}

// shutdownResult tells whether the connection ended as it should.
func (c *Conn) shutdownResult() error {
	c.rd.mu.Lock()
	defer c.rd.mu.Unlock()
	cause := c.cause()
	var peer *CloseError
	switch {
	case errors.As(c.rd.err, &peer), errors.As(cause, &peer):
		return nil
	case errors.Is(cause, context.DeadlineExceeded), errors.Is(cause, context.Canceled):
		return cause
	case c.rd.err != nil && c.version.traits().closeFrame:
		return c.rd.err
	case cause != errClosed || c.rd.err == nil && c.version.traits().closeFrame:
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
	c.wr.lock()
	finishing := c.wr.finishing()
	c.wr.unlock()
	if finishing {
		return nil
	}
	return c.end(errClosed)
}

// peerClosed answers the peer's Close with its own payload p, which is still in
// the read buffer, RFC 6455 section 5.5.1. It returns what reads return now.
func (c *Conn) peerClosed(ce *CloseError, p []byte) error {
	result := c.answered(ce)
	c.beginClosing(ce, closeFrame(p))
	c.finishSoon(ce)
	return result
}

// answered is what reads return after the peer has ended the connection, which
// may be its answer to us.
func (c *Conn) answered(ce *CloseError) error {
	if c.cause() == errClosed {
		return &overError{"connection closed by this side", ce}
	}
	return ce
}

// closeFrame is the payload of a Close frame that is to be sent; nil is none.
func closeFrame(p []byte) []byte {
	if p == nil {
		return []byte{}
	}
	return p
}

// beginClosing makes the Close frame with payload p, if there is to be one and
// the version has it, the last thing that is written. It reports whether the
// connection has not ended, and nobody else sees to that.
func (c *Conn) beginClosing(cause error, p []byte) bool {
	w := &c.wr
	w.lock()
	defer w.unlock()
	if w.ended || w.closing {
		return !w.ended && !w.finishing()
	}
	w.closing = true
	c.keep.stop()
	if w.result == nil {
		w.result = cause
	}
	// From here on one timer rules, whatever deadlines were or will be set.
	w.deadline = time.Time{}
	w.applied = time.Time{}
	c.nc.SetDeadline(time.Time{})
	w.wakeAll()
	streaming := w.stream != nil && c.version.hixie() // within its frame there can be no other
	if p == nil || !c.version.traits().closeFrame || streaming || w.err != nil {
		return true
	}
	if c.version.hixie() {
		p = nil
	}
	c.queueOwed()
	c.queueControl(Close, p)
	w.said = true
	return true
}

// finishSoon ends a connection on which both sides have said what they will,
// in the background: Close frame first, then FIN, and no reset that could
// overtake them.
func (c *Conn) finishSoon(cause error) {
	w := &c.wr
	w.lock()
	defer w.unlock()
	if w.finishing() || w.ended {
		return
	}
	w.timer = time.AfterFunc(closeTimeout, func() { c.end(cause) })
	go func() {
		if c.Flush() == nil {
			c.linger(cause)
		}
		c.end(cause)
	}()
}

// finishing reports whether finishSoon sees to the end.
func (w *writer) finishing() bool { return w.timer != nil }

// endIdle ends a connection of which the peer has ended its side, if there is
// nothing left to write, and reports whether it did. A goroutine and timers for
// that were a fifth of what it costs to accept a connection and to close it.
func (c *Conn) endIdle(cause error) bool {
	w := &c.wr
	w.lock()
	idle := !w.busy && !w.pending() && !w.finishing()
	w.unlock()
	if !idle || c.trace != nil && c.trace.Closed != nil { // which may read, and this is a read
		return false
	}
	c.end(cause)
	return true
}

// linger lets the peer end the connection, or begins to: "the server MUST
// close first", RFC 6455 section 7.1.1. Clients of hixie-76 do not wait, since
// servers were seen that never do.
func (c *Conn) linger(cause error) {
	var peer *CloseError
	serverEnds := c.side == ClientSide && c.version.traits().control
	if !serverEnds && !netx.CloseWrite(c.nc) && errors.As(cause, &peer) {
		return // there is no other way to end our side, and nothing left to come
	}
	netx.AwaitEOF(c.nc, closeLinger)
}

// end ends the connection, once. The first cause counts, but any is better than
// that we wanted it.
func (c *Conn) end(cause error) error {
	w := &c.wr
	w.lock()
	if w.ended {
		w.unlock()
		return errClosed
	}
	w.ended = true
	if w.result == nil || w.result == errClosed {
		w.result = cause
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	w.wakeAll()
	cause, onDone := w.result, w.onDone
	w.unlock()
	c.keep.stop()
	err := netx.CloseNow(c.nc)
	w.setOver()
	if c.trace != nil && c.trace.Closed != nil {
		c.trace.Closed(c, cause)
	}
	if onDone != nil {
		onDone()
	}
	return err
}

// onEnd has f called when the connection ends, at once if it has.
func (c *Conn) onEnd(f func()) {
	c.wr.lock()
	ended := c.wr.ended
	c.wr.onDone = f
	c.wr.unlock()
	if ended {
		f()
	}
}

// failed reports whether the connection is closing, has ended, or cannot be
// written to any more.
func (c *Conn) failed() bool {
	c.wr.lock()
	defer c.wr.unlock()
	return c.wr.result != nil || c.wr.err != nil
}

// cause returns why the connection is closing or has ended, nil if it is open.
func (c *Conn) cause() error {
	c.wr.lock()
	defer c.wr.unlock()
	return c.wr.result
}

// overError is what happens to the one side once the other, or the network,
// has ended the connection, and why. It wraps [net.ErrClosed].
type overError struct {
	what  string
	cause error
}

func (e *overError) Error() string {
	return "websocket: " + e.what + ": " + strings.TrimPrefix(e.cause.Error(), "websocket: ")
}

func (e *overError) Unwrap() []error { return []error{net.ErrClosed, e.cause} }
