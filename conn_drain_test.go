package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// numbered returns the i-th of a sequence of messages.
func numbered(i int) []byte { return fmt.Appendf(nil, "message %d", i) }

// wantNumbered checks that messages are the numbered ones from first on.
func wantNumbered(t *testing.T, first int, messages [][]byte) {
	t.Helper()
	for i, p := range messages {
		if want := numbered(first + i); !bytes.Equal(p, want) {
			t.Fatalf("message %d is %.40q, want %q", i, p, want)
		}
	}
}

// readMessages reads messages until an error.
func readMessages(c *websocket.Conn) (messages [][]byte, err error) {
	for {
		_, p, err := c.ReadMessage()
		if err != nil {
			return messages, err
		}
		messages = append(messages, p)
	}
}

// overNetPipe calls f with both sides of a connection of each version over
// NetPipe, in a bubble.
func overNetPipe(t *testing.T, versions []websocket.Version, f func(t *testing.T, c, peer *websocket.Conn)) {
	for _, v := range versions {
		for _, side := range sides {
			t.Run(v.String()+"/"+sideName(side), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, client := newPair(t, v, overMemory, pairOptions{})
					if side == websocket.ServerSide {
						f(t, server, client)
					} else {
						f(t, client, server)
					}
				})
			})
		}
	}
}

// closingVersions are those that have a closing handshake.
var closingVersions = append([]websocket.Version{websocket.Hybi00}, hybiVersions...)

// A program that handles a message while another goroutine calls Shutdown gets
// every message that arrives, in order, and then the peer's Close.
func TestShutdownBesideASlowReader(t *testing.T) {
	overNetPipe(t, closingVersions, func(t *testing.T, c, peer *websocket.Conn) {
		write := func(from, to int) {
			for i := from; i < to; i++ {
				if err := peer.WriteMessage(websocket.Text, numbered(i)); err != nil {
					t.Error(err)
				}
			}
		}
		write(0, 10)
		var got [][]byte
		read := func() error {
			_, p, err := c.ReadMessage()
			if err == nil {
				got = append(got, p)
			}
			return err
		}
		if err := read(); err != nil {
			t.Fatal(err)
		}
		shut := later(func() error { return c.Shutdown(t.Context(), websocket.StatusNormalClosure, "") })
		synctest.Wait()
		write(10, 20)
		time.Sleep(time.Second) // the program handles the first message
		if err := read(); err != nil {
			t.Fatal(err)
		}
		closed := later(func() error { _, _, err := peer.ReadMessage(); return err })
		if err := <-shut; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-closed; !websocket.ClosedNormally(err) {
			t.Errorf("peer: %v", err)
		}
		rest, err := readMessages(c)
		if got = append(got, rest...); len(got) != 20 || !websocket.ClosedNormally(err) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%d messages and %v, want 20 and the peer's Close", len(got), err)
		}
		wantNumbered(t, 0, got)
	})
}

