package websocket_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// parserRule is a sequence of frames and what a Parser must return for it.
type parserRule struct {
	name   string
	frames []rawFrame
	heard  []string
	code   websocket.StatusCode // 0: all is well
	says   string               // part of the error
}

var parserRules = []parserRule{
	// "Reserved bits and opcodes; 126-byte and fragmented control frames; text
	// inside fragmented text; continuation first; data after Close ignored;
	// non-minimal lengths."
	{"RSV1 on text", []rawFrame{{b0: finText | rsv1}}, nil, websocket.StatusProtocolError, "reserved bits 100"},
	{"RSV2 on text", []rawFrame{{b0: finText | rsv2}}, nil, websocket.StatusProtocolError, "reserved bits 010"},
	{"RSV3 on text", []rawFrame{{b0: finText | rsv3}}, nil, websocket.StatusProtocolError, "reserved bits 001"},
	{"RSV1 on binary", []rawFrame{{b0: finBinary | rsv1}}, nil, websocket.StatusProtocolError, "reserved bits"},
	{"RSV1 on a continuation", []rawFrame{{b0: firstText}, {b0: last | rsv1}}, nil, websocket.StatusProtocolError, "reserved bits"},
	{"RSV1 on a Ping", []rawFrame{{b0: finPing | rsv1}}, nil, websocket.StatusProtocolError, "reserved bits"},
	{"RSV1 on a Pong", []rawFrame{{b0: finPong | rsv1}}, nil, websocket.StatusProtocolError, "reserved bits"},
	{"RSV1 on a Close", []rawFrame{{b0: finClose | rsv1}}, nil, websocket.StatusProtocolError, "reserved bits"},
	{"opcode 3", []rawFrame{{b0: fin | 3}}, nil, websocket.StatusProtocolError, "opcode 3"},
	{"opcode 4", []rawFrame{{b0: fin | 4}}, nil, websocket.StatusProtocolError, "opcode 4"},
	{"opcode 7", []rawFrame{{b0: 7}}, nil, websocket.StatusProtocolError, "opcode 7"},
	{"opcode 11", []rawFrame{{b0: fin | 11}}, nil, websocket.StatusProtocolError, "opcode 11"},
	{"opcode 15", []rawFrame{{b0: fin | 15}}, nil, websocket.StatusProtocolError, "opcode 15"},
	{"opcode 3 inside a message", []rawFrame{{b0: firstText}, {b0: fin | 3}}, nil, websocket.StatusProtocolError, "opcode 3"},
	{"Ping of 125 bytes", []rawFrame{{b0: finPing, payload: text125}}, []string{fmt.Sprintf("Ping %q", text125)}, 0, ""},
	{"Ping of 126 bytes", []rawFrame{{b0: finPing, payload: text125 + "x"}}, nil, websocket.StatusProtocolError, "more than 125"},
	{"Pong of 126 bytes", []rawFrame{{b0: finPong, payload: text125 + "x"}}, nil, websocket.StatusProtocolError, "more than 125"},
	{"Close of 126 bytes", []rawFrame{rawClose(1000, text125[:124])}, nil, websocket.StatusProtocolError, "more than 125"},
	{"Ping of 2^40 bytes", []rawFrame{{b0: finPing, form: 64, length: 1 << 40}}, nil, websocket.StatusProtocolError, "more than 125"},
	{"Ping of 2 bytes in 64 bits", []rawFrame{{b0: finPing, form: 64, length: 2}}, nil, websocket.StatusProtocolError, "more than 125"},
	{"fragmented Ping", []rawFrame{{b0: byte(websocket.Ping)}}, nil, websocket.StatusProtocolError, "fragmented Ping"},
	{"fragmented Pong", []rawFrame{{b0: byte(websocket.Pong), payload: "x"}}, nil, websocket.StatusProtocolError, "fragmented Pong"},
	{"fragmented Close", []rawFrame{{b0: byte(websocket.Close)}}, nil, websocket.StatusProtocolError, "fragmented Close"},
	{"text inside fragmented text", []rawFrame{{b0: firstText, payload: "a"}, {b0: finText, payload: "b"}}, nil, websocket.StatusProtocolError, "inside a fragmented message"},
	{"binary inside fragmented text", []rawFrame{{b0: firstText}, {b0: byte(websocket.Binary)}}, nil, websocket.StatusProtocolError, "inside a fragmented message"},
	{"continuation first", []rawFrame{{b0: last, payload: "a"}}, nil, websocket.StatusProtocolError, "without a message"},
	{"unfinished continuation first", []rawFrame{{b0: more, payload: "a"}}, nil, websocket.StatusProtocolError, "without a message"},
	{"continuation after a message", []rawFrame{{b0: finText, payload: "a"}, {b0: last}}, []string{`Text "a"`}, websocket.StatusProtocolError, "without a message"},
	{"continuation after fragments", []rawFrame{{b0: firstText}, {b0: last}, {b0: last}}, []string{`Text ""`}, websocket.StatusProtocolError, "without a message"},
	{"continuation after a Ping", []rawFrame{{b0: finPing}, {b0: last}}, []string{`Ping ""`}, websocket.StatusProtocolError, "without a message"},
	{"length 0 in 16 bits", []rawFrame{{b0: finText, form: 16}}, nil, websocket.StatusProtocolError, "0 written in 16 bits"},
	{"length 125 in 16 bits", []rawFrame{{b0: finText, form: 16, length: 125}}, nil, websocket.StatusProtocolError, "125 written in 16 bits"},
	{"length 126 in 16 bits", []rawFrame{{b0: finText, payload: text125 + "x"}}, []string{fmt.Sprintf("Text %q", text125+"x")}, 0, ""},
	{"length 0 in 64 bits", []rawFrame{{b0: finText, form: 64}}, nil, websocket.StatusProtocolError, "0 written in 64 bits"},
	{"length 126 in 64 bits", []rawFrame{{b0: finText, form: 64, length: 126}}, nil, websocket.StatusProtocolError, "126 written in 64 bits"},
	{"length 65535 in 64 bits", []rawFrame{{b0: finText, form: 64, length: 65535}}, nil, websocket.StatusProtocolError, "65535 written in 64 bits"},
	{"masking in the wrong direction", []rawFrame{{b0: finText, payload: "Hello", flip: true}}, nil, websocket.StatusProtocolError, "masked"},
	{"masking in the wrong direction, empty", []rawFrame{{b0: finText, flip: true}}, nil, websocket.StatusProtocolError, "masked"},
	{"Ping masked in the wrong direction", []rawFrame{{b0: firstText}, {b0: finPing, flip: true}}, nil, websocket.StatusProtocolError, "masked"},
	{"data after Close", []rawFrame{rawClose(1000, ""), {b0: finText, payload: "a"}}, []string{`Close 1000 ""`}, 0, ""},
	{"rubbish after Close", []rawFrame{rawClose(1000, "bye"), {b0: 0xff, payload: "\xff"}}, []string{`Close 1000 "bye"`}, 0, ""},
	{"second Close", []rawFrame{rawClose(1000, ""), rawClose(1001, "")}, []string{`Close 1000 ""`}, 0, ""},

	{"fragments", []rawFrame{{b0: byte(websocket.Binary), payload: "\xff"}, {b0: more}, {b0: more, payload: "\x00a"}, {b0: last, payload: "\xfe"}}, []string{`Binary "\xff\x00a\xfe"`}, 0, ""},
	{
		"control frames between fragments",
		[]rawFrame{{b0: finPong, payload: "0"}, {b0: firstText, payload: "a"}, {b0: finPing, payload: "1"}, {b0: finPong}, {b0: more, payload: "b"}, {b0: finPing, payload: "2"}, {b0: last, payload: "c"}},
		[]string{`Pong "0"`, `Ping "1"`, `Pong ""`, `Ping "2"`, `Text "abc"`}, 0, "",
	},
	{"Close between fragments", []rawFrame{{b0: firstText, payload: "a"}, rawClose(1001, ""), {b0: last}}, []string{`Close 1001 ""`}, 0, ""},
	{"messages in a row", []rawFrame{{b0: finText, payload: "a"}, {b0: finBinary, payload: "b"}, {b0: finText}, {b0: finText, payload: "c"}}, []string{`Text "a"`, `Binary "b"`, `Text ""`, `Text "c"`}, 0, ""},

	// "Invalid UTF-8 whole, split over fragments, early in an endless message
	// (fails at once)."
	{"text of ff", []rawFrame{{b0: finText, payload: "\xff"}}, nil, websocket.StatusInvalidPayloadData, "0xff"},
	{"surrogate in text", []rawFrame{{b0: finText, payload: "a\xed\xa0\x80"}}, nil, websocket.StatusInvalidPayloadData, "0xa0"},
	{"overlong slash in text", []rawFrame{{b0: finText, payload: "\xc0\xaf"}}, nil, websocket.StatusInvalidPayloadData, "0xc0"},
	{"beyond U+10FFFF in text", []rawFrame{{b0: finText, payload: "\xf4\x90\x80\x80"}}, nil, websocket.StatusInvalidPayloadData, "0x90"},
	{"text that ends within a character", []rawFrame{{b0: finText, payload: "a\xe2\x82"}}, nil, websocket.StatusInvalidPayloadData, "ends within"},
	{"fragments that end within a character", []rawFrame{{b0: firstText, payload: "\xe2"}, {b0: last, payload: "\x82"}}, nil, websocket.StatusInvalidPayloadData, "ends within"},
	{"character left open by an empty fragment", []rawFrame{{b0: firstText, payload: "\xe2\x82"}, {b0: last}}, nil, websocket.StatusInvalidPayloadData, "ends within"},
	{"character split over fragments", []rawFrame{{b0: firstText, payload: "\xe2"}, {b0: more, payload: "\x82"}, {b0: last, payload: "\xac"}}, []string{`Text "€"`}, 0, ""},
	{"invalid UTF-8 split over fragments", []rawFrame{{b0: firstText, payload: "\xe2"}, {b0: more}, {b0: last, payload: "A"}}, nil, websocket.StatusInvalidPayloadData, "0x41"},
	{"Ping within a character", []rawFrame{{b0: firstText, payload: "\xe2\x82"}, {b0: finPing, payload: "\xff"}, {b0: last, payload: "\xac"}}, []string{`Ping "\xff"`, `Text "€"`}, 0, ""},
	{"invalid UTF-8 early in an endless message", []rawFrame{{b0: finText, form: 64, length: 1 << 20, payload: "ok\xfe"}}, nil, websocket.StatusInvalidPayloadData, "0xfe"},
	{"character left open by the message before", []rawFrame{{b0: finBinary, payload: "\xe2\x82"}, {b0: finText, payload: "a"}}, []string{`Binary "\xe2\x82"`, `Text "a"`}, 0, ""},
	{"anything in binary", []rawFrame{{b0: finBinary, payload: "\xff\xc0\x80"}}, []string{`Binary "\xff\xc0\x80"`}, 0, ""},

	// "Close: 1-byte payload; invalid UTF-8 in the reason."
	{"Close with a payload of 1 byte", []rawFrame{{b0: finClose, payload: "\x03"}}, nil, websocket.StatusProtocolError, "1 byte"},
	{"Close without a payload", []rawFrame{{b0: finClose}}, []string{closedWithoutCode}, 0, ""},
	{"Close with a reason", []rawFrame{rawClose(4999, "naïve")}, []string{`Close 4999 "naïve"`}, 0, ""},
	{"Close with a reason of 123 bytes", []rawFrame{rawClose(1000, text125[2:])}, []string{fmt.Sprintf("Close 1000 %q", text125[2:])}, 0, ""},
	{"Close with invalid UTF-8 in the reason", []rawFrame{rawClose(1000, "a\xff")}, nil, websocket.StatusInvalidPayloadData, "not valid UTF-8"},
	{"Close whose reason ends within a character", []rawFrame{rawClose(1000, "a\xe2\x82")}, nil, websocket.StatusInvalidPayloadData, "not valid UTF-8"},
}

