package websocket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// flusher is what the result of NextWriter can do besides.
type flusher interface {
	io.WriteCloser
	Flush() error
}

// nextWriter begins a message.
func nextWriter(t *testing.T, c *websocket.Conn, typ websocket.MessageType) flusher {
	t.Helper()
	w, err := c.NextWriter(typ)
	if err != nil {
		t.Fatal(err)
	}
	return w.(flusher)
}

// Flush sends what was gathered. Only where a Flush has left nothing for it, the
// last frame is empty.
func TestWriterFlush(t *testing.T) {
	for _, tt := range []struct {
		name   string
		steps  []int // the lengths of Writes; 0 is a Flush
		frames []int
	}{
		{"nothing", []int{0, 0}, []int{0}},
		{"before the first Write", []int{0, 5}, []int{5}},
		{"between", []int{5, 0, 6}, []int{5, 6}},
		{"at the end", []int{5, 0}, []int{5, 0}},
		{"twice", []int{5, 0, 0, 6, 0, 0, 7}, []int{5, 6, 7}},
		{"after a fragment", []int{100 << 10, 0, 1}, []int{96 << 10, 4 << 10, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				c, script := newScripted(v, side, nil)
				w := nextWriter(t, c, websocket.Text)
				var written []byte
				for _, n := range tt.steps {
					if n == 0 {
						if err := w.Flush(); err != nil {
							t.Fatal(err)
						}
						if missing := flushMissing(v, script.out.Bytes(), written); missing != 0 {
							t.Errorf("Flush has left %d bytes behind", missing)
						}
						continue
					}
					p := bytes.Repeat([]byte{'a'}, n)
					if _, err := w.Write(p); err != nil {
						t.Fatal(err)
					}
					written = append(written, p...)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				want := tt.frames
				if isHixie(v) {
					want = []int{len(written)}
				}
				writerExpectFrames(t, v, script.out.Bytes(), written, want)
				if err := w.Flush(); err == nil {
					t.Error("Flush after Close succeeds")
				}
			})
		})
	}
}

// flushMissing returns how many bytes of written are not in the frames of b.
func flushMissing(v websocket.Version, b, written []byte) int {
	if isHixie(v) {
		return len(written) - max(0, len(b)-1)
	}
	n := len(written)
	for len(b) > 0 {
		f, k, err := websocket.ParseFrame(b, v)
		if err != nil {
			return n
		}
		n, b = n-len(f.Payload), b[k:]
	}
	return n
}

// Flush waits until what was gathered has left, also behind the write of another
// goroutine. At the deadline it has lost nothing and may be called again.
func TestWriterFlushWaits(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		w := nextWriter(t, c, websocket.Text)
		io.WriteString(w, "gathered")
		c.SetWriteDeadline(time.Now())
		if err := w.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Flush at the deadline: %v", err)
		}
		c.SetWriteDeadline(time.Time{})
		flushed := later(w.Flush)
		g.expect(t, "Flush again", "gathered")
		if err := <-flushed; err != nil {
			t.Error(err)
		}
		ended := later(w.Close)
		g.expect(t, "Close", "")
		if err := <-ended; err != nil {
			t.Error(err)
		}
		c.BufferMessage(websocket.Text, []byte("first"))
		w = nextWriter(t, c, websocket.Text)
		io.WriteString(w, "second")
		first := later(c.Flush)
		synctest.Wait()
		flushed = later(w.Flush)
		synctest.Wait()
		g.expect(t, "first", "first")
		if synctest.Wait(); len(flushed) > 0 {
			t.Error("Flush returns before its frame has left")
		}
		g.expect(t, "second", "second")
		if err := errors.Join(<-first, <-flushed); err != nil {
			t.Error(err)
		}
	})
}

// What Flush sends reaches a peer that waits for it, over all transports, and
// with compression.
func TestWriterFlushReachesThePeer(t *testing.T) {
	for _, transport := range []string{overPipe, overMemory, overTCP, overTLS} {
		for _, z := range []*websocket.Compression{nil, {}, {Threshold: 1}} {
			t.Run(transport, func(t *testing.T) {
				cfg := websocket.Config{Compression: z}
				s, c := newPair(t, websocket.RFC6455, transport, pairOptions{server: cfg, client: cfg})
				w := nextWriter(t, s, websocket.Binary)
				wrote := later(func() error {
					for range 3 {
						_, err := w.Write([]byte("part"))
						if err := errors.Join(err, w.Flush()); err != nil {
							return err
						}
					}
					return w.Close()
				})
				typ, r, err := c.NextReader()
				if err != nil || typ != websocket.Binary {
					t.Fatal(typ, err)
				}
				if got, err := io.ReadAll(r); string(got) != "partpartpart" || err != nil {
					t.Errorf("peer read %q, %v", got, err)
				}
				if err := <-wrote; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A message is the same however it is cut into Writes, in all the ways in which
// a frame is put together: masked or not, compressed or not, short or long.
func TestWriterJoinsWrites(t *testing.T) {
	for _, z := range []*websocket.Compression{nil, {Threshold: 1}} {
		for _, sizes := range [][]int{{1, 40 << 10, 1}, {1, 1000 << 10, 1}, {36 << 10, 30 << 10}, {36 << 10, 100 << 10, 36 << 10, 1}, {1, 60 << 10}} {
			for _, side := range sides {
				cfg := websocket.Config{Compression: z}
				s, c := newPair(t, websocket.RFC6455, overTCP, pairOptions{server: cfg, client: cfg})
				if side == websocket.ClientSide {
					s, c = c, s
				}
				total := 0
				for _, n := range sizes {
					total += n
				}
				want := payloadOf(websocket.Binary, total)
				wrote := later(func() error {
					w := nextWriter(t, s, websocket.Binary)
					rest := want
					for _, n := range sizes {
						if k, err := w.Write(rest[:n]); k != n || err != nil {
							return err
						}
						rest = rest[n:]
					}
					return w.Close()
				})
				if _, got, err := c.ReadMessage(); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%v from the %s, compression %v: peer read %d bytes, %v; want %d", sizes, sideName(side), z, len(got), err, len(want))
				}
				if err := <-wrote; err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// After the end of the connection Flush fails as Write does.
func TestWriterFlushAfterTheEnd(t *testing.T) {
	for _, p := range []string{"", "gathered"} {
		c, _ := newScripted(websocket.RFC6455, websocket.ServerSide, nil)
		w := nextWriter(t, c, websocket.Text)
		io.WriteString(w, p)
		c.Close()
		if err := w.Flush(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Flush of %q: %v; want net.ErrClosed", p, err)
		}
	}
}
