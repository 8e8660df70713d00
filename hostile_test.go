package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// hostileCalls are the calls of the tables Deadlines and Closing in doc.go.
var hostileCalls = []hostileCall{
	{name: "ReadMessage", bound: byLimit, do: func(e *hostileCell) error {
		e.readLimit()
		_, _, err := e.c.ReadMessage()
		return err
	}},
	{name: "ReadAppend", bound: byLimit, do: func(e *hostileCell) error {
		e.readLimit()
		_, _, err := e.c.ReadAppend(make([]byte, 0, 4096))
		return err
	}},
	{name: "NextReader", bound: byLimit, do: func(e *hostileCell) error {
		e.readLimit()
		return readNext(e.c)
	}},
	{name: "ReadMessage while closing", bound: byLimit, do: func(e *hostileCell) error {
		e.c.CloseWith(websocket.StatusGoingAway, "")
		e.readLimit()
		_, _, err := e.c.ReadMessage()
		return err
	}},
	{name: "NextReader before closing", bound: byLimit, do: func(e *hostileCell) error {
		e.readLimit()
		_, r, err := e.c.NextReader()
		e.c.CloseWith(websocket.StatusGoingAway, "")
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		return err
	}},
	{name: "a second read", bound: byLimit, do: func(e *hostileCell) error {
		first := later(func() error { return readNext(e.c) })
		e.readLimit()
		_, _, err := e.c.ReadMessage()
		<-first
		return err
	}},
	{name: "Messages", bound: byLimit, do: func(e *hostileCell) error {
		ctx, cancel := e.context()
		defer cancel()
		return lastError(ctx, e.c)
	}},
	{name: "Messages while closing", bound: byLimit, do: func(e *hostileCell) error {
		e.c.CloseWith(websocket.StatusGoingAway, "")
		ctx, cancel := e.context()
		defer cancel()
		return lastError(ctx, e.c)
	}},
	{name: "Discard", bound: byLimit, do: func(e *hostileCell) error {
		ctx, cancel := e.context()
		defer cancel()
		return discardError(ctx, e.c)
	}},
	{name: "WriteMessage", bound: byLimit, do: func(e *hostileCell) error {
		e.writeLimit()
		return e.c.WriteMessage(websocket.Binary, large)
	}},
	{name: "WriteMessage beside another", bound: byLimit, do: func(e *hostileCell) error {
		first := later(func() error { return e.c.WriteMessage(websocket.Binary, large) })
		e.writeLimit()
		err := e.c.WriteMessage(websocket.Binary, large)
		<-first
		return err
	}},
	{name: "WriteMessage while closing", bound: atOnce, do: func(e *hostileCell) error {
		e.c.CloseWith(websocket.StatusGoingAway, "")
		return e.c.WriteMessage(websocket.Binary, large)
	}},
	{name: "BufferMessage", bound: byLimit, do: func(e *hostileCell) error {
		e.writeLimit()
		return e.c.BufferMessage(websocket.Binary, large)
	}},
	{name: "Flush", bound: byLimit, do: func(e *hostileCell) error {
		e.writeLimit()
		err := e.c.BufferMessage(websocket.Binary, make([]byte, 60_000))
		return errors.Join(err, e.c.Flush())
	}},
	{name: "WritePrepared", bound: byLimit, do: func(e *hostileCell) error {
		m, _ := websocket.Prepare(websocket.Binary, large)
		e.writeLimit()
		return e.c.WritePrepared(m)
	}},
	{name: "NextWriter behind another", bound: byLimit, do: func(e *hostileCell) error {
		e.writeLimit()
		if _, err := e.c.NextWriter(websocket.Binary); err != nil {
			return err
		}
		_, err := e.c.NextWriter(websocket.Binary)
		return err
	}},
	{name: "NextWriter, Write", bound: byLimit, do: func(e *hostileCell) error {
		e.writeLimit()
		w, err := e.c.NextWriter(websocket.Binary)
		if err == nil {
			_, err = w.Write(large)
		}
		return err
	}},
	{name: "NextWriter, Close", bound: byLimit, do: func(e *hostileCell) error {
		e.writeLimit()
		w, err := e.c.NextWriter(websocket.Binary)
		if err == nil {
			w.Write(make([]byte, 10_000))
			err = w.Close()
		}
		return err
	}},
	{name: "Ping", bound: byLimit, do: func(e *hostileCell) error {
		e.c.Discard(context.Background())
		ctx, cancel := e.context()
		defer cancel()
		_, err := e.c.Ping(ctx)
		return err
	}},
	{name: "Ping while nobody reads", bound: byLimit, do: func(e *hostileCell) error {
		ctx, cancel := e.context()
		defer cancel()
		_, err := e.c.Ping(ctx)
		return err
	}},
	{name: "Shutdown, ctx", bound: byLimit, do: func(e *hostileCell) error {
		ctx, cancel := e.context()
		defer cancel()
		return e.c.Shutdown(ctx, websocket.StatusGoingAway, "")
	}},
	{name: "Shutdown", bound: byHandshake, do: func(e *hostileCell) error {
		return e.c.Shutdown(context.Background(), websocket.StatusGoingAway, "")
	}},
	{name: "Shutdown beside a read and a write", bound: byHandshake, do: func(e *hostileCell) error {
		var both sync.WaitGroup
		both.Go(func() { readNext(e.c) })
		both.Go(func() { e.c.WriteMessage(websocket.Binary, large) })
		defer both.Wait()
		return e.c.Shutdown(context.Background(), websocket.StatusGoingAway, "")
	}},
	{name: "CloseWith", bound: atOnce, do: func(e *hostileCell) error { return e.c.CloseWith(websocket.StatusGoingAway, "") }},
	{name: "CloseWith, Close", bound: atOnce, do: func(e *hostileCell) error {
		return errors.Join(e.c.CloseWith(websocket.StatusGoingAway, ""), e.c.Close())
	}},
	{name: "Close", bound: atOnce, do: func(e *hostileCell) error { return e.c.Close() }},
	{name: "Close beside a read and a write", bound: atOnce, do: func(e *hostileCell) error {
		var both sync.WaitGroup
		both.Go(func() { readToEnd(e.c) })
		both.Go(func() { writeUntilError(e.c) })
		defer both.Wait()
		return e.c.Close()
	}},
	{name: "Server.Shutdown", bound: byLimit, handler: readToEnd, do: func(e *hostileCell) error {
		ctx, cancel := e.context()
		defer cancel()
		return e.server.Shutdown(ctx)
	}},
	{name: "Server.Shutdown of a handler that writes", bound: byLimit, handler: writeUntilError, do: func(e *hostileCell) error {
		ctx, cancel := e.context()
		defer cancel()
		return e.server.Shutdown(ctx)
	}},
	{name: "Server.Shutdown without an end of ctx", bound: byHandshake, handler: readToEnd, do: func(e *hostileCell) error {
		return e.server.Shutdown(context.Background())
	}},
	{name: "Server.Close", bound: atOnce, handler: readToEnd, do: func(e *hostileCell) error { return e.server.Close() }},
	{name: "Stream, Read", bound: byLimit, do: func(e *hostileCell) error {
		s := websocket.Stream(e.c, websocket.Binary)
		s.SetReadDeadline(time.Now().Add(e.limit))
		_, err := s.Read(make([]byte, 10))
		return err
	}},
	{name: "Stream, Write", bound: byLimit, do: func(e *hostileCell) error {
		s := websocket.Stream(e.c, websocket.Binary)
		s.SetWriteDeadline(time.Now().Add(e.limit))
		_, err := s.Write(large)
		return err
	}},
	{name: "Stream, Close", bound: atOnce, do: func(e *hostileCell) error {
		return websocket.Stream(e.c, websocket.Binary).Close()
	}},
	{name: "Stream, Close beside Read and Write", bound: atOnce, do: func(e *hostileCell) error {
		s := websocket.Stream(e.c, websocket.Binary)
		var both sync.WaitGroup
		both.Go(func() { io.Copy(io.Discard, s) })
		both.Go(func() {
			for _, err := s.Write(large); err == nil; _, err = s.Write(large) {
			}
		})
		defer both.Wait()
		return s.Close()
	}},
}