// Each rule in each version, on each side, whole and byte by byte.
func TestParserRules(t *testing.T) {
	for _, tt := range parserRules {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				wire := rawFrames(side, tt.frames...)
				for _, n := range []int{1, 3, 1 << 20} {
					got := replayFrames(v, side, websocket.Config{}, cut([][]byte{wire}, n))
					wantHeard(t, got.heard, tt.heard)
					wantCode(t, got.err, tt.code, endsClosed(tt.heard))
					if tt.code != 0 && !strings.Contains(fmt.Sprint(got.err), tt.says) {
						t.Errorf("in pieces of %d: error is %q, want one that says %q", n, got.err, tt.says)
					}
				}
			})
		})
	}
}

// "Codes 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000 refused,
// 1000-1003, 1007-1014, 3000-4999 accepted." 1004 meant "too large" in the
// drafts of versions 7 and 8.
func TestParserCloseCodes(t *testing.T) {
	refused := []uint16{0, 1, 999, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}
	accepted := []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}
	eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		refused, accepted := refused, accepted
		if v == websocket.RFC6455 {
			refused = append(refused[:len(refused):len(refused)], 1004)
		} else {
			accepted = append(accepted[:len(accepted):len(accepted)], 1004)
		}
		for _, code := range refused {
			got := replayFrames(v, side, websocket.Config{}, [][]byte{rawFrames(side, rawClose(code, "why"))})
			wantCode(t, got.err, websocket.StatusProtocolError, false)
			if len(got.heard) > 0 {
				t.Errorf("code %d: heard %s, want it refused", code, got.heard)
			}
		}
		for _, code := range accepted {
			got := replayFrames(v, side, websocket.Config{}, [][]byte{rawFrames(side, rawClose(code, "why"))})
			wantHeard(t, got.heard, []string{fmt.Sprintf("Close %d %q", code, "why")})
		}
	})
}

