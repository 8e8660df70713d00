package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// The examples of RFC 6455 section 5.7, and a header of each form.
func TestAppendFrame(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, tt := range []struct {
		name  string
		frame websocket.Frame
		want  string // hex, or the first bytes of it
	}{
		{"unmasked text", websocket.Frame{Fin: true, Opcode: websocket.Text, Payload: []byte("Hello")}, "81 05 48656c6c6f"},
		{"masked text", websocket.Frame{Fin: true, Opcode: websocket.Text, Masked: true, MaskKey: key, Payload: []byte("Hello")}, "81 85 37fa213d 7f9f4d5158"},
		{"first fragment", websocket.Frame{Opcode: websocket.Text, Payload: []byte("Hel")}, "01 03 48656c"},
		{"last fragment", websocket.Frame{Fin: true, Payload: []byte("lo")}, "80 02 6c6f"},
		{"middle fragment", websocket.Frame{Payload: []byte("l")}, "00 01 6c"},
		{"Ping", websocket.Frame{Fin: true, Opcode: websocket.Ping, Payload: []byte("Hello")}, "89 05 48656c6c6f"},
		{"masked Pong", websocket.Frame{Fin: true, Opcode: websocket.Pong, Masked: true, MaskKey: key, Payload: []byte("Hello")}, "8a 85 37fa213d 7f9f4d5158"},
		{"empty Close", websocket.Frame{Fin: true, Opcode: websocket.Close}, "88 00"},
		{"masked empty", websocket.Frame{Fin: true, Opcode: websocket.Binary, Masked: true, MaskKey: key}, "82 80 37fa213d"},
		{"all reserved bits", websocket.Frame{Fin: true, RSV: 7, Opcode: websocket.Binary}, "f2 00"},
		{"RSV1", websocket.Frame{RSV: 4, Opcode: websocket.Text}, "41 00"},
		{"125 bytes", websocket.Frame{Fin: true, Opcode: websocket.Binary, Payload: make([]byte, 125)}, "82 7d 00"},
		{"126 bytes", websocket.Frame{Fin: true, Opcode: websocket.Binary, Payload: make([]byte, 126)}, "82 7e 007e 00"},
		{"256 bytes", websocket.Frame{Fin: true, Opcode: websocket.Binary, Payload: make([]byte, 256)}, "82 7e 0100 00"},
		{"65535 bytes", websocket.Frame{Fin: true, Opcode: websocket.Binary, Payload: make([]byte, 65535)}, "82 7e ffff 00"},
		{"65536 bytes", websocket.Frame{Fin: true, Opcode: websocket.Binary, Payload: make([]byte, 65536)}, "82 7f 0000000000010000 00"},
		{"65536 bytes, masked", websocket.Frame{Fin: true, Opcode: websocket.Binary, Masked: true, MaskKey: key, Payload: make([]byte, 65536)}, "82 ff 0000000000010000 37fa213d 37fa"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.want)
			for _, v := range hybiVersions {
				got, err := websocket.AppendFrame([]byte("before"), v, tt.frame)
				if err != nil || !bytes.HasPrefix(got, append([]byte("before"), want...)) {
					t.Errorf("%v: AppendFrame gives % x, error %v: want % x", v, got[:min(30, len(got))], err, want)
				}
				testReparse(t, v, tt.frame, got[len("before"):])
			}
		})
	}
}

// testReparse parses what AppendFrame has returned, with other bytes behind it,
// and checks that no beginning of it is a frame.
func testReparse(t *testing.T, v websocket.Version, f websocket.Frame, wire []byte) {
	t.Helper()
	got, n, err := websocket.ParseFrame(append(wire[:len(wire):len(wire)], 0xff, 0), v)
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
		if f, n, err := websocket.ParseFrame(wire[:cut], v); err != io.ErrUnexpectedEOF || n != 0 {
			t.Errorf("%v: first %d bytes of % x parse as %+v, n %d, error %v: want io.ErrUnexpectedEOF", v, cut, wire[:min(20, len(wire))], f, n, err)
		}
	}
}

