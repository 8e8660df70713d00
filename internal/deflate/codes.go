package deflate

import "math/bits"

// symbolCode is the code of one symbol. The low 16 bits are the code, its first
// bit lowest, as it is written. The bits above are its length: 0 if the symbol
// is not used.
type symbolCode uint32

func (c symbolCode) bits() uint { return uint(c >> 16) }

// blockCodes are the codes with which a block is written.
type blockCodes struct {
	lits  [maxLits]symbolCode
	dists [maxDists]symbolCode
}

var fixedCodes = makeFixedCodes()

func makeFixedCodes() (c blockCodes) {
	lits, dists := fixedLengths()
	for i := range c.lits {
		c.lits[i] = symbolCode(lits[i]) << 16
	}
	for i := range c.dists {
		c.dists[i] = symbolCode(dists[i]) << 16
	}
	assign(c.lits[:], &[16]uint16{7: 24, 8: 144 + 8, 9: 112})
	assign(c.dists[:], &[16]uint16{5: 32})
	return c
}

// assign adds the codes to symbols that have only the lengths of them, RFC 1951
// section 3.2.2. count is the number of codes of each length.
func assign(symbols []symbolCode, count *[16]uint16) {
	var next [16]uint16
	for l := 1; l < len(next); l++ {
		next[l] = (next[l-1] + count[l-1]) << 1
	}
	for i, c := range symbols {
		if l := c.bits(); l > 0 {
			symbols[i] = c | symbolCode(bits.Reverse16(next[l])>>(16-l))
			next[l]++
		}
	}
}

// fixedCost returns how many bits the block takes with fixed codes.
func (c *compression) fixedCost() int {
	n := 3 + c.extra
	for i, f := range c.lits[:] {
		n += int(f) * int(fixedCodes.lits[i].bits())
	}
	for _, f := range c.dists[:] {
		n += int(f) * 5
	}
	return n
}

// codeBuilder makes codes for a block, and the header of the block that
// describes them.
type codeBuilder struct {
	nlits, ndists, nlens int                        // how many codes the header describes, of each alphabet
	all                  [maxLits + maxDists]uint8  // the lengths of the codes for literals and lengths, and for distances
	runs                 [maxLits + maxDists]uint16 // those lengths as symbols, which have their extra bits in the high byte
	nruns                int
	used                 [19]uint16 // how often each symbol occurs in runs
	lens                 [19]symbolCode

	// The memory in which one code is made: the symbols that occur, sorted by
	// how often, and then a tree of them.
	rank   [maxRank + 1]uint16
	sorted [maxLits]uint32
	weight [2 * maxLits]uint32
	parent [2 * maxLits]uint16
	depth  [2 * maxLits]uint8
}

// makeCodes makes codes for the block and returns how many bits the block takes
// with them.
func (c *compression) makeCodes() int {
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

// writeCodes writes the description of the codes that were made for the block,
// RFC 1951 section 3.2.7.
func (c *compression) writeCodes() {
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

// findRuns turns the lengths of all codes into runs.
func (b *codeBuilder) findRuns(of *blockCodes) {
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

// addPart adds a symbol for the first of n lengths that all are l, and returns
// how many lengths the symbol stands for. If l is not 0, the length before them
// must be l too.
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

// make fills symbols with the codes that are shortest if each symbol occurs as
// often as given, with no code longer than limit. It returns how many bits all
// occurrences take. At least two symbols get a code, so that the code is
// complete: some decompressors refuse an incomplete one.
func (b *codeBuilder) make(symbols []symbolCode, often []uint16, limit int) (size int) {
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
			symbols[b.sorted[next]&0xffff] = symbolCode(l) << 16
			size += l * int(b.sorted[next]>>16)
		}
	}
	assign(symbols, &count)
	return size
}

// maxRank is the rank of the highest number.
const maxRank = 13<<3 + 7

// rank returns a rank that grows with often. Numbers of the same rank differ by
// less than one eighth.
func rank(often uint16) int {
	x := max(0, bits.Len16(often)-4)
	return x<<3 + int(often>>x)
}

// sort sorts the symbols that occur by how often they do, and returns how many
// there are. It first groups them by rank, which leaves little to sort: with
// slices.Sort, making codes takes 20 % longer.
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

// grow makes a Huffman tree with n leaves: again and again it gives a parent to
// the two lightest nodes that have none yet. The leaves are sorted by weight,
// and parents are made in the order of theirs, so the lightest node is the
// first leaf or the first parent.
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

// lengths counts the codes of each length. Leaves deeper than limit are moved
// up to it, where there are not enough codes for all of them. Moving a higher
// leaf down by one makes room for two there, so that one of the deepest leaves
// can become its sibling: each such step makes up for one missing code.
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
