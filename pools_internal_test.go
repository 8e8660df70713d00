package websocket

import (
	"testing"
)

// A pool keeps buffers of the sizes that are needed again and again, and not
// those of messages of many megabytes.
func TestPoolsKeepNothingLarge(t *testing.T) {
	for size, kept := range map[int]bool{0: true, maxQueue: true, 2*maxQueue + maxHeader: true, 3*maxQueue + 1: false, 10 << 20: false} {
		out := &sendBuffer{b: make([]byte, size)}
		out.recycle()
		if got := cap(out.b); len(out.b) > 0 || (got == size) != kept || !kept && got > 0 {
			t.Errorf("of a buffer of %d bytes %d are kept, %d of them in use; want it kept: %v", size, got, len(out.b), kept)
		}
	}
}
