package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// What others do while a direct write waits for the peer also holds for that
// write.
func TestDirectMeanwhile(t *testing.T) {
	for _, test := range []struct {
		name      string
		meanwhile func(c *websocket.Conn, peer net.Conn) error
		want      error  // of the write under way
		then      string // what the peer gets behind the message
	}{
		{"deadline", func(c *websocket.Conn, _ net.Conn) error { return c.SetWriteDeadline(time.Now().Add(time.Second)) }, os.ErrDeadlineExceeded, ""},
		{"close", func(c *websocket.Conn, _ net.Conn) error { return c.Close() }, net.ErrClosed, ""},
		{"write", func(c *websocket.Conn, _ net.Conn) error { return writeText(c, "b")() }, nil, "\x81\x01b"},
		{"buffer", func(c *websocket.Conn, _ net.Conn) error { return c.BufferMessage(websocket.Text, []byte("b")) }, nil, "\x81\x01b"},
		{"writer", func(c *websocket.Conn, _ net.Conn) error {
			w, err := c.NextWriter(websocket.Text)
			if err != nil {
				return err
			}
			return errors.Join(writeString(w, "b"), w.Close())
		}, nil, "\x81\x01b"},
		{"pong", func(c *websocket.Conn, peer net.Conn) error {
			go c.ReadMessage()
			_, err := peer.Write(peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Ping, []byte("p")}))
			synctest.Wait()
			return err
		}, nil, "\x8a\x01p"},
		{"closing", func(c *websocket.Conn, _ net.Conn) error {
			go c.Shutdown(context.Background(), websocket.StatusNoStatusReceived, "")
			synctest.Wait()
			return nil
		}, nil, "\x88\x00"},
	} {
		t.Run(test.name, stressed(func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
				wrote := later(func() error { return c.WriteMessage(websocket.Text, []byte("a")) })
				synctest.Wait()
				if got := websocket.Direct(c); got != websocket.DirectBusy {
					t.Fatalf("gate is %d while a lone message is written, want %d", got, websocket.DirectBusy)
				}
				if err := test.meanwhile(c, peer); err != nil {
					t.Fatalf("meanwhile: %v", err)
				}
				if test.want == nil {
					want := "\x81\x01a" + test.then
					got := make([]byte, len(want))
					if _, err := io.ReadFull(peer, got); err != nil || string(got) != want {
						t.Errorf("peer got %q, %v, want %q", got, err, want)
					}
				}
				if err := <-wrote; !errors.Is(err, test.want) {
					t.Errorf("the write under way: %v, want %v", err, test.want)
				}
				c.Close()
			})
		}))
	}
}

// Flush waits for a direct write.
func TestDirectFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		wrote := later(func() error { return c.WriteMessage(websocket.Text, []byte("a")) })
		synctest.Wait()
		flushed := later(c.Flush)
		synctest.Wait()
		select {
		case err := <-flushed:
			t.Errorf("Flush returned %v before what was written had left", err)
		default:
		}
		io.ReadFull(peer, make([]byte, 3))
		if err := errors.Join(<-wrote, <-flushed); err != nil {
			t.Error(err)
		}
		c.Close()
	})
}

// Once nothing is in the way, writes are direct again.
func TestDirectAgain(t *testing.T) {
	for name, f := range map[string]func(c *websocket.Conn, peer net.Conn) error{
		"write": func(c *websocket.Conn, _ net.Conn) error { return writeText(c, "a")() },
		"buffer": func(c *websocket.Conn, _ net.Conn) error {
			return errors.Join(c.BufferMessage(websocket.Text, nil), c.Flush())
		},
		"writer": func(c *websocket.Conn, _ net.Conn) error { w, _ := c.NextWriter(websocket.Text); return w.Close() },
		"pong": func(c *websocket.Conn, peer net.Conn) error {
			go c.ReadMessage()
			_, err := peer.Write(peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Ping, nil}))
			synctest.Wait()
			return errors.Join(err, c.Flush())
		},
		"deadline": func(c *websocket.Conn, _ net.Conn) error {
			return errors.Join(c.SetWriteDeadline(time.Now().Add(time.Hour)), c.WriteMessage(websocket.Text, nil),
				c.SetWriteDeadline(time.Time{}), c.WriteMessage(websocket.Text, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
				go io.Copy(io.Discard, peer)
				if err := f(c, peer); err != nil {
					t.Error(err)
				}
				if got := websocket.Direct(c); got != websocket.DirectIdle {
					t.Errorf("gate is %d, want %d: all writes take the lock from here on", got, websocket.DirectIdle)
				}
				c.Close()
			})
		})
	}
}

