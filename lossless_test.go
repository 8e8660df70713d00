package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// losslessEnd is a way in which a losslessRound ends.
type losslessEnd struct {
	name string
	do   func(c, peer *losslessSide)

	// toPeer and toUs say that everything that was written arrives, at the peer
	// of the side that ends the connection and at that side.
	toPeer, toUs bool
	pause        bool // c does not read from the end on until the connection is over
}

var losslessEnds = []losslessEnd{
	{name: "Shutdown", toPeer: true, toUs: true, do: func(c, _ *losslessSide) { c.shutdown(context.Background()) }},
	{name: "Shutdown, context ended", toPeer: true, toUs: true, do: func(c, _ *losslessSide) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		c.c.Shutdown(ctx, websocket.StatusGoingAway, "bye")
	}},
	{name: "Shutdown, context ends", toPeer: true, toUs: true, do: func(c, _ *losslessSide) {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Microsecond)
		defer cancel()
		c.c.Shutdown(ctx, websocket.StatusGoingAway, "bye")
	}},
	{name: "CloseWith", toPeer: true, toUs: true, do: func(c, _ *losslessSide) { c.closeWith() }},
	{name: "CloseWith, Close", toPeer: true, do: func(c, _ *losslessSide) {
		c.closeWith()
		c.c.Close()
	}},
	{name: "Shutdown, nobody reads", toPeer: true, pause: true, do: func(c, _ *losslessSide) { c.shutdown(context.Background()) }},
	{name: "CloseWith, nobody reads", toPeer: true, pause: true, do: func(c, _ *losslessSide) { c.closeWith() }},
	{name: "both", toPeer: true, toUs: true, do: func(c, peer *losslessSide) {
		var both sync.WaitGroup
		both.Go(func() { c.shutdown(context.Background()) })
		both.Go(peer.closeIfOpen)
		both.Wait()
	}},
	{name: "Shutdown twice", toPeer: true, toUs: true, do: func(c, _ *losslessSide) {
		var both sync.WaitGroup
		both.Go(func() { c.shutdown(context.Background()) })
		both.Go(func() { c.shutdown(context.Background()) })
		both.Wait()
	}},
	{name: "Close", do: func(c, _ *losslessSide) { c.c.Close() }},
	{name: "Shutdown beside Close", do: func(c, _ *losslessSide) {
		var both sync.WaitGroup
		both.Go(func() { c.c.Shutdown(context.Background(), websocket.StatusGoingAway, "") })
		both.Go(func() { c.c.Close() })
		both.Wait()
	}},
	{name: "a cut", do: func(c, _ *losslessSide) { c.c.NetConn().Close() }},
}

func (s *losslessSide) shutdown(ctx context.Context) {
	err := s.c.Shutdown(ctx, websocket.StatusGoingAway, "bye")
	if err != nil && !s.cut && !errors.Is(err, context.DeadlineExceeded) { // of which run tells more
		s.t.Errorf("round %d: Shutdown of the %s: %v", s.seed, s.name, err)
	}
}

func (s *losslessSide) closeWith() {
	if err := s.c.CloseWith(websocket.StatusGoingAway, "bye"); err != nil {
		s.t.Errorf("round %d: CloseWith of the %s: %v", s.seed, s.name, err)
	}
}

// closeIfOpen is closeWith where the other side may have been faster.
func (s *losslessSide) closeIfOpen() {
	if err := s.c.CloseWith(websocket.StatusGoingAway, "bye"); err != nil && !errors.Is(err, net.ErrClosed) && !s.cut {
		s.t.Errorf("round %d: CloseWith of the %s: %v", s.seed, s.name, err)
	}
}

// Whatever happens on a connection, every message that was written without an
// error before the connection was closed arrives, once and in order, and what a
// program reads has no hole.
func TestNothingIsLost(t *testing.T) {
	for ti, transport := range allTransports {
		for vi, v := range allVersions {
			t.Run(transport+"/"+v.String(), func(t *testing.T) {
				t.Parallel()
				for i := range stressRounds(4) {
					nothingIsLost(t, v, transport, uint64(i*25+vi*5+ti), 10)
				}
			})
		}
	}
}

// Where there is time, each of the writers of one round sends 100,000 messages.
func TestNothingOfMuchIsLost(t *testing.T) {
	count := 100
	if stressRounds(1) > 1 {
		count = 100_000
	}
	const seed = 38 // both sides end the connection late; readers do not take turns, and NextWriter, which is slow, is not used
	nothingIsLost(t, websocket.RFC6455, overTCP, seed, count)
}

// nothingIsLost makes one round, in which each writer sends count messages. All
// else follows from seed.
func nothingIsLost(t *testing.T, v websocket.Version, transport string, seed uint64, count int) {
	end := losslessEnds[newRand(seed+1).IntN(len(losslessEnds))]
	t.Run(fmt.Sprint(end.name, " ", seed), func(t *testing.T) {
		l := newLosslessRound(t, v, transport, seed, count)
		if end.pause {
			l.c.pause = make(chan struct{})
		}
		toPeer, toUs := end.toPeer, end.toUs
		if v == websocket.Hixie75 && transport == overPipe {
			// This version has no Close frame and ends its side of the connection
			// instead. A net.Pipe has no sides.
			toUs = false
			toPeer = toPeer && end.name != "both"
		}
		if v == websocket.Hybi00 && transport == overPipe {
			l.streams = false // within a message this version does the same
		}
		l.cut = isHixie(v) && l.streams || v == websocket.Hixie75 && transport == overPipe
		l.run(end.do)
		if l.stalled {
			t.Logf("round %d: the machine was too slow for the closing handshake", seed)
			toPeer, toUs = false, false
		}
		l.peer.check(l.c, toPeer)
		l.c.check(l.peer, toUs)
		if toPeer && !l.cut {
			l.peer.checkEnd()
		}
		if toUs && !l.cut {
			l.c.checkEnd()
		}
	})
}

// What was queued when the peer ended its side is still sent, whatever the
// program does to end the connection, as long as that is not Close.
func TestQueuedAtThePeersEndIsSent(t *testing.T) {
	for name, end := range map[string]func(c *websocket.Conn){
		"CloseWith": func(c *websocket.Conn) { c.CloseWith(websocket.StatusGoingAway, "") },
		"Shutdown":  func(c *websocket.Conn) { go c.Shutdown(context.Background(), websocket.StatusGoingAway, "") },
		"nothing":   func(*websocket.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				synctest.Test(t, func(t *testing.T) {
					nc, peer := hostileWire(t, overMemory, side)
					c := connect(t, nc, peer, v, side, websocket.Config{})
					const size = 60_000 // more than a half of what the transport holds
					p := make([]byte, size)
					if err := errors.Join(c.WriteMessage(websocket.Text, p), c.BufferMessage(websocket.Text, p)); err != nil {
						t.Fatal(err)
					}
					peer.(interface{ CloseWrite() error }).CloseWrite()
					if _, _, err := c.ReadMessage(); err == nil {
						t.Error("no error at the end")
					}
					end(c)
					synctest.Wait()
					if got, _ := io.ReadAll(peer); len(got) < 2*size {
						t.Errorf("the peer got %d bytes of %d", len(got), 2*size)
					}
					<-websocket.Over(c)
				})
			})
		})
	}
}
