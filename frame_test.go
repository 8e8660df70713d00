package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

// The examples of RFC 6455 section 5.7, and a header of each form.
func TestAppendFrame(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, tt := range []struct {
		name  string
		frame Frame
		want  string // hex, or the first bytes of it
	}{
		{"unmasked text", Frame{Fin: true, Opcode: Text, Payload: []byte("Hello")}, "81 05 48656c6c6f"},
		{"masked text", Frame{Fin: true, Opcode: Text, Masked: true, MaskKey: key, Payload: []byte("Hello")}, "81 85 37fa213d 7f9f4d5158"},
		{"first fragment", Frame{Opcode: Text, Payload: []byte("Hel")}, "01 03 48656c"},
		{"last fragment", Frame{Fin: true, Payload: []byte("lo")}, "80 02 6c6f"},
		{"middle fragment", Frame{Payload: []byte("l")}, "00 01 6c"},
		{"Ping", Frame{Fin: true, Opcode: Ping, Payload: []byte("Hello")}, "89 05 48656c6c6f"},
		{"masked Pong", Frame{Fin: true, Opcode: Pong, Masked: true, MaskKey: key, Payload: []byte("Hello")}, "8a 85 37fa213d 7f9f4d5158"},
		{"empty Close", Frame{Fin: true, Opcode: Close}, "88 00"},
		{"masked empty", Frame{Fin: true, Opcode: Binary, Masked: true, MaskKey: key}, "82 80 37fa213d"},
		{"all reserved bits", Frame{Fin: true, RSV: 7, Opcode: Binary}, "f2 00"},
		{"RSV1", Frame{RSV: 4, Opcode: Text}, "41 00"},
		{"125 bytes", Frame{Fin: true, Opcode: Binary, Payload: make([]byte, 125)}, "82 7d 00"},
		{"126 bytes", Frame{Fin: true, Opcode: Binary, Payload: make([]byte, 126)}, "82 7e 007e 00"},
		{"256 bytes", Frame{Fin: true, Opcode: Binary, Payload: make([]byte, 256)}, "82 7e 0100 00"},
		{"65535 bytes", Frame{Fin: true, Opcode: Binary, Payload: make([]byte, 65535)}, "82 7e ffff 00"},
		{"65536 bytes", Frame{Fin: true, Opcode: Binary, Payload: make([]byte, 65536)}, "82 7f 0000000000010000 00"},
		{"65536 bytes, masked", Frame{Fin: true, Opcode: Binary, Masked: true, MaskKey: key, Payload: make([]byte, 65536)}, "82 ff 0000000000010000 37fa213d 37fa"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.want)
			for _, v := range hybiVersions {
				got, err := AppendFrame([]byte("before"), v, tt.frame)
				if err != nil || !bytes.HasPrefix(got, append([]byte("before"), want...)) {
					t.Errorf("%v: AppendFrame gives % x, error %v: want % x", v, got[:min(30, len(got))], err, want)
				}
				testReparse(t, v, tt.frame, got[len("before"):])
			}
		})
	}
}

// testReparse parses what AppendFrame gave, with other bytes behind it, and
// checks that of each beginning no frame comes.
func testReparse(t *testing.T, v Version, f Frame, wire []byte) {
	t.Helper()
	got, n, err := ParseFrame(append(wire[:len(wire):len(wire)], 0xff, 0), v)
	if err != nil || n != len(wire) {
		t.Fatalf("%v: ParseFrame takes %d bytes of %d, error %v", v, n, len(wire), err)
	}
	if f.Payload == nil {
		f.Payload = []byte{}
	}
	if !reflect.DeepEqual(got, f) {
		t.Errorf("%v: frame came back with another meaning: %+.99v, want %+.99v", v, got, f)
	}
	for cut := 0; cut < len(wire); cut += max(1, (len(wire)-20)/5) {
		if f, n, err := ParseFrame(wire[:cut], v); err != io.ErrUnexpectedEOF || n != 0 {
			t.Errorf("%v: first %d bytes of % x parse as %+v, n %d, error %v: want io.ErrUnexpectedEOF", v, cut, wire[:min(20, len(wire))], f, n, err)
		}
	}
}

