// Package netx has what package websocket needs from any [net.Conn] and
// package net does not offer: ending a connection at once or only halfway,
// making a context interrupt a negotiation, and giving back bytes that were
// read too early. It knows nothing of WebSocket.
package netx

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

// CloseNow closes nc at once. Close of a tls.Conn first tells the peer, and
// waits up to 5 seconds for a peer that does not read.
func CloseNow(nc net.Conn) error {
	for {
		switch outer := nc.(type) {
		case *tls.Conn:
			nc = outer.NetConn()
		case *PrefixedConn:
			nc = outer.Conn
		default:
			return nc.Close()
		}
	}
}

// CloseWrite ends the sending side of nc and reports whether that is possible.
func CloseWrite(nc net.Conn) bool {
	half, ok := nc.(interface{ CloseWrite() error })
	if ok {
		half.CloseWrite()
	}
	return ok
}

// AwaitEOF discards what the peer still sends, until the peer ends its side or
// d has passed.
func AwaitEOF(nc net.Conn, d time.Duration) {
	nc.SetReadDeadline(time.Now().Add(d))
	io.Copy(io.Discard, nc)
}

// Linger ends the sending side of nc and waits until the peer has ended its
// own, or for d. Closing while the peer still sends would make the system
// answer with a reset, which can destroy what was sent last.
func Linger(nc net.Conn, d time.Duration) {
	// CloseWrite of a tls.Conn tells the peer, and waits 5 seconds for a peer
	// that does not read.
	defer time.AfterFunc(d, func() { CloseNow(nc) }).Stop()
	CloseWrite(nc)
	AwaitEOF(nc, d)
}
