package websocket

import (
	"net"
	"sync"

	"github.com/protocol-websocket/websocket/internal/mask"
)

// The memory that connections share. None holds any of it while it is idle.

const (
	// readBufferSize is what one read(2) takes at most, except of large
	// payloads. Only connections that have something to do hold a buffer.
	readBufferSize = 16 << 10

	// largeBufferSize is the same once a read has filled its buffer: a message of
	// 64 KiB, or as many small ones, comes in one read(2) in place of five. For
	// messages of 64 KiB that saves a quarter of the CPU of an echo.
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

// borrowBuffer takes a buffer to read into.
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

// pieceSize makes a piece as large as a size that the allocator has.
const pieceSize = 32<<10 - 16

// piece is a part of a message of which it is not yet known how long it is.
type piece struct {
	next *piece
	n    int // bytes in b, once there is a next
	b    [pieceSize]byte
}

var pieces = sync.Pool{New: func() any { return new(piece) }}

// outBuffer holds frames on their way out.
type outBuffer struct {
	b    []byte
	keys mask.Keys // to mask what is appended to b

	// Of a large frame: what stands before, in and after it.
	trailer [1]byte
	parts   [3][]byte
	bufs    net.Buffers // parts, as writev wants them
}

var outBuffers = sync.Pool{New: func() any { return new(outBuffer) }}

func recycle(out *outBuffer) {
	if out == nil {
		return
	}
	if cap(out.b) > 3*maxQueue { // a queue, a frame, and what append adds of its own
		out.b = nil
	}
	out.b = out.b[:0]
	outBuffers.Put(out)
}
