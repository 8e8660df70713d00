package websocket_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// waitingRead is a read that waits for the rest of a message. begin prepares it
// and returns it. The read returns what it has read of the message.
type waitingRead struct {
	name  string
	has   int // how many bytes of the frame have come
	begin func(e *callEnv) (read func(ctx context.Context) ([]byte, error))
	drops bool // it drops the message
	ctx   bool // it heeds its context
}

const waitedFor = "a message in two halves"

var waitingReads = []waitingRead{
	{name: "ReadMessage", has: 12, begin: func(e *callEnv) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) {
			_, p, err := e.c.ReadMessage()
			return p, err
		}
	}},
	{name: "ReadAppend", has: 12, begin: func(e *callEnv) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) {
			_, p, err := e.c.ReadAppend(nil)
			return p, err
		}
	}},
	{name: "NextReader", has: 1, begin: func(e *callEnv) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) {
			_, r, err := e.c.NextReader()
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		}
	}},
	{name: "NextReader's Read", has: 12, begin: func(e *callEnv) func(context.Context) ([]byte, error) {
		_, r, err := e.c.NextReader()
		if err != nil {
			e.Fatal(err)
		}
		var got bytes.Buffer
		return func(context.Context) ([]byte, error) {
			_, err := got.ReadFrom(r)
			return got.Bytes(), err
		}
	}},
	{name: "Messages", has: 12, ctx: true, begin: func(e *callEnv) func(context.Context) ([]byte, error) {
		return func(ctx context.Context) (p []byte, err error) {
			for m, err := range e.c.Messages(ctx) {
				return m.Data, err
			}
			return nil, io.EOF
		}
	}},
	{name: "Discard", has: 12, ctx: true, drops: true, begin: func(e *callEnv) func(context.Context) ([]byte, error) {
		return func(ctx context.Context) ([]byte, error) { return nil, discardError(ctx, e.c) }
	}},
}

// start sends the first half of a message and begins the read. rest sends the
// other half.
func (r waitingRead) start(e *callEnv) (read func(ctx context.Context) ([]byte, error), rest func()) {
	frame := peerText(e.T, websocket.RFC6455, e.side, waitedFor)
	e.out <- frame[:r.has]
	return r.begin(e), func() { e.out <- frame[r.has:] }
}

// cells returns the cells of the row of r in the table Deadlines.
func (r waitingRead) cells() []callCell {
	cell := func(column string, run func(e *callEnv, read func(ctx context.Context) error)) callCell {
		return callCell{call: r.name, column: column, run: func(e *callEnv) {
			read, _ := r.start(e)
			run(e, func(ctx context.Context) error { _, err := read(ctx); return err })
		}}
	}
	ctx := context.Background()
	cells := []callCell{
		cell("read deadline", func(e *callEnv, read func(context.Context) error) {
			e.c.SetReadDeadline(e.in(1))
			e.wantTimeout(e.takes(1, func() error { return read(ctx) }))
		}),
		cell("read deadline while closing", func(e *callEnv, read func(context.Context) error) {
			e.hear()
			e.c.CloseWith(websocket.StatusGoingAway, "")
			e.c.SetReadDeadline(e.in(1))
			e.wantTimeout(e.takes(1, func() error { return read(ctx) }))
		}),
		cell("deadline in the past", func(e *callEnv, read func(context.Context) error) {
			e.after(func() { e.c.SetReadDeadline(time.Unix(1, 0)) })
			e.wantTimeout(e.takes(1, func() error { return read(ctx) }))
		}),
		cell("Close", func(e *callEnv, read func(context.Context) error) {
			e.after(func() { e.c.Close() })
			e.wantIs(e.takes(1, func() error { return read(ctx) }), net.ErrClosed)
			e.wantIs(e.takes(0, func() error { return read(ctx) }), net.ErrClosed)
		}),
		cell("Close while closing", func(e *callEnv, read func(context.Context) error) {
			e.hear()
			e.c.CloseWith(websocket.StatusGoingAway, "")
			e.after(func() { e.c.Close() })
			e.wantIs(e.takes(1, func() error { return read(ctx) }), net.ErrClosed)
		}),
		cell("peer leaves", func(e *callEnv, read func(context.Context) error) {
			e.after(func() { closeRaw(e.peer) })
			e.wantIs(e.takes(1, func() error { return read(ctx) }), io.ErrUnexpectedEOF)
		}),
		cell("what the peer sees", func(e *callEnv, read func(context.Context) error) {
			e.hear()
			e.c.SetReadDeadline(e.in(1))
			read(ctx)
			e.wantHeard()
		}),
		{call: r.name, column: "afterwards", run: func(e *callEnv) {
			read, rest := r.start(e)
			e.c.SetReadDeadline(e.in(1))
			_, err := read(ctx)
			e.wantTimeout(err)
			e.c.SetReadDeadline(time.Time{})
			rest()
			if !r.drops {
				if got, err := read(ctx); err != nil || string(got) != waitedFor {
					e.Errorf("after the deadline: %q, %v", got, err)
				}
			}
			e.wantUsable()
		}},
	}
	if r.ctx {
		cells = append(cells, r.contextCells()...)
	}
	return cells
}

// contextCells returns the cells of calls with a context.
func (r waitingRead) contextCells() []callCell {
	ends := func(closing bool) func(e *callEnv) {
		return func(e *callEnv) {
			read, rest := r.start(e)
			if closing {
				e.hear()
				e.c.CloseWith(websocket.StatusGoingAway, "")
			}
			err := e.takes(1, func() error { _, err := read(e.unitContext()); return err })
			e.wantIs(err, context.DeadlineExceeded)
			if closing {
				return
			}
			rest()
			if !r.drops {
				if _, p, err := e.c.ReadMessage(); err != nil || string(p) != waitedFor {
					e.Errorf("after the end of the context: %q, %v", p, err)
				}
			}
			e.wantUsable()
		}
	}
	return []callCell{
		{call: r.name, column: "ctx", run: ends(false)},
		{call: r.name, column: "ctx while closing", run: ends(true)},
	}
}

// What the table Deadlines says of reads.
func TestDeadlinesOfReads(t *testing.T) {
	for _, r := range waitingReads {
		testCells(t, r.cells())
	}
}

// A context cannot end a read of a connection that has no deadlines. Messages
// and Discard say so at once, and the connection is as before.
func TestContextsOfReadsWithoutDeadlines(t *testing.T) {
	for _, side := range sides {
		server, client := newPair(t, websocket.RFC6455, overMemory, pairOptions{
			wrapServer: func(nc net.Conn) net.Conn { return noDeadlines{Conn: nc} },
			wrapClient: func(nc net.Conn) net.Conn { return noDeadlines{Conn: nc} },
		})
		c, peer := server, client
		if side == websocket.ClientSide {
			c, peer = peer, c
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for name, err := range map[string]error{"Messages": lastError(ctx, c), "Discard": discardError(ctx, c)} {
			if err == nil || !strings.Contains(err.Error(), "SetReadDeadline") {
				t.Errorf("%s: %v, want an error that says that there are no deadlines", name, err)
			}
		}
		go echoAll(peer)
		checkEcho(t, c)
	}
}
