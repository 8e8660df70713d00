//go:build !amd64 || purego

package mask

// long masks src, which has at least block bytes, into dst.
func long(dst, src []byte, key uint32) { longGeneric(dst, src, key) }
