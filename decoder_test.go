package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/deflate"
	"github.com/protocol-websocket/websocket/internal/permessage"
)

// Room for the message means as little as cuts in the input do.
func TestDecodeWithLittleRoom(t *testing.T) {
	const text = "aß€😀 and some more, so that it does not fit"
	for _, v := range allVersions {
		for room := utf8RoomMin(v); room < len(text)+5; room++ {
			wire := coreMessage(t, v, ClientSide, text)
			if got := coreDecodeInSteps(t, v, wire, room); got != text {
				t.Errorf("%v, room for %d: %q, want %q", v, room, got, text)
			}
		}
	}
}

// utf8RoomMin is the least room in which decode gets on: hixie text may have to
// put a whole character.
func utf8RoomMin(v Version) int {
	if v.hixie() {
		return 4
	}
	return 1
}

// What decode stops for, and that it takes nothing it has not understood.
func TestDecodeEvents(t *testing.T) {
	type stop struct {
		ev    event
		taken int
		out   string
	}
	for _, tt := range []struct {
		name  string
		v     Version
		room  int
		wire  string
		stops []stop
	}{
		{"half a header", RFC6455, 9, "81", []stop{{needInput, 0, ""}}},
		{"half a length", RFC6455, 9, "827e01", []stop{{needInput, 0, ""}}},
		{"header without payload", RFC6455, 9, "8105", []stop{{needInput, 2, ""}}},
		{"half a payload", RFC6455, 9, "8105 6162", []stop{{needInput, 4, "ab"}}},
		{"half a control frame", RFC6455, 9, "8905 6162", []stop{{needInput, 0, ""}}},
		{"control frame", RFC6455, 9, "8902 6162 81", []stop{{gotControl, 4, ""}, {needInput, 0, ""}}},
		{"no room", RFC6455, 1, "8103 616263", []stop{{needRoom, 3, "a"}, {needRoom, 1, "b"}, {gotMessage, 1, "c"}}},
		{"no room, and no more input", RFC6455, 1, "8103 61", []stop{{needInput, 3, "a"}}},
		{"room for nothing", RFC6455, 0, "8101 61", []stop{{needRoom, 2, ""}}},
		{"empty message and no room", RFC6455, 0, "8100 8100", []stop{{gotMessage, 2, ""}, {gotMessage, 2, ""}}},
		{"fragments", RFC6455, 9, "0101 61 8901 70 0000 8001 62", []stop{{gotControl, 6, "a"}, {gotMessage, 5, "b"}}},
		{"hixie type", Hybi00, 9, "00", []stop{{needInput, 1, ""}}},
		{"hixie length not whole", Hybi00, 9, "8081", []stop{{needInput, 0, ""}}},
		{"hixie character not whole", Hybi00, 9, "0061e282", []stop{{needInput, 2, "a"}}},
		{"hixie text exactly as long as the room", Hybi00, 4, "0061626364ff", []stop{{gotMessage, 6, "abcd"}}},
		{"hixie text longer than the room", Hybi00, 4, "006162636465ff", []stop{{needRoom, 5, "abcd"}, {gotMessage, 2, "e"}}},
		{"hixie text of one byte more than the room, and no end", Hybi00, 4, "006162636465", []stop{{needRoom, 5, "abcd"}, {needInput, 1, "e"}}},
		{"hixie text as long as the room, and no end", Hybi00, 4, "0061626364", []stop{{needInput, 5, "abcd"}}},
		{"hixie character across the room's end", Hybi00, 4, "00616263e282acff", []stop{{needRoom, 4, "abc"}, {gotMessage, 4, "€"}}},
		{"hixie Close", Hybi00, 4, "ff00", []stop{{gotControl, 2, ""}}},
		{"hixie skipped", Hybi00, 4, "8003616263 0161ff", []stop{{needInput, 8, ""}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecoder(tt.v, ClientSide, &Config{})
			wire := coreHex(t, tt.wire)
			for i, want := range tt.stops {
				out, n, ev, err := d.decode(make([]byte, 0, tt.room), wire)
				if err != nil {
					t.Fatal(err)
				}
				if got := (stop{ev, n, string(out)}); got != want {
					t.Fatalf("stop %d is %+v, want %+v", i, got, want)
				}
				wire = wire[n:]
			}
		})
	}
}

// decode appends to dst and leaves what stands before and behind alone.
func TestDecodeAppends(t *testing.T) {
	for _, v := range allVersions {
		room := []byte("before---------after")
		wire := coreMessage(t, v, ServerSide, "Hello")
		d := newDecoder(v, ServerSide, &Config{})
		out, n, ev, err := d.decode(room[:6:15], wire)
		if string(out) != "beforeHello" || n != len(wire) || ev != gotMessage || err != nil {
			t.Errorf("%v: %q, n %d of %d, event %d, error %v", v, out, n, len(wire), ev, err)
		}
		if string(room[15:]) != "after" {
			t.Errorf("%v: wrote behind the room: %q", v, room)
		}
	}
}

