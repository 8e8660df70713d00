//go:build linux && amd64 && !race && go1.26 && !go1.27

// Frames differ from one compiler to the next, and the race detector takes
// more.

package websocket_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// stackInUse returns how much memory stacks take after they were shrunk.
func stackInUse() int64 {
	for range 2 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.StackInuse)
}

// "The handler's goroutine stays within 2 KiB of stack while idle": a goroutine
// that has once needed more than it was born with keeps 4 KiB for good.
func TestIdleHandlerKeepsItsFirstStack(t *testing.T) {
	const conns = 400
	frame := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, payloadOf(websocket.Text, 125)})
	answer := peerFrames(t, websocket.RFC6455, websocket.ClientSide, message{websocket.Text, payloadOf(websocket.Text, 125)})
	for name, handler := range map[string]func(context.Context, *websocket.Conn) error{
		"ReadAppend, BufferMessage": func(_ context.Context, c *websocket.Conn) error {
			var b []byte
			for {
				typ, p, err := c.ReadAppend(b[:0])
				if err == nil {
					err = c.BufferMessage(typ, p)
				}
				if err != nil {
					return err
				}
				b = p
			}
		},
		"ReadMessage, WriteMessage": func(_ context.Context, c *websocket.Conn) error {
			for {
				typ, p, err := c.ReadMessage()
				if err == nil {
					err = c.WriteMessage(typ, p)
				}
				if err != nil {
					return err
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			// The runtime gives new goroutines as much stack as others have
			// needed on average. These goroutines make sure that it is little.
			var shallow sync.WaitGroup
			over := make(chan struct{})
			for range 4 * conns {
				shallow.Go(func() { <-over })
			}
			defer shallow.Wait()
			defer close(over)
			before := stackInUse()
			s := &websocket.Server{Handler: handler}
			defer s.Close()
			for range conns {
				c, peer := newSocketPair(t)
				defer peer.Close()
				websocket.Serve(s, c, new(http.Request))
				if _, err := peer.Write(frame); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(answer))
				if _, err := io.ReadFull(peer, got); err != nil || string(got) != string(answer) {
					t.Fatalf("answer %q, %v", got, err)
				}
			}
			if got := (stackInUse() - before) / conns; got > 3<<10 {
				t.Errorf("%d bytes of stack an idle connection, want 2 KiB: look for what is deep on the stack, or large", got)
			}
		})
	}
}
