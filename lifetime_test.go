package websocket_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// The documentation promises 5 seconds for a closing handshake, whatever the
// peer leaves out, and 1 second for the end of the connection after it. The
// test counts them itself.
func TestCloseTimeouts(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer func(nc net.Conn) // must not end the connection
		end  func(c *websocket.Conn)
		want time.Duration
	}{
		{"peer does not answer", func(nc net.Conn) { io.Copy(io.Discard, nc) },
			func(c *websocket.Conn) { c.Shutdown(context.Background(), websocket.StatusNormalClosure, "") }, 5 * time.Second},
		{"peer does not read", func(nc net.Conn) { nc.Write(rawFrames(websocket.ClientSide, rawClose(1000, ""))) },
			func(c *websocket.Conn) { c.ReadMessage() }, 5 * time.Second},
		{"server does not end", func(nc net.Conn) {
			nc.Write(rawFrames(websocket.ClientSide, rawClose(1000, "")))
			io.Copy(io.Discard, nc)
		}, func(c *websocket.Conn) { c.ReadMessage() }, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, websocket.ClientSide, websocket.Config{})
				go tt.peer(peer)
				start := time.Now()
				go tt.end(c)
				<-websocket.Over(c)
				if took := time.Since(start); took != tt.want {
					t.Errorf("the connection ended after %v, want %v", took, tt.want)
				}
			})
		})
	}
}
