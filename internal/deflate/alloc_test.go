//go:build !race

// The race detector allocates, and with it pools drop some of what is put into
// them.

package deflate_test

import (
	"bytes"
	"runtime/debug"
	"testing"

	"github.com/protocol-websocket/websocket/internal/deflate"
)

func TestNoAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties pools
	ways(func(bits int, takeover bool) {
		r, messages := newRand(10), [][]byte(nil)
		for range 30 {
			messages = append(messages, message(r))
		}
		c := deflate.Compressor{WindowBits: bits, ContextTakeover: takeover}
		d := deflate.Decompressor{WindowBits: bits, ContextTakeover: takeover}
		sent, got := make([]byte, 0, 256<<10), make([]byte, 0, 256<<10)
		echo := func() {
			for _, p := range messages {
				var err error
				sent = c.Append(sent[:0], p)
				if got, err = d.AppendWhole(got[:0], sent, 1<<20); err != nil || !bytes.Equal(got, p) {
					t.Fatal(err)
				}
			}
		}
		echo()
		if n := testing.AllocsPerRun(5, echo); n > 0 {
			t.Errorf("%d bits, takeover %v: %v allocations for %d messages, want none", bits, takeover, n, len(messages))
		}
	})
}
