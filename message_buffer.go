package websocket

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// assembly is a message that is being put together.
type assembly struct {
	b     []byte
	start int // where the message begins in b, or in head

	// exact means that the message must end up in memory of exactly its size,
	// allocated once. Until that size is known, the message is gathered in
	// chunks, and b is a slice of the last one. A message that is inflated is
	// gathered so too, once it is longer than the memory it began in, which is
	// then head: growing that memory would take three times its size.
	exact       bool
	owned       bool // b, or head, is memory of the receiver and not of the caller
	head        []byte
	first, last *chunk
	size        int // bytes in head and in all chunks but the last
}

// length returns how much of the message has arrived.
func (m *assembly) length() int {
	if m.last == nil {
		return len(m.b) - m.start
	}
	return m.size + len(m.b)
}

// grow makes room for more payload. It goes by how much of the message has
// arrived, not by the length that the peer has announced: the announcement
// alone costs at most one step. buffered is how many bytes have arrived and are
// not yet decoded.
func (m *assembly) grow(d *decoder, buffered int) {
	left, have := d.payloadLeft(), m.length()
	switch {
	case m.exact && d.frame.fin && left > 0 && left <= int64(have+buffered):
		m.join(int(left))
	case m.exact || d.inflates():
		m.addChunk()
	default:
		step := max(readBufferSize, int64(have))
		if left > 0 {
			step = min(step, max(left, utf8.UTFMax))
		}
		m.b = slices.Grow(m.b, int(step))
	}
}

func (m *assembly) addChunk() {
	p := chunks.Get().(*chunk)
	m.size = m.length()
	if m.last == nil {
		m.head, m.first = m.b, p
	} else {
		m.last.n, m.last.next = len(m.b), p
	}
	m.last, m.b = p, p.b[:0]
}

// resume continues with what rest of an earlier read has returned. If that is
// nil, resume does nothing.
func (m *assembly) resume(partial *assembly) {
	if partial != nil {
		*m = *partial
	}
}

// take returns the message, appended to b. The result is not nil.
func (m *assembly) take(b []byte) []byte {
	switch {
	case m.owned && b != nil:
		b = m.appendTo(b)
	case m.exact || b == nil:
		return m.whole()
	case m.last == nil:
		return m.b
	default:
		b = m.appendTo(m.head[:m.start])
	}
	m.giveBack()
	return b
}

// whole returns the message without what stands before it in head.
func (m *assembly) whole() []byte {
	if m.last != nil || m.b == nil {
		m.join(0)
	}
	return m.b[m.start:]
}

// keepChunks is how long a message must be to be left in chunks until a later
// read. A shorter one is copied, because the next wait may be long.
const keepChunks = 2 * chunkSize

// rest returns what has arrived of the message, for a later read.
func (m *assembly) rest() *assembly {
	switch {
	case m.last == nil && m.owned:
	case m.last == nil || m.size < keepChunks:
		m.join(0)
	case !m.owned:
		m.head, m.start = bytes.Clone(m.head[m.start:]), 0
	}
	rest := *m
	rest.exact, rest.owned = true, true
	*m = assembly{} // the chunks are no longer its own
	return &rest
}

// join moves the message to one slice that has room for more bytes, and gives
// the chunks back.
func (m *assembly) join(more int) {
	whole := m.appendTo(make([]byte, 0, m.length()+more))
	m.giveBack()
	m.b, m.start = whole, 0
}

// appendTo appends the message to dst.
func (m *assembly) appendTo(dst []byte) []byte {
	if m.last == nil {
		return append(dst, m.b[m.start:]...)
	}
	dst = append(slices.Grow(dst, m.length()), m.head[m.start:]...)
	m.last.n = len(m.b)
	for p := m.first; p != nil; p = p.next {
		dst = append(dst, p.b[:p.n]...)
	}
	return dst
}

// giveBack gives the chunks back to their pool.
func (m *assembly) giveBack() {
	for p := m.first; p != nil; {
		next := p.next
		p.next = nil
		chunks.Put(p)
		p = next
	}
	m.head, m.first, m.last, m.size = nil, nil, nil, 0
}
