package websocket_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

func (g *writeLateGate) SetWriteDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = t
	return nil
}

func (g *writeLateGate) Write(p []byte) (int, error) {
	g.mu.Lock()
	late := !g.deadline.IsZero() && !time.Now().Before(g.deadline)
	g.mu.Unlock()
	if late {
		return 0, errGateTimeout
	}
	return g.gate.Write(p)
}

// Once the write deadline has passed, what has no deadline is still sent, and
// Pongs do not pile up.
func TestPassedWriteDeadlineSparesPongs(t *testing.T) {
	for _, side := range sides {
		t.Run(fmt.Sprint(side), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, side, websocket.Config{})
				c.SetWriteDeadline(time.Now().Add(time.Second))
				time.Sleep(2 * time.Second)
				c.Discard(t.Context())
				ping, err := websocket.AppendMessage(nil, websocket.RFC6455, 1-side, websocket.Ping, []byte("still there?"))
				if err != nil {
					t.Fatal(err)
				}
				in := bufio.NewReader(peer)
				for range 3 {
					if _, err := peer.Write(ping); err != nil {
						t.Fatal(err)
					}
					b := make([]byte, len(ping)) // of the other side: shorter or longer by the mask
					n, err := in.Read(b)
					if err != nil || websocket.MessageType(b[0]&0x0f) != websocket.Pong {
						t.Fatalf("got % x, error %v; want a Pong", b[:n], err)
					}
					in.Discard(in.Buffered())
				}
				c.SetWriteDeadline(time.Now().Add(time.Second))
				wrote := later(func() error { return c.WriteMessage(websocket.Text, []byte("x")) })
				if _, err := io.ReadFull(in, make([]byte, 3)); err != nil {
					t.Fatal(err)
				}
				go io.Copy(io.Discard, in)
				if err := <-wrote; err != nil {
					t.Errorf("WriteMessage with a new deadline: %v", err)
				}
				c.Close()
			})
		})
	}
}

// If the write deadline has passed and the peer sends Pings but reads nothing,
// one Pong is kept.
func TestPassedWriteDeadlineBoundsPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		c.SetWriteDeadline(time.Now().Add(time.Second))
		time.Sleep(2 * time.Second)
		c.Discard(t.Context())
		ping, _ := websocket.AppendMessage(nil, websocket.RFC6455, websocket.ClientSide, websocket.Ping, make([]byte, websocket.MaxControlPayload))
		for range 2000 {
			if _, err := peer.Write(ping); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		queued := websocket.Queued(c)
		if queued > websocket.MaxQueue {
			t.Errorf("%d bytes of Pongs are queued; want at most %d", queued, websocket.MaxQueue)
		}
		c.Close()
	})
}

// The write deadline does not apply to what a read sends. Otherwise a peer
// would get no Pongs if the program's last write was long ago.
func TestWriteDeadlineIsNotForReaders(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			server, client := newPair(t, websocket.RFC6455, transport, pairOptions{})
			client.Discard(t.Context())
			server.SetWriteDeadline(time.Now().Add(time.Hour))
			if err := server.WriteMessage(websocket.Text, nil); err != nil {
				t.Fatal(err)
			}
			if err := server.BufferMessage(websocket.Text, nil); err != nil {
				t.Fatal(err)
			}
			server.SetWriteDeadline(time.Now())
			server.Discard(t.Context())
			if _, err := client.Ping(t.Context()); err != nil {
				t.Errorf("Ping by the peer: %v", err)
			}
			if _, err := server.Ping(t.Context()); err != nil {
				t.Errorf("Ping: %v", err)
			}
			if err := server.WriteMessage(websocket.Text, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("WriteMessage: %v, want the deadline", err)
			}
			server.SetWriteDeadline(time.Now().Add(time.Hour))
			if err := server.WriteMessage(websocket.Text, nil); err != nil {
				t.Errorf("WriteMessage with another deadline: %v", err)
			}
		})
	}
}

