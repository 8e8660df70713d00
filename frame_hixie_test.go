package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/protocol-websocket/websocket"
)

// Bytes that implementations of the time read in different ways, as
// draft-hixie-75 and draft-ietf-hybi-00 section 4.2 demand.
func TestHixieFraming(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		heard      []string
		code       websocket.StatusCode
	}{
		{"frame with a length is skipped", "80 05 6162636465 00 41 ff", []string{`Text "A"`}, 0},
		{"length of two bytes", "81 8100" + strings.Repeat("78", 128) + "00 42 ff", []string{`Text "B"`}, 0},
		{"type ff with a length is no Close", "ff 03 616263 00 43 ff", []string{`Text "C"`}, 0},
		{"skipped bytes may be anything", "80 04 ffffff00 00 4c ff", []string{`Text "L"`}, 0},
		{"other types of text are dropped", "01 78 ff 00 44 ff", []string{`Text "D"`}, 0},
		{"type 7f is dropped too", "7f 00 80 ff 00 44 ff", []string{`Text "D"`}, 0},
		{"length zero", "80 00 00 46 ff", []string{`Text "F"`}, 0},
		{"length zero of type fe", "fe 00 00 46 ff", []string{`Text "F"`}, 0},
		{"Close", "ff 00", []string{closedWithoutCode}, 0},
		{"Close with a zero before the length", "ff 80 00", []string{closedWithoutCode}, 0},
		{"Close with many zeros", "ff 8080808080808080 00", []string{closedWithoutCode}, 0},
		{"length that never ends", "80 ffffffffffffffffff 7f", nil, websocket.StatusMessageTooBig},
		{"bytes that are not UTF-8", "00 c328 ff", []string{`Text "�("`}, 0},

		{"empty text", "00 ff", []string{`Text ""`}, 0},
		{"U+0000 in text", "00 610062 ff", []string{`Text "a\x00b"`}, 0},
		{"three messages", "00 61 ff 00 62 ff 00 63 ff", []string{`Text "a"`, `Text "b"`, `Text "c"`}, 0},
		{"Close after text", "00 61 ff ff 00", []string{`Text "a"`, closedWithoutCode}, 0},
		{"data after Close", "ff 00 00 61 ff", []string{closedWithoutCode}, 0},
		{"unfinished text", "00 6162", nil, 0},
		{"unfinished character", "00 61 ff 00 e282", []string{`Text "a"`}, 0},
		{"unfinished length", "80 81", nil, 0},
		{"unfinished skip", "80 05 61", nil, 0},
		{"nothing but skipped frames", "80 01 ff 01 ff 80 00", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachSide(t, hixieVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				for _, n := range []int{1, 2, 3, 1 << 20} {
					got := replayFrames(v, side, websocket.Config{}, cut([][]byte{unhex(t, tt.sent)}, n))
					wantHeard(t, got.heard, tt.heard)
					wantCode(t, got.err, tt.code, endsClosed(tt.heard))
				}
			})
		})
	}
}

// Invalid bytes become U+FFFD and the message goes on, wherever the input is
// cut and however little room there is.
func TestHixieReplacesInvalidUTF8(t *testing.T) {
	const r = "\ufffd"
	for _, tt := range []struct{ name, sent, want string }{
		{"valid", "aß€😀", "aß€😀"},
		{"U+FFFD itself", "a\ufffdb", "a" + r + "b"},
		{"lone continuation", "a\x80b", "a" + r + "b"},
		{"fe", "\xfea", r + "a"},
		{"overlong", "\xc0\xafa", r + r + "a"},
		{"surrogate", "\xed\xa0\x80", r + r + r},
		{"beyond U+10FFFF", "\xf4\x90\x80\x80", r + r + r + r},
		{"half a character, then text", "\xe2\x82a", r + r + "a"},
		{"half a character at the end", "a\xe2\x82", "a" + r + r},
		{"first byte at the end", "a\xf0", "a" + r},
		{"three of four bytes at the end", "\xf0\x9f\x98", r + r + r},
		{"many", strings.Repeat("\x80", 2000), strings.Repeat(r, 2000)},
		{"between good ones", strings.Repeat("€\xe2😀", 300), strings.Repeat("€"+r+"😀", 300)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wire := append(append([]byte{0}, tt.sent...), 0xff)
			want := []string{fmt.Sprintf("Text %q", tt.want)}
			eachSide(t, hixieVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				for n := 1; n < 9; n++ {
					wantHeard(t, replayFrames(v, side, websocket.Config{}, cut([][]byte{wire}, n)).heard, want)
				}
				wantHeard(t, replayFrames(v, side, websocket.Config{}, [][]byte{wire}).heard, want)
			})
			for room := utf8.UTFMax; room < 12; room++ {
				if got, err := websocket.DecodeInSteps(websocket.Hybi00, wire, room); got != tt.want || err != nil {
					t.Errorf("room for %d at a time: text is %.99q, error %v, want %.99q", room, got, err, tt.want)
				}
			}
			if f, n, err := websocket.ParseFrame(wire, websocket.Hybi00); string(f.Payload) != tt.want || n != len(wire) || err != nil {
				t.Errorf("ParseFrame: %.99q, n %d of %d, error %v: want %.99q", f.Payload, n, len(wire), err, tt.want)
			}
		})
	}
}

