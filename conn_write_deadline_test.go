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

// What a writer leaves to a goroutine is still written for the program: the
// deadline goes on to hold, and may be moved.
func TestWriteDeadlineStaysWithWhatIsLeft(t *testing.T) {
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
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		time.Sleep(2 * time.Second)
		if err := c.WriteMessage(websocket.Text, []byte("x")); err != nil {
			t.Error(err)
		}
		expect()
		time.Sleep(time.Minute)
		c.SetWriteDeadline(time.Time{})
		if err := c.WriteMessage(websocket.Text, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline of what was left: %v, want the deadline", err)
		}
		c.Close()
	})
}

// What the program queues behind a write that a read has begun makes its deadline
// hold for that write. Otherwise its writes would succeed while nothing leaves.
func TestWriteDeadlineHoldsForWhatIsAhead(t *testing.T) {
	eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := newPipe(t, v, side, websocket.Config{})
			beginBackgroundWrite(t, c, peer, v, side)
			c.SetWriteDeadline(time.Now().Add(time.Second))
			time.Sleep(500 * time.Millisecond)
			if err := c.WriteMessage(websocket.Text, []byte("behind")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(499 * time.Millisecond)
			if err := c.WriteMessage(websocket.Text, []byte("behind")); err != nil {
				t.Errorf("before the deadline: %v", err)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			c.SetWriteDeadline(time.Time{})
			if err := c.WriteMessage(websocket.Text, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("WriteMessage after the deadline of what is queued: %v, want the deadline", err)
			}
			c.Close()
		})
	})
}

// beginBackgroundWrite makes a read of c write something that the peer does not
// take.
func beginBackgroundWrite(t *testing.T, c *websocket.Conn, peer io.Writer, v websocket.Version, side websocket.Side) {
	t.Helper()
	if err := c.BufferMessage(websocket.Text, []byte("before a read waits")); err != nil {
		t.Fatal(err)
	}
	c.Discard(t.Context())
	if !isHixie(v) {
		if _, err := peer.Write(peerFrames(t, v, side, message{websocket.Ping, nil})); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
}

// A deadline that has passed before a write of a read began never ends it, and
// one that the program moves while it has nothing queued does not either.
func TestWriteDeadlineSparesWhatBeginsLater(t *testing.T) {
	eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := newPipe(t, v, side, websocket.Config{})
			if err := c.BufferMessage(websocket.Text, []byte("x")); err != nil {
				t.Fatal(err)
			}
			c.SetWriteDeadline(time.Now().Add(-time.Second))
			c.Discard(t.Context())
			synctest.Wait()
			if err := c.WriteMessage(websocket.Text, []byte("late")); err != websocket.ErrWriteDeadline {
				t.Fatalf("WriteMessage after the deadline: %v", err)
			}
			for _, deadline := range []time.Duration{-time.Hour, time.Second, -1} {
				c.SetWriteDeadline(time.Now().Add(deadline))
				time.Sleep(time.Minute)
			}
			c.SetWriteDeadline(time.Time{})
			if err := c.WriteMessage(websocket.Text, []byte("behind")); err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, peer)
			if err := c.Flush(); err != nil {
				t.Error(err)
			}
			c.Close()
		})
	})
}

// Once the program's frames have left, its deadline spares the Pongs behind them.
func TestWriteDeadlineSparesPongsBehind(t *testing.T) {
	for _, side := range sides {
		t.Run(sideName(side), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, side, websocket.Config{})
				beginBackgroundWrite(t, c, peer, websocket.RFC6455, side)
				c.SetWriteDeadline(time.Now().Add(time.Second))
				if err := c.WriteMessage(websocket.Text, []byte("behind")); err != nil {
					t.Fatal(err)
				}
				expect := func(op websocket.MessageType) {
					t.Helper()
					if f := readOneFrame(t, peer); f.Opcode != op {
						t.Errorf("got %v %q, want %v", f.Opcode, f.Payload, op)
					}
				}
				expect(websocket.Text)
				expect(websocket.Text)
				if _, err := peer.Write(peerFrames(t, websocket.RFC6455, side, message{websocket.Ping, nil})); err != nil {
					t.Fatal(err)
				}
				expect(websocket.Pong)
				synctest.Wait() // the second Pong is on its way, alone
				time.Sleep(time.Minute)
				expect(websocket.Pong)
				c.SetWriteDeadline(time.Time{})
				wrote := later(writeText(c, "after"))
				expect(websocket.Text)
				if err := <-wrote; err != nil {
					t.Error(err)
				}
				c.Close()
			})
		})
	}
}

// readOneFrame reads a frame of at most 125 bytes of payload, and nothing behind
// it.
func readOneFrame(t *testing.T, r io.Reader) websocket.Frame {
	t.Helper()
	var b []byte
	for {
		f, _, err := websocket.ParseFrame(b, websocket.RFC6455)
		if err == nil {
			return f
		}
		b = append(b, 0)
		if _, err := io.ReadFull(r, b[len(b)-1:]); err != nil {
			t.Fatalf("waiting for a frame: %v", err)
		}
	}
}
