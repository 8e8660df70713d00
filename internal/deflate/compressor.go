package deflate

import (
	"encoding/binary"
	"runtime"
	"sync"
)

// Compressor compresses the messages of one direction of one connection. It
// must not be used by two goroutines at once.
type Compressor struct {
	WindowBits      int  // no distance exceeds 1<<WindowBits bytes; 8 to 15
	ContextTakeover bool // whether a message may refer to those before it

	window window
}

var compressions = sync.Pool{New: func() any { return new(compression) }}

// turns bounds how many messages are compressed at once. A compression takes 270
// KiB, and a goroutine that the scheduler stops in the middle keeps it: without
// a bound, each of thousands of busy connections could have one. As nothing waits
// while it compresses, more of them than processors gain nothing. What counts are
// the processors when the program starts.
var turns = make(chan struct{}, 2*runtime.GOMAXPROCS(0))

// Append appends the payload to dst as RFC 7692 section 7.2.1 demands:
// compressed, flushed to a whole number of bytes, and without the four bytes 00
// 00 FF FF at the end of the flush. For each 32 KiB of the payload, or part of
// it, the result is at most 6 bytes longer than the payload. With context
// takeover the peer needs every message, in the same order.
func (c *Compressor) Append(dst, payload []byte) []byte {
	turns <- struct{}{}
	m := compressions.Get().(*compression)
	m.window, m.reach = c.window, 1<<c.WindowBits
	dst = m.message(dst, payload)
	m.window = nil
	compressions.Put(m)
	<-turns
	if c.ContextTakeover {
		c.window.slide(payload, 1<<c.WindowBits)
	}
	return dst
}

const (
	// maxBlock is how many bytes of the payload a block has at most. No window
	// is larger, so a block after the first one finds everything that it may
	// refer to in the message itself.
	maxBlock = 32 << 10

	// A block that takes worthCodes bytes or more with fixed codes is also
	// tried with codes of its own. Making them takes 2 µs. They save 12 % of
	// 512 bytes of JSON with context takeover and 20 % without it, and 30 % of
	// 4 KiB.
	worthCodes = 128

	// A message may refer to the last historyBase bytes of the window, and to
	// historyFactor more for each byte of its own. Learning all of 32 KiB takes
	// 15 µs, and would save only 2 more bytes of a message of 128.
	historyBase   = 4 << 10
	historyFactor = 8

	// stale is a distance longer than any that is allowed.
	stale = 1<<15 + 1
)

// compression is the memory in which one message is compressed. Only the small
// fields are cleared between two messages.
type compression struct {
	bitWriter
	out [maxBlock + 64]byte // bitWriter writes here

	window []byte // the end of the messages before this one
	reach  uint32 // the longest distance that was negotiated

	base  uint32                // the position of the first byte of the window, or of the message
	table [1 << hashBits]uint32 // the last position of four bytes, by their hash

	tokens [maxBlock]token // tokens[:n] are the block
	n      int
	extra  int              // the number of extra bits in the block
	lits   [maxLits]uint16  // how often each literal and length occurs in the block
	dists  [maxDists]uint16 // the same for distances

	own     blockCodes // the codes made for the block
	builder codeBuilder
	joined  [2 * maxBlock]byte // the window and the first block
}

// message appends the payload, compressed.
//
// Positions go on from message to message, with a gap between them. So whatever
// earlier messages left in the table is too far away to be used, and the table
// need not be cleared.
func (c *compression) message(dst, payload []byte) []byte {
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
	c.put(0, 3) // the header of the empty stored block that ends a flush
	c.align(&c.out)
	return c.take(dst)
}

// first appends p, the first block of a message of n bytes. It may refer to the
// window.
func (c *compression) first(dst, p []byte, n int) []byte {
	n = copy(c.joined[:], c.window[max(0, len(c.window)-historyBase-historyFactor*n):])
	c.learn(c.joined[:n])
	dst = c.block(dst, c.joined[:n+copy(c.joined[n:], p)], n)
	c.base += uint32(n)
	return dst
}

// block appends src[start:] as one block, in the shortest of the three formats.
// The position of src[0] is c.base.
func (c *compression) block(dst, src []byte, start int) []byte {
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

// take moves the whole bytes written so far to dst.
func (c *compression) take(dst []byte) []byte {
	dst = append(dst, c.out[:c.at]...)
	c.at = 0
	return dst
}

// bitWriter writes a deflate stream bit by bit, RFC 1951 section 3.1.1.
type bitWriter struct {
	acc uint64 // bits not yet written, the first one lowest
	n   uint   // the number of bits in acc
	at  int    // the index of the next byte in out
}

// put adds the n lowest bits of v. After flush there is room for 56 bits.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.n
	w.n += n
}

// putCode adds the code of a symbol.
func (w *bitWriter) putCode(c symbolCode) { w.put(uint64(c&0xffff), c.bits()) }

// flush writes the whole bytes in acc to out.
func (w *bitWriter) flush(out *[maxBlock + 64]byte) {
	binary.LittleEndian.PutUint64(out[w.at:], w.acc)
	w.at += int(w.n >> 3)
	w.acc >>= w.n &^ 7
	w.n &= 7
}

// align fills the last byte with zeros and writes it to out.
func (w *bitWriter) align(out *[maxBlock + 64]byte) {
	w.n = (w.n + 7) &^ 7
	w.flush(out)
}
