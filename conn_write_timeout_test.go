package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// lateFrames are ways to make a frame of c wait for a peer that takes nothing. Each
// begins at once, and returns what the call will return, or nil if no call waits.
var lateFrames = []struct {
	name  string
	hixie bool // the hixie versions have it
	begin func(t *testing.T, c *websocket.Conn, peer net.Conn, v websocket.Version, side websocket.Side) <-chan error
}{
	{"message", true, func(_ *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		return later(writeText(c, "never read"))
	}},
	{"large message", true, func(_ *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		return later(writeText(c, strings.Repeat("L", 1<<20)))
	}},
	{"prepared message", true, func(t *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		m, err := websocket.Prepare(websocket.Text, []byte("never read"))
		if err != nil {
			t.Fatal(err)
		}
		return later(func() error { return c.WritePrepared(m) })
	}},
	{"message with a deadline", true, func(_ *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		c.SetWriteDeadline(time.Now().Add(time.Hour))
		return later(writeText(c, "never read"))
	}},
	{"flush", true, func(t *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		if err := c.BufferMessage(websocket.Text, []byte("never read")); err != nil {
			t.Fatal(err)
		}
		return later(c.Flush)
	}},
	{"fragment", true, func(t *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		w, err := c.NextWriter(websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		return later(func() error { return writeString(w, strings.Repeat("f", 40<<10)) })
	}},
	{"wait for a message of NextWriter", true, func(t *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		if _, err := c.NextWriter(websocket.Text); err != nil {
			t.Fatal(err)
		}
		return later(writeText(c, "waits"))
	}},
	{"write of a stream", true, func(_ *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		return later(func() error { return writeString(websocket.Stream(c, websocket.Text), "never read") })
	}},
	{"write of a stream that waits for NextWriter", true, func(t *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		if _, err := c.NextWriter(websocket.Text); err != nil {
			t.Fatal(err)
		}
		return later(func() error { return writeString(websocket.Stream(c, websocket.Text), "waits") })
	}},
	{"what a read sends", true, func(t *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		if err := c.BufferMessage(websocket.Text, []byte("never read")); err != nil {
			t.Fatal(err)
		}
		return nil
	}},
	{"pong", false, func(t *testing.T, _ *websocket.Conn, peer net.Conn, v websocket.Version, side websocket.Side) <-chan error {
		go peer.Write(peerFrames(t, v, side, message{websocket.Ping, nil}))
		return nil
	}},
	{"ping", false, func(t *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		return later(func() error { _, err := c.Ping(t.Context()); return err })
	}},
	{"close", false, func(_ *testing.T, c *websocket.Conn, _ net.Conn, _ websocket.Version, _ websocket.Side) <-chan error {
		return later(func() error { return c.Shutdown(context.Background(), websocket.StatusNormalClosure, "") })
	}},
}

// A frame that is late ends the connection, whatever it is, and all calls say so.
func TestWriteTimeout(t *testing.T) {
	for _, way := range lateFrames {
		versions := allVersions
		if !way.hixie {
			versions = hybiVersions
		}
		t.Run(way.name, func(t *testing.T) {
			eachSide(t, versions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				synctest.Test(t, func(t *testing.T) {
					told := make(chan error, 1)
					c, peer := newPipe(t, v, side, websocket.Config{
						WriteTimeout: time.Second,
						Trace:        &websocket.Trace{Closed: func(_ *websocket.Conn, err error) { told <- err }},
					})
					time.Sleep(time.Minute)
					start := time.Now()
					waits := way.begin(t, c, peer, v, side)
					_, _, err := c.ReadMessage()
					if !isLate(err) || time.Since(start) != time.Second {
						t.Errorf("ReadMessage: %v after %v, want %v after 1s", err, time.Since(start), websocket.ErrWriteTimeout)
					}
					if waits != nil {
						if err := <-waits; !errors.Is(err, websocket.ErrWriteTimeout) {
							t.Errorf("what waited: %v, want %v", err, websocket.ErrWriteTimeout)
						}
					}
					if err := <-told; err != websocket.ErrWriteTimeout {
						t.Errorf("Closed was told %v, want %v", err, websocket.ErrWriteTimeout)
					}
					wantAllLate(t, c)
				})
			})
		})
	}
}

// wantAllLate checks that all calls return ErrWriteTimeout.
func wantAllLate(t *testing.T, c *websocket.Conn) {
	t.Helper()
	results := map[string]error{"WriteMessage": writeText(c, "")(), "Flush": c.Flush()}
	_, results["NextWriter"] = c.NextWriter(websocket.Text)
	if _, _, err := c.ReadMessage(); !isLate(err) {
		t.Errorf("ReadMessage after it: %v, want %v", err, websocket.ErrWriteTimeout)
	}
	if !isHixie(c.Version()) {
		_, results["Ping"] = c.Ping(t.Context())
	}
	for name, err := range results {
		if !errors.Is(err, websocket.ErrWriteTimeout) {
			t.Errorf("%s after it: %v, want %v", name, err, websocket.ErrWriteTimeout)
		}
	}
	var timeout net.Error
	if err := websocket.ErrWriteTimeout; !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v is not a net.Error with Timeout", err)
	}
}

// isLate reports whether err is what reads return after ErrWriteTimeout. It must
// not look as if one could read again.
func isLate(err error) bool {
	var timeout net.Error
	return errors.Is(err, websocket.ErrWriteTimeout) &&
		!errors.Is(err, os.ErrDeadlineExceeded) && !(errors.As(err, &timeout) && timeout.Timeout())
}

