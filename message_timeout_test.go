package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// timed is Config with a MessageTimeout of 10 seconds.
var timed = websocket.Config{MessageTimeout: 10 * time.Second}

// withTimedConn calls f in a bubble, with a connection of each version and side
// that has cfg, and with its peer's end. What the connection sends is in sent.
func withTimedConn(t *testing.T, versions []websocket.Version, cfg websocket.Config, f func(t *testing.T, c *websocket.Conn, peer net.Conn, sent func() []byte)) {
	eachSide(t, versions, func(t *testing.T, v websocket.Version, side websocket.Side) {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := websocket.NetPipe()
			c := connect(t, nc, peer, v, side, cfg)
			got := make(chan []byte, 1)
			go func() {
				b, _ := io.ReadAll(peer)
				got <- b
			}()
			f(t, c, peer, func() []byte { c.Close(); return <-got })
			c.Close()
			peer.Close()
			time.Sleep(time.Minute) // for what still sleeps
		})
	})
}

// trickle writes wire a byte a second.
func trickle(peer net.Conn, wire []byte) {
	for i := range wire {
		if _, err := peer.Write(wire[i : i+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// timedReads are all ways to read, and Discard.
func timedReads() map[string]func(c *websocket.Conn) func() (websocket.MessageType, []byte, error) {
	ways := map[string]func(c *websocket.Conn) func() (websocket.MessageType, []byte, error){
		"Discard": func(c *websocket.Conn) func() (websocket.MessageType, []byte, error) {
			return func() (websocket.MessageType, []byte, error) { return 0, nil, websocket.DiscardMessage(c) }
		},
	}
	for name, way := range readWays {
		ways[name] = way
	}
	return ways
}

// wantLate checks that err and sent are those of a message that took too long.
func wantLate(t *testing.T, c *websocket.Conn, err error, sent []byte) {
	t.Helper()
	if codeOf(err) != websocket.StatusPolicyViolation || !errors.Is(err, websocket.ErrMessageTimeout) || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want a ProtocolError that wraps ErrMessageTimeout", err)
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		t.Errorf("%v is a timeout, so a program may read again", err)
	}
	if _, _, again := c.ReadMessage(); !errors.Is(again, websocket.ErrMessageTimeout) {
		t.Errorf("a second read: %v", again)
	}
	if !isHixie(c.Version()) && !bytes.Contains(sent, []byte{0x03, 0xf0}) && c.Response() == nil {
		t.Errorf("sent % x, want a Close with 1008", sent)
	}
}

// A peer that sends a byte a second is cut off, however the program reads. Time
// without a message does not count.
func TestMessageTimeout(t *testing.T) {
	for name, way := range timedReads() {
		t.Run(name, func(t *testing.T) {
			withTimedConn(t, allVersions, timed, func(t *testing.T, c *websocket.Conn, peer net.Conn, sent func() []byte) {
				side := websocket.ServerSide
				if c.Response() != nil {
					side = websocket.ClientSide
				}
				wire := peerText(t, c.Version(), side, "a text of more than ten bytes")
				var first time.Time
				go func() {
					time.Sleep(time.Hour)
					first = time.Now()
					trickle(peer, wire)
				}()
				_, _, err := way(c)()
				if took := time.Since(first); took != timed.MessageTimeout {
					t.Errorf("it took %v, want %v", took, timed.MessageTimeout)
				}
				wantLate(t, c, err, sent())
			})
		})
	}
}

// A header that does not end, and control frames in the middle of a message, do
// not hold a connection.
func TestMessageTimeoutOfFrames(t *testing.T) {
	for name, frames := range map[string][]rawFrame{
		"Pongs in a message": {{b0: firstText, payload: "a"}},
		"compressed":         {{b0: firstText | rsv1, payload: deflated("a")[:1]}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := timed
			cfg.Compression = &websocket.Compression{}
			withTimedConn(t, hybiVersions[:1], cfg, func(t *testing.T, c *websocket.Conn, peer net.Conn, sent func() []byte) {
				side := websocket.ServerSide
				if c.Response() != nil {
					side = websocket.ClientSide
				}
				first := time.Now()
				go func() {
					peer.Write(rawFrames(side, frames...))
					for range 20 {
						time.Sleep(700 * time.Millisecond)
						peer.Write(rawFrames(side, rawFrame{b0: finPong, payload: "alive"}, rawFrame{b0: finPing}))
					}
				}()
				_, _, err := c.ReadMessage()
				if took := time.Since(first); took != timed.MessageTimeout {
					t.Errorf("it took %v, want %v", took, timed.MessageTimeout)
				}
				wantLate(t, c, err, sent())
			})
		})
	}
	for name, begun := range map[string]string{"half a header": "\x81", "half a Ping": "\x89\x84", "half a length": "\x82\xfe\x01"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, peer := websocket.NetPipe()
				c := connect(t, nc, peer, websocket.RFC6455, websocket.ServerSide, timed)
				go io.Copy(io.Discard, peer)
				peer.Write([]byte(begun))
				first := time.Now()
				if _, _, err := c.ReadMessage(); !errors.Is(err, websocket.ErrMessageTimeout) || time.Since(first) != timed.MessageTimeout {
					t.Errorf("after %v: %v", time.Since(first), err)
				}
				c.Close()
				peer.Close()
			})
		})
	}
}

