package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

// "Hixie writers refuse bytes that are not UTF-8", and what their version
// lacks: nothing is sent, and the connection stays usable.
func TestHixieWritersRefuse(t *testing.T) {
	bad := []byte("a\xffb")
	stream := func(typ websocket.MessageType, writes ...string) func(c *websocket.Conn) error {
		return func(c *websocket.Conn) error {
			w, err := c.NextWriter(typ)
			if err != nil {
				return err
			}
			for _, p := range writes {
				n, werr := w.Write([]byte(p))
				if werr != nil && n > 0 {
					return errors.New("Write took some of what it refused")
				}
				err = errors.Join(err, werr)
			}
			return errors.Join(err, w.Close())
		}
	}
	for _, tt := range []struct {
		name        string
		write       func(c *websocket.Conn) error
		unsupported bool
		sent        []string
	}{
		{"WriteMessage of bad text", func(c *websocket.Conn) error { return c.WriteMessage(websocket.Text, bad) }, false, nil},
		{"BufferMessage of bad text", func(c *websocket.Conn) error { return c.BufferMessage(websocket.Text, bad) }, false, nil},
		{"WriteMessage of half a character", func(c *websocket.Conn) error { return c.WriteMessage(websocket.Text, []byte("\xc3")) }, false, nil},
		{"WritePrepared of bad text", func(c *websocket.Conn) error {
			m, err := websocket.Prepare(websocket.Text, bad)
			if err != nil {
				t.Fatal(err)
			}
			return c.WritePrepared(m)
		}, false, nil},
		{"NextWriter of bad text", stream(websocket.Text, "good ", "\xff", "text"), false, []string{"good text"}},
		{"NextWriter of characters in pieces", stream(websocket.Text, "\xe2", "\x82\xff", "\x82", "\xac"), false, []string{"€"}},
		{"NextWriter that ends within a character", stream(websocket.Text, "a\xe2\x82"), false, nil},
		{"WriteMessage of Binary", func(c *websocket.Conn) error { return c.WriteMessage(websocket.Binary, []byte("a")) }, true, nil},
		{"BufferMessage of Binary", func(c *websocket.Conn) error { return c.BufferMessage(websocket.Binary, []byte("a")) }, true, nil},
		{"NextWriter of Binary", stream(websocket.Binary, "a"), true, nil},
		{"WritePrepared of Binary", func(c *websocket.Conn) error {
			m, err := websocket.Prepare(websocket.Binary, []byte("a"))
			if err != nil {
				t.Fatal(err)
			}
			return c.WritePrepared(m)
		}, true, nil},
		{"Ping", func(c *websocket.Conn) error { _, err := c.Ping(context.Background()); return err }, true, nil},
	} {
		for _, v := range hixieVersions {
			for _, side := range sides {
				t.Run(tt.name+"/"+v.String()+"/"+sideName(side), func(t *testing.T) {
					c, script := newScripted(v, side, nil)
					err := tt.write(c)
					if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") || errors.Is(err, errors.ErrUnsupported) != tt.unsupported {
						t.Errorf("error is %v, want one that wraps errors.ErrUnsupported: %v", err, tt.unsupported)
					}
					if err := c.Flush(); err != nil {
						t.Error(err)
					}
					wantTexts(t, "refused", v, script.out.Bytes(), tt.sent...)
					script.out.Reset()
					if err := c.WriteMessage(websocket.Text, []byte("after")); err != nil {
						t.Errorf("WriteMessage after it: %v", err)
					}
					wantTexts(t, "after", v, script.out.Bytes(), "after")
				})
			}
		}
	}
}

func TestWriteOfWrongType(t *testing.T) {
	for _, v := range allVersions {
		for _, typ := range []websocket.MessageType{websocket.Continuation, websocket.Close, websocket.Ping, websocket.Pong, 3, 11, 255} {
			c, script := newScripted(v, websocket.ServerSide, nil)
			_, err := c.NextWriter(typ)
			_, perr := websocket.Prepare(typ, nil)
			for name, err := range map[string]error{
				"WriteMessage": c.WriteMessage(typ, nil), "BufferMessage": c.BufferMessage(typ, nil), "NextWriter": err, "Prepare": perr,
			} {
				if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") {
					t.Errorf("%v: %s of %v: %v, want an error", v, name, typ, err)
				}
			}
			if script.out.Len() > 0 {
				t.Errorf("%v: something of %v was sent", v, typ)
			}
		}
	}
}

