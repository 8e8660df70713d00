package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// writeGate is a connection whose writes wait until the test says what comes
// of them.
type writeGate struct {
	connScript
	writes  chan []byte
	results chan writeResult
}

// writeResult is what a Write returns; n less than 0 means everything.
type writeResult struct {
	n   int
	err error
}

func (g *writeGate) Write(p []byte) (int, error) {
	g.writes <- bytes.Clone(p)
	r := <-g.results
	if r.n < 0 {
		r.n = len(p)
	}
	return r.n, r.err
}

// writeGated runs f in a bubble, with a connection whose writes wait.
func writeGated(t *testing.T, v Version, f func(t *testing.T, c *Conn, g *writeGate)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &writeGate{writes: make(chan []byte), results: make(chan writeResult)}
		c := newConn(g, v, ServerSide, &Config{}, nil)
		f(t, c, g)
		c.Close()
	})
}

// expect takes the next write, which is to be frames of text, and lets it
// succeed.
func (g *writeGate) expect(t *testing.T, what string, want ...string) {
	t.Helper()
	got := <-g.writes
	g.results <- writeResult{n: -1}
	writeExpectTexts(t, what, RFC6455, got, want...)
}

// writeTexts returns the payloads of the frames in b.
func writeTexts(t *testing.T, v Version, b []byte) (texts []string) {
	t.Helper()
	for len(b) > 0 {
		f, n, err := ParseFrame(b, v)
		if err != nil {
			t.Fatalf("what was written is not frames: %v: % .40x", err, b)
		}
		texts, b = append(texts, string(f.Payload)), b[n:]
	}
	return texts
}

func writeExpectTexts(t *testing.T, what string, v Version, b []byte, want ...string) {
	t.Helper()
	got := writeTexts(t, v, b)
	short := func(list []string) (s []string) {
		for _, e := range list {
			s = append(s, fmt.Sprintf("%.10s(%d)", e, len(e)))
		}
		return s
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s: wrote %v, want %v", what, short(got), short(want))
	}
}

// writeLater runs f in a goroutine and returns where its error will be.
func writeLater(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

func writeText(c *Conn, s string) func() error {
	return func() error { return c.WriteMessage(Text, []byte(s)) }
}

// writeCounter counts writes.
type writeCounter struct {
	connScript
	writes int
}

func (w *writeCounter) Write(p []byte) (int, error) {
	w.writes++
	return w.connScript.Write(p)
}

func TestWriteMessageIsOneFrameAndOneWrite(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range []Side{ServerSide, ClientSide} {
			for _, typ := range connTypes(v) {
				for _, n := range []int{0, 1, 125, 126, 65535, 65536, 65537, 200_000} {
					w := &writeCounter{}
					c := newConn(w, v, side, &Config{}, nil)
					p := connPayload(typ, n)
					kept := bytes.Clone(p)
					if err := c.WriteMessage(typ, p); err != nil {
						t.Fatal(err)
					}
					f, k, err := ParseFrame(w.out.Bytes(), v)
					if err != nil || k != w.out.Len() || !f.Fin || f.Opcode != typ || !bytes.Equal(f.Payload, kept) {
						t.Errorf("%v %s: %v of %d bytes is not one frame: %v", v, connSideName(side), typ, n, err)
					}
					if f.Masked != (side == ClientSide && !v.hixie()) {
						t.Errorf("%v %s: frame is masked: %v", v, connSideName(side), f.Masked)
					}
					if !bytes.Equal(p, kept) {
						t.Errorf("%v %s: WriteMessage changed its argument of %d bytes", v, connSideName(side), n)
					}
					if n <= 64<<10 && w.writes != 1 {
						t.Errorf("%v %s: %d writes for %d bytes, want one", v, connSideName(side), w.writes, n)
					}
				}
			}
		}
	}
}

