package websocket

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"sync"
)

// maskBlock is how many bytes maskLong takes at a time: a cache line, and a multiple of the four bytes of the key.
const maskBlock = 64

// maskCopy masks or unmasks src into dst[:len(src)], as RFC 6455 section 5.3 says, and returns the key rotated so that it
// applies to the byte after the last of src: a payload may come in pieces of any size.
//
// The lowest byte of key belongs to src[0], so the four bytes of a frame header make a key by binary.LittleEndian.Uint32.
// dst may be src itself; any other overlap gives garbage. A dst shorter than src is a bug of the caller and panics before
// anything is written.
func maskCopy(dst, src []byte, key uint32) uint32 {
	n := len(src)
	// The third index makes a short dst with room behind it panic too, instead of writing past its length.
	dst, src = dst[:n:len(dst)], src[:n:n]
	if n >= maskBlock {
		maskLong(dst, src, key)
	} else {
		maskShort(dst, src, key)
	}
	return bits.RotateLeft32(key, -8*n)
}

// maskLongGeneric masks src into dst. It is what maskLong does where there is no kernel for the processor.
//
// Indexing beats re-slicing both slices in each round by a third, and so does crypto/subtle.XORBytes lose to this loop:
// it needs the key repeated in memory, which costs one more load for each word.
func maskLongGeneric(dst, src []byte, key uint32) {
	le := binary.LittleEndian
	k := uint64(key)<<32 | uint64(key)
	n := 0
	for ; n <= len(src)-maskBlock && n <= len(dst)-maskBlock; n += maskBlock {
		s, d := src[n:n+maskBlock:n+maskBlock], dst[n:n+maskBlock:n+maskBlock]
		le.PutUint64(d[0:], le.Uint64(s[0:])^k)
		le.PutUint64(d[8:], le.Uint64(s[8:])^k)
		le.PutUint64(d[16:], le.Uint64(s[16:])^k)
		le.PutUint64(d[24:], le.Uint64(s[24:])^k)
		le.PutUint64(d[32:], le.Uint64(s[32:])^k)
		le.PutUint64(d[40:], le.Uint64(s[40:])^k)
		le.PutUint64(d[48:], le.Uint64(s[48:])^k)
		le.PutUint64(d[56:], le.Uint64(s[56:])^k)
	}
	maskShort(dst[n:], src[n:], key)
}

// maskShort masks fewer than maskBlock bytes. A length between two powers of two is covered by two runs of words that
// overlap in the middle, which has no loop to mispredict. The later run is loaded before the earlier one is stored: in
// place, the bytes that both cover would otherwise be masked twice.
func maskShort(dst, src []byte, key uint32) {
	le := binary.LittleEndian
	n := len(src)
	dst = dst[:n]
	k := uint64(key)<<32 | uint64(key)
	// The later run ends with the last byte, so its key is rotated as if it started at n.
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

// maskKeySize is the length of a masking key in bytes, RFC 6455 section 5.2.
const maskKeySize = 4

// maskKeys is a store of masking keys drawn in one go from crypto/rand: one draw for each key would cost more than the
// rest of a small frame. The zero value is ready; it may not be used by two goroutines at once.
type maskKeys struct {
	buf  [512]byte
	left int // the keys not yet given out are buf[:left]
}

// next returns a key that no other call has returned or will return, but for chance, and wipes it from the store, so that
// a memory dump shows no key that was used. A zero key is as likely as any other and is not avoided.
func (m *maskKeys) next() uint32 {
	if m.left < maskKeySize {
		// Read never fails: since Go 1.24 it ends the process where the system has no randomness to give.
		rand.Read(m.buf[:])
		m.left = len(m.buf)
	}
	m.left -= maskKeySize
	b := m.buf[m.left : m.left+maskKeySize]
	key := binary.LittleEndian.Uint32(b)
	clear(b)
	return key
}

// maskKeyPool keeps about one store for each processor, so that writers neither share one nor wait for each other.
var maskKeyPool = sync.Pool{New: func() any { return new(maskKeys) }}

// newMaskKey returns a fresh key in the form that maskCopy takes, unpredictable as RFC 6455 section 5.3 asks, and
// different for every frame, so that a page's script cannot choose the bytes a proxy sees (section 10.3). It may be called
// from any goroutine.
func newMaskKey() uint32 {
	m := maskKeyPool.Get().(*maskKeys)
	key := m.next()
	maskKeyPool.Put(m)
	return key
}
