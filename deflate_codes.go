package websocket

import "math/bits"

// The alphabets of RFC 1951, section 3.2.5: 256 literals, the end of the block,
// and 29 symbols for the lengths; 30 symbols for the distances.
const (
	endOfBlock  = 256
	firstLength = 257
	maxLits     = 286
	maxDists    = 30
)

// lengthExtra is how many bits follow each symbol for a length.
var lengthExtra = [maxLits - firstLength]uint8{8: 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}

// lengthBase is the first length, less 3, that each symbol is for, and
// lengthSymbol is which one a length less 3 has. 258 has one of its own.
var lengthBase, lengthSymbol = lengthTables()

func lengthTables() (base [maxLits - firstLength]uint8, symbol [256]uint8) {
	n := 0
	for s, x := range lengthExtra {
		base[s] = uint8(n)
		for range 1 << x {
			symbol[min(n, 255)] = uint8(s)
			n++
		}
		n = min(n, 255)
	}
	return base, symbol
}

// distSymbol is the symbol of a distance less 1. Each has twice as many as the
// one two before it.
func distSymbol(d uint32) uint32 {
	if d < 4 {
		return d
	}
	x := uint32(bits.Len32(d)) - 2
	return 2*x + d>>x
}

// distExtra is how many bits follow the symbol of a distance.
func distExtra(symbol uint32) uint { return uint(max(symbol, 2)>>1 - 1) }

// lengthOrder is the order in which the lengths of the codes for code lengths
// come, section 3.2.7, and runExtra is how many bits follow those that stand for
// a run.
var (
	lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	runExtra    = [19]uint8{16: 2, 3, 7}
)

// deflateCode is a prefix code as it is written, first bit lowest, and above its 16
// bits how many it has: 0 if its symbol is not used.
type deflateCode uint32

func (c deflateCode) bits() uint { return uint(c >> 16) }

// deflateCodes are what a block is written with.
type deflateCodes struct {
	lits  [maxLits]deflateCode
	dists [maxDists]deflateCode
}

var fixedCodes = makeFixedCodes()

// fixedLengths are the lengths of the codes of section 3.2.6, with those that
// are never used.
func fixedLengths() (lits [288]uint8, dists [32]uint8) {
	for i := range lits {
		switch {
		case i < 144:
			lits[i] = 8
		case i < 256:
			lits[i] = 9
		case i < 280:
			lits[i] = 7
		default:
			lits[i] = 8
		}
	}
	for i := range dists {
		dists[i] = 5
	}
	return lits, dists
}

func makeFixedCodes() (c deflateCodes) {
	lits, dists := fixedLengths()
	for i := range c.lits {
		c.lits[i] = deflateCode(lits[i]) << 16
	}
	for i := range c.dists {
		c.dists[i] = deflateCode(dists[i]) << 16
	}
	assign(c.lits[:], &[16]uint16{7: 24, 8: 144 + 8, 9: 112})
	assign(c.dists[:], &[16]uint16{5: 32})
	return c
}

// assign gives codes to symbols of which the lengths are known, and how many
// have each of them, section 3.2.2.
func assign(symbols []deflateCode, count *[16]uint16) {
	var next [16]uint16
	for l := 1; l < len(next); l++ {
		next[l] = (next[l-1] + count[l-1]) << 1
	}
	for i, c := range symbols {
		if l := c.bits(); l > 0 {
			symbols[i] = c | deflateCode(bits.Reverse16(next[l])>>(16-l))
			next[l]++
		}
	}
}

// fixedCost is how many bits the block takes with fixed codes.
func (c *deflation) fixedCost() int {
	n := 3 + c.extra
	for i, f := range c.lits[:] {
		n += int(f) * int(fixedCodes.lits[i].bits())
	}
	for _, f := range c.dists[:] {
		n += int(f) * 5
	}
	return n
}

// codeBuilder makes codes for a block, and the header that tells them.
type codeBuilder struct {
	nlits, ndists, nlens int
	runs                 [maxLits + maxDists]uint16 // symbol, and its extra bits in the high byte
	nruns                int
	all                  [maxLits + maxDists]uint8 // lengths
	used                 [19]uint16                // how often each symbol occurs in runs
	lens                 [19]deflateCode

	// To make one code with: what is used, by how often; then a tree of it.
	rank   [maxRank + 1]uint16
	sorted [maxLits]uint32
	weight [2 * maxLits]uint32
	parent [2 * maxLits]uint16
	depth  [2 * maxLits]uint8
}

// makeCodes makes codes for the block and returns how many bits the block takes
// with them.
func (c *deflation) makeCodes() int {
	b := &c.builder
	n := 3 + 5 + 5 + 4 + c.extra
	n += b.make(c.own.lits[:], c.lits[:], 15)
	n += b.make(c.own.dists[:], c.dists[:], 15)
	b.nlits, b.ndists, b.nlens = maxLits, maxDists, len(lengthOrder)
	for c.own.lits[b.nlits-1] == 0 {
		b.nlits--
	}
	for c.own.dists[b.ndists-1] == 0 {
		b.ndists--
	}
	b.findRuns(&c.own)
	n += b.make(b.lens[:], b.used[:], 7)
	for b.lens[lengthOrder[b.nlens-1]] == 0 {
		b.nlens--
	}
	for s, x := range runExtra {
		n += int(b.used[s]) * int(x)
	}
	return n + 3*b.nlens
}

