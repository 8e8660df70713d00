package websocket_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// overAfter checks when the connection is over, in units from start.
func (e *callEnv) overAfter(start time.Time, units float64) {
	e.Helper()
	<-websocket.Over(e.c)
	took, want := time.Since(start), time.Duration(units*float64(time.Second))
	if e.exact && took != want || took > want+3*time.Second {
		e.Errorf("the connection was over after %v, want %v", took, want)
	}
}

// What the table Closing says of Shutdown.
func TestClosingByShutdown(t *testing.T) {
	shutdown := func(e *callEnv, ctx context.Context) func() error {
		return func() error { return e.c.Shutdown(ctx, websocket.StatusPolicyViolation, "no") }
	}
	testCells(t, []callCell{
		{call: "Shutdown", column: "ctx", bubble: true, run: func(e *callEnv) {
			start := time.Now()
			e.wantIs(e.takes(1, shutdown(e, e.unitContext())), context.DeadlineExceeded)
			e.overAfter(start, 5)
		}},
		{call: "Shutdown", column: "5 seconds", bubble: true, run: func(e *callEnv) {
			e.wantIs(e.takes(5, shutdown(e, context.Background())), context.DeadlineExceeded)
			e.overAfter(time.Now(), 0)
		}},
		{call: "Shutdown", column: "Close", run: func(e *callEnv) {
			e.hear()
			e.after(func() { e.c.Close() })
			start := time.Now()
			err := shutdown(e, context.Background())()
			if took := time.Since(start); e.exact && (took < e.unit || took > e.unit+websocket.CloseLinger) {
				e.Errorf("took %v", took)
			}
			e.wantIs(err, net.ErrClosed)
		}},
		{call: "Shutdown", column: "peer answers", run: func(e *callEnv) {
			e.hear()
			e.after(func() { e.out <- rawFrames(e.side, rawClose(1000, "")); closeSoon(e) })
			if err := shutdown(e, context.Background())(); err != nil {
				e.Errorf("%v", err)
			}
			if err := shutdown(e, context.Background())(); err != nil {
				e.Errorf("again: %v", err)
			}
			e.wantHeard(closeFrame(1008, "no"))
		}},
		{call: "Shutdown", column: "peer leaves", run: func(e *callEnv) {
			e.after(func() { closeRaw(e.peer) })
			if err := e.takes(1, shutdown(e, context.Background())); err == nil {
				e.Error("no error")
			}
		}},
		{call: "Shutdown", column: "what the peer sees, ctx ended", run: func(e *callEnv) {
			e.hear()
			if err := e.c.BufferMessage(websocket.Text, []byte("before")); err != nil {
				e.Error(err)
			}
			e.wantIs(e.takes(0, shutdown(e, cancelled(e.T))), context.Canceled)
			e.wantHeard(`Text "before"`, closeFrame(1008, "no"))
		}},
		{call: "Shutdown", column: "code that may not be sent", run: func(e *callEnv) {
			if err := e.takes(0, func() error { return e.c.Shutdown(context.Background(), 1005, "reason") }); err == nil {
				e.Error("no error")
			}
			e.wantUsable()
		}},
	})
}

// What the table Closing says of CloseWith.
func TestClosingByCloseWith(t *testing.T) {
	closeWith := func(e *callEnv) func() error {
		return func() error { return e.c.CloseWith(websocket.StatusPolicyViolation, "no") }
	}
	testCells(t, []callCell{
		{call: "CloseWith", column: "waits for nothing", bubble: true, run: func(e *callEnv) {
			fillWire(e.nc)
			start := time.Now()
			if err := errors.Join(e.takes(0, closeWith(e)), e.takes(0, closeWith(e))); err != nil {
				e.Error(err)
			}
			e.overAfter(start, 5)
		}},
		{call: "CloseWith", column: "after the end", run: func(e *callEnv) {
			e.c.Close()
			e.wantIs(e.takes(0, closeWith(e)), net.ErrClosed)
		}},
		{call: "CloseWith", column: "after a failed write", run: func(e *callEnv) {
			e.c.SetWriteDeadline(e.in(1))
			failed := e.c.WriteMessage(websocket.Binary, large)
			e.wantTimeout(failed)
			start := time.Now()
			if err := e.takes(0, closeWith(e)); err == nil || err.Error() != e.c.WriteMessage(websocket.Text, nil).Error() && !errors.Is(err, failed) {
				e.Errorf("%v, want %v", err, failed)
			}
			e.overAfter(start, 0)
		}},
		{call: "CloseWith", column: "code that may not be sent", run: func(e *callEnv) {
			if err := e.takes(0, func() error { return e.c.CloseWith(1006, "") }); err == nil {
				e.Error("no error")
			}
			e.wantUsable()
		}},
		{call: "CloseWith", column: "what the peer sees", run: func(e *callEnv) {
			e.hear()
			if err := errors.Join(e.c.BufferMessage(websocket.Text, []byte("before")), closeWith(e)(), e.c.CloseWith(1000, "again")); err != nil {
				e.Error(err)
			}
			e.wantHeard(`Text "before"`, closeFrame(1008, "no"))
		}},
	})
}

// What the table Closing says of Close.
func TestClosingByClose(t *testing.T) {
	testCells(t, []callCell{
		{call: "Close", column: "open", run: func(e *callEnv) {
			e.hear()
			start := time.Now()
			if err := e.takes(0, e.c.Close); err != nil {
				e.Error(err)
			}
			e.overAfter(start, 0)
			e.wantHeard()
		}},
		{call: "Close", column: "closing", bubble: true, run: func(e *callEnv) {
			e.hear()
			e.c.CloseWith(websocket.StatusPolicyViolation, "no")
			time.Sleep(e.unit)
			start := time.Now()
			if err := errors.Join(e.takes(0, e.c.Close), e.takes(0, e.c.Close)); err != nil {
				e.Error(err)
			}
			<-websocket.Over(e.c)
			if took := time.Since(start); took > websocket.CloseLinger {
				e.Errorf("the end took %v", took)
			}
			e.wantHeard(closeFrame(1008, "no"))
		}},
		{call: "Close", column: "closing, peer reads nothing", bubble: true, run: func(e *callEnv) {
			fillWire(e.nc)
			start := time.Now()
			e.c.CloseWith(websocket.StatusPolicyViolation, "no")
			if err := e.takes(0, e.c.Close); err != nil {
				e.Error(err)
			}
			e.overAfter(start, 5)
		}},
		{call: "Close", column: "after a closing handshake", run: func(e *callEnv) {
			e.hear()
			e.out <- rawFrames(e.side, rawClose(1000, ""))
			if err := readToEnd(e.c); !websocket.ClosedNormally(err) {
				e.Error(err)
			}
			if err := e.takes(0, e.c.Close); err != nil {
				e.Errorf("%v, want nil", err)
			}
		}},
		{call: "Close", column: "after another end", run: func(e *callEnv) {
			closeRaw(e.peer)
			readToEnd(e.c)
			<-websocket.Over(e.c)
			if err := e.takes(0, e.c.Close); err != nil { // an end that left time to answer counts as a handshake
				e.wantIs(err, net.ErrClosed)
			}
		}},
		{call: "Close", column: "twice", run: func(e *callEnv) {
			e.c.Close()
			e.wantIs(e.takes(0, e.c.Close), net.ErrClosed)
		}},
	})
}
