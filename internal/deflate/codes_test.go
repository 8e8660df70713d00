package deflate

import (
	"fmt"
	"testing"
)

// Codes become as long as the limit allows and leave no bits without a meaning.
// From their lengths prefixCode makes the same codes, also those that are too
// long for its table.
func TestCodeBuilder(t *testing.T) {
	b, in := new(codeBuilder), new(prefixCode)
	for _, limit := range []int{7, 15} {
		for used := 0; used <= 24; used++ {
			if used > 19 && limit == 7 {
				break
			}
			often := make([]uint16, 30)
			for i, f, g := 0, 1, 1; i < used; i, f, g = i+1, g, f+g { // the deepest tree
				often[29-i] = uint16(f)
			}
			codes := make([]symbolCode, len(often))
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
				t.Errorf("%d symbols, %d bits: prefixCode refuses the lengths %v", used, limit, lengths)
			}
			for i, c := range codes {
				if e := in.find(uint64(c & 0xffff)); c > 0 && (int(e>>16) != i || e.bits() != c.bits()) {
					t.Errorf("%d symbols, %d bits: prefixCode takes the code of %d for that of %d", used, limit, i, e>>16)
				}
			}
		}
	}
}

// For these the fewest bits are known.
func TestCodeBuilderIsOptimal(t *testing.T) {
	for _, c := range []struct {
		often []uint16
		want  int
	}{
		{[]uint16{1, 1}, 2}, {[]uint16{5, 1, 1}, 9}, {[]uint16{1, 1, 1, 1}, 8}, {[]uint16{45, 13, 12, 16, 9, 5}, 224},
	} {
		codes, got := make([]symbolCode, len(c.often)), 0
		new(codeBuilder).make(codes, c.often, 15)
		for i, f := range c.often {
			got += int(f) * int(codes[i].bits())
		}
		if got != c.want {
			t.Errorf("%v takes %d bits, want %d", c.often, got, c.want)
		}
	}
}

// The format of a block is chosen by what each would cost, so that must be what
// writing it takes, to the bit.
func TestCosts(t *testing.T) {
	var src []byte
	for i := range 200 {
		src = fmt.Appendf(src, `{"id":%d,"price":%d},`, i*i, 7*i)
	}
	c := &compression{base: stale, reach: 1 << 15}
	c.tokenize(src, 0)
	written := func(header uint64, write func()) int {
		c.bitWriter = bitWriter{}
		c.put(header, 3)
		write()
		return 8*c.at + int(c.bitWriter.n)
	}
	if got := written(0b010, func() { c.write(&fixedCodes) }); got != c.fixedCost() {
		t.Errorf("with fixed codes a block takes %d bits, expected were %d", got, c.fixedCost())
	}
	want := c.makeCodes()
	if got := written(0b100, func() { c.writeCodes(); c.write(&c.own) }); got != want {
		t.Errorf("with its own codes a block takes %d bits, expected were %d", got, want)
	}
}
