package websocket

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A frame that has left is not late, though the goroutine that wrote it has not
// let go of the queue yet.
func TestWrittenFrameIsNotLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		c := newConn(nc, RFC6455, ServerSide, &Config{WriteTimeout: time.Second}, nil)
		defer c.Close()
		q := &c.send
		q.lock()
		q.beginWrite(true)
		out := q.take(time.Time{})
		q.unlock()
		time.Sleep(500 * time.Millisecond)
		q.lock()
		q.afterWrite(out, nil)
		q.unlock()
		time.Sleep(time.Hour)
		if err := q.failure(); err != nil {
			t.Errorf("half a second's write: %v", err)
		}
		q.lock()
		q.endWrite()
		q.unlock()
	})
}
