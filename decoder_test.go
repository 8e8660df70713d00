package websocket

import (
	"slices"
	"testing"
)

// Room for the message means as little as cuts in the input do.
func TestDecodeWithLittleRoom(t *testing.T) {
	const text = "aß€😀 and some more, so that it does not fit"
	for _, v := range allVersions {
		for room := utf8RoomMin(v); room < len(text)+5; room++ {
			wire := peerText(t, v, ClientSide, text)
			if got := decodeInSteps(t, v, wire, room); got != text {
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
				var r replay
				for _, chunk := range cut([][]byte{unhex(t, tt.wire)}, n) {
					r.parse(p, tt.v, ClientSide, chunk)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("pieces of %d: told of %+v, want %+v", n, got, tt.want)
				}
			}
		})
	}
}
