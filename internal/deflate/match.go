package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	hashBits = 13 // a table of 32 KiB; with half of it the output is 1 % longer, with twice as much 0.5 % shorter
	minMatch = 4  // a match of 3 bytes is hardly shorter than the bytes
	maxMatch = 258

	// stride is the distance between two positions of the window that are put
	// into the table. Because matches are extended to the left too, the output
	// with 2 is only 1 % longer than with 1, and 128 bytes take 2.3 µs, not 4.
	// With 3 it is 2 % longer still. Inside matches no position is put into the
	// table: that saves 10 % of the time, and the output is 1 % longer, for
	// text 3 %.
	stride = 2

	// After 1<<patience bytes without a match, the search tries only every
	// second byte, after twice as many every third, and so on, until it finds a
	// match. Without this, noise takes five times as long. Waiting for 64 bytes
	// makes 512 bytes of JSON or text 5 % shorter than waiting for 16. Waiting
	// for 128 gains nothing more.
	patience = 6
)

// token is a literal or, if the highest bit is set, a match. A match has its
// distance less 1 in the low 16 bits, and its length less 3 in the 8 bits
// above.
type token uint32

const matched token = 1 << 31

func (t token) match() (length, dist uint32) { return uint32(t >> 16 & 0xff), uint32(t & 0xffff) }

func load32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }

func hash4(four uint32) uint32 { return four * 0x9e3779b1 >> (32 - hashBits) }

// learn puts the positions of p, which begins at c.base, into the table.
func (c *compression) learn(p []byte) {
	for i := 0; i+minMatch <= len(p); i += stride {
		c.table[hash4(load32(p, i))] = c.base + uint32(i)
	}
}

// tokenize turns src[start:] into tokens. At each byte it tries the last
// occurrence of the same four bytes. If it finds a match, it tries the next
// byte too and takes the longer match: that makes 4 KiB of JSON 4 to 16 %
// shorter.
func (c *compression) tokenize(src []byte, start int) {
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

// last returns the distance to the last occurrence of the four bytes at src[i],
// or 0 if there is none within c.reach. It puts their position into the table.
func (c *compression) last(src []byte, i int) uint32 {
	four, at := load32(src, i), c.base+uint32(i)
	last := &c.table[hash4(four)]
	dist := at - *last
	*last = at
	if dist-1 >= c.reach || load32(src, i-int(dist)) != four {
		return 0
	}
	return dist
}

// match says that the bytes from start to end are the same as those dist before
// them.
type match struct {
	start, end int
	dist       uint32
}

// extend makes a match of four bytes at src[i] as long as possible, to both
// sides, but not beyond src[done] to the left.
func extend(src []byte, done, i int, dist uint32) match {
	from := i - int(dist)
	end := i + minMatch + common(src[from+minMatch:], src[i+minMatch:])
	for i > done && from > 0 && src[i-1] == src[from-1] {
		i, from = i-1, from-1
	}
	return match{i, end, dist}
}

// common returns the length of the common prefix of a and b. a must not be
// shorter than b.
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

// addLiterals adds the bytes of p as literals.
func (c *compression) addLiterals(p []byte) {
	for i, b := range p {
		c.tokens[c.n+i] = token(b)
		c.lits[b]++
	}
	c.n += len(p)
}

// addMatch adds a match of minMatch bytes or more, as several tokens if it is
// longer than maxMatch.
func (c *compression) addMatch(length int, dist uint32) {
	for length > 0 {
		n := min(length, maxMatch)
		if rest := length - n; rest == 1 || rest == 2 { // too short for the next token
			n -= 2
		}
		length -= n
		sym, dsym := lengthSymbol[n-3], distSymbol(dist-1)
		c.lits[firstLength+int(sym)]++
		c.dists[dsym]++
		c.extra += int(lengthExtra[sym]) + int(distExtra(dsym))
		c.tokens[c.n] = matched | token(n-3)<<16 | token(dist-1)
		c.n++
	}
}

// write writes the tokens and the end of the block with the given codes.
func (c *compression) write(use *blockCodes) {
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
