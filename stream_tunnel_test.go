package websocket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// A tunnel carries data both ways. When one end closes in the middle, the other
// gets everything that Write had taken before, and then the end.
func TestStreamTunnel(t *testing.T) {
	for _, transport := range []string{overPipe, overMemory, overTCP, overTLS} {
		for _, side := range sides { // the end that closes
			t.Run(transport+"/"+sideName(side), stressed(func(t *testing.T) {
				t.Parallel()
				sc, cc := newPair(t, websocket.RFC6455, transport, pairOptions{})
				near, far := websocket.Stream(sc, websocket.Binary), websocket.Stream(cc, websocket.Binary)
				if side == websocket.ClientSide {
					near, far = far, near
				}
				streamTunnel(t, near, far)
			}))
		}
	}
}

func streamTunnel(t *testing.T, near, far net.Conn) {
	const pattern = 251
	data := bytes.Repeat(payloadOf(websocket.Binary, pattern), 1<<10) // what is sent again and again
	var written atomic.Int64
	down := later(func() error { // what far sends, until near has closed
		for {
			if _, err := far.Write(data[:10_000]); err != nil {
				return err
			}
		}
	})
	back := later(func() error { _, err := io.Copy(io.Discard, near); return err })
	halfway := make(chan struct{})
	wrote := later(func() error {
		for n, told := 0, false; ; {
			k, err := near.Write(data[n%pattern:][:1+n%50_000])
			n += k
			if written.Store(int64(n)); err != nil {
				return err
			}
			if !told && n > 1<<20 {
				told = true
				close(halfway)
			}
		}
	})
	closed := later(func() error { <-halfway; return near.Close() })
	got, err := io.ReadAll(far)
	if err != nil {
		t.Errorf("far end reads %v", err)
	}
	for name, err := range map[string]error{"Write": <-wrote, "Read": <-back} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s at the end that closed: %v, want net.ErrClosed", name, err)
		}
	}
	if n := int(written.Load()); len(got) < n {
		t.Errorf("far end got %d bytes; want the %d that were written", len(got), n)
	}
	for part := range slices.Chunk(got, len(data)) {
		if !bytes.Equal(part, data[:len(part)]) {
			t.Errorf("far end got other bytes than were written, behind %d right ones", firstDiff(part, data[:len(part)]))
		}
	}
	if err := errors.Join(<-closed, far.Close()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-down; err == nil {
		t.Error("Write to an end that has closed succeeds for ever")
	}
}
