package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

func TestNextWriter(t *testing.T) {
	kib := func(n int) int { return n << 10 }
	for _, tt := range []struct {
		name   string
		writes []int // their lengths
		frames []int // those of the frames that come of them, where there are fragments
	}{
		{"nothing", nil, []int{0}},
		{"empty writes", []int{0, 0}, []int{0}},
		{"short", []int{1, 2, 3}, []int{6}},
		{"a fragment", []int{kib(32)}, []int{kib(32)}},
		{"io.Copy of a fragment", []int{kib(16), kib(16)}, []int{kib(32)}},
		{"as much as is gathered", []int{kib(18), kib(18)}, []int{kib(36)}},
		{"more than is gathered", []int{kib(18), kib(18), 1}, []int{kib(36), 1}},
		{"a byte before 32 KiB", []int{1, kib(32)}, []int{kib(32) + 1}},
		{"a byte before io.Copy", []int{1, kib(32), kib(32), kib(32), 100}, []int{kib(60) + 1, kib(36), 100}},
		{"io.Copy of 256 KiB", []int{kib(32), kib(32), kib(32), kib(32), kib(32), kib(32), kib(32), kib(32)}, []int{kib(60), kib(64), kib(64), kib(64), kib(4)}},
		{"one long write", []int{kib(1000)}, []int{kib(996), kib(4)}},
		{"a byte before a long write", []int{1, kib(1000)}, []int{kib(996) + 1, kib(4)}},
		{"much before a long write", []int{kib(36), kib(100)}, []int{kib(132), kib(4)}},
		{"long writes", []int{kib(100), 5, kib(200)}, []int{kib(96), kib(200) + 5, kib(4)}},
		{"many writes", []int{7000, 7000, 7000, 7000, 7000, 7000, 7000, 7000}, []int{35000 + 7000 - kib(4), kib(4) + 14000}},
	} {
		for _, v := range allVersions {
			for _, side := range sides {
				t.Run(tt.name+"/"+v.String()+"/"+sideName(side), func(t *testing.T) {
					c, script := newScripted(v, side, nil)
					w, err := c.NextWriter(websocket.Text)
					if err != nil {
						t.Fatal(err)
					}
					total := 0
					for _, n := range tt.writes {
						total += n
					}
					p := payloadOf(websocket.Text, total)
					rest := p
					for _, n := range tt.writes {
						if k, err := w.Write(rest[:n]); k != n || err != nil {
							t.Fatalf("Write of %d: %d, %v", n, k, err)
						}
						rest = rest[n:]
					}
					if err := w.Close(); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(p, payloadOf(websocket.Text, total)) {
						t.Error("Write changed its argument")
					}
					want := tt.frames
					if isHixie(v) {
						want = []int{total}
					}
					writerExpectFrames(t, v, script.out.Bytes(), p, want)
					if _, err := w.Write([]byte("x")); err == nil {
						t.Error("Write after Close succeeds")
					}
					if err := w.Close(); err == nil {
						t.Error("second Close succeeds")
					}
				})
			}
		}
	}
}

// writerExpectFrames checks that b is one message with payload p, in frames of
// these lengths.
func writerExpectFrames(t *testing.T, v websocket.Version, b, p []byte, want []int) {
	t.Helper()
	var got []byte
	for i, n := range want {
		f, k, err := websocket.ParseFrame(b, v)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		op := websocket.Continuation
		if i == 0 {
			op = websocket.Text
		}
		if f.Opcode != op || f.Fin != (i == len(want)-1) || len(f.Payload) != n {
			t.Errorf("frame %d is %v, Fin %v, %d bytes; want %v, %v, %d", i, f.Opcode, f.Fin, len(f.Payload), op, i == len(want)-1, n)
		}
		got, b = append(got, f.Payload...), b[k:]
	}
	if len(b) > 0 || !bytes.Equal(got, p) {
		t.Errorf("%d bytes too many; payload of %d bytes, want %d, the same", len(b), len(got), len(p))
	}
}

