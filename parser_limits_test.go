package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// Limits have these defaults, and an error says which one was exceeded.
func TestDecoderLimits(t *testing.T) {
	for _, tt := range []struct {
		cfg       websocket.Config
		size      int64
		fragments int
	}{
		{websocket.Config{}, 1 << 20, 4096},
		{websocket.Config{MaxMessageSize: 5, MaxFragments: 6}, 5, 6},
		{websocket.Config{MaxMessageSize: -1, MaxFragments: -1}, math.MaxInt64, math.MaxInt},
	} {
		p, err := websocket.NewParser(websocket.RFC6455, websocket.ServerSide, tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if size, fragments := websocket.ParserLimits(p); size != tt.size || fragments != tt.fragments {
			t.Errorf("%+v: limits %d and %d, want %d and %d", tt.cfg, size, fragments, tt.size, tt.fragments)
		}
	}
	const want = "message too big: 3 bytes, and a frame of 8 more: limit is 10 (Config.MaxMessageSize)"
	wire := rawFrames(websocket.ServerSide, rawFrame{b0: firstText, payload: "abc"}, rawFrame{b0: last, payload: "12345678"})
	got := replayFrames(websocket.RFC6455, websocket.ServerSide, websocket.Config{MaxMessageSize: 10}, [][]byte{wire})
	if !strings.HasSuffix(fmt.Sprint(got.err), want) || !errors.Is(got.err, websocket.ErrMessageTooBig) {
		t.Errorf("error is %q, want it to say %q and to wrap ErrMessageTooBig", got.err, want)
	}
}

// "Fragment lengths that add up past int64 and slip under the read limit:
// limit - 1, then 2^63 - 1."
func TestFragmentLengthsAddUpPastInt64(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit int64
		first int
	}{
		{"limit of 1000", 1000, 999},
		{"default limit", 0, 1<<20 - 1},
		{"no limit", -1, 1},
		{"largest limit", math.MaxInt64, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				for _, length := range []uint64{1<<63 - 1, 1<<63 - uint64(tt.first)} {
					wire := rawFrames(side, rawFrame{b0: byte(websocket.Binary), payload: strings.Repeat("x", tt.first)},
						rawFrame{b0: last, form: 64, length: length})
					if _, n, err := feed(v, side, websocket.Config{MaxMessageSize: tt.limit}, wire, 1<<16); codeOf(err) != websocket.StatusMessageTooBig || n > 0 {
						t.Errorf("%d bytes, then %d: error %v, want %d", tt.first, length, err, websocket.StatusMessageTooBig)
					} else if !errors.Is(err, websocket.ErrMessageTooBig) {
						t.Errorf("%v does not wrap ErrMessageTooBig", err)
					}
				}
			})
		})
	}
}

// integerEdges returns lengths at which arithmetic of 32 or 64 bits goes wrong.
func integerEdges() (list []uint64) {
	for _, edge := range []uint64{1 << 31, 1 << 32, 1 << 63} {
		for d := range uint64(15) {
			list = append(list, edge-d, edge+d)
		}
	}
	return append(list, 1<<53+1, 1<<64-1, 1<<64-2)
}

// "64-bit length with the top bit set, 2^63, 2^64 - 1, 2^53 + 1, and within 14
// of 2^31, 2^32, 2^63: no panic, no hang, 1002 or 1009."
func TestLengthsAtTheEdgesOfIntegers(t *testing.T) {
	eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		for _, length := range integerEdges() {
			want := websocket.StatusMessageTooBig
			if length>>63 != 0 {
				want = websocket.StatusProtocolError
			}
			for _, b0 := range []byte{finText, finBinary, firstText} {
				wire := rawFrames(side, rawFrame{b0: b0, form: 64, length: length, payload: "x"})
				for _, n := range []int{1, 1 << 20} {
					if _, _, err := feed(v, side, websocket.Config{}, wire, n); codeOf(err) != want {
						t.Errorf("length %#x, first byte %#x: error %v, want %d", length, b0, err, want)
					}
				}
				testUnlimited(t, v, side, length, wire)
			}
			wire := rawFrames(side, rawFrame{b0: finPing, form: 64, length: length})
			if _, _, err := feed(v, side, websocket.Config{}, wire, 1); codeOf(err) != websocket.StatusProtocolError {
				t.Errorf("Ping of length %#x: error %v, want %d", length, err, websocket.StatusProtocolError)
			}
		}
	})
}