// A peer that floods a message with Pings is cut off, although no read has to
// wait for it. The hook stands for the time that Pings take.
func TestMessageTimeoutWithoutWaiting(t *testing.T) {
	for name, way := range timedReads() {
		t.Run(name, func(t *testing.T) {
			cfg := timed
			cfg.Trace = &websocket.Trace{FrameRead: func(*websocket.Conn, websocket.FrameInfo) { time.Sleep(10 * time.Millisecond) }}
			withTimedConn(t, hybiVersions[:1], cfg, func(t *testing.T, c *websocket.Conn, peer net.Conn, sent func() []byte) {
				side := websocket.ServerSide
				if c.Response() != nil {
					side = websocket.ClientSide
				}
				go func() {
					wire := rawFrames(side, rawFrame{b0: firstText, payload: "a"})
					for range 5000 {
						wire = append(wire, rawFrames(side, rawFrame{b0: finPing, payload: strings.Repeat("p", 125)})...)
					}
					peer.Write(wire)
				}()
				first := time.Now()
				_, _, err := way(c)()
				if took := time.Since(first); took < timed.MessageTimeout || took > 2*timed.MessageTimeout {
					t.Errorf("it took %v, want about %v", took, timed.MessageTimeout)
				}
				wantLate(t, c, err, sent())
			})
		})
	}
}

// Each message has the whole time, also if it begins with the end of the one
// before, and Pings between messages need none.
func TestMessageTimeoutIsForEachMessage(t *testing.T) {
	withTimedConn(t, allVersions, timed, func(t *testing.T, c *websocket.Conn, peer net.Conn, sent func() []byte) {
		side := websocket.ServerSide
		if c.Response() != nil {
			side = websocket.ClientSide
		}
		one := peerText(t, c.Version(), side, "text")
		between := one[:0:0]
		if !isHixie(c.Version()) {
			between = rawFrames(side, rawFrame{b0: finPing, payload: "ping"})
		}
		go func() {
			var rest []byte
			for range 10 { // each write has the end of something, and the beginning of the next
				for _, p := range [][]byte{one, between, between} {
					if len(p) > 0 {
						peer.Write(append(rest, p[:2]...))
						time.Sleep(6 * time.Second)
						rest = p[2:]
					}
				}
			}
			peer.Write(rest)
			time.Sleep(time.Hour)
			peer.Write(one)
		}()
		for i := range 11 {
			if _, p, err := c.ReadMessage(); err != nil || string(p) != "text" {
				t.Fatalf("message %d: %q, %v", i, p, err)
			}
		}
	})
}