// Payload that was read straight into the message is unmasked and checked as
// if it had come through the buffer, from any offset and in any pieces.
func TestDirectRead(t *testing.T) {
	text := strings.Repeat("aß€😀 ", 40)
	for _, v := range coreHybi {
		for _, side := range coreSides {
			wire := coreWire(side, coreRaw{b0: finText, payload: text})
			header := len(wire) - len(text)
			for buffered := 0; buffered < len(text); buffered += 7 {
				d := newDecoder(v, side, &Config{})
				msg, n, ev, err := d.decode(make([]byte, 0, len(text)), bytes.Clone(wire[:header+buffered]))
				if err != nil || ev != needInput || n != header+buffered || d.direct() != int64(len(text)-buffered) {
					t.Fatalf("%v: event %d, %d taken of %d, %d to come, error %v", v, ev, n, header+buffered, d.direct(), err)
				}
				for rest := wire[n:]; len(rest) > 0; {
					k := min(len(rest), 1+buffered%11)
					msg = append(msg, rest[:k]...)
					if err := d.directRead(msg[len(msg)-k:]); err != nil {
						t.Fatal(err)
					}
					rest = rest[k:]
				}
				out, n, ev, err := d.decode(msg, nil)
				if string(out) != text || n != 0 || ev != gotMessage || err != nil {
					t.Fatalf("%v, %d bytes through the buffer: %.40q, event %d, error %v", v, buffered, out, ev, err)
				}
			}
		}
	}
}

func TestDirectReadChecksText(t *testing.T) {
	for _, v := range coreHybi {
		d := newDecoder(v, ClientSide, &Config{})
		wire := coreWire(ClientSide, coreRaw{b0: finText, form: 16, length: 1000, payload: "ok"})
		if _, _, _, err := d.decode(make([]byte, 0, 1000), wire); err != nil {
			t.Fatal(err)
		}
		if err := d.directRead([]byte("still ok\xc0")); err == nil || err.Code != StatusInvalidPayloadData {
			t.Errorf("%v: error is %v, want %d", v, err, StatusInvalidPayloadData)
		}
	}
}

// What hixie receivers skip must not be read into a message.
func TestDirectReadIsForPayloadOnly(t *testing.T) {
	for _, tt := range []struct {
		v    Version
		wire string
	}{{RFC6455, ""}, {RFC6455, "8101 61"}, {RFC6455, "8905 61"}, {Hybi00, "8005 61"}, {Hybi00, "00 61"}, {Hixie75, "01 61"}} {
		d := newDecoder(tt.v, ClientSide, &Config{})
		if _, _, _, err := d.decode(make([]byte, 0, 9), coreHex(t, tt.wire)); err != nil {
			t.Fatal(err)
		}
		if got := d.direct(); got != 0 {
			t.Errorf("%v, after %s: %d bytes may be read past the decoder, want 0", tt.v, tt.wire, got)
		}
	}
}

// A reserved bit that an extension uses may stand on the first frame of a
// message only, and the text of such a message is checked when it was inflated:
// "RSV1 on continuation or control frames: 1002", "corrupt data (1007)".
func TestReservedBitOfAnExtension(t *testing.T) {
	for _, tt := range []struct {
		name   string
		frames []coreRaw
		heard  []string
		code   StatusCode
	}{
		{"text", []coreRaw{{b0: finText | rsv1, payload: deflated("\u00ff")}, {b0: finText, payload: "a"}}, []string{`Text "ÿ"`, `Text "a"`}, 0},
		{"fragments", []coreRaw{{b0: byte(Binary) | rsv1, payload: deflated("ab")[:2]}, {b0: last, payload: deflated("ab")[2:]}}, []string{`Binary "ab"`}, 0},
		{"nothing at all", []coreRaw{{b0: finText | rsv1}, {b0: finText, payload: "\xff"}}, []string{`Text ""`}, StatusInvalidPayloadData},
		{"an empty block", []coreRaw{{b0: finText | rsv1, payload: "\x00"}, {b0: finText | rsv1, payload: "\x00"}}, []string{`Text ""`, `Text ""`}, 0},
		{"not UTF-8", []coreRaw{{b0: finText | rsv1, payload: deflated("a\xff")}}, nil, StatusInvalidPayloadData},
		{"ends within a character", []coreRaw{{b0: finText | rsv1, payload: deflated("a\xc3")}}, nil, StatusInvalidPayloadData},
		{"such bytes in binary", []coreRaw{{b0: finBinary | rsv1, payload: deflated("a\xc3")}}, []string{`Binary "a\xc3"`}, 0},
		{"corrupt", []coreRaw{{b0: finText | rsv1, payload: "\xff"}}, nil, StatusInvalidPayloadData},
		{"truncated", []coreRaw{{b0: finText | rsv1, payload: deflated("a")[:1]}}, nil, StatusInvalidPayloadData},
		{"too big", []coreRaw{{b0: finText | rsv1, payload: deflated(strings.Repeat("a", 1<<20+1))}}, nil, StatusMessageTooBig},
		{"another bit", []coreRaw{{b0: finText | rsv1 | rsv2}}, nil, StatusProtocolError},
		{"continuation", []coreRaw{{b0: firstText | rsv1}, {b0: last | rsv1}}, nil, StatusProtocolError},
		{"Ping", []coreRaw{{b0: finPing | rsv1}}, nil, StatusProtocolError},
		{"Close", []coreRaw{{b0: finClose | rsv1}}, nil, StatusProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := NewParser(RFC6455, ServerSide, Config{})
			p.dec.useCompression(&pmdParams{Params: permessage.Params{ClientWindowBits: 15}})
			var heard []string
			p.Append(coreWire(ServerSide, tt.frames...))
			m, err := p.Next()
			for ; err == nil; m, err = p.Next() {
				heard = append(heard, coreText(m))
			}
			coreWantHeard(t, heard, tt.heard)
			if coreCode(err) != tt.code {
				t.Errorf("ended with %v, want %d", err, tt.code)
			}
		})
	}
}

