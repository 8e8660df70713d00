package websocket_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// slowLine is an end of a connection from which no more than rate bytes a second
// can be read.
type slowLine struct {
	net.Conn
	rate int
}

func (s slowLine) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p[:min(len(p), 32<<10)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(s.rate))
	return n, err
}

// bothBuffers are the transports that work in a bubble: one without buffers, and
// one with.
var bothBuffers = []string{overPipe, overMemory}

// largeSends are ways to send p, which takes long.
var largeSends = map[string]func(c *websocket.Conn, p []byte) error{
	"WriteMessage": func(c *websocket.Conn, p []byte) error { return c.WriteMessage(websocket.Binary, p) },
	"WritePrepared": func(c *websocket.Conn, p []byte) error {
		m, err := websocket.Prepare(websocket.Binary, p)
		if err != nil {
			return err
		}
		return c.WritePrepared(m)
	},
	"behind a message": func(c *websocket.Conn, p []byte) error {
		if err := c.BufferMessage(websocket.Binary, p[:100]); err != nil {
			return err
		}
		return c.WriteMessage(websocket.Binary, p[100:])
	},
	"NextWriter": func(c *websocket.Conn, p []byte) error {
		w, err := c.NextWriter(websocket.Binary)
		if err != nil {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		return w.Close()
	},
}

var hurriedKeepalive = websocket.Config{
	PingInterval: 300 * time.Millisecond, PingTimeout: 500 * time.Millisecond, MaxMessageSize: -1,
}

// A large message over a slow line takes longer than the peer has to answer. The
// keepalive does not end the connection while it moves, nor when the Ping that has
// waited behind it leaves.
func TestKeepaliveDuringLargeWrite(t *testing.T) {
	for _, transport := range bothBuffers {
		for _, side := range sides {
			for name, send := range largeSends {
				t.Run(fmt.Sprint(transport, " ", sideName(side), " ", name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						t.Cleanup(func() { time.Sleep(time.Second) }) // for reads of the slow line to return
						slow := func(nc net.Conn) net.Conn { return slowLine{nc, 4 << 20} }
						opts := pairOptions{server: hurriedKeepalive, client: websocket.Config{MaxMessageSize: -1}, wrapClient: slow}
						if side == websocket.ClientSide {
							opts = pairOptions{server: opts.client, client: opts.server, wrapServer: slow}
						}
						server, client := newPair(t, websocket.RFC6455, transport, opts)
						c, peer := server, client
						if side == websocket.ClientSide {
							c, peer = client, server
						}
						ended := c.Discard(t.Context())
						peer.Discard(t.Context())
						start := time.Now()
						if err := send(c, make([]byte, 16<<20)); err != nil {
							t.Errorf("after %v: %v", time.Since(start), err)
						}
						time.Sleep(10 * time.Second)
						if ended.Err() != nil {
							t.Errorf("the connection has ended: %v", context.Cause(ended))
						}
					})
				})
			}
		}
	}
}

// A half-open peer takes a bounded number of bytes and answers nothing. It is found
// within the interval and the time-out, whatever this side writes.
func TestKeepaliveFindsHalfOpenPeer(t *testing.T) {
	writes := map[string]func(c *websocket.Conn) error{
		"small messages": func(c *websocket.Conn) error {
			time.Sleep(10 * time.Millisecond)
			return c.WriteMessage(websocket.Binary, make([]byte, 100))
		},
		"messages that fill the buffer meanwhile": func(c *websocket.Conn) error {
			time.Sleep(10 * time.Millisecond)
			return c.WriteMessage(websocket.Binary, make([]byte, 1000))
		},
	}
	for name, send := range largeSends {
		writes["large messages, by "+name] = func(c *websocket.Conn) error { return send(c, make([]byte, 1<<20)) }
	}
	for _, transport := range bothBuffers {
		for _, side := range sides {
			for name, write := range writes {
				t.Run(fmt.Sprint(transport, " ", sideName(side), " ", name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						nc, peer := newWire(t, transport)
						defer peer.Close()
						c := connect(t, nc, peer, websocket.RFC6455, side, hurriedKeepalive)
						ended := c.Discard(t.Context())
						start := time.Now()
						var err error
						for err == nil {
							err = write(c)
						}
						<-ended.Done()
						if cause := context.Cause(ended); cause != websocket.ErrPingTimeout || time.Since(start) > 810*time.Millisecond {
							t.Errorf("ended after %v by %v, want %v after 800ms", time.Since(start), cause, websocket.ErrPingTimeout)
						}
					})
				})
			}
		}
	}
}