// "A writer that never finishes" blocks messages of other writers until their
// deadline. It blocks neither Pings nor the end.
func TestWriterThatNeverFinishes(t *testing.T) {
	for _, v := range allVersions {
		for _, begun := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/begun %v", v, begun), func(t *testing.T) {
				server, client := newPair(t, v, overTCP, pairOptions{})
				w, err := server.NextWriter(websocket.Text)
				if err != nil {
					t.Fatal(err)
				}
				if begun {
					if _, err := w.Write(payloadOf(websocket.Text, 40_000)); err != nil {
						t.Fatal(err)
					}
				}
				echoed := make(chan error, 1)
				go func() { _, _, err := server.ReadMessage(); echoed <- err }()
				server.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
				if err := server.WriteMessage(websocket.Text, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("WriteMessage of another: %v, want the deadline", err)
				}
				if err := server.BufferMessage(websocket.Text, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("BufferMessage of another: %v, want the deadline", err)
				}
				if _, err := server.NextWriter(websocket.Text); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("NextWriter of another: %v, want the deadline", err)
				}
				server.SetWriteDeadline(time.Time{})
				closed := client.Discard(t.Context())
				if !isHixie(v) {
					if _, err := server.Ping(t.Context()); err != nil {
						t.Errorf("Ping: %v", err)
					}
				}
				waiting := later(writeText(server, "waits"))
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				start := time.Now()
				err = server.Shutdown(ctx, websocket.StatusGoingAway, "")
				if !isHixie(v) && err != nil || time.Since(start) > 2*time.Second {
					t.Errorf("Shutdown: %v after %v", err, time.Since(start))
				}
				if err := <-waiting; !errors.Is(err, net.ErrClosed) {
					t.Errorf("WriteMessage of another: %v, want net.ErrClosed", err)
				}
				if err := w.Close(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Close of the writer: %v, want net.ErrClosed", err)
				}
				<-echoed
				<-closed.Done()
				want := websocket.StatusGoingAway
				if isHixie(v) {
					want = websocket.StatusNoStatusReceived
				}
				var ce *websocket.CloseError
				got := errors.As(context.Cause(closed), &ce) && ce.Code == want
				if hixieBegun := isHixie(v) && begun; got == hixieBegun {
					t.Errorf("peer got %v", context.Cause(closed))
				}
			})
		}
	}
}

// At the deadline a writer keeps what it has gathered, and the call may be
// repeated.
func TestWriterDeadline(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		part := strings.Repeat("a", 20<<10)
		w, err := c.NextWriter(websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		write := func() error { _, err := io.WriteString(w, part); return err }
		if err := write(); err != nil {
			t.Fatal(err)
		}
		c.SetWriteDeadline(time.Now())
		if err := write(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Write: %v, want the deadline", err)
		}
		c.SetWriteDeadline(time.Time{})
		wrote := later(write)
		sent := 2*len(part) - websocket.TailSize
		g.expect(t, "Write again", strings.Repeat("a", sent))
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		c.SetWriteDeadline(time.Now())
		if err := w.Close(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Close: %v, want the deadline", err)
		}
		c.SetWriteDeadline(time.Time{})
		other := later(writeText(c, "other")) // must not come between
		synctest.Wait()
		closed := later(w.Close)
		g.expect(t, "Close again", part[:websocket.TailSize])
		g.expect(t, "other", "other")
		if err := errors.Join(<-closed, <-other); err != nil {
			t.Error(err)
		}
	})
}

// In the hixie versions, what a Write has refused at the deadline is not part
// of the text.
func TestWriterDeadlineWithinCharacter(t *testing.T) {
	c, script := newScripted(websocket.Hixie75, websocket.ServerSide, nil)
	w, err := c.NextWriter(websocket.Text)
	if err != nil {
		t.Fatal(err)
	}
	c.SetWriteDeadline(time.Now())
	if _, err := io.WriteString(w, strings.Repeat("a", 40<<10)+"\xe2\x82"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Write: %v, want the deadline", err)
	}
	c.SetWriteDeadline(time.Time{})
	if _, err := io.WriteString(w, "\xac"); err == nil {
		t.Error("the rest of a character was taken whose beginning was not")
	}
	if _, err := io.WriteString(w, "b"); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if got := script.out.String(); got != "\x00b\xff" {
		t.Errorf("wrote %q, want b", got)
	}
}

// "100 writers with streaming writers, pings and a close at once, under -race".
func TestHundredWriters(t *testing.T) {
	for _, v := range allVersions {
		for _, transport := range transports {
			t.Run(v.String()+"/"+transport, stressed(func(t *testing.T) {
				t.Parallel()
				server, client := newPair(t, v, transport, pairOptions{})
				var writers sync.WaitGroup
				var told atomic.Int64 // messages whose writers were told that all is well
				for i := range 100 {
					writers.Go(func() { told.Add(writerHammer(t, server, i)) })
				}
				got := 0
				var last error
				for last == nil {
					var p []byte
					if _, p, last = client.ReadMessage(); last != nil {
						break
					}
					if got++; !isRepeatedByte(p) {
						t.Fatalf("message of %d bytes is not as it was written: %.40q", len(p), p)
					}
					if got == 400 {
						go server.Shutdown(t.Context(), websocket.StatusGoingAway, "enough")
						go func() { // reads the Pongs, and the Close if Shutdown does not
							for range server.Messages(context.Background()) {
							}
						}()
					}
				}
				var ce *websocket.CloseError
				if !errors.As(last, &ce) && !(isHixie(v) && errors.Is(last, io.ErrUnexpectedEOF)) {
					t.Errorf("reading ended with %v, want the Close", last)
				}
				writers.Wait()
				if !isHixie(v) && int64(got) != told.Load() {
					t.Errorf("%d messages came, %d were said to have been sent", got, told.Load())
				}
			}))
		}
	}
}

