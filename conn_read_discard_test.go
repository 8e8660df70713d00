package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

func TestDiscard(t *testing.T) {
	for _, v := range hybiVersions {
		t.Run(v.String(), func(t *testing.T) {
			server, client := newPair(t, v, overTCP, pairOptions{})
			ctx := server.Discard(t.Context())
			go func() {
				for range client.Messages(context.Background()) { // reads the Pongs
				}
			}()
			for range 3 {
				if err := client.WriteMessage(websocket.Text, payloadOf(websocket.Text, 20000)); err != nil {
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
			var ce *websocket.CloseError
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
				c, cn := newPipe(t, v, websocket.ServerSide, websocket.Config{})
				wire := peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte("discarded")}, message{websocket.Text, []byte("read")})
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

// Connections on which Discard waits hold no memory to read into. A program
// that only writes may have many of them.
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
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		c.Discard(t.Context())
		ping, err := websocket.AppendMessage(nil, websocket.RFC6455, websocket.ClientSide, websocket.Ping, nil)
		if err != nil {
			t.Fatal(err)
		}
		go peer.Write(ping)
		if _, err := io.ReadFull(peer, make([]byte, 2)); err != nil { // the Pong: it reads, and waits again
			t.Fatal(err)
		}
	}
	if each := (heap() - before) / conns; each > websocket.ChunkSize/2 {
		t.Errorf("a connection on which Discard waits has %d bytes of heap", each)
	}
}

// Once Discard is over, the program may read at once: the deadline is as it
// was, and nobody else takes messages.
func TestDiscardIsOverWhenItIsOver(t *testing.T) {
	for range stressRounds(50) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
			ctx, cancel := context.WithCancel(t.Context())
			over := c.Discard(ctx)
			synctest.Wait()
			cancel()
			<-over.Done()
			if cause := context.Cause(over); !errors.Is(cause, context.Canceled) {
				t.Errorf("cause %v, want that of the context", cause)
			}
			m, err := websocket.AppendMessage(nil, websocket.RFC6455, websocket.ClientSide, websocket.Text, []byte("kept"))
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

// discardSlow is a connection on which taking the deadline away waits until
// restored is closed.
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

// Discard is not over before it has restored the deadline.
func TestDiscardIsNotOverTooSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		slow := &discardSlow{nc, make(chan struct{})}
		c := newConn(slow, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
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
