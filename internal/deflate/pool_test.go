package deflate

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Positions start again before they overflow, and then the table is cleared:
// what it holds would seem to be near.
func TestPositionsStartAgain(t *testing.T) {
	var p []byte
	for i := range 150 {
		p = fmt.Appendf(p, `{"id":%d,"square":%d},`, i, i*i)
	}
	for _, base := range []uint32{0, 1<<30 - 1000, 1 << 30, 1<<30 + 1, 1 << 31, 1<<32 - 1} {
		c, d := &compression{base: base, reach: 1 << 15}, Decompressor{WindowBits: 15}
		if base > 1<<30 {
			for i := range c.table {
				c.table[i] = stale - 1
			}
		}
		for range 3 {
			if got, err := d.AppendWhole(nil, c.message(nil, p), 1<<20); err != nil || !bytes.Equal(got, p) {
				t.Errorf("from position %#x on: decompressed to something else: %v", base, err)
			}
			if c.base > 1<<30+stale+uint32(len(p)) {
				t.Fatalf("positions went from %#x to %#x", base, c.base)
			}
		}
	}
}

// The shared memory keeps no message, and no window, of a connection.
func TestPoolHoldsNoMessage(t *testing.T) {
	d := Decompressor{WindowBits: 15, ContextTakeover: true, window: make([]byte, 100)}
	for _, message := range []string{"\xf2\x48\xcd\xc9\xc9\x07\x00", "\x07"} {
		d.AppendWhole(nil, []byte(message), 10)
		s := decompressions.Get().(*decompression)
		if d.message != nil || s.of != nil || s.in != nil || s.out != nil || s.window != nil || s.buf != nil {
			t.Errorf("after %q the pool holds %q, %q and a window of %d bytes, or is without what was borrowed", message, s.in, s.out, len(s.window))
		}
	}
	c := Compressor{WindowBits: 15, ContextTakeover: true, window: make([]byte, 100)}
	c.Append(nil, []byte("Hello"))
	if m := compressions.Get().(*compression); m.window != nil {
		t.Errorf("the pool holds a window of %d bytes", len(m.window))
	}
}

// Only so many messages are compressed at once, because a goroutine that the
// scheduler stops in the middle keeps the memory for that.
func TestFewCompressAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer func(old chan struct{}) { turns = old }(turns)
		turns = make(chan struct{}, 2)
		turns <- struct{}{}
		var done atomic.Int64
		compress := func() {
			(&Compressor{WindowBits: 15}).Append(nil, []byte("text"))
			done.Add(1)
		}
		go compress()
		synctest.Wait()
		turns <- struct{}{}
		go compress()
		synctest.Wait()
		if n := done.Load(); n != 1 {
			t.Errorf("%d of 2 goroutines compressed, want the first", n)
		}
		<-turns
		synctest.Wait()
		if n := done.Load(); n != 2 {
			t.Errorf("%d of 2 goroutines compressed after another had ended, want both", n)
		}
	})
	if cap(turns) < runtime.GOMAXPROCS(0) || cap(turns) > 4*runtime.GOMAXPROCS(0) {
		t.Errorf("%d may compress at once on %d processors", cap(turns), runtime.GOMAXPROCS(0))
	}
}