// testUnlimited checks that, without a limit, the Parser waits for lengths that
// fit into an int64.
func testUnlimited(t *testing.T, v websocket.Version, side websocket.Side, length uint64, wire []byte) {
	t.Helper()
	_, n, err := feed(v, side, websocket.Config{MaxMessageSize: -1}, wire, 1<<20)
	_, parsed, frameErr := websocket.ParseFrame(wire, v)
	if n != 0 || parsed != 0 {
		t.Errorf("length %#x without a limit: %d messages, frame of %d bytes, want none", length, n, parsed)
	}
	if length>>63 != 0 {
		if codeOf(err) != websocket.StatusProtocolError || codeOf(frameErr) != websocket.StatusProtocolError {
			t.Errorf("length %#x without a limit: Parser's error %v, ParseFrame's %v: want %d", length, err, frameErr, websocket.StatusProtocolError)
		}
		return
	}
	if !errors.Is(err, websocket.ErrIncomplete) || frameErr == nil || codeOf(frameErr) != 0 {
		t.Errorf("length %#x without a limit: Parser's error %v, ParseFrame's %v: want to wait for more", length, err, frameErr)
	}
}

// "A huge declared length with no data behind it (2^40): allocated bytes stay
// under 128 KiB."
func TestHugeDeclaredLengthCostsNoMemory(t *testing.T) {
	const most = 128 << 10
	eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		for _, limit := range []int64{0, -1, 1 << 41} {
			for _, b0 := range []byte{finBinary, firstText} {
				wire := rawFrames(side, rawFrame{b0: b0, form: 64, length: 1 << 40, payload: "some"})
				for _, n := range []int{1, 1 << 20} {
					var err error
					got := leastAllocated(func() { _, _, err = feed(v, side, websocket.Config{MaxMessageSize: limit}, wire, n) })
					if got > most || err == nil {
						t.Errorf("limit %d, pieces of %d: %d bytes allocated, error %v: want at most %d", limit, n, got, err, most)
					}
				}
			}
		}
	})
	for _, v := range hixieVersions {
		// More than 2^40 in base 128, to be skipped.
		wire := []byte{0x80, 0xa0, 0x80, 0x80, 0x80, 0x80, 0x00}
		for _, cfg := range []websocket.Config{{}, {MaxMessageSize: -1}} {
			if got := leastAllocated(func() { feed(v, websocket.ServerSide, cfg, wire, 1) }); got > most {
				t.Errorf("%v: %d bytes allocated, want at most %d", v, got, most)
			}
		}
	}
}

// Memory is bounded by what has arrived, at every point of a message.
func TestParserMemoryFollowsWhatArrived(t *testing.T) {
	const chunk, all = 8 << 10, 512 << 10
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			wire := rawFrames(websocket.ServerSide, rawFrame{b0: finText, form: 64, length: 1 << 40, payload: strings.Repeat("a", all)})
			if isHixie(v) {
				wire = append([]byte{0}, strings.Repeat("a", all)...)
			}
			p, _ := websocket.NewParser(v, websocket.ServerSide, websocket.Config{MaxMessageSize: -1})
			for fed := 0; fed < len(wire); {
				n := min(chunk, len(wire)-fed)
				p.Append(wire[fed : fed+n])
				fed += n
				if _, err := p.Next(); !errors.Is(err, websocket.ErrIncomplete) {
					t.Fatalf("after %d bytes: error %v", fed, err)
				}
				in, msg := websocket.ParserMemory(p)
				if most := 3*fed + websocket.KeepBuffer; msg+in > most {
					t.Fatalf("%d bytes arrived, buffers are %d and %d: want at most %d in sum", fed, msg, in, most)
				}
			}
		})
	}
}