// Once the Ping has left, only what the peer sends is a sign of life: a peer that
// reads for ever and answers nothing is given up at the time-out after that.
func TestKeepaliveCountsFromWhereThePingLeaves(t *testing.T) {
	for _, side := range sides {
		t.Run(sideName(side), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, side, hurriedKeepalive)
				ended := c.Discard(t.Context())
				peerRead := later(func() error { _, err := io.Copy(io.Discard, slowLine{peer, 1 << 20}); return err })
				start := time.Now()
				if err := c.WriteMessage(websocket.Binary, make([]byte, 1<<20)); err != nil {
					t.Fatalf("the first message, in front of the Ping: %v", err)
				}
				for time.Since(start) < time.Minute && c.WriteMessage(websocket.Binary, make([]byte, 4<<20)) == nil {
				}
				c.Close()
				<-ended.Done()
				if took := time.Since(start).Round(10 * time.Millisecond); context.Cause(ended) != websocket.ErrPingTimeout || took < 1490*time.Millisecond || took > 1780*time.Millisecond {
					t.Errorf("ended after %v by %v, want %v about 500ms after the Ping has left, which was after a second",
						took, context.Cause(ended), websocket.ErrPingTimeout)
				}
				<-peerRead
			})
		})
	}
}

// Pings of the program do not make the keepalive wait longer.
func TestKeepaliveIsNotPutOffByPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, hurriedKeepalive)
		go io.Copy(io.Discard, peer)
		ended := c.Discard(t.Context())
		start := time.Now()
		for ended.Err() == nil && time.Since(start) < time.Minute {
			c.Ping(cancelled(t))
			time.Sleep(50 * time.Millisecond)
		}
		if took := time.Since(start); context.Cause(ended) != websocket.ErrPingTimeout || took < 800*time.Millisecond || took > 900*time.Millisecond {
			t.Errorf("ended after %v by %v, want %v after 800ms", took, context.Cause(ended), websocket.ErrPingTimeout)
		}
	})
}

// A Ping that waits behind a small message has its whole time once it has left.
func TestKeepalivePingBehindSmallMessage(t *testing.T) {
	for _, side := range sides {
		t.Run(sideName(side), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, side, hurriedKeepalive)
				ended := c.Discard(t.Context())
				wrote := later(writeText(c, "not read at once"))
				time.Sleep(700 * time.Millisecond)
				readOneFrame(t, peer)
				ping := readOneFrame(t, peer)
				time.Sleep(450 * time.Millisecond)
				if _, err := peer.Write(peerFrames(t, websocket.RFC6455, side, message{websocket.Pong, ping.Payload})); err != nil {
					t.Errorf("450ms after the Ping has left: %v; the read: %v", err, context.Cause(ended))
				}
				if err := <-wrote; err != nil {
					t.Error(err)
				}
				c.Close()
			})
		})
	}
}

// Signs of life while nobody reads do not count against the peer later, and time
// in which nobody reads still does not count.
func TestKeepaliveAfterSignsWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, hurriedKeepalive)
		c.SetReadDeadline(time.Now().Add(700 * time.Millisecond)) // 400ms after the Ping is due
		wrote := later(func() error { return c.WriteMessage(websocket.Binary, make([]byte, 1<<20)) })
		if err := keepRead(c); err == nil {
			t.Fatal("a message came from nowhere")
		}
		go io.Copy(io.Discard, peer) // the message and the Ping leave now
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		c.SetReadDeadline(time.Time{})
		start := time.Now()
		if err := keepRead(c); err != websocket.ErrPingTimeout || time.Since(start) != 500*time.Millisecond {
			t.Errorf("read: %v after %v, want %v after 500ms", err, time.Since(start), websocket.ErrPingTimeout)
		}
	})
}