// The time of each frame counts by itself: from its call, and not from the write
// that it waits for, nor from its own write.
func TestWriteTimeoutCountsForEachFrame(t *testing.T) {
	for name, n := range map[string]int{"queued": 10, "in line": 100 << 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gate{writes: make(chan []byte), results: make(chan gateResult)}
				c := newConn(g, websocket.RFC6455, websocket.ServerSide, &websocket.Config{WriteTimeout: time.Second})
				start := time.Now()
				first := later(writeText(c, "first"))
				<-g.writes
				time.Sleep(600 * time.Millisecond)
				second := later(writeText(c, strings.Repeat("s", n)))
				time.Sleep(399 * time.Millisecond)
				g.results <- gateResult{n: -1}
				<-g.writes
				<-websocket.Over(c)
				if took := time.Since(start); took != 1600*time.Millisecond {
					t.Errorf("ended after %v, want 1.6s: a second after the call of the second message", took)
				}
				g.results <- gateResult{err: net.ErrClosed}
				if err := <-first; err != nil {
					t.Errorf("the first, in time: %v", err)
				}
				if err, queued := <-second, n < websocket.MaxQueue; queued && err != nil || !queued && err != websocket.ErrWriteTimeout {
					t.Errorf("the second: %v, want %v unless it was queued", err, websocket.ErrWriteTimeout)
				}
			})
		})
	}
}

// A frame that has waited in line for long does not become young in the queue.
func TestWriteTimeoutCountsTheWaitInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{WriteTimeout: time.Second})
		w, err := c.NextWriter(websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		waits := later(writeText(c, "waits for the end of the other"))
		time.Sleep(600 * time.Millisecond)
		if _, err := c.Ping(cancelled(t)); !errors.Is(err, context.Canceled) { // nobody reads it
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), <-waits); err != nil { // both are queued behind it
			t.Fatal(err)
		}
		<-websocket.Over(c)
		if took := time.Since(start); took != time.Second {
			t.Errorf("ended after %v, want 1s", took)
		}
	})
}

// Frames that leave in time end nothing, however many there are, and the timer
// rests once nothing waits.
func TestWriteTimeoutOfLiveConnection(t *testing.T) {
	eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := newPipe(t, v, side, websocket.Config{WriteTimeout: time.Second})
			ended := c.Discard(t.Context())
			var wrote []<-chan error
			for i := range 50 {
				wrote = append(wrote, later(writeText(c, fmt.Sprint(i))), later(writeText(c, strings.Repeat("L", 70<<10))))
				time.Sleep(900 * time.Millisecond)
				for drained := false; !drained; {
					peer.SetReadDeadline(time.Now().Add(time.Millisecond))
					_, err := io.Copy(io.Discard, peer)
					drained = errors.Is(err, os.ErrDeadlineExceeded)
				}
			}
			for _, result := range wrote {
				if err := <-result; err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Hour)
			if ended.Err() != nil {
				t.Errorf("the connection has ended: %v", context.Cause(ended))
			}
			if !websocket.WatchRests(c) {
				t.Error("the timer runs though nothing waits")
			}
			c.Close()
		})
	})
}

// What BufferMessage has queued waits for somebody who sends it, as long as the
// program likes. Then its time begins.
func TestWriteTimeoutSparesBufferedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{WriteTimeout: time.Second})
		for frames, wait := range []time.Duration{time.Hour, 500 * time.Millisecond} {
			wrote := later(writeText(c, "sets the timer"))
			for range 1 + frames { // what was buffered leaves with it
				readOneFrame(t, peer)
			}
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			if err := c.BufferMessage(websocket.Text, []byte("buffered")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(wait)
		}
		start := time.Now()
		if err := c.Flush(); err != websocket.ErrWriteTimeout || time.Since(start) != time.Second {
			t.Errorf("Flush: %v after %v, want %v after 1s", err, time.Since(start), websocket.ErrWriteTimeout)
		}
	})
}

// The time-out ends a write on each transport, though no call but the write waits.
func TestWriteTimeoutOverTransports(t *testing.T) {
	for _, transport := range slices.Concat(transports, []string{overUnix}) {
		for _, side := range sides {
			t.Run(transport+" "+sideName(side), func(t *testing.T) {
				t.Parallel()
				cfg := websocket.Config{WriteTimeout: 50 * time.Millisecond}
				server, client := newPair(t, websocket.RFC6455, transport, pairOptions{server: cfg, client: cfg})
				c := []*websocket.Conn{server, client}[side]
				if err := writeUntilError(c); err != websocket.ErrWriteTimeout {
					t.Errorf("WriteMessage: %v, want %v", err, websocket.ErrWriteTimeout)
				}
				<-websocket.Over(c)
				wantAllLate(t, c)
			})
		}
	}
}

// Writes to a peer that reads are never late, at whatever moment the timer looks.
func TestWriteTimeoutStress(t *testing.T) {
	for range stressRounds(1) {
		server, client := newPair(t, websocket.RFC6455, overTCP, pairOptions{server: websocket.Config{WriteTimeout: 10 * time.Second}})
		ended := client.Discard(t.Context())
		stop := make(chan struct{})
		looked := later(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if websocket.LooksLate(server) {
					return errors.New("a frame is late")
				}
			}
		})
		for range 20_000 {
			if err := server.WriteMessage(websocket.Text, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		if err := <-looked; err != nil || ended.Err() != nil {
			t.Errorf("%v; connection: %v", err, context.Cause(ended))
		}
	}
}
