package websocket_test

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

// A reader of a message that another read has skipped must not read the next
// message.
func TestDeadlineWhileSkippingMakesReaderStale(t *testing.T) {
	on := new(atomic.Bool)
	wire := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, payloadOf(websocket.Text, 100)}, message{websocket.Text, nil})
	c := newConn(&stutter{Conn: &script{in: wire}, on: on}, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
	_, r, err := c.NextReader() // has the first few bytes only, like all first reads
	if err != nil {
		t.Fatal(err)
	}
	on.Store(true)
	if _, _, err := c.NextReader(); err == nil {
		t.Fatal("NextReader did not meet the deadline")
	}
	if n, err := r.Read(make([]byte, 100)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("first reader gave %d bytes, error %v; want an error that says it is stale", n, err)
	}
}

func TestNextReader(t *testing.T) {
	for _, v := range allVersions {
		wire := peerFrames(t, v, websocket.ServerSide,
			message{websocket.Text, []byte("é€😀")}, message{websocket.Text, nil}, message{websocket.Text, payloadOf(websocket.Text, 100)}, message{websocket.Text, []byte("last")})
		for name, chunk := range map[string]func(io.Reader) io.Reader{
			"whole":        func(r io.Reader) io.Reader { return r },
			"byte by byte": iotest.OneByteReader,
			"halves":       iotest.HalfReader,
		} {
			t.Run(v.String()+"/"+name, func(t *testing.T) {
				c, _ := newScripted(v, websocket.ServerSide, wire)
				for _, want := range []string{"é€😀", "", "", "last"} {
					typ, r, err := c.NextReader()
					if err != nil || typ != websocket.Text {
						t.Fatalf("NextReader: %v, %v", typ, err)
					}
					if want == "" { // not read to its end: to be skipped
						if n, err := r.Read(nil); n != 0 || err != nil && err != io.EOF {
							t.Errorf("Read(nil): %d, %v", n, err)
						}
						continue
					}
					got, err := io.ReadAll(chunk(r))
					if err != nil || string(got) != want {
						t.Errorf("got %q, error %v; want %q", got, err, want)
					}
					if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Errorf("Read after the end: %d, %v; want io.EOF", n, err)
					}
				}
			})
		}
	}
}

// A Read of no bytes returns at once, although the rest of the message has not
// arrived.
func TestNextReaderReadOfNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := newPipe(t, v, websocket.ServerSide, websocket.Config{})
			wire := peerText(t, v, websocket.ServerSide, "half")
			go peer.Write(wire[:len(wire)-3])
			_, r, err := c.NextReader()
			if err != nil {
				t.Fatal(err)
			}
			if n, err := r.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatalf("Read: %d, %v; want a byte", n, err)
			}
			read := later(func() error { _, err := r.Read(nil); return err })
			synctest.Wait()
			select {
			case err := <-read:
				if err != nil {
					t.Error(err)
				}
			default:
				t.Error("Read of no bytes waits for the peer")
			}
		})
	})
}

func TestNextReaderAfterAnotherRead(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			c, _ := newScripted(v, websocket.ServerSide, peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte("first")}, message{websocket.Text, []byte("second")}))
			_, r, err := c.NextReader()
			if err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.ReadMessage(); err != nil || string(p) != "second" {
				t.Errorf("ReadMessage: %q, %v; want the second message", p, err)
			}
			if n, err := r.Read(make([]byte, 10)); n != 0 || err != websocket.ErrStale {
				t.Errorf("reader of the first message gave %d bytes, error %v; want %v", n, err, websocket.ErrStale)
			}
		})
	}
}
