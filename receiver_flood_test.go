package websocket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

const floodCount = 100_000

// floodConn is a connection whose peer sends a frame floodCount times, with its
// number as the payload, and then a message. Writes wait until reads is closed.
type floodConn struct {
	script
	frame    func(dst []byte, i int) []byte
	sent     int
	reads    chan struct{} // closed when writes may go on; nil if they never wait
	writing  chan struct{} // gets a value when a write begins to wait
	finished bool
}

func (f *floodConn) Read(p []byte) (int, error) {
	if f.pos == len(f.in) {
		f.in, f.pos = f.in[:0], 0
		for len(f.in) < 8<<10 && f.sent < floodCount {
			f.in = f.frame(f.in, f.sent)
			f.sent++
		}
		if f.sent == floodCount && !f.finished {
			f.finished = true
			f.in = append(f.in, 0x81, 0x82, 0, 0, 0, 0, 'o', 'k')
		}
	}
	return f.script.Read(p)
}

func (f *floodConn) Write(p []byte) (int, error) {
	if f.reads != nil {
		select {
		case f.writing <- struct{}{}:
		default:
		}
		<-f.reads
	}
	return f.script.Write(p)
}

func floodFrame(op websocket.MessageType) func([]byte, int) []byte {
	return func(dst []byte, i int) []byte {
		dst = append(dst, 0x80|byte(op), 0x84, 0, 0, 0, 0)
		return binary.BigEndian.AppendUint32(dst, uint32(i))
	}
}

// "A million unsolicited Pongs; a flood of Pings by a peer that never reads:
// memory and time bounded." A hundred thousand show it too.
func TestFloodOfPongs(t *testing.T) {
	flood := &floodConn{frame: floodFrame(websocket.Pong)}
	c := newConn(flood, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
	floodExpectMessage(t, c)
	if flood.out.Len() > 0 {
		t.Errorf("%d bytes were sent in answer to Pongs", flood.out.Len())
	}
}

func TestFloodOfPings(t *testing.T) {
	for _, v := range hybiVersions {
		t.Run(v.String(), func(t *testing.T) {
			flood := &floodConn{frame: floodFrame(websocket.Ping), reads: make(chan struct{}), writing: make(chan struct{}, 1)}
			c := newConn(flood, v, websocket.ServerSide, &websocket.Config{})
			floodExpectMessage(t, c)
			<-flood.writing
			close(flood.reads)
			c.Flush()
			floodLookAtPongs(t, flood.out.Bytes())
		})
	}
}

// floodExpectMessage reads the message after the flood and checks what that has
// cost.
func floodExpectMessage(t *testing.T, c *websocket.Conn) {
	t.Helper()
	goroutines := runtime.NumGoroutine()
	memory := allocated(func() {
		_, p, err := c.ReadMessage()
		if err != nil || string(p) != "ok" {
			t.Fatalf("message after the flood: %q, %v", p, err)
		}
	})
	if memory > 10*floodCount { // pools forget now and then
		t.Errorf("%d bytes were allocated for %d frames, want nothing for each", memory, floodCount)
	}
	if n := runtime.NumGoroutine(); n > goroutines+1 {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
}

// floodLookAtPongs checks that Pongs are in order, and that the last one
// answers the last Ping.
func floodLookAtPongs(t *testing.T, out []byte) {
	t.Helper()
	if len(out) > websocket.MaxQueue+1000 {
		t.Errorf("%d bytes had been queued for a peer that did not read, want at most %d", len(out), websocket.MaxQueue)
	}
	last := -1
	for len(out) > 0 {
		f, n, err := websocket.ParseFrame(out, websocket.RFC6455)
		if err != nil || f.Opcode != websocket.Pong || len(f.Payload) != 4 {
			t.Fatalf("sent %v with %d bytes, %v; want Pongs", f.Opcode, len(f.Payload), err)
		}
		i := int(binary.BigEndian.Uint32(f.Payload))
		if i <= last {
			t.Errorf("Pong %d after Pong %d", i, last)
		}
		last, out = i, out[n:]
	}
	if last != floodCount-1 {
		t.Errorf("the last Pong is number %d, want %d: that of the latest Ping, RFC 6455 section 5.5.3", last, floodCount-1)
	}
}

// Our own Pings to a peer that does not read cost no memory either.
func TestFloodOfOwnPings(t *testing.T) {
	c, _ := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
	ended := cancelled(t)
	for range 10_000 {
		if _, err := c.Ping(ended); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if n, waiting := websocket.Queued(c), websocket.PendingPings(c); n > 1000 || waiting > 0 {
		t.Errorf("%d bytes of Pings wait to be sent, %d for an answer", n, waiting)
	}
}

// "300,000 empty or one-byte fragments: heap flat, fragment limit hit."
func TestFloodOfFragments(t *testing.T) {
	for _, payload := range []string{"", "x"} {
		t.Run(fmt.Sprintf("of %d bytes", len(payload)), func(t *testing.T) {
			fragment := append([]byte{0, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
			flood := &floodConn{frame: func(dst []byte, i int) []byte {
				if i == 0 {
					dst = append(dst, 2, 0x80, 0, 0, 0, 0)
				}
				return append(dst, fragment...)
			}}
			c := newConn(flood, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
			var err error
			n := allocated(func() { _, _, err = c.ReadMessage() })
			var pe *websocket.ProtocolError
			if !errors.As(err, &pe) || pe.Code != websocket.StatusMessageTooBig {
				t.Errorf("error is %v, want one with code 1009", err)
			}
			if n > 256<<10 {
				t.Errorf("%d bytes were allocated", n)
			}
			<-websocket.Over(c)
			if want := []byte{0x88, 2, 1009 >> 8, 1009 & 0xff}; !bytes.Equal(flood.out.Bytes(), want) {
				t.Errorf("sent % x, want % x", flood.out.Bytes(), want)
			}
		})
	}
}

// A peer that keeps sending after the end is not read for longer than closing
// takes.
func TestFloodAfterTheEnd(t *testing.T) {
	c, cn := newTCP(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
	start := time.Now()
	go func() {
		cn.Write([]byte{0xff}) // wrong
		for {
			if _, err := cn.Write(make([]byte, 100)); err != nil {
				return
			}
		}
	}()
	c.ReadMessage()
	<-websocket.Over(c)
	if took := time.Since(start); took > websocket.CloseTimeout {
		t.Errorf("took %v to get rid of a peer that never stops, want about %v", took, websocket.CloseLinger)
	}
	cn.Close()
}
