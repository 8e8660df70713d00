package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// waitingWrite is a write that waits for a peer that does not read. begin
// prepares it and returns it.
type waitingWrite struct {
	name  string
	begin func(e *callEnv) (write func() error)

	queued bool // it only waits if the transport is full
	turn   bool // it waits for others, so nothing of it has left
	flush  bool // it does not add a frame
}

var waitingWrites = []waitingWrite{
	{name: "WriteMessage", begin: func(e *callEnv) func() error {
		return func() error { return e.c.WriteMessage(websocket.Binary, large) }
	}},
	{name: "WritePrepared", begin: func(e *callEnv) func() error {
		m, err := websocket.Prepare(websocket.Binary, large)
		if err != nil {
			e.Fatal(err)
		}
		return func() error { return e.c.WritePrepared(m) }
	}},
	{name: "BufferMessage", begin: func(e *callEnv) func() error {
		return func() error { return e.c.BufferMessage(websocket.Binary, large) }
	}},
	{name: "Flush", queued: true, flush: true, begin: func(e *callEnv) func() error {
		if err := e.c.BufferMessage(websocket.Binary, make([]byte, 50_000)); err != nil {
			e.Fatal(err)
		}
		return e.c.Flush
	}},
	{name: "Flush behind a write", turn: true, flush: true, begin: func(e *callEnv) func() error {
		e.done.Go(func() { e.c.WriteMessage(websocket.Binary, large) })
		for !websocket.HasSent(e.c) && websocket.Direct(e.c) != websocket.DirectBusy {
			runtime.Gosched()
		}
		return e.c.Flush
	}},
	{name: "NextWriter", turn: true, begin: func(e *callEnv) func() error {
		if _, err := e.c.NextWriter(websocket.Binary); err != nil {
			e.Fatal(err)
		}
		return func() error {
			_, err := e.c.NextWriter(websocket.Binary)
			return err
		}
	}},
	{name: "NextWriter's Write", begin: func(e *callEnv) func() error {
		w := e.newWriter()
		return func() error {
			_, err := w.Write(large)
			return err
		}
	}},
	{name: "NextWriter's Close", queued: true, begin: func(e *callEnv) func() error {
		w := e.newWriter()
		if _, err := w.Write(make([]byte, 10_000)); err != nil {
			e.Fatal(err)
		}
		return w.Close
	}},
}

// newWriter begins a message.
func (e *callEnv) newWriter() io.WriteCloser {
	e.Helper()
	w, err := e.c.NextWriter(websocket.Binary)
	if err != nil {
		e.Fatal(err)
	}
	return w
}

// cells returns the cells of the row of w in the table Deadlines.
func (w waitingWrite) cells() []callCell {
	cell := func(column string, run func(e *callEnv, write func() error)) callCell {
		return callCell{call: w.name, column: column, bubble: w.queued, run: func(e *callEnv) {
			if w.queued {
				fillWire(e.nc)
			}
			run(e, w.begin(e))
		}}
	}
	cells := []callCell{
		cell("write deadline", func(e *callEnv, write func() error) {
			e.c.SetWriteDeadline(e.in(1))
			err := e.takes(1, write)
			e.wantTimeout(err)
			if errors.Is(err, websocket.ErrWriteTimeout) {
				e.Errorf("%v, but no WriteTimeout is set", err)
			}
		}),
		cell("deadline in the past", func(e *callEnv, write func() error) {
			e.after(func() { e.c.SetWriteDeadline(time.Unix(1, 0)) })
			e.wantTimeout(e.takes(1, write))
		}),
		cell("Close", func(e *callEnv, write func() error) {
			e.after(func() { e.c.Close() })
			e.wantIs(e.takes(1, write), net.ErrClosed)
			e.wantIs(e.takes(0, func() error { return e.c.WriteMessage(websocket.Text, nil) }), net.ErrClosed)
		}),
		cell("CloseWith before", func(e *callEnv, write func() error) {
			if w.flush {
				return // what was queued still leaves
			}
			e.hear()
			e.c.CloseWith(websocket.StatusGoingAway, "")
			e.wantIs(e.takes(0, write), net.ErrClosed)
		}),
		cell("peer leaves", func(e *callEnv, write func() error) {
			if w.turn {
				return // it is not writing, so it notices nothing
			}
			e.after(func() { closeRaw(e.peer) })
			if err := e.takes(1, write); err == nil {
				e.Error("no error")
			}
		}),
		{call: w.name, column: "afterwards, nothing sent", run: func(e *callEnv) {
			write := w.begin(e)
			e.c.SetWriteDeadline(e.in(-1))
			e.wantTimeout(e.takes(0, write))
			e.c.SetWriteDeadline(time.Time{})
			e.hear()
			if w.turn {
				return // the message in progress still keeps others out
			}
			if err := write(); err != nil {
				e.Errorf("after the deadline: %v", err)
			}
		}},
	}
	if w.turn {
		return cells
	}
	timeout := cell("WriteTimeout", func(e *callEnv, write func() error) {
		e.wantIs(e.takes(1, write), websocket.ErrWriteTimeout)
		<-websocket.Over(e.c)
		_, _, err := e.c.ReadMessage()
		e.wantIs(err, websocket.ErrWriteTimeout)
		_, err = e.c.Ping(context.Background())
		e.wantIs(err, websocket.ErrWriteTimeout)
	})
	timeout.timeout = true
	return append(cells, timeout, cell("afterwards, frame cut", func(e *callEnv, write func() error) {
		units := 1.0
		if !e.exact {
			units = 10 // so that the frame has begun, however slow the machine is
		}
		e.c.SetWriteDeadline(e.in(units))
		first := write()
		e.wantTimeout(first)
		e.c.SetWriteDeadline(time.Time{})
		if w.queued && e.transport != overPipe {
			return // nothing of the frame has left
		}
		for range 2 {
			err := e.takes(0, func() error { return e.c.WriteMessage(websocket.Binary, nil) })
			if fmt.Sprint(err) != fmt.Sprint(first) {
				e.Errorf("a write after %v: %v, want the same error", first, err)
			}
		}
		e.out <- peerText(e.T, websocket.RFC6455, e.side, "still there")
		if _, p, err := e.c.ReadMessage(); err != nil || string(p) != "still there" {
			e.Errorf("a read after it: %q, %v", p, err)
		}
	}))
}

