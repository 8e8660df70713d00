package websocket

import (
	"slices"
	"unicode/utf8"
)

// messageBuffer is where a message is put together.
type messageBuffer struct {
	b     []byte
	start int // of the message in b

	// exact means that the message is to be allocated, once and of the right
	// size. Until it is, it is gathered in pieces, and b is in the last.
	exact       bool
	first, last *piece
	size        int // bytes in all pieces but the last

	owned bool // b is the reader's own
}

// grow makes room for more payload. It goes by what has arrived: a length that
// a peer has announced costs nothing until the bytes are there, beyond one
// step.
func (m *messageBuffer) grow(rd *reader) {
	left, have := rd.dec.direct(), m.size+len(m.b)
	switch {
	case m.exact && rd.dec.fin && left > 0 && left <= int64(have+len(rd.buffered())):
		m.join(int(left))
	case m.exact:
		m.addPiece()
	default:
		step := max(readBufferSize, int64(len(m.b)-m.start))
		if left > 0 {
			step = min(step, max(left, utf8.UTFMax))
		}
		m.b = slices.Grow(m.b, int(step))
	}
}

func (m *messageBuffer) addPiece() {
	p := pieces.Get().(*piece)
	if m.last == nil {
		m.first = p
	} else {
		m.last.n, m.last.next = len(m.b), p
		m.size += len(m.b)
	}
	m.last, m.b = p, p.b[:0]
}

// resume goes on with what a read before has left, if there is something.
func (m *messageBuffer) resume(rd *reader) {
	if rd.partial != nil {
		m.b, m.start, m.exact, m.owned = rd.partial, 0, false, true
		rd.partial = nil
	}
}

// take returns the message as the caller gets it, which is never nil. If the
// message was not put together behind b it is appended there.
func (m *messageBuffer) take(b []byte) []byte {
	if m.owned && b != nil {
		return append(b, m.b...)
	}
	return m.whole()
}

func (m *messageBuffer) whole() []byte {
	if m.first != nil || m.b == nil {
		m.join(0)
	}
	return m.b
}

// rest returns what there is of the message, to go on with later.
func (m *messageBuffer) rest() []byte {
	switch {
	case m.owned:
		return m.b
	case m.exact:
		return m.whole()
	}
	return append([]byte{}, m.b[m.start:]...)
}

// join moves what the pieces hold to where there is room for so much more.
func (m *messageBuffer) join(more int) {
	whole := make([]byte, 0, m.size+len(m.b)+more)
	if m.last != nil {
		whole = m.appendTo(whole)
	}
	m.giveBack()
	m.b = whole
}

// appendTo appends the message.
func (m *messageBuffer) appendTo(dst []byte) []byte {
	if m.last == nil {
		return append(dst, m.b[m.start:]...)
	}
	m.last.n = len(m.b)
	for p := m.first; p != nil; p = p.next {
		dst = append(dst, p.b[:p.n]...)
	}
	return dst
}

// move moves the message to a buffer that is to be recycled.
func (m *messageBuffer) move() *outBuffer {
	out := outBuffers.Get().(*outBuffer)
	out.b = m.appendTo(slices.Grow(out.b, m.size+len(m.b)-m.start))
	m.giveBack()
	return out
}

// giveBack lets go of the pieces.
func (m *messageBuffer) giveBack() {
	for p := m.first; p != nil; {
		next := p.next
		p.next = nil
		pieces.Put(p)
		p = next
	}
	m.first, m.last, m.size = nil, nil, 0
}
