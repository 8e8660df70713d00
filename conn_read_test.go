package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// How a connection ends tells what reads return, and keep returning.
func TestReadError(t *testing.T) {
	hello := func(v Version) []byte { return peerFrames(t, v, ServerSide, message{Text, []byte("hello")}) }
	closing := func(code StatusCode, reason string) func(Version) []byte {
		return func(v Version) []byte {
			b, err := AppendClose(hello(v), v, ClientSide, code, reason)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	for _, tt := range []struct {
		name     string
		versions []Version
		wire     func(Version) []byte
		is       error       // that the error wraps
		closed   *CloseError // that the error is
		code     StatusCode  // of the Close frame that is sent, 0 for none
	}{
		{"end after a message", []Version{RFC6455, Hybi10, Hybi07}, hello, io.ErrUnexpectedEOF, nil, 0},
		{"end after a message", []Version{Hybi00, Hixie75}, hello, nil, &CloseError{Code: 1005}, 0},
		{"end within a message", allVersions, func(v Version) []byte { return append(hello(v), hello(v)[:3]...) }, io.ErrUnexpectedEOF, nil, 0},
		{"end within the frame of a Close", []Version{Hybi00, Hixie75}, func(v Version) []byte { return append(hello(v), 0xff) }, io.ErrUnexpectedEOF, nil, 0},
		{"end within a length", []Version{Hybi00, Hixie75}, func(v Version) []byte { return append(hello(v), 0x80, 0x81) }, io.ErrUnexpectedEOF, nil, 0},
		{"Close with code and reason", []Version{RFC6455, Hybi10, Hybi07}, closing(4000, "why"), nil, &CloseError{4000, "why"}, 4000},
		{"Close without code", []Version{RFC6455, Hybi10, Hybi07, Hybi00}, closing(1005, ""), nil, &CloseError{Code: 1005}, 1005},
		{"invalid UTF-8", []Version{RFC6455, Hybi10, Hybi07}, func(v Version) []byte {
			return append(hello(v), peerFrames(t, v, ServerSide, message{Text, []byte("a\xc0\x80")})...)
		}, nil, nil, StatusInvalidPayloadData},
		{"too big", []Version{RFC6455, Hybi10, Hybi07}, func(v Version) []byte {
			return append(hello(v), peerFrames(t, v, ServerSide, message{Binary, make([]byte, 1<<20+1)})...)
		}, ErrMessageTooBig, nil, StatusMessageTooBig},
		{"too big", []Version{Hixie75}, func(v Version) []byte {
			return append(hello(v), peerFrames(t, v, ServerSide, message{Text, make([]byte, 1<<20+1)})...)
		}, ErrMessageTooBig, nil, 0},
		{"reserved opcode", []Version{RFC6455, Hybi10, Hybi07}, func(v Version) []byte { return append(hello(v), 0x83, 0x80, 1, 2, 3, 4) }, nil, nil, StatusProtocolError},
		{"Close with one byte", []Version{RFC6455, Hybi10, Hybi07}, func(v Version) []byte { return append(hello(v), 0x88, 0x81, 1, 2, 3, 4, 5) }, nil, nil, StatusProtocolError},
	} {
		for _, v := range tt.versions {
			t.Run(tt.name+"/"+v.String(), func(t *testing.T) {
				c, script := newScripted(v, ServerSide, tt.wire(v))
				if _, p, err := c.ReadMessage(); err != nil || string(p) != "hello" {
					t.Fatalf("message before: %q, %v", p, err)
				}
				_, _, err := c.ReadMessage()
				readExpectError(t, err, tt.is, tt.closed, tt.code)
				if _, _, again := c.ReadAppend(nil); again != err {
					t.Errorf("next read: %v, want the same error as before, %v", again, err)
				}
				if _, _, again := c.NextReader(); again != err {
					t.Errorf("NextReader: %v, want the same error as before, %v", again, err)
				}
				<-c.life.over()
				want, _ := AppendClose(nil, v, ServerSide, max(tt.code, 1), "")
				if tt.closed != nil && tt.code != 0 {
					want, _ = AppendClose(nil, v, ServerSide, tt.closed.Code, tt.closed.Reason)
				}
				if got := script.out.Bytes(); !bytes.Equal(got, want) {
					t.Errorf("sent % x, want % x", got, want)
				}
				if err := c.WriteMessage(Text, nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("WriteMessage: %v, want net.ErrClosed", err)
				}
			})
		}
	}
}

func readExpectError(t *testing.T, err, is error, closed *CloseError, code StatusCode) {
	t.Helper()
	var gotClosed *CloseError
	var gotProtocol *ProtocolError
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

// The end of a context stops Messages and Discard wherever they are, and
// nothing is lost by it.
func TestContextEndsReading(t *testing.T) {
	for _, v := range allVersions {
		wire := peerFrames(t, v, ServerSide, message{Text, []byte("hello")}, message{Text, []byte("again")})
		for arrived := range len(wire) - 1 {
			synctest.Test(t, func(t *testing.T) {
				sn, cn := net.Pipe()
				defer cn.Close()
				c := newConn(sn, v, ServerSide, &Config{}, nil)
				defer c.Close()
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

// Several contexts may end at once, and a deadline be set meanwhile: each read
// gives up all the same, and then the deadline holds.
func TestInterruptsOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sn, cn := net.Pipe()
		defer cn.Close()
		c := newConn(sn, RFC6455, ServerSide, &Config{}, nil)
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		first, second := c.rcv.interruptAt(ctx), c.rcv.interruptAt(ctx)
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

// A peer that has ended its side still gets the answers to what it said.
func TestHalfClosed(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			const count = 50
			var wire []byte
			for range count {
				wire = append(wire, peerFrames(t, v, ServerSide, message{Text, payloadOf(Text, 100)})...)
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
			want := peerFrames(t, v, ClientSide, message{Text, payloadOf(Text, 100)})
			if n := bytes.Count(got, want); n != count {
				t.Errorf("%d of %d answers came", n, count)
			}
		})
	}
}

// readEcho returns the client's end of a connection to an echo.
func readEcho(t *testing.T, v Version) *net.TCPConn {
	t.Helper()
	sn, cn := newWire(t, overTCP)
	c := newConn(sn, v, ServerSide, &Config{}, nil)
	t.Cleanup(func() { c.Close(); cn.Close() })
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
	return cn.(*net.TCPConn)
}

// A Pong does not wait for a program that takes its time with a message.
func TestPongLeavesBeforeProgramGoesOn(t *testing.T) {
	wire := peerFrames(t, RFC6455, ServerSide, message{Ping, []byte("p")})
	pong := peerFrames(t, RFC6455, ClientSide, message{Pong, []byte("p")})
	whole := peerFrames(t, RFC6455, ServerSide, message{Text, payloadOf(Text, 20)})
	for name, read := range map[string]func(c *Conn) error{
		"ReadMessage": func(c *Conn) error { _, _, err := c.ReadMessage(); return err },
		"NextReader":  func(c *Conn) error { _, _, err := c.NextReader(); return err },
	} {
		t.Run(name, func(t *testing.T) {
			sn, cn := net.Pipe()
			defer cn.Close()
			c := newConn(sn, RFC6455, ServerSide, &Config{}, nil)
			defer c.Close()
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
		sn, cn := net.Pipe()
		defer cn.Close()
		c := newConn(sn, RFC6455, ServerSide, &Config{}, nil)
		defer c.Close()
		begin, err := AppendFrame(nil, RFC6455, Frame{Opcode: Text, Masked: true})
		if err != nil {
			t.Fatal(err)
		}
		more, err := AppendFrame(nil, RFC6455, Frame{Opcode: Continuation, Masked: true, Payload: []byte("more")})
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
	for name, read := range map[string]func(c *Conn) error{
		"ReadMessage": func(c *Conn) error { _, _, err := c.ReadMessage(); return err },
		"ReadAppend":  func(c *Conn) error { _, _, err := c.ReadAppend(nil); return err },
		"NextReader": func(c *Conn) error {
			_, r, err := c.NextReader()
			if err == nil {
				_, err = io.ReadAll(r)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConn(&script{in: append(wire, make([]byte, 10000)...)}, RFC6455, ServerSide, &Config{MaxMessageSize: -1}, nil)
			before := readAllocated()
			if err := read(c); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("error is %v, want io.ErrUnexpectedEOF", err)
			}
			if n := readAllocated() - before; n > 128<<10 {
				t.Errorf("%d bytes were allocated for a message of which 10000 came", n)
			}
		})
	}
}
