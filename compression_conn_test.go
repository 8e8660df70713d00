package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// What one side writes, the other reads, in all ways to write and to read, also
// ways that skip messages.
func TestCompressedConversation(t *testing.T) {
	messages := mixedMessages(120)
	for _, tt := range compressionOptions {
		for _, side := range sides {
			t.Run(tt.name+"/"+sideName(side), func(t *testing.T) {
				from, to := compressedPair(t, &websocket.Config{Compression: tt.server}, &websocket.Config{Compression: tt.client})
				if side == websocket.ClientSide {
					from, to = to, from
				}
				wrote := later(func() error {
					for i, p := range messages {
						if err := writeInWay(from, i, p); err != nil {
							return fmt.Errorf("message %d: %w", i, err)
						}
					}
					return nil
				})
				for i, want := range messages {
					got, err := readInWay(to, i)
					if err != nil {
						t.Fatalf("message %d of %d bytes: %v", i, len(want), err)
					}
					if i%6 != 3 && i%6 != 4 && !bytes.Equal(got, want) {
						t.Fatalf("message %d is not what was sent: %d bytes of %d, first other one at %d", i, len(got), len(want), firstDiff(got, want))
					}
				}
				if err := <-wrote; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Several goroutines write at once: each message inflates, and the messages of
// one goroutine arrive in order.
func TestCompressedWritersAtOnce(t *testing.T) { stressed(compressedWritersAtOnce)(t) }

func compressedWritersAtOnce(t *testing.T) {
	const writers, each = 6, 60
	from, to := compressedPair(t, &websocket.Config{Compression: &websocket.Compression{Threshold: 1}}, &websocket.Config{Compression: &websocket.Compression{}})
	var group sync.WaitGroup
	for id := range writers {
		group.Go(func() {
			for i := range each {
				p := fmt.Appendf(nil, "%d %d %s", id, i, strings.Repeat("at once ", i))
				if err := writeInWay(from, id+i, p); err != nil {
					t.Errorf("writer %d, message %d: %v", id, i, err)
				}
			}
		})
	}
	next := make([]int, writers)
	for range writers * each {
		_, p, err := to.ReadMessage()
		var id, i int
		if _, serr := fmt.Sscanf(string(p), "%d %d", &id, &i); err != nil || serr != nil {
			t.Fatalf("read %.40q, %v", p, err)
		}
		if next[id] != i || !strings.HasSuffix(string(p), strings.Repeat("at once ", i)) {
			t.Fatalf("message %d of goroutine %d came when %d was due, or is wrong", i, id, next[id])
		}
		next[id]++
	}
	group.Wait()
}

// "A bomb of 1 MiB that inflates to 1 GiB: refused with 1009."
func TestCompressedBomb(t *testing.T) {
	frame := bombFrame()
	for way, name := range bombWays {
		var broke *websocket.ProtocolError
		err := readBomb(t, frame, way)
		if !errors.As(err, &broke) || broke.Code != websocket.StatusMessageTooBig || !errors.Is(err, websocket.ErrMessageTooBig) {
			t.Errorf("%s: %v, want 1009", name, err)
		}
	}
}

// MaxMessageSize limits, to the byte, what a message inflates to. Random bytes
// are longer than the limit while they are compressed.
func TestCompressedLimit(t *testing.T) {
	for _, size := range []int{1000, 1001} {
		for name, sent := range map[string][]byte{"zeros": make([]byte, size), "random": randomBytes(newRand(1), size)} {
			from, to := compressedPair(t, &websocket.Config{Compression: &websocket.Compression{}, MaxMessageSize: 1000}, &websocket.Config{Compression: &websocket.Compression{}})
			go to.WriteMessage(websocket.Binary, sent)
			_, p, err := from.ReadMessage()
			if fits := size <= 1000; fits != (err == nil) || fits && len(p) != size || !fits && !errors.Is(err, websocket.ErrMessageTooBig) {
				t.Errorf("%d bytes, %s, limit 1000: read %d, %v", size, name, len(p), err)
			}
		}
	}
}

// A trace shows what is on the wire.
func TestCompressedTrace(t *testing.T) {
	frames := make(chan websocket.FrameInfo, 4)
	tell := func(_ *websocket.Conn, f websocket.FrameInfo) { frames <- f }
	trace := &websocket.Trace{FrameWritten: tell, FrameRead: tell}
	from, to := compressedPair(t, &websocket.Config{Compression: &websocket.Compression{}, Trace: trace}, &websocket.Config{Compression: &websocket.Compression{}, Trace: trace})
	go from.WriteMessage(websocket.Text, bytes.Repeat([]byte("a"), 1000))
	if _, _, err := to.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if f := <-frames; f.RSV != websocket.RSVCompressed || f.Length == 0 || f.Length > 20 {
			t.Errorf("frame %+v, want RSV1 and a few bytes", f)
		}
	}
}

// A message is compressed once for all that have the same window.
func TestCompressedPrepared(t *testing.T) {
	m, _ := websocket.Prepare(websocket.Text, bytes.Repeat([]byte("prepared "), 100))
	if a, b := websocket.CompressedFrame(m, 10), websocket.CompressedFrame(m, 10); len(a) > 100 || &a[0] != &b[0] {
		t.Errorf("%d bytes; the second time they are made anew: %t", len(a), &a[0] != &b[0])
	}
}

// A connection compresses messages of at least Threshold bytes, however they
// are sent.
func TestCompressedThreshold(t *testing.T) {
	for _, takeover := range []bool{true, false} {
		for way, name := range []string{"WriteMessage", "BufferMessage", "WritePrepared", "NextWriter"} {
			for size, want := range map[int]byte{99: 0, 100: websocket.RSVCompressed} {
				var got websocket.FrameInfo
				trace := &websocket.Trace{FrameRead: func(_ *websocket.Conn, f websocket.FrameInfo) { got = f }}
				z := &websocket.Compression{Threshold: 100, NoContextTakeover: !takeover}
				from, to := compressedPair(t, &websocket.Config{Compression: z}, &websocket.Config{Compression: z, Trace: trace})
				p := bytes.Repeat([]byte("a"), size)
				wrote := later(func() error { return writeInWay(from, way, p) })
				if _, read, err := to.ReadMessage(); err != nil || !bytes.Equal(read, p) {
					t.Fatalf("%s: read %d bytes of %d, %v", name, len(read), size, err)
				}
				if err := <-wrote; err != nil || got.RSV != want {
					t.Errorf("%s, takeover %v: %d bytes are sent as %+v, %v; want RSV %d", name, takeover, size, got, err, want)
				}
			}
		}
	}
}

// Messages that refer to each other leave in the order in which they were
// compressed, whether they are written directly or under the lock. Nothing
// waits here, so some writer or other writes directly all the time.
func TestCompressedOrderOfWritersAtOnce(t *testing.T) { stressed(compressedOrderOfWritersAtOnce)(t) }

func compressedOrderOfWritersAtOnce(t *testing.T) {
	const writers, each = 8, 150
	cfg := &websocket.Config{Compression: &websocket.Compression{WindowBits: 15, Threshold: 1}}
	sent := new(script)
	from := newConn(sent, websocket.RFC6455, websocket.ServerSide, cfg)
	var messages [writers][each][]byte
	var group sync.WaitGroup
	for id := range writers {
		r := newRand(uint64(id))
		for i := range each {
			messages[id][i] = append(fmt.Appendf(nil, "%d %d ", id, i), jsonText(r, 300+r.IntN(700))...)
		}
	}
	for id := range writers {
		group.Go(func() {
			for i, p := range messages[id] {
				if err := writeInWay(from, []int{0, 1, 0, 0, 0, 3}[(id+i)%6], p); err != nil {
					t.Errorf("writer %d, message %d: %v", id, i, err)
				}
			}
		})
	}
	group.Wait()
	to := newConn(&script{in: sent.out.Bytes()}, websocket.RFC6455, websocket.ClientSide, cfg)
	var next [writers]int
	for n := range writers * each {
		_, p, err := to.ReadMessage()
		var id, i int
		if _, serr := fmt.Sscanf(string(p), "%d %d", &id, &i); err != nil || serr != nil || id >= writers || i >= each {
			t.Fatalf("message %d of all: read %.40q, %v, %v", n, p, err, serr)
		}
		if next[id] != i || !bytes.Equal(p, messages[id][i]) {
			t.Fatalf("message %d of writer %d came when %d was due, or is wrong from byte %d on", i, id, next[id], firstDiff(p, messages[id][i]))
		}
		next[id]++
	}
}

// A writer that waits to compress does so before it writes directly. Otherwise
// it would write before the messages that are compressed before its own.
func TestCompressedWriterWaitsOutsideTheGate(t *testing.T) {
	sent := new(script)
	c := newConn(sent, websocket.RFC6455, websocket.ServerSide, &websocket.Config{Compression: &websocket.Compression{WindowBits: 15, Threshold: 1}})
	unlock := websocket.LockCompressor(c)
	wrote := later(writeText(c, "text"))
	for websocket.Direct(c) == websocket.DirectIdle && len(wrote) == 0 {
		runtime.Gosched()
	}
	if websocket.Direct(c) == websocket.DirectBusy || len(wrote) > 0 {
		t.Error("a writer waits within the gate, or does not wait")
	}
	unlock()
	if err := <-wrote; err != nil || sent.out.Len() == 0 {
		t.Errorf("%d bytes were sent, %v", sent.out.Len(), err)
	}
}

// A client offers only what it can do. Once it did not, and compressing
// panicked.
func TestDialerRefusesBadCompression(t *testing.T) {
	for _, z := range []websocket.Compression{{WindowBits: -5}, {WindowBits: 7}, {WindowBits: 16}, {Threshold: -1}} {
		if h, err := websocket.NewClientHandshake(&websocket.Dialer{Config: websocket.Config{Compression: &z}}, "ws://a/"); err == nil {
			t.Errorf("%+v was taken, and the request is\n%s", z, h.AppendRequest(nil))
		}
	}
}