// Every way to read gets what was kept, and one after the other.
func TestReadsAfterShutdown(t *testing.T) {
	overNetPipe(t, closingVersions, func(t *testing.T, c, peer *websocket.Conn) {
		for i := range 5 {
			peer.WriteMessage(websocket.Text, numbered(i))
		}
		go peer.Shutdown(t.Context(), websocket.StatusNormalClosure, "")
		if err := c.Shutdown(t.Context(), websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		var got [][]byte
		_, p, err := c.ReadMessage()
		got = append(got, p)
		_, p, err2 := c.ReadAppend([]byte("> "))
		got = append(got, bytes.TrimPrefix(p, []byte("> ")))
		_, r, err3 := c.NextReader()
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		p, err = io.ReadAll(r)
		got = append(got, p)
		if err := errors.Join(err, websocket.DiscardMessage(c)); err != nil {
			t.Error(err)
		}
		wantNumbered(t, 0, got)
		for m, err := range c.Messages(t.Context()) {
			if err != nil || string(m.Data) != string(numbered(4)) {
				t.Errorf("Messages: %q, %v", m.Data, err)
			}
		}
		if _, _, err := c.NextReader(); !websocket.ClosedNormally(err) {
			t.Errorf("NextReader at the end: %v", err)
		}
	})
}

// What does not fit is dropped from one message on, and reads say so. The
// handshake succeeds.
func TestShutdownDropsWhatDoesNotFit(t *testing.T) {
	const count = 1000
	for name, message := range map[string]func(i int) []byte{
		"small": numbered,
		"large": func(i int) []byte { return append(numbered(i), strings.Repeat("x", 10_000)...) },
		"huge":  func(i int) []byte { return append(numbered(i), strings.Repeat("x", 200_000)...) },
	} {
		t.Run(name, func(t *testing.T) {
			overNetPipe(t, hybiVersions, func(t *testing.T, c, peer *websocket.Conn) {
				wrote := later(func() error {
					for i := range count {
						if err := peer.WriteMessage(websocket.Text, message(i)); err != nil {
							return err
						}
					}
					return peer.CloseWith(websocket.StatusNormalClosure, "")
				})
				if err := c.Shutdown(t.Context(), websocket.StatusNormalClosure, ""); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				if err := <-wrote; err != nil {
					t.Error(err)
				}
				got, err := readMessages(c)
				size := 0
				for i, p := range got {
					if size += len(p); !bytes.Equal(p, message(i)) {
						t.Fatalf("message %d is %.40q", i, p)
					}
				}
				if len(got) == count || size > 2*websocket.MaxAhead || !errors.Is(err, net.ErrClosed) || websocket.ClosedNormally(err) {
					t.Errorf("read %d messages, %d bytes, %v; want some of %d, and an error that says that the rest was dropped", len(got), size, err, count)
				}
				if _, _, again := c.ReadMessage(); again != err {
					t.Errorf("second read: %v", again)
				}
			})
		})
	}
}

// Shutdown does not take away what a read has begun: a message whose read met
// its deadline, or that NextReader reads.
func TestShutdownKeepsWhatWasBegun(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20_000) // more than is kept of other messages
	for _, v := range closingVersions {
		wire := peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte(long)}, message{websocket.Text, []byte("next")})
		wire, _ = websocket.AppendClose(wire, v, websocket.ClientSide, 1000, "")
		for name, begin := range map[string]func(c *websocket.Conn) func() ([]byte, error){
			"ReadMessage": func(c *websocket.Conn) func() ([]byte, error) {
				c.SetReadDeadline(time.Now().Add(time.Second))
				_, _, err := c.ReadMessage()
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				c.SetReadDeadline(time.Time{})
				return func() ([]byte, error) { _, p, err := c.ReadMessage(); return p, err }
			},
			"NextReader": func(c *websocket.Conn) func() ([]byte, error) {
				_, r, err := c.NextReader()
				p := make([]byte, 100)
				if _, err2 := io.ReadFull(r, p); err != nil || err2 != nil {
					t.Error(err, err2)
				}
				return func() ([]byte, error) { rest, err := io.ReadAll(r); return append(p, rest...), err }
			},
		} {
			for _, cut := range []int{500, 70_000, len(long) - 1} {
				t.Run(fmt.Sprint(v, "/", name, "/", cut), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						c, peer := newPipe(t, v, websocket.ServerSide, websocket.Config{})
						written := later(func() error { _, err := peer.Write(wire[:cut]); return err })
						goOn := begin(c)
						shut := later(func() error { return c.Shutdown(t.Context(), websocket.StatusNormalClosure, "") })
						go func() {
							<-written
							peer.Write(wire[cut:])
						}()
						go io.Copy(io.Discard, peer)
						time.Sleep(time.Second)
						if p, err := goOn(); string(p) != long || err != nil {
							t.Errorf("read %d bytes of %d, %v", len(p), len(long), err)
						}
						if err := <-shut; err != nil {
							t.Errorf("Shutdown: %v", err)
						}
						rest, err := readMessages(c)
						if len(rest) != 1 || string(rest[0]) != "next" || !websocket.ClosedNormally(err) {
							t.Errorf("then %d messages, %v", len(rest), err)
						}
					})
				})
			}
		}
	}
}

