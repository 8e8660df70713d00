package websocket

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
)

// readStutter is a connection whose deadline expires before every byte. After
// readStutterBytes of them it takes larger steps, or the tests would take long.
type readStutter struct {
	net.Conn
	on      *atomic.Bool
	expired bool
	reads   int
}

const readStutterBytes = 1500

func (s *readStutter) Read(p []byte) (int, error) {
	if !s.on.Load() || len(p) == 0 {
		return s.Conn.Read(p)
	}
	if s.expired = !s.expired; s.expired {
		return 0, os.ErrDeadlineExceeded
	}
	if s.reads++; s.reads > readStutterBytes {
		return s.Conn.Read(p[:min(len(p), 61)])
	}
	return s.Conn.Read(p[:1])
}

// readWays are all the ways to read a message. Each returns what it has of it
// when it gives up at a deadline, which is nothing but for a reader.
var readWays = map[string]func(c *Conn) func() (MessageType, []byte, error){
	"ReadMessage": func(c *Conn) func() (MessageType, []byte, error) { return c.ReadMessage },
	"ReadAppend": func(c *Conn) func() (MessageType, []byte, error) {
		return func() (MessageType, []byte, error) {
			prefix := append(make([]byte, 0, 40), "before"...)
			typ, b, err := c.ReadAppend(prefix)
			rest, ok := bytes.CutPrefix(b, []byte("before"))
			if !ok || err != nil && len(rest) > 0 {
				return 0, nil, fmt.Errorf("AppendMessage(before) gave %q, error %v", b, err)
			}
			return typ, rest, err
		}
	},
	"NextReader":               func(c *Conn) func() (MessageType, []byte, error) { return readStreaming(c, 512) },
	"NextReader byte by byte":  func(c *Conn) func() (MessageType, []byte, error) { return readStreaming(c, 1) },
	"NextReader of large size": func(c *Conn) func() (MessageType, []byte, error) { return readStreaming(c, 64<<10) },
	"Messages": func(c *Conn) func() (MessageType, []byte, error) {
		return func() (MessageType, []byte, error) {
			for m, err := range c.Messages(context.Background()) {
				return m.Type, m.Data, err
			}
			return 0, nil, io.EOF
		}
	},
	"all in turns": readInTurns,
}

// readStreaming reads by NextReader, n bytes at a time, and goes on with the
// same reader after a deadline.
func readStreaming(c *Conn, n int) func() (MessageType, []byte, error) {
	var r io.Reader
	var typ MessageType
	var got []byte
	p := make([]byte, n)
	return func() (MessageType, []byte, error) {
		var err error
		if r == nil {
			if typ, r, err = c.NextReader(); err != nil {
				r = nil
				return 0, nil, err
			}
			got = []byte{}
		}
		for {
			k, err := r.Read(p)
			got = append(got, p[:k]...)
			switch {
			case err == io.EOF:
				r = nil
				return typ, got, nil
			case err != nil:
				return 0, nil, err
			}
		}
	}
}

// readInTurns begins a message in one way and goes on in others. It streams
// only to the end of a message, since the others begin a new one.
func readInTurns(c *Conn) func() (MessageType, []byte, error) {
	var buf []byte
	turn := 0
	var streaming func() (MessageType, []byte, error)
	return func() (MessageType, []byte, error) {
		if streaming != nil {
			typ, p, err := streaming()
			if err == nil {
				streaming = nil
			}
			return typ, p, err
		}
		turn++
		switch turn % 4 {
		case 0:
			return c.ReadMessage()
		case 1:
			typ, b, err := c.ReadAppend(buf[:0])
			buf = b
			return typ, bytes.Clone(b), err
		case 2:
			for m, err := range c.Messages(context.Background()) {
				return m.Type, m.Data, err
			}
			return 0, nil, io.EOF
		}
		if turn > 40 { // well within a message
			streaming = readStreaming(c, 7)
			return streaming()
		}
		return c.ReadMessage()
	}
}

