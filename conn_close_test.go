package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// Code and reason arrive as they were sent, and the answer repeats them,
// whichever side begins.
func TestCloseCodes(t *testing.T) {
	long := strings.Repeat("ü", 61) + "!"
	for _, v := range allVersions {
		for _, side := range sides {
			for _, want := range []websocket.CloseError{
				{1000, ""}, {1000, "done"}, {1001, "x"}, {1002, ""}, {1003, ""}, {1005, ""}, {1007, ""}, {1008, "no"}, {1009, ""},
				{1010, ""}, {1011, ""}, {1012, ""}, {1013, ""}, {1014, ""}, {3000, ""}, {3999, ""}, {4000, long}, {4999, ""},
			} {
				t.Run(fmt.Sprintf("%v/%s/%d", v, sideName(side), want.Code), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						a, b := newPair(t, v, overPipe, pairOptions{})
						if side == websocket.ClientSide {
							a, b = b, a
						}
						start := time.Now()
						result := later(func() error { return a.Shutdown(t.Context(), want.Code, want.Reason) })
						want := want
						if isHixie(v) {
							want = websocket.CloseError{Code: websocket.StatusNoStatusReceived}
						}
						_, _, err := b.ReadMessage()
						if ce, ok := err.(*websocket.CloseError); v != websocket.Hixie75 && (!ok || *ce != want) {
							t.Errorf("side that was closed reads %v, want %v", err, &want)
						}
						if err := <-result; err != nil {
							t.Errorf("Shutdown: %v", err)
						}
						_, _, err = a.ReadMessage()
						var ce *websocket.CloseError
						if v != websocket.Hixie75 && (!errors.As(err, &ce) || *ce != want) || !errors.Is(err, net.ErrClosed) {
							t.Errorf("side that closed reads %v, want %v as the answer, and net.ErrClosed", err, &want)
						}
						<-websocket.Over(b)
						if took := time.Since(start); took > 0 {
							t.Errorf("took %v though nobody had to be waited for", took)
						}
					})
				})
			}
		}
	}
}

// A code or reason that may not be sent is refused. Nothing is sent, and the
// connection stays usable.
func TestCloseCodesRefused(t *testing.T) {
	for _, v := range allVersions {
		for _, tt := range []websocket.CloseError{
			{0, ""}, {999, ""}, {1004, ""}, {1005, "reason"}, {1006, ""}, {1015, ""}, {1016, ""}, {1100, ""}, {2999, ""}, {5000, ""},
			{1000, strings.Repeat("r", 124)}, {1000, "a\xffb"},
		} {
			c, script := newScripted(v, websocket.ServerSide, nil)
			if err := c.Shutdown(t.Context(), tt.Code, tt.Reason); err == nil || errors.Is(err, net.ErrClosed) {
				t.Errorf("%v: Shutdown with %d and %d bytes of reason: %v, want an error", v, tt.Code, len(tt.Reason), err)
			}
			if script.out.Len() > 0 {
				t.Errorf("%v: Shutdown with %d and %d bytes of reason sent something", v, tt.Code, len(tt.Reason))
			}
			if err := c.WriteMessage(websocket.Text, nil); err != nil {
				t.Errorf("%v: WriteMessage after a Shutdown that was refused: %v", v, err)
			}
		}
	}
}