// Frames that nobody may send. Nothing is appended, and what the old versions
// lack can be told from mistakes.
func TestAppendFrameRefuses(t *testing.T) {
	const none, hybi, hixie, all = 0, 1, 2, 3
	for _, tt := range []struct {
		name     string
		frame    Frame
		refusing int // versions
		lacking  int // versions whose error wraps errors.ErrUnsupported
	}{
		{"opcode 3", Frame{Fin: true, Opcode: 3}, all, hixie},
		{"opcode 7", Frame{Fin: true, Opcode: 7}, all, hixie},
		{"opcode 11", Frame{Fin: true, Opcode: 11}, all, hixie},
		{"opcode 16", Frame{Fin: true, Opcode: 16}, all, hixie},
		{"opcode 129", Frame{Fin: true, Opcode: 129}, all, hixie},
		{"four reserved bits", Frame{Fin: true, RSV: 8, Opcode: Text}, all, hixie},
		{"Ping of 126 bytes", Frame{Fin: true, Opcode: Ping, Payload: make([]byte, 126)}, all, hixie},
		{"Close of 126 bytes", Frame{Fin: true, Opcode: Close, Payload: make([]byte, 126)}, all, hixie},
		{"fragmented Ping", Frame{Opcode: Ping}, all, hixie},
		{"fragmented Close", Frame{Opcode: Close}, all, hixie},
		{"Ping", Frame{Fin: true, Opcode: Ping}, hixie, hixie},
		{"Pong", Frame{Fin: true, Opcode: Pong}, hixie, hixie},
		{"Binary", Frame{Fin: true, Opcode: Binary, Payload: []byte("a")}, hixie, hixie},
		{"Continuation", Frame{Fin: true}, hixie, hixie},
		{"fragment", Frame{Opcode: Text, Payload: []byte("a")}, hixie, hixie},
		{"masked text", Frame{Fin: true, Opcode: Text, Masked: true}, hixie, hixie},
		{"RSV1", Frame{Fin: true, RSV: 4, Opcode: Text}, hixie, hixie},
		{"masked Close", Frame{Fin: true, Opcode: Close, Masked: true}, hixie, hixie},
		{"Close with a code", Frame{Fin: true, Opcode: Close, Payload: []byte{3, 232}}, hixie, hixie},
		{"ff in text", Frame{Fin: true, Opcode: Text, Payload: []byte("a\xff")}, hixie, none},
		{"half a character", Frame{Fin: true, Opcode: Text, Payload: []byte("\xe2\x82")}, hixie, none},
		{"text", Frame{Fin: true, Opcode: Text, Payload: []byte("a\x00b")}, none, none},
		{"empty Close", Frame{Fin: true, Opcode: Close}, none, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range allVersions {
				family := hybi
				if v.hixie() {
					family = hixie
				}
				got, err := AppendFrame([]byte("before"), v, tt.frame)
				if refused := tt.refusing&family != 0; refused != (err != nil) || refused && string(got) != "before" {
					t.Errorf("%v: appends % x, error %v", v, got[len("before"):], err)
				}
				if lacking := tt.lacking&family != 0; lacking != errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("%v: error is %v, want errors.ErrUnsupported in it: %v", v, err, lacking)
				}
				if err != nil && !strings.HasPrefix(err.Error(), "websocket: ") {
					t.Errorf("%v: error %q does not say where it comes from", v, err)
				}
			}
		})
	}
}

func TestFrameFunctionsRefuseUnknownVersion(t *testing.T) {
	for _, v := range []Version{versions, 100, 255} {
		for name, f := range map[string]func() ([]byte, error){
			"AppendFrame":   func() ([]byte, error) { return AppendFrame([]byte("a"), v, Frame{Fin: true, Opcode: Text}) },
			"AppendMessage": func() ([]byte, error) { return AppendMessage([]byte("a"), v, ServerSide, Text, nil) },
			"AppendClose":   func() ([]byte, error) { return AppendClose([]byte("a"), v, ServerSide, 1000, "") },
			"ParseFrame": func() ([]byte, error) {
				_, n, err := ParseFrame([]byte{0, 0xff, 0x81, 0}, v)
				return []byte("a")[:1+n], err
			},
		} {
			if got, err := f(); err == nil || string(got) != "a" {
				t.Errorf("%s of %v gives %q, error %v: want an error", name, v, got, err)
			}
		}
	}
}

