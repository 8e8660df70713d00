package websocket_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// After a closing handshake both sides end TLS with a close_notify, without which
// strict peers take the stream for truncated. CloseWith does not wait for that.
func TestCloseEndsTLS(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range sides {
			ways := map[string]func(c *websocket.Conn) error{
				"CloseWith":           func(c *websocket.Conn) error { return c.CloseWith(1000, "") },
				"CloseWith and Close": func(c *websocket.Conn) error { return errors.Join(c.CloseWith(1000, ""), c.Close()) },
				"the peer's Close":    func(c *websocket.Conn) error { _, _, err := c.ReadMessage(); return ignoreClose(err) },
			}
			if v == websocket.Hixie75 {
				delete(ways, "the peer's Close") // this version has no Close frame
			}
			for name, end := range ways {
				t.Run(v.String()+"/"+sideName(side)+"/"+name, func(t *testing.T) {
					t.Parallel()
					c, peer, records := newTLS(t, v, side)
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
					if last := records.last(); last != recordAlert {
						t.Errorf("the last record has type %d, want an alert (%d)", last, recordAlert)
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

// newTLS returns a connection over TLS 1.2 and its peer's end, after the
// handshakes, and what the peer's end has received below TLS.
func newTLS(t *testing.T, v websocket.Version, side websocket.Side) (*websocket.Conn, *tls.Conn, *tlsRecords) {
	t.Helper()
	nc, peer := newWire(t, overTCP)
	records := &tlsRecords{Conn: peer}
	serverTLS, clientTLS := loopbackTLS()
	clientTLS = clientTLS.Clone()
	clientTLS.MaxVersion = tls.VersionTLS12 // which shows the types of records
	var tn, tp *tls.Conn
	if side == websocket.ServerSide {
		tn, tp = tls.Server(nc, serverTLS), tls.Client(records, clientTLS)
	} else {
		tn, tp = tls.Client(nc, clientTLS), tls.Server(records, serverTLS)
	}
	c := connect(t, tn, tp, v, side, websocket.Config{})
	t.Cleanup(func() { c.Close(); tp.Close() })
	tp.SetDeadline(time.Now().Add(20 * time.Second))
	return c, tp, records
}

// recordAlert is the type of the record of a close_notify, RFC 5246 section
// 6.2.1.
const recordAlert = 21

// tlsRecords keeps what was received.
type tlsRecords struct {
	net.Conn
	received []byte
}

func (r *tlsRecords) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.received = append(r.received, p[:n]...)
	return n, err
}

// last returns the type of the last record.
func (r *tlsRecords) last() (typ byte) {
	const header = 5
	for b := r.received; len(b) >= header; {
		typ = b[0]
		b = b[min(len(b), header+int(binary.BigEndian.Uint16(b[3:]))):]
	}
	return typ
}