// Many goroutines write at once in every way: each frame arrives whole, and the
// messages of one goroutine arrive in order.
func TestDirectStress(t *testing.T) {
	const writers = 8
	each := stressRounds(300)
	server, client := newPair(t, websocket.RFC6455, overPipe, pairOptions{})
	var group sync.WaitGroup
	for id := range writers {
		group.Go(func() {
			for i := range each {
				p := fmt.Appendf(nil, "%d %d", id, i)
				var err error
				switch (id + i) % 4 {
				case 0, 1:
					err = server.WriteMessage(websocket.Text, p)
				case 2:
					err = errors.Join(server.BufferMessage(websocket.Text, p), server.Flush())
				case 3:
					server.SetWriteDeadline(time.Now().Add(time.Hour))
					err = server.WriteMessage(websocket.Text, p)
					server.SetWriteDeadline(time.Time{})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make([]int, writers)
	for range writers * each {
		_, p, err := client.ReadMessage()
		var id, i int
		if _, serr := fmt.Sscanf(string(p), "%d %d", &id, &i); err != nil || serr != nil {
			t.Fatalf("read %q, %v, %v", p, err, serr)
		}
		if next[id] != i {
			t.Fatalf("message %d of goroutine %d came when %d was due", i, id, next[id])
		}
		next[id]++
	}
	group.Wait()
}

// While a deadline is set on the net.Conn, writes are not direct, even if the
// program has removed its deadline: each write must check it.
func TestDirectIsOffWhileADeadlineIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		go io.Copy(io.Discard, peer)
		err := errors.Join(
			c.SetWriteDeadline(time.Now().Add(time.Second)), c.WriteMessage(websocket.Text, nil),
			c.SetWriteDeadline(time.Time{}))
		time.Sleep(2 * time.Second)
		if err := errors.Join(err, c.WriteMessage(websocket.Text, []byte("after"))); err != nil {
			t.Errorf("%v, of a deadline that was taken away before it passed", err)
		}
		c.Close()
	})
}

// A waiter stands in line until it has checked its turn. Until then no writer
// overtakes it by a direct write, even if nobody writes.
func TestDirectIsOffWhileThereIsALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		go io.Copy(io.Discard, peer)
		_, leave := websocket.StandInLine(c)
		time.Sleep(websocket.MaxOvertaken)
		second := later(writeText(c, "second"))
		synctest.Wait()
		select {
		case err := <-second:
			t.Errorf("a message has gone past the line: %v", err)
			return
		default:
		}
		leave()
		if err := <-second; err != nil {
			t.Error(err)
		}
		c.Close()
	})
}

// Writers that find another one writing leave their frames to it.
func TestWritersCombine(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		first := later(writeText(c, "first"))
		got := <-g.writes
		var all []string
		for i := range 10 {
			all = append(all, fmt.Sprint(i))
			if err := c.WriteMessage(websocket.Text, []byte(all[i])); err != nil {
				t.Fatal(err)
			}
		}
		g.results <- gateResult{n: -1}
		wantTexts(t, "first write", websocket.RFC6455, got, "first")
		g.expect(t, "second write", all...)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// A writer that has written often enough for others leaves the rest to a
// goroutine.
func TestWriterIsNotKept(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		first := later(writeText(c, "x"))
		for i := 0; ; i++ {
			got := <-g.writes
			if err := c.WriteMessage(websocket.Text, []byte("x")); err != nil {
				t.Fatal(err)
			}
			g.results <- gateResult{n: -1}
			wantTexts(t, "write", websocket.RFC6455, got, "x")
			synctest.Wait()
			select {
			case err := <-first:
				if err != nil {
					t.Error(err)
				}
				g.expect(t, "what was left", "x")
				return
			default:
			}
			if i > 2*websocket.MaxRounds {
				t.Fatalf("after %d writes for others the first has not returned", i)
			}
		}
	})
}

// "A peer that stops reading": memory is bounded, writers wait until their
// deadline, and nothing that was accepted is lost.
func TestWriteQueueIsBounded(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		stuck := later(writeText(c, "stuck"))
		got := <-g.writes
		wantTexts(t, "first write", websocket.RFC6455, got, "stuck")
		var taken []string
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		start := time.Now()
		for i := range 100 {
			s := fmt.Sprintf("%d%s", i, strings.Repeat("z", 5000))
			err := c.WriteMessage(websocket.Text, []byte(s))
			if err == nil {
				taken = append(taken, s)
				continue
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
				t.Fatalf("WriteMessage: %v after %v, want the deadline", err, time.Since(start))
			}
			break
		}
		if n := len(taken); n < 10 || n > websocket.MaxQueue/5000 {
			t.Errorf("%d messages of 5000 bytes were queued, want as many as are in 64 KiB", n)
		}
		if err := c.BufferMessage(websocket.Text, make([]byte, 5000)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("BufferMessage: %v, want the deadline", err)
		}
		c.SetWriteDeadline(time.Time{})
		waiting := later(writeText(c, "waited"+strings.Repeat("z", 5000)))
		synctest.Wait()
		g.results <- gateResult{n: -1}
		g.expect(t, "second write", taken...)
		g.expect(t, "third write", "waited"+strings.Repeat("z", 5000))
		if err := errors.Join(<-stuck, <-waiting); err != nil {
			t.Error(err)
		}
	})
}
