package websocket_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// "Deadline after every byte offset of a multi-frame message, then resume:
// nothing lost, in every version."
func TestDeadlineAtEveryByte(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range sides {
			wire, want := readSession(t, v, side)
			for name, way := range readWays {
				t.Run(fmt.Sprintf("%v/%v/%s", v, sideName(side), name), func(t *testing.T) {
					on := new(atomic.Bool)
					on.Store(true)
					script := &script{in: wire}
					c := newConn(&stutter{Conn: script, on: on}, v, side, &websocket.Config{})
					expired := readAll(t, way(c), want)
					if expired < stutterBytes {
						t.Errorf("gave up %d times, want at least once for each of %d bytes", expired, stutterBytes)
					}
					<-websocket.Over(c)
					readLookAtAnswers(t, v, side, script.out.Bytes())
				})
			}
		}
	}
}

// readLookAtAnswers checks that only Pongs were sent, and then a Close.
func readLookAtAnswers(t *testing.T, v websocket.Version, side websocket.Side, out []byte) {
	t.Helper()
	if v == websocket.Hixie75 {
		if len(out) > 0 {
			t.Errorf("sent % x, want nothing", out)
		}
		return
	}
	p, err := websocket.NewParser(v, websocket.ClientSide-side, websocket.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.Append(out)
	m, err := p.Next()
	for err == nil && m.Type == websocket.Pong {
		m, err = p.Next()
	}
	if _, after := p.Next(); err != nil || m.Type != websocket.Close || after != io.EOF {
		t.Errorf("sent %v (%v), then %v; want Pongs, and then Close as the last", m.Type, err, after)
	}
}

func TestDeadlineAtEveryByteOverTLS(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			on := new(atomic.Bool)
			server, client := newPair(t, v, overTLS, pairOptions{
				wrapServer: func(nc net.Conn) net.Conn { return &stutter{Conn: nc, on: on} },
			})
			on.Store(true)
			if _, ok := server.NetConn().(*tls.Conn); !ok {
				t.Fatalf("server's connection is %T, want TLS", server.NetConn())
			}
			want := []message{{websocket.Text, payloadOf(websocket.Text, 10)}, {websocket.Text, payloadOf(websocket.Text, 3000)}}
			done := make(chan error, 1)
			go func() {
				err := errors.Join(client.WriteMessage(websocket.Text, want[0].p), streamInThree(client, websocket.Text, want[1].p, false))
				done <- errors.Join(err, client.Shutdown(context.Background(), websocket.StatusNormalClosure, ""))
			}()
			readAll(t, server.ReadMessage, want)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// Over TCP the system is asked when there is something to read. Deadlines hold
// there too.
func TestDeadlineAtEveryByteOverTCP(t *testing.T) {
	for _, v := range allVersions {
		for _, transport := range []string{overTCP, overUnix} {
			t.Run(v.String()+"/"+transport, func(t *testing.T) {
				t.Parallel()
				server, client := newPair(t, v, transport, pairOptions{})
				want := payloadOf(websocket.Text, 20)
				wire := peerFrames(t, v, websocket.ServerSide, message{websocket.Text, want})
				for i := range wire {
					if _, err := client.NetConn().Write(wire[i : i+1]); err != nil {
						t.Fatal(err)
					}
					if i == len(wire)-1 {
						break
					}
					server.SetReadDeadline(time.Now().Add(time.Millisecond))
					if _, _, err := server.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatalf("after byte %d: %v, want the deadline", i, err)
					}
				}
				server.SetReadDeadline(time.Time{})
				if _, got, err := server.ReadMessage(); err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %q, error %v; want %q", got, err, want)
				}
			})
		}
	}
}

// The rest of a message that a reader has left, or that Discard was skipping,
// is not taken for the next message.
func TestDeadlineWhileSkipping(t *testing.T) {
	for _, v := range allVersions {
		for name, begin := range map[string]func(c *websocket.Conn) error{
			"NextReader": func(c *websocket.Conn) error {
				_, r, err := c.NextReader()
				for errors.Is(err, os.ErrDeadlineExceeded) {
					_, r, err = c.NextReader()
				}
				_, err = r.Read(make([]byte, 1))
				for errors.Is(err, os.ErrDeadlineExceeded) {
					_, err = r.Read(make([]byte, 1))
				}
				return err
			},
			"Discard": func(c *websocket.Conn) error {
				for range 10 {
					if err := websocket.DiscardMessage(c); !errors.Is(err, os.ErrDeadlineExceeded) {
						return fmt.Errorf("DiscardMessage: %w, want the deadline", err)
					}
				}
				return nil
			},
			"ReadMessage and Discard": func(c *websocket.Conn) error {
				for range 10 {
					if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
						return fmt.Errorf("ReadMessage: %w, want the deadline", err)
					}
				}
				if err := websocket.DiscardMessage(c); !errors.Is(err, os.ErrDeadlineExceeded) {
					return fmt.Errorf("DiscardMessage: %w, want the deadline", err)
				}
				return nil
			},
		} {
			t.Run(v.String()+"/"+name, func(t *testing.T) {
				on := new(atomic.Bool)
				on.Store(true)
				want := message{websocket.Text, []byte("second")}
				wire := peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte("first, which is skipped")}, want)
				c := newConn(&stutter{Conn: &script{in: wire}, on: on}, v, websocket.ServerSide, &websocket.Config{})
				if err := begin(c); err != nil {
					t.Fatal(err)
				}
				typ, got, err := c.ReadMessage()
				for errors.Is(err, os.ErrDeadlineExceeded) {
					typ, got, err = c.ReadMessage()
				}
				if err != nil || typ != want.typ || !bytes.Equal(got, want.p) {
					t.Errorf("got %v %q, error %v; want %v %q", typ, got, err, want.typ, want.p)
				}
			})
		}
	}
}
