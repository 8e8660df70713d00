//go:build unix && !race

// The race detector allocates, and makes pools forget.

package websocket_test

import (
	"io"
	"runtime/debug"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// A Write of a Stream that the system takes at once starts no goroutine.
func TestStreamWriteDoesNotAllocate(t *testing.T) {
	for _, n := range []int{1, 125, 16 << 10} {
		for _, side := range sides {
			defer debug.SetGCPercent(debug.SetGCPercent(-1))
			c, peer := newTCP(t, websocket.RFC6455, side, websocket.Config{})
			out, p, in := websocket.Stream(c, websocket.Binary), make([]byte, n), make([]byte, n+websocket.MaxHeader)
			got := testing.AllocsPerRun(100, func() {
				if _, err := out.Write(p); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAtLeast(peer, in, n); err != nil {
					t.Fatal(err)
				}
			})
			if got > 0 {
				t.Errorf("%d bytes from the %s: %v allocations for each Write", n, sideName(side), got)
			}
		}
	}
}
