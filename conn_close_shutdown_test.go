package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// A peer of hixie-75 can answer only by ending the connection.
func TestShutdownAnsweredByEOF(t *testing.T) {
	for _, side := range sides {
		t.Run(sideName(side), func(t *testing.T) {
			c, peer := newTCP(t, websocket.Hixie75, side, websocket.Config{})
			result := later(func() error { return c.Shutdown(t.Context(), websocket.StatusNormalClosure, "") })
			io.Copy(io.Discard, peer)
			peer.Close()
			if err := <-result; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			_, _, err := c.ReadMessage()
			var ce *websocket.CloseError
			if !errors.As(err, &ce) || ce.Code != websocket.StatusNoStatusReceived || !errors.Is(err, net.ErrClosed) {
				t.Errorf("read after Shutdown: %v, want the peer's 1005 as the answer, and net.ErrClosed", err)
			}
		})
	}
}

// Shutdown reports what the peer does after our Close.
func TestShutdown(t *testing.T) {
	closing := func(v websocket.Version) []byte {
		b, _ := websocket.AppendClose(nil, v, websocket.ClientSide, 1000, "")
		return b
	}
	for _, tt := range []struct {
		name     string
		versions []websocket.Version
		peer     func(peer net.Conn, v websocket.Version)
		is       func(error) bool
		took     time.Duration
	}{
		{"answers", hybiVersions, func(peer net.Conn, v websocket.Version) { peer.Write(closing(v)); io.Copy(io.Discard, peer) }, nil, 0},
		{"answers after messages", hybiVersions, func(peer net.Conn, v websocket.Version) {
			for range 5 {
				peer.Write(peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte("late")}, message{websocket.Ping, nil}))
			}
			peer.Write(closing(v))
			io.Copy(io.Discard, peer)
		}, nil, 0},
		{"just ends", hybiVersions, func(peer net.Conn, _ websocket.Version) { peer.Close() }, func(err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && errors.Is(err, net.ErrClosed)
		}, 0},
		{"just ends", []websocket.Version{websocket.Hybi00}, func(peer net.Conn, _ websocket.Version) { peer.Close() }, nil, 0},
		{"is silent", append([]websocket.Version{websocket.Hybi00}, hybiVersions...), func(peer net.Conn, _ websocket.Version) { io.Copy(io.Discard, peer) }, func(err error) bool {
			return errors.Is(err, context.DeadlineExceeded)
		}, websocket.CloseTimeout},
		{"breaks the protocol", hybiVersions, func(peer net.Conn, _ websocket.Version) {
			peer.Write([]byte{0xff, 0xff})
			io.Copy(io.Discard, peer)
		}, func(err error) bool {
			var pe *websocket.ProtocolError
			return errors.As(err, &pe)
		}, websocket.CloseLinger},
	} {
		for _, v := range tt.versions {
			t.Run(tt.name+"/"+v.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, peer := newPipe(t, v, websocket.ServerSide, websocket.Config{})
					go func() {
						readFrame(t, peer, v)
						tt.peer(peer, v)
					}()
					start := time.Now()
					err := c.Shutdown(t.Context(), websocket.StatusGoingAway, "")
					if tt.is == nil && err != nil || tt.is != nil && !tt.is(err) {
						t.Errorf("Shutdown: %v", err)
					}
					if took := time.Since(start); took != tt.took {
						t.Errorf("Shutdown took %v, want %v", took, tt.took)
					}
					for _, again := range []func() error{
						func() error { return c.Shutdown(t.Context(), websocket.StatusGoingAway, "") },
						func() error { return c.Shutdown(t.Context(), websocket.StatusNormalClosure, "other") },
					} {
						if second := again(); (second == nil) != (err == nil) {
							t.Errorf("Shutdown again: %v, the first time %v", second, err)
						}
					}
					err = nil
					for err == nil { // what has arrived meanwhile is still there
						_, _, err = c.ReadMessage()
					}
					var broken *websocket.ProtocolError
					if !errors.Is(err, net.ErrClosed) && !errors.As(err, &broken) || errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("ReadMessage after it: %v", err)
					}
				})
			})
		}
	}
}

