package websocket

import (
	"encoding/binary"
	"sync"
)

// deflater compresses the messages of one direction of one connection for
// permessage-deflate, RFC 7692. Between messages it holds nothing but the
// window that the next message may refer to, and not even that without context
// takeover: the memory to compress with is shared by all connections. Not safe
// for concurrent use.
//
// It is our own because other compressors are not made to be lent. They stay
// with a connection, with up to 1.2 MB, or are given the window anew for each
// message: with 4 KiB of it klauspost/compress takes 12 µs or more for 128 bytes
// of JSON, and this, 3.
type deflater struct {
	bits     int    // refers back 1<<bits bytes at most, 8 to 15
	takeover bool   // whether a message may refer to those before it
	window   window // the end of all that was compressed
}

var deflations = sync.Pool{New: func() any { return new(deflation) }}

// append appends payload as section 7.2.1 has it: compressed, flushed to a
// whole number of bytes, and without the four bytes that such a flush ends in.
// That is longer than payload by 6 bytes for each maxBlock or part of it, at
// most. With context takeover the peer must be sent what is appended.
func (d *deflater) append(dst, payload []byte) []byte {
	c := deflations.Get().(*deflation)
	c.window, c.reach = d.window, 1<<d.bits
	dst = c.message(dst, payload)
	c.window = nil
	deflations.Put(c)
	if d.takeover {
		d.window.slide(payload, 1<<d.bits)
	}
	return dst
}

// window is what a message may refer to. Its memory grows as it fills.
type window []byte

// slide appends p and keeps the last bytes of all, as many as size.
func (w *window) slide(p []byte, size int) {
	p = p[max(0, len(p)-size):]
	old := (*w)[max(0, len(*w)+len(p)-size):]
	if n := len(old) + len(p); n > cap(*w) {
		*w = make(window, 0, min(size, max(2*cap(*w), n)))
	}
	*w = append(append((*w)[:0], old...), p...)
}

const (
	// maxBlock bytes are compressed at a time. As no window is larger, a block
	// after the first finds all that it may refer to in the message itself.
	maxBlock = 32 << 10

	// worthCodes is the size, with fixed codes, from which on codes of its own are
	// tried for a block. To make them takes 2 µs. Of 512 bytes of JSON that saves
	// 12 % with context takeover and 20 % without it, and of 4 KiB 30 %.
	worthCodes = 128

	// A message may refer to the last historyBase bytes of the window, and to
	// historyFactor more for each of its own. To learn all of 32 KiB takes 15 µs,
	// and for a message of 128 bytes that would save 2 more.
	historyBase   = 4 << 10
	historyFactor = 8

	// stale is the distance beyond which nothing is referred to.
	stale = 1<<15 + 1
)

// deflation is what it takes to compress one message. Of all this only what is
// small is cleared between messages.
type deflation struct {
	bitWriter
	out [maxBlock + 64]byte // what bitWriter writes to

	window []byte // what came before the message
	reach  uint32 // the longest distance that was negotiated

	base  uint32                // position of the first byte at hand
	table [1 << hashBits]uint32 // by hash of four bytes, where they were last

	tokens [maxBlock]lzToken // n of them are the block
	n      int
	extra  int              // bits in them that are not in their codes
	lits   [maxLits]uint16  // how often each occurs
	dists  [maxDists]uint16 // the same

	own     deflateCodes // of the block
	builder codeBuilder
	joined  [2 * maxBlock]byte // window and first block
}

// message appends payload compressed.
//
// Positions go on from message to message, with a gap, so that what others have
// left in the table is too far away to be used: that saves clearing it.
func (c *deflation) message(dst, payload []byte) []byte {
	if c.base == 0 || c.base > 1<<30 {
		clear(c.table[:])
		c.base = stale
	}
	begin := 0
	if len(c.window) > 0 && len(payload) > 0 {
		begin = min(len(payload), maxBlock)
		dst = c.first(dst, payload[:begin], len(payload))
	}
	for begin < len(payload) {
		end := min(len(payload), begin+maxBlock)
		dst = c.block(dst, payload[:end], begin)
		begin = end
	}
	c.base += stale + uint32(min(uint64(len(payload)), 1<<31))
	c.put(0, 3) // the empty stored block of the flush
	c.align(&c.out)
	return c.take(dst)
}

// first appends the first block of a message of n bytes, which may refer to the
// window.
func (c *deflation) first(dst, p []byte, n int) []byte {
	n = copy(c.joined[:], c.window[max(0, len(c.window)-historyBase-historyFactor*n):])
	c.learn(c.joined[:n])
	dst = c.block(dst, c.joined[:n+copy(c.joined[n:], p)], n)
	c.base += uint32(n)
	return dst
}

// block appends src from start on as one block, in that form of the three that
// is shortest. src[0] is at c.base.
func (c *deflation) block(dst, src []byte, start int) []byte {
	c.tokenize(src, start)
	p, use := src[start:], &fixedCodes
	stored, coded := 3+7+32+8*len(p), c.fixedCost()
	if coded >= 8*worthCodes {
		if n := c.makeCodes(); n < coded {
			use, coded = &c.own, n
		}
	}
	switch {
	case stored <= coded:
		c.put(0b000, 3)
		c.align(&c.out)
		n := uint64(len(p))
		c.put(n|(n^0xffff)<<16, 32)
		c.flush(&c.out)
		c.at += copy(c.out[c.at:], p)
	case use == &fixedCodes:
		c.put(0b010, 3)
		c.write(use)
	default:
		c.put(0b100, 3)
		c.writeCodes()
		c.write(use)
	}
	return c.take(dst)
}

// take appends to dst the whole bytes written so far.
func (c *deflation) take(dst []byte) []byte {
	dst = append(dst, c.out[:c.at]...)
	c.at = 0
	return dst
}

// bitWriter writes a deflate stream bit by bit, section 3.1.1 of RFC 1951.
type bitWriter struct {
	acc uint64 // bits not yet written, the first one lowest
	n   uint   // how many
	at  int    // where the next byte goes
}

// put adds n bits, where there is room: 56 after flush.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.n
	w.n += n
}

// putCode adds a code.
func (w *bitWriter) putCode(c deflateCode) { w.put(uint64(c&0xffff), c.bits()) }

// flush writes whole bytes.
func (w *bitWriter) flush(out *[maxBlock + 64]byte) {
	binary.LittleEndian.PutUint64(out[w.at:], w.acc)
	w.at += int(w.n >> 3)
	w.acc >>= w.n &^ 7
	w.n &= 7
}

// align fills up the last byte with zeros and writes it.
func (w *bitWriter) align(out *[maxBlock + 64]byte) {
	w.n = (w.n + 7) &^ 7
	w.flush(out)
}
