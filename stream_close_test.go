package websocket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// Close does not wait, not even for a peer that neither reads nor writes. It
// wakes Read and Write, and the connection ends in the background.
func TestStreamClose(t *testing.T) {
	for _, transport := range []string{overPipe, overMemory} {
		t.Run(transport, func(t *testing.T) {
			eachSide(t, allVersions, func(t *testing.T, v websocket.Version, side websocket.Side) {
				synctest.Test(t, func(t *testing.T) {
					s, c := newPair(t, v, transport, pairOptions{})
					if side == websocket.ClientSide {
						s, c = c, s
					}
					streamCloseAlone(t, s)
				})
			})
		})
	}
}

func streamCloseAlone(t *testing.T, c *websocket.Conn) {
	out := websocket.Stream(c, websocket.Text)
	read := later(func() error { _, err := out.Read(make([]byte, 10)); return err })
	write := later(func() error { _, err := io.Copy(out, zeros{}); return err })
	synctest.Wait()
	next := later(func() error { _, err := out.Write([]byte("next")); return err })
	synctest.Wait()
	start := time.Now()
	if err := out.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for name, err := range map[string]error{"waiting Read": <-read, "waiting Write": <-write, "Write in line": <-next} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v; want net.ErrClosed", name, err)
		}
	}
	n, writeErr := out.Write([]byte("x"))
	_, emptyErr := out.Write(nil)
	m, readErr := out.Read(make([]byte, 10))
	if n+m != 0 {
		t.Errorf("Write gave %d, Read %d bytes after Close", n, m)
	}
	for name, err := range map[string]error{
		"Read": readErr, "Write": writeErr, "empty Write": emptyErr, "second Close": out.Close(),
		"SetDeadline": out.SetDeadline(time.Time{}), "SetReadDeadline": out.SetReadDeadline(time.Time{}), "SetWriteDeadline": out.SetWriteDeadline(time.Time{}),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v; want net.ErrClosed", name, err)
		}
	}
	if took := time.Since(start); took != 0 {
		t.Errorf("Close and the calls after it took %v", took)
	}
	<-websocket.Over(c)
	if took := time.Since(start); took > websocket.CloseTimeout {
		t.Errorf("the connection ended after %v", took)
	}
}

// zeros is text without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What arrives after Close is not read.
func TestStreamCloseDropsWhatArrives(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		out := websocket.Stream(c, websocket.Binary)
		go func() { // a peer whose message passes the Close on the way
			nc := s.NetConn()
			io.ReadFull(nc, make([]byte, len("\x88\x82KEY.\x03\xe8")))
			nc.Write([]byte("\x82\x08too late\x88\x02\x03\xe8"))
			nc.Close()
		}()
		out.Close()
		<-websocket.Over(c)
		if n, err := out.Read(make([]byte, 10)); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after Close: %d bytes, %v; expected net.ErrClosed", n, err)
		}
	})
}

// However much arrives after Close, it does not keep the peer's Close from being
// read.
func TestStreamCloseWithinLargeMessage(t *testing.T) {
	for _, transport := range []string{overPipe, overMemory} {
		synctest.Test(t, func(t *testing.T) {
			s, c := newPair(t, websocket.RFC6455, transport, pairOptions{})
			in := websocket.Stream(c, websocket.Binary)
			go s.WriteMessage(websocket.Binary, make([]byte, 1<<20))
			go readToEnd(s)
			if _, err := io.ReadFull(in, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			in.Close()
			<-websocket.Over(c)
			if took := time.Since(start); took > websocket.CloseLinger {
				t.Errorf("the connection ended after %v", took)
			}
		})
	}
}

// What Write has taken before Close leaves, and then the peer is told that the
// stream has ended as it should. That also holds for a Write that has given up.
func TestStreamCloseSendsWhatWasWritten(t *testing.T) {
	for _, transport := range []string{overPipe, overMemory} {
		for _, typ := range []websocket.MessageType{websocket.Binary, websocket.Text} {
			t.Run(transport+"/"+typ.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, c := newPair(t, websocket.RFC6455, transport, pairOptions{})
					p := payloadOf(typ, 200<<10)
					out := websocket.Stream(c, typ)
					out.SetWriteDeadline(time.Now().Add(time.Second))
					n, err := out.Write(p)
					if n == 0 || n == len(p) || !errors.Is(err, websocket.ErrWriteDeadline) {
						t.Fatalf("Write: %d, %v; want a part, and the deadline", n, err)
					}
					if err := out.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					time.Sleep(websocket.CloseTimeout / 2)
					got, err := io.ReadAll(websocket.Stream(s, typ))
					if err != nil || !bytes.Equal(got, p[:n]) {
						t.Errorf("peer read %d bytes, %v; want the %d that Write has taken", len(got), err, n)
					}
				})
			})
		}
	}
}

// Over real connections Close returns at once too, whatever the peer does.
func TestStreamCloseWithSilentPeer(t *testing.T) {
	for _, transport := range []string{overTCP, overTLS} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s, _ := newPair(t, websocket.RFC6455, transport, pairOptions{})
			fillBuffers(t, s)
			out := websocket.Stream(s, websocket.Binary)
			read := later(func() error { _, err := out.Read(make([]byte, 10)); return err })
			write := later(func() error { _, err := io.Copy(out, zeros{}); return err })
			start := time.Now()
			if err := out.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			for _, err := range []error{<-read, <-write} {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("waiting call: %v; want net.ErrClosed", err)
				}
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("Close took %v", took)
			}
		})
	}
}