// "A closing handshake has one deadline, whatever the peer sends", and whatever
// the context.
func TestShutdownDeadlineHolds(t *testing.T) {
	for _, v := range allVersions {
		if v == websocket.Hixie75 {
			continue // which ends the connection, see TestShutdownWithoutCloseFrame
		}
		t.Run(v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, v, websocket.ServerSide, websocket.Config{})
				go io.Copy(io.Discard, peer)
				talked := later(func() error {
					for {
						if _, err := peer.Write(peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte("tick")})); err != nil {
							return err
						}
						time.Sleep(time.Second)
					}
				})
				time.Sleep(500 * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				err := c.Shutdown(ctx, websocket.StatusGoingAway, "")
				if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != websocket.CloseTimeout {
					t.Errorf("Shutdown: %v after %v, want the end of the handshake after 5s", err, took)
				}
				<-talked
			})
		})
	}
}

// The end of its context ends the waiting of Shutdown, and not the handshake,
// which has a bound of its own. Deadlines of the connection do not count, neither
// those that have passed before nor those that are set meanwhile.
func TestShutdownBounds(t *testing.T) {
	for name, tt := range map[string]struct {
		ctx    func(context.Context) (context.Context, context.CancelFunc)
		before func(c *websocket.Conn)
		is     error
		took   time.Duration
	}{
		"no deadline": {nil, nil, context.DeadlineExceeded, websocket.CloseTimeout},
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, nil, context.DeadlineExceeded, websocket.CloseTimeout},
		"short deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, nil, context.DeadlineExceeded, time.Second},
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, nil, context.Canceled, time.Second},
		"cancelled before": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}, nil, context.Canceled, 0},
		"deadlines passed before": {nil, func(c *websocket.Conn) { c.SetDeadline(time.Now().Add(-time.Second)) }, context.DeadlineExceeded, websocket.CloseTimeout},
		"read gave up before": {nil, func(c *websocket.Conn) {
			c.SetDeadline(time.Now().Add(-time.Second))
			c.ReadMessage()
			c.WriteMessage(websocket.Text, nil)
		}, context.DeadlineExceeded, websocket.CloseTimeout},
		"deadlines set meanwhile": {nil, func(c *websocket.Conn) {
			time.AfterFunc(time.Second, func() { c.SetDeadline(time.Now().Add(-time.Second)) })
		}, context.DeadlineExceeded, websocket.CloseTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
				if tt.before != nil {
					tt.before(c)
				}
				go io.Copy(io.Discard, peer)
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if tt.ctx != nil {
					ctx, cancel = tt.ctx(ctx)
				}
				defer cancel()
				start := time.Now()
				err := c.Shutdown(ctx, websocket.StatusGoingAway, "")
				if took := time.Since(start); !errors.Is(err, tt.is) || took != tt.took {
					t.Errorf("Shutdown: %v after %v, want %v after %v", err, took, tt.is, tt.took)
				}
				<-websocket.Over(c)
				if took := time.Since(start); took != websocket.CloseTimeout {
					t.Errorf("the connection ended after %v", took)
				}
				var timeout net.Error
				if _, _, err := c.ReadMessage(); !errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
					t.Errorf("ReadMessage after it: %v, want net.ErrClosed, and nothing after which one reads again", err)
				}
			})
		})
	}
}

// A read that times out during Shutdown does not end the wait for the peer's
// Close.
func TestShutdownReadsOnAfterTimeouts(t *testing.T) {
	for _, v := range hybiVersions {
		t.Run(v.String(), func(t *testing.T) {
			wire, err := websocket.AppendClose(peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte("late")}), v, websocket.ClientSide, 1000, "")
			if err != nil {
				t.Fatal(err)
			}
			on := new(atomic.Bool)
			on.Store(true)
			c := newConn(&stutter{Conn: &script{in: wire}, on: on}, v, websocket.ServerSide, &websocket.Config{})
			if err := c.Shutdown(t.Context(), websocket.StatusNormalClosure, ""); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	}
}

// "A peer that stops reading: Shutdown at its deadline."
func TestShutdownWhilePeerDoesNotRead(t *testing.T) {
	for _, v := range allVersions {
		for _, transport := range transports {
			t.Run(v.String()+"/"+transport, func(t *testing.T) {
				t.Parallel()
				server, client := newPair(t, v, transport, pairOptions{})
				fillBuffers(t, server)
				stuck := later(func() error { return writeUntilError(server) })
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				start := time.Now()
				err := server.Shutdown(ctx, websocket.StatusGoingAway, "")
				// Otherwise the write had not begun, and the connection, which
				// has no closing frame, was ended.
				if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) && v != websocket.Hixie75 || took > websocket.CloseTimeout-time.Second {
					t.Errorf("Shutdown: %v after %v, want the end of its context after 50ms", err, took)
				}
				if err := <-stuck; !errors.Is(err, net.ErrClosed) {
					t.Errorf("stuck write: %v, want net.ErrClosed", err)
				}
				for err := error(nil); err == nil; {
					_, _, err = client.ReadMessage()
				}
			})
		}
	}
}