// No peer can hold a call beyond its bound, nor the connection after it for
// longer than a closing handshake.
func TestHostilePeers(t *testing.T) {
	for _, transport := range []string{overMemory, overPipe} {
		for _, side := range sides {
			for _, peer := range hostilePeers {
				for _, call := range hostileCalls {
					if call.handler != nil && side == websocket.ClientSide {
						continue // a Server has the other side
					}
					t.Run(fmt.Sprint(call.name, "/", peer.name, "/", transport, "/", sideName(side)), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { hostileInBubble(t, transport, side, peer, call) })
					})
				}
			}
		}
	}
}

func hostileInBubble(t *testing.T, transport string, side websocket.Side, peer hostilePeer, call hostileCall) {
	const limit = 2505 * time.Millisecond // when no peer does anything
	e, end := newHostileCell(t, transport, side, peer, call, limit)
	defer end()
	start := time.Now()
	err := call.do(e)
	took, bound := time.Since(start), call.bound.duration(limit)
	if took > bound {
		t.Errorf("took %v, want at most %v (%v)", took, bound, err)
	}
	checkHostileError(t, t.Name(), err, took, limit)
	start = time.Now()
	e.c.CloseWith(websocket.StatusGoingAway, "")
	<-websocket.Over(e.c)
	if took := time.Since(start); took > websocket.CloseTimeout {
		t.Errorf("the end took %v after %v", took, err)
	}
}