// The limit is for the text that the program gets, with the U+FFFD in it.
func TestHixieLimitCountsReplacedText(t *testing.T) {
	wire := append(append([]byte{0}, strings.Repeat("\x80", 10)...), 0xff)
	for _, tt := range []struct {
		limit int64
		code  websocket.StatusCode
	}{{30, 0}, {29, websocket.StatusMessageTooBig}} {
		for _, n := range []int{1, 4, 100} {
			got := replayFrames(websocket.Hybi00, websocket.ServerSide, websocket.Config{MaxMessageSize: tt.limit}, cut([][]byte{wire}, n))
			wantCode(t, got.err, tt.code, false)
		}
	}
}

// A text without end fails at the limit, and not later.
func TestHixieEndlessText(t *testing.T) {
	wire := append([]byte{0}, bytes.Repeat([]byte("a"), 5000)...)
	eachSide(t, hixieVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		fed, _, err := feed(v, side, websocket.Config{MaxMessageSize: 1000}, wire, 1)
		if codeOf(err) != websocket.StatusMessageTooBig || fed != 1002 {
			t.Errorf("error %v after %d bytes, want %d after 1002", err, fed, websocket.StatusMessageTooBig)
		}
	})
}

func TestParseFrameHixie(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		want       websocket.Frame
		n          int
	}{
		{"text", "00 61 ff 00", websocket.Frame{Fin: true, Opcode: websocket.Text, Payload: []byte("a")}, 3},
		{"empty text", "00 ff", websocket.Frame{Fin: true, Opcode: websocket.Text}, 2},
		{"Close", "ff 00 00", websocket.Frame{Fin: true, Opcode: websocket.Close}, 2},
		{"text behind what is skipped", "80 02 ffff 01 62 ff 00 61 ff 00", websocket.Frame{Fin: true, Opcode: websocket.Text, Payload: []byte("a")}, 10},
		{"skipped only", "80 02 ffff", websocket.Frame{}, 0},
		{"text without end", "00 61", websocket.Frame{}, 0},
		{"nothing", "", websocket.Frame{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range hixieVersions {
				f, n, err := websocket.ParseFrame(unhex(t, tt.sent), v)
				if tt.n == 0 && err != io.ErrUnexpectedEOF || tt.n > 0 && err != nil {
					t.Errorf("%v: error %v", v, err)
				}
				if f.Fin != tt.want.Fin || f.Opcode != tt.want.Opcode || !bytes.Equal(f.Payload, tt.want.Payload) || n != tt.n {
					t.Errorf("%v: %+v, n %d: want %+v, n %d", v, f, n, tt.want, tt.n)
				}
			}
		})
	}
}

// A frame costs memory for its payload, and not for what stands behind it.
func TestParseFrameHixieMemory(t *testing.T) {
	wire := bytes.Repeat([]byte("\x00Hello\xff"), 10_000)
	got := leastAllocated(func() {
		for rest := wire; len(rest) > 0; {
			_, n, err := websocket.ParseFrame(rest, websocket.Hybi00)
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
	})
	if most := uint64(10_000 * 512); got > most {
		t.Errorf("%d bytes allocated for 10,000 small frames, want at most %d", got, most)
	}
}

func TestHixieErrorsWrapErrUnsupported(t *testing.T) {
	for _, typ := range []websocket.MessageType{websocket.Binary, websocket.Ping, websocket.Pong} {
		for _, v := range hixieVersions {
			if _, err := websocket.AppendMessage(nil, v, websocket.ClientSide, typ, nil); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), typ.String()) {
				t.Errorf("%v on %v: error is %v, want errors.ErrUnsupported in it, and the type", typ, v, err)
			}
		}
	}
}
