package websocket

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A timer that has fired just before the closing handshake began does not end
// that handshake.
func TestKeepaliveTickAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		c := newConn(nc, RFC6455, ServerSide, &Config{PingInterval: time.Minute}, nil)
		c.start(nil)
		defer c.Close()
		k := c.rcv.keep
		k.mu.Lock()
		k.pinged, k.waiting = true, time.Now().Add(-2*time.Minute)
		k.mu.Unlock()
		c.life.beginClosing(nil)
		k.tick()
		if c.life.isOver() {
			t.Errorf("a keepalive that was stopped has ended the connection: %v", c.life.why())
		}
	})
}
