package websocket_test

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// A read that gives up keeps the part of the message that has arrived, and not
// in the caller's buffer: the caller may use that for something else.
func TestPartOfMessageIsNotInCallersBuffer(t *testing.T) {
	want := payloadOf(websocket.Text, 1000)
	for name, frames := range map[string][]rawFrame{
		"one frame": {{b0: finText, payload: string(want)}},
		"fragments": {{b0: firstText, payload: string(want[:300])}, {b0: last, payload: string(want[300:])}},
	} {
		for _, buf := range [][]byte{make([]byte, 0, 4096), append(make([]byte, 0, 4096), "before"...), make([]byte, 0, 10)} {
			for again, read := range readWays {
				t.Run(name+"/"+again, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
						wire := rawFrames(websocket.ServerSide, frames...)
						go peer.Write(wire[:600])
						c.SetReadDeadline(time.Now().Add(time.Second))
						if _, _, err := c.ReadAppend(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
							t.Fatalf("ReadAppend of a part: %v, want the deadline", err)
						}
						mine := bytes.Repeat([]byte("!"), cap(buf))
						copy(buf[:cap(buf)], mine)
						c.SetReadDeadline(time.Time{})
						go peer.Write(wire[600:])
						if _, got, err := read(c)(); err != nil || !bytes.Equal(got, want) {
							t.Errorf("then %s: %d bytes, first other one at %d, %v", again, len(got), firstDiff(got, want), err)
						}
						if !bytes.Equal(buf[:cap(buf)], mine) {
							t.Error("what the caller had written to its buffer is overwritten")
						}
						c.Close()
					})
				})
			}
		}
	}
}
