package websocket_test

import (
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

// A Pong leaves before the program gets the message after the Ping, because the
// program may take its time with that.
func TestPongLeavesBeforeTheMessage(t *testing.T) {
	for name, read := range map[string]func(c *websocket.Conn) error{
		"ReadMessage": func(c *websocket.Conn) error { _, _, err := c.ReadMessage(); return err },
		"NextReader":  func(c *websocket.Conn) error { _, _, err := c.NextReader(); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
				got := make(chan string, 1)
				go func() {
					b := make([]byte, 10)
					n, _ := peer.Read(b)
					got <- string(b[:n])
				}()
				go peer.Write(peerFrames(t, websocket.RFC6455, websocket.ServerSide,
					message{websocket.Ping, []byte("p")}, message{websocket.Text, []byte("a")}))
				if err := read(c); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // the program has the message, and does not read
				select {
				case frame := <-got:
					if frame != "\x8a\x01p" {
						t.Errorf("the peer got %q, want the Pong", frame)
					}
				default:
					t.Error("no Pong leaves while the program works on the message")
				}
			})
		})
	}
}

// Of several Pongs that have to wait, the latest is sent, and sent last.
func TestLatestPongIsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{writes: make(chan []byte), results: make(chan gateResult)}
		g.in = peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, make([]byte, 200)},
			message{websocket.Ping, make([]byte, 100)}, message{websocket.Ping, []byte("latest")})
		c := newConn(g, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
		if _, _, err := c.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		// There is room for the short Pong in the queue, but not for the long one.
		if err := c.BufferMessage(websocket.Binary, make([]byte, websocket.MaxQueue-60)); err != nil {
			t.Fatal(err)
		}
		ended := later(func() error { _, _, err := c.ReadMessage(); return err })
		sent := textsOf(t, websocket.RFC6455, <-g.writes)
		if last := sent[len(sent)-1]; last != "latest" {
			t.Errorf("the last of %d frames has %d bytes, want the Pong to the latest Ping", len(sent), len(last))
		}
		g.results <- gateResult{n: -1}
		c.Close()
		<-ended
	})
}
