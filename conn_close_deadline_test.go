package websocket_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// A write deadline that was set before does not concern the Close frame.
func TestShutdownAfterWriteDeadline(t *testing.T) {
	for name, in := range map[string]time.Duration{"passed": -time.Second, "passes meanwhile": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
				c.SetWriteDeadline(time.Now().Add(in))
				got := make(chan string, 1)
				go func() {
					time.Sleep(2 * time.Second) // a slow peer
					b := make([]byte, 4)
					io.ReadFull(peer, b)
					got <- string(b)
					peer.Write(rawFrames(websocket.ServerSide, rawClose(1000, "")))
				}()
				if err := c.Shutdown(t.Context(), websocket.StatusNormalClosure, ""); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				c.Close()
				peer.Close()
				if frame := <-got; frame != "\x88\x02\x03\xe8" {
					t.Errorf("the peer got % x, want a Close frame", frame)
				}
			})
		})
	}
}
