package websocket_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// After a closing handshake both sides end TLS as strict peers expect: the peer
// reads io.EOF, and not the io.ErrUnexpectedEOF of a truncated stream. Neither
// Shutdown nor CloseWith waits for that.
func TestCloseEndsTLS(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range sides {
			for name, end := range map[string]func(c *websocket.Conn) error{
				"CloseWith":           func(c *websocket.Conn) error { return c.CloseWith(1000, "") },
				"CloseWith and Close": func(c *websocket.Conn) error { return errors.Join(c.CloseWith(1000, ""), c.Close()) },
				"the peer's Close":    func(c *websocket.Conn) error { _, _, err := c.ReadMessage(); return ignoreClose(err) },
			} {
				t.Run(v.String()+"/"+sideName(side)+"/"+name, func(t *testing.T) {
					t.Parallel()
					if v == websocket.Hixie75 && name == "the peer's Close" {
						t.Skip("hixie-75 has no Close frame")
					}
					c, peer := newTLS(t, v, side)
					if name == "the peer's Close" {
						peer.Write(peerClose(t, v, side))
					}
					start := time.Now()
					if err := end(c); err != nil {
						t.Error(err)
					}
					if took := time.Since(start); took > websocket.CloseLinger/2 {
						t.Errorf("took %v", took)
					}
					if name == "CloseWith" {
						peer.Write(peerClose(t, v, side))
					}
					if _, err := io.ReadAll(peer); err != nil {
						t.Errorf("peer at the end: %v, want io.EOF", err)
					}
				})
			}
		}
	}
}

// peerClose returns the Close frame that the peer of side sends. hixie-75 has
// none.
func peerClose(t *testing.T, v websocket.Version, side websocket.Side) []byte {
	b, err := websocket.AppendClose(nil, v, websocket.ClientSide-side, 1000, "")
	if err != nil && v != websocket.Hixie75 {
		t.Fatal(err)
	}
	return b
}

func ignoreClose(err error) error {
	if websocket.ClosedNormally(err) {
		return nil
	}
	return err
}

// newTLS returns a connection over TLS and its peer's end, after the handshakes.
func newTLS(t *testing.T, v websocket.Version, side websocket.Side) (*websocket.Conn, *tls.Conn) {
	t.Helper()
	nc, peer := newWire(t, overTCP)
	nc, peer = startTLS(nc, peer, side)
	c := connect(t, nc, peer, v, side, websocket.Config{})
	t.Cleanup(func() { c.Close(); peer.Close() })
	peer.SetDeadline(time.Now().Add(20 * time.Second))
	return c, peer.(*tls.Conn)
}

// startTLS returns both ends over TLS, of which the first is that of side.
func startTLS(nc, peer net.Conn, side websocket.Side) (_, _ net.Conn) {
	serverTLS, clientTLS := loopbackTLS()
	if side == websocket.ServerSide {
		return tls.Server(nc, serverTLS), tls.Client(peer, clientTLS)
	}
	return tls.Client(nc, clientTLS), tls.Server(peer, serverTLS)
}
