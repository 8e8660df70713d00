//go:build !race

// The race detector allocates, and makes pools forget.

package websocket

import (
	"bytes"
	"runtime/debug"
	"testing"
)

// What is compressed and inflated with is shared, and what is kept is kept.
func TestDeflateDoesNotAllocate(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
	deflateWays(func(bits int, takeover bool) {
		r, messages := deflateRand(10), [][]byte(nil)
		for range 30 {
			messages = append(messages, deflateMessage(r))
		}
		d, f := deflater{bits: bits, takeover: takeover}, inflater{bits: bits, takeover: takeover}
		sent, got := make([]byte, 0, 256<<10), make([]byte, 0, 256<<10)
		echo := func() {
			for _, p := range messages {
				var err error
				sent = d.append(sent[:0], p)
				if got, err = f.append(got[:0], sent, 1<<20); err != nil || !bytes.Equal(got, p) {
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