// Once the connection is over, writes return the cause.
func TestWriteAfterTheEnd(t *testing.T) {
	closed := func(code websocket.StatusCode) []byte {
		b, err := websocket.AppendClose(nil, websocket.RFC6455, websocket.ClientSide, code, "")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		in   []byte
		end  func(c *websocket.Conn)
		is   func(err error) bool
	}{
		{"Close by us", nil, func(c *websocket.Conn) { c.Close() }, nil},
		{"Close by the peer", closed(4000), func(c *websocket.Conn) { c.ReadMessage() }, func(err error) bool {
			var ce *websocket.CloseError
			return errors.As(err, &ce) && ce.Code == 4000
		}},
		{"network", nil, func(c *websocket.Conn) { c.ReadMessage() }, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"protocol error", []byte{0xff, 0xff}, func(c *websocket.Conn) { c.ReadMessage() }, func(err error) bool {
			var pe *websocket.ProtocolError
			return errors.As(err, &pe)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newScripted(websocket.RFC6455, websocket.ServerSide, bytes.Clone(tt.in))
			w, err := c.NextWriter(websocket.Binary)
			if err != nil {
				t.Fatal(err)
			}
			tt.end(c)
			for range 2 { // at once, and when all is done
				_, nextErr := c.NextWriter(websocket.Text)
				_, pingErr := c.Ping(t.Context())
				_, writeErr := w.Write(make([]byte, 100<<10))
				for name, err := range map[string]error{
					"WriteMessage": c.WriteMessage(websocket.Text, nil), "NextWriter": nextErr, "Write": writeErr, "Ping": pingErr,
				} {
					if !errors.Is(err, net.ErrClosed) || tt.is != nil && !tt.is(err) || !strings.HasPrefix(err.Error(), "websocket: ") {
						t.Errorf("%s: %v, want an error that wraps net.ErrClosed and says why", name, err)
					}
				}
				<-websocket.Over(c)
			}
		})
	}
}

// writeCounter is a script that counts writes.
type writeCounter struct {
	script
	writes int
}

func (w *writeCounter) Write(p []byte) (int, error) {
	w.writes++
	return w.script.Write(p)
}

func TestWriteMessageIsOneFrameAndOneWrite(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range sides {
			for _, typ := range messageTypes(v) {
				for _, n := range []int{0, 1, 125, 126, 65535, 65536, 65537, 200_000} {
					w := &writeCounter{}
					c := newConn(w, v, side, &websocket.Config{})
					p := payloadOf(typ, n)
					kept := bytes.Clone(p)
					if err := c.WriteMessage(typ, p); err != nil {
						t.Fatal(err)
					}
					f, k, err := websocket.ParseFrame(w.out.Bytes(), v)
					if err != nil || k != w.out.Len() || !f.Fin || f.Opcode != typ || !bytes.Equal(f.Payload, kept) {
						t.Errorf("%v %s: %v of %d bytes is not one frame: %v", v, sideName(side), typ, n, err)
					}
					if f.Masked != (side == websocket.ClientSide && !isHixie(v)) {
						t.Errorf("%v %s: frame is masked: %v", v, sideName(side), f.Masked)
					}
					if !bytes.Equal(p, kept) {
						t.Errorf("%v %s: WriteMessage changed its argument of %d bytes", v, sideName(side), n)
					}
					if n <= 64<<10 && w.writes != 1 {
						t.Errorf("%v %s: %d writes for %d bytes, want one", v, sideName(side), w.writes, n)
					}
				}
			}
		}
	}
}