// writeCodes writes the header of a block with codes of its own, section 3.2.7.
func (c *deflation) writeCodes() {
	b := &c.builder
	c.put(uint64(b.nlits-257|(b.ndists-1)<<5|(b.nlens-4)<<10), 14)
	c.flush(&c.out)
	for _, s := range lengthOrder[:b.nlens] {
		c.put(uint64(b.lens[s].bits()), 3)
		c.flush(&c.out)
	}
	for _, r := range b.runs[:b.nruns] {
		c.putCode(b.lens[r&0xff])
		c.put(uint64(r>>8), uint(runExtra[r&0xff]))
		c.flush(&c.out)
	}
}

// findRuns puts the lengths of all codes in runs.
func (b *codeBuilder) findRuns(of *deflateCodes) {
	all := b.all[:]
	for i, c := range of.lits[:b.nlits] {
		all[i] = uint8(c.bits())
	}
	for i, c := range of.dists[:b.ndists] {
		all[b.nlits+i] = uint8(c.bits())
	}
	b.nruns = 0
	clear(b.used[:])
	for left := all[:b.nlits+b.ndists]; len(left) > 0; {
		l, n := left[0], 1
		for n < len(left) && left[n] == l {
			n++
		}
		left = left[n:]
		if l > 0 {
			b.addRun(int(l), 0)
			n--
		}
		for n > 0 {
			n -= b.addPart(int(l), n)
		}
	}
}

// addPart adds the first part of a run of n lengths, all of them l and as the
// one before if l is not 0, and returns how many it stands for.
func (b *codeBuilder) addPart(l, n int) int {
	switch {
	case n < 3:
		b.addRun(l, 0)
		return 1
	case l > 0:
		n = min(n, 6)
		b.addRun(16, n-3)
	case n < 11:
		b.addRun(17, n-3)
	default:
		n = min(n, 138)
		b.addRun(18, n-11)
	}
	return n
}

func (b *codeBuilder) addRun(symbol, extra int) {
	b.runs[b.nruns] = uint16(symbol | extra<<8)
	b.nruns++
	b.used[symbol]++
}

// make makes the shortest code for symbols that occur so often, with no code
// longer than limit, and returns how many bits they take. It has two symbols at
// least, so that it is complete: some inflaters refuse it otherwise.
func (b *codeBuilder) make(symbols []deflateCode, often []uint16, limit int) (size int) {
	n := b.sort(often)
	for s := 0; n < 2; s++ {
		if often[s] == 0 {
			b.sorted[1] = b.sorted[0]
			b.sorted[0] = uint32(s)
			n++
		}
	}
	b.grow(n)
	count := b.lengths(n, limit)
	clear(symbols)
	for l, next := 1, n; next > 0; l++ {
		for range count[l] {
			next--
			symbols[b.sorted[next]&0xffff] = deflateCode(l) << 16
			size += l * int(b.sorted[next]>>16)
		}
	}
	assign(symbols, &count)
	return size
}

// maxRank is the highest that there is.
const maxRank = 13<<3 + 7

// rank is higher for what occurs more often, and finer than one eighth of that.
func rank(often uint16) int {
	x := max(0, bits.Len16(often)-4)
	return x<<3 + int(often>>x)
}

// sort puts the symbols that occur in order of how often, and returns how many
// those are. It puts those of one rank beside each other, rank by rank, which
// leaves little to be done: with slices.Sort, codes take 20 % longer to make.
func (b *codeBuilder) sort(often []uint16) (n int) {
	clear(b.rank[:])
	for s, f := range often {
		if f > 0 {
			b.weight[n] = uint32(f)<<16 | uint32(s)
			b.rank[rank(f)]++
			n++
		}
	}
	at := uint16(0)
	for i, count := range b.rank[:] {
		b.rank[i] = at
		at += count
	}
	for _, s := range b.weight[:n] {
		next := &b.rank[rank(uint16(s>>16))]
		b.sorted[*next] = s
		*next++
	}
	for i := 1; i < n; i++ {
		s, to := b.sorted[i], i
		for ; to > 0 && b.sorted[to-1] > s; to-- {
			b.sorted[to] = b.sorted[to-1]
		}
		b.sorted[to] = s
	}
	return n
}

// grow makes the tree of n leaves, Huffman's way: again and again the two
// lightest that have no parent yet get one. Leaves are sorted by weight, and
// parents are made in that order, so the lightest is the first of either.
func (b *codeBuilder) grow(n int) {
	for i, s := range b.sorted[:n] {
		b.weight[i] = s >> 16
	}
	leaf, inner := 0, n
	for next := n; next < 2*n-1; next++ {
		b.weight[next] = 0
		for range 2 {
			child := leaf
			if leaf == n || inner < next && b.weight[inner] < b.weight[leaf] {
				child = inner
				inner++
			} else {
				leaf++
			}
			b.weight[next] += b.weight[child]
			b.parent[child] = uint16(next)
		}
	}
}

// lengths counts the codes of each length. Leaves that are deeper than limit
// are taken there, which leaves too few codes. One more is had for each leaf
// above that is taken one down, where two have room, with one of the deepest.
func (b *codeBuilder) lengths(n, limit int) (count [16]uint16) {
	missing := -1 << limit
	b.depth[2*n-2] = 0
	for i := 2*n - 3; i >= 0; i-- {
		b.depth[i] = b.depth[b.parent[i]] + 1
		if i < n {
			l := min(int(b.depth[i]), limit)
			count[l]++
			missing += 1 << (limit - l)
		}
	}
	for ; missing > 0; missing-- {
		l := limit - 1
		for count[l] == 0 {
			l--
		}
		count[l]--
		count[l+1] += 2
		count[limit]--
	}
	return count
}
