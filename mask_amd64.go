//go:build !purego

package websocket

// maskAVX2 masks n bytes of src into dst, at least maskBlock. The slices that
// the pointers stand for must be the same or not overlap.
//
//go:noescape
func maskAVX2(dst, src *byte, n int, key uint32)

func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

func xgetbv() (eax uint32)

// hasAVX2 reports that the processor has AVX2 and that the system saves its
// registers. It is asked here since a dependency would be much for one bit.
var hasAVX2 = func() bool {
	if last, _, _, _ := cpuid(0, 0); last < 7 {
		return false
	}
	const osxsave, avx, xmmAndYMM, avx2 = 1 << 27, 1 << 28, 6, 1 << 5
	if _, _, ecx, _ := cpuid(1, 0); ecx&osxsave == 0 || ecx&avx == 0 || xgetbv()&xmmAndYMM != xmmAndYMM {
		return false
	}
	_, ebx, _, _ := cpuid(7, 0)
	return ebx&avx2 != 0
}()

// maskLong masks src, at least maskBlock bytes, into dst.
func maskLong(dst, src []byte, key uint32) {
	if hasAVX2 {
		_ = dst[len(src)-1]
		maskAVX2(&dst[0], &src[0], len(src), key)
		return
	}
	maskLongGeneric(dst, src, key)
}