// A message that NextReader has begun and nobody reads on holds the handshake up
// only for its 5 seconds, and not at all once the handler has returned.
func TestShutdownWithAnAbandonedReader(t *testing.T) {
	wire := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Binary, make([]byte, 500_000)})
	wire, _ = websocket.AppendClose(wire, websocket.RFC6455, websocket.ClientSide, 1000, "")
	for _, abandoned := range []bool{false, true} {
		t.Run(fmt.Sprint("abandoned ", abandoned), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
				go peer.Write(wire)
				go io.Copy(io.Discard, peer)
				if _, _, err := c.NextReader(); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if err := c.CloseWith(websocket.StatusNormalClosure, ""); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if abandoned {
					websocket.Abandon(c)
				}
				<-websocket.Over(c)
				want := websocket.CloseTimeout
				if abandoned {
					want = 0
				}
				if took := time.Since(start); took != want {
					t.Errorf("the connection ended after %v, want %v", took, want)
				}
			})
		})
	}
}

// Deadlines hold for reads during the closing handshake too, and so does the end
// of a context.
func TestReadsDuringShutdownHaveDeadlines(t *testing.T) {
	overNetPipe(t, hybiVersions, func(t *testing.T, c, peer *websocket.Conn) {
		if err := c.CloseWith(websocket.StatusNormalClosure, ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		c.SetReadDeadline(time.Now().Add(time.Second))
		if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("ReadMessage: %v after %v", err, time.Since(start))
		}
		c.SetReadDeadline(time.Time{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range c.Messages(ctx) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Messages: %v", err)
			}
		}
		if over := c.Discard(ctx); !errors.Is(context.Cause(waitFor(over)), context.DeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("Discard: %v after %v", context.Cause(over), time.Since(start))
		}
		peer.WriteMessage(websocket.Text, numbered(0))
		if _, p, err := c.ReadMessage(); err != nil || string(p) != string(numbered(0)) {
			t.Errorf("ReadMessage: %q, %v", p, err)
		}
		go peer.ReadMessage()
		if _, _, err := c.ReadMessage(); !websocket.ClosedNormally(err) {
			t.Errorf("ReadMessage: %v", err)
		}
	})
}

func waitFor(ctx context.Context) context.Context {
	<-ctx.Done()
	return ctx
}

// CloseWith, or a Shutdown whose context has ended, and then Close: the Close
// frame and what was queued before it arrive.
func TestCloseWithThenClose(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, end := range map[string]func(c *websocket.Conn) error{
		"CloseWith": func(c *websocket.Conn) error { return c.CloseWith(websocket.StatusPolicyViolation, "no") },
		"Shutdown, context ended": func(c *websocket.Conn) error {
			if err := c.Shutdown(ended, websocket.StatusPolicyViolation, "no"); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("Shutdown: %w, want the error of its context", err)
			}
			return nil
		},
	} {
		for _, v := range closingVersions {
			for _, side := range sides {
				for _, transport := range []string{overTCP, overTLS, overMemory} {
					t.Run(fmt.Sprint(name, "/", v, "/", sideName(side), "/", transport), stressed(func(t *testing.T) {
						c, peer := newPair(t, v, transport, pairOptions{})
						if side == websocket.ClientSide {
							c, peer = peer, c
						}
						if err := errors.Join(c.BufferMessage(websocket.Text, numbered(0)), end(c), c.Close()); err != nil {
							t.Error(err)
						}
						got, err := readMessages(peer)
						wantNumbered(t, 0, got)
						if len(got) != 1 || !isHixie(v) && !isClose(err, websocket.StatusPolicyViolation) || isHixie(v) && !isClose(err, websocket.StatusNoStatusReceived) {
							t.Errorf("peer got %d messages, %v", len(got), err)
						}
						<-websocket.Over(c)
						if _, _, err := c.ReadMessage(); !errors.Is(err, net.ErrClosed) {
							t.Errorf("ReadMessage: %v", err)
						}
					}))
				}
			}
		}
	}
}