// readSession is what a peer sends, and what is to come of it: messages in one
// frame and in several, with Pings and Pongs between, of lengths of all three
// forms, and the end.
func readSession(t *testing.T, v Version, side Side) (wire []byte, want []connFrame) {
	t.Helper()
	if v.hixie() {
		for _, n := range []int{0, 1, 2, 30, 300, directMin + 2000} {
			want = append(want, connFrame{Text, connPayload(Text, n)})
			wire = connFrames(t, v, side, want...)
			wire = append(wire, "\x80\x05hello\x01x\xff"...) // to be skipped
		}
		wire = append(wire, "\x00a\xfeb\xff"...)
		want = append(want, connFrame{Text, []byte("a\ufffdb")})
		if v == Hybi00 {
			wire = append(wire, 0xff, 0x00)
		}
		return wire, want
	}
	frame := func(fin bool, op MessageType, p []byte) {
		var err error
		f := Frame{Fin: fin, Opcode: op, Payload: p, Masked: side == ServerSide, MaskKey: [4]byte{1, 2, 3, byte(len(wire))}}
		if wire, err = AppendFrame(wire, v, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{0, 1, 30, 126, directMin + 2000} {
		for _, typ := range []MessageType{Text, Binary} {
			p := connPayload(typ, n)
			frame(true, typ, p)
			frame(true, Ping, []byte("ping"))
			frame(false, typ, p[:n/3])
			frame(false, Continuation, nil)
			frame(true, Pong, nil)
			frame(false, Continuation, p[n/3:n/2])
			frame(true, Ping, connPayload(Binary, 20))
			frame(true, Continuation, p[n/2:])
			want = append(want, connFrame{typ, p}, connFrame{typ, p})
		}
	}
	wire, err := AppendClose(wire, v, ClientSide-side, StatusGoingAway, "end")
	if err != nil {
		t.Fatal(err)
	}
	return wire, want
}

// readAll reads to the end, as often as the deadline expires, and looks that
// everything came.
func readAll(t *testing.T, next func() (MessageType, []byte, error), want []connFrame) (expired int) {
	t.Helper()
	for i := 0; ; {
		typ, p, err := next()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			expired++
		case err != nil && i < len(want):
			t.Fatalf("message %d of %d: %v", i, len(want), err)
		case err != nil:
			if !closedNormally(err) && err != io.EOF { // an end of Messages without an error
				t.Errorf("in the end: %v, want the peer's Close", err)
			}
			return expired
		case i == len(want):
			t.Fatalf("more than the %d messages that were sent: %v %q", i, typ, p)
		case typ != want[i].typ || !bytes.Equal(p, want[i].p):
			t.Fatalf("message %d is %v of %d bytes, %.20q…; want %v of %d, %.20q…: a read that was given up has lost or doubled something",
				i, typ, len(p), p, want[i].typ, len(want[i].p), want[i].p)
		default:
			i++
		}
	}
}

// "Deadline after every byte offset of a multi-frame message, then resume:
// nothing lost, in every version."
func TestDeadlineAtEveryByte(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range []Side{ServerSide, ClientSide} {
			wire, want := readSession(t, v, side)
			for name, way := range readWays {
				t.Run(fmt.Sprintf("%v/%v/%s", v, connSideName(side), name), func(t *testing.T) {
					on := new(atomic.Bool)
					on.Store(true)
					script := &connScript{in: wire}
					c := newConn(&readStutter{Conn: script, on: on}, v, side, &Config{}, nil)
					expired := readAll(t, way(c), want)
					if expired < readStutterBytes {
						t.Errorf("gave up %d times, want at least once for each of %d bytes", expired, readStutterBytes)
					}
					<-c.life.over()
					readLookAtAnswers(t, v, side, script.out.Bytes())
				})
			}
		}
	}
}

// readLookAtAnswers looks that a Close, and Pongs before it, are all that was
// sent.
func readLookAtAnswers(t *testing.T, v Version, side Side, out []byte) {
	t.Helper()
	if v == Hixie75 {
		if len(out) > 0 {
			t.Errorf("sent % x, want nothing", out)
		}
		return
	}
	p, err := NewParser(v, ClientSide-side, Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.Append(out)
	m, err := p.Next()
	for err == nil && m.Type == Pong {
		m, err = p.Next()
	}
	if _, after := p.Next(); err != nil || m.Type != Close || after != io.EOF {
		t.Errorf("sent %v (%v), then %v; want Pongs, and then Close as the last", m.Type, err, after)
	}
}

func TestDeadlineAtEveryByteOverTLS(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			on := new(atomic.Bool)
			server, client := connPair(t, v, connTLS, connOptions{
				wrapServer: func(nc net.Conn) net.Conn { return &readStutter{Conn: nc, on: on} },
			})
			on.Store(true)
			if _, ok := server.send.nc.(*tls.Conn); !ok {
				t.Fatalf("server's connection is %T, want TLS", server.send.nc)
			}
			want := []connFrame{{Text, connPayload(Text, 10)}, {Text, connPayload(Text, 3000)}}
			done := make(chan error, 1)
			go func() {
				err := errors.Join(client.WriteMessage(Text, want[0].p), connStream(client, Text, want[1].p, false))
				done <- errors.Join(err, client.Shutdown(context.Background(), StatusNormalClosure, ""))
			}()
			readAll(t, server.ReadMessage, want)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// Over TCP the reading is done by other means, which know deadlines too.
func TestDeadlineAtEveryByteOverTCP(t *testing.T) {
	for _, v := range allVersions {
		for _, transport := range []string{connTCP, connUnix} {
			t.Run(v.String()+"/"+transport, func(t *testing.T) {
				t.Parallel()
				server, client := connPair(t, v, transport, connOptions{})
				want := connPayload(Text, 20)
				wire := connFrames(t, v, ServerSide, connFrame{Text, want})
				for i := range wire {
					if _, err := client.send.nc.Write(wire[i : i+1]); err != nil {
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

// The rest of a message that a reader left, or that Discard was at, is not the
// beginning of the next one.
func TestDeadlineWhileSkipping(t *testing.T) {
	for _, v := range allVersions {
		for name, begin := range map[string]func(c *Conn) error{
			"NextReader": func(c *Conn) error {
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
			"Discard": func(c *Conn) error {
				for range 10 {
					if err := c.rcv.discard(); !errors.Is(err, os.ErrDeadlineExceeded) {
						return fmt.Errorf("discardMessage: %w, want the deadline", err)
					}
				}
				return nil
			},
			"ReadMessage and Discard": func(c *Conn) error {
				for range 10 {
					if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
						return fmt.Errorf("ReadMessage: %w, want the deadline", err)
					}
				}
				if err := c.rcv.discard(); !errors.Is(err, os.ErrDeadlineExceeded) {
					return fmt.Errorf("discardMessage: %w, want the deadline", err)
				}
				return nil
			},
		} {
			t.Run(v.String()+"/"+name, func(t *testing.T) {
				on := new(atomic.Bool)
				on.Store(true)
				want := connFrame{Text, []byte("second")}
				wire := connFrames(t, v, ServerSide, connFrame{Text, []byte("first, which is skipped")}, want)
				c := newConn(&readStutter{Conn: &connScript{in: wire}, on: on}, v, ServerSide, &Config{}, nil)
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
