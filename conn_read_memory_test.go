//go:build !race

// The race detector allocates.

package websocket_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/deflate"
)

// inflatingReads are the ways to read a message that may differ in what they
// hold.
var inflatingReads = map[string]func(c *websocket.Conn) error{
	"ReadMessage": func(c *websocket.Conn) error { _, _, err := c.ReadMessage(); return err },
	"ReadAppend":  func(c *websocket.Conn) error { _, _, err := c.ReadAppend(nil); return err },
	"Discard":     websocket.DiscardMessage,
	"NextReader": func(c *websocket.Conn) error {
		_, r, err := c.NextReader()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, onlyReader{r})
		return err
	},
}

// onlyReader hides other methods of a Reader.
type onlyReader struct{ io.Reader }

// fromEmptyPools returns how many bytes f allocates if nothing lies in the
// pools. That is at least as much as is ever live at once.
func fromEmptyPools(f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would empty the pools
	least := uint64(1 << 62)
	for range 2 { // other goroutines of the process may allocate too
		runtime.GC()
		runtime.GC() // pools keep what they hold for one collection
		least = min(least, allocated(f))
	}
	return least
}

// A message that inflates to more than the limit takes no more memory than the
// limit and 1 MiB, whether it comes in one frame or in many.
func TestMemoryOfABomb(t *testing.T) {
	const limit = 8 << 20
	z := deflate.Compressor{WindowBits: 15}
	bomb := z.Append(nil, make([]byte, 4*limit))
	for _, side := range sides {
		for _, cut := range []int{100, 4 << 10, len(bomb)} {
			wire := fragments(side, finBinary|rsv1, bomb, cut)
			for name, read := range inflatingReads {
				cfg := zipped
				cfg.MaxMessageSize = limit
				took := fromEmptyPools(func() {
					if err := read(newConn(&script{in: wire}, websocket.RFC6455, side, &cfg)); !errors.Is(err, websocket.ErrMessageTooBig) {
						t.Errorf("%v, want that it is too big", err)
					}
				})
				want := uint64(limit + 1<<20)
				if name == "NextReader" || name == "Discard" {
					want = 256 << 10
				}
				if took > want {
					t.Errorf("%s, %s, frames of %d: %d bytes were allocated, want %d at most", sideName(side), name, cut, took, want)
				}
			}
		}
	}
}

// A message within the limit takes twice its size if it is read whole, and little
// otherwise.
func TestMemoryOfALongMessage(t *testing.T) {
	const size = 8 << 20
	z := deflate.Compressor{WindowBits: 15}
	for kind, p := range map[string][]byte{"zeros": make([]byte, size), "text": bytes.Repeat(jsonText(newRand(1), 100<<10), 82)[:size]} {
		wire := z.Append(nil, p)
		for _, side := range sides {
			for _, cut := range []int{4 << 10, 64 << 10, len(wire)} {
				wire := fragments(side, finBinary|rsv1, wire, cut)
				for name, read := range inflatingReads {
					cfg := zipped
					cfg.MaxMessageSize = size
					took := fromEmptyPools(func() {
						if err := read(newConn(&script{in: wire}, websocket.RFC6455, side, &cfg)); err != nil {
							t.Error(err)
						}
					})
					want := uint64(2*size + 256<<10)
					if name == "NextReader" || name == "Discard" {
						want = 160 << 10 // with the window that is kept, and with what io.Copy or Discard borrows
					}
					if took > want {
						t.Errorf("%s, %s, %s, frames of %d: %d bytes were allocated, want %d at most", kind, sideName(side), name, cut, took, want)
					}
				}
			}
		}
	}
}

// heapSampler is a connection that measures the live heap at some of its reads.
type heapSampler struct {
	script
	reads int
	most  uint64
}