// Time in which the program does not read does not count, and what earlier reads
// have waited does.
func TestMessageTimeoutCountsOnlyReads(t *testing.T) {
	pause := func() { time.Sleep(time.Hour) }
	for name, read := range map[string]func(c *websocket.Conn) error{
		"ReadMessage": func(c *websocket.Conn) error {
			for range 3 {
				c.SetReadDeadline(time.Now().Add(3 * time.Second))
				if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
					return fmt.Errorf("%w, want the deadline", err)
				}
				pause()
			}
			c.SetReadDeadline(time.Time{})
			_, _, err := c.ReadMessage()
			return err
		},
		"NextReader": func(c *websocket.Conn) error {
			_, r, err := c.NextReader()
			for err == nil {
				pause()
				_, err = r.Read(make([]byte, 1))
			}
			return err
		},
		"a deadline that is moved": func(c *websocket.Conn) error {
			go func() {
				for range 9 {
					time.Sleep(time.Second)
					c.SetReadDeadline(time.Now().Add(time.Hour))
				}
				c.SetReadDeadline(time.Time{})
			}()
			_, _, err := c.ReadMessage()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			withTimedConn(t, allVersions, timed, func(t *testing.T, c *websocket.Conn, peer net.Conn, sent func() []byte) {
				side := websocket.ServerSide
				if c.Response() != nil {
					side = websocket.ClientSide
				}
				wire := peerText(t, c.Version(), side, "text")
				peer.Write(wire[:len(wire)-1])
				err := read(c)
				wantLate(t, c, err, sent())
			})
		})
	}
}

// A closing handshake does not wait for a message any longer.
func TestMessageTimeoutWhileClosing(t *testing.T) {
	cfg := websocket.Config{MessageTimeout: 2 * time.Second}
	withTimedConn(t, hybiVersions, cfg, func(t *testing.T, c *websocket.Conn, peer net.Conn, _ func() []byte) {
		side := websocket.ServerSide
		if c.Response() != nil {
			side = websocket.ClientSide
		}
		peer.Write(peerText(t, c.Version(), side, "text")[:4])
		began := time.Now()
		c.CloseWith(websocket.StatusNormalClosure, "")
		for websocket.Cause(c) == nil || !errors.Is(websocket.Cause(c), websocket.ErrMessageTimeout) && time.Since(began) < time.Minute {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(began); took < cfg.MessageTimeout || took > cfg.MessageTimeout+2*time.Millisecond {
			t.Errorf("after %v: %v", took, websocket.Cause(c))
		}
	})
}

// On a connection without deadlines, a message is found late when more of it
// arrives.
func TestMessageTimeoutWithoutDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := websocket.NetPipe()
		c := newConn(noDeadlines{Conn: nc}, websocket.RFC6455, websocket.ServerSide, &timed)
		go io.Copy(io.Discard, peer)
		go trickle(peer, peerText(t, websocket.RFC6455, websocket.ServerSide, "a text of more than ten bytes"))
		first := time.Now()
		if _, _, err := c.ReadMessage(); !errors.Is(err, websocket.ErrMessageTimeout) || time.Since(first) > 11*time.Second {
			t.Errorf("after %v: %v", time.Since(first), err)
		}
		c.Close()
		peer.Close()
		time.Sleep(time.Minute)
	})
}

// The limit holds also where the system is asked when there is something to read,
// and over TLS.
func TestMessageTimeoutOverTransports(t *testing.T) {
	for _, transport := range allTransports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			server, client := newPair(t, websocket.RFC6455, transport, pairOptions{server: websocket.Config{MessageTimeout: 50 * time.Millisecond}})
			go client.ReadMessage()
			write := later(func() error {
				w, err := client.NextWriter(websocket.Binary)
				if err == nil {
					_, err = w.Write(make([]byte, 100_000)) // and no more
				}
				return err
			})
			_, _, err := server.ReadMessage()
			if !errors.Is(err, websocket.ErrMessageTimeout) {
				t.Errorf("%v, want ErrMessageTimeout", err)
			}
			if err := <-write; err != nil {
				t.Error(err)
			}
		})
	}
}