// "Hixie base-128 lengths that never end (80 FF FF ..., 80 80 80 ...): an
// error within ten bytes or at the limit."
func TestHixieLengthsThatNeverEnd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fill  byte
		limit int64
		fed   int
		code  websocket.StatusCode
	}{
		{"80 FF FF", 0xff, 0, 4, websocket.StatusMessageTooBig},
		{"80 FF FF, no limit", 0xff, -1, 10, websocket.StatusProtocolError},
		{"80 FF FF, largest limit", 0xff, math.MaxInt64, 10, websocket.StatusProtocolError},
		{"80 80 80", 0x80, 0, 10, websocket.StatusProtocolError},
		{"80 80 80, no limit", 0x80, -1, 10, websocket.StatusProtocolError},
		{"80 81 81", 0x81, 0, 5, websocket.StatusMessageTooBig},
		{"80 81 81, limit of 1", 0x81, 1, 3, websocket.StatusMessageTooBig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, hixieVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				for _, kind := range []byte{0x80, 0x81, 0xfe, 0xff} {
					wire := append([]byte{kind}, bytes.Repeat([]byte{tt.fill}, 100)...)
					fed, _, err := feed(v, side, websocket.Config{MaxMessageSize: tt.limit}, wire, 1)
					if fed > tt.fed || codeOf(err) != tt.code {
						t.Errorf("type %#x: error %v after %d bytes, want %d after at most %d", kind, err, fed, tt.code, tt.fed)
					}
					if _, _, err := feed(v, side, websocket.Config{MaxMessageSize: tt.limit}, wire, 1<<20); codeOf(err) != tt.code {
						t.Errorf("type %#x, all at once: error %v, want %d", kind, err, tt.code)
					}
					if _, _, err := websocket.ParseFrame(wire, v); codeOf(err) != websocket.StatusProtocolError {
						t.Errorf("type %#x: ParseFrame's error is %v, want %d", kind, err, websocket.StatusProtocolError)
					}
				}
			})
		})
	}
}

// "300,000 empty or one-byte fragments: heap flat, fragment limit hit."
func TestManyTinyFragments(t *testing.T) {
	const fragments, most = 300_000, 128 << 10
	for _, payload := range []string{"", "x"} {
		t.Run(fmt.Sprintf("of %d bytes", len(payload)), func(t *testing.T) {
			eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				one := rawFrames(side, rawFrame{b0: more, payload: payload})
				wire := append(rawFrames(side, rawFrame{b0: firstText, payload: payload}), bytes.Repeat(one, fragments-1)...)
				for _, n := range []int{len(one), 4096} {
					fed, _, err := feed(v, side, websocket.Config{}, wire, n)
					if want := (websocket.DefaultMaxFragments + 1) * len(one); codeOf(err) != websocket.StatusMessageTooBig || fed > want+n {
						t.Errorf("error %v after %d bytes, want %d after %d", err, fed, websocket.StatusMessageTooBig, want)
					}
					got := leastAllocated(func() { feed(v, side, websocket.Config{}, wire, n) })
					if got > most {
						t.Errorf("pieces of %d: %d bytes allocated, want at most %d", n, got, most)
					}
				}
				// Without a limit on the number of fragments, only their bytes
				// take memory.
				p, _ := websocket.NewParser(v, side, websocket.Config{MaxFragments: -1})
				for rest := wire; len(rest) > 0; rest = rest[min(4096, len(rest)):] {
					p.Append(rest[:min(4096, len(rest))])
					if _, err := p.Next(); !errors.Is(err, websocket.ErrIncomplete) {
						t.Fatal(err)
					}
				}
				in, msg := websocket.ParserMemory(p)
				if most := 2*fragments*len(payload) + websocket.KeepBuffer; msg+in > most {
					t.Errorf("buffers are %d and %d, want at most %d", msg, in, most)
				}
			})
		})
	}
}

// A larger MaxMessageSize allows for more fragments: 20 MiB in frames of 4 KiB are
// taken with a limit of 64 MiB, and without one.
func TestMaxFragmentsFollowsMaxMessageSize(t *testing.T) {
	p := make([]byte, 20<<20)
	for _, size := range []int64{64 << 20, -1} {
		eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
			wire, cfg := fragments(side, finBinary, p, 4<<10), websocket.Config{MaxMessageSize: size}
			if _, n, err := feed(v, side, cfg, wire, 1<<20); n != 1 || !errors.Is(err, websocket.ErrIncomplete) {
				t.Errorf("a Parser takes %d messages, error %v", n, err)
			}
			c := newConn(&script{in: wire}, v, side, &cfg)
			if _, got, err := c.ReadMessage(); err != nil || len(got) != len(p) {
				t.Errorf("a Conn takes %d bytes, error %v", len(got), err)
			}
		})
	}
}

