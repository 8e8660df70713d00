package websocket

import (
	"net"
	"testing"
	"testing/synctest"
)

// Numbers that mean no limit must not overflow where they are used.
func TestConfigWithoutLimits(t *testing.T) {
	none := Config{MaxMessageSize: -1, MaxFragments: -1, HandshakeTimeout: -1}
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go func() {
			c, err := (&Upgrader{Config: none}).Accept(t.Context(), server)
			if err != nil {
				t.Errorf("Accept: %v", err)
				return
			}
			w, _ := c.NextWriter(Binary)
			for range defaultMaxMessageSize/fragmentSize + 1 {
				w.Write(make([]byte, fragmentSize))
			}
			w.Close()
			c.Close()
		}()
		c, err := (&Dialer{Config: none}).Handshake(t.Context(), client, "ws://config.test/")
		if err != nil {
			t.Fatalf("Handshake: %v", err)
		}
		defer c.Close()
		if _, p, err := c.ReadMessage(); len(p) != defaultMaxMessageSize+fragmentSize || err != nil {
			t.Errorf("read %d bytes, %v; expected a message beyond the default limit to pass", len(p), err)
		}
	})
}
