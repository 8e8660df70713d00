//go:build unix

package websocket_test

import (
	"testing"

	"github.com/protocol-websocket/websocket"
)

// A connection polls although much of it was read ahead, so that it holds no
// memory once it is idle.
func TestUpgradeWithMuchBufferedPolls(t *testing.T) {
	for _, size := range []int{100, 15 << 10, 17 << 10, 71 << 10} {
		nc, peer := newWire(t, overTCP)
		defer peer.Close()
		more := peerText(t, websocket.RFC6455, websocket.ServerSide, string(payloadOf(websocket.Text, size)))
		c := upgradeReadAhead(t, nc, requestOf(websocket.RFC6455).String()+string(more))
		defer c.Close()
		if !websocket.CanPoll(c) {
			t.Errorf("%d bytes read ahead: the system is not asked about the connection", size)
		}
		if _, p, err := c.ReadMessage(); len(p) != size || err != nil {
			t.Errorf("read %d bytes, %v; want %d", len(p), err, size)
		}
		if n := websocket.HeldBuffer(c); n != 0 {
			t.Errorf("a buffer of %d bytes is held after the last message", n)
		}
	}
}