// Frames that may not be sent append nothing. The error tells what a version
// lacks from mistakes.
func TestAppendFrameRefuses(t *testing.T) {
	const none, hybi, hixie, all = 0, 1, 2, 3
	for _, tt := range []struct {
		name     string
		frame    websocket.Frame
		refusing int // versions
		lacking  int // versions whose error wraps errors.ErrUnsupported
	}{
		{"opcode 3", websocket.Frame{Fin: true, Opcode: 3}, all, hixie},
		{"opcode 7", websocket.Frame{Fin: true, Opcode: 7}, all, hixie},
		{"opcode 11", websocket.Frame{Fin: true, Opcode: 11}, all, hixie},
		{"opcode 16", websocket.Frame{Fin: true, Opcode: 16}, all, hixie},
		{"opcode 129", websocket.Frame{Fin: true, Opcode: 129}, all, hixie},
		{"four reserved bits", websocket.Frame{Fin: true, RSV: 8, Opcode: websocket.Text}, all, hixie},
		{"Ping of 126 bytes", websocket.Frame{Fin: true, Opcode: websocket.Ping, Payload: make([]byte, 126)}, all, hixie},
		{"Close of 126 bytes", websocket.Frame{Fin: true, Opcode: websocket.Close, Payload: make([]byte, 126)}, all, hixie},
		{"fragmented Ping", websocket.Frame{Opcode: websocket.Ping}, all, hixie},
		{"fragmented Close", websocket.Frame{Opcode: websocket.Close}, all, hixie},
		{"Ping", websocket.Frame{Fin: true, Opcode: websocket.Ping}, hixie, hixie},
		{"Pong", websocket.Frame{Fin: true, Opcode: websocket.Pong}, hixie, hixie},
		{"Binary", websocket.Frame{Fin: true, Opcode: websocket.Binary, Payload: []byte("a")}, hixie, hixie},
		{"Continuation", websocket.Frame{Fin: true}, hixie, hixie},
		{"fragment", websocket.Frame{Opcode: websocket.Text, Payload: []byte("a")}, hixie, hixie},
		{"masked text", websocket.Frame{Fin: true, Opcode: websocket.Text, Masked: true}, hixie, hixie},
		{"RSV1", websocket.Frame{Fin: true, RSV: 4, Opcode: websocket.Text}, hixie, hixie},
		{"masked Close", websocket.Frame{Fin: true, Opcode: websocket.Close, Masked: true}, hixie, hixie},
		{"Close with a code", websocket.Frame{Fin: true, Opcode: websocket.Close, Payload: []byte{3, 232}}, hixie, hixie},
		{"ff in text", websocket.Frame{Fin: true, Opcode: websocket.Text, Payload: []byte("a\xff")}, hixie, none},
		{"half a character", websocket.Frame{Fin: true, Opcode: websocket.Text, Payload: []byte("\xe2\x82")}, hixie, none},
		{"text", websocket.Frame{Fin: true, Opcode: websocket.Text, Payload: []byte("a\x00b")}, none, none},
		{"empty Close", websocket.Frame{Fin: true, Opcode: websocket.Close}, none, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range allVersions {
				family := hybi
				if isHixie(v) {
					family = hixie
				}
				got, err := websocket.AppendFrame([]byte("before"), v, tt.frame)
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
	for _, v := range []websocket.Version{websocket.Hixie75 + 1, 100, 255} {
		for name, f := range map[string]func() ([]byte, error){
			"AppendFrame": func() ([]byte, error) {
				return websocket.AppendFrame([]byte("a"), v, websocket.Frame{Fin: true, Opcode: websocket.Text})
			},
			"AppendMessage": func() ([]byte, error) {
				return websocket.AppendMessage([]byte("a"), v, websocket.ServerSide, websocket.Text, nil)
			},
			"AppendClose": func() ([]byte, error) { return websocket.AppendClose([]byte("a"), v, websocket.ServerSide, 1000, "") },
			"ParseFrame": func() ([]byte, error) {
				_, n, err := websocket.ParseFrame([]byte{0, 0xff, 0x81, 0}, v)
				return []byte("a")[:1+n], err
			},
		} {
			if got, err := f(); err == nil || string(got) != "a" {
				t.Errorf("%s of %v gives %q, error %v: want an error", name, v, got, err)
			}
		}
	}
}

// What one side appends, the Parser of the other side returns.
func TestAppendMessage(t *testing.T) {
	for _, m := range []websocket.Message{
		{websocket.Text, []byte{}}, {websocket.Text, []byte("Hello, 世界")}, {websocket.Text, bytes.Repeat([]byte("a"), 126)}, {websocket.Text, bytes.Repeat([]byte("b"), 65536)},
		{websocket.Binary, []byte{}}, {websocket.Binary, []byte{0, 1, 0xfe, 0xff}}, {websocket.Binary, make([]byte, 70_000)},
		{websocket.Ping, []byte("p")}, {websocket.Pong, make([]byte, 125)},
	} {
		t.Run(fmt.Sprintf("%v of %d", m.Type, len(m.Data)), func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				if isHixie(v) && m.Type != websocket.Text {
					return // TestAppendMessageRefuses
				}
				sent := bytes.Clone(m.Data)
				wire, err := websocket.AppendMessage([]byte("before"), v, 1-side, m.Type, m.Data)
				if err != nil || !bytes.HasPrefix(wire, []byte("before")) {
					t.Fatalf("% x, error %v", wire[:min(20, len(wire))], err)
				}
				if !bytes.Equal(sent, m.Data) {
					t.Error("AppendMessage has changed the message")
				}
				got := replayFrames(v, side, websocket.Config{}, [][]byte{wire[len("before"):]})
				wantHeard(t, got.heard, []string{describe(m)})
			})
		})
	}
}

func TestAppendMessageRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		typ     websocket.MessageType
		payload string
		hybi    bool // refused there too
		lacking bool // in the hixie versions
	}{
		{"Close", websocket.Close, "", true, false},
		{"Continuation", websocket.Continuation, "", true, false},
		{"opcode 3", 3, "", true, true},
		{"opcode 255", 255, "", true, true},
		{"Ping of 126 bytes", websocket.Ping, text125 + "x", true, true},
		{"Ping", websocket.Ping, "", false, true},
		{"Pong", websocket.Pong, "", false, true},
		{"Binary", websocket.Binary, "a", false, true},
		// "Hixie writers refuse bytes that are not UTF-8."
		{"ff", websocket.Text, "a\xffb", false, false},
		{"half a character", websocket.Text, "\xf0\x9f\x98", false, false},
		{"surrogate", websocket.Text, "\xed\xa0\x80", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				got, err := websocket.AppendMessage([]byte("before"), v, side, tt.typ, []byte(tt.payload))
				if refused := tt.hybi || isHixie(v); refused != (err != nil) || refused && string(got) != "before" {
					t.Errorf("appends % x, error %v", got[len("before"):], err)
				}
				if lacking := tt.lacking && isHixie(v); lacking != errors.Is(err, errors.ErrUnsupported) {
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
		code   websocket.StatusCode
		reason string
		want   string // payload in hex
		fails  string
	}{
		{"code", 1000, "", "03e8", ""},
		{"code and reason", 1001, "bye", "03e9 627965", ""},
		{"private code", 4999, "é", "1387 c3a9", ""},
		{"no code", websocket.StatusNoStatusReceived, "", "", ""},
		{"reason of 123 bytes", 1000, text125[:123], "03e8" + fmt.Sprintf("%x", text125[:123]), ""},
		{"reason of 124 bytes", 1000, text125[:124], "", "124 bytes"},
		{"reason without code", websocket.StatusNoStatusReceived, "why", "", "1005"},
		{"reason not UTF-8", 1000, "\xff", "", "UTF-8"},
		{"code 0", 0, "", "", "0 may not"},
		{"code 999", 999, "", "", "999"},
		{"code 1004", 1004, "", "", "1004"},
		{"code 1006", websocket.StatusAbnormalClosure, "", "", "1006"},
		{"code 1015", websocket.StatusTLSHandshake, "", "", "1015"},
		{"code 2999", 2999, "", "", "2999"},
		{"code 5000", 5000, "", "", "5000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				got, err := websocket.AppendClose([]byte("before"), v, side, tt.code, tt.reason)
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

func testClose(t *testing.T, v websocket.Version, side websocket.Side, wire, payload []byte) {
	t.Helper()
	switch v {
	case websocket.Hixie75:
		if len(wire) > 0 {
			t.Errorf("closing frame % x, but this version has none", wire)
		}
	case websocket.Hybi00:
		if !bytes.Equal(wire, []byte{0xff, 0}) {
			t.Errorf("closing frame is % x, want ff 00", wire)
		}
	default:
		f, n, err := websocket.ParseFrame(wire, v)
		if err != nil || n != len(wire) || f.Opcode != websocket.Close || !f.Fin || f.Masked != (side == websocket.ClientSide) || !bytes.Equal(f.Payload, payload) {
			t.Errorf("closing frame is % x, that is %+v, error %v: want payload % x", wire, f, err, payload)
		}
	}
}

// "Masks are new for every frame": all of two thousand differ, but for chance.
func TestMasksOfMessagesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		m, err := websocket.AppendMessage(nil, websocket.RFC6455, websocket.ClientSide, websocket.Text, []byte("same"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := websocket.AppendClose(nil, websocket.RFC6455, websocket.ClientSide, 1000, "")
		if err != nil {
			t.Fatal(err)
		}
		seen[string(m[2:6])], seen[string(c[2:6])] = true, true
	}
	if len(seen) < 1998 {
		t.Errorf("%d different masks in 2000 frames", len(seen))
	}
}

// An append to the payload of a frame must not overwrite the next frame.
func TestParseFramePayloadHasNoRoomBehindIt(t *testing.T) {
	wire := []byte("\x81\x01a\x81\x01b")
	f, _, err := websocket.ParseFrame(wire, websocket.RFC6455)
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
				if _, n, err := websocket.ParseFrame(unhex(t, tt.wire), v); codeOf(err) != websocket.StatusProtocolError || n != 0 {
					t.Errorf("%v: n %d, error %v: want a ProtocolError with %d", v, n, err, websocket.StatusProtocolError)
				}
			}
		})
	}
}

