package websocket

import (
	"encoding/binary"
	"math/bits"
)

const (
	hashBits = 13 // 32 KiB of table; half of it loses 1 %, twice as much gains 0.5
	minMatch = 4  // a match of 3 is hardly shorter than its bytes
	maxMatch = 258

	// stride is how far apart the positions are that are remembered of the window.
	// As a match is extended to the left too, 2 loses 1 % against 1 and takes
	// 2.3 µs for 128 bytes, not 4; 3 loses 2 more. Inside of matches nothing is
	// remembered: that saves 10 % of the time and loses 1 %, of text 3.
	stride = 2

	// patience is after how many bytes without a match, as a power of two, the
	// search looks at every second only, then at every third, and so on, until it
	// finds one. Without it noise takes five times as long. For 512 bytes of JSON
	// or text 64 save 5 % against 16, and 128 no more.
	patience = 6
)

// lzToken is a literal or, with the highest bit set, a match: 8 bits of length
// less 3 over 16 of distance less 1.
type lzToken uint32

const matched lzToken = 1 << 31

func (t lzToken) match() (length, dist uint32) { return uint32(t >> 16 & 0xff), uint32(t & 0xffff) }

func load32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }

func hash4(four uint32) uint32 { return four * 0x9e3779b1 >> (32 - hashBits) }

// learn remembers what is in p.
func (c *deflation) learn(p []byte) {
	for i := 0; i+minMatch <= len(p); i += stride {
		c.table[hash4(load32(p, i))] = c.base + uint32(i)
	}
}

// tokenize makes tokens of src from start on. At each byte the last occurrence
// of these four bytes is tried. A match that the next byte has too is preferred
// if it is longer: 4 KiB of JSON get 4 to 16 % shorter for it.
func (c *deflation) tokenize(src []byte, start int) {
	c.n, c.extra = 0, 0
	clear(c.lits[:])
	clear(c.dists[:])
	c.lits[endOfBlock] = 1
	i, done := start, start
	for i+minMatch < len(src) {
		dist := c.last(src, i)
		if dist == 0 {
			i += 1 + (i-done)>>patience
			continue
		}
		m := extend(src, done, i, dist)
		i++
		if dist = c.last(src, i); dist > 0 {
			if next := extend(src, done, i, dist); next.end-next.start > m.end-m.start {
				m = next
			}
		}
		c.addLiterals(src[done:m.start])
		c.addMatch(m.end-m.start, m.dist)
		i, done = m.end, m.end
	}
	c.addLiterals(src[done:])
}

// last is how far back the four bytes at src[i] were last, and 0 if that is
// farther than c.reach. It remembers them.
func (c *deflation) last(src []byte, i int) uint32 {
	four, at := load32(src, i), c.base+uint32(i)
	last := &c.table[hash4(four)]
	dist := at - *last
	*last = at
	if dist-1 >= c.reach || load32(src, i-int(dist)) != four {
		return 0
	}
	return dist
}

// lzMatch is bytes that are the same as those dist before them.
type lzMatch struct {
	start, end int
	dist       uint32
}

// extend makes a match at i of four bytes as long as it can be to both sides.
func extend(src []byte, done, i int, dist uint32) lzMatch {
	from := i - int(dist)
	end := i + minMatch + common(src[from+minMatch:], src[i+minMatch:])
	for i > done && from > 0 && src[i-1] == src[from-1] {
		i, from = i-1, from-1
	}
	return lzMatch{i, end, dist}
}

// common is how many bytes of b are the same in a, which goes on as far.
func common(a, b []byte) (n int) {
	for len(b)-n >= 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func (c *deflation) addLiterals(p []byte) {
	for i, b := range p {
		c.tokens[c.n+i] = lzToken(b)
		c.lits[b]++
	}
	c.n += len(p)
}

// addMatch adds a match of any length from minMatch on.
func (c *deflation) addMatch(length int, dist uint32) {
	for length > 0 {
		n := min(length, maxMatch)
		if rest := length - n; rest == 1 || rest == 2 { // there is no match so short
			n -= 2
		}
		length -= n
		sym, dsym := lengthSymbol[n-3], distSymbol(dist-1)
		c.lits[firstLength+int(sym)]++
		c.dists[dsym]++
		c.extra += int(lengthExtra[sym]) + int(distExtra(dsym))
		c.tokens[c.n] = matched | lzToken(n-3)<<16 | lzToken(dist-1)
		c.n++
	}
}

// write writes the tokens and the end of the block.
func (c *deflation) write(use *deflateCodes) {
	w := c.bitWriter
	for _, t := range c.tokens[:c.n] {
		if t < matched {
			w.putCode(use.lits[t&0xff])
			w.flush(&c.out)
			continue
		}
		length, dist := t.match()
		sym, dsym := lengthSymbol[length], distSymbol(dist)
		w.putCode(use.lits[firstLength+int(sym)])
		w.put(uint64(length-uint32(lengthBase[sym])), uint(lengthExtra[sym]))
		w.putCode(use.dists[dsym])
		x := distExtra(dsym)
		w.put(uint64(dist)&(1<<x-1), x)
		w.flush(&c.out)
	}
	w.putCode(use.lits[endOfBlock])
	w.flush(&c.out)
	c.bitWriter = w
}
