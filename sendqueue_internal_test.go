package websocket

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A timer that looks for late frames at the moment at which a direct write begins
// does not take it for an earlier one.
func TestLateFrameIsNotAnEarlierOne(t *testing.T) {
	for name, deadline := range map[string]time.Duration{"after a direct write": 0, "after one with a deadline": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := net.Pipe()
				go io.Copy(io.Discard, peer)
				c := newConn(nc, RFC6455, ServerSide, &Config{WriteTimeout: time.Second}, nil)
				defer c.Close()
				if deadline > 0 {
					c.SetWriteDeadline(time.Now().Add(deadline))
				}
				if err := c.WriteMessage(Text, nil); err != nil {
					t.Fatal(err)
				}
				c.SetWriteDeadline(time.Time{})
				time.Sleep(time.Hour)
				if !c.send.tryDirect() {
					t.Fatal("a lone write is not direct")
				}
				if c.send.isLate() {
					t.Error("a write that begins is late")
				}
				c.send.afterDirect(nil, nil)
			})
		})
	}
}
