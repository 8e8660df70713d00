package deflate

import (
	"encoding/binary"
	"math/bits"
)

// bitReader reads a deflate stream bit by bit, RFC 1951 section 3.1.1.
type bitReader struct {
	in  []byte
	at  int    // the index of the next byte to load
	acc uint64 // bits loaded, the next one lowest
	n   uint   // how many bits of acc count as loaded; those above are bits of the stream too, or 0
}

// fill loads bits until there are at least 56, or all that are left.
func (r *bitReader) fill() {
	if len(r.in)-r.at >= 8 {
		r.acc |= binary.LittleEndian.Uint64(r.in[r.at:]) << r.n
		r.at += int(63-r.n) >> 3
		r.n |= 56
		return
	}
	for r.n < 56 && r.at < len(r.in) {
		r.acc |= uint64(r.in[r.at]) << r.n
		r.at++
		r.n += 8
	}
}

// bits reads n bits, at most 14.
func (r *bitReader) bits(n uint) (uint, error) {
	r.fill()
	if n > r.n {
		return 0, errTruncated
	}
	v := uint(r.acc & (1<<n - 1))
	r.drop(n)
	return v, nil
}

func (r *bitReader) drop(n uint) {
	r.acc >>= n
	r.n -= n
}

// align skips the rest of the byte.
func (r *bitReader) align() { r.drop(r.n & 7) }

// prefixEntry is the meaning of a code. From the lowest bit on it has 4 bits
// for the length of the code, 4 for the number of extra bits that follow the
// code, 8 for the kind, and 16 for the literal or the number to which the extra
// bits are added. 0 is the meaning of bits that are no code.
type prefixEntry uint32

const (
	kindNone = iota << 8
	kindLiteral
	kindBase
	kindEnd
	kindMask = 0xff00
)

func (e prefixEntry) bits() uint  { return uint(e & 15) }
func (e prefixEntry) extra() uint { return uint(e >> 4 & 15) }
func (e prefixEntry) kind() uint  { return uint(e & kindMask) }

// value returns the length or distance: the number in e plus the extra bits,
// which follow the code in acc.
func (e prefixEntry) value(acc uint64) int {
	return int(e>>16) + int(acc>>e.bits()&(1<<e.extra()-1))
}

// The numbers of bits by which tables are indexed. With only 9 bits for
// literals and lengths, 64 KiB take 10 % longer, and 512 bytes take as long as
// now.
const (
	litBits  = 10
	distBits = 7
)

// prefixCode finds the code at the beginning of some bits. Short codes are in a
// table. Long ones are found length by length. That is slow, but codes are long
// because they are rare.
type prefixCode struct {
	mask    uint64 // the bits that index table
	table   [1 << litBits]prefixEntry
	count   [16]uint16       // the number of codes of each length
	symbols [288]prefixEntry // all codes, in their order
}

// find returns the meaning of the next bits of acc, or 0 if no code begins with
// them.
func (p *prefixCode) find(acc uint64) prefixEntry {
	if e := p.table[acc&p.mask%(1<<litBits)]; e != 0 {
		return e
	}
	return p.findLong(acc)
}

// findLong goes through the codes in their order. The codes of one length are
// consecutive numbers, which begin after those of the length before. Inlined it
// would make find too large to be inlined itself.
//
//go:noinline
func (p *prefixCode) findLong(acc uint64) prefixEntry {
	code, first, index := 0, 0, 0
	for l := 1; l < len(p.count); l++ {
		code = code<<1 | int(acc&1)
		acc >>= 1
		n := int(p.count[l])
		if code-first < n {
			return p.symbols[index+code-first]
		}
		index += n
		first = (first + n) << 1
	}
	return 0
}

// build makes the code in which entries[i] has a code of lengths[i] bits, or
// none if that is 0, RFC 1951 section 3.2.2. It reports whether the lengths
// make a code. A code that leaves bits without a meaning is accepted only if it
// has a single symbol, of one bit, or none at all.
func (p *prefixCode) build(lengths []uint8, entries []prefixEntry, size uint) bool {
	p.count = [16]uint16{}
	used, longest := 0, uint8(1)
	for _, l := range lengths {
		if l > 0 {
			p.count[l]++
			used++
			longest = max(longest, l)
		}
	}
	size = min(size, uint(longest))
	p.mask = 1<<size - 1
	clear(p.table[:1<<size])
	left := 1
	var code, index [16]uint16
	for l := 1; l < 16; l++ {
		left = left<<1 - int(p.count[l])
		if left < 0 {
			return false
		}
		code[l] = (code[l-1] + p.count[l-1]) << 1
		index[l] = index[l-1] + p.count[l-1]
	}
	if left > 0 && used > 0 && (used > 1 || p.count[1] != 1) {
		return false
	}
	for i, l := range lengths {
		if l == 0 {
			continue
		}
		e := entries[i] | prefixEntry(l)
		p.symbols[index[l]] = e
		index[l]++
		if uint(l) <= size {
			at := int(bits.Reverse16(code[l])) >> (16 - l)
			for ; at < 1<<size; at += 1 << l {
				p.table[at] = e
			}
		}
		code[l]++
	}
	return true
}

var (
	litEntries, distEntries     = prefixEntries()
	fixedLitCode, fixedDistCode = fixedPrefixCodes()
)

// prefixEntries returns the meanings of all symbols for literals and lengths,
// and for distances, RFC 1951 section 3.2.5. The lengths of their codes are 0.
func prefixEntries() (lits [288]prefixEntry, dists [32]prefixEntry) {
	for i := range 256 {
		lits[i] = prefixEntry(i<<16 | kindLiteral)
	}
	lits[endOfBlock] = kindEnd
	for i := range lengthBase {
		lits[firstLength+i] = prefixEntry((3+int(lengthBase[i]))<<16 | kindBase | int(lengthExtra[i])<<4)
	}
	for i, base := 0, 1; i < maxDists; i++ {
		x := distExtra(uint32(i))
		dists[i] = prefixEntry(base<<16 | kindBase | int(x)<<4)
		base += 1 << x
	}
	return
}

// fixedPrefixCodes returns the codes of blocks that bring none, RFC 1951
// section 3.2.6.
func fixedPrefixCodes() (lits, dists prefixCode) {
	l, d := fixedLengths()
	lits.build(l[:], litEntries[:], litBits)
	dists.build(d[:], distEntries[:], distBits)
	return lits, dists
}
