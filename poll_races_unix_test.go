//go:build unix

package websocket_test

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// readyRaces is how often each race is run by default.
const readyRaces = 10_000

// Deadlines that pass while messages arrive lose no messages.
func TestReadyDeadlineRaces(t *testing.T) {
	server, client := newPair(t, websocket.RFC6455, overTCP, pairOptions{})
	rounds := uint32(stressRounds(readyRaces))
	next := make(chan struct{})
	go func() {
		defer close(next)
		for i := uint32(0); i < rounds; {
			_, p, err := server.ReadMessage()
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				server.SetReadDeadline(time.Time{})
			case err != nil || binary.BigEndian.Uint32(p) != i:
				t.Errorf("message %d: read %x, %v", i, p, err)
				return
			default:
				i++
				next <- struct{}{}
			}
		}
	}()
	for i := range rounds {
		go server.SetReadDeadline(time.Unix(1, 0))
		if err := client.WriteMessage(websocket.Binary, binary.BigEndian.AppendUint32(nil, i)); err != nil {
			t.Fatal(err)
		}
		if _, ok := <-next; !ok {
			return
		}
	}
}

// What ends the connection while a read waits, or is about to wait, ends the
// read.
func TestReadyEndRaces(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c *websocket.Conn, peer *net.UnixConn) error
		want error
	}{
		{"Close", func(c *websocket.Conn, _ *net.UnixConn) error { return c.Close() }, net.ErrClosed},
		{"peer has closed half", func(_ *websocket.Conn, peer *net.UnixConn) error { return peer.CloseWrite() }, websocket.ErrEOF},
		{"peer has closed", func(_ *websocket.Conn, peer *net.UnixConn) error { return peer.Close() }, websocket.ErrEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range stressRounds(readyRaces) {
				c, peer := newSocketPair(t)
				read := make(chan error, 1)
				go func() {
					_, _, err := c.ReadMessage()
					read <- err
				}()
				if err := tt.end(c, peer); err != nil {
					t.Fatal(err)
				}
				if err := <-read; !errors.Is(err, tt.want) {
					t.Fatalf("ReadMessage: %v, want %v", err, tt.want)
				}
				c.Close()
				peer.Close()
			}
		})
	}
}
