package websocket

import "encoding/binary"

// The states of the UTF-8 automaton. A state is the bit offset of its 6-bit field in a row of utf8Rows, so that one shift
// is one step; utf8Start is 0, which makes the zero utf8Checker ready.
const (
	utf8Start  = 6 * iota // between characters
	utf8Reject            // no continuation can make this valid; never left
	utf8Need1             // one more continuation byte
	utf8Need2
	utf8Need3
	utf8AfterE0 // the next may not be below A0: overlong
	utf8AfterED // the next may not be above 9F: surrogates
	utf8AfterF0 // the next may not be below 90: overlong
	utf8AfterF4 // the next may not be above 8F: beyond U+10FFFF
	utf8End     // one past the last state
)

const (
	utf8StateMask = 63                 // a row shifted by the state before holds the next state in these bits
	utf8HighBits  = 0x8080808080808080 // none of them is set in eight ASCII bytes
	utf8Lane      = 128                // bytes that a lane takes before the text is looked at for ASCII again
	utf8Step      = 16                 // bytes taken where ASCII was met just now, and more of it is likely
	utf8Slack     = 3                  // continuation bytes that may stand where the second lane would begin
)

// utf8Rows has a row for each byte value: in the field at the offset of each state, the state that follows it.
var utf8Rows = utf8BuildRows()

// utf8BuildRows writes down the grammar of RFC 3629 section 4. What it does not name is rejected.
func utf8BuildRows() (rows [256]uint64) {
	for b := range rows {
		for state := uint64(utf8Start); state < utf8End; state += 6 {
			rows[b] |= utf8Reject << state
		}
	}
	for _, rule := range []struct{ state, lo, hi, next uint64 }{
		{utf8Start, 0x00, 0x7F, utf8Start},
		{utf8Start, 0xC2, 0xDF, utf8Need1},
		{utf8Start, 0xE0, 0xE0, utf8AfterE0},
		{utf8Start, 0xE1, 0xEC, utf8Need2},
		{utf8Start, 0xED, 0xED, utf8AfterED},
		{utf8Start, 0xEE, 0xEF, utf8Need2},
		{utf8Start, 0xF0, 0xF0, utf8AfterF0},
		{utf8Start, 0xF1, 0xF3, utf8Need3},
		{utf8Start, 0xF4, 0xF4, utf8AfterF4},
		{utf8Need1, 0x80, 0xBF, utf8Start},
		{utf8Need2, 0x80, 0xBF, utf8Need1},
		{utf8Need3, 0x80, 0xBF, utf8Need2},
		{utf8AfterE0, 0xA0, 0xBF, utf8Need1},
		{utf8AfterED, 0x80, 0x9F, utf8Need1},
		{utf8AfterF0, 0x90, 0xBF, utf8Need2},
		{utf8AfterF4, 0x80, 0x8F, utf8Need2},
	} {
		for b := rule.lo; b <= rule.hi; b++ {
			rows[b] = rows[b]&^(utf8StateMask<<rule.state) | rule.next<<rule.state
		}
	}
	return rows
}

// utf8Checker validates UTF-8 (RFC 3629) that arrives in pieces, as RFC 6455 section 8.1 asks of text messages and close
// reasons. The zero value is ready for the first piece. It may not be used by two goroutines at once.
type utf8Checker struct {
	state uint8
}

// check takes p as the continuation of all that came before. It returns -1 if all of it so far is the beginning of some
// valid text, else the index in p of the first byte after which no valid text is possible: the A0 of ED A0, the C0 of
// C0 80. After that it is stuck: check of any further byte returns 0 until reset.
func (c *utf8Checker) check(p []byte) (bad int) {
	state := uint64(c.state)
	for i := 0; i < len(p); {
		ascii := 0
		if state == utf8Start {
			ascii = utf8SkipASCII(p[i:])
			i += ascii
		}
		var next uint64
		n := min(len(p)-i, utf8Step)
		if ascii < utf8Step && len(p)-i >= 2*utf8Step+utf8Slack { // ASCII is rare here, so that a long stretch pays
			next, n = utf8Pair(state, p[i:])
		} else {
			next = utf8Run(state, p[i:i+n])
		}
		if next == utf8Reject {
			c.state = utf8Reject
			return i + utf8RejectedAt(state, p[i:i+n])
		}
		state = next
		i += n
	}
	c.state = uint8(state)
	return -1
}

