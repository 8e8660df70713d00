package websocket_test

import (
	"context"
	"errors"
	"io"
	"os"
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

// failWrite makes a write of c fail within a frame, at a deadline.
func failWrite(t *testing.T, c *websocket.Conn) error {
	t.Helper()
	synctest.Wait() // until no other write is in progress
	c.SetWriteDeadline(time.Now().Add(time.Second))
	err := c.WriteMessage(websocket.Text, []byte("never read"))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("WriteMessage: %v, want the deadline", err)
	}
	return err
}

// After a write has failed no Ping can leave: the peer is not to blame if it does
// not answer. The connection ends with the error of the write.
func TestKeepaliveAfterFailedWrite(t *testing.T) {
	for name, after := range map[string]time.Duration{"before the Ping": 10 * time.Second, "after the Ping": 70 * time.Second} {
		for _, side := range sides {
			t.Run(name+" "+sideName(side), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					told := make(chan error, 1)
					c, peer := newPipe(t, websocket.RFC6455, side, websocket.Config{
						PingInterval: time.Minute,
						Trace:        &websocket.Trace{Closed: func(_ *websocket.Conn, err error) { told <- err }},
					})
					ended := c.Discard(t.Context())
					start := time.Now()
					if after > time.Minute {
						readOneFrame(t, peer)
					}
					time.Sleep(time.Until(start.Add(after)))
					failed := failWrite(t, c)
					<-ended.Done()
					read := context.Cause(ended)
					if err := <-told; err != failed || read.Error() != failed.Error() || errors.Is(read, os.ErrDeadlineExceeded) {
						t.Errorf("Closed was told %v, and the read %v; want %v, and for the read nothing after which one reads again", err, read, failed)
					}
					if took, want := time.Since(start), after.Truncate(time.Minute)+time.Minute; took != want {
						t.Errorf("ended after %v, want %v", took, want)
					}
				})
			})
		}
	}
}
