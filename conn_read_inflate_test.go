package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/deflate"
)

// zipped is compression that the tests of this file agree on.
var zipped = websocket.Config{Compression: &websocket.Compression{WindowBits: 15, Threshold: 1}}

// zipSession returns messages that a peer compresses, each referring to those
// before it: in one frame and in several, of which some are empty, with control
// frames between; and a Close at the end.
func zipSession(t *testing.T, side websocket.Side) (wire []byte, want []message) {
	t.Helper()
	z := deflate.Compressor{WindowBits: 15, ContextTakeover: true}
	add := func(frames ...rawFrame) { wire = append(wire, rawFrames(side, frames...)...) }
	for i, n := range []int{0, 1, 30, 300, 3000, 40_000} {
		for _, typ := range []websocket.MessageType{websocket.Text, websocket.Binary} {
			p := payloadOf(websocket.Text, n)
			if i%2 == 1 {
				p = jsonText(newRand(uint64(i)), n)
			}
			want = append(want, message{typ, p}, message{typ, p})
			add(rawFrame{b0: fin | byte(typ) | rsv1, payload: string(z.Append(nil, p))}, rawFrame{b0: finPing, payload: "ping"})
			second := string(z.Append(nil, p))
			a, b := len(second)/3, len(second)/2
			add(rawFrame{b0: byte(typ) | rsv1, payload: second[:a]}, rawFrame{b0: more}, rawFrame{b0: finPong},
				rawFrame{b0: more, payload: second[a:b]}, rawFrame{b0: finPing}, rawFrame{b0: more, payload: second[b:]}, rawFrame{b0: last})
		}
	}
	add(rawClose(uint16(websocket.StatusGoingAway), "end"))
	return wire, want
}

// A deadline at every byte of compressed and fragmented messages loses nothing,
// however they are read.
func TestDeadlineAtEveryCompressedByte(t *testing.T) {
	for _, side := range sides {
		wire, want := zipSession(t, side)
		for name, way := range readWays {
			t.Run(sideName(side)+"/"+name, func(t *testing.T) {
				on := new(atomic.Bool)
				on.Store(true)
				c := newConn(&stutter{Conn: &script{in: wire}, on: on}, websocket.RFC6455, side, &zipped)
				if expired := readAll(t, way(c), want); expired < stutterBytes {
					t.Errorf("gave up %d times, want at least once for each of %d bytes", expired, stutterBytes)
				}
				<-websocket.Over(c)
				if websocket.BorrowsInflater(c) {
					t.Error("the connection has ended, and holds what it has borrowed")
				}
			})
		}
	}
}

// A message that was begun in any way may be skipped, and the next refers to
// what it had.
func TestDeadlinesWhileSkippingCompressed(t *testing.T) {
	begin := map[string]func(t *testing.T, c *websocket.Conn){
		"nothing": func(*testing.T, *websocket.Conn) {},
		"ReadMessage": func(t *testing.T, c *websocket.Conn) {
			giveUp(t, func() error { _, _, err := c.ReadMessage(); return err })
		},
		"ReadAppend": func(t *testing.T, c *websocket.Conn) {
			giveUp(t, func() error { _, _, err := c.ReadAppend(make([]byte, 0, 9)); return err })
		},
		"NextReader": func(t *testing.T, c *websocket.Conn) {
			var r io.Reader
			insist(t, func() (err error) { _, r, err = c.NextReader(); return err })
			insist(t, func() error { _, err := r.Read(make([]byte, 1)); return err })
		},
	}
	for _, side := range sides {
		wire, want := zipSession(t, side)
		for name, begin := range begin {
			t.Run(sideName(side)+"/"+name, func(t *testing.T) {
				on := new(atomic.Bool)
				on.Store(true)
				c := newConn(&stutter{Conn: &script{in: wire}, on: on}, websocket.RFC6455, side, &zipped)
				for i, w := range want {
					if i%2 == 0 && len(w.p) == 40_000 {
						begin(t, c)
						giveUp(t, func() error { return websocket.DiscardMessage(c) })
						continue // the next read skips the rest
					}
					var typ websocket.MessageType
					var p []byte
					insist(t, func() (err error) { typ, p, err = c.ReadMessage(); return err })
					if typ != w.typ || !bytes.Equal(p, w.p) {
						t.Fatalf("message %d after skipped ones: %v of %d bytes; want %v of %d", i, typ, len(p), w.typ, len(w.p))
					}
				}
			})
		}
	}
}