// What one side appends the other side's Parser hears.
func TestAppendMessage(t *testing.T) {
	for _, m := range []Message{
		{Text, []byte{}}, {Text, []byte("Hello, 世界")}, {Text, bytes.Repeat([]byte("a"), 126)}, {Text, bytes.Repeat([]byte("b"), 65536)},
		{Binary, []byte{}}, {Binary, []byte{0, 1, 0xfe, 0xff}}, {Binary, make([]byte, 70_000)},
		{Ping, []byte("p")}, {Pong, make([]byte, 125)},
	} {
		t.Run(fmt.Sprintf("%v of %d", m.Type, len(m.Data)), func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v Version, side Side) {
				if v.hixie() && m.Type != Text {
					return // TestAppendMessageRefuses
				}
				sent := bytes.Clone(m.Data)
				wire, err := AppendMessage([]byte("before"), v, 1-side, m.Type, m.Data)
				if err != nil || !bytes.HasPrefix(wire, []byte("before")) {
					t.Fatalf("% x, error %v", wire[:min(20, len(wire))], err)
				}
				if !bytes.Equal(sent, m.Data) {
					t.Error("AppendMessage has changed the message")
				}
				got := replayFrames(v, side, Config{}, [][]byte{wire[len("before"):]})
				wantHeard(t, got.heard, []string{describe(m)})
			})
		})
	}
}

func TestAppendMessageRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		typ     MessageType
		payload string
		hybi    bool // refused there too
		lacking bool // in the hixie versions
	}{
		{"Close", Close, "", true, false},
		{"Continuation", Continuation, "", true, false},
		{"opcode 3", 3, "", true, true},
		{"opcode 255", 255, "", true, true},
		{"Ping of 126 bytes", Ping, text125 + "x", true, true},
		{"Ping", Ping, "", false, true},
		{"Pong", Pong, "", false, true},
		{"Binary", Binary, "a", false, true},
		// "Hixie writers refuse bytes that are not UTF-8."
		{"ff", Text, "a\xffb", false, false},
		{"half a character", Text, "\xf0\x9f\x98", false, false},
		{"surrogate", Text, "\xed\xa0\x80", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v Version, side Side) {
				got, err := AppendMessage([]byte("before"), v, side, tt.typ, []byte(tt.payload))
				if refused := tt.hybi || v.hixie(); refused != (err != nil) || refused && string(got) != "before" {
					t.Errorf("appends % x, error %v", got[len("before"):], err)
				}
				if lacking := tt.lacking && v.hixie(); lacking != errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("error is %v, want errors.ErrUnsupported in it: %v", err, lacking)
				}
			})
		})
	}
}

// "A reason over 123 bytes refused before anything is sent."
func TestAppendClose(t *testing.T) {
	for _, tt := range []struct {
		name   string
		code   StatusCode
		reason string
		want   string // payload in hex
		fails  string
	}{
		{"code", 1000, "", "03e8", ""},
		{"code and reason", 1001, "bye", "03e9 627965", ""},
		{"private code", 4999, "é", "1387 c3a9", ""},
		{"no code", StatusNoStatusReceived, "", "", ""},
		{"reason of 123 bytes", 1000, text125[:123], "03e8" + fmt.Sprintf("%x", text125[:123]), ""},
		{"reason of 124 bytes", 1000, text125[:124], "", "124 bytes"},
		{"reason without code", StatusNoStatusReceived, "why", "", "1005"},
		{"reason not UTF-8", 1000, "\xff", "", "UTF-8"},
		{"code 0", 0, "", "", "0 may not"},
		{"code 999", 999, "", "", "999"},
		{"code 1004", 1004, "", "", "1004"},
		{"code 1006", StatusAbnormalClosure, "", "", "1006"},
		{"code 1015", StatusTLSHandshake, "", "", "1015"},
		{"code 2999", 2999, "", "", "2999"},
		{"code 5000", 5000, "", "", "5000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v Version, side Side) {
				got, err := AppendClose([]byte("before"), v, side, tt.code, tt.reason)
				if tt.fails != "" {
					if err == nil || !strings.Contains(err.Error(), tt.fails) || string(got) != "before" {
						t.Errorf("appends % x, error %v: want an error that says %q", got[len("before"):], err, tt.fails)
					}
					return
				}
				if err != nil || !bytes.HasPrefix(got, []byte("before")) {
					t.Fatalf("% x, error %v", got, err)
				}
				testClose(t, v, side, got[len("before"):], unhex(t, tt.want))
			})
		})
	}
}

