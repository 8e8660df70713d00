package websocket_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

var poolsBad = bytes.Repeat([]byte{0xee}, 64<<10)

// "Pooled buffers never leak another message's bytes into a Ping, Pong, Close
// or message."
func TestPoolsLeakNothing(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range sides {
			for name, way := range readWays {
				t.Run(fmt.Sprintf("%v/%v/%s", v, sideName(side), name), func(t *testing.T) {
					wire, want := readSession(t, v, side)
					c, script := newScripted(v, side, wire)
					next := way(c)
					websocket.PoisonPools(poolsBad)
					readAll(t, func() (websocket.MessageType, []byte, error) {
						typ, p, err := next()
						if err == nil {
							err = c.BufferMessage(websocket.Text, []byte("own"))
							websocket.OverwritePools(poolsBad) // p must not be in there
						}
						return typ, p, err
					}, want)
					<-websocket.Over(c)
					poolsLookAtOutput(t, v, side, script.out.Bytes(), len(want))
				})
			}
		}
	}
}

// poolsLookAtOutput checks that only Pongs with the payloads of the Pings, our
// own messages, and a Close like the peer's were sent.
func poolsLookAtOutput(t *testing.T, v websocket.Version, side websocket.Side, out []byte, messages int) {
	t.Helper()
	p, err := websocket.NewParser(v, websocket.ClientSide-side, websocket.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.Append(out)
	got := map[string]int{}
	for {
		m, err := p.Next()
		if err == io.EOF || err == websocket.ErrIncomplete {
			break
		}
		if err != nil {
			t.Fatalf("what was sent is wrong: %v", err)
		}
		switch m.Type {
		case websocket.Close:
			if v == websocket.Hybi00 && len(m.Data) > 0 || v != websocket.Hybi00 && string(m.Data) != "\x03\xe9end" {
				t.Errorf("sent a Close with %q, not that which came", m.Data)
			}
		case websocket.Pong: // not all: of those that wait only the last is sent
			if string(m.Data) != "ping" && !bytes.Equal(m.Data, payloadOf(websocket.Binary, 20)) {
				t.Errorf("sent a Pong with %q, which no Ping had", m.Data)
			}
		case websocket.Text:
			if string(m.Data) != "own" {
				t.Errorf("sent %q, want own", m.Data)
			}
		}
		got[m.Type.String()]++
	}
	closes := 0
	if v != websocket.Hixie75 {
		closes = 1
	}
	if got["Text"] != messages || got["Close"] != closes || !isHixie(v) != (got["Pong"] > 0) {
		t.Errorf("sent %v; want %d messages, %d Close, and Pongs if the version has them", got, messages, closes)
	}
}

// Messages that a read has returned do not change when pooled buffers are used
// again.
func TestPoolsDoNotShareWithCaller(t *testing.T) {
	for _, n := range []int{1, 100, 5000, 20000, 100000} {
		p := payloadOf(websocket.Text, n)
		wire := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, p}, message{websocket.Text, p})
		wire, err := websocket.AppendClose(wire, websocket.RFC6455, websocket.ClientSide, 4000, strings.Repeat("r", 100))
		if err != nil {
			t.Fatal(err)
		}
		c, _ := newScripted(websocket.RFC6455, websocket.ServerSide, wire)
		_, first, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		_, second, err := c.ReadAppend(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.ReadMessage()
		ce, ok := err.(*websocket.CloseError)
		websocket.OverwritePools(poolsBad)
		if !bytes.Equal(first, p) || !bytes.Equal(second, p) {
			t.Errorf("message of %d bytes changed after it was returned", n)
		}
		if !ok || ce.Reason != strings.Repeat("r", 100) {
			t.Errorf("reason of the Close changed after it was returned: %v", err)
		}
	}
}

// poolsIdle reports, for each read of the connection, whether a buffer is held.
type poolsIdle struct {
	net.Conn
	c    *websocket.Conn
	held chan bool
}

func (i *poolsIdle) Read(p []byte) (int, error) {
	if i.c != nil {
		i.held <- len(p) > websocket.IdleRead
	}
	return i.Conn.Read(p)
}

// An idle connection holds no buffer, also where the system does not say when
// there is something to read.
func TestPoolsIdleConnHoldsNothing(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String()+"/pipe", func(t *testing.T) {
			sn, cn := net.Pipe()
			idle := &poolsIdle{Conn: sn, held: make(chan bool, 100)}
			server := newConn(idle, v, websocket.ServerSide, &websocket.Config{})
			client := newConn(cn, v, websocket.ClientSide, &websocket.Config{})
			idle.c = server
			defer server.Close()
			defer client.Close()
			checkIdleHold(t, server, client, idle.held)
		})
	}
}

// No buffer is held while the program handles a message, nor in the wait after
// a control frame.
func TestPoolsHoldNothingBetweenFrames(t *testing.T) {
	for _, v := range hybiVersions {
		t.Run(v.String(), func(t *testing.T) {
			sn, cn := net.Pipe()
			defer cn.Close()
			idle := &poolsIdle{Conn: sn, held: make(chan bool, 100)}
			c := newConn(idle, v, websocket.ServerSide, &websocket.Config{})
			defer c.Close()
			idle.c = c
			go io.Copy(io.Discard, cn)
			go func() {
				for _, f := range []message{{websocket.Text, []byte("a")}, {websocket.Ping, nil}, {websocket.Pong, nil}, {websocket.Text, []byte("b")}} {
					cn.Write(peerFrames(t, v, websocket.ServerSide, f))
				}
			}()
			for range 2 {
				if _, _, err := c.ReadMessage(); err != nil {
					t.Fatal(err)
				}
				if websocket.HeldBuffer(c) > 0 {
					t.Error("a buffer is held after all that came was read")
				}
			}
			for range 4 {
				if <-idle.held {
					t.Error("a buffer was held in the wait for a frame")
				}
			}
		})
	}
}
