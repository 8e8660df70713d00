package deflate

import (
	"bytes"
	"testing"
)

// A match of any length is written as matches that are neither shorter than 3
// nor longer than 258.
func TestAddMatchOfAnyLength(t *testing.T) {
	c := new(compression)
	for length := minMatch; length <= 3*maxMatch+3; length++ {
		c.n = 0
		c.addMatch(length, 1000)
		sum := 0
		for _, tok := range c.tokens[:c.n] {
			n, d := tok.match()
			if tok < matched || d != 999 {
				t.Errorf("length %d: a match has become %x", length, tok)
			}
			sum += int(n) + 3
		}
		if sum != length || c.n > length/maxMatch+1 {
			t.Errorf("length %d: %d matches of %d in all", length, c.n, sum)
		}
	}
}

func TestCommon(t *testing.T) {
	a := bytes.Repeat([]byte{'a'}, 40)
	for n := range 40 {
		for same := range n + 1 {
			b := bytes.Clone(a[:n])
			if same < n {
				b[same] = 'b'
			}
			if got := common(a, b); got != same {
				t.Errorf("%d of %d bytes are the same, not %d", same, n, got)
			}
		}
	}
}