// A message that has been sent does not wait for another read of the peer: over
// a pipe, a write of no bytes would.
func TestWriteOfLargeMessageEndsWithIt(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range sides {
			t.Run(v.String()+"/"+sideName(side), func(t *testing.T) {
				a, b := newPair(t, v, overPipe, pairOptions{})
				if side == websocket.ClientSide {
					a, b = b, a
				}
				p := payloadOf(websocket.Text, 200_000)
				wrote := later(func() error { return a.WriteMessage(websocket.Text, p) })
				if _, got, err := b.ReadMessage(); err != nil || len(got) != len(p) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if err := <-wrote; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestBufferMessage(t *testing.T) {
	w := &writeCounter{}
	c := newConn(w, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
	step := func(what string, err error, wantWrites int, want ...string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if w.writes != wantWrites {
			t.Fatalf("%s: %d writes so far, want %d", what, w.writes, wantWrites)
		}
		wantTexts(t, what, websocket.RFC6455, w.out.Bytes(), want...)
		w.out.Reset()
	}
	step("Flush of nothing", c.Flush(), 0)
	step("first", c.BufferMessage(websocket.Text, []byte("a")), 0)
	step("second", c.BufferMessage(websocket.Text, []byte("b")), 0)
	step("Flush", c.Flush(), 1, "a", "b")
	step("third", c.BufferMessage(websocket.Text, []byte("c")), 1)
	step("WriteMessage", c.WriteMessage(websocket.Text, []byte("d")), 2, "c", "d")
	half := strings.Repeat("x", 32<<10)
	step("32 KiB", c.BufferMessage(websocket.Text, []byte(half)), 2)
	step("64 KiB", c.BufferMessage(websocket.Text, []byte(half)), 3, half, half)
	large := strings.Repeat("y", 100<<10)
	step("small", c.BufferMessage(websocket.Text, []byte("e")), 3)
	step("100 KiB", c.BufferMessage(websocket.Text, []byte(large)), 4+1, "e", large) // header and payload, by writev where there is one
}

// Messages that are compressed are buffered too. WriteMessage does not leave
// them behind.
func TestBufferMessageCompressed(t *testing.T) {
	w := &writeCounter{}
	c := newConn(w, websocket.RFC6455, websocket.ServerSide, &websocket.Config{Compression: &websocket.Compression{Threshold: 1}})
	for i, step := range []struct {
		do         func() error
		wantWrites int
	}{
		{func() error { return c.BufferMessage(websocket.Text, []byte("first")) }, 0},
		{func() error { return c.BufferMessage(websocket.Text, []byte("second")) }, 0},
		{c.Flush, 1},
		{writeText(c, "third"), 2},
		{func() error { return c.BufferMessage(websocket.Text, []byte("fourth")) }, 2},
		{writeText(c, "fifth"), 3},
	} {
		if err := step.do(); err != nil || w.writes != step.wantWrites {
			t.Fatalf("step %d: %v, %d writes so far, want %d", i, err, w.writes, step.wantWrites)
		}
	}
}

// What is buffered is sent before a read waits, on each transport, and not
// before a read that finds something.
func TestBufferMessageLeavesBeforeReadWaits(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			server, client := newPair(t, websocket.RFC6455, transport, pairOptions{})
			sent := later(func() error {
				err := client.BufferMessage(websocket.Text, []byte("1"))
				return errors.Join(err, client.WriteMessage(websocket.Text, []byte("2")))
			})
			for _, want := range []string{"1", "2"} {
				if _, p, err := server.ReadMessage(); err != nil || string(p) != want {
					t.Fatalf("%q, %v", p, err)
				}
				if websocket.HasSent(server) {
					t.Errorf("the answers left before %q was read, which was there", want)
				}
				if err := server.BufferMessage(websocket.Text, []byte("answer to "+want)); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			go server.ReadMessage()
			for _, want := range []string{"answer to 1", "answer to 2"} {
				if _, p, err := client.ReadMessage(); err != nil || string(p) != want {
					t.Fatalf("%q, %v; want %q", p, err, want)
				}
			}
		})
	}
}

// Flush waits for what was queued before it, and not for what is queued after.
func TestFlush(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		first := later(writeText(c, "first"))
		<-g.writes
		c.BufferMessage(websocket.Text, []byte("second"))
		flushed := later(c.Flush)
		synctest.Wait()
		g.results <- gateResult{n: -1}
		got := <-g.writes
		c.BufferMessage(websocket.Text, []byte("third"))
		synctest.Wait()
		select {
		case err := <-flushed:
			t.Fatalf("Flush returned before the second message was written: %v", err)
		default:
		}
		g.results <- gateResult{n: -1}
		wantTexts(t, "second write", websocket.RFC6455, got, "second")
		got = <-g.writes
		synctest.Wait()
		select {
		case err := <-flushed:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("Flush waits for a message that was queued after it")
		}
		g.results <- gateResult{n: -1}
		wantTexts(t, "third write", websocket.RFC6455, got, "third")
		if err := <-first; err != nil {
			t.Error(err)
		}
		c.Close()
		if err := c.Flush(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Flush after Close: %v, want net.ErrClosed", err)
		}
	})
}

// Pongs and the answer to Close do not wait for a peer that waits for us to
// read: "net.Pipe as the connection (no buffering at all): Pong and Close while
// the peer writes do not deadlock".
func TestPipePongAndCloseWhilePeerWrites(t *testing.T) {
	for _, v := range hybiVersions {
		for _, side := range sides {
			t.Run(v.String()+"/"+sideName(side), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { writePongsIntoPipe(t, v, side) })
			})
		}
	}
}

func writePongsIntoPipe(t *testing.T, v websocket.Version, side websocket.Side) {
	c, bn := newPipe(t, v, side, websocket.Config{})
	var wire []byte
	for range 1000 {
		wire = append(wire, peerFrames(t, v, side, message{websocket.Ping, payloadOf(websocket.Binary, 100)}, message{websocket.Text, []byte("m")})...)
	}
	wire, err := websocket.AppendClose(wire, v, websocket.ClientSide-side, 4000, "")
	if err != nil {
		t.Fatal(err)
	}
	// The peer reads only after it has sent everything.
	wrote := later(func() error { _, err := bn.Write(wire); return err })
	n := 0
	for {
		if _, _, err = c.ReadMessage(); err != nil {
			break
		}
		n++
	}
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != 4000 || n != 1000 {
		t.Fatalf("%d messages, then %v; want 1000 and the Close", n, err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(bn)
	p, err := websocket.NewParser(v, websocket.ClientSide-side, websocket.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.Append(answer)
	var last websocket.Message
	for m, err := p.Next(); err == nil; m, err = p.Next() {
		last = m
	}
	if last.Type != websocket.Close {
		t.Errorf("the last that came is %v, want the answer to Close", last.Type)
	}
}
