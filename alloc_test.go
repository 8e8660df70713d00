//go:build !race

// The race detector allocates, and makes pools forget.

package websocket

import (
	"fmt"
	"runtime/debug"
	"testing"
)

var connAllocSizes = []int{0, 125, 1 << 10, 64 << 10, 1 << 20}

func connAllocRuns(p []byte) int { return 10 + (64<<10)/(len(p)+1000) }

// connAllocs runs f for each version, side, type and size, over a connection
// on which the same message comes again and again and what is written is lost.
func connAllocs(t *testing.T, want float64, f func(t *testing.T, c *Conn, typ MessageType, p []byte) (allocs float64)) {
	for _, v := range allVersions {
		for _, side := range []Side{ServerSide, ClientSide} {
			for _, typ := range connTypes(v) {
				for _, n := range connAllocSizes {
					t.Run(fmt.Sprintf("%v/%v/%v of %d", v, connSideName(side), typ, n), func(t *testing.T) {
						defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
						p := connPayload(typ, n)
						in := connFrames(t, v, side, connFrame{typ, p})
						c := newConn(&connScript{in: in, again: true}, v, side, &Config{}, nil)
						if got := f(t, c, typ, p); got > want {
							t.Errorf("%v allocations for each message, want %v", got, want)
						}
					})
				}
			}
		}
	}
}

func TestAppendMessageAndWriteMessageDoNotAllocate(t *testing.T) {
	connAllocs(t, 0, func(t *testing.T, c *Conn, typ MessageType, p []byte) float64 {
		buf := make([]byte, 0, len(p))
		return testing.AllocsPerRun(connAllocRuns(p), func() {
			_, got, err := c.ReadAppend(buf)
			if err == nil {
				err = c.WriteMessage(typ, got)
			}
			if err != nil || len(got) != len(p) {
				t.Fatalf("%d bytes, error %v", len(got), err)
			}
		})
	})
}

func TestBufferMessageDoesNotAllocate(t *testing.T) {
	connAllocs(t, 0, func(t *testing.T, c *Conn, typ MessageType, p []byte) float64 {
		return testing.AllocsPerRun(connAllocRuns(p), func() {
			if err := c.BufferMessage(typ, p); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestWritePreparedDoesNotAllocate(t *testing.T) {
	connAllocs(t, 0, func(t *testing.T, c *Conn, typ MessageType, p []byte) float64 {
		m, err := Prepare(typ, p)
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(connAllocRuns(p), func() {
			if err := c.WritePrepared(m); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestReadMessageAllocatesOnce(t *testing.T) {
	connAllocs(t, 1, func(t *testing.T, c *Conn, typ MessageType, p []byte) float64 {
		return testing.AllocsPerRun(connAllocRuns(p), func() {
			if _, got, err := c.ReadMessage(); err != nil || len(got) != len(p) || cap(got) > len(p)+len(p)/4+64 {
				t.Fatalf("%d bytes with room for %d, error %v", len(got), cap(got), err)
			}
		})
	})
}
