package websocket_test

import (
	"slices"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// decode returns the same text however little room there is for it.
func TestDecodeWithLittleRoom(t *testing.T) {
	const text = "aß€😀 and some more, so that it does not fit"
	for _, v := range allVersions {
		for room := utf8RoomMin(v); room < len(text)+5; room++ {
			wire := peerText(t, v, websocket.ClientSide, text)
			if got, err := websocket.DecodeInSteps(v, wire, room); got != text || err != nil {
				t.Errorf("%v, room for %d: %q, error %v, want %q", v, room, got, err, text)
			}
		}
	}
}

// utf8RoomMin returns the least room that decode needs to go on. In the hixie
// versions it is a whole character.
func utf8RoomMin(v websocket.Version) int {
	if isHixie(v) {
		return 4
	}
	return 1
}

func TestDecoderTrace(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    websocket.Version
		wire string
		want []websocket.FrameInfo
	}{
		{"hybi", websocket.RFC6455, "0101 61 8901 70 8002 6263 8802 03e8", []websocket.FrameInfo{
			{Opcode: websocket.Text, Length: 1}, {Opcode: websocket.Ping, Fin: true, Length: 1},
			{Opcode: websocket.Continuation, Fin: true, Length: 2}, {Opcode: websocket.Close, Fin: true, Length: 2},
		}},
		{"hixie", websocket.Hybi00, "0061ff 80026162 ff00", []websocket.FrameInfo{{Opcode: websocket.Text, Fin: true, Length: -1}, {Opcode: websocket.Close, Fin: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []int{1, 100} {
				p, _ := websocket.NewParser(tt.v, websocket.ClientSide, websocket.Config{})
				var got []websocket.FrameInfo
				websocket.TraceParser(p, func(f websocket.FrameInfo) { got = append(got, f) })
				var r replay
				for _, chunk := range cut([][]byte{unhex(t, tt.wire)}, n) {
					r.parse(p, tt.v, websocket.ClientSide, chunk)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("pieces of %d: told of %+v, want %+v", n, got, tt.want)
				}
			}
		})
	}
}
