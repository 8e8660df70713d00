package websocket_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
)

// newRand returns a source of numbers that are the same in each run.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// jsonText returns n bytes of JSON: objects with the same keys and different
// values.
func jsonText(r *rand.Rand, n int) []byte {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"price":%.2f,"side":"%s","user":{"id":"u_%08x","vip":%t}}`,
			r.IntN(1e9), r.Float64()*90000, []string{"buy", "sell"}[r.IntN(2)], r.Uint32(), r.IntN(4) == 0)
	}
	return []byte(b.String()[:n])
}

// randomBytes returns n bytes that do not compress.
func randomBytes(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// firstDiff returns the index of the first byte in which a and b differ.
func firstDiff(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// leastAllocated returns how many bytes f allocates: the least of three runs,
// since other goroutines of the process may allocate too.
func leastAllocated(f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 3 {
		least = min(least, allocated(f))
	}
	return least
}
