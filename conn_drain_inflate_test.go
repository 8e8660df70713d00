package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/deflate"
)

// closingZipped calls f in a bubble with a connection that compresses, and with
// its peer's end, of which everything is read.
func closingZipped(t *testing.T, f func(t *testing.T, c *websocket.Conn, peer net.Conn, side websocket.Side)) {
	for _, side := range sides {
		t.Run(sideName(side), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := websocket.NetPipe()
				c := connect(t, nc, peer, websocket.RFC6455, side, zipped)
				defer peer.Close()
				defer c.Close()
				go io.Copy(io.Discard, peer)
				f(t, c, peer, side)
			})
		})
	}
}

// A closing handshake keeps 64 KiB of what messages inflate to, however few bytes
// the peer sends, and loses none of them if the program reads on.
func TestClosingHandshakeKeepsInflatedBytes(t *testing.T) {
	long := bytes.Repeat([]byte("a message that compresses well "), 30_000)
	for _, cut := range []int{100, 1 << 20} {
		for name, begin := range map[string]func(c *websocket.Conn) func() ([]byte, error){
			"nothing read": func(c *websocket.Conn) func() ([]byte, error) {
				return func() ([]byte, error) { _, p, err := c.ReadMessage(); return p, err }
			},
			"NextReader": func(c *websocket.Conn) func() ([]byte, error) {
				_, r, err := c.NextReader()
				return func() ([]byte, error) {
					if err != nil {
						return nil, err
					}
					return io.ReadAll(r)
				}
			},
		} {
			t.Run(fmt.Sprint(name, " ", cut), func(t *testing.T) {
				closingZipped(t, func(t *testing.T, c *websocket.Conn, peer net.Conn, side websocket.Side) {
					z := deflate.Compressor{WindowBits: 15, ContextTakeover: true}
					var wire []byte
					for range 2 {
						wire = append(wire, fragments(side, finText|rsv1, z.Append(nil, long), cut)...)
					}
					wire = rawClose(1000, "").append(wire, side)
					go peer.Write(wire)
					read := begin(c)
					c.CloseWith(websocket.StatusNormalClosure, "")
					synctest.Wait()
					if n := websocket.KeptAhead(c); n < websocket.MaxAhead/2 || n > 2*websocket.MaxAhead {
						t.Errorf("%d bytes are kept, want %d or so", n, websocket.MaxAhead)
					}
					for i := range 2 {
						if p, err := read(); err != nil || !bytes.Equal(p, long) {
							t.Fatalf("message %d: %d bytes, first other one at %d, %v", i, len(p), firstDiff(p, long), err)
						}
						read = func() ([]byte, error) { _, p, err := c.ReadMessage(); return p, err }
					}
					if _, err := read(); !websocket.ClosedNormally(err) {
						t.Errorf("then %v, want the peer's Close", err)
					}
				})
			})
		}
	}
}

// What a closing handshake drops is not inflated: messages that are corrupt do
// not disturb it.
func TestClosingHandshakeInflatesNothingInVain(t *testing.T) {
	corrupt := bytes.Repeat([]byte{0xff}, 5000)
	for name, end := range map[string]func(c *websocket.Conn){
		"nobody reads any more": func(c *websocket.Conn) {
			websocket.Abandon(c)
			c.CloseWith(websocket.StatusNormalClosure, "")
		},
		"nobody has read for too long": func(c *websocket.Conn) {
			c.CloseWith(websocket.StatusNormalClosure, "")
			time.Sleep(2 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			closingZipped(t, func(t *testing.T, c *websocket.Conn, peer net.Conn, side websocket.Side) {
				z := deflate.Compressor{WindowBits: 15, ContextTakeover: true}
				begun := z.Append(nil, make([]byte, 500_000))
				peer.Write(fragments(side, finText|rsv1, begun, 100))
				go func() {
					time.Sleep(3 * time.Second)
					wire := fragments(side, finText|rsv1, corrupt, 1000)
					peer.Write(rawClose(1000, "").append(wire, side))
				}()
				end(c)
				<-websocket.Over(c)
				if websocket.BorrowsInflater(c) {
					t.Error("the connection has ended, and holds what it has borrowed")
				}
				var broke *websocket.ProtocolError
				for {
					if _, _, err := c.ReadMessage(); errors.As(err, &broke) || !errors.Is(err, net.ErrClosed) {
						t.Errorf("reads end with %v, want that messages were dropped", err)
					} else if err == nil {
						continue
					}
					break
				}
				if cause := websocket.Cause(c); !websocket.ClosedNormally(cause) {
					t.Errorf("the connection ended with %v, want the peer's Close", cause)
				}
			})
		})
	}
}
