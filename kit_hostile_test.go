package websocket_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// hostilePeer plays the peer of side on nc, until nc is closed. It speaks
// RFC 6455.
type hostilePeer struct {
	name string
	play func(t *testing.T, nc net.Conn, side websocket.Side)
	deaf bool // it reads nothing, so the transport is full before the test begins
}

// burst is how often a peer that floods sends some frames. A peer that never
// paused would stop the clock of a bubble.
const burst = 20 * time.Millisecond

var hostilePeers = []hostilePeer{
	{name: "reads nothing", deaf: true, play: func(*testing.T, net.Conn, websocket.Side) {}},
	{name: "floods Pings and reads nothing", deaf: true, play: floodWith(message{websocket.Ping, []byte("flood")})},
	{name: "floods Pings", play: func(t *testing.T, nc net.Conn, side websocket.Side) {
		go io.Copy(io.Discard, nc)
		floodWith(message{websocket.Ping, []byte("flood")})(t, nc, side)
	}},
	{name: "answers only Pongs", play: answerPongs},
	{name: "a byte a second", deaf: true, play: byteASecond},
	{name: "half a frame", play: func(t *testing.T, nc net.Conn, side websocket.Side) {
		frame := peerFrames(t, websocket.RFC6455, side, message{websocket.Binary, []byte("this is a message that never ends")})
		nc.Write(frame[:len(frame)/2])
		io.Copy(io.Discard, nc)
	}},
	{name: "half a header, reads nothing", deaf: true, play: func(t *testing.T, nc net.Conn, side websocket.Side) {
		nc.Write(peerText(t, websocket.RFC6455, side, "x")[:1])
	}},
	{name: "Close and no end", play: func(t *testing.T, nc net.Conn, side websocket.Side) {
		nc.Write(rawFrames(side, rawClose(1000, "")))
		io.Copy(io.Discard, nc)
	}},
	{name: "Close, reads nothing", deaf: true, play: func(t *testing.T, nc net.Conn, side websocket.Side) {
		nc.Write(rawFrames(side, rawClose(1000, "")))
	}},
	{name: "never answers", play: func(_ *testing.T, nc net.Conn, _ websocket.Side) { io.Copy(io.Discard, nc) }},
	{name: "floods messages", play: func(t *testing.T, nc net.Conn, side websocket.Side) {
		go io.Copy(io.Discard, nc)
		floodWith(message{websocket.Binary, make([]byte, 2000)})(t, nc, side)
	}},
	{name: "answers Close and stops", play: func(t *testing.T, nc net.Conn, side websocket.Side) {
		readFramesUntil(nc, func(f websocket.Frame) bool { return f.Opcode == websocket.Close })
		nc.Write(rawFrames(side, rawClose(1000, "")))
	}},
}

// floodWith returns a peer that sends m again and again and reads nothing.
func floodWith(m message) func(t *testing.T, nc net.Conn, side websocket.Side) {
	return func(t *testing.T, nc net.Conn, side websocket.Side) {
		frames := bytes.Repeat(peerFrames(t, websocket.RFC6455, side, m), 20)
		for {
			if _, err := nc.Write(frames); err != nil {
				return
			}
			time.Sleep(burst)
		}
	}
}

// answerPongs answers Pings and nothing else.
func answerPongs(_ *testing.T, nc net.Conn, side websocket.Side) {
	readFramesUntil(nc, func(f websocket.Frame) bool {
		if f.Opcode == websocket.Ping {
			nc.Write(rawFrames(side, rawFrame{b0: finPong, payload: string(f.Payload)}))
		}
		return false
	})
}

// byteASecond reads a byte a second and sends one.
func byteASecond(t *testing.T, nc net.Conn, side websocket.Side) {
	var both sync.WaitGroup
	defer both.Wait()
	each := func(f func(i int) error) func() {
		return func() {
			for i := 0; f(i) == nil; i++ {
				time.Sleep(time.Second)
			}
		}
	}
	frame := peerFrames(t, websocket.RFC6455, side, message{websocket.Binary, []byte("slow")})
	both.Go(each(func(int) error { _, err := nc.Read(make([]byte, 1)); return err }))
	both.Go(each(func(i int) error { _, err := nc.Write(frame[i%len(frame):][:1]); return err }))
}

