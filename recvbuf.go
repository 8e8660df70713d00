package websocket

// stayLarge is how many reads in a row must bring less than a small buffer
// holds before small buffers are used again.
const stayLarge = 8

// idleRead is the size of the read in which an idle connection waits if the
// system cannot poll it, as with TLS. The connection holds no buffer then.
const idleRead = 16

// recvBuffer holds what was received and not yet decoded: buf[r:w]. buf is
// borrowed, and nil while nothing is buffered.
type recvBuffer struct {
	buf   []byte
	r, w  int
	large int8 // while positive, tryRead borrows large buffers, unless a message is being inflated
	full  bool // the last read was one of idleRead bytes, and brought as many
}

// store borrows a buffer for bytes that were received without one, as many as a
// large buffer holds.
func (b *recvBuffer) store(p []byte) {
	if len(p) > 0 {
		b.buf = borrowBuffer(len(p) > readBufferSize)
		b.w = copy(b.buf, p)
	}
}

func (b *recvBuffer) buffered() []byte {
	if b.buf == nil {
		return nil
	}
	return b.buf[b.r:b.w]
}

// release gives the buffer back if it is empty.
func (b *recvBuffer) release() {
	if b.buf != nil && b.r == b.w {
		returnBuffer(b.buf)
		b.buf, b.r, b.w = nil, 0, 0
	}
}

// drop drops what was received.
func (b *recvBuffer) drop() {
	b.r = b.w
	b.release()
}

// makeRoom moves what is left in the buffer to its beginning. It replaces a
// large buffer by a small one if that is enough, because the next wait may be
// long.
func (b *recvBuffer) makeRoom() {
	rest, old := b.buffered(), b.buf
	if len(old) > readBufferSize && len(rest) < readBufferSize {
		b.buf = borrowBuffer(false)
		defer returnBuffer(old)
	}
	b.r, b.w = 0, copy(b.buf, rest)
}

// chooseSize chooses the size of the next buffers by how much a read has
// brought. One small read does not mean much: it may have brought the end of
// something large.
func (b *recvBuffer) chooseSize() {
	switch {
	case b.w >= readBufferSize:
		b.large = stayLarge
	case b.large > 0:
		b.large--
	}
}
