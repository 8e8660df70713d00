//go:build !amd64 || purego

package websocket

// maskLong masks src, at least maskBlock bytes, into dst.
func maskLong(dst, src []byte, key uint32) { maskLongGeneric(dst, src, key) }
