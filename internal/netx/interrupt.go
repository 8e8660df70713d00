package netx

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// Interruptible runs negotiate, which does I/O on raw, and makes it fail when
// ctx ends. If negotiate fails or panics, Interruptible closes raw; otherwise it
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
	defer stop()
	result, err := OrClose(raw, func() (T, error) {
		result, err := negotiate()
		if !stop() && err == nil {
			err = ctx.Err()
		}
		return result, err
	})
	switch {
	case err == nil:
		_ = raw.SetDeadline(time.Time{})
	case !isAnswer(err):
		err = contextCause(ctx, err)
	}
	return result, err
}

// OrClose runs use, which does something with nc, and closes nc at once unless
// use succeeds. It closes nc also if use panics, because then nobody else
// would.
func OrClose[T any](nc net.Conn, use func() (T, error)) (result T, err error) {
	succeeded := false
	defer func() {
		if !succeeded {
			CloseNow(nc)
		}
	}()
	if result, err = use(); err != nil {
		var none T
		return none, err
	}
	succeeded = true
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