// "No RST that could destroy it": the Close frame arrives even while our
// receive buffer holds data of the peer that nobody reads. The system would
// answer a close with a reset then.
func TestCloseFrameSurvivesUnreadData(t *testing.T) {
	garbage := make([]byte, 300<<10)
	closing := func(v websocket.Version, side websocket.Side) []byte {
		b, err := websocket.AppendClose(nil, v, websocket.ClientSide-side, 4000, "bye")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		wire func(v websocket.Version, side websocket.Side) []byte
		end  func(c *websocket.Conn)
		want websocket.StatusCode
	}{
		{"protocol error", func(websocket.Version, websocket.Side) []byte { return []byte{0xff, 0xff} }, func(c *websocket.Conn) { c.ReadMessage() }, websocket.StatusProtocolError},
		{"Close by the peer", closing, func(c *websocket.Conn) { c.ReadMessage() }, 4000},
		{"Close by the peer, and Close", closing, func(c *websocket.Conn) { c.ReadMessage(); c.Close() }, 4000},
		{"protocol error, and Close", func(websocket.Version, websocket.Side) []byte { return []byte{0xff, 0xff} },
			func(c *websocket.Conn) { c.ReadMessage(); c.Close() }, websocket.StatusProtocolError},
		{"protocol error during Shutdown", func(websocket.Version, websocket.Side) []byte { return []byte{0xff, 0xff} },
			func(c *websocket.Conn) { c.Shutdown(context.Background(), websocket.StatusGoingAway, "") }, websocket.StatusGoingAway},
	} {
		for _, v := range hybiVersions {
			for _, side := range sides {
				t.Run(tt.name+"/"+v.String()+"/"+sideName(side), func(t *testing.T) {
					t.Parallel()
					c, peer := newTCP(t, v, side, websocket.Config{})
					if _, err := peer.Write(append(tt.wire(v, side), garbage...)); err != nil {
						t.Fatal(err)
					}
					go tt.end(c)
					f := readFrame(t, peer, v)
					if f.Opcode != websocket.Close || len(f.Payload) < 2 || websocket.StatusCode(f.Payload[0])<<8|websocket.StatusCode(f.Payload[1]) != tt.want {
						t.Errorf("peer got %v %q, want Close with %d", f.Opcode, f.Payload, tt.want)
					}
					if side == websocket.ServerSide {
						if n, err := peer.Read(make([]byte, 1)); err != io.EOF {
							t.Errorf("peer then reads %d bytes, %v; want the end, and no reset", n, err)
						}
					}
				})
			}
		}
	}
}

// "The server MUST close first", RFC 6455 section 7.1.1.
func TestCloseServerFirst(t *testing.T) {
	for _, v := range hybiVersions {
		closing := func(side websocket.Side) []byte {
			b, err := websocket.AppendClose(nil, v, websocket.ClientSide-side, 1000, "")
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		t.Run(v.String()+"/server", func(t *testing.T) {
			c, peer := newTCP(t, v, websocket.ServerSide, websocket.Config{})
			go c.ReadMessage()
			peer.Write(closing(websocket.ServerSide))
			readFrame(t, peer, v)
			if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("after both Close frames the client reads %v, want the server's end", err)
			}
			select {
			case <-websocket.Over(c):
				t.Error("server did not wait for the client's end")
			default:
			}
			peer.Close()
			<-websocket.Over(c)
		})
		for name, serverEnds := range map[string]bool{"server ends": true, "server does not end": false} {
			t.Run(v.String()+"/client/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, peer := newPipe(t, v, websocket.ClientSide, websocket.Config{})
					go c.ReadMessage()
					peer.Write(closing(websocket.ClientSide))
					readFrame(t, peer, v)
					synctest.Wait()
					select {
					case <-websocket.Over(c):
						t.Error("client did not wait for the server's end")
					default:
					}
					start := time.Now()
					if serverEnds {
						peer.Close()
					}
					<-websocket.Over(c)
					if took := time.Since(start); serverEnds != (took == 0) || took > websocket.CloseLinger {
						t.Errorf("client ended after %v", took)
					}
				})
			})
		}
	}
}

// "A peer that stops reading: Close returns at once", whatever is being
// written, on every transport.
func TestCloseWhilePeerDoesNotRead(t *testing.T) {
	for _, v := range allVersions {
		for _, transport := range transports {
			t.Run(v.String()+"/"+transport, func(t *testing.T) {
				t.Parallel()
				server, client := newPair(t, v, transport, pairOptions{})
				fillBuffers(t, server)
				stuck := later(func() error { return writeUntilError(server) })
				reading := make(chan error, 1)
				go func() { _, _, err := server.ReadMessage(); reading <- err }()
				start := time.Now()
				if err := server.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				if took := time.Since(start); took > websocket.CloseTimeout-time.Second { // as long as TLS would wait, or longer
					t.Errorf("Close took %v", took)
				}
				if err := <-reading; !errors.Is(err, net.ErrClosed) {
					t.Errorf("waiting read: %v, want net.ErrClosed", err)
				}
				if err := <-stuck; !errors.Is(err, net.ErrClosed) {
					t.Errorf("stuck write: %v, want net.ErrClosed", err)
				}
				if err := server.Close(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("second Close: %v, want net.ErrClosed", err)
				}
				for err := error(nil); err == nil; {
					_, _, err = client.ReadMessage()
				}
			})
		}
	}
}

// The same while nothing is being written: TLS sends an alert at the end.
func TestCloseOfIdleConnWhilePeerDoesNotRead(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			server, _ := newPair(t, websocket.RFC6455, transport, pairOptions{})
			fillBuffers(t, server)
			start := time.Now()
			server.Close()
			if took := time.Since(start); took > websocket.CloseTimeout-time.Second { // as long as TLS would wait, or longer
				t.Errorf("Close took %v", took)
			}
		})
	}
}

