package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// callCell is a cell of the tables Deadlines and Closing in doc.go: a call, and
// what is said of it in a column.
type callCell struct {
	call, column string
	timeout      bool // WriteTimeout is one unit
	bubble       bool // not over sockets: it takes as long as a closing handshake, or a system could take a few more bytes at any time
	run          func(e *callEnv)
}

// callEnv is what a callCell sees: a connection and its peer's end, which
// neither reads nor sends by itself.
type callEnv struct {
	*testing.T
	c         *websocket.Conn
	nc, peer  net.Conn
	side      websocket.Side
	transport string
	unit      time.Duration // of time
	exact     bool          // the clock is that of a bubble
	origin    time.Time     // what in, after and unitContext have counted from last
	out       chan []byte   // what the peer sends
	heard     chan []byte   // what the peer has received; sent once, at the end
	done      sync.WaitGroup
}

// testCells tests cells over all transports: in bubbles, where times are exact,
// and over sockets.
func testCells(t *testing.T, cells []callCell) {
	for _, cell := range cells {
		t.Run(cell.call+"/"+cell.column, func(t *testing.T) {
			for _, side := range sides {
				for _, transport := range []string{overMemory, overPipe} {
					t.Run(transport+"/"+sideName(side), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { cell.test(t, transport, side, time.Second) })
					})
				}
			}
			if cell.bubble {
				return
			}
			for _, transport := range []string{overTCP, overTLS} { // a client would wait a second for the server's end
				t.Run(transport, func(t *testing.T) {
					t.Parallel()
					cell.test(t, transport, websocket.ServerSide, 20*time.Millisecond)
				})
			}
		})
	}
}

func (cell callCell) test(t *testing.T, transport string, side websocket.Side, unit time.Duration) {
	nc, peer := hostileWire(t, transport, side)
	e := &callEnv{T: t, nc: nc, peer: peer, side: side, transport: transport, unit: unit, exact: unit == time.Second}
	var cfg websocket.Config
	if cell.timeout {
		cfg.WriteTimeout = unit
	}
	e.c = connect(t, nc, peer, websocket.RFC6455, side, cfg)
	e.out = make(chan []byte, 100)
	e.done.Go(func() {
		for b := range e.out {
			e.peer.Write(b)
		}
	})
	defer func() {
		close(e.out)
		e.c.Close()
		<-websocket.Over(e.c)
		closeRaw(e.peer)
		e.done.Wait()
	}()
	cell.run(e)
}

// takes calls f and checks how long it takes, in units.
func (e *callEnv) takes(units float64, f func() error) error {
	e.Helper()
	start := time.Now()
	err := f()
	end, want := time.Now(), time.Duration(units*float64(e.unit))
	took, least := end.Sub(start), end.Sub(start)
	if !e.exact && !e.origin.IsZero() {
		least = end.Sub(e.origin) // the machine may have stood still before the start
	}
	if e.exact && took != want || least < want || took > want+3*time.Second {
		e.Errorf("took %v, want %v (%v)", took, want, err)
	}
	return err
}

// after calls f after one unit.
func (e *callEnv) after(f func()) {
	e.origin = time.Now()
	e.done.Go(func() { time.Sleep(e.unit); f() })
}

// in returns the time after some units.
func (e *callEnv) in(units float64) time.Time {
	e.origin = time.Now()
	return e.origin.Add(time.Duration(units * float64(e.unit)))
}

// unitContext returns a context that ends after one unit.
func (e *callEnv) unitContext() context.Context {
	e.origin = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), e.unit)
	e.Cleanup(cancel)
	return ctx
}

// hear lets the peer read until our end, and end then.
func (e *callEnv) hear() {
	e.heard = make(chan []byte, 1)
	for _, end := range []net.Conn{e.nc, e.peer} {
		resize(end, 1<<20) // or it would take seconds
	}
	e.done.Go(func() {
		var got bytes.Buffer
		got.ReadFrom(e.peer)
		closeRaw(e.peer)
		e.heard <- got.Bytes()
	})
}

// wantHeard ends the connection and checks which frames the peer has got, each
// written as its opcode and payload.
func (e *callEnv) wantHeard(want ...string) {
	e.Helper()
	e.c.Close()
	<-websocket.Over(e.c)
	var got []string
	for b := <-e.heard; len(b) > 0; {
		f, n, err := websocket.ParseFrame(b, websocket.RFC6455)
		if err != nil {
			e.Fatalf("peer got % .40x after %q: %v", b, got, err)
		}
		got, b = append(got, fmt.Sprintf("%v %.20q", f.Opcode, f.Payload)), b[n:]
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		e.Errorf("peer got %v, want %v", got, want)
	}
}

// closeFrame is what wantHeard calls a Close frame.
func closeFrame(code int, reason string) string {
	return fmt.Sprintf("%v %.20q", websocket.Close, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// wantTimeout checks that err is that of a deadline.
func (e *callEnv) wantTimeout(err error) {
	e.Helper()
	var ne net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
		e.Errorf("%v, want an error of a deadline, with Timeout", err)
	}
}

// wantIs checks that err wraps want and is not one after which a program would
// try again.
func (e *callEnv) wantIs(err, want error) {
	e.Helper()
	var ne net.Error
	if !errors.Is(err, want) {
		e.Errorf("%v, want one that wraps %v", err, want)
	} else if want == net.ErrClosed && errors.As(err, &ne) && ne.Timeout() {
		e.Errorf("%v has Timeout", err)
	}
}

// wantUsable checks that messages pass in both directions. The peer must not be
// reading.
func (e *callEnv) wantUsable() {
	e.Helper()
	e.hear()
	e.c.SetDeadline(time.Time{})
	e.out <- peerText(e.T, websocket.RFC6455, e.side, "usable")
	if _, p, err := e.c.ReadMessage(); err != nil || string(p) != "usable" {
		e.Errorf("read afterwards: %q, %v", p, err)
	}
	if err := e.c.WriteMessage(websocket.Text, []byte("usable")); err != nil {
		e.Errorf("write afterwards: %v", err)
	}
	e.c.CloseWith(websocket.StatusNormalClosure, "")
	e.wantHeard(`Text "usable"`, closeFrame(1000, ""))
}