// What was written before Shutdown is sent before the end, also if it was
// buffered, or written by others, or stuck in the queue.
func TestShutdownSendsWhatIsQueued(t *testing.T) {
	for _, v := range allVersions {
		for _, transport := range transports {
			t.Run(v.String()+"/"+transport, stressed(func(t *testing.T) {
				t.Parallel()
				server, client := newPair(t, v, transport, pairOptions{})
				const count = 100
				for i := range count {
					if i > 0 && transport == overPipe {
						break // a pipe takes nothing before it is read
					}
					if err := server.BufferMessage(websocket.Text, payloadOf(websocket.Text, 3000)); err != nil {
						t.Fatal(err)
					}
				}
				result := later(func() error { return server.Shutdown(t.Context(), websocket.StatusNormalClosure, "") })
				n := 0
				for _, err := range client.Messages(t.Context()) {
					if err != nil && (v != websocket.Hixie75 || transport == overTCP) {
						t.Errorf("client: %v", err)
					}
					n++
				}
				if transport == overPipe && n < 1 || transport != overPipe && n < count {
					t.Errorf("%d messages arrived, want all that were queued", n)
				}
				if err := <-result; err != nil {
					t.Error(err)
				}
			}))
		}
	}
}

// Reads that wait during Shutdown get all messages, and nothing that was not
// sent.
func TestShutdownWhileReading(t *testing.T) {
	for _, v := range allVersions {
		for _, transport := range []string{overTCP, overTLS} {
			t.Run(v.String()+"/"+transport, stressed(func(t *testing.T) {
				t.Parallel()
				server, client := newPair(t, v, transport, pairOptions{})
				var readers sync.WaitGroup
				begun := make(chan bool, 1)
				for range 3 {
					readers.Go(func() {
						for {
							_, p, err := server.ReadMessage()
							if err != nil {
								if !errors.Is(err, net.ErrClosed) && !websocket.ClosedNormally(err) {
									t.Errorf("reader: %v", err)
								}
								return
							}
							select {
							case begun <- true:
							default:
							}
							if !isRepeatedByte(p) || len(p) != 1000 {
								t.Errorf("a message came that was not sent: %d bytes, %.30q", len(p), p)
							}
						}
					})
				}
				readers.Go(func() {
					for i := 0; client.WriteMessage(websocket.Text, repeatedByte(i, 999)) == nil; i++ {
					}
				})
				readers.Go(func() {
					for err := error(nil); err == nil; {
						_, _, err = client.ReadMessage()
					}
				})
				<-begun
				var shutdowns sync.WaitGroup
				for range 3 {
					shutdowns.Go(func() {
						if err := server.Shutdown(t.Context(), websocket.StatusGoingAway, ""); err != nil {
							t.Errorf("Shutdown: %v", err)
						}
					})
				}
				shutdowns.Wait()
				readers.Wait()
			}))
		}
	}
}

// Both sides shut down at once, over a pipe that buffers nothing.
func TestShutdownByBoth(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), stressed(func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := newPair(t, v, overPipe, pairOptions{})
				results := make(chan error, 2)
				start := time.Now()
				go func() { results <- server.Shutdown(t.Context(), 4000, "") }()
				go func() { results <- client.Shutdown(t.Context(), 4001, "") }()
				if err := errors.Join(<-results, <-results); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > websocket.CloseLinger {
					t.Errorf("took %v", took)
				}
			})
		}))
	}
}

// After the connection has ended in another way, Shutdown says in which, and
// does not wait.
func TestShutdownAfterTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		end func(c *websocket.Conn, peer net.Conn)
		is  func(error) bool
	}{
		"Close": {func(c *websocket.Conn, _ net.Conn) { c.Close() }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		"Close of the peer": {func(c *websocket.Conn, peer net.Conn) {
			b, _ := websocket.AppendClose(nil, websocket.RFC6455, websocket.ClientSide, 4000, "")
			go func() { peer.Write(b); io.Copy(io.Discard, peer) }()
			c.ReadMessage()
		}, func(err error) bool { return err == nil }},
		"end of the peer": {func(c *websocket.Conn, peer net.Conn) { peer.Close(); c.ReadMessage() }, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		"failed write": {func(c *websocket.Conn, peer net.Conn) {
			go peer.Read(make([]byte, 3))
			c.SetWriteDeadline(time.Now().Add(time.Second))
			if err := c.WriteMessage(websocket.Text, []byte("hello")); err == nil {
				panic("no deadline")
			}
		}, func(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
				tt.end(c, peer)
				start := time.Now()
				if err := c.Shutdown(t.Context(), websocket.StatusGoingAway, ""); !tt.is(err) {
					t.Errorf("Shutdown: %v", err)
				}
				if took := time.Since(start); took > 0 {
					t.Errorf("Shutdown took %v", took)
				}
			})
		})
	}
}

