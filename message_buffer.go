package websocket

import (
	"slices"
	"unicode/utf8"
)

// assembly is a message that is being put together.
type assembly struct {
	b     []byte
	start int // where the message begins in b

	// exact means that the message must end up in memory of exactly its size,
	// allocated once. Until that size is known, the message is gathered in
	// chunks, and b is a slice of the last one.
	exact       bool
	first, last *chunk
	size        int // bytes in all chunks but the last

	owned bool // b is memory of the receiver, not of the caller
}

// grow makes room for more payload. It goes by how much of the message has
// arrived, not by the length that the peer has announced: the announcement
// alone costs at most one step. buffered is how many bytes have arrived and are
// not yet decoded.
func (m *assembly) grow(d *decoder, buffered int) {
	left, have := d.payloadLeft(), m.size+len(m.b)
	switch {
	case m.exact && d.frame.fin && left > 0 && left <= int64(have+buffered):
		m.join(int(left))
	case m.exact:
		m.addChunk()
	default:
		step := max(readBufferSize, int64(len(m.b)-m.start))
		if left > 0 {
			step = min(step, max(left, utf8.UTFMax))
		}
		m.b = slices.Grow(m.b, int(step))
	}
}

func (m *assembly) addChunk() {
	p := chunks.Get().(*chunk)
	if m.last == nil {
		m.first = p
	} else {
		m.last.n, m.last.next = len(m.b), p
		m.size += len(m.b)
	}
	m.last, m.b = p, p.b[:0]
}

// resume continues with partial, which an earlier read has left. If partial is
// nil, resume does nothing.
func (m *assembly) resume(partial []byte) {
	if partial != nil {
		m.b, m.start, m.exact, m.owned = partial, 0, false, true
	}
}

// take returns the message, appended to b. The result is not nil. A resumed
// message is copied to b; any other is there already.
func (m *assembly) take(b []byte) []byte {
	if m.owned && b != nil {
		return append(b, m.b...)
	}
	return m.whole()
}

func (m *assembly) whole() []byte {
	if m.first != nil || m.b == nil {
		m.join(0)
	}
	return m.b
}

// rest returns what has arrived of the message, for a later read.
func (m *assembly) rest() []byte {
	switch {
	case m.owned:
		return m.b
	case m.exact:
		return m.whole()
	}
	return append([]byte{}, m.b[m.start:]...)
}

// join moves what the chunks hold to one slice that has room for more bytes,
// and gives the chunks back.
func (m *assembly) join(more int) {
	whole := make([]byte, 0, m.size+len(m.b)+more)
	if m.last != nil {
		whole = m.appendTo(whole)
	}
	m.giveBack()
	m.b = whole
}

// appendTo appends the message to dst.
func (m *assembly) appendTo(dst []byte) []byte {
	if m.last == nil {
		return append(dst, m.b[m.start:]...)
	}
	m.last.n = len(m.b)
	for p := m.first; p != nil; p = p.next {
		dst = append(dst, p.b[:p.n]...)
	}
	return dst
}

// move moves the message to memory that the caller must recycle.
func (m *assembly) move() *scratch {
	out := scratches.Get().(*scratch)
	out.b = m.appendTo(slices.Grow(out.b, m.size+len(m.b)-m.start))
	m.giveBack()
	return out
}

// giveBack gives the chunks back to their pool.
func (m *assembly) giveBack() {
	for p := m.first; p != nil; {
		next := p.next
		p.next = nil
		chunks.Put(p)
		p = next
	}
	m.first, m.last, m.size = nil, nil, 0
}