// What the table Deadlines says of writes.
func TestDeadlinesOfWrites(t *testing.T) {
	for _, w := range waitingWrites {
		testCells(t, w.cells())
	}
}

// What the table Deadlines says of Ping.
func TestDeadlinesOfPing(t *testing.T) {
	ping := func(e *callEnv, ctx context.Context) func() error {
		return func() error {
			_, err := e.c.Ping(ctx)
			return err
		}
	}
	testCells(t, []callCell{
		{call: "Ping", column: "ctx", run: func(e *callEnv) {
			err := e.takes(1, ping(e, e.unitContext()))
			e.wantIs(err, context.DeadlineExceeded)
		}},
		{call: "Ping", column: "ctx that has ended", run: func(e *callEnv) {
			e.wantIs(e.takes(0, ping(e, cancelled(e.T))), context.Canceled)
		}},
		{call: "Ping", column: "Close", run: func(e *callEnv) {
			e.after(func() { e.c.Close() })
			e.wantIs(e.takes(1, ping(e, context.Background())), net.ErrClosed)
		}},
		{call: "Ping", column: "peer leaves", run: func(e *callEnv) {
			e.c.Discard(context.Background())
			e.after(func() { closeRaw(e.peer) })
			if err := e.takes(1, ping(e, context.Background())); err == nil {
				e.Error("no error")
			}
		}},
		{call: "Ping", column: "Close frame", run: func(e *callEnv) {
			e.hear()
			e.c.Discard(context.Background())
			e.after(func() { e.out <- rawFrames(e.side, rawClose(1000, "")); closeSoon(e) })
			err := ping(e, context.Background())()
			var ce *websocket.CloseError
			if !errors.As(err, &ce) {
				e.Errorf("%v, want the peer's Close", err)
			}
		}},
		{call: "Ping", column: "what the peer sees", run: func(e *callEnv) {
			e.hear()
			ping(e, e.unitContext())()
			e.wantHeard(fmt.Sprintf("%v %.20q", websocket.Ping, "\x00\x00\x00\x00\x00\x00\x00\x01"))
		}},
		{call: "Ping", column: "afterwards", run: func(e *callEnv) {
			e.hear()
			ping(e, e.unitContext())()
			e.out <- peerText(e.T, websocket.RFC6455, e.side, "usable")
			if _, p, err := e.c.ReadMessage(); err != nil || string(p) != "usable" {
				e.Errorf("read afterwards: %q, %v", p, err)
			}
			if err := e.c.WriteMessage(websocket.Text, []byte("usable")); err != nil {
				e.Errorf("write afterwards: %v", err)
			}
		}},
	})
}

// closeSoon ends the peer's side once it has sent everything.
func closeSoon(e *callEnv) {
	if e.side == websocket.ClientSide { // which waits for the server's end
		time.Sleep(e.unit)
		closeRaw(e.peer)
	}
}