// What a peer is told of a message that cannot be decompressed, and what the program is told.
func TestInflateErrors(t *testing.T) {
	zipped := deflated(strings.Repeat("a", 1001))
	for _, tt := range []struct{ name, payload, want string }{
		{"corrupt", "\xff", "websocket: peer broke the protocol (1007): expected a message compressed as RFC 1951 has it: block of type 3, which there is not, at byte 1 of 1"},
		{"truncated", "\x00\x01", "websocket: peer broke the protocol (1007): expected a message compressed as RFC 1951 has it: truncated, at byte 1 of 2"},
		{"too big", zipped, fmt.Sprintf("websocket: peer exceeded a limit (1009): message too big: %d compressed bytes inflate to more than the limit of 1000", len(zipped))},
	} {
		p, err := NewParser(RFC6455, ServerSide, Config{MaxMessageSize: 1000})
		if err != nil {
			t.Fatal(err)
		}
		p.dec.useCompression(&pmdParams{Params: permessage.Params{ClientWindowBits: 15}})
		p.Append(coreWire(ServerSide, coreRaw{b0: finBinary | rsv1, payload: tt.payload}))
		_, err = p.Next()
		var broke *ProtocolError
		if !errors.As(err, &broke) || err.Error() != tt.want || errors.Is(err, ErrMessageTooBig) != (broke.Code == StatusMessageTooBig) {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.want)
		}
	}
}

func deflated(s string) string {
	d := deflate.Compressor{WindowBits: 15}
	return string(d.Append(nil, []byte(s)))
}

func TestDecoderTrace(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    Version
		wire string
		want []FrameInfo
	}{
		{"hybi", RFC6455, "0101 61 8901 70 8002 6263 8802 03e8", []FrameInfo{
			{Opcode: Text, Length: 1}, {Opcode: Ping, Fin: true, Length: 1}, {Opcode: Continuation, Fin: true, Length: 2}, {Opcode: Close, Fin: true, Length: 2},
		}},
		{"hixie", Hybi00, "0061ff 80026162 ff00", []FrameInfo{{Opcode: Text, Fin: true, Length: -1}, {Opcode: Close, Fin: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []int{1, 100} {
				p, _ := NewParser(tt.v, ClientSide, Config{})
				var got []FrameInfo
				p.dec.trace = func(f FrameInfo) { got = append(got, f) }
				var r coreReplay
				for _, chunk := range coreCut([][]byte{coreHex(t, tt.wire)}, n) {
					r.parse(p, tt.v, ClientSide, chunk)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("pieces of %d: told of %+v, want %+v", n, got, tt.want)
				}
			}
		})
	}
}

// What a limit means, and what the error says when it is exceeded.
func TestDecoderLimits(t *testing.T) {
	for _, tt := range []struct {
		cfg       Config
		size      int64
		fragments int
	}{
		{Config{}, 1 << 20, 4096},
		{Config{MaxMessageSize: 5, MaxFragments: 6}, 5, 6},
		{Config{MaxMessageSize: -1, MaxFragments: -1}, math.MaxInt64, math.MaxInt},
	} {
		if d := newDecoder(RFC6455, ServerSide, &tt.cfg); d.maxSize != tt.size || d.maxFragments != tt.fragments {
			t.Errorf("%+v: limits %d and %d, want %d and %d", tt.cfg, d.maxSize, d.maxFragments, tt.size, tt.fragments)
		}
	}
	const want = "message too big: 3 bytes, and a frame of 8 more: limit is 10"
	wire := coreWire(ServerSide, coreRaw{b0: firstText, payload: "abc"}, coreRaw{b0: last, payload: "12345678"})
	if got := coreParse(RFC6455, ServerSide, Config{MaxMessageSize: 10}, [][]byte{wire}); !strings.HasSuffix(fmt.Sprint(got.err), want) || !errors.Is(got.err, ErrMessageTooBig) {
		t.Errorf("error is %q, want it to say %q and to wrap ErrMessageTooBig", got.err, want)
	}
}
