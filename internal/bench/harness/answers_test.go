package harness

import (
	"bytes"
	"strings"
	"testing"

	ours "github.com/protocol-websocket/websocket"
)

func frame(t *testing.T, f ours.Frame) []byte {
	t.Helper()
	b, err := ours.AppendFrame(nil, ours.RFC6455, f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAnswers counts messages that come whole, byte by byte, and in pieces that
// end where no frame does.
func TestAnswers(t *testing.T) {
	var in []byte
	want := 0
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		p := make([]byte, n)
		in = append(in, frame(t, ours.Frame{Fin: true, RSV: 4, Opcode: ours.Text, Payload: p})...)
		in = append(in, frame(t, ours.Frame{RSV: 4, Opcode: ours.Text, Payload: p})...)
		in = append(in, frame(t, ours.Frame{Opcode: ours.Continuation, Payload: p})...)
		in = append(in, frame(t, ours.Frame{Fin: true, Opcode: ours.Continuation, Payload: p})...)
		want += 2
	}
	for _, piece := range []int{1, 2, 3, 127, 4096, len(in)} {
		var a Answers
		got := 0
		for rest := in; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			n, err := a.Count(rest[:min(piece, len(rest))])
			if err != nil {
				t.Fatalf("pieces of %d: %v", piece, err)
			}
			got += n
		}
		if got != want {
			t.Errorf("pieces of %d: %d messages, want %d", piece, got, want)
		}
		if n, err := a.Count(in[:1]); n != 0 || err != nil {
			t.Errorf("pieces of %d: %d messages, %v in the first byte of one more", piece, n, err)
		}
	}
}

func TestAnswersRefused(t *testing.T) {
	begun := frame(t, ours.Frame{RSV: 4, Opcode: ours.Text, Payload: []byte("a")})
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"not compressed", frame(t, ours.Frame{Fin: true, Opcode: ours.Text})},
		{"binary", frame(t, ours.Frame{Fin: true, RSV: 4, Opcode: ours.Binary})},
		{"masked", frame(t, ours.Frame{Fin: true, RSV: 4, Opcode: ours.Text, Masked: true})},
		{"close", frame(t, ours.Frame{Fin: true, Opcode: ours.Close})},
		{"continues nothing", frame(t, ours.Frame{Fin: true, Opcode: ours.Continuation})},
		{"does not continue", bytes.Repeat(begun, 2)},
	} {
		var a Answers
		if n, err := a.Count(tt.in); n != 0 || err == nil || !strings.Contains(err.Error(), "is none of a compressed answer") {
			t.Errorf("%s: got %d, %v", tt.name, n, err)
		}
	}
}