// "Invalid UTF-8 early in an endless message (fails at once)": at the first
// byte after which nothing can make it valid.
func TestInvalidUTF8FailsAtTheFirstBadByte(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"in ASCII", strings.Repeat("a", 1000) + "\x80"},
		{"after a long character", strings.Repeat("😀", 100) + "\xf0\x9f\x98\xc0"},
		{"second byte", "\xe0\x80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				for _, b0 := range []byte{firstText, finText} {
					wire := rawFrames(side, rawFrame{b0: b0, form: 64, length: 1 << 19, payload: tt.text})
					p, _ := websocket.NewParser(v, side, websocket.Config{})
					for i := range wire {
						p.Append(wire[i : i+1])
						_, err := p.Next()
						if bad := i == len(wire)-1; bad == errors.Is(err, websocket.ErrIncomplete) {
							t.Fatalf("after byte %d of %d: error %v", i+1, len(wire), err)
						}
					}
				}
			})
		})
	}
}

// A Parser that has failed, or has returned a Close, keeps returning the same
// error.
func TestParserErrorsAreFinal(t *testing.T) {
	for _, tt := range []struct {
		name  string
		frame rawFrame
		want  error // nil: a ProtocolError
	}{
		{"Close", rawClose(1000, ""), io.EOF},
		{"protocol error", rawFrame{b0: fin | 3}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				p, _ := websocket.NewParser(v, side, websocket.Config{})
				p.Append(rawFrames(side, tt.frame))
				_, first := p.Next()
				for range 3 {
					p.Append(rawFrames(side, rawFrame{b0: finText, payload: "a"}))
					m, err := p.Next()
					if want := tt.want; want == nil && err != first || want != nil && err != want {
						t.Errorf("Next returns %v, error %v: want no more than the end, %v", m, err, first)
					}
				}
			})
		})
	}
}

