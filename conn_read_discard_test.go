package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestDiscard(t *testing.T) {
	for _, v := range []Version{RFC6455, Hybi10, Hybi07} {
		t.Run(v.String(), func(t *testing.T) {
			server, client := newPair(t, v, overTCP, pairOptions{})
			ctx := server.Discard(t.Context())
			go func() {
				for range client.Messages(context.Background()) { // reads the Pongs
				}
			}()
			for range 3 {
				if err := client.WriteMessage(Text, payloadOf(Text, 20000)); err != nil {
					t.Fatal(err)
				}
				if _, err := client.Ping(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := client.Shutdown(t.Context(), 4001, "bye"); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			var ce *CloseError
			if err := context.Cause(ctx); !errors.As(err, &ce) || ce.Code != 4001 {
				t.Errorf("cause is %v, want the peer's Close with 4001", err)
			}
		})
	}
}

func TestDiscardEndsWithItsContext(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sn, cn := net.Pipe()
				defer cn.Close()
				c := newConn(sn, v, ServerSide, &Config{}, nil)
				defer c.Close()
				wire := peerFrames(t, v, ServerSide, message{Text, []byte("discarded")}, message{Text, []byte("read")})
				ctx, cancel := context.WithCancel(t.Context())
				discarding := c.Discard(ctx)
				cn.Write(wire[:8]) // within the first
				synctest.Wait()
				cancel()
				synctest.Wait() // no goroutine of Discard is left but to the bubble's end
				if err := context.Cause(discarding); err != context.Canceled {
					t.Errorf("cause is %v, want that of the context", err)
				}
				go cn.Write(wire[8:])
				if _, p, err := c.ReadMessage(); err != nil || string(p) != "read" {
					t.Errorf("ReadMessage: %q, %v; want the message after the one that was being discarded", p, err)
				}
			})
		})
	}
}

// A program that only writes has many connections on which Discard waits, and
// none of them holds memory to read into.
func TestDiscardHoldsNothingWhileItWaits(t *testing.T) {
	const conns = 100
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // pools are emptied by the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for range conns {
		c, peer := newPipe(t, RFC6455, ServerSide, Config{})
		c.Discard(t.Context())
		ping, err := AppendMessage(nil, RFC6455, ClientSide, Ping, nil)
		if err != nil {
			t.Fatal(err)
		}
		go peer.Write(ping)
		if _, err := io.ReadFull(peer, make([]byte, 2)); err != nil { // the Pong: it reads, and waits again
			t.Fatal(err)
		}
	}
	if each := (heap() - before) / conns; each > chunkSize/2 {
		t.Errorf("a connection on which Discard waits has %d bytes of heap", each)
	}
}

// Whoever sees that Discard is over may read at once, with the deadline as it
// was and nobody else taking messages.
func TestDiscardIsOverWhenItIsOver(t *testing.T) {
	for range stressRounds(50) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := newPipe(t, RFC6455, ServerSide, Config{})
			ctx, cancel := context.WithCancel(t.Context())
			over := c.Discard(ctx)
			synctest.Wait()
			cancel()
			<-over.Done()
			if cause := context.Cause(over); !errors.Is(cause, context.Canceled) {
				t.Errorf("cause %v, want that of the context", cause)
			}
			m, err := AppendMessage(nil, RFC6455, ClientSide, Text, []byte("kept"))
			if err != nil {
				t.Fatal(err)
			}
			go peer.Write(m)
			if _, p, err := c.ReadMessage(); err != nil || string(p) != "kept" {
				t.Fatalf("read %q, %v after Discard; want the message", p, err)
			}
			c.Close()
		})
	}
}

// discardSlow is a connection that takes its time to be given its deadline back.
type discardSlow struct {
	net.Conn
	restored chan struct{}
}

func (s *discardSlow) SetReadDeadline(at time.Time) error {
	if at.IsZero() {
		<-s.restored
	}
	return s.Conn.SetReadDeadline(at)
}

// Discard is not over before the deadline is as it was.
func TestDiscardIsNotOverTooSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		slow := &discardSlow{nc, make(chan struct{})}
		c := newConn(slow, RFC6455, ServerSide, &Config{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		over := c.Discard(ctx)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if over.Err() != nil {
			t.Error("Discard is over, and a read would still give up at once")
		}
		close(slow.restored)
		<-over.Done()
		c.Close()
	})
}