// Where nothing is buffered, a write of no bytes waits for a read like any
// other: a message that has left must not wait for the read after it.
func TestWriteOfLargeMessageEndsWithIt(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range []Side{ServerSide, ClientSide} {
			t.Run(v.String()+"/"+connSideName(side), func(t *testing.T) {
				an, bn := net.Pipe()
				a, b := newConn(an, v, side, &Config{}, nil), newConn(bn, v, ClientSide-side, &Config{}, nil)
				defer a.Close()
				defer b.Close()
				p := connPayload(Text, 200_000)
				wrote := writeLater(func() error { return a.WriteMessage(Text, p) })
				if _, got, err := b.ReadMessage(); err != nil || len(got) != len(p) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if err := <-wrote; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestBufferMessage(t *testing.T) {
	w := &writeCounter{}
	c := newConn(w, RFC6455, ServerSide, &Config{}, nil)
	step := func(what string, err error, wantWrites int, want ...string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if w.writes != wantWrites {
			t.Fatalf("%s: %d writes so far, want %d", what, w.writes, wantWrites)
		}
		writeExpectTexts(t, what, RFC6455, w.out.Bytes(), want...)
		w.out.Reset()
	}
	step("Flush of nothing", c.Flush(), 0)
	step("first", c.BufferMessage(Text, []byte("a")), 0)
	step("second", c.BufferMessage(Text, []byte("b")), 0)
	step("Flush", c.Flush(), 1, "a", "b")
	step("third", c.BufferMessage(Text, []byte("c")), 1)
	step("WriteMessage", c.WriteMessage(Text, []byte("d")), 2, "c", "d")
	half := strings.Repeat("x", 32<<10)
	step("32 KiB", c.BufferMessage(Text, []byte(half)), 2)
	step("64 KiB", c.BufferMessage(Text, []byte(half)), 3, half, half)
	large := strings.Repeat("y", 100<<10)
	step("small", c.BufferMessage(Text, []byte("e")), 3)
	step("100 KiB", c.BufferMessage(Text, []byte(large)), 4+1, "e", large) // header and payload, by writev where there is one
}

// What is buffered leaves before a read waits, however it waits, and not
// before a read that has something.
func TestBufferMessageLeavesBeforeReadWaits(t *testing.T) {
	for _, transport := range connTransports {
		t.Run(transport, func(t *testing.T) {
			server, client := connPair(t, RFC6455, transport, connOptions{})
			sent := writeLater(func() error {
				err := client.BufferMessage(Text, []byte("1"))
				return errors.Join(err, client.WriteMessage(Text, []byte("2")))
			})
			for _, want := range []string{"1", "2"} {
				if _, p, err := server.ReadMessage(); err != nil || string(p) != want {
					t.Fatalf("%q, %v", p, err)
				}
				if server.send.busy || server.send.taken > 0 {
					t.Errorf("the answers left before %q was read, which was there", want)
				}
				if err := server.BufferMessage(Text, []byte("answer to "+want)); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			go server.ReadMessage()
			for _, want := range []string{"answer to 1", "answer to 2"} {
				if _, p, err := client.ReadMessage(); err != nil || string(p) != want {
					t.Fatalf("%q, %v; want %q", p, err, want)
				}
			}
		})
	}
}

// Those who find another writing leave it their frames.
func TestWritersCombine(t *testing.T) {
	writeGated(t, RFC6455, func(t *testing.T, c *Conn, g *writeGate) {
		first := writeLater(writeText(c, "first"))
		got := <-g.writes
		var all []string
		for i := range 10 {
			all = append(all, fmt.Sprint(i))
			if err := c.WriteMessage(Text, []byte(all[i])); err != nil {
				t.Fatal(err)
			}
		}
		g.results <- writeResult{n: -1}
		writeExpectTexts(t, "first write", RFC6455, got, "first")
		g.expect(t, "second write", all...)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// A writer that has written for others for long enough leaves the rest to a
// goroutine.
func TestWriterIsNotKept(t *testing.T) {
	writeGated(t, RFC6455, func(t *testing.T, c *Conn, g *writeGate) {
		first := writeLater(writeText(c, "x"))
		for i := 0; ; i++ {
			got := <-g.writes
			if err := c.WriteMessage(Text, []byte("x")); err != nil {
				t.Fatal(err)
			}
			g.results <- writeResult{n: -1}
			writeExpectTexts(t, "write", RFC6455, got, "x")
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
			if i > 2*maxRounds {
				t.Fatalf("after %d writes for others the first has not returned", i)
			}
		}
	})
}

// "A peer that stops reading": memory is bounded, writers wait, as long as
// their deadline lets them, and nothing is lost that was taken.
func TestWriteQueueIsBounded(t *testing.T) {
	writeGated(t, RFC6455, func(t *testing.T, c *Conn, g *writeGate) {
		stuck := writeLater(writeText(c, "stuck"))
		got := <-g.writes
		writeExpectTexts(t, "first write", RFC6455, got, "stuck")
		var taken []string
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		start := time.Now()
		for i := range 100 {
			s := fmt.Sprintf("%d%s", i, strings.Repeat("z", 5000))
			err := c.WriteMessage(Text, []byte(s))
			if err == nil {
				taken = append(taken, s)
				continue
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
				t.Fatalf("WriteMessage: %v after %v, want the deadline", err, time.Since(start))
			}
			break
		}
		if n := len(taken); n < 10 || n > maxQueue/5000 {
			t.Errorf("%d messages of 5000 bytes were queued, want as many as are in 64 KiB", n)
		}
		if err := c.BufferMessage(Text, make([]byte, 5000)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("BufferMessage: %v, want the deadline", err)
		}
		c.SetWriteDeadline(time.Time{})
		waiting := writeLater(writeText(c, "waited"+strings.Repeat("z", 5000)))
		synctest.Wait()
		g.results <- writeResult{n: -1}
		g.expect(t, "second write", taken...)
		g.expect(t, "third write", "waited"+strings.Repeat("z", 5000))
		if err := errors.Join(<-stuck, <-waiting); err != nil {
			t.Error(err)
		}
	})
}

// A change of the deadline is noticed by those who wait.
func TestSetWriteDeadlineWakesWaiters(t *testing.T) {
	writeGated(t, RFC6455, func(t *testing.T, c *Conn, g *writeGate) {
		w, err := c.NextWriter(Text)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		waiting := writeLater(writeText(c, "waits"))
		synctest.Wait()
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if err := <-waiting; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("waiting writer: %v after %v, want the deadline that was set while it waited", err, time.Since(start))
		}
		var netErr net.Error
		if !errors.As(errWriteTimeout, &netErr) || !netErr.Timeout() {
			t.Error("error of the deadline is not a net.Error with Timeout")
		}
		c.SetWriteDeadline(time.Time{})
		closed := writeLater(w.Close)
		g.expect(t, "end of the stream", "")
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// Writers are served in order: neither does a large message wait for ever
// while small ones find room, nor the other way round. Small ones pass at first.
func TestWritersAreServedInOrder(t *testing.T) {
	large, small := strings.Repeat("L", 100<<10), strings.Repeat("s", 100)
	writeGated(t, RFC6455, func(t *testing.T, c *Conn, g *writeGate) {
		first := writeLater(writeText(c, "first"))
		<-g.writes
		var results []<-chan error
		for _, s := range []string{large, small + "1", large + "2", small + "3", small + "4"} {
			results = append(results, writeLater(writeText(c, s)))
			synctest.Wait() // it stands in line, but the first small one
			if s != large {
				time.Sleep(maxOvertaken)
			}
		}
		g.results <- writeResult{n: -1}
		var all []byte
		for len(all) < 2*len(large)+3*len(small) {
			all = append(all, <-g.writes...)
			g.results <- writeResult{n: -1}
		}
		writeExpectTexts(t, "after the first", RFC6455, all, small+"1", large, large+"2", small+"3", small+"4")
		for _, r := range append(results, first) {
			if err := <-r; err != nil {
				t.Error(err)
			}
		}
	})
}

// A writer that gives up leaves the line without holding up those behind it.
func TestWriterLeavesLine(t *testing.T) {
	writeGated(t, RFC6455, func(t *testing.T, c *Conn, g *writeGate) {
		first := writeLater(writeText(c, "first"))
		<-g.writes
		c.SetWriteDeadline(time.Now().Add(time.Second))
		impatient := writeLater(writeText(c, strings.Repeat("L", 100<<10)))
		synctest.Wait()
		if err := <-impatient; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("large message: %v, want the deadline", err)
		}
		c.SetWriteDeadline(time.Time{})
		if err := c.WriteMessage(Text, []byte("next")); err != nil {
			t.Error(err)
		}
		g.results <- writeResult{n: -1}
		g.expect(t, "after the first", "next")
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// Flush waits for what was there before, not for what comes after.
func TestFlush(t *testing.T) {
	writeGated(t, RFC6455, func(t *testing.T, c *Conn, g *writeGate) {
		first := writeLater(writeText(c, "first"))
		<-g.writes
		c.BufferMessage(Text, []byte("second"))
		flushed := writeLater(c.Flush)
		synctest.Wait()
		g.results <- writeResult{n: -1}
		got := <-g.writes
		c.BufferMessage(Text, []byte("third"))
		synctest.Wait()
		select {
		case err := <-flushed:
			t.Fatalf("Flush returned before the second message was written: %v", err)
		default:
		}
		g.results <- writeResult{n: -1}
		writeExpectTexts(t, "second write", RFC6455, got, "second")
		got = <-g.writes
		synctest.Wait()
		select {
		case err := <-flushed:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("Flush waits for a message that was queued after it")
		}
		g.results <- writeResult{n: -1}
		writeExpectTexts(t, "third write", RFC6455, got, "third")
		if err := <-first; err != nil {
			t.Error(err)
		}
		c.Close()
		if err := c.Flush(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Flush after Close: %v, want net.ErrClosed", err)
		}
	})
}

// Pongs and the answer to Close must not wait for a peer that waits for us to
// read: "net.Pipe as the connection (no buffering at all): Pong and Close while
// the peer writes do not deadlock".
func TestPipePongAndCloseWhilePeerWrites(t *testing.T) {
	for _, v := range []Version{RFC6455, Hybi10, Hybi07} {
		for _, side := range []Side{ServerSide, ClientSide} {
			t.Run(v.String()+"/"+connSideName(side), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { writePongsIntoPipe(t, v, side) })
			})
		}
	}
}

func writePongsIntoPipe(t *testing.T, v Version, side Side) {
	an, bn := net.Pipe()
	defer bn.Close()
	c := newConn(an, v, side, &Config{}, nil)
	var wire []byte
	for range 1000 {
		wire = append(wire, connFrames(t, v, side, connFrame{Ping, connPayload(Binary, 100)}, connFrame{Text, []byte("m")})...)
	}
	wire, err := AppendClose(wire, v, ClientSide-side, 4000, "")
	if err != nil {
		t.Fatal(err)
	}
	// The peer reads only once it has said everything.
	wrote := writeLater(func() error { _, err := bn.Write(wire); return err })
	n := 0
	for {
		if _, _, err = c.ReadMessage(); err != nil {
			break
		}
		n++
	}
	var ce *CloseError
	if !errors.As(err, &ce) || ce.Code != 4000 || n != 1000 {
		t.Fatalf("%d messages, then %v; want 1000 and the Close", n, err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(bn)
	p, err := NewParser(v, ClientSide-side, Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.Append(answer)
	var last Message
	for m, err := p.Next(); err == nil; m, err = p.Next() {
		last = m
	}
	if last.Type != Close {
		t.Errorf("the last that came is %v, want the answer to Close", last.Type)
	}
}