// The same over sockets, where the clock is real: all at once. Where there is
// time, each call meets each peer over both transports.
func TestHostilePeersOverSockets(t *testing.T) {
	t.Parallel()
	var cells sync.WaitGroup
	defer cells.Wait()
	all := stressRounds(1) > 1
	for i, peer := range hostilePeers {
		for k, call := range hostileCalls {
			side := sides[(i+k)/2%2]
			if call.handler != nil {
				side = websocket.ServerSide
			}
			for n, transport := range []string{overTCP, overTLS} {
				if all || (i+k)%2 == n {
					cells.Go(func() { hostileOverSocket(t, transport, side, peer, call) })
				}
			}
		}
	}
}

func hostileOverSocket(t *testing.T, transport string, side websocket.Side, peer hostilePeer, call hostileCall) {
	const limit, slack = 100 * time.Millisecond, 3 * time.Second
	cell := fmt.Sprint(call.name, "/", peer.name, "/", transport, "/", sideName(side))
	e, end := newHostileCell(t, transport, side, peer, call, limit)
	defer end()
	start := time.Now()
	err := call.do(e)
	took, bound := time.Since(start), call.bound.duration(limit)
	if took > bound+slack {
		t.Errorf("%s took %v, want at most %v (%v)", cell, took, bound, err)
	}
	checkHostileError(t, cell, err, took, limit)
	start = time.Now()
	e.c.Close()
	<-websocket.Over(e.c)
	if took := time.Since(start); took > websocket.CloseTimeout+slack {
		t.Errorf("%s: the end took %v after %v", cell, took, err)
	}
}

// checkHostileError fails if err is that of a deadline or a context that has not
// ended yet.
func checkHostileError(t *testing.T, cell string, err error, took, limit time.Duration) {
	t.Helper()
	expired := errors.Is(err, os.ErrDeadlineExceeded) || err == context.DeadlineExceeded
	if expired && took < limit {
		t.Errorf("%s: %v after %v, before the deadline", cell, err, took)
	}
}

// newHostileCell returns a connection of side with its hostile peer. end ends
// what is left.
func newHostileCell(t *testing.T, transport string, side websocket.Side, peer hostilePeer, call hostileCall, limit time.Duration) (e *hostileCell, end func()) {
	t.Helper()
	nc, pc := hostileWire(t, transport, side)
	e = &hostileCell{t: t, limit: limit}
	served := make(chan error, 1)
	if call.handler == nil {
		e.c = connect(t, nc, pc, websocket.RFC6455, side, websocket.Config{})
		served <- nil
	} else {
		started := make(chan *websocket.Conn, 1)
		ready := make(chan struct{})
		e.server = &websocket.Server{Handler: func(_ context.Context, c *websocket.Conn) error {
			started <- c
			<-ready
			return call.handler(c)
		}}
		go func() { served <- e.server.ServeConn(context.Background(), nc) }()
		if err := playClient(pc, &websocket.Dialer{}, "ws://127.0.0.1/chat"); err != nil {
			t.Fatal(err)
		}
		e.c = <-started
		defer close(ready)
	}
	if peer.deaf {
		fillWire(nc)
	}
	played := make(chan struct{})
	go func() {
		defer close(played)
		peer.play(t, pc, side)
	}()
	return e, func() {
		e.c.Close()
		<-websocket.Over(e.c)
		closeRaw(pc)
		<-played
		<-served
	}
}

// closeRaw closes nc, or what is below TLS.
func closeRaw(nc net.Conn) {
	if outer, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = outer.NetConn()
	}
	nc.Close()
}
