// Package utf8text validates UTF-8 text that arrives in pieces.
//
// It is our own because unicode/utf8 needs the whole text at once. A WebSocket
// message arrives in pieces, cut at any byte, and must fail if its text is not
// valid, RFC 6455 section 8.1: here that is known at the first byte that makes
// it invalid. The automaton here keeps one byte of state. It is as fast as
// utf8.Valid for 1 KiB of ASCII, and for other text two to seven times as fast.
package utf8text

import "encoding/binary"

// The states of the UTF-8 automaton. A state is the bit offset of its 6-bit
// field in a row of table, so that one shift takes the automaton one byte
// further. Because start is 0, the zero Checker is ready to use.
const (
	start  = 6 * iota // between characters
	reject            // invalid, whatever follows
	need1             // one more continuation byte
	need2
	need3
	afterE0 // the next byte must not be below A0: overlong
	afterED // the next byte must not be above 9F: surrogates
	afterF0 // the next byte must not be below 90: overlong
	afterF4 // the next byte must not be above 8F: beyond U+10FFFF
	end     // one past the last state
)

const (
	stateMask = 63                 // the bits of the next state, once a row is shifted by the state
	highBits  = 0x8080808080808080 // eight ASCII bytes have none of them set
	lane      = 128                // how many bytes each lane of pair takes before Check looks for ASCII again
	step      = 16                 // how many bytes are taken before that where ASCII is frequent
	slack     = 3                  // how many continuation bytes may stand where the second lane would begin
)

// table has a row for each byte value. The field of a row at the offset of a
// state is the state after that byte.
var table = buildTable()

// buildTable returns the grammar of RFC 3629 section 4 as a table. A byte that
// no rule names is rejected.
func buildTable() (rows [256]uint64) {
	for b := range rows {
		for state := uint64(start); state < end; state += 6 {
			rows[b] |= reject << state
		}
	}
	for _, rule := range []struct{ state, lo, hi, next uint64 }{
		{start, 0x00, 0x7F, start},
		{start, 0xC2, 0xDF, need1},
		{start, 0xE0, 0xE0, afterE0},
		{start, 0xE1, 0xEC, need2},
		{start, 0xED, 0xED, afterED},
		{start, 0xEE, 0xEF, need2},
		{start, 0xF0, 0xF0, afterF0},
		{start, 0xF1, 0xF3, need3},
		{start, 0xF4, 0xF4, afterF4},
		{need1, 0x80, 0xBF, start},
		{need2, 0x80, 0xBF, need1},
		{need3, 0x80, 0xBF, need2},
		{afterE0, 0xA0, 0xBF, need1},
		{afterED, 0x80, 0x9F, need1},
		{afterF0, 0x90, 0xBF, need2},
		{afterF4, 0x80, 0x8F, need2},
	} {
		for b := rule.lo; b <= rule.hi; b++ {
			rows[b] = rows[b]&^(stateMask<<rule.state) | rule.next<<rule.state
		}
	}
	return rows
}

// Checker validates one text, which arrives in pieces, as UTF-8 (RFC 3629). The
// zero value is ready for the first piece. A Checker must not be used by two
// goroutines at once.
type Checker struct {
	state uint8
}

// Check validates the next piece of the text. It returns -1 if the text so far
// is the beginning of a valid one. Otherwise it returns the index in p of the
// first byte that cannot be part of a valid text: the A0 of ED A0, or the C0 of
// C0 80. From then on Check returns 0 for every piece that is not empty, until
// Reset.
func (c *Checker) Check(p []byte) (bad int) {
	state := uint64(c.state)
	for i := 0; i < len(p); {
		ascii := 0
		if state == start {
			ascii = skipASCII(p[i:])
			i += ascii
		}
		var next uint64
		n := min(len(p)-i, step)
		if ascii < step && len(p)-i >= 2*step+slack { // ASCII is rare here, so a long stretch pays
			next, n = pair(state, p[i:])
		} else {
			next = run(state, p[i:i+n])
		}
		if next == reject {
			c.state = reject
			return i + rejectedAt(state, p[i:i+n])
		}
		state = next
		i += n
	}
	c.state = uint8(state)
	return -1
}