// complete reports whether the text may end here: nothing was rejected and no character is unfinished.
func (c *utf8Checker) complete() bool { return c.state == utf8Start }

// reset makes c ready for a new text.
func (c *utf8Checker) reset() { c.state = utf8Start }

// utf8SkipASCII returns how many bytes at the front of p are ASCII, counted in eights.
func utf8SkipASCII(p []byte) (n int) {
	le := binary.LittleEndian
	for ; n <= len(p)-32; n += 32 {
		q := p[n : n+32 : n+32]
		if (le.Uint64(q)|le.Uint64(q[8:])|le.Uint64(q[16:])|le.Uint64(q[24:]))&utf8HighBits != 0 {
			break
		}
	}
	for n <= len(p)-8 && le.Uint64(p[n:n+8])&utf8HighBits == 0 {
		n += 8
	}
	return n
}

// utf8Pair is utf8Run over two halves of p at once: each step of an automaton waits for the one before it, and the
// processor has room for a second chain. It returns the number of bytes it took too. p must hold 2*8+utf8Slack bytes.
func utf8Pair(state uint64, p []byte) (next uint64, n int) {
	half := min(utf8Lane, (len(p)-utf8Slack)/2&^7)
	// The second lane must begin between two characters. Continuation bytes belong to the first; a fourth one in a row
	// could only be invalid, and the second lane rejects it.
	lead := 0
	for lead < utf8Slack && p[half+lead]&0xC0 == 0x80 {
		lead++
	}
	n = lead + 2*half
	state = utf8Run(state, p[:lead])
	state, next = utf8RunPair(state, p[lead:lead+half], p[lead+half:n])
	if state != utf8Start {
		return utf8Reject, n
	}
	return next, n
}

// utf8Run returns the state after p.
func utf8Run(state uint64, p []byte) uint64 {
	rows := &utf8Rows
	for ; len(p) >= 8; p = p[8:] {
		q := (*[8]byte)(p)
		state = rows[q[0]] >> (state & utf8StateMask)
		state = rows[q[1]] >> (state & utf8StateMask)
		state = rows[q[2]] >> (state & utf8StateMask)
		state = rows[q[3]] >> (state & utf8StateMask)
		state = rows[q[4]] >> (state & utf8StateMask)
		state = rows[q[5]] >> (state & utf8StateMask)
		state = rows[q[6]] >> (state & utf8StateMask)
		state = rows[q[7]] >> (state & utf8StateMask)
	}
	for _, b := range p {
		state = rows[b] >> (state & utf8StateMask)
	}
	return state & utf8StateMask
}

// utf8RunPair returns the states after p, begun in state, and after q, begun between characters. Both have the same
// length, a multiple of 8.
func utf8RunPair(state uint64, p, q []byte) (afterP, afterQ uint64) {
	rows := &utf8Rows
	a, b := state, uint64(utf8Start)
	for i := 0; i <= len(p)-8 && i <= len(q)-8; i += 8 {
		x, y := p[i:i+8:i+8], q[i:i+8:i+8]
		a = rows[x[0]] >> (a & utf8StateMask)
		b = rows[y[0]] >> (b & utf8StateMask)
		a = rows[x[1]] >> (a & utf8StateMask)
		b = rows[y[1]] >> (b & utf8StateMask)
		a = rows[x[2]] >> (a & utf8StateMask)
		b = rows[y[2]] >> (b & utf8StateMask)
		a = rows[x[3]] >> (a & utf8StateMask)
		b = rows[y[3]] >> (b & utf8StateMask)
		a = rows[x[4]] >> (a & utf8StateMask)
		b = rows[y[4]] >> (b & utf8StateMask)
		a = rows[x[5]] >> (a & utf8StateMask)
		b = rows[y[5]] >> (b & utf8StateMask)
		a = rows[x[6]] >> (a & utf8StateMask)
		b = rows[y[6]] >> (b & utf8StateMask)
		a = rows[x[7]] >> (a & utf8StateMask)
		b = rows[y[7]] >> (b & utf8StateMask)
	}
	return a & utf8StateMask, b & utf8StateMask
}

// utf8RejectedAt returns the index of the byte of p that leads to utf8Reject, one byte at a time: the fast loops look at
// the state only now and then, and this runs once for a failed text.
func utf8RejectedAt(state uint64, p []byte) (i int) {
	for state != utf8Reject && i < len(p) {
		state = utf8Rows[p[i]] >> state & utf8StateMask
		i++
	}
	return max(i-1, 0)
}
