package websocket

import (
	"bytes"
	"strings"
	"testing"
)

// decode returns at these events, and takes only the input that it has decoded.
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
			wire := fromHex(t, tt.wire)
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

// decode appends to dst and changes nothing before or behind it.
func TestDecodeAppends(t *testing.T) {
	for _, v := range allVersions {
		room := []byte("before---------after")
		wire, err := AppendMessage(nil, v, ClientSide, Text, []byte("Hello"))
		if err != nil {
			t.Fatal(err)
		}
		d := newDecoder(v, ServerSide, &Config{})
		out, n, ev, perr := d.decode(room[:6:15], wire)
		if string(out) != "beforeHello" || n != len(wire) || ev != gotMessage || perr != nil {
			t.Errorf("%v: %q, n %d of %d, event %d, error %v", v, out, n, len(wire), ev, perr)
		}
		if string(room[15:]) != "after" {
			t.Errorf("%v: wrote behind the room: %q", v, room)
		}
	}
}

// Payload that is read directly into the message is unmasked and checked as
// payload in the buffer is, from any offset and in any pieces.
func TestDirectRead(t *testing.T) {
	text := strings.Repeat("aß€😀 ", 40)
	for _, v := range hybiVersions {
		for _, side := range []Side{ServerSide, ClientSide} {
			wire, err := AppendMessage(nil, v, ClientSide-side, Text, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			header := len(wire) - len(text)
			for buffered := 0; buffered < len(text); buffered += 7 {
				d := newDecoder(v, side, &Config{})
				msg, n, ev, err := d.decode(make([]byte, 0, len(text)), bytes.Clone(wire[:header+buffered]))
				if err != nil || ev != needInput || n != header+buffered || d.payloadLeft() != int64(len(text)-buffered) {
					t.Fatalf("%v: event %d, %d taken of %d, %d to come, error %v", v, ev, n, header+buffered, d.payloadLeft(), err)
				}
				for rest := wire[n:]; len(rest) > 0; {
					k := min(len(rest), 1+buffered%11)
					msg = append(msg, rest[:k]...)
					if err := d.payloadInPlace(msg[len(msg)-k:]); err != nil {
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
	for _, v := range hybiVersions {
		d := newDecoder(v, ClientSide, &Config{})
		if _, _, _, err := d.decode(make([]byte, 0, 1000), fromHex(t, "817e 03e8 6f6b")); err != nil {
			t.Fatal(err)
		}
		if err := d.payloadInPlace([]byte("still ok\xc0")); err == nil || err.Code != StatusInvalidPayloadData {
			t.Errorf("%v: error is %v, want %d", v, err, StatusInvalidPayloadData)
		}
	}
}

// Only payload may be read directly into a message, and not what hixie
// receivers skip.
func TestDirectReadIsForPayloadOnly(t *testing.T) {
	for _, tt := range []struct {
		v    Version
		wire string
	}{{RFC6455, ""}, {RFC6455, "8101 61"}, {RFC6455, "8905 61"}, {Hybi00, "8005 61"}, {Hybi00, "00 61"}, {Hixie75, "01 61"}} {
		d := newDecoder(tt.v, ClientSide, &Config{})
		if _, _, _, err := d.decode(make([]byte, 0, 9), fromHex(t, tt.wire)); err != nil {
			t.Fatal(err)
		}
		if got := d.payloadLeft(); got != 0 {
			t.Errorf("%v, after %s: %d bytes may be read past the decoder, want 0", tt.v, tt.wire, got)
		}
	}
}
