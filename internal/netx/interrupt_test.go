package netx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket/internal/netx"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

func noAnswer(error) bool { return false }

// deadlineLog is a connection that records its deadlines.
type deadlineLog struct {
	net.Conn
	set []time.Time
}

func (l *deadlineLog) SetDeadline(at time.Time) error {
	l.set = append(l.set, at)
	return l.Conn.SetDeadline(at)
}

// The deadline of the context is also that of the connection, so that I/O ends
// in time on conns that linger in Close, and is gone afterwards.
func TestInterruptibleDeadlines(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	raw := &deadlineLog{Conn: client}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	conn, err := netx.Interruptible(ctx, raw, noAnswer, func() (net.Conn, error) { return raw, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want, _ := ctx.Deadline()
	if len(raw.set) != 2 || !raw.set[0].Equal(want) || !raw.set[1].IsZero() {
		t.Errorf("deadlines set: %v; want %v, then none", raw.set, want)
	}
}

// A context that ends at the last moment has closed the connection, or is about
// to, so success would be a lie.
func TestInterruptibleTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, server := net.Pipe()
		defer server.Close()
		go io.Copy(io.Discard, server)
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := netx.Interruptible(ctx, raw, noAnswer, func() (net.Conn, error) {
			cancel()
			return raw, nil
		})
		if conn != nil || err != context.Canceled {
			t.Errorf("got %v, %v; want no connection and context.Canceled", conn, err)
		}
		testkit.CheckClosed(t, raw)
	})
}

// A read that waits ends with the context, whatever the connection knows of
// deadlines, and the error is that of the context.
func TestInterruptibleEndsReads(t *testing.T) {
	pipe := func(nc net.Conn) net.Conn { return nc }
	crude := func(nc net.Conn) net.Conn { return testkit.NoDeadlines{Conn: nc} }
	for _, tt := range []struct {
		name string
		wrap func(net.Conn) net.Conn
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		{"deadline", pipe, inAMinute, context.DeadlineExceeded},
		{"deadline, no deadlines on the connection", crude, inAMinute, context.DeadlineExceeded},
		{"cancel", pipe, cancelledInAMinute, context.Canceled},
		{"cancel, no deadlines on the connection", crude, cancelledInAMinute, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer server.Close()
				raw := tt.wrap(client)
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				start := time.Now()
				_, err := netx.Interruptible(ctx, raw, noAnswer, func() (int, error) { return raw.Read(make([]byte, 1)) })
				if err != tt.want {
					t.Errorf("error %v, want %v", err, tt.want)
				}
				if took := time.Since(start); took != time.Minute {
					t.Errorf("took %v, want 1m", took)
				}
				testkit.CheckClosed(t, client)
			})
		})
	}
}

func inAMinute(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Minute)
}

func cancelledInAMinute(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(time.Minute, cancel)
	return ctx, cancel
}

// An error that the context has not caused is returned as it is, and so is an
// answer of the peer, even after the end of the context.
func TestInterruptibleErrors(t *testing.T) {
	failure := errors.New("some failure")
	answer := fmt.Errorf("refused: %w", io.ErrUnexpectedEOF)
	isAnswer := func(err error) bool { return err == answer }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	later, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		want error
	}{
		{"failure", t.Context(), failure, failure},
		{"failure, deadline later", later, failure, failure},
		{"failure, context ended", ended, failure, context.Canceled},
		{"answer", t.Context(), answer, answer},
		{"answer, context ended", ended, answer, answer},
		{"a timeout of its own", later, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"a timeout of its own, no deadline", t.Context(), os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw, server := net.Pipe()
			defer server.Close()
			got, err := netx.Interruptible(tt.ctx, raw, isAnswer, func() (int, error) { return 1, tt.err })
			if got != 0 || err != tt.want {
				t.Errorf("got %v, %v; want 0, %v", got, err, tt.want)
			}
			testkit.CheckClosed(t, raw)
		})
	}
}

// lateContext is a context whose deadline has passed and whose timer has not
// fired yet.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

func TestInterruptibleBeforeTheTimer(t *testing.T) {
	raw, server := net.Pipe()
	defer server.Close()
	ctx := lateContext{t.Context(), time.Now().Add(-time.Second)}
	_, err := netx.Interruptible(ctx, raw, noAnswer, func() (int, error) { return raw.Read(make([]byte, 1)) })
	if err != context.DeadlineExceeded {
		t.Errorf("error %v, want context.DeadlineExceeded", err)
	}
	testkit.CheckClosed(t, raw)
}

// A negotiation that panics, or ends its goroutine, does not leave its
// connection open, and the end of the context then does nothing.
func TestInterruptiblePanics(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("negotiate") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				raw, server := net.Pipe()
				defer server.Close()
				counted := &closeCounter{Conn: raw}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan any, 1)
				go func() {
					defer func() { done <- recover() }()
					netx.Interruptible(ctx, counted, noAnswer, func() (int, error) { end(); return 0, nil })
				}()
				if v := <-done; v == nil && name == "panic" {
					t.Error("the panic was swallowed")
				}
				testkit.CheckClosed(t, raw)
				cancel()
				synctest.Wait()
				if n := counted.closed.Load(); n != 1 {
					t.Errorf("closed %d times, want once", n)
				}
			})
		})
	}
}

// closeCounter is a connection that counts calls of Close.
type closeCounter struct {
	net.Conn
	closed atomic.Int32
}

func (c *closeCounter) Close() error {
	c.closed.Add(1)
	return c.Conn.Close()
}

func TestOrClose(t *testing.T) {
	failure := errors.New("some failure")
	for _, err := range []error{nil, failure} {
		raw, server := net.Pipe()
		got, gotErr := netx.OrClose(raw, func() (int, error) { return 1, err })
		if err == nil {
			if got != 1 || gotErr != nil {
				t.Errorf("got %d, %v; want 1 and no error", got, gotErr)
			}
			go io.Copy(io.Discard, server)
			if _, err := raw.Write([]byte("x")); err != nil {
				t.Errorf("write after success: %v", err)
			}
			raw.Close()
		} else {
			if got != 0 || gotErr != failure {
				t.Errorf("got %d, %v; want 0, %v", got, gotErr, failure)
			}
			testkit.CheckClosed(t, raw)
		}
		server.Close()
	}
}
