package websocket_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"unicode/utf8"

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
// A Read that meets invalid text, or a frame that breaks the protocol, gives
// nothing of it.
func TestNextReaderOfInvalid(t *testing.T) {
	begin := rawFrame{b0: byte(websocket.Text), payload: "begin"}
	for name, bad := range map[string]rawFrame{
		"text":  {b0: last, payload: "\xff"},
		"frame": {b0: finText, payload: "another"},
	} {
		c := newConn(&script{in: rawFrames(websocket.ServerSide, begin, bad)}, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
		_, r, err := c.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 100)
		n, err := r.Read(p)
		if n > 0 && err == nil {
			n, err = r.Read(p)
		}
		if _, ok := errors.AsType[*websocket.ProtocolError](err); n != 0 || !ok {
			t.Errorf("%s: %d bytes, %v; want none, and a ProtocolError", name, n, err)
		}
	}
}

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

// Over a connection whose readiness cannot be polled, the read of an idle
// connection has little room. Where it has cut a frame, Read waits for more of
// the frame, because a peer without buffers is still writing it.
func TestNextReaderReadsOnInCutFrame(t *testing.T) {
	for _, n := range []int{websocket.IdleRead, 100, 1000, 10_000} {
		eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, v, side, websocket.Config{})
				want := payloadOf(websocket.Text, n)
				for _, room := range []int{1 << 10, 64 << 10} {
					go peer.Write(peerFrames(t, v, side, message{websocket.Text, want}))
					_, r, err := c.NextReader()
					if err != nil {
						t.Fatal(err)
					}
					p := make([]byte, room)
					got, err := r.Read(p)
					if least := min(n, room-utf8.UTFMax); got < least || err != nil || !bytes.Equal(p[:got], want[:got]) {
						t.Errorf("first Read of a message of %d bytes: %d, %v; want as much as there is room for in %d", n, got, err, room)
					}
				}
			})
		})
	}
}

// Read does not wait where the first read had room to spare, and at the deadline
// it returns what it has.
func TestNextReaderInHalfOfFrame(t *testing.T) {
	eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		text := strings.Repeat("x", 100)
		wire := peerText(t, v, side, text)
		header := len(peerText(t, v, side, ""))
		if isHixie(v) {
			header = 1
		}
		for _, n := range []int{websocket.IdleRead - 1, websocket.IdleRead} {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, v, side, websocket.Config{})
				const patience = time.Minute
				c.SetReadDeadline(time.Now().Add(patience))
				start := time.Now()
				go peer.Write(wire[:n])
				_, r, err := c.NextReader()
				if err != nil {
					t.Fatal(err)
				}
				p := make([]byte, len(text))
				if got, err := r.Read(p); string(p[:got]) != text[:n-header] || err != nil {
					t.Errorf("Read: %q, %v; want the %d bytes that have come", p[:got], err, n-header)
				}
				if took := time.Since(start); took != 0 && n < websocket.IdleRead || took > patience {
					t.Errorf("Read took %v, after %d bytes", took, n)
				}
				c.SetReadDeadline(time.Time{})
				go peer.Write(wire[n:])
				if rest, err := io.ReadAll(r); string(rest) != text[n-header:] || err != nil {
					t.Errorf("then %q, %v; want the rest", rest, err)
				}
			})
		}
	})
}
