package websocket

import "testing"

// Codes are as long as they may be, leave no bits without a meaning, and are
// what the inflater makes of their lengths, those beyond its table too.
func TestCodeBuilder(t *testing.T) {
	b, in := new(codeBuilder), new(prefixCode)
	for _, limit := range []int{7, 15} {
		for used := 0; used <= 24; used++ {
			if used > 19 && limit == 7 {
				break
			}
			often := make([]uint16, 30)
			for i, f, g := 0, 1, 1; i < used; i, f, g = i+1, g, f+g { // makes the deepest of trees
				often[29-i] = uint16(f)
			}
			codes := make([]deflateCode, len(often))
			b.make(codes, often, limit)
			lengths, room, longest := make([]uint8, len(codes)), 1<<limit, 0
			for i, c := range codes {
				lengths[i] = uint8(c.bits())
				longest = max(longest, int(c.bits()))
				if c > 0 {
					room -= 1 << (limit - int(c.bits()))
				}
				if c == 0 && often[i] > 0 || c > 0 && often[i] == 0 && used > 1 {
					t.Errorf("%d symbols, %d bits: symbol %d, which occurs %d times, has the code %x", used, limit, i, often[i], c)
				}
			}
			if room != 0 || longest != max(1, min(limit, used-1)) {
				t.Errorf("%d symbols, %d bits: the longest has %d, and %d codes of so many bits are left", used, limit, longest, room)
			}
			if !in.build(lengths, litEntries[:], litBits) {
				t.Errorf("%d symbols, %d bits: the inflater does not take lengths %v", used, limit, lengths)
			}
			for i, c := range codes {
				if e := in.find(uint64(c & 0xffff)); c > 0 && (int(e>>16) != i || e.bits() != c.bits()) {
					t.Errorf("%d symbols, %d bits: the code of %d is inflated to %d", used, limit, i, e>>16)
				}
			}
		}
	}
}

// What the fewest bits can be is known here: as Huffman's own trees.
func TestCodeBuilderIsOptimal(t *testing.T) {
	for _, c := range []struct {
		often []uint16
		want  int
	}{
		{[]uint16{1, 1}, 2}, {[]uint16{5, 1, 1}, 9}, {[]uint16{1, 1, 1, 1}, 8}, {[]uint16{45, 13, 12, 16, 9, 5}, 224},
	} {
		codes, got := make([]deflateCode, len(c.often)), 0
		new(codeBuilder).make(codes, c.often, 15)
		for i, f := range c.often {
			got += int(f) * int(codes[i].bits())
		}
		if got != c.want {
			t.Errorf("%v takes %d bits, want %d", c.often, got, c.want)
		}
	}
}

// Symbols, bases and extra bits are those of the tables in section 3.2.5.
func TestDeflateAlphabets(t *testing.T) {
	for length := 3; length <= maxMatch; length++ {
		s := lengthSymbol[length-3]
		if base, extra := int(lengthBase[s])+3, int(lengthExtra[s]); base != strictLengths[s] || extra != strictLengthBits[s] ||
			length < base || length >= base+1<<extra {
			t.Errorf("length %d is symbol %d, from %d on, with %d bits", length, s, base, extra)
		}
	}
	for d := 1; d <= 1<<15; d++ {
		s := distSymbol(uint32(d - 1))
		if base, extra := strictDists[s], distExtra(s); d < base || d >= base+1<<extra || int(distEntries[s]>>16) != base {
			t.Errorf("distance %d is symbol %d, from %d on, with %d bits", d, s, base, extra)
		}
	}
}
