package websocket

import (
	"net"
	"os"
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

// A read whose deadline passes at the moment at which the connection ends says why
// it has ended.
func TestReadDeadlineTogetherWithTheEnd(t *testing.T) {
	nc, peer := net.Pipe()
	defer peer.Close()
	c := newConn(nc, RFC6455, ServerSide, &Config{}, nil)
	c.life.end(ErrPingTimeout)
	if err := c.rcv.received(0, os.ErrDeadlineExceeded); err != ErrPingTimeout {
		t.Errorf("error is %v, want %v", err, ErrPingTimeout)
	}
}