func TestMessageTypeString(t *testing.T) {
	for typ, want := range map[websocket.MessageType]string{
		websocket.Continuation: "Continuation", websocket.Text: "Text", websocket.Binary: "Binary", websocket.Close: "Close", websocket.Ping: "Ping", websocket.Pong: "Pong",
		3: "opcode 3", 11: "opcode 11", 255: "opcode 255",
	} {
		if got := typ.String(); got != want {
			t.Errorf("MessageType(%d) is %q, want %q", uint8(typ), got, want)
		}
	}
}

// Appending to a slice with room allocates nothing.
func TestAppendAllocatesNothing(t *testing.T) {
	for _, size := range []int{0, 5, 125, 1024, 65536} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p, dst := bytes.Repeat([]byte("a"), size), make([]byte, 0, size+websocket.MaxHeader)
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				f := websocket.Frame{Fin: true, Opcode: websocket.Text, Masked: side == websocket.ClientSide && !isHixie(v), Payload: p}
				for name, run := range map[string]func() ([]byte, error){
					"AppendFrame":   func() ([]byte, error) { return websocket.AppendFrame(dst, v, f) },
					"AppendMessage": func() ([]byte, error) { return websocket.AppendMessage(dst, v, side, websocket.Text, p) },
					"AppendClose":   func() ([]byte, error) { return websocket.AppendClose(dst, v, side, 1000, "bye") },
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