func (s *heapSampler) Read(p []byte) (int, error) {
	if s.reads++; s.reads%8 == 0 {
		s.most = max(s.most, liveHeap())
	}
	return s.script.Read(p)
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A message that NextReader reads takes no more than a window and 64 KiB, at any
// time.
func TestLiveHeapOfNextReader(t *testing.T) {
	for _, side := range sides {
		z := deflate.Compressor{WindowBits: 15, ContextTakeover: true}
		var wire []byte
		for range 3 {
			wire = append(wire, fragments(side, finBinary|rsv1, z.Append(nil, jsonText(newRand(1), 2<<20)), 30_000)...)
		}
		s := &heapSampler{script: script{in: wire}}
		cfg := zipped
		cfg.MaxMessageSize = -1
		c := newConn(s, websocket.RFC6455, side, &cfg)
		p := make([]byte, 4<<10)
		for i := range 3 {
			runtime.GC()
			runtime.GC() // pools keep what they hold for one collection
			before := liveHeap()
			s.most = 0
			_, r, err := c.NextReader()
			for err == nil {
				_, err = r.Read(p)
			}
			if took := int64(s.most - before); err != io.EOF || took < 30<<10 || took > 32<<10+64<<10 {
				t.Errorf("%s, message %d: took %d bytes, %v; want a window and 64 KiB at most", sideName(side), i, took, err)
			}
		}
	}
}

// What a deadline has left of a message takes little more than what has arrived,
// and reads that meet their deadline again and again do not copy it each time.
func TestMemoryOfAPartialMessage(t *testing.T) {
	for _, size := range []int{10, 1000, 40_000, 400_000} {
		for _, compressed := range []bool{true, false} {
			p := randomBytes(newRand(1), size)
			frame := rawFrame{b0: byte(websocket.Binary), payload: string(p)}
			if compressed {
				z := deflate.Compressor{WindowBits: 15}
				frame = rawFrame{b0: byte(websocket.Binary) | rsv1, payload: string(z.Append(nil, p)) + "\x00\x00\xff\xff"}
			}
			c, peer := newTCP(t, websocket.RFC6455, websocket.ServerSide, zipped)
			go peer.Write(rawFrames(websocket.ServerSide, frame))
			buf := make([]byte, 0, 20_000)
			for tries := 0; tries < 3 || tries < 200 && websocket.PartialMemory(c) < size; tries++ {
				c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				if _, _, err := c.ReadAppend(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal(err)
				}
				clear(buf[:cap(buf)]) // it is the caller's again
			}
			if n := websocket.PartialMemory(c); n < size || n > size+size/4+60<<10 || size < 50_000 && n > size+size/4+64 {
				t.Errorf("%d bytes have arrived, compressed %t, and %d are held", size, compressed, n)
			}
			c.SetReadDeadline(time.Unix(1, 0))
			took := leastAllocated(func() {
				for range 50 {
					c.ReadMessage()
				}
			})
			if took > 50*(400+40_000) {
				t.Errorf("%d bytes have arrived, compressed %t: 50 reads that met their deadline allocated %d", size, compressed, took)
			}
			c.SetReadDeadline(time.Time{})
			end := rawFrame{b0: last}
			if compressed {
				end.payload = "\x00"
			}
			go peer.Write(rawFrames(websocket.ServerSide, end))
			if _, got, err := c.ReadMessage(); err != nil || !bytes.Equal(got, p) {
				t.Errorf("then %d bytes, first other one at %d, %v", len(got), firstDiff(got, p), err)
			}
		}
	}
}

// While a message is inflated, reads use small buffers.
func TestInflatingHoldsASmallBuffer(t *testing.T) {
	c, peer := newTCP(t, websocket.RFC6455, websocket.ServerSide, zipped)
	z := deflate.Compressor{WindowBits: 15}
	go peer.Write(fragments(websocket.ServerSide, finBinary|rsv1, z.Append(nil, randomBytes(newRand(1), 1<<20)), 100_000))
	_, r, err := c.NextReader()
	p, most := make([]byte, 1000), 0
	for err == nil {
		_, err = r.Read(p)
		most = max(most, websocket.HeldBuffer(c))
	}
	if err != io.EOF || most > websocket.ReadBufferSize {
		t.Errorf("%v, with a buffer of %d bytes, want %d", err, most, websocket.ReadBufferSize)
	}
}

// A Parser takes no more memory than a Conn: the limit and 1 MiB for a message
// that is too long, and otherwise twice its size.
func TestMemoryOfAParserThatInflates(t *testing.T) {
	const limit = 8 << 20
	z := deflate.Compressor{WindowBits: 15}
	for size, most := range map[int]uint64{limit: 2*limit + 1<<20, 4 * limit: limit + 1<<20} {
		payload := z.Append(nil, make([]byte, size))
		for _, cut := range []int{1000, len(payload)} {
			wire := fragments(websocket.ServerSide, finBinary|rsv1, payload, cut)
			p := compressedParser(t, websocket.Config{MaxMessageSize: limit})
			took := fromEmptyPools(func() {
				got, err := websocket.Message{}, error(nil)
				for chunk := range slices.Chunk(wire, 4<<10) {
					p.Append(chunk)
					if got, err = p.Next(); err != websocket.ErrIncomplete {
						break
					}
				}
				if fits := size <= limit; fits && len(got.Data) != size || !fits && !errors.Is(err, websocket.ErrMessageTooBig) {
					t.Errorf("%d bytes: %d, %v", size, len(got.Data), err)
				}
			})
			if took > most {
				t.Errorf("a message of %d bytes in frames of %d: %d bytes were allocated, want %d at most", size, cut, took, most)
			}
		}
	}
}
