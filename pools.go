package websocket

import (
	"sync"

	"github.com/protocol-websocket/websocket/internal/mask"
)

// Connections share the memory in these pools. An idle connection holds none.

const (
	// readBufferSize is the size of a small buffer. Only a connection that has
	// something to do holds a buffer. Large payloads are read straight into the
	// message.
	readBufferSize = 16 << 10

	// largeBufferSize is the size of a large buffer, which is used after a read
	// has filled a small one. A message of 64 KiB, or as many bytes of small
	// ones, then takes one read(2) instead of five. For messages of 64 KiB this
	// saves a quarter of the CPU time of an echo.
	largeBufferSize = 72 << 10
)

type (
	readBuffer  [readBufferSize]byte
	largeBuffer [largeBufferSize]byte
)

var (
	readBuffers  = sync.Pool{New: func() any { return new(readBuffer) }}
	largeBuffers = sync.Pool{New: func() any { return new(largeBuffer) }}
)

// borrowBuffer takes a buffer from the pool of small or large ones.
func borrowBuffer(large bool) []byte {
	if large {
		return largeBuffers.Get().(*largeBuffer)[:]
	}
	return readBuffers.Get().(*readBuffer)[:]
}

func returnBuffer(b []byte) {
	if len(b) == largeBufferSize {
		largeBuffers.Put((*largeBuffer)(b))
		return
	}
	readBuffers.Put((*readBuffer)(b))
}

// chunkSize makes a chunk exactly as large as a size class of the allocator.
const chunkSize = 32<<10 - 16

// chunk holds a part of a message whose length is not known yet.
type chunk struct {
	next *chunk
	n    int // bytes in b, once there is a next
	b    [chunkSize]byte
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// sendBuffer holds frames that are to be sent.
type sendBuffer struct {
	b    []byte
	keys mask.Keys // masking keys for the frames in b
}

var sendBuffers = sync.Pool{New: func() any { return new(sendBuffer) }}

// recycle gives out back to its pool. out may be nil.
func (out *sendBuffer) recycle() {
	if out != nil {
		out.b = reusable(out.b)
		sendBuffers.Put(out)
	}
}

// scratch is memory that is borrowed for a short time.
type scratch struct{ b []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) recycle() {
	s.b = reusable(s.b)
	scratches.Put(s)
}

// reusable returns b emptied, or nil if its memory is too large to keep: larger
// than a full queue and a frame of the same size, with what append adds.
func reusable(b []byte) []byte {
	if cap(b) > 3*maxQueue {
		return nil
	}
	return b[:0]
}
