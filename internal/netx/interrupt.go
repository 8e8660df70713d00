package netx

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// Interruptible runs negotiate, which does I/O on raw, and makes it fail when
// ctx ends. If the result is an error, Interruptible closes raw; otherwise it
// leaves no deadline on raw.
//
// If ctx has caused the error, Interruptible returns the error of ctx instead.
// isAnswer reports whether an error holds an answer of the peer. Such an error
// is returned unchanged. It says more than the end of ctx, which may only have
// cut the answer short.
func Interruptible[T any](ctx context.Context, raw net.Conn, isAnswer func(error) bool, negotiate func() (T, error)) (T, error) {
	if deadline, ok := ctx.Deadline(); ok {
		// A connection that does not support deadlines is closed below instead.
		_ = raw.SetDeadline(deadline)
	}
	// Closing also interrupts connections that ignore deadlines. Nothing is
	// lost by it, because a connection cannot be used after an interrupted
	// negotiation.
	stop := context.AfterFunc(ctx, func() { CloseNow(raw) })
	result, err := negotiate()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		CloseNow(raw)
		if !isAnswer(err) {
			err = contextCause(ctx, err)
		}
		var none T
		return none, err
	}
	_ = raw.SetDeadline(time.Time{})
	return result, nil
}

// contextCause returns the error of ctx if the end of ctx has caused err, and
// err otherwise.
func contextCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// The timer of the connection may fire just before that of ctx.
	deadline, ok := ctx.Deadline()
	if ok && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return err
}
