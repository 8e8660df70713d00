package websocket_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// Only time in which a read waits counts against the peer, and only after the
// Ping.
func TestKeepaliveCountsFromThePing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := websocket.Config{PingInterval: time.Minute, PingTimeout: time.Minute}
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, cfg)
		go io.Copy(io.Discard, peer)
		c.SetReadDeadline(time.Now().Add(90 * time.Second))
		c.ReadMessage() // waits for a minute before the Ping, and for half a minute after it
		time.Sleep(35 * time.Second)
		select {
		case <-websocket.Over(c):
			t.Error("the peer is given up after half a minute of reading, want a whole one")
		default:
		}
	})
}
