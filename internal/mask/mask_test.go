package mask_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand"
	"sync"
	"testing"

	"github.com/protocol-websocket/websocket/internal/mask"
)

// naive masks a byte at a time, as RFC 6455 section 5.3 says.
func naive(src []byte, key uint32) []byte {
	var wire [mask.KeySize]byte
	binary.LittleEndian.PutUint32(wire[:], key)
	dst := make([]byte, len(src))
	for i, b := range src {
		dst[i] = b ^ wire[i%mask.KeySize]
	}
	return dst
}

// keyAfter returns the key for the byte that follows n others.
func keyAfter(key uint32, n int) uint32 {
	var wire, turned [mask.KeySize]byte
	binary.LittleEndian.PutUint32(wire[:], key)
	for i := range turned {
		turned[i] = wire[(i+n)%mask.KeySize]
	}
	return binary.LittleEndian.Uint32(turned[:])
}

// makeNoise returns n bytes that are the same in every run.
func makeNoise(n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(p)
	return p
}

const testKey = 0x3d21fa37 // 37 fa 21 3d on the wire, as in the examples of RFC 6455 section 5.7

func TestCopyExample(t *testing.T) {
	got := make([]byte, 5)
	key := mask.Copy(got, []byte("Hello"), testKey)
	if want := []byte{0x7f, 0x9f, 0x4d, 0x51, 0x58}; !bytes.Equal(got, want) {
		t.Errorf("masked Hello is % x, RFC 6455 section 5.7 says % x: look at the byte order of the key", got, want)
	}
	if want := uint32(0x373d21fa); key != want {
		t.Errorf("key after 5 bytes is %08x, want %08x: look at the direction of the rotation", key, want)
	}
}

// testLengths returns all lengths up to 300, and longer ones near those at
// which the assembly takes another way.
func testLengths() (lengths []int) {
	for n := range 301 {
		lengths = append(lengths, n)
	}
	for n := 310; n < 1300; n += 29 {
		lengths = append(lengths, n)
	}
	return append(lengths, 318, 319, 320, 511, 512, 513, 543, 544, 545, 575, 576)
}

// For every length and every alignment of both slices, dst[:n] is masked and
// nothing else changes.
func TestCopy(t *testing.T) {
	const guard, edge = 0xEE, 32 // the assembly stores at multiples of 32
	noise := makeNoise(1300)
	for _, n := range testLengths() {
		want := naive(noise[:n], testKey)
		for _, s := range []int{0, 1, 2, 5, 31} {
			src := append(make([]byte, s), noise[:n]...)[s:]
			for d := range edge {
				room := bytes.Repeat([]byte{guard}, d+n+edge)
				wantRoom := bytes.Clone(room)
				copy(wantRoom[d:], want)
				key := mask.Copy(room[d:], src, testKey)
				if !bytes.Equal(room, wantRoom) {
					t.Fatalf("length %d, src at %d, dst at %d of the buffer: it differs from the naive twin first at %d", n, s, d, firstDiff(room, wantRoom))
				}
				if want := keyAfter(testKey, n); key != want {
					t.Fatalf("length %d: the key returned is %08x, want %08x", n, key, want)
				}
			}
			if !bytes.Equal(src, noise[:n]) {
				t.Fatalf("length %d: src was changed by a copy", n)
			}
		}
	}
}

func TestCopyInPlace(t *testing.T) {
	noise := makeNoise(1300 + 32)
	for _, n := range testLengths() {
		for at := range 32 {
			p := bytes.Clone(noise)
			mask.Copy(p[at:at+n], p[at:at+n], testKey)
			want := append(bytes.Clone(noise[:at]), naive(noise[at:at+n], testKey)...)
			want = append(want, noise[at+n:]...)
			if !bytes.Equal(p, want) {
				t.Fatalf("length %d at %d: differs first at %d: look for bytes masked twice", n, at, firstDiff(p, want))
			}
		}
	}
}

// A processor for which there is assembly does not run longGeneric otherwise.
func TestLongGeneric(t *testing.T) {
	noise := makeNoise(400)
	for n := mask.Block; n <= len(noise); n++ {
		want := naive(noise[:n], testKey)
		got := make([]byte, n)
		if mask.LongGeneric(got, noise[:n], testKey); !bytes.Equal(got, want) {
			t.Fatalf("length %d: differs from the naive twin first at %d", n, firstDiff(got, want))
		}
		if mask.LongGeneric(got, got, testKey); !bytes.Equal(got, noise[:n]) {
			t.Fatalf("length %d, in place: differs first at %d", n, firstDiff(got, noise))
		}
	}
}

