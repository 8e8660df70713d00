package websocket

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

var poolsBad = bytes.Repeat([]byte{0xee}, 64<<10)

// poolsPoison fills what the pools hold with bytes that no test sends.
func poolsPoison() {
	for range 4 {
		b, p, out := new(readBuffer), new(chunk), &sendBuffer{b: bytes.Clone(poolsBad)[:0]}
		copy(b[:], poolsBad)
		copy(p.b[:], poolsBad)
		readBuffers.Put(b)
		chunks.Put(p)
		sendBuffers.Put(out)
	}
}

// poolsOverwrite overwrites what has come back to the pools.
func poolsOverwrite() {
	var bs []*readBuffer
	var ps []*chunk
	for range 4 {
		b, p := readBuffers.Get().(*readBuffer), chunks.Get().(*chunk)
		copy(b[:], poolsBad)
		copy(p.b[:], poolsBad)
		bs, ps = append(bs, b), append(ps, p)
	}
	for i := range bs {
		readBuffers.Put(bs[i])
		chunks.Put(ps[i])
	}
}

// "Pooled buffers never leak another message's bytes into a Ping, Pong, Close
// or message."
func TestPoolsLeakNothing(t *testing.T) {
	for _, v := range allVersions {
		for _, side := range []Side{ServerSide, ClientSide} {
			for name, way := range readWays {
				t.Run(fmt.Sprintf("%v/%v/%s", v, sideName(side), name), func(t *testing.T) {
					wire, want := readSession(t, v, side)
					c, script := newScripted(v, side, wire)
					next := way(c)
					poolsPoison()
					readAll(t, func() (MessageType, []byte, error) {
						typ, p, err := next()
						if err == nil {
							err = c.BufferMessage(Text, []byte("own"))
							poolsOverwrite() // p must not be in there
						}
						return typ, p, err
					}, want)
					<-c.life.over()
					poolsLookAtOutput(t, v, side, script.out.Bytes(), len(want))
				})
			}
		}
	}
}

// poolsLookAtOutput looks that nothing was sent but Pongs as the Pings were,
// own messages, and the Close as it came.
func poolsLookAtOutput(t *testing.T, v Version, side Side, out []byte, messages int) {
	t.Helper()
	p, err := NewParser(v, ClientSide-side, Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.Append(out)
	got := map[string]int{}
	for {
		m, err := p.Next()
		if err == io.EOF || err == ErrIncomplete {
			break
		}
		if err != nil {
			t.Fatalf("what was sent is wrong: %v", err)
		}
		switch m.Type {
		case Close:
			if v == Hybi00 && len(m.Data) > 0 || v != Hybi00 && string(m.Data) != "\x03\xe9end" {
				t.Errorf("sent a Close with %q, not that which came", m.Data)
			}
		case Pong: // not all: of those that wait only the last is sent
			if string(m.Data) != "ping" && !bytes.Equal(m.Data, payloadOf(Binary, 20)) {
				t.Errorf("sent a Pong with %q, which no Ping had", m.Data)
			}
		case Text:
			if string(m.Data) != "own" {
				t.Errorf("sent %q, want own", m.Data)
			}
		}
		got[m.Type.String()]++
	}
	closes := 0
	if v.traits().closeFrame {
		closes = 1
	}
	if got["Text"] != messages || got["Close"] != closes || v.traits().ping != (got["Pong"] > 0) {
		t.Errorf("sent %v; want %d messages, %d Close, and Pongs if the version has them", got, messages, closes)
	}
}

// What a reader is given stays as it is when the buffers are used again.
func TestPoolsDoNotShareWithCaller(t *testing.T) {
	for _, n := range []int{1, 100, 5000, 20000, 100000} {
		p := payloadOf(Text, n)
		wire := peerFrames(t, RFC6455, ServerSide, message{Text, p}, message{Text, p})
		wire, err := AppendClose(wire, RFC6455, ClientSide, 4000, strings.Repeat("r", 100))
		if err != nil {
			t.Fatal(err)
		}
		c, _ := newScripted(RFC6455, ServerSide, wire)
		_, first, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		_, second, err := c.ReadAppend(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.ReadMessage()
		ce, ok := err.(*CloseError)
		poolsOverwrite()
		if !bytes.Equal(first, p) || !bytes.Equal(second, p) {
			t.Errorf("message of %d bytes changed after it was returned", n)
		}
		if !ok || ce.Reason != strings.Repeat("r", 100) {
			t.Errorf("reason of the Close changed after it was returned: %v", err)
		}
	}
}

// poolsIdle counts, each time a read of the connection begins, whether a buffer
// is held.
type poolsIdle struct {
	net.Conn
	c    *Conn
	held chan bool
}

func (i *poolsIdle) Read(p []byte) (int, error) {
	if i.c != nil {
		i.held <- len(p) > idleRead
	}
	return i.Conn.Read(p)
}

// An idle connection holds no buffer where the system does not tell when there
// is something to read.
func TestPoolsIdleConnHoldsNothing(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String()+"/pipe", func(t *testing.T) {
			sn, cn := net.Pipe()
			idle := &poolsIdle{Conn: sn, held: make(chan bool, 100)}
			server := newConn(idle, v, ServerSide, &Config{}, nil)
			client := newConn(cn, v, ClientSide, &Config{}, nil)
			idle.c = server
			defer server.Close()
			defer client.Close()
			checkIdleHold(t, server, client, idle.held)
		})
	}
}

// Nor does one whose program takes its time, and nor is a buffer held in the
// wait after a frame that the program is not told of.
func TestPoolsHoldNothingBetweenFrames(t *testing.T) {
	for _, v := range hybiVersions {
		t.Run(v.String(), func(t *testing.T) {
			sn, cn := net.Pipe()
			defer cn.Close()
			idle := &poolsIdle{Conn: sn, held: make(chan bool, 100)}
			c := newConn(idle, v, ServerSide, &Config{}, nil)
			defer c.Close()
			idle.c = c
			go io.Copy(io.Discard, cn)
			go func() {
				for _, f := range []message{{Text, []byte("a")}, {Ping, nil}, {Pong, nil}, {Text, []byte("b")}} {
					cn.Write(peerFrames(t, v, ServerSide, f))
				}
			}()
			for range 2 {
				if _, _, err := c.ReadMessage(); err != nil {
					t.Fatal(err)
				}
				if c.rcv.buf != nil {
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
