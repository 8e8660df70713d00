package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// Reads return, again and again, an error that says how the connection has
// ended.
func TestReadError(t *testing.T) {
	hello := func(v websocket.Version) []byte {
		return peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte("hello")})
	}
	closing := func(code websocket.StatusCode, reason string) func(websocket.Version) []byte {
		return func(v websocket.Version) []byte {
			b, err := websocket.AppendClose(hello(v), v, websocket.ClientSide, code, reason)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	for _, tt := range []struct {
		name     string
		versions []websocket.Version
		wire     func(websocket.Version) []byte
		is       error                 // that the error wraps
		closed   *websocket.CloseError // that the error is
		code     websocket.StatusCode  // of the Close frame that is sent, 0 for none
	}{
		{"end after a message", hybiVersions, hello, io.ErrUnexpectedEOF, nil, 0},
		{"end after a message", hixieVersions, hello, nil, &websocket.CloseError{Code: 1005}, 0},
		{"end within a message", allVersions, func(v websocket.Version) []byte { return append(hello(v), hello(v)[:3]...) }, io.ErrUnexpectedEOF, nil, 0},
		{"end within the frame of a Close", hixieVersions, func(v websocket.Version) []byte { return append(hello(v), 0xff) }, io.ErrUnexpectedEOF, nil, 0},
		{"end within a length", hixieVersions, func(v websocket.Version) []byte { return append(hello(v), 0x80, 0x81) }, io.ErrUnexpectedEOF, nil, 0},
		{"Close with code and reason", hybiVersions, closing(4000, "why"), nil, &websocket.CloseError{4000, "why"}, 4000},
		{"Close without code", allVersions[:4], closing(1005, ""), nil, &websocket.CloseError{Code: 1005}, 1005},
		{"invalid UTF-8", hybiVersions, func(v websocket.Version) []byte {
			return append(hello(v), peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte("a\xc0\x80")})...)
		}, nil, nil, websocket.StatusInvalidPayloadData},
		{"too big", hybiVersions, func(v websocket.Version) []byte {
			return append(hello(v), peerFrames(t, v, websocket.ServerSide, message{websocket.Binary, make([]byte, 1<<20+1)})...)
		}, websocket.ErrMessageTooBig, nil, websocket.StatusMessageTooBig},
		{"too big", []websocket.Version{websocket.Hixie75}, func(v websocket.Version) []byte {
			return append(hello(v), peerFrames(t, v, websocket.ServerSide, message{websocket.Text, make([]byte, 1<<20+1)})...)
		}, websocket.ErrMessageTooBig, nil, 0},
		{"reserved opcode", hybiVersions, func(v websocket.Version) []byte { return append(hello(v), 0x83, 0x80, 1, 2, 3, 4) }, nil, nil, websocket.StatusProtocolError},
		{"Close with one byte", hybiVersions, func(v websocket.Version) []byte { return append(hello(v), 0x88, 0x81, 1, 2, 3, 4, 5) }, nil, nil, websocket.StatusProtocolError},
	} {
		for _, v := range tt.versions {
			t.Run(tt.name+"/"+v.String(), func(t *testing.T) {
				c, script := newScripted(v, websocket.ServerSide, tt.wire(v))
				if _, p, err := c.ReadMessage(); err != nil || string(p) != "hello" {
					t.Fatalf("message before: %q, %v", p, err)
				}
				_, _, err := c.ReadMessage()
				readExpectError(t, err, tt.is, tt.closed, tt.code)
				if typ, p, again := c.ReadAppend(nil); again != err || typ != 0 || p != nil {
					t.Errorf("next read: %v, %q, %v; want nothing but the same error as before, %v", typ, p, again, err)
				}
				if typ, r, again := c.NextReader(); again != err || typ != 0 || r != nil {
					t.Errorf("NextReader: %v, %v, %v; want nothing but the same error as before, %v", typ, r, again, err)
				}
				<-websocket.Over(c)
				want, _ := websocket.AppendClose(nil, v, websocket.ServerSide, max(tt.code, 1), "")
				if tt.closed != nil && tt.code != 0 {
					want, _ = websocket.AppendClose(nil, v, websocket.ServerSide, tt.closed.Code, tt.closed.Reason)
				}
				if got := script.out.Bytes(); !bytes.Equal(got, want) {
					t.Errorf("sent % x, want % x", got, want)
				}
				if err := c.WriteMessage(websocket.Text, nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("WriteMessage: %v, want net.ErrClosed", err)
				}
			})
		}
	}
}

