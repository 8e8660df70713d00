package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// interruptible runs negotiate, which does I/O on raw, and makes it fail when
// ctx ends. It closes raw if it returns an error, and otherwise leaves no
// deadline behind.
func interruptible[T any](ctx context.Context, raw net.Conn, negotiate func() (T, error)) (T, error) {
	if deadline, ok := ctx.Deadline(); ok {
		// A conn that knows no deadlines is none the worse: it is closed below.
		_ = raw.SetDeadline(deadline)
	}
	// Closing works for conns that ignore deadlines, and after an interrupted
	// negotiation there is nothing left to use.
	stop := context.AfterFunc(ctx, func() { closeNow(raw) })
	result, err := negotiate()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		closeNow(raw)
		var none T
		return none, contextCause(ctx, err)
	}
	_ = raw.SetDeadline(time.Time{})
	return result, nil
}

// contextCause returns the context's error in place of the I/O error that its
// end has caused. An answer that did arrive is worth more than either.
func contextCause(ctx context.Context, err error) error {
	var answered *HandshakeError
	if errors.As(err, &answered) {
		return err
	}
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

// closeNow closes nc at once. A tls.Conn would first tell the peer, and wait up
// to 5 seconds for one that does not read.
func closeNow(nc net.Conn) error {
	for {
		switch outer := nc.(type) {
		case *tls.Conn:
			nc = outer.NetConn()
		case *prefixedConn:
			nc = outer.Conn
		default:
			return nc.Close()
		}
	}
}

// closeWrite ends our side of nc and reports whether that is possible.
func closeWrite(nc net.Conn) bool {
	half, ok := nc.(interface{ CloseWrite() error })
	if ok {
		half.CloseWrite()
	}
	return ok
}

// awaitEOF drops what the peer still sends until it ends, or for d.
func awaitEOF(nc net.Conn, d time.Duration) {
	nc.SetReadDeadline(time.Now().Add(d))
	io.Copy(io.Discard, nc)
}

// prefixedConn first yields bytes that were read ahead of it. It offers no
// CloseWrite and no SyscallConn: whoever bypassed Read by them would miss those
// bytes.
type prefixedConn struct {
	net.Conn
	mu   sync.Mutex
	rest []byte // nil once read
}

func (c *prefixedConn) Read(p []byte) (int, error) {
	if n := c.readRest(p); n > 0 {
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *prefixedConn) readRest(p []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n
}
