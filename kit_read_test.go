package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// readWays are all the ways to read a message. Each returns a function that
// reads the next one, and goes on with it after a deadline.
var readWays = map[string]func(c *websocket.Conn) func() (websocket.MessageType, []byte, error){
	"ReadMessage": func(c *websocket.Conn) func() (websocket.MessageType, []byte, error) { return c.ReadMessage },
	"ReadAppend": func(c *websocket.Conn) func() (websocket.MessageType, []byte, error) {
		return func() (websocket.MessageType, []byte, error) {
			prefix := append(make([]byte, 0, 40), "before"...)
			typ, b, err := c.ReadAppend(prefix)
			rest, ok := bytes.CutPrefix(b, []byte("before"))
			if !ok || err != nil && len(rest) > 0 {
				return 0, nil, fmt.Errorf("ReadAppend(before) gave %q, error %v", b, err)
			}
			return typ, rest, err
		}
	},
	"NextReader":               func(c *websocket.Conn) func() (websocket.MessageType, []byte, error) { return readStreaming(c, 512) },
	"NextReader byte by byte":  func(c *websocket.Conn) func() (websocket.MessageType, []byte, error) { return readStreaming(c, 1) },
	"NextReader of large size": func(c *websocket.Conn) func() (websocket.MessageType, []byte, error) { return readStreaming(c, 64<<10) },
	"Messages": func(c *websocket.Conn) func() (websocket.MessageType, []byte, error) {
		return func() (websocket.MessageType, []byte, error) {
			for m, err := range c.Messages(context.Background()) {
				return m.Type, m.Data, err
			}
			return 0, nil, io.EOF
		}
	},
	"all in turns": readInTurns,
}

// readStreaming reads with NextReader, n bytes at a time. After a deadline it
// goes on with the same reader.
func readStreaming(c *websocket.Conn, n int) func() (websocket.MessageType, []byte, error) {
	var r io.Reader
	var typ websocket.MessageType
	var got []byte
	p := make([]byte, n)
	return func() (websocket.MessageType, []byte, error) {
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

// readInTurns begins a message in one way and goes on in others. Once it
// streams, it goes on so to the end of the message, since the others would
// begin a new one.
func readInTurns(c *websocket.Conn) func() (websocket.MessageType, []byte, error) {
	var buf []byte
	turn := 0
	var streaming func() (websocket.MessageType, []byte, error)
	return func() (websocket.MessageType, []byte, error) {
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

// readSession returns what a peer sends, and the messages in it: in one frame
// and in several, with Pings and Pongs between, with lengths of all three
// forms, and a Close at the end.
func readSession(t *testing.T, v websocket.Version, side websocket.Side) (wire []byte, want []message) {
	t.Helper()
	if isHixie(v) {
		for _, n := range []int{0, 1, 2, 30, 300, websocket.PayloadMin + 2000} {
			want = append(want, message{websocket.Text, payloadOf(websocket.Text, n)})
			wire = peerFrames(t, v, side, want...)
			wire = append(wire, "\x80\x05hello\x01x\xff"...) // to be skipped
		}
		wire = append(wire, "\x00a\xfeb\xff"...)
		want = append(want, message{websocket.Text, []byte("a\ufffdb")})
		if v == websocket.Hybi00 {
			wire = append(wire, 0xff, 0x00)
		}
		return wire, want
	}
	frame := func(fin bool, op websocket.MessageType, p []byte) {
		var err error
		f := websocket.Frame{Fin: fin, Opcode: op, Payload: p, Masked: side == websocket.ServerSide, MaskKey: [4]byte{1, 2, 3, byte(len(wire))}}
		if wire, err = websocket.AppendFrame(wire, v, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{0, 1, 30, 126, websocket.PayloadMin + 2000} {
		for _, typ := range []websocket.MessageType{websocket.Text, websocket.Binary} {
			p := payloadOf(typ, n)
			frame(true, typ, p)
			frame(true, websocket.Ping, []byte("ping"))
			frame(false, typ, p[:n/3])
			frame(false, websocket.Continuation, nil)
			frame(true, websocket.Pong, nil)
			frame(false, websocket.Continuation, p[n/3:n/2])
			frame(true, websocket.Ping, payloadOf(websocket.Binary, 20))
			frame(true, websocket.Continuation, p[n/2:])
			want = append(want, message{typ, p}, message{typ, p})
		}
	}
	wire, err := websocket.AppendClose(wire, v, websocket.ClientSide-side, websocket.StatusGoingAway, "end")
	if err != nil {
		t.Fatal(err)
	}
	return wire, want
}

// readAll reads to the end, whatever deadlines pass, and checks that everything
// came. It returns how many passed.
func readAll(t *testing.T, next func() (websocket.MessageType, []byte, error), want []message) (expired int) {
	t.Helper()
	for i := 0; ; {
		typ, p, err := next()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			expired++
		case err != nil && i < len(want):
			t.Fatalf("message %d of %d: %v", i, len(want), err)
		case err != nil:
			if !websocket.ClosedNormally(err) && err != io.EOF { // an end of Messages without an error
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

// checkIdleHold lets server echo some messages and fails unless the last wait
// is without a buffer. held has, for each wait, whether there was one.
func checkIdleHold(t *testing.T, server, client *websocket.Conn, held <-chan bool) {
	t.Helper()
	go echoAll(server)
	for _, n := range []int{10, 20000, 100} {
		if err := client.WriteMessage(websocket.Text, payloadOf(websocket.Text, n)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := client.ReadMessage(); err != nil || len(p) != n {
			t.Fatalf("echo of %d bytes: %d, %v", n, len(p), err)
		}
	}
	last := true
	for {
		select {
		case last = <-held:
			if !last {
				return
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("the last wait for a message was with a buffer held: %v, want without", last)
		}
	}
}

// streamInThree writes p in three Writes, with Pings between them if ping is
// set.
func streamInThree(c *websocket.Conn, typ websocket.MessageType, p []byte, ping bool) error {
	w, err := c.NextWriter(typ)
	if err != nil {
		return err
	}
	for i := range 3 {
		if _, err := w.Write(p[len(p)*i/3 : len(p)*(i+1)/3]); err != nil {
			return err
		}
		if ping {
			if _, err := c.Ping(context.Background()); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// streamInPieces writes p as a text in Writes of 3000 bytes.
func streamInPieces(c *websocket.Conn, p []byte) error {
	w, err := c.NextWriter(websocket.Text)
	for err == nil && len(p) > 0 {
		n := min(len(p), 3000)
		_, err = w.Write(p[:n])
		p = p[n:]
	}
	if w == nil {
		return err
	}
	return errors.Join(err, w.Close())
}

// repeatedByte returns n+1 times the same byte, which i chooses.
func repeatedByte(i, n int) []byte { return bytes.Repeat([]byte{'0' + byte(i%70)}, n+1) }

// isRepeatedByte reports whether p is of repeatedByte.
func isRepeatedByte(p []byte) bool {
	return len(p) > 0 && bytes.Count(p, p[:1]) == len(p)
}
