// Package netx holds what package websocket needs for any [net.Conn] and
// package net does not offer. It closes a connection at once, or only its
// sending side. It interrupts a negotiation when a context ends. It gives back
// bytes that were read too early. It knows nothing of WebSocket.
package netx

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"
)

// CloseNow closes nc at once, without telling the peer over TLS. Close of a
// tls.Conn does tell it, and blocks for up to 5 seconds if the peer does not
// read.
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

// CloseWrite closes the sending side of nc. It reports whether nc has such a
// method.
func CloseWrite(nc net.Conn) bool {
	half, ok := closeWriter(nc)
	if ok {
		half.CloseWrite()
	}
	return ok
}

// CanCloseWrite reports whether the sending side of nc can be closed alone.
func CanCloseWrite(nc net.Conn) bool {
	_, ok := closeWriter(nc)
	return ok
}

func closeWriter(nc net.Conn) (half interface{ CloseWrite() error }, ok bool) {
	half, ok = unprefixed(nc).(interface{ CloseWrite() error })
	return half, ok
}

// unprefixed returns the connection in a PrefixedConn, and any other as it is.
func unprefixed(nc net.Conn) net.Conn {
	for {
		prefixed, ok := nc.(*PrefixedConn)
		if !ok {
			return nc
		}
		nc = prefixed.Conn
	}
}

// awaitEOF discards what the peer still sends, until the peer closes its
// sending side or d has passed.
func awaitEOF(nc net.Conn, d time.Duration) {
	nc.SetReadDeadline(time.Now().Add(d))
	io.Copy(io.Discard, &progressReader{r: nc})
}

// progressReader fails after too many reads in a row that have brought neither
// bytes nor an error.
type progressReader struct {
	r     io.Reader
	empty int
}

const maxEmptyReads = 100

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.empty++; n > 0 {
		p.empty = 0
	}
	if err == nil && p.empty > maxEmptyReads {
		err = io.ErrNoProgress
	}
	return n, err
}

// LingerTime is how long a peer has to read why a handshake has failed. It is the
// same as in net/http.
const LingerTime = 500 * time.Millisecond

// LingerTLS is Linger if nc speaks TLS, whose peer takes an end without
// close_notify for an attack, RFC 8446 section 6.1. Otherwise it does nothing.
func LingerTLS(nc net.Conn, d time.Duration) {
	if _, ok := unprefixed(nc).(*tls.Conn); ok {
		Linger(nc, d)
	}
}

// HandshakeTLS does the handshake of TLS on tc. If it fails, the peer has time to
// read the alert that says why. A reset would destroy it.
func HandshakeTLS(ctx context.Context, tc *tls.Conn) error {
	err := tc.HandshakeContext(ctx)
	if err != nil && ctx.Err() == nil {
		Linger(tc.NetConn(), LingerTime)
	}
	return err
}

// Linger closes the sending side of nc. Then it waits until the peer closes its
// own, or until d has passed. If nc were closed while the peer still sends, the
// system would answer with a reset, which can destroy what was sent last.
func Linger(nc net.Conn, d time.Duration) {
	defer closeAfter(nc, d).Stop()
	CloseWrite(nc)
	awaitEOF(nc, d)
}

// LingerForEnd waits until the peer closes its sending side, or until d has
// passed. Over TLS it then tells the peer that this side ends too, for which it
// saves a quarter of d: strict peers take an end without that for a truncated
// stream.
func LingerForEnd(nc net.Conn, d time.Duration) {
	defer closeAfter(nc, d).Stop()
	if tc, ok := unprefixed(nc).(*tls.Conn); ok {
		awaitEOF(nc, d-d/4)
		tc.CloseWrite()
	} else {
		awaitEOF(nc, d)
	}
}

// closeAfter closes nc when d has passed. A connection without deadlines needs
// it, and so does CloseWrite of a tls.Conn: it tells the peer, and blocks for up
// to 5 seconds if the peer does not read.
func closeAfter(nc net.Conn, d time.Duration) *time.Timer {
	return time.AfterFunc(d, func() { CloseNow(nc) })
}