func readExpectError(t *testing.T, err, is error, closed *websocket.CloseError, code websocket.StatusCode) {
	t.Helper()
	var gotClosed *websocket.CloseError
	var gotProtocol *websocket.ProtocolError
	switch {
	case is != nil && !errors.Is(err, is):
		t.Errorf("error is %v, want one that wraps %v", err, is)
	case closed != nil && (!errors.As(err, &gotClosed) || *gotClosed != *closed):
		t.Errorf("error is %v, want %v", err, closed)
	case closed == nil && code != 0 && (!errors.As(err, &gotProtocol) || gotProtocol.Code != code):
		t.Errorf("error is %v, want a ProtocolError with code %d", err, code)
	case closed == nil && errors.As(err, &gotClosed):
		t.Errorf("error is %v, want no CloseError", err)
	}
}

// The end of a context stops Messages after any byte, and nothing is lost.
func TestContextEndsReading(t *testing.T) {
	for _, v := range allVersions {
		wire := peerFrames(t, v, websocket.ServerSide, message{websocket.Text, []byte("hello")}, message{websocket.Text, []byte("again")})
		for arrived := range len(wire) - 1 {
			synctest.Test(t, func(t *testing.T) {
				c, cn := newPipe(t, v, websocket.ServerSide, websocket.Config{})
				c.SetReadDeadline(time.Now().Add(time.Hour))
				go cn.Write(wire[:arrived])
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Minute, cancel)
				n, ended := 0, false
				for _, err := range c.Messages(ctx) {
					if n++; err != nil {
						ended = errors.Is(err, context.Canceled)
					}
				}
				if !ended {
					t.Fatalf("%v, %d bytes: Messages did not end with the error of its context", v, arrived)
				}
				go cn.Write(wire[arrived:])
				want := []string{"hello", "again"}[n-1:]
				for _, want := range want {
					if _, p, err := c.ReadMessage(); err != nil || string(p) != want {
						t.Fatalf("%v, after %d bytes: %q, %v; want %q", v, arrived, p, err, want)
					}
				}
				if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("%v: %v, want the deadline that was set before", v, err)
				}
			})
		}
	}
}

// Several contexts may end at once, and a deadline may be set meanwhile: each
// read gives up all the same, and after that the deadline holds.
func TestInterruptsOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		first, second := websocket.InterruptAt(c, ctx), websocket.InterruptAt(c, ctx)
		cancel()
		synctest.Wait()
		c.SetReadDeadline(time.Now().Add(time.Hour))
		start := time.Now()
		for range 2 {
			if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 0 {
				t.Errorf("ReadMessage: %v after %v, want to be interrupted at once", err, time.Since(start))
			}
			first()
			first = func() {}
		}
		second()
		if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("ReadMessage: %v after %v, want the deadline after an hour", err, time.Since(start))
		}
	})
}

// Once a read with a context has returned, the end of the context no longer
// changes the deadline of the connection below. It would end the reads of a
// program that has gone on with that connection.
func TestContextIsDoneWithDeadlines(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			nc := &deadlineCounter{}
			c := newConn(nc, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
			ctx, cancel := context.WithCancel(t.Context())
			release := websocket.InterruptAt(c, ctx)
			cancel()
			release()
			before := nc.set.Load()
			synctest.Wait()
			if late := nc.set.Load() - before; late > 0 {
				t.Errorf("the deadline was set %d times after the context was released", late)
			}
		})
	}
}

// deadlineCounter counts how often its read deadline is set.
type deadlineCounter struct {
	script
	set atomic.Int32
}

func (d *deadlineCounter) SetReadDeadline(time.Time) error {
	d.set.Add(1)
	return nil
}

// A peer that has ended its side still gets the answers to what it has sent.
func TestHalfClosed(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			const count = 50
			var wire []byte
			for range count {
				wire = append(wire, peerFrames(t, v, websocket.ServerSide, message{websocket.Text, payloadOf(websocket.Text, 100)})...)
			}
			echo := readEcho(t, v)
			if _, err := echo.Write(wire); err != nil {
				t.Fatal(err)
			}
			echo.CloseWrite()
			got, err := io.ReadAll(echo)
			if err != nil {
				t.Errorf("reading the answers: %v", err)
			}
			want := peerFrames(t, v, websocket.ClientSide, message{websocket.Text, payloadOf(websocket.Text, 100)})
			if n := bytes.Count(got, want); n != count {
				t.Errorf("%d of %d answers came", n, count)
			}
		})
	}
}