func TestMaxFragments(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 100} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				for _, count := range []int{limit, limit + 1} {
					frames := make([]rawFrame, count)
					frames[0].b0 = byte(websocket.Binary)
					frames[count-1].b0 |= fin
					frames = append(frames, rawFrame{b0: finText}) // counted anew
					_, n, err := feed(v, side, websocket.Config{MaxFragments: limit}, rawFrames(side, frames...), 1<<20)
					if passes := count == limit; passes != errors.Is(err, websocket.ErrIncomplete) || passes != (n == 2) {
						t.Errorf("%d fragments: %d messages, error %v", count, n, err)
					}
				}
			})
		})
	}
}

// "A default limit exists, on both sides. Limit exactly met passes, one more
// fails with 1009."
func TestDefaultLimitOnBothSides(t *testing.T) {
	const limit = 1 << 20
	eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		p, err := websocket.NewParser(v, side, websocket.Config{})
		if got, _ := websocket.ParserLimits(p); err != nil || got != limit {
			t.Errorf("limit of a Parser is %d, error %v: want %d", got, err, limit)
		}
		if v == websocket.RFC6455 || v == websocket.Hybi00 { // the others differ in nothing but the number above
			testLimit(t, v, side, 0, limit)
		}
	})
	server, client := handshakes(t, &websocket.Upgrader{}, &websocket.Dialer{})
	if got, _ := websocket.ParserLimits(server.Parser()); got != limit {
		t.Errorf("limit of a server's Parser is %d, want %d", got, limit)
	}
	if got, _ := websocket.ParserLimits(client.Parser()); got != limit {
		t.Errorf("limit of a client's Parser is %d, want %d", got, limit)
	}
}

func TestLimitExactlyMet(t *testing.T) {
	for _, limit := range []int{1, 2, 125, 126, 65535, 65536} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				testLimit(t, v, side, int64(limit), limit)
			})
		})
	}
}

// testLimit sends messages as large as the limit, and one byte larger.
func testLimit(t *testing.T, v websocket.Version, side websocket.Side, setting int64, limit int) {
	t.Helper()
	cfg := websocket.Config{MaxMessageSize: setting}
	for name, message := range map[string]func(n int) []byte{
		"one frame": func(n int) []byte {
			if isHixie(v) {
				return append(append([]byte{0}, strings.Repeat("a", n)...), 0xff)
			}
			return rawFrames(side, rawFrame{b0: finText, payload: strings.Repeat("a", n)})
		},
		"two fragments": func(n int) []byte {
			if isHixie(v) { // which have none: a frame that is skipped instead
				return append([]byte{0x80, 1, 'x', 0}, strings.Repeat("a", n)+"\xff"...)
			}
			return rawFrames(side, rawFrame{b0: firstText, payload: strings.Repeat("a", n/2)}, rawFrame{b0: last, payload: strings.Repeat("a", n-n/2)})
		},
	} {
		for _, chunk := range []int{min(limit, 16<<10), 1 << 21} {
			times := max(1, min(2, websocket.DefaultMaxMessageSize/limit)) // the second time shows that it is counted anew
			wire := bytes.Repeat(message(limit), times)
			if _, n, err := feed(v, side, cfg, wire, chunk); n != times || !errors.Is(err, websocket.ErrIncomplete) {
				t.Errorf("%s of %d bytes: %d messages, error %v: want %d", name, limit, n, err, times)
			}
			if _, n, err := feed(v, side, cfg, message(limit+1), chunk); n != 0 || codeOf(err) != websocket.StatusMessageTooBig {
				t.Errorf("%s of %d bytes: %d messages, error %v: want %d", name, limit+1, n, err, websocket.StatusMessageTooBig)
			}
		}
	}
}
