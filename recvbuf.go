package websocket

// stayLarge is how many reads in a row must bring less than a small buffer holds
// before small ones are used again.
const stayLarge = 8

// idleRead is how many bytes a connection that cannot say when it is readable
// waits with, instead of with a buffer.
const idleRead = 16

// recvBuffer holds what was received and not yet decoded: buf[r:w]. buf is
// borrowed, and nil while there is nothing.
type recvBuffer struct {
	buf   []byte
	r, w  int
	large int8 // how many more buffers are to be large, where the system can be asked
}

// store takes bytes that were received before there was a buffer.
func (b *recvBuffer) store(p []byte) {
	if len(p) > 0 {
		b.buf = borrowBuffer(false)
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

// drop forgets what was received.
func (b *recvBuffer) drop() {
	b.r = b.w
	b.release()
}

// makeRoom moves what is left in the buffer to its beginning. The next wait may
// be long, so it gives a large buffer back if a small one is enough.
func (b *recvBuffer) makeRoom() {
	rest, old := b.buffered(), b.buf
	if len(old) > readBufferSize && len(rest) < readBufferSize {
		b.buf = borrowBuffer(false)
		defer returnBuffer(old)
	}
	b.r, b.w = 0, copy(b.buf, rest)
}

// chooseSize chooses the size of the next buffer by how much a read has brought.
// A read that brought little may have been for the end of what came before it.
func (b *recvBuffer) chooseSize() {
	switch {
	case b.w >= readBufferSize:
		b.large = stayLarge
	case b.large > 0:
		b.large--
	}
}