// writerHammer writes, in a way that i chooses, until it fails, and returns how
// many messages it has written.
func writerHammer(t *testing.T, c *websocket.Conn, i int) (told int64) {
	prepared, err := websocket.Prepare(websocket.Text, repeatedByte(i, 300))
	if err != nil {
		t.Error(err)
	}
	for {
		switch i % 5 {
		case 0:
			err = c.WriteMessage(websocket.Text, repeatedByte(i, 10+i*20))
		case 1:
			err = c.BufferMessage(websocket.Text, repeatedByte(i, 10+i*20))
		case 2:
			err = streamInPieces(c, repeatedByte(i, 50_000))
		case 3:
			err = c.WritePrepared(prepared)
		case 4:
			if isHixie(c.Version()) {
				return told
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			_, err = c.Ping(ctx)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
				err = nil
			}
			told--
		}
		if err != nil {
			if !errors.Is(err, net.ErrClosed) && i%5 != 4 {
				t.Errorf("writer %d: %v, want net.ErrClosed", i, err)
			}
			if i%5 == 4 {
				return 0
			}
			return told
		}
		told++
	}
}

// A message is compressed if what is known of it when its first frame is sent
// is long enough, RFC 7692 section 6.
func TestNextWriterThreshold(t *testing.T) {
	for _, tt := range []struct {
		name      string
		threshold int
		writes    []int
		want      bool
	}{
		{"short", 512, []int{10, 501}, false},
		{"grows past it", 512, []int{10, 502}, true},
		{"little and then much", 512, []int{10, 100_000}, true},
		{"in small pieces", 512, []int{400, 400, 400}, true},
		{"threshold above a fragment, not met", 30_000, []int{20_000, 9_999}, false},
		{"threshold above a fragment, met", 30_000, []int{20_000, 10_000}, true},
		{"in pieces past a threshold above a fragment", 30_000, []int{10_000, 10_000, 10_000, 10_000}, true},
		{"more than is waited for", 1 << 20, []int{40_000, 40_000, 2 << 20}, false},
		{"at once", 1 << 20, []int{1 << 20}, true},
		{"never", math.MaxInt, []int{40_000, 40_000, 40_000}, false},
		{"nothing", 1, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var first websocket.FrameInfo
			frames := 0
			trace := &websocket.Trace{FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) {
				if frames++; frames == 1 {
					first = f
				}
			}}
			server, client := compressedPair(t,
				&websocket.Config{Compression: &websocket.Compression{Threshold: tt.threshold}, Trace: trace},
				&websocket.Config{Compression: &websocket.Compression{}, MaxMessageSize: -1})
			var want []byte
			wrote := later(func() error {
				w, err := server.NextWriter(websocket.Binary)
				for _, n := range tt.writes {
					if err == nil {
						_, err = w.Write(make([]byte, n))
					}
				}
				return errors.Join(err, w.Close())
			})
			for _, n := range tt.writes {
				want = append(want, make([]byte, n)...)
			}
			if _, got, err := client.ReadMessage(); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("read %d bytes of %d, %v", len(got), len(want), err)
			}
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			if got := first.RSV == websocket.RSVCompressed; got != tt.want {
				t.Errorf("compressed: %t in %d frames, first %+v; want %t", got, frames, first, tt.want)
			}
		})
	}
}

// What a Write has refused at the deadline is not sent, and does not count for
// whether the message is compressed.
func TestNextWriterForgetsWhatItRefused(t *testing.T) {
	for _, tt := range []struct {
		before, after string
		want          byte // RSV of the first frame
	}{
		{"", "hello", 0},
		{"he", "llo", 0},
		{"", strings.Repeat("hello ", 100), websocket.RSVCompressed},
		{strings.Repeat("hello ", 50), strings.Repeat("hello ", 50), websocket.RSVCompressed},
		{"", strings.Repeat("hello ", 4000), websocket.RSVCompressed},
	} {
		var frames []websocket.FrameInfo
		trace := &websocket.Trace{FrameRead: func(_ *websocket.Conn, f websocket.FrameInfo) { frames = append(frames, f) }}
		server, client := compressedPair(t, &websocket.Config{Compression: &websocket.Compression{}}, &websocket.Config{Compression: &websocket.Compression{}, Trace: trace})
		w, err := server.NextWriter(websocket.Text)
		if err := errors.Join(err, writeString(w, tt.before), server.SetWriteDeadline(time.Now())); err != nil {
			t.Fatal(err)
		}
		if n, err := w.Write(make([]byte, 40<<10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %d, %v; want the deadline, and nothing taken", n, err)
		}
		server.SetWriteDeadline(time.Time{})
		wrote := later(func() error { return errors.Join(writeString(w, tt.after), w.Close()) })
		if _, p, err := client.ReadMessage(); err != nil || string(p) != tt.before+tt.after {
			t.Fatalf("read %d bytes, %.20q, %v; want %.20q", len(p), p, err, tt.before+tt.after)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		if frames[0].RSV != tt.want {
			t.Errorf("%d bytes behind %d: the first of %d frames is %+v, want RSV %d", len(tt.after), len(tt.before), len(frames), frames[0], tt.want)
		}
	}
}