// The write deadline ends a Flush that waits for the peer, whether it was set
// before the Flush or meanwhile.
func TestWriteDeadlineEndsFlush(t *testing.T) {
	for _, meanwhile := range []bool{false, true} {
		t.Run(fmt.Sprintf("meanwhile %v", meanwhile), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
				if err := c.BufferMessage(websocket.Text, []byte("never read")); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if !meanwhile {
					c.SetWriteDeadline(start.Add(time.Second))
				}
				flushed := later(c.Flush)
				synctest.Wait()
				if meanwhile {
					c.SetWriteDeadline(start.Add(time.Second))
				}
				time.AfterFunc(time.Minute, func() { c.Close() }) // or a Flush without a deadline would wait forever
				if err := <-flushed; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
					t.Errorf("Flush: %v after %v, want the deadline after 1s", err, time.Since(start))
				}
				c.Close()
			})
		})
	}
}

// The write deadline passes, on each transport, while the peer does not read.
func TestWriteDeadline(t *testing.T) {
	for _, v := range allVersions {
		for _, transport := range transports {
			t.Run(v.String()+"/"+transport, func(t *testing.T) {
				t.Parallel()
				server, client := newPair(t, v, transport, pairOptions{})
				server.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
				var err error
				for err == nil {
					err = server.WriteMessage(websocket.Text, payloadOf(websocket.Text, 50_000))
				}
				if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix(err.Error(), "websocket: ") {
					t.Errorf("error is %v, want the deadline", err)
				}
				// Once the peer reads again, messages arrive only if those
				// before were sent whole.
				server.SetWriteDeadline(time.Now().Add(10 * time.Second))
				last := later(func() error {
					defer server.Close()
					return server.WriteMessage(websocket.Text, []byte("last"))
				})
				came := false
				for {
					_, p, err := client.ReadMessage()
					if err != nil {
						break
					}
					if came = string(p) == "last"; !came && len(p) != 50_000 {
						t.Errorf("peer got a message of %d bytes, of a write that had failed", len(p))
					}
				}
				if err := <-last; came != (err == nil) {
					t.Errorf("the last message came: %v; its WriteMessage: %v", came, err)
				}
			})
		}
	}
}

// writeLateGate is a gate with a write deadline, which it checks when a write
// begins.
type writeLateGate struct {
	gate
	mu       sync.Mutex
	deadline time.Time
}

// A writer whose deadline passes during its write does not send what others
// have queued: it leaves the queue to a goroutine that has no deadline.
func TestWriteDeadlineIsNotForTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &writeLateGate{gate: gate{writes: make(chan []byte), results: make(chan gateResult)}}
		c := newConn(g, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
		c.SetWriteDeadline(time.Now().Add(time.Second))
		first := later(writeText(c, "first"))
		<-g.writes
		if err := c.WriteMessage(websocket.Text, []byte("second")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		g.results <- gateResult{n: -1}
		if err := <-first; err != nil {
			t.Error(err)
		}
		synctest.Wait() // the second is on its way
		c.SetWriteDeadline(time.Time{})
		third := later(writeText(c, "third"))
		synctest.Wait()
		select {
		case err := <-third:
			if err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatal("a message that is to be queued waits")
		}
		g.expect(t, "what was left", "second")
		g.expect(t, "and then", "third")
		c.Close()
	})
}

// A writer that leaves the queue to a goroutine takes the deadline off the
// connection.
func TestWriteDeadlineLeavesWithItsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		c.SetWriteDeadline(time.Now().Add(time.Second))
		peer.SetReadDeadline(time.Now().Add(time.Minute))
		expect := func() {
			t.Helper()
			got := make([]byte, len("\x81\x01x"))
			if _, err := io.ReadFull(peer, got); err != nil || string(got) != "\x81\x01x" {
				t.Fatalf("peer got %q, %v", got, err)
			}
			synctest.Wait()
		}
		first := later(writeText(c, "x"))
		for range 1 + websocket.MaxRounds {
			synctest.Wait()
			if err := c.WriteMessage(websocket.Text, []byte("x")); err != nil {
				t.Fatal(err)
			}
			expect()
		}
		select {
		case err := <-first:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatalf("the writer has not returned after %d messages of others", websocket.MaxRounds)
		}
		time.Sleep(2 * time.Second)
		expect()
		c.SetWriteDeadline(time.Time{})
		last := later(writeText(c, "x"))
		expect()
		if err := <-last; err != nil {
			t.Error(err)
		}
		c.Close()
	})
}
