//go:build !race

// The race detector allocates, and makes pools forget.

package websocket

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// "0 allocations per message in the steady state."
func TestCompressedAllocs(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would empty the pools
	for _, alone := range []bool{false, true} {
		for _, size := range []int{512, 4096} {
			z := &Compression{NoContextTakeover: alone}
			server, client := zipPair(t, &Config{Compression: z}, &Config{Compression: z})
			p, buf := zipMessages(8)[4], make([]byte, 0, 2*size)
			for len(p) < size {
				p = append(p, p...)
			}
			p = p[:size]
			request, back := make(chan struct{}), make(chan error)
			go func() {
				for range request {
					back <- client.WriteMessage(Binary, p)
				}
			}()
			n := testing.AllocsPerRun(200, func() {
				request <- struct{}{}
				_, got, err := server.ReadAppend(buf[:0])
				if err != nil || len(got) != size || <-back != nil {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
			})
			close(request)
			if n > 0 {
				t.Errorf("alone %v, %d bytes: %v allocations to write and read a message, want none", alone, size, n)
			}
		}
	}
}

// "RSS grows by less than 4 MiB", of which a connection is some.
func TestCompressedBombMemory(t *testing.T) {
	frame := zipBomb()
	for way, name := range zipBombWays {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = zipReadBomb(t, frame, way) // which TestCompressedBomb looks at
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("%s: %d bytes were allocated, want less than 4 MiB", name, took)
		}
	}
}
