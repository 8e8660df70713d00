// Package mask masks the payloads of frames, RFC 6455 section 5.3, and draws
// the keys for it.
//
// It is our own because no package has it: the standard library has no XOR with
// a short key that repeats, and crypto/subtle.XORBytes with the key written out
// is slower than the Go code here (see longGeneric). Every byte that a client
// sends and a server receives passes through Copy.
package mask

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"sync"
)

// block is how many bytes long masks at a time: a cache line, and a multiple of
// the four bytes of the key.
const block = 64

// Copy writes src to dst[:len(src)], masked or unmasked with key. It returns
// the key rotated for the byte that follows src, so that a payload can be
// masked in pieces of any size.
//
// The lowest byte of key applies to src[0]: binary.LittleEndian.Uint32 reads a
// key from the four bytes in a frame header. dst and src may be the same slice,
// but must not overlap otherwise. If dst is shorter than src, Copy panics
// before it writes anything.
func Copy(dst, src []byte, key uint32) uint32 {
	n := len(src)
	// Without the third index, a short dst with enough capacity would not
	// panic: bytes past its length would be written.
	dst, src = dst[:n:len(dst)], src[:n:n]
	if n >= block {
		long(dst, src, key)
	} else {
		short(dst, src, key)
	}
	return bits.RotateLeft32(key, -8*n)
}

// longGeneric masks src into dst on processors for which there is no assembly.
//
// Indexing is a third faster than re-slicing both slices in each round. This
// loop is also faster than crypto/subtle.XORBytes, which needs the key repeated
// in memory: that costs one more load for each word.
func longGeneric(dst, src []byte, key uint32) {
	le := binary.LittleEndian
	k := uint64(key)<<32 | uint64(key)
	n := 0
	for ; n <= len(src)-block && n <= len(dst)-block; n += block {
		s, d := src[n:n+block:n+block], dst[n:n+block:n+block]
		le.PutUint64(d[0:], le.Uint64(s[0:])^k)
		le.PutUint64(d[8:], le.Uint64(s[8:])^k)
		le.PutUint64(d[16:], le.Uint64(s[16:])^k)
		le.PutUint64(d[24:], le.Uint64(s[24:])^k)
		le.PutUint64(d[32:], le.Uint64(s[32:])^k)
		le.PutUint64(d[40:], le.Uint64(s[40:])^k)
		le.PutUint64(d[48:], le.Uint64(s[48:])^k)
		le.PutUint64(d[56:], le.Uint64(s[56:])^k)
	}
	short(dst[n:], src[n:], key)
}

// short masks fewer than block bytes. For a length between two powers of two it
// masks the first and the last words, which overlap in the middle: there is no
// loop whose end the processor could mispredict. It loads the last words before
// it stores the first ones. Otherwise the overlap would be masked twice if dst
// is src.
func short(dst, src []byte, key uint32) {
	le := binary.LittleEndian
	n := len(src)
	dst = dst[:n]
	k := uint64(key)<<32 | uint64(key)
	// The last words begin a multiple of four bytes before n, so the key
	// rotated to n is the one for them.
	end := bits.RotateLeft64(k, -8*n)
	switch {
	case n >= 32:
		s, d := src[n-32:], dst[n-32:]
		s0, s1, s2, s3 := le.Uint64(s), le.Uint64(s[8:]), le.Uint64(s[16:]), le.Uint64(s[24:])
		le.PutUint64(dst, le.Uint64(src)^k)
		le.PutUint64(dst[8:], le.Uint64(src[8:])^k)
		le.PutUint64(dst[16:], le.Uint64(src[16:])^k)
		le.PutUint64(dst[24:], le.Uint64(src[24:])^k)
		le.PutUint64(d, s0^end)
		le.PutUint64(d[8:], s1^end)
		le.PutUint64(d[16:], s2^end)
		le.PutUint64(d[24:], s3^end)
	case n >= 16:
		s, d := src[n-16:], dst[n-16:]
		s0, s1 := le.Uint64(s), le.Uint64(s[8:])
		le.PutUint64(dst, le.Uint64(src)^k)
		le.PutUint64(dst[8:], le.Uint64(src[8:])^k)
		le.PutUint64(d, s0^end)
		le.PutUint64(d[8:], s1^end)
	case n >= 8:
		last := le.Uint64(src[n-8:])
		le.PutUint64(dst, le.Uint64(src)^k)
		le.PutUint64(dst[n-8:], last^end)
	case n >= 4:
		last := le.Uint32(src[n-4:])
		le.PutUint32(dst, le.Uint32(src)^key)
		le.PutUint32(dst[n-4:], last^uint32(end))
	default:
		for i, b := range src {
			dst[i] = b ^ byte(key)
			key >>= 8
		}
	}
}

// keySize is the length of a masking key in bytes, RFC 6455 section 5.2.
const keySize = 4

// Keys is a store of masking keys. It draws many at once from crypto/rand,
// since a draw for each key would cost more than the rest of a small frame. The
// zero value is ready to use. Keys must not be used by two goroutines at once.
type Keys struct {
	buf  [512]byte
	left int // buf[:left] are the keys not yet given out
}

// Next returns a new key, in the form that Copy takes, and wipes it from the
// store, so that a memory dump shows no key that was used. A key of zero is as
// likely as any other, and allowed.
func (m *Keys) Next() uint32 {
	if m.left < keySize {
		// Read never returns an error: since Go 1.24 it crashes the program if
		// the system provides no randomness.
		rand.Read(m.buf[:])
		m.left = len(m.buf)
	}
	m.left -= keySize
	b := m.buf[m.left : m.left+keySize]
	key := binary.LittleEndian.Uint32(b)
	clear(b)
	return key
}

// keyPool holds about one store for each processor, so that goroutines do not
// wait for each other.
var keyPool = sync.Pool{New: func() any { return new(Keys) }}

// NewKey returns a new key, in the form that Copy takes. It is unpredictable,
// as RFC 6455 section 5.3 demands, and every frame needs another one, so that
// the script of a web page cannot choose the bytes that a proxy sees (section
// 10.3). NewKey may be called by any goroutine.
func NewKey() uint32 {
	m := keyPool.Get().(*Keys)
	key := m.Next()
	keyPool.Put(m)
	return key
}
