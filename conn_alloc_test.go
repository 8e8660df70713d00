//go:build !race

// The race detector allocates, and makes pools forget.

package websocket_test

import (
	"fmt"
	"io"
	"runtime/debug"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/deflate"
)

var allocSizes = []int{0, 125, 1 << 10, 64 << 10, 1 << 20}

func allocRuns(p []byte) int { return 10 + (64<<10)/(len(p)+1000) }

// checkAllocs runs f for each version, side, type and size. The connection
// reads the same message again and again, and what it writes is lost.
func checkAllocs(t *testing.T, want float64, f func(t *testing.T, c *websocket.Conn, typ websocket.MessageType, p []byte) (allocs float64)) {
	for _, v := range allVersions {
		for _, side := range sides {
			for _, typ := range messageTypes(v) {
				for _, n := range allocSizes {
					t.Run(fmt.Sprintf("%v/%v/%v of %d", v, sideName(side), typ, n), func(t *testing.T) {
						defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
						p := payloadOf(typ, n)
						in := peerFrames(t, v, side, message{typ, p})
						c := newConn(&script{in: in, again: true}, v, side, &websocket.Config{})
						if got := f(t, c, typ, p); got > want {
							t.Errorf("%v allocations for each message, want %v", got, want)
						}
					})
				}
			}
		}
	}
}

func TestReadAppendAndWriteMessageDoNotAllocate(t *testing.T) {
	checkAllocs(t, 0, func(t *testing.T, c *websocket.Conn, typ websocket.MessageType, p []byte) float64 {
		buf := make([]byte, 0, len(p))
		return testing.AllocsPerRun(allocRuns(p), func() {
			_, got, err := c.ReadAppend(buf)
			if err == nil {
				err = c.WriteMessage(typ, got)
			}
			if err != nil || len(got) != len(p) {
				t.Fatalf("%d bytes, error %v", len(got), err)
			}
		})
	})
}

func TestBufferMessageDoesNotAllocate(t *testing.T) {
	checkAllocs(t, 0, func(t *testing.T, c *websocket.Conn, typ websocket.MessageType, p []byte) float64 {
		return testing.AllocsPerRun(allocRuns(p), func() {
			if err := c.BufferMessage(typ, p); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestWritePreparedDoesNotAllocate(t *testing.T) {
	checkAllocs(t, 0, func(t *testing.T, c *websocket.Conn, typ websocket.MessageType, p []byte) float64 {
		m, err := websocket.Prepare(typ, p)
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(allocRuns(p), func() {
			if err := c.WritePrepared(m); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestReadMessageAllocatesOnce(t *testing.T) {
	checkAllocs(t, 1, func(t *testing.T, c *websocket.Conn, typ websocket.MessageType, p []byte) float64 {
		return testing.AllocsPerRun(allocRuns(p), func() {
			if _, got, err := c.ReadMessage(); err != nil || len(got) != len(p) || cap(got) > len(p)+len(p)/4+64 {
				t.Fatalf("%d bytes with room for %d, error %v", len(got), cap(got), err)
			}
		})
	})
}

// "0 allocations per message in the steady state."
func TestCompressedAllocs(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would empty the pools
	for _, alone := range []bool{false, true} {
		for _, size := range []int{512, 4096} {
			z := &websocket.Compression{NoContextTakeover: alone}
			server, client := compressedPair(t, &websocket.Config{Compression: z}, &websocket.Config{Compression: z})
			p, buf := mixedMessages(8)[4], make([]byte, 0, 2*size)
			for len(p) < size {
				p = append(p, p...)
			}
			p = p[:size]
			request, back := make(chan struct{}), make(chan error)
			go func() {
				for range request {
					back <- client.WriteMessage(websocket.Binary, p)
				}
			}()
			n := testing.AllocsPerRun(200, func() {
				request <- struct{}{}
				_, got, err := server.ReadAppend(buf[:0])
				if err != nil || len(got) != size || <-back != nil {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
			})
			close(request)
			if n > 0 {
				t.Errorf("alone %v, %d bytes: %v allocations to write and read a message, want none", alone, size, n)
			}
		}
	}
}

func TestEncoderDoesNotAllocate(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would empty the pools
	z := websocket.Config{Compression: &websocket.Compression{}}
	server, _ := handshakes(t, &websocket.Upgrader{Config: z}, &websocket.Dialer{Config: z})
	e, p, wire := server.Encoder(), payloadOf(websocket.Text, 4096), make([]byte, 0, 8192)
	n := testing.AllocsPerRun(200, func() {
		if wire, err := e.AppendMessage(wire, websocket.Text, p); err != nil || len(wire) > len(p) {
			t.Errorf("%d bytes became %d, %v", len(p), len(wire), err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations for each compressed message, want none", n)
	}
}

// "RSS grows by less than 4 MiB", with the connection.
func TestCompressedBombMemory(t *testing.T) {
	frame := bombFrame()
	for way, name := range bombWays {
		took := allocated(func() { _ = readBomb(t, frame, way) }) // which TestCompressedBomb looks at
		if took > 4<<20 {
			t.Errorf("%s: %d bytes were allocated, want less than 4 MiB", name, took)
		}
	}
}

// A compressed message in fragments allocates no more than one that comes whole.
func TestInflatingDoesNotAllocate(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would empty the pools
	p := jsonText(newRand(1), 300<<10)
	z := deflate.Compressor{WindowBits: 15}
	for _, side := range sides {
		for _, cut := range []int{500, 1 << 20} {
			wire := fragments(side, finBinary|rsv1, z.Append(nil, p), cut)
			buf := make([]byte, 0, len(p))
			c := newConn(&script{in: wire, again: true}, websocket.RFC6455, side, &zipped)
			for name, tt := range map[string]struct {
				read func() error
				want float64
			}{
				"ReadAppend":  {func() error { _, _, err := c.ReadAppend(buf); return err }, 0},
				"ReadMessage": {func() error { _, _, err := c.ReadMessage(); return err }, 1},
				"Discard":     {func() error { return websocket.DiscardMessage(c) }, 0},
				"NextReader": {func() error {
					_, r, err := c.NextReader()
					for err == nil {
						_, err = r.Read(buf[:4096])
					}
					if err == io.EOF {
						err = nil
					}
					return err
				}, 1},
			} {
				n := testing.AllocsPerRun(10, func() {
					if err := tt.read(); err != nil {
						t.Fatal(err)
					}
				})
				if n > tt.want {
					t.Errorf("%s, %s, fragments of %d: %v allocations, want %v", sideName(side), name, cut, n, tt.want)
				}
			}
		}
	}
}
