//go:build !purego

package mask

// DisableAVX2 makes Copy do what it does on processors without AVX2, until
// restore is called.
func DisableAVX2() (restore func()) {
	had := hasAVX2
	hasAVX2 = false
	return func() { hasAVX2 = had }
}
