package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// makeConversation returns what a peer of side may send: messages of many
// sizes, in one frame and in several, with control frames between, and a Close
// at the end. In the hixie versions it has frames to skip and text that is not
// UTF-8.
func makeConversation(v websocket.Version, side websocket.Side, seed int64) []byte {
	r := rand.New(rand.NewSource(seed))
	if isHixie(v) {
		return makeHixieConversation(r)
	}
	sizes := []int{0, 1, 2, 3, 124, 125, 126, 127, 300}
	var wire []byte
	for range 12 {
		text := strings.Repeat("aß€😀", 1+sizes[r.Intn(len(sizes))]/10)
		binary := make([]byte, sizes[r.Intn(len(sizes))])
		r.Read(binary)
		kind, payload := byte(websocket.Text), text
		if r.Intn(2) == 0 {
			kind, payload = byte(websocket.Binary), string(binary)
		}
		for parts := r.Intn(4); parts > 0; parts-- {
			cut := r.Intn(len(payload) + 1)
			wire = rawFrame{b0: kind, payload: payload[:cut]}.append(wire, side)
			kind, payload = more, payload[cut:]
			if r.Intn(2) == 0 {
				wire = rawFrame{b0: finPing, payload: string(binary[:min(125, len(binary))])}.append(wire, side)
			}
		}
		wire = rawFrame{b0: fin | kind, payload: payload}.append(wire, side)
	}
	return rawClose(1000, "fin").append(wire, side)
}

func makeHixieConversation(r *rand.Rand) (wire []byte) {
	broken := []string{"\xc3", "\xe2\x82", "\xf0\x9f\x98", "\x80", "\xfe", "\xed\xa0\x80", "\xc0\xaf", ""}
	for range 12 {
		switch r.Intn(4) {
		case 0:
			n := r.Intn(300)
			wire = append(wire, 0x81, 0x80|byte(n>>7), byte(n&0x7f))
			wire = append(wire, bytes.Repeat([]byte{0xff}, n)...)
		case 1:
			wire = append(append(append(wire, 0x05), "skipped"...), 0xff)
		default:
			text := strings.Repeat("aß€😀", r.Intn(20)) + broken[r.Intn(len(broken))] + strings.Repeat("x", r.Intn(3)) + broken[r.Intn(len(broken))]
			wire = append(append(append(wire, 0), text...), 0xff)
		}
	}
	return append(wire, 0xff, 0x00)
}

// A Parser returns the same messages wherever its input is cut.
func TestParserChunking(t *testing.T) {
	eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		for seed := range int64(5) {
			wire := makeConversation(v, side, seed)
			want := replayFrames(v, side, websocket.Config{}, [][]byte{wire})
			if !endsClosed(want.heard) {
				t.Fatalf("seed %d: conversation ends with %v, want a Close", seed, want.err)
			}
			for n := range 12 {
				got := replayFrames(v, side, websocket.Config{}, cut([][]byte{wire}, n+1))
				wantHeard(t, got.heard, want.heard)
			}
			for cut := int(seed); cut < len(wire); cut += 29 {
				got := replayFrames(v, side, websocket.Config{}, [][]byte{wire[:cut], wire[cut:]})
				wantHeard(t, got.heard, want.heard)
			}
		}
	})
}

// Many small messages in one large piece cost as much memory as the piece: the
// room for a message does not depend on what stands behind it.
func TestParserSmallMessagesInALargeChunk(t *testing.T) {
	const messages = 20_000
	eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		one := peerText(t, v, side, "Hello, 世界")
		wire := bytes.Repeat(one, messages)
		got := leastAllocated(func() {
			if _, n, err := feed(v, side, websocket.Config{}, wire, len(wire)); n != messages || !errors.Is(err, websocket.ErrIncomplete) {
				t.Errorf("%d messages of %d, error %v", n, messages, err)
			}
		})
		if most := uint64(2*len(wire) + 64<<10); got > most {
			t.Errorf("%d bytes allocated for %d, want at most %d: look at Parser.grow", got, len(wire), most)
		}
	})
}

// A Parser that waits for input keeps no large buffers.
func TestParserLetsGoOfLargeBuffers(t *testing.T) {
	eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		p, _ := websocket.NewParser(v, side, websocket.Config{})
		p.Append(peerText(t, v, side, strings.Repeat("x", 1<<20)))
		if _, err := p.Next(); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Next(); !errors.Is(err, websocket.ErrIncomplete) {
			t.Fatal(err)
		}
		in, msg := websocket.ParserMemory(p)
		if msg > websocket.KeepBuffer || in > websocket.KeepBuffer {
			t.Errorf("after a message of 1 MiB it holds %d and %d bytes, want at most %d each", msg, in, websocket.KeepBuffer)
		}
	})
}

func TestParserAllocatesNothingWhenRunning(t *testing.T) {
	for _, size := range []int{0, 125, 1024, 60_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				wire := peerText(t, v, side, strings.Repeat("a", size))
				if !isHixie(v) {
					wire = append(wire, rawFrames(side, rawFrame{b0: finPing, payload: "ping"})...)
				}
				p, _ := websocket.NewParser(v, side, websocket.Config{})
				run := func() {
					for rest := wire; len(rest) > 0; rest = rest[min(4096, len(rest)):] {
						p.Append(rest[:min(4096, len(rest))])
						for {
							if _, err := p.Next(); err == websocket.ErrIncomplete {
								break
							} else if err != nil {
								t.Fatal(err)
							}
						}
					}
				}
				if n := testing.AllocsPerRun(20, run); n != 0 {
					t.Errorf("%v allocations for a message of %d bytes, want 0", n, size)
				}
			})
		})
	}
}
