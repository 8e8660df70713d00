package websocket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// checkTimeout fails unless err is what a net.Conn returns at a deadline.
func checkTimeout(t *testing.T, err error) {
	t.Helper()
	timeout, ok := err.(net.Error)
	if !ok || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v; want a net.Error that is a timeout", err)
	}
}

// A deadline cuts no frame. What Write has taken arrives, so that the program
// can go on with the rest.
func TestStreamWriteDeadline(t *testing.T) {
	for _, transport := range []string{overPipe, overMemory} {
		t.Run(transport, func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				synctest.Test(t, func(t *testing.T) {
					s, c := newPair(t, v, transport, pairOptions{})
					if side == websocket.ClientSide {
						s, c = c, s
					}
					out, p := websocket.Stream(s, websocket.Text), payloadOf(websocket.Text, 300<<10)
					read := later(func() error {
						time.Sleep(time.Minute)
						got := make([]byte, len(p))
						_, err := io.ReadFull(websocket.Stream(c, websocket.Text), got)
						if !bytes.Equal(got, p) {
							t.Errorf("peer read other bytes than were written, from byte %d on", firstDiff(got, p))
						}
						return err
					})
					for n, late := 0, 0; n < len(p); {
						out.SetWriteDeadline(time.Now().Add(time.Second))
						start := time.Now()
						k, err := out.Write(p[n:])
						if n += k; n == len(p) && err == nil {
							break
						}
						checkTimeout(t, err)
						if took := time.Since(start); took != time.Second {
							t.Errorf("Write took %v, want a second", took)
						}
						if late++; late > 60 {
							t.Fatalf("after %d Writes only %d bytes are taken", late, n)
						}
						if queued := websocket.Queued(s); queued > websocket.MaxQueue {
							t.Errorf("%d bytes are queued", queued)
						}
					}
					if err := <-read; err != nil {
						t.Error(err)
					}
				})
			})
		})
	}
}

// A deadline of the past takes nothing, and one that is moved while a Write
// waits holds for it.
func TestStreamWriteDeadlineMoves(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		out := websocket.Stream(c, websocket.Binary)
		for _, p := range []string{"", "late"} {
			out.SetWriteDeadline(time.Unix(1, 0))
			n, err := out.Write([]byte(p))
			if n != 0 {
				t.Errorf("Write of %q after the deadline has taken %d bytes", p, n)
			}
			checkTimeout(t, err)
		}
		for name, deadlines := range map[string][]time.Duration{
			"brought forward": {time.Hour, time.Second},
			"extended":        {time.Second / 2, time.Second},
			"none before":     {0, time.Second},
		} {
			out.SetWriteDeadline(time.Time{})
			start := time.Now()
			if deadlines[0] != 0 {
				out.SetWriteDeadline(start.Add(deadlines[0]))
			}
			wrote := later(func() error { _, err := out.Write(make([]byte, 40<<10)); return err })
			synctest.Wait()
			out.SetWriteDeadline(start.Add(deadlines[1]))
			checkTimeout(t, <-wrote)
			if took := time.Since(start); took != time.Second {
				t.Errorf("%s: Write took %v, want a second", name, took)
			}
		}
		if n := websocket.Queued(c); n > websocket.MaxQueue {
			t.Errorf("%d bytes are queued", n)
		}
	})
}

// Only the stream has a write deadline. On a tls.Conn one that passes would be
// the end.
func TestStreamWriteDeadlineIsItsOwn(t *testing.T) {
	var below *deadlineSpy
	server, client := newPair(t, websocket.RFC6455, overTLS, pairOptions{
		wrapServer: func(nc net.Conn) net.Conn { below = &deadlineSpy{Conn: nc}; return below },
	})
	out, p := websocket.Stream(server, websocket.Binary), payloadOf(websocket.Binary, 8<<20)
	n := 0
	for late := 0; late < 3; { // until nothing more can be sent
		out.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		k, err := out.Write(p[n:])
		if n += k; err != nil {
			checkTimeout(t, err)
			late++
		}
	}
	out.SetWriteDeadline(time.Time{})
	wrote := later(func() error {
		_, err := out.Write(p[n:])
		if below.set {
			t.Error("a write deadline was set on the connection below")
		}
		return errors.Join(err, out.Close())
	})
	got, err := io.ReadAll(websocket.Stream(client, websocket.Binary))
	if err != nil || !bytes.Equal(got, p) {
		t.Errorf("peer read %d bytes, %v; want the %d that were written", len(got), err, len(p))
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

// deadlineSpy remembers whether a write deadline was set.
type deadlineSpy struct {
	net.Conn
	set bool
}

func (c *deadlineSpy) SetWriteDeadline(t time.Time) error {
	c.set = c.set || !t.IsZero()
	return c.Conn.SetWriteDeadline(t)
}

// An empty Write sends nothing.
func TestStreamEmptyWrite(t *testing.T) {
	eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		c, script := newScripted(v, side, nil)
		out := websocket.Stream(c, websocket.Text)
		for _, p := range [][]byte{nil, {}} {
			if n, err := out.Write(p); n != 0 || err != nil {
				t.Errorf("empty Write: %d, %v", n, err)
			}
		}
		if script.out.Len() > 0 {
			t.Errorf("empty Writes have sent % x", script.out.Bytes())
		}
	})
}