// Close ends the Read of a message that is being streamed.
func TestCloseAndNextReader(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, v, websocket.ServerSide, websocket.Config{})
				wire := peerFrames(t, v, websocket.ServerSide, message{websocket.Text, payloadOf(websocket.Text, 1000)})
				go peer.Write(wire[:500])
				_, r, err := c.NextReader()
				if err != nil {
					t.Fatal(err)
				}
				got := make(chan error, 1)
				go func() { _, err := io.ReadAll(r); got <- err }()
				synctest.Wait()
				c.Close()
				if err := <-got; !errors.Is(err, net.ErrClosed) {
					t.Errorf("reader that waited: %v, want net.ErrClosed", err)
				}
				if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
					t.Errorf("Read after it: %d bytes, %v; want none, and net.ErrClosed", n, err)
				}
				if _, _, err := c.NextReader(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("NextReader after it: %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

// The Close frame is the last frame that is sent, even if a Pong had to wait.
func TestCloseFrameIsLast(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		g.in = peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Ping, []byte(text125)})
		g.in, _ = websocket.AppendClose(g.in, websocket.RFC6455, websocket.ClientSide, 4000, "")
		first := later(writeText(c, "first"))
		got := <-g.writes
		if err := c.BufferMessage(websocket.Text, []byte("buffered")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Ping(cancelled(t)); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if _, _, err := c.ReadMessage(); !isClose(err, 4000) {
			t.Fatalf("ReadMessage: %v", err)
		}
		g.results <- gateResult{n: -1}
		wantTexts(t, "first write", websocket.RFC6455, got, "first")
		g.expect(t, "second write", "buffered", text125, "\x00\x00\x00\x00\x00\x00\x00\x01", "\x0f\xa0")
		if err := <-first; err != nil {
			t.Error(err)
		}
		<-websocket.Over(c)
	})
}

func isClose(err error, code websocket.StatusCode) bool {
	var ce *websocket.CloseError
	return errors.As(err, &ce) && ce.Code == code
}

// Once our Close is sent, neither Pongs nor Pings are sent.
func TestCloseEndsControlFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		result := later(func() error { return c.Shutdown(t.Context(), 4001, "") })
		if f := readFrame(t, peer, websocket.RFC6455); f.Opcode != websocket.Close {
			t.Errorf("peer got %v, want Close", f.Opcode)
		}
		if _, err := c.Ping(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Ping: %v, want net.ErrClosed", err)
		}
		wire := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Ping, []byte("late")})
		wire, _ = websocket.AppendClose(wire, websocket.RFC6455, websocket.ClientSide, 4001, "")
		go peer.Write(wire)
		rest, err := io.ReadAll(peer)
		if len(rest) > 0 || err != nil {
			t.Errorf("after the Close frame the peer got % x, %v; want nothing", rest, err)
		}
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}

// Closed is called once, with the cause.
func TestCloseTrace(t *testing.T) {
	for _, tt := range []struct {
		name string
		wire []byte
		end  func(c *websocket.Conn)
		is   func(error) bool
	}{
		{"Close", nil, func(c *websocket.Conn) { c.Close() }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		{"Close twice", nil, func(c *websocket.Conn) { c.Close(); c.Close() }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		{"peer", []byte{0x88, 0x80, 0, 0, 0, 0}, func(c *websocket.Conn) { c.ReadMessage(); c.Close() }, func(err error) bool { return isClose(err, 1005) }},
		{"peer's fault", []byte{0xff, 0xff}, func(c *websocket.Conn) { c.ReadMessage() }, func(err error) bool {
			var pe *websocket.ProtocolError
			return errors.As(err, &pe)
		}},
		{"network", nil, func(c *websocket.Conn) { c.ReadMessage() }, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told := make(chan error, 10)
			cfg := &websocket.Config{Trace: &websocket.Trace{Closed: func(_ *websocket.Conn, err error) { told <- err }}}
			c := newConn(&script{in: bytes.Clone(tt.wire)}, websocket.RFC6455, websocket.ServerSide, cfg)
			ended := make(chan bool, 10)
			websocket.OnEnd(c, func() { ended <- true })
			tt.end(c)
			if err := <-told; !tt.is(err) {
				t.Errorf("told %v", err)
			}
			<-ended
			late := false
			websocket.OnEnd(c, func() { late = true })
			if !late || len(told) > 0 || len(ended) > 0 {
				t.Errorf("onEnd after the end was called: %v; told %d times too often", late, len(told)+len(ended))
			}
		})
	}
}