// Close makes a Shutdown wait no longer for the peer's Close frame.
func TestShutdownAndClose(t *testing.T) { stressed(shutdownAndClose)(t) }

func shutdownAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		go io.Copy(io.Discard, peer)
		result := later(func() error { return c.Shutdown(t.Context(), websocket.StatusGoingAway, "") })
		synctest.Wait()
		start := time.Now()
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("Close took %v", took)
		}
		if err, took := <-result, time.Since(start); !errors.Is(err, net.ErrClosed) || took != websocket.CloseLinger {
			t.Errorf("Shutdown: %v after %v, want net.ErrClosed after 1s", err, took)
		}
	})
}

// hixie-75 has no Close frame, and hybi-00 has none inside a text. There the
// peer sees the end of our side, and answers with its own. What is on its way
// until then is still read.
func TestShutdownWithoutCloseFrame(t *testing.T) {
	for name, ends := range map[string]bool{"peer ends too": true, "peer stays": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := websocket.NetPipe()
				defer peer.Close()
				c := connect(t, nc, peer, websocket.Hixie75, websocket.ServerSide, websocket.Config{})
				if err := c.BufferMessage(websocket.Text, []byte("last")); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				result := later(func() error { return c.Shutdown(t.Context(), websocket.StatusNormalClosure, "") })
				got, err := io.ReadAll(peer)
				if want := []byte("\x00last\xff"); err != nil || !bytes.Equal(got, want) {
					t.Errorf("peer got %q, %v; want %q and the end", got, err, want)
				}
				for range 4 {
					time.Sleep(time.Second)
					peer.Write([]byte("\x00more\xff"))
				}
				if ends {
					peer.Close()
				}
				if err := <-result; ends != (err == nil) || !ends && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Shutdown: %v", err)
				}
				want := websocket.CloseTimeout
				if ends {
					want = 4 * time.Second
				}
				if took := time.Since(start); took != want {
					t.Errorf("Shutdown took %v, want %v", took, want)
				}
				if messages, err := readMessages(c); len(messages) != 4 || !errors.Is(err, net.ErrClosed) {
					t.Errorf("read %d messages, %v; want 4", len(messages), err)
				}
			})
		})
	}
}

// "Goroutines and descriptors return to the baseline", in whatever way a
// connection ends.
func TestShutdownLeavesNothing(t *testing.T) {
	shutdownEndAll(t) // for what the runtime needs itself
	before, files := runtime.NumGoroutine(), shutdownFiles()
	shutdownEndAll(t)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		if runtime.NumGoroutine() <= before && shutdownFiles() <= files {
			return
		}
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before; %d descriptors, %d before:\n%s",
		runtime.NumGoroutine(), before, shutdownFiles(), files, stacks[:runtime.Stack(stacks, true)])
}

// shutdownEndAll ends connections with Shutdown and with Close, while
// goroutines use them.
func shutdownEndAll(t *testing.T) {
	t.Helper()
	for _, v := range allVersions {
		for _, transport := range transports {
			server, client := newPair(t, v, transport, pairOptions{server: websocket.Config{PingInterval: time.Hour}})
			client.Discard(t.Context())
			server.Discard(context.Background())
			if err := server.WriteMessage(websocket.Text, nil); err != nil {
				t.Error(err)
			}
			if err := server.Shutdown(t.Context(), websocket.StatusGoingAway, ""); err != nil {
				t.Errorf("%v over %s: Shutdown: %v", v, transport, err)
			}
			<-websocket.Over(client)

			server, client = newPair(t, v, transport, pairOptions{})
			fillBuffers(t, server)
			stuck := later(func() error { return writeUntilError(server) })
			server.Close()
			client.Close()
			<-stuck
			<-websocket.Over(server)
			<-websocket.Over(client)
		}
	}
}

// shutdownFiles returns how many descriptors are open, or 0 where the system
// does not say.
func shutdownFiles() int {
	list, _ := os.ReadDir("/dev/fd")
	return len(list)
}
