package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/permessage"
)

func TestWritePrepared(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range sides {
			for _, typ := range messageTypes(v) {
				for _, n := range []int{0, 125, 126, 70_000} {
					p := payloadOf(typ, n)
					m, err := websocket.Prepare(typ, p)
					if err != nil {
						t.Fatal(err)
					}
					want := bytes.Clone(p)
					clear(p) // Prepare has copied it
					c, script := newScripted(v, side, nil)
					if err := errors.Join(c.WritePrepared(m), c.WritePrepared(m)); err != nil {
						t.Fatal(err)
					}
					out := script.out.Bytes()
					for i := range 2 {
						f, k, err := websocket.ParseFrame(out, v)
						if err != nil || !f.Fin || f.Opcode != typ || !bytes.Equal(f.Payload, want) || f.Masked != (side == websocket.ClientSide && !isHixie(v)) {
							t.Fatalf("%v %s: %v of %d bytes, time %d: not one frame of it: %v", v, sideName(side), typ, n, i+1, err)
						}
						out = out[k:]
					}
					if len(out) > 0 {
						t.Errorf("%v %s: %d bytes more than two messages", v, sideName(side), len(out))
					}
				}
			}
		}
	}
}

// Many goroutines may send the same Prepared on connections of all versions.
func TestWritePreparedFromManyGoroutines(t *testing.T) {
	m, err := websocket.Prepare(websocket.Text, []byte("to all"))
	if err != nil {
		t.Fatal(err)
	}
	each := stressRounds(50)
	var senders sync.WaitGroup
	for _, v := range allVersions {
		for _, side := range sides {
			for range 4 {
				senders.Go(func() {
					c, script := newScripted(v, side, nil)
					for range each {
						if err := c.WritePrepared(m); err != nil {
							t.Error(err)
						}
					}
					wantTexts(t, v.String(), v, script.out.Bytes(), slices.Repeat([]string{"to all"}, each)...)
				})
			}
		}
	}
	senders.Wait()
}

// While another goroutine writes, a prepared message is queued in its place
// like any other.
func TestWritePreparedKeepsOrder(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		m, err := websocket.Prepare(websocket.Text, []byte("prepared"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.BufferMessage(websocket.Text, []byte("buffered")); err != nil {
			t.Fatal(err)
		}
		first := later(func() error { return c.WritePrepared(m) })
		got := <-g.writes
		for _, err := range []error{c.WriteMessage(websocket.Text, []byte("a")), c.WritePrepared(m), c.WriteMessage(websocket.Text, []byte("b"))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		g.results <- gateResult{n: -1}
		wantTexts(t, "first write", websocket.RFC6455, got, "buffered", "prepared")
		g.expect(t, "second write", "a", "prepared", "b")
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// "The same mask never twice in 1,000 frames, prepared messages too."
func TestMasksNeverRepeat(t *testing.T) {
	for _, v := range hybiVersions {
		t.Run(v.String(), func(t *testing.T) {
			script := &script{in: peerFrames(t, v, websocket.ClientSide, message{websocket.Ping, nil}, message{websocket.Text, nil})}
			c := newConn(script, v, websocket.ClientSide, &websocket.Config{})
			m, err := websocket.Prepare(websocket.Binary, []byte("prepared"))
			if err != nil {
				t.Fatal(err)
			}
			cancelled, cancel := context.WithCancel(t.Context())
			cancel()
			if _, _, err := c.ReadMessage(); err != nil { // a Pong is sent
				t.Fatal(err)
			}
			for range 250 {
				c.Ping(cancelled)
				err := errors.Join(
					c.WriteMessage(websocket.Binary, []byte("message")), c.BufferMessage(websocket.Binary, nil), c.WritePrepared(m),
					streamInPieces(c, []byte("streamed")), c.Flush(),
				)
				if err != nil {
					t.Fatal(err)
				}
			}
			masks, frames := map[[4]byte]int{}, 0
			for out := script.out.Bytes(); len(out) > 0; frames++ {
				f, n, err := websocket.ParseFrame(out, v)
				if err != nil || !f.Masked {
					t.Fatalf("frame %d: %v, masked %v", frames, err, f.Masked)
				}
				masks[f.MaskKey]++
				out = out[n:]
			}
			// Of a thousand random masks, two are the same once in eight
			// thousand runs, four never.
			if frames < 1000 || len(masks) < frames-1 {
				t.Errorf("%d masks in %d frames, want a new one for each, RFC 6455 section 5.3", len(masks), frames)
			}
		})
	}
}

// Connections with different windows are each sent a message that they can
// inflate.
func TestWritePreparedCompressedForEachWindow(t *testing.T) {
	want := bytes.Repeat(randomBytes(newRand(13), 20<<10), 2)
	m, err := websocket.Prepare(websocket.Binary, want)
	if err != nil {
		t.Fatal(err)
	}
	small := 0
	for bits := permessage.MaxWindowBits; bits >= websocket.MinPeerWindowBits; bits-- {
		z := &websocket.Compression{NoContextTakeover: true, WindowBits: bits}
		var frame websocket.FrameInfo
		trace := &websocket.Trace{FrameRead: func(_ *websocket.Conn, f websocket.FrameInfo) { frame = f }}
		server, client := compressedPair(t, &websocket.Config{Compression: z}, &websocket.Config{Compression: z, Trace: trace})
		wrote := later(func() error { return server.WritePrepared(m) })
		if _, got, err := client.ReadMessage(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bits: %d bytes of %d, %v", bits, len(got), len(want), err)
			client.Close()
		}
		if err := <-wrote; err != nil {
			t.Errorf("%d bits: %v", bits, err)
		}
		if frame.RSV != websocket.RSVCompressed {
			t.Errorf("%d bits: frame %+v is not compressed", bits, frame)
		}
		if frame.Length < int64(len(want))*3/4 {
			small++
		}
	}
	if small != 1 {
		t.Errorf("%d windows are large enough for the second half, want one", small)
	}
}