// A message that is buffered while a read waits is sent, although the read then
// finds the end of the peer's side.
func TestHalfClosedWhileBuffered(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc := &endsLater{end: make(chan struct{})}
				c := newConn(nc, v, websocket.ServerSide, &websocket.Config{})
				read := later(func() error { _, _, err := c.ReadMessage(); return err })
				synctest.Wait()
				if err := c.BufferMessage(websocket.Text, []byte("buffered")); err != nil {
					t.Fatal(err)
				}
				close(nc.end)
				if err := <-read; err == nil {
					t.Error("ReadMessage returned no error at the end")
				}
				<-websocket.Over(c)
				if want := peerText(t, v, websocket.ClientSide, "buffered"); !bytes.HasPrefix(nc.out.Bytes(), want) {
					t.Errorf("sent % x, want % x", nc.out.Bytes(), want)
				}
			})
		})
	}
}

// endsLater is a connection whose peer sends nothing, and ends its side once end
// is closed.
type endsLater struct {
	script
	end chan struct{}
}

func (e *endsLater) Read([]byte) (int, error) {
	<-e.end
	return 0, io.EOF
}

// readEcho returns the client's end of a connection to an echo.
func readEcho(t *testing.T, v websocket.Version) *net.TCPConn {
	t.Helper()
	c, cn := newTCP(t, v, websocket.ServerSide, websocket.Config{})
	go func() {
		var buf []byte
		for {
			typ, p, err := c.ReadAppend(buf[:0])
			if err != nil {
				return
			}
			if buf = p; c.BufferMessage(typ, p) != nil {
				return
			}
		}
	}()
	return cn
}

// A Pong is sent before a read returns a message, since the program may take
// its time with it.
func TestPongLeavesBeforeProgramGoesOn(t *testing.T) {
	wire := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Ping, []byte("p")})
	pong := peerFrames(t, websocket.RFC6455, websocket.ClientSide, message{websocket.Pong, []byte("p")})
	whole := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, payloadOf(websocket.Text, 20)})
	for name, read := range map[string]func(c *websocket.Conn) error{
		"ReadMessage": func(c *websocket.Conn) error { _, _, err := c.ReadMessage(); return err },
		"NextReader":  func(c *websocket.Conn) error { _, _, err := c.NextReader(); return err },
	} {
		t.Run(name, func(t *testing.T) {
			c, cn := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
			go cn.Write(append(bytes.Clone(wire), whole...))
			if err := read(c); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(pong))
			if _, err := io.ReadFull(cn, got); err != nil || !bytes.Equal(got, pong) {
				t.Errorf("got % x, %v; want the Pong % x", got, err, pong)
			}
		})
	}
	t.Run("Read of a reader", func(t *testing.T) {
		c, cn := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		begin, err := websocket.AppendFrame(nil, websocket.RFC6455, websocket.Frame{Opcode: websocket.Text, Masked: true})
		if err != nil {
			t.Fatal(err)
		}
		more, err := websocket.AppendFrame(nil, websocket.RFC6455, websocket.Frame{Opcode: websocket.Continuation, Masked: true, Payload: []byte("more")})
		if err != nil {
			t.Fatal(err)
		}
		go cn.Write(begin)
		_, r, err := c.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		go cn.Write(append(bytes.Clone(wire), more...))
		if n, err := r.Read(make([]byte, 100)); n != 4 || err != nil {
			t.Fatalf("Read: %d, %v", n, err)
		}
		got := make([]byte, len(pong))
		if _, err := io.ReadFull(cn, got); err != nil || !bytes.Equal(got, pong) {
			t.Errorf("got % x, %v; want the Pong % x", got, err, pong)
		}
	})
}

// "A huge declared length with no data behind it (2^40): allocated bytes stay
// under 128 KiB."
func TestDeclaredLengthCostsNothing(t *testing.T) {
	wire := []byte{0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4}
	for name, read := range map[string]func(c *websocket.Conn) error{
		"ReadMessage": func(c *websocket.Conn) error { _, _, err := c.ReadMessage(); return err },
		"ReadAppend":  func(c *websocket.Conn) error { _, _, err := c.ReadAppend(nil); return err },
		"NextReader": func(c *websocket.Conn) error {
			_, r, err := c.NextReader()
			if err == nil {
				_, err = io.ReadAll(r)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConn(&script{in: append(wire, make([]byte, 10000)...)}, websocket.RFC6455, websocket.ServerSide, &websocket.Config{MaxMessageSize: -1})
			n := allocated(func() {
				if err := read(c); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("error is %v, want io.ErrUnexpectedEOF", err)
				}
			})
			if n > 128<<10 {
				t.Errorf("%d bytes were allocated for a message of which 10000 came", n)
			}
		})
	}
}