func firstDiff(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// A payload masked in pieces gives the same bytes as one masked whole.
func TestCopyChunks(t *testing.T) {
	src := makeNoise(70_001)
	want := naive(src, testKey)
	for _, most := range []int{1, 3, 7, 64, 200, 5000} {
		t.Run(fmt.Sprintf("most=%d", most), func(t *testing.T) {
			random := rand.New(rand.NewSource(int64(most)))
			got := make([]byte, len(src))
			key := uint32(testKey)
			for i := 0; i < len(src); {
				n := min(random.Intn(most+1), len(src)-i)
				key = mask.Copy(got[i:], src[i:i+n], key)
				i += n
			}
			if !bytes.Equal(got, want) {
				t.Errorf("differs first at %d: look at the key that Copy returns", firstDiff(got, want))
			}
		})
	}
}

// The capacity behind a short dst may be memory that is in use for something
// else.
func TestCopyShortDst(t *testing.T) {
	for _, n := range []int{1, 5, 64, 100} {
		t.Run(fmt.Sprintf("length=%d", n), func(t *testing.T) {
			room := make([]byte, n)
			defer func() {
				if recover() == nil {
					t.Error("no panic: dst is shorter than src")
				}
				if !bytes.Equal(room, make([]byte, n)) {
					t.Error("dst was written before the panic")
				}
			}()
			mask.Copy(room[:n-1], makeNoise(n), testKey)
		})
	}
}

func FuzzCopy(f *testing.F) {
	f.Add([]byte("Hello"), uint32(testKey), uint16(2), uint8(1))
	f.Add(makeNoise(300), uint32(0), uint16(129), uint8(7))
	f.Add(makeNoise(1000), uint32(0x01020304), uint16(400), uint8(13))
	f.Add([]byte{}, ^uint32(0), uint16(0), uint8(0))
	f.Fuzz(func(t *testing.T, src []byte, key uint32, cut uint16, at uint8) {
		want := naive(src, key)
		split := int(cut) % (len(src) + 1)
		got := make([]byte, int(at)+len(src))[at:]
		after := mask.Copy(got, src[:split], key)
		after = mask.Copy(got[split:], src[split:], after)
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes cut at %d, dst at %d: differs first at %d", len(src), split, at, firstDiff(got, want))
		}
		if want := keyAfter(key, len(src)); after != want {
			t.Fatalf("key after %d bytes cut at %d is %08x, want %08x", len(src), split, after, want)
		}
		if len(src) >= mask.Block {
			twin := make([]byte, len(src))
			if mask.LongGeneric(twin, src, key); !bytes.Equal(got, twin) {
				t.Fatalf("%d bytes: the assembly and its twin in Go differ first at %d", len(src), firstDiff(got, twin))
			}
		}
		mask.Copy(got, got, key)
		if !bytes.Equal(got, src) {
			t.Fatalf("masking %d bytes twice, the second time in place, does not give them back", len(src))
		}
	})
}

// Keys differ. Among 1,000 of them two may be the same by chance, but hardly
// ever more.
func TestKeysDistinct(t *testing.T) {
	seen := make(map[uint32]int)
	for range 1000 {
		seen[mask.NewKey()]++
	}
	if len(seen) < 999 {
		t.Errorf("%d different keys among 1000: look at what Keys.Next takes from its buffer", len(seen))
	}
}

// A store that two goroutines used at once would give both the same keys.
func TestKeysConcurrent(t *testing.T) {
	const writers, each = 8, 2000
	keys := make([][]uint32, writers)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			for range each {
				keys[i] = append(keys[i], mask.NewKey())
			}
		})
	}
	wg.Wait()
	seen := make(map[uint32]bool)
	for _, some := range keys {
		for _, key := range some {
			seen[key] = true
		}
	}
	if len(seen) < writers*each-3 {
		t.Errorf("%d different keys among %d: a store is shared by goroutines", len(seen), writers*each)
	}
}

// The store is filled again when it is empty, and holds no key that was given
// out.
func TestKeysStore(t *testing.T) {
	var m mask.Keys
	buf, _ := m.Store()
	perDraw := len(buf) / mask.KeySize
	seen := make(map[uint32]bool)
	for i := range 3*perDraw + 1 {
		before := buf
		key := m.Next()
		seen[key] = true
		var left int
		buf, left = m.Store()
		if want := len(buf) - mask.KeySize*(i%perDraw+1); left != want {
			t.Fatalf("key %d: %d bytes left, want %d: randomness is wasted or used twice", i, left, want)
		}
		if i%perDraw > 0 && binary.LittleEndian.Uint32(before[left:]) != key {
			t.Fatalf("key %d is not the one that left the store", i)
		}
		if used := buf[left:]; !bytes.Equal(used, make([]byte, len(used))) {
			t.Fatalf("key %d: the store still holds a key that was given out", i)
		}
	}
	if len(seen) < 3*perDraw {
		t.Errorf("%d different keys among %d: the store is not drawn afresh", len(seen), 3*perDraw+1)
	}
}

// AllocsPerRun rounds the average down. So a store that is allocated now and
// then counts as nothing, also under -race, where a pool drops some of what is
// put into it, and an allocation for each key counts.
func TestAllocs(t *testing.T) {
	p := make([]byte, 1000)
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"Copy", func() { mask.Copy(p, p, testKey) }},
		{"NewKey", func() { mask.NewKey() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(1000, tt.f); n != 0 {
				t.Errorf("%v allocations per call, want 0: look with -gcflags=-m for what escapes", n)
			}
		})
	}
}

func BenchmarkCopy(b *testing.B) {
	for _, size := range []int{16, 125, 256, 512, 1024, 65536} {
		src, dst := makeNoise(size), make([]byte, size)
		// Each loop calls what it measures directly: a function value would
		// cost as much as masking 16 bytes.
		b.Run(fmt.Sprintf("size=%d/floor", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				copy(dst, src)
			}
		})
		b.Run(fmt.Sprintf("size=%d/copy", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for key := uint32(testKey); b.Loop(); {
				key = mask.Copy(dst, src, key)
			}
		})
		b.Run(fmt.Sprintf("size=%d/inplace", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for key := uint32(testKey); b.Loop(); {
				key = mask.Copy(dst, dst, key)
			}
		})
		b.Run(fmt.Sprintf("size=%d/shifted", size), func(b *testing.B) { // in place, as payloads stand
			b.SetBytes(int64(size))
			p := make([]byte, 2+size)[2:]
			for key := uint32(testKey); b.Loop(); {
				key = mask.Copy(p, p, key)
			}
		})
	}
}

func BenchmarkKey(b *testing.B) {
	b.Run("pooled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mask.NewKey()
		}
	})
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		m := new(mask.Keys)
		for b.Loop() {
			m.Next()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				mask.NewKey()
			}
		})
	})
}
