// Package deflate compresses and decompresses the messages of
// permessage-deflate, RFC 7692, in the format of RFC 1951. It knows nothing of
// frames and connections.
//
// The compressor is our own because of memory. Between two messages a
// [Compressor] or [Decompressor] holds only the window to which the next
// message may refer, and without context takeover nothing: the memory to work
// with is shared by all of them. Other compressors hold up to 1.2 MB for each
// connection, or must be given the window again for each message: with a window
// of 4 KiB klauspost/compress then takes 12 µs or more for 128 bytes of JSON,
// and this package 3.
//
// The decompressor is our own because input and output are slices here, and it
// can stop wherever they end. compress/flate waits for more input on a stack,
// reads byte by byte through an interface, allocates, and copies everything once
// more out of a window of its own: for JSON it takes 1.3 times as long at 512
// bytes and 1.7 times at 64 KiB. It also can neither refuse a distance that was
// not negotiated, nor stop at a limit to the byte.
package deflate

import "math/bits"

// The alphabets of RFC 1951 section 3.2.5. One has 256 literals, the end of the
// block and 29 symbols for lengths, the other has 30 symbols for distances.
const (
	endOfBlock  = 256
	firstLength = 257
	maxLits     = 286
	maxDists    = 30
)

// lengthExtra is the number of extra bits after each symbol for lengths.
var lengthExtra = [maxLits - firstLength]uint8{8: 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}

// lengthBase is the lowest length of each symbol, less 3. lengthSymbol is the
// symbol of each length less 3.
var lengthBase, lengthSymbol = lengthTables()

// lengthTables counts through the lengths. The length 258 has a symbol for
// itself, although the one before has room for it.
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

// distSymbol returns the symbol of a distance less 1. Each symbol stands for
// twice as many as the one two before it.
func distSymbol(d uint32) uint32 {
	if d < 4 {
		return d
	}
	x := uint32(bits.Len32(d)) - 2
	return 2*x + d>>x
}

// distExtra returns the number of extra bits after a symbol for distances.
func distExtra(symbol uint32) uint { return uint(max(symbol, 2)>>1 - 1) }

// A block with codes of its own begins with the lengths of those codes, which
// are written with a third alphabet, section 3.2.7. lengthOrder is the order in
// which the codes of that alphabet are described, and runExtra is the number of
// extra bits after each of its symbols: 16 to 18 stand for runs.
var (
	lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	runExtra    = [19]uint8{16: 2, 3, 7}
)

// fixedLengths returns the lengths of the fixed codes, section 3.2.6, including
// the codes that are never used.
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
