package deflate_test

import (
	"testing"

	"github.com/protocol-websocket/websocket/internal/deflate"
)

// Symbols, bases and extra bits are those of the tables in RFC 1951 section
// 3.2.5.
func TestAlphabets(t *testing.T) {
	for length := 3; length <= 258; length++ {
		s, base, extra := deflate.LengthSymbol(length)
		if base != strictLengths[s] || extra != strictLengthBits[s] || length < base || length >= base+1<<extra {
			t.Errorf("length %d is symbol %d, from %d on, with %d bits", length, s, base, extra)
		}
	}
	if s, _, _ := deflate.LengthSymbol(258); s != 28 {
		t.Errorf("length 258 is symbol %d, want 28, which has no extra bits", s)
	}
	for dist := 1; dist <= 1<<15; dist++ {
		s, base, extra := deflate.DistSymbol(dist)
		if base != strictDists[s] || dist < base || dist >= base+1<<extra {
			t.Errorf("distance %d is symbol %d, from %d on, with %d bits", dist, s, base, extra)
		}
	}
}