// A peer that does not answer, and does or does not read, holds neither CloseWith
// nor Close. After Close the connection ends a second after the frame has left.
func TestCloseWithNeverWaits(t *testing.T) {
	for _, reads := range []bool{false, true} {
		for _, side := range sides {
			t.Run(fmt.Sprintf("reads %t/%s", reads, sideName(side)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, peer := newPipe(t, websocket.RFC6455, side, websocket.Config{})
					if reads {
						go io.Copy(io.Discard, peer)
					}
					start := time.Now()
					reading := later(func() error { _, _, err := c.ReadMessage(); return err })
					synctest.Wait()
					if err := errors.Join(c.CloseWith(websocket.StatusGoingAway, ""), c.CloseWith(4000, "again"), c.Close(), c.Close()); err != nil {
						t.Errorf("CloseWith and Close: %v", err)
					}
					if err := <-reading; !errors.Is(err, net.ErrClosed) {
						t.Errorf("ReadMessage: %v", err)
					}
					if took := time.Since(start); took > 0 {
						t.Errorf("they took %v", took)
					}
					<-websocket.Over(c)
					want := websocket.CloseTimeout
					if reads {
						want = websocket.CloseLinger
					}
					if took := time.Since(start); took != want {
						t.Errorf("the connection ended after %v, want %v", took, want)
					}
					if err := c.Close(); err != nil {
						t.Errorf("Close after the end: %v", err)
					}
					if err := c.CloseWith(1000, ""); !errors.Is(err, net.ErrClosed) {
						t.Errorf("CloseWith after the end: %v", err)
					}
				})
			})
		}
	}
}

// After a failed write the Close frame cannot be sent, and CloseWith says so.
func TestCloseWithAfterAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		go peer.Read(make([]byte, 3))
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if err := c.WriteMessage(websocket.Text, []byte("hello")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if err := c.CloseWith(websocket.StatusGoingAway, ""); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("CloseWith: %v, want the error of the write", err)
		}
		<-websocket.Over(c)
		if err := c.CloseWith(0, ""); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("CloseWith with a code that may not be sent: %v", err)
		}
	})
}

// Messages with a context over a net.Pipe whose peer has left says why the
// connection ended: the SetReadDeadline of a net.Pipe fails then.
func TestMessagesAfterThePeerOfAPipeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		peer.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, err := range c.Messages(ctx) {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("Messages: %v, want io.ErrUnexpectedEOF", err)
			}
		}
		<-websocket.Over(c)
	})
}

// A read that waits behind another when a closing handshake begins has its
// deadline.
func TestWaitingReadsDuringShutdownHaveDeadlines(t *testing.T) {
	for range stressRounds(20) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := newPair(t, websocket.RFC6455, overMemory, pairOptions{})
			const readers = 5
			results := make(chan error)
			for range readers {
				go func() { _, _, err := c.ReadMessage(); results <- err }()
				synctest.Wait()
			}
			c.CloseWith(websocket.StatusNormalClosure, "")
			synctest.Wait()
			for range readers - 1 {
				peer.WriteMessage(websocket.Text, nil)
				synctest.Wait()
			}
			start := time.Now()
			c.SetReadDeadline(start.Add(time.Second))
			for range readers {
				if err := <-results; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("a read was held for %v", took)
			}
		})
	}
}

// emptyReads is a connection whose reads bring neither bytes nor an error, and
// that has no deadlines.
type emptyReads struct{ net.Conn }

func (emptyReads) Read([]byte) (int, error)        { return 0, nil }
func (emptyReads) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// A connection that brings nothing does not keep a read busy forever.
func TestReadsWithoutProgress(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range sides {
			for name, read := range map[string]func(c *websocket.Conn) error{
				"ReadMessage": func(c *websocket.Conn) error { _, _, err := c.ReadMessage(); return err },
				"NextReader":  func(c *websocket.Conn) error { _, _, err := c.NextReader(); return err },
				"Discard":     func(c *websocket.Conn) error { return context.Cause(waitFor(c.Discard(context.Background()))) },
			} {
				c := newConn(emptyReads{&script{}}, v, side, &websocket.Config{})
				if err := read(c); !errors.Is(err, io.ErrNoProgress) {
					t.Errorf("%v, %s, %s: %v, want io.ErrNoProgress", v, sideName(side), name, err)
				}
				<-websocket.Over(c)
			}
		}
	}
}

// A context cannot interrupt reads of a connection without deadlines. Messages
// and Discard say so, and leave the connection as it was.
func TestContextsNeedDeadlines(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, []byte("hello")})
	c := newConn(noDeadlines{Conn: &script{in: in}}, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
	for m, err := range c.Messages(ctx) {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Messages: %q, %v", m.Data, err)
		}
	}
	if err := context.Cause(waitFor(c.Discard(ctx))); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Discard: %v", err)
	}
	for m, err := range c.Messages(context.Background()) { // which cannot end
		if err != nil || string(m.Data) != "hello" {
			t.Errorf("Messages: %q, %v", m.Data, err)
		}
		break
	}
}