// insist calls f until no deadline stops it.
func insist(t *testing.T, f func() error) {
	t.Helper()
	err := f()
	for errors.Is(err, os.ErrDeadlineExceeded) {
		err = f()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// giveUp calls f ten times, and a deadline must stop it each time.
func giveUp(t *testing.T, f func() error) {
	t.Helper()
	for range 10 {
		if err := f(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%v, want the deadline", err)
		}
	}
}

// NextReader gives what has arrived of a compressed message, and Read does not
// wait for more.
func TestNextReaderInflatesWhatHasArrived(t *testing.T) {
	for _, side := range sides {
		for _, transport := range []string{overPipe, overMemory, overTCP} {
			t.Run(sideName(side)+"/"+transport, func(t *testing.T) {
				nc, peer := newWire(t, transport)
				c := connect(t, nc, peer, websocket.RFC6455, side, zipped)
				defer c.Close()
				defer peer.Close()
				z := deflate.Compressor{WindowBits: 15}
				part := func(s string) string { return string(z.Append(nil, []byte(s))) + "\x00\x00\xff\xff" }
				go peer.Write(rawFrames(side, rawFrame{b0: firstText | rsv1, payload: part("first ")}))
				typ, r, err := c.NextReader()
				p := make([]byte, 100)
				n, rerr := r.Read(p)
				if err != nil || rerr != nil || typ != websocket.Text || string(p[:n]) != "first " {
					t.Fatalf("read %v %q, %v, %v; want what has arrived", typ, p[:n], err, rerr)
				}
				if !websocket.BorrowsInflater(c) {
					t.Error("nothing is borrowed in the middle of a message")
				}
				go peer.Write(rawFrames(side, rawFrame{b0: more, payload: part("second")}, rawFrame{b0: last, payload: "\x00"}))
				if rest, err := io.ReadAll(r); err != nil || string(rest) != "second" {
					t.Errorf("then %q, %v", rest, err)
				}
				if websocket.BorrowsInflater(c) {
					t.Error("the message has ended, and what it has borrowed was not given back")
				}
			})
		}
	}
}

// A message fails as soon as what has arrived of it is wrong, on both sides.
func TestCompressedMessageFailsEarly(t *testing.T) {
	z := deflate.Compressor{WindowBits: 15}
	part := func(s string) string { return string(z.Append(nil, []byte(s))) + "\x00\x00\xff\xff" }
	for _, side := range sides {
		for name, way := range readWays {
			for _, tt := range []struct {
				what, payload string
				code          websocket.StatusCode
			}{
				{"text", part("a\xff"), websocket.StatusInvalidPayloadData},
				{"stream", "\x07", websocket.StatusInvalidPayloadData},
				{"limit", part(string(make([]byte, 1001))), websocket.StatusMessageTooBig},
			} {
				t.Run(sideName(side)+"/"+name+"/"+tt.what, func(t *testing.T) {
					cfg := zipped
					cfg.MaxMessageSize = 1000
					c, peer := newPipe(t, websocket.RFC6455, side, cfg)
					go peer.Write(rawFrames(side, rawFrame{b0: firstText | rsv1, payload: tt.payload}))
					go io.Copy(io.Discard, peer)
					if _, _, err := way(c)(); codeOf(err) != tt.code || websocket.BorrowsInflater(c) {
						t.Errorf("%v, want %d, and nothing borrowed", err, tt.code)
					}
				})
			}
		}
	}
}

// The limit is exact, however a message is cut.
func TestCompressedLimitInPieces(t *testing.T) {
	const limit = 100_000
	for _, size := range []int{limit, limit + 1} {
		for kind, p := range map[string][]byte{"zeros": make([]byte, size), "text": jsonText(newRand(1), size), "random": randomBytes(newRand(1), size)} {
			for _, cut := range []int{1, 50, 5000, 1 << 20} {
				z := deflate.Compressor{WindowBits: 15}
				wire := fragments(websocket.ServerSide, finBinary|rsv1, z.Append(nil, p), cut)
				for name, way := range readWays {
					cfg := zipped
					cfg.MaxMessageSize, cfg.MaxFragments = limit, -1
					c := newConn(&script{in: wire}, websocket.RFC6455, websocket.ServerSide, &cfg)
					_, got, err := way(c)()
					if fits := size <= limit; fits != (err == nil) || fits && !bytes.Equal(got, p) || !fits && !errors.Is(err, websocket.ErrMessageTooBig) {
						t.Errorf("%d %s in fragments of %d, %s: %d bytes, %v", size, kind, cut, name, len(got), err)
					}
				}
			}
		}
	}
}

// fragments returns a message as the peer of side sends it, in frames of at most
// n bytes of payload. The first byte is that of a message in one frame.
func fragments(side websocket.Side, b0 byte, payload []byte, n int) (wire []byte) {
	b0 &^= fin
	for ; len(payload) > n; payload, b0 = payload[n:], more {
		wire = rawFrame{b0: b0, payload: string(payload[:n])}.append(wire, side)
	}
	return rawFrame{b0: b0 | fin, payload: string(payload)}.append(wire, side)
}

// What nobody wants is not inflated, unless a later message may refer to it.
func TestSkippedIsNotInflated(t *testing.T) {
	corrupt := string(bytes.Repeat([]byte{0xff}, 5000))
	for _, side := range sides {
		for _, alone := range []bool{true, false} {
			for name, skip := range map[string]func(c *websocket.Conn) error{
				"Discard": websocket.DiscardMessage,
				"a reader that is left": func(c *websocket.Conn) error {
					_, _, err := c.NextReader()
					return err
				},
			} {
				for _, n := range []int{100, 6000} {
					t.Run(fmt.Sprintf("%s/alone %t/%s/%d", sideName(side), alone, name, n), func(t *testing.T) {
						cfg := websocket.Config{Compression: &websocket.Compression{WindowBits: 15, NoContextTakeover: alone}}
						wire := fragments(side, finText|rsv1, []byte(corrupt), n)
						wire = append(wire, rawFrames(side, rawFrame{b0: finText, payload: "next"})...)
						c := newConn(&script{in: wire}, websocket.RFC6455, side, &cfg)
						if err := skip(c); err != nil && alone {
							t.Fatal(err)
						}
						_, p, err := c.ReadMessage()
						if want := websocket.StatusInvalidPayloadData; alone && (err != nil || string(p) != "next") || !alone && codeOf(err) != want {
							t.Errorf("after a corrupt message that was skipped: %q, %v", p, err)
						}
						if websocket.BorrowsInflater(c) {
							t.Error("what was borrowed was not given back")
						}
					})
				}
			}
		}
	}
}

// The limits hold also for what is skipped: that of the inflated size where it is
// inflated, and that of the compressed size in any case.
func TestSkippedKeepsToTheLimits(t *testing.T) {
	z := deflate.Compressor{WindowBits: 15}
	for _, tt := range []struct {
		alone   bool
		payload []byte
		want    error
	}{
		{false, z.Append(nil, make([]byte, 1001)), websocket.ErrMessageTooBig},
		{true, z.Append(nil, make([]byte, 1001)), nil},
		{true, randomBytes(newRand(1), 1100), websocket.ErrMessageTooBig},
	} {
		cfg := websocket.Config{MaxMessageSize: 1000, Compression: &websocket.Compression{WindowBits: 15, NoContextTakeover: tt.alone}}
		wire := fragments(websocket.ServerSide, finBinary|rsv1, tt.payload, 400)
		c := newConn(&script{in: wire}, websocket.RFC6455, websocket.ServerSide, &cfg)
		if err := websocket.DiscardMessage(c); !errors.Is(err, tt.want) {
			t.Errorf("alone %t, %d bytes: %v, want %v", tt.alone, len(tt.payload), err, tt.want)
		}
	}
}

// A short frame is waited for before anything is borrowed. A longer one is
// inflated from its first bytes on.
func TestInflatesShortFramesWhole(t *testing.T) {
	for _, side := range sides {
		for size, want := range map[int]bool{100: false, websocket.InflateWhole: false, websocket.InflateWhole + 1: true} {
			z := deflate.Compressor{WindowBits: 15}
			payload := z.Append(nil, randomBytes(newRand(1), size)) // stored, with a few bytes around them
			payload = z.Append(nil, randomBytes(newRand(1), 2*size-len(payload)))
			if len(payload) != size {
				t.Fatalf("the payload has %d bytes, want %d", len(payload), size)
			}
			c, peer := newPipe(t, websocket.RFC6455, side, zipped)
			wire := rawFrames(side, rawFrame{b0: finBinary | rsv1, payload: string(payload)})
			go peer.Write(wire[:len(wire)-1])
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			if got := websocket.BorrowsInflater(c); got != want {
				t.Errorf("%s: all but a byte of %d has arrived, and memory is borrowed: %t, want %t", sideName(side), size, got, want)
			}
			c.SetReadDeadline(time.Time{})
			go peer.Write(wire[len(wire)-1:])
			if _, _, err := c.ReadMessage(); err != nil {
				t.Error(err)
			}
		}
	}
}