// After the end of the connection an empty Write fails as others do.
func TestStreamWriteAfterTheEnd(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		out := websocket.Stream(c, websocket.Binary)
		c.Close()
		for _, p := range [][]byte{nil, []byte("x"), make([]byte, 100<<10)} {
			if n, err := out.Write(p); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write of %d bytes: %d, %v; want net.ErrClosed", len(p), n, err)
			}
		}
	})
}

// A Write fails with the connection, and has then taken nothing.
func TestStreamWriteFails(t *testing.T) {
	for _, transport := range []string{overPipe, overTCP} {
		t.Run(transport, func(t *testing.T) {
			s, c := newPair(t, websocket.RFC6455, transport, pairOptions{})
			out := websocket.Stream(c, websocket.Binary)
			s.Close()
			var n int
			var err error
			for err == nil {
				n, err = out.Write(make([]byte, 10))
			}
			if n != 0 {
				t.Errorf("Write: %d, %v; want 0", n, err)
			}
		})
	}
}

// A text that the hixie versions cannot carry is refused as a whole.
func TestStreamWriteOfBadText(t *testing.T) {
	c, script := newScripted(websocket.Hybi00, websocket.ClientSide, nil)
	p := append(payloadOf(websocket.Text, 100<<10), 0xff)
	if n, err := websocket.Stream(c, websocket.Text).Write(p); n != 0 || err == nil || script.out.Len() > 0 {
		t.Errorf("Write: %d, %v, and %d bytes sent; want an error and nothing", n, err, script.out.Len())
	}
}

// Each Write leaves at once, whatever others have buffered or stream.
func TestStreamWriteBesideOthers(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		out := websocket.Stream(c, websocket.Binary)
		c.BufferMessage(websocket.Binary, []byte("first"))
		wrote := later(func() error { _, err := out.Write([]byte("second")); return err })
		for _, want := range []string{"first", "second"} {
			if _, p, err := s.ReadMessage(); string(p) != want || err != nil {
				t.Errorf("peer read %q, %v; want %q", p, err, want)
			}
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		w, err := c.NextWriter(websocket.Binary)
		if err != nil {
			t.Fatal(err)
		}
		out.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := out.Write([]byte("refused"))
		if n != 0 {
			t.Errorf("Write during another message has taken %d bytes", n)
		}
		checkTimeout(t, err)
		out.SetWriteDeadline(time.Time{})
		wrote = later(func() error { _, err := out.Write([]byte("last")); return err })
		synctest.Wait()
		ended := later(w.Close)
		for _, want := range []string{"", "last"} {
			if _, p, err := s.ReadMessage(); string(p) != want || err != nil {
				t.Errorf("peer read %q, %v; want %q", p, err, want)
			}
		}
		if err := errors.Join(<-wrote, <-ended); err != nil {
			t.Error(err)
		}
	})
}

// The time that Config.WriteTimeout allows counts from the Write, also behind a
// frame that is being sent.
func TestStreamWriteTimeoutOfQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{WriteTimeout: time.Second})
		out, start := websocket.Stream(c, websocket.Binary), time.Now()
		out.SetWriteDeadline(start.Add(time.Second / 10))
		_, err := out.Write([]byte("first"))
		checkTimeout(t, err)
		out.SetWriteDeadline(time.Time{})
		wrote := later(func() error { _, err := out.Write([]byte("second")); return err })
		time.Sleep(time.Second * 8 / 10)
		readFrame(t, peer, websocket.RFC6455)
		if err := <-wrote; !errors.Is(err, websocket.ErrWriteTimeout) || time.Since(start) != time.Second*11/10 {
			t.Errorf("Write: %v after %v; want %v a second after its call", err, time.Since(start), websocket.ErrWriteTimeout)
		}
	})
}

// A Write of text that ends within a character is sent as it is.
func TestStreamWriteOfHalfCharacter(t *testing.T) {
	c, script := newScripted(websocket.RFC6455, websocket.ServerSide, nil)
	if n, err := websocket.Stream(c, websocket.Text).Write([]byte("a\xe2")); n != 2 || err != nil || script.out.String() != "\x81\x02a\xe2" {
		t.Errorf("Write: %d, %v; sent % x", n, err, script.out.Bytes())
	}
}