func testClose(t *testing.T, v Version, side Side, wire, payload []byte) {
	t.Helper()
	switch v {
	case Hixie75:
		if len(wire) > 0 {
			t.Errorf("closing frame % x, but this version has none", wire)
		}
	case Hybi00:
		if !bytes.Equal(wire, []byte{0xff, 0}) {
			t.Errorf("closing frame is % x, want ff 00", wire)
		}
	default:
		f, n, err := ParseFrame(wire, v)
		if err != nil || n != len(wire) || f.Opcode != Close || !f.Fin || f.Masked != (side == ClientSide) || !bytes.Equal(f.Payload, payload) {
			t.Errorf("closing frame is % x, that is %+v, error %v: want payload % x", wire, f, err, payload)
		}
	}
}

// "Masks are new for every frame": no two of a thousand are the same, but for
// chance.
func TestMasksOfMessagesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		m, err := AppendMessage(nil, RFC6455, ClientSide, Text, []byte("same"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := AppendClose(nil, RFC6455, ClientSide, 1000, "")
		if err != nil {
			t.Fatal(err)
		}
		seen[string(m[2:6])], seen[string(c[2:6])] = true, true
	}
	if len(seen) < 1998 {
		t.Errorf("%d different masks in 2000 frames", len(seen))
	}
}

// An append to the payload of one frame must not write over the next.
func TestParseFramePayloadHasNoRoomBehindIt(t *testing.T) {
	wire := []byte("\x81\x01a\x81\x01b")
	f, _, err := ParseFrame(wire, RFC6455)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(f.Payload, 0xee)
	if string(wire) != "\x81\x01a\x81\x01b" {
		t.Errorf("bytes are now %q", wire)
	}
}

func TestParseFrameErrors(t *testing.T) {
	for _, tt := range []struct{ name, wire string }{
		{"reserved opcode", "8300"},
		{"reserved control opcode", "8f00"},
		{"long Ping", "897e007e"},
		{"fragmented Ping", "0900"},
		{"length not minimal in 16 bits", "827e007d"},
		{"length not minimal in 64 bits", "827f000000000000ffff"},
		{"length with the top bit set", "827f8000000000000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range hybiVersions {
				if _, n, err := ParseFrame(unhex(t, tt.wire), v); codeOf(err) != StatusProtocolError || n != 0 {
					t.Errorf("%v: n %d, error %v: want a ProtocolError with %d", v, n, err, StatusProtocolError)
				}
			}
		})
	}
}

func TestMessageTypeString(t *testing.T) {
	for typ, want := range map[MessageType]string{
		Continuation: "Continuation", Text: "Text", Binary: "Binary", Close: "Close", Ping: "Ping", Pong: "Pong",
		3: "opcode 3", 11: "opcode 11", 255: "opcode 255",
	} {
		if got := typ.String(); got != want {
			t.Errorf("MessageType(%d) is %q, want %q", uint8(typ), got, want)
		}
	}
}

// Into a slice with room nothing is allocated, whatever the version and side.
func TestAppendAllocatesNothing(t *testing.T) {
	for _, size := range []int{0, 5, 125, 1024, 65536} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p, dst := bytes.Repeat([]byte("a"), size), make([]byte, 0, size+maxHeader)
			eachSide(t, allVersions, func(t *testing.T, v Version, side Side) {
				f := Frame{Fin: true, Opcode: Text, Masked: side == ClientSide && !v.hixie(), Payload: p}
				for name, run := range map[string]func() ([]byte, error){
					"AppendFrame":   func() ([]byte, error) { return AppendFrame(dst, v, f) },
					"AppendMessage": func() ([]byte, error) { return AppendMessage(dst, v, side, Text, p) },
					"AppendClose":   func() ([]byte, error) { return AppendClose(dst, v, side, 1000, "bye") },
				} {
					if name == "AppendClose" && size < 5 {
						continue // no room
					}
					if n := testing.AllocsPerRun(50, func() { run() }); n != 0 {
						t.Errorf("%s: %v allocations, want 0", name, n)
					}
				}
			})
		})
	}
}