func TestNewParserRefusesUnknownVersion(t *testing.T) {
	for _, v := range []websocket.Version{websocket.Hixie75 + 1, 255} {
		if p, err := websocket.NewParser(v, websocket.ServerSide, websocket.Config{}); err == nil || p != nil {
			t.Errorf("NewParser(%v) is %v, error %v: want an error", v, p, err)
		}
	}
}

// The caller may use the memory of a chunk again as soon as Append returns.
func TestParserCopiesChunk(t *testing.T) {
	eachSide(t, hybiVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		wire := rawFrames(side, rawFrame{b0: firstText, payload: "one "}, rawFrame{b0: finPing, payload: "ping"},
			rawFrame{b0: last, payload: "two"}, rawFrame{b0: finPong, payload: "pong"}, rawFrame{b0: finText, payload: "three"})
		want := []string{`Ping "ping"`, `Text "one two"`, `Pong "pong"`, `Text "three"`}
		for n := 1; n <= len(wire); n++ {
			var got replay
			p, _ := websocket.NewParser(v, side, websocket.Config{})
			chunk := make([]byte, n)
			for rest := wire; len(rest) > 0; {
				taken := copy(chunk, rest)
				rest = rest[taken:]
				p.Append(chunk[:taken])
				clear(chunk)
				got.parse(p, v, side, nil)
			}
			wantHeard(t, got.heard, want)
		}
	})
}