// readFramesUntil reads frames until one for which last returns true, or until
// nc is closed.
func readFramesUntil(nc net.Conn, last func(f websocket.Frame) bool) {
	var got []byte
	for b := make([]byte, 64<<10); ; {
		n, err := nc.Read(b)
		got = append(got, b[:n]...)
		for {
			f, k, perr := websocket.ParseFrame(got, websocket.RFC6455)
			if perr != nil {
				break
			}
			got = got[k:]
			if last(f) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hostileWire returns both ends of a transport, of which side has the first.
// Sockets have small buffers.
func hostileWire(t *testing.T, transport string, side websocket.Side) (nc, peer net.Conn) {
	t.Helper()
	server, client := newWire(t, transport)
	for _, end := range []net.Conn{server, client} {
		resize(end, 8<<10)
	}
	if transport == overTLS {
		serverTLS, clientTLS := loopbackTLS()
		server, client = tls.Server(server, serverTLS), tls.Client(client, clientTLS)
	}
	if side == websocket.ServerSide {
		return server, client
	}
	return client, server
}

// resize sets how much the system buffers of nc, if it is a socket.
func resize(nc net.Conn, n int) {
	if outer, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = outer.NetConn()
	}
	if tc, ok := nc.(*net.TCPConn); ok {
		tc.SetReadBuffer(n)
		tc.SetWriteBuffer(n)
	}
}

// fillWire writes to nc until it takes nothing more.
func fillWire(nc net.Conn) {
	if outer, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = outer.NetConn() // or TLS would never write again
	}
	for took := true; took; { // a system may find room a moment later
		took = false
		nc.SetWriteDeadline(time.Now().Add(burst / 2))
		for p := make([]byte, 16<<10); ; {
			n, err := nc.Write(p)
			took = took || n > 0
			if err != nil {
				break
			}
		}
	}
	nc.SetWriteDeadline(time.Time{})
}

// hostileCell is what a hostileCall sees.
type hostileCell struct {
	t      *testing.T
	c      *websocket.Conn
	server *websocket.Server // of c, if the call is for one
	limit  time.Duration     // for deadlines and contexts
}

// context returns a context that ends after the limit.
func (e *hostileCell) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), e.limit)
}

// readLimit and writeLimit set deadlines to the limit.
func (e *hostileCell) readLimit()  { e.c.SetReadDeadline(time.Now().Add(e.limit)) }
func (e *hostileCell) writeLimit() { e.c.SetWriteDeadline(time.Now().Add(e.limit)) }

// hostileBound is how long a call may take.
type hostileBound int

const (
	atOnce      hostileBound = iota
	byLimit                  // until its deadline, or the end of its context
	byHandshake              // as long as a closing handshake
)

func (b hostileBound) duration(limit time.Duration) time.Duration {
	return [...]time.Duration{0, limit, websocket.CloseTimeout}[b]
}

// hostileCall is a call that a hostile peer may want to hold.
type hostileCall struct {
	name  string
	bound hostileBound
	do    func(e *hostileCell) error

	handler func(c *websocket.Conn) error // that of the Server, if the call needs one
}

// large is a message that no transport takes without a peer that reads.
var large = make([]byte, 1<<20)

// readNext reads a message with NextReader.
func readNext(c *websocket.Conn) error {
	_, r, err := c.NextReader()
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	return err
}

// lastError returns the error with which Messages ends, or nil.
func lastError(ctx context.Context, c *websocket.Conn) (err error) {
	for _, err = range c.Messages(ctx) {
	}
	return err
}

// discardError returns why Discard ended.
func discardError(ctx context.Context, c *websocket.Conn) error {
	over := c.Discard(ctx)
	<-over.Done()
	return context.Cause(over)
}
