//go:build !purego

package mask

// longAVX2 masks n bytes at src into dst, where n is at least block. The two
// must be the same memory or not overlap.
//
//go:noescape
func longAVX2(dst, src *byte, n int, key uint32)

func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

func xgetbv() (eax uint32)

// hasAVX2 reports whether the processor has AVX2 and the system saves its
// registers. golang.org/x/sys/cpu reports the same, but a dependency is a lot
// for one bit.
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

// long masks src, which has at least block bytes, into dst.
func long(dst, src []byte, key uint32) {
	if hasAVX2 {
		_ = dst[len(src)-1]
		longAVX2(&dst[0], &src[0], len(src), key)
		return
	}
	longGeneric(dst, src, key)
}
