package websocket_test

import (
	"net"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

// Numbers that mean no limit do not overflow where they are used.
func TestConfigWithoutLimits(t *testing.T) {
	none := websocket.Config{MaxMessageSize: -1, MaxFragments: -1, HandshakeTimeout: -1}
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go func() {
			c, err := (&websocket.Upgrader{Config: none}).Accept(t.Context(), server)
			if err != nil {
				t.Errorf("Accept: %v", err)
				return
			}
			w, _ := c.NextWriter(websocket.Binary)
			for range websocket.DefaultMaxMessageSize/websocket.FragmentSize + 1 {
				w.Write(make([]byte, websocket.FragmentSize))
			}
			w.Close()
			c.Close()
		}()
		c, err := (&websocket.Dialer{Config: none}).Handshake(t.Context(), client, "ws://config.test/")
		if err != nil {
			t.Fatalf("Handshake: %v", err)
		}
		defer c.Close()
		if _, p, err := c.ReadMessage(); len(p) != websocket.DefaultMaxMessageSize+websocket.FragmentSize || err != nil {
			t.Errorf("read %d bytes, %v; expected a message beyond the default limit to pass", len(p), err)
		}
	})
}
