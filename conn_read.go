package websocket

import (
	"context"
	"errors"
	"os"
)

// ReadMessage returns the next message, in memory that is the caller's to
// keep. Control frames are dealt with on the way.
//
// The error is a [CloseError] if the peer closed the connection, a
// [ProtocolError] if it broke the protocol or a limit, wraps
// [os.ErrDeadlineExceeded] at the deadline, after which one may go on, wraps
// [io.ErrUnexpectedEOF] if the peer left without a Close (in [Hybi00] and
// [Hixie75] that is a CloseError, between two messages), is [ErrPingTimeout] if
// keepalive gave it up, and wraps [net.ErrClosed] after Close or Shutdown, and
// after the latter the CloseError that the peer answered.
func (c *Conn) ReadMessage() (MessageType, []byte, error) { return c.rcv.message(nil, true) }

// ReadAppend is [Conn.ReadMessage] into b: it appends the next message and does
// not allocate if there is room. If it fails, it returns b unchanged, although
// memory behind it may have changed.
func (c *Conn) ReadAppend(b []byte) (MessageType, []byte, error) { return c.rcv.message(b, false) }

// Discard reads and drops messages in the background, for programs that only
// write: Pings are answered and the peer's Close is noticed. The context it
// returns ends when reading does, with the error of the read as its cause, or
// with ctx, which leaves the connection as it was. Until then nothing else should
// read: the end of ctx interrupts such reads too, as a deadline would.
func (c *Conn) Discard(ctx context.Context) context.Context {
	over, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	go func() { cancel(c.rcv.discardUntil(ctx)) }()
	return over
}

// discardUntil drops messages until a read fails or ctx ends, and returns the
// error of the read, or of ctx.
func (r *receiver) discardUntil(ctx context.Context) error {
	release, err := r.interruptAt(ctx)
	if err != nil {
		return err
	}
	defer release() // first: once Discard's context has ended, the program may read again
	for ctx.Err() == nil {
		if err := r.discard(); err != nil {
			return contextError(ctx, err)
		}
	}
	return ctx.Err()
}

// contextError returns the error of ctx if the end of ctx has made a read fail
// with err, a timeout. Otherwise it returns err.
func contextError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return err
}