// Complete reports whether the text may end here: it is valid so far, and no
// character is unfinished.
func (c *Checker) Complete() bool { return c.state == start }

// Reset makes c ready for a new text.
func (c *Checker) Reset() { c.state = start }

// skipASCII returns the number of ASCII bytes at the front of p, rounded down
// to a multiple of 8.
func skipASCII(p []byte) (n int) {
	le := binary.LittleEndian
	for ; n <= len(p)-32; n += 32 {
		q := p[n : n+32 : n+32]
		if (le.Uint64(q)|le.Uint64(q[8:])|le.Uint64(q[16:])|le.Uint64(q[24:]))&highBits != 0 {
			break
		}
	}
	for n <= len(p)-8 && le.Uint64(p[n:n+8])&highBits == 0 {
		n += 8
	}
	return n
}

// pair does what run does, but in two parts of p at once, called lanes. Each
// step of the automaton waits for the one before it, and meanwhile the
// processor can make a step in the other lane. pair returns the state after the
// first n bytes of p, and n. p must have at least 2*8+slack bytes.
func pair(state uint64, p []byte) (next uint64, n int) {
	half := min(lane, (len(p)-slack)/2&^7)
	// The second lane must begin between two characters, so continuation bytes
	// there go to the first lane. More than slack of them are invalid, and the
	// second lane rejects the next one.
	lead := 0
	for lead < slack && p[half+lead]&0xC0 == 0x80 {
		lead++
	}
	n = lead + 2*half
	state = run(state, p[:lead])
	state, next = runPair(state, p[lead:lead+half], p[lead+half:n])
	if state != start {
		return reject, n
	}
	return next, n
}

// run returns the state after p, begun in state.
func run(state uint64, p []byte) uint64 {
	rows := &table
	for ; len(p) >= 8; p = p[8:] {
		q := (*[8]byte)(p)
		state = rows[q[0]] >> (state & stateMask)
		state = rows[q[1]] >> (state & stateMask)
		state = rows[q[2]] >> (state & stateMask)
		state = rows[q[3]] >> (state & stateMask)
		state = rows[q[4]] >> (state & stateMask)
		state = rows[q[5]] >> (state & stateMask)
		state = rows[q[6]] >> (state & stateMask)
		state = rows[q[7]] >> (state & stateMask)
	}
	for _, b := range p {
		state = rows[b] >> (state & stateMask)
	}
	return state & stateMask
}

// runPair returns the state after p, begun in state, and the state after q,
// begun between characters. p and q have the same length, a multiple of 8.
func runPair(state uint64, p, q []byte) (afterP, afterQ uint64) {
	rows := &table
	a, b := state, uint64(start)
	for i := 0; i <= len(p)-8 && i <= len(q)-8; i += 8 {
		x, y := p[i:i+8:i+8], q[i:i+8:i+8]
		a = rows[x[0]] >> (a & stateMask)
		b = rows[y[0]] >> (b & stateMask)
		a = rows[x[1]] >> (a & stateMask)
		b = rows[y[1]] >> (b & stateMask)
		a = rows[x[2]] >> (a & stateMask)
		b = rows[y[2]] >> (b & stateMask)
		a = rows[x[3]] >> (a & stateMask)
		b = rows[y[3]] >> (b & stateMask)
		a = rows[x[4]] >> (a & stateMask)
		b = rows[y[4]] >> (b & stateMask)
		a = rows[x[5]] >> (a & stateMask)
		b = rows[y[5]] >> (b & stateMask)
		a = rows[x[6]] >> (a & stateMask)
		b = rows[y[6]] >> (b & stateMask)
		a = rows[x[7]] >> (a & stateMask)
		b = rows[y[7]] >> (b & stateMask)
	}
	return a & stateMask, b & stateMask
}

// rejectedAt returns the index of the byte of p that is rejected. The fast
// loops look at the state only now and then. This one looks after each byte,
// but runs only once for a text.
func rejectedAt(state uint64, p []byte) (i int) {
	for state != reject && i < len(p) {
		state = table[p[i]] >> state & stateMask
		i++
	}
	return max(i-1, 0)
}
