package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// A keepalive Ping is sent even if the program's write deadline has passed.
func TestKeepaliveAfterPassedWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{PingInterval: time.Minute})
		c.SetWriteDeadline(time.Now().Add(time.Second))
		ended := c.Discard(t.Context())
		in := bufio.NewReader(peer)
		for range 3 {
			f := make([]byte, 2+websocket.PingPayload)
			if _, err := io.ReadFull(in, f); err != nil {
				t.Fatalf("waiting for a Ping: %v", err)
			}
			pong, _ := websocket.AppendMessage(nil, websocket.RFC6455, websocket.ClientSide, websocket.Pong, f[2:])
			if _, err := peer.Write(pong); err != nil {
				t.Fatal(err)
			}
		}
		if err := ended.Err(); err != nil {
			t.Errorf("connection ended though the peer answered: %v", context.Cause(ended))
		}
		c.Close()
	})
}

// pingPeer is a client that reads frames and answers Pings as answer says.
type pingPeer struct {
	net.Conn
	t      *testing.T
	answer func(p []byte) (pong []byte)

	mu    sync.Mutex
	pings []time.Duration // when they came
}

// pingServer returns a server's connection and its peer. It must be called in a
// bubble.
func pingServer(t *testing.T, v websocket.Version, cfg *websocket.Config, answer func(p []byte) []byte) (*websocket.Conn, *pingPeer) {
	c, nc := newPipe(t, v, websocket.ServerSide, *cfg)
	peer := &pingPeer{Conn: nc, t: t, answer: answer}
	go peer.run(v, time.Now())
	return c, peer
}

func (peer *pingPeer) run(v websocket.Version, start time.Time) {
	var buf []byte
	in := make([]byte, 1000)
	for {
		n, err := peer.Read(in)
		if err != nil {
			return
		}
		buf = append(buf, in[:n]...)
		for {
			f, n, err := websocket.ParseFrame(buf, v)
			if err != nil {
				break
			}
			buf = buf[n:]
			if f.Opcode == websocket.Ping {
				peer.ping(v, f.Payload, start)
			}
		}
	}
}

func (peer *pingPeer) ping(v websocket.Version, p []byte, start time.Time) {
	peer.mu.Lock()
	defer peer.mu.Unlock()
	peer.pings = append(peer.pings, time.Since(start))
	if peer.answer == nil {
		return
	}
	if pong := peer.answer(p); pong != nil {
		peer.Write(peerFrames(peer.t, v, websocket.ServerSide, message{websocket.Pong, pong}))
	}
}

func (peer *pingPeer) got() []time.Duration {
	peer.mu.Lock()
	defer peer.mu.Unlock()
	return peer.pings
}

func (peer *pingPeer) say(v websocket.Version) {
	peer.Write(peerFrames(peer.t, v, websocket.ServerSide, message{websocket.Text, nil}))
}

func pingEcho(p []byte) []byte { return p }

func TestPing(t *testing.T) {
	for _, v := range hybiVersions {
		t.Run(v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := pingServer(t, v, &websocket.Config{}, func(p []byte) []byte {
					time.Sleep(70 * time.Millisecond) // of the bubble's time
					return p
				})
				c.Discard(t.Context())
				if took, err := c.Ping(t.Context()); err != nil || took != 70*time.Millisecond {
					t.Errorf("Ping: %v, %v; want 70ms", took, err)
				}
			})
		})
	}
}

// "A Pong frame sent in response to a Ping may be of the latest only", RFC
// 6455 section 5.5.3: it answers those before it too, and no others.
func TestPingAnsweredByLaterPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last []byte
		c, peer := pingServer(t, websocket.RFC6455, &websocket.Config{}, func(p []byte) []byte { last = p; return nil })
		c.Discard(t.Context())
		results := make(chan error, 3)
		ping := func() { _, err := c.Ping(t.Context()); results <- err }
		for range 2 {
			go ping()
			synctest.Wait()
		}
		answer := last
		go ping()
		synctest.Wait()
		peer.Write(peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Pong, answer}))
		synctest.Wait()
		if n := len(results); n != 2 {
			t.Errorf("the Pong to the second of three Pings answered %d, want 2", n)
		}
		peer.Write(peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Pong, last}))
		synctest.Wait()
		if n := len(results); n != 3 {
			t.Errorf("the Pong to the third Ping made it %d that are answered, want 3", n)
		}
	})
}

func TestPingContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pingServer(t, websocket.RFC6455, &websocket.Config{}, func(p []byte) []byte {
			return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff} // to no Ping of ours
		})
		c.Discard(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Ping: %v after %v, want the end of its context after 1s", err, time.Since(start))
		}
		if websocket.PendingPings(c) > 0 {
			t.Error("a Ping that nobody waits for is remembered")
		}
		peer.mu.Lock()
		peer.answer = pingEcho
		peer.mu.Unlock()
		if _, err := c.Ping(t.Context()); err != nil {
			t.Errorf("Ping after it: %v", err)
		}
	})
}

func TestPingAndTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		end func(c *websocket.Conn, peer *pingPeer)
		is  func(error) bool
	}{
		"Close":           {func(c *websocket.Conn, _ *pingPeer) { c.Close() }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		"end of the peer": {func(_ *websocket.Conn, peer *pingPeer) { peer.Close() }, func(err error) bool { return err != nil }},
		"Close of the peer": {func(_ *websocket.Conn, peer *pingPeer) {
			b, _ := websocket.AppendClose(nil, websocket.RFC6455, websocket.ClientSide, 4000, "")
			peer.Write(b)
		}, func(err error) bool { var ce *websocket.CloseError; return errors.As(err, &ce) && ce.Code == 4000 }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := pingServer(t, websocket.RFC6455, &websocket.Config{}, nil)
				c.Discard(t.Context())
				result := make(chan error, 1)
				go func() { _, err := c.Ping(t.Context()); result <- err }()
				synctest.Wait()
				tt.end(c, peer)
				if err := <-result; !tt.is(err) {
					t.Errorf("waiting Ping: %v", err)
				}
				<-websocket.Over(c)
				if _, err := c.Ping(t.Context()); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Ping after it: %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

// A write that fails ends a Ping that waits for its Pong, and each later one, with
// its error: no Pong can answer what was not sent.
func TestPingAndFailedWrite(t *testing.T) {
	for _, side := range sides {
		t.Run(sideName(side), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPipe(t, websocket.RFC6455, side, websocket.Config{})
				c.Discard(t.Context())
				ping := func() error { _, err := c.Ping(context.Background()); return err }
				sent := later(ping)
				readOneFrame(t, peer)
				failed := failWrite(t, c)
				for name, result := range map[string]<-chan error{"that waits": sent, "after it": later(ping)} {
					if err := <-result; err == nil || err.Error() != failed.Error() || errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("a Ping %s: %v, want %v", name, err, failed)
					}
				}
			})
		})
	}
}

// A peer that sends nothing is given up after a Ping.
func TestKeepaliveOfSilentPeer(t *testing.T) {
	for _, tt := range []struct {
		name     string
		cfg      websocket.Config
		read     func(c *websocket.Conn) error
		ping, at time.Duration
	}{
		{"waiting", websocket.Config{PingInterval: 30 * time.Second, PingTimeout: 10 * time.Second}, keepRead, 30 * time.Second, 40 * time.Second},
		{"timeout as long as the interval", websocket.Config{PingInterval: 30 * time.Second}, keepRead, 30 * time.Second, 60 * time.Second},
		{"polling with short deadlines", websocket.Config{PingInterval: 30 * time.Second, PingTimeout: 10 * time.Second}, func(c *websocket.Conn) error {
			for {
				c.SetReadDeadline(time.Now().Add(time.Second))
				if err := keepRead(c); !errors.Is(err, os.ErrDeadlineExceeded) {
					return err
				}
			}
		}, 30 * time.Second, 40 * time.Second},
		{"not reading until the Ping was sent", websocket.Config{PingInterval: 30 * time.Second, PingTimeout: 10 * time.Second}, func(c *websocket.Conn) error {
			time.Sleep(24*time.Hour + time.Second)
			return keepRead(c)
		}, 30 * time.Second, 24*time.Hour + 11*time.Second},
		{"reading now and then", websocket.Config{PingInterval: 30 * time.Second, PingTimeout: 10 * time.Second}, func(c *websocket.Conn) error {
			for {
				c.SetReadDeadline(time.Now().Add(time.Second))
				if err := keepRead(c); !errors.Is(err, os.ErrDeadlineExceeded) {
					return err
				}
				time.Sleep(9100 * time.Millisecond) // no read begins or ends as the keepalive looks
			}
		}, 30 * time.Second, 131 * time.Second},
	} {
		for _, v := range hybiVersions {
			t.Run(tt.name+"/"+v.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					told := make(chan error, 1)
					tt.cfg.Trace = &websocket.Trace{Closed: func(_ *websocket.Conn, err error) { told <- err }}
					c, peer := pingServer(t, v, &tt.cfg, nil)
					start := time.Now()
					err := tt.read(c)
					took := time.Since(start)
					// A read may notice only when the next one begins.
					closed := <-told
					if err != websocket.ErrPingTimeout || closed != websocket.ErrPingTimeout || took < tt.at-time.Second || took > tt.at+time.Second {
						t.Errorf("read: %v after %v, and Closed was told %v; want %v after %v", err, took, closed, websocket.ErrPingTimeout, tt.at)
					}
					if got := peer.got(); len(got) != 1 || got[0] != tt.ping {
						t.Errorf("Pings came at %v, want one at %v", got, tt.ping)
					}
					if err := c.WriteMessage(websocket.Text, nil); !errors.Is(err, websocket.ErrPingTimeout) {
						t.Errorf("WriteMessage: %v, want %v", err, websocket.ErrPingTimeout)
					}
				})
			})
		}
	}
}

func keepRead(c *websocket.Conn) error {
	_, _, err := c.ReadMessage()
	return err
}

// The time in which the program does not read does not count against the peer,
// and what the peer has answered meanwhile is found.
func TestKeepaliveWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pingServer(t, websocket.RFC6455, &websocket.Config{PingInterval: time.Second}, nil)
		time.Sleep(time.Hour)
		if got := peer.got(); len(got) != 1 {
			t.Errorf("%d Pings in an hour in which nobody read an answer, want one", len(got))
		}
		go peer.Write(peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Pong, nil}, message{websocket.Text, []byte("alive")}))
		if _, p, err := c.ReadMessage(); err != nil || string(p) != "alive" {
			t.Errorf("ReadMessage: %q, %v; want what came meanwhile", p, err)
		}
	})
}

// Anything that a peer sends shows that it is there.
func TestKeepaliveOfLivePeer(t *testing.T) {
	cfg := websocket.Config{PingInterval: 30 * time.Second, PingTimeout: 10 * time.Second}
	t.Run("answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := pingServer(t, websocket.RFC6455, &cfg, func(p []byte) []byte {
				time.Sleep(9 * time.Second)
				return p
			})
			ctx := c.Discard(t.Context())
			time.Sleep(10 * time.Minute)
			if ctx.Err() != nil {
				t.Errorf("reading ended: %v", context.Cause(ctx))
			}
			if got := len(peer.got()); got < 10 || got > 20 {
				t.Errorf("%d Pings in 10 minutes, want one for each 39 seconds", got)
			}
		})
	})
	t.Run("speaks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := pingServer(t, websocket.RFC6455, &cfg, nil)
			ctx := c.Discard(t.Context())
			for range 20 {
				time.Sleep(29 * time.Second)
				peer.say(websocket.RFC6455)
			}
			if ctx.Err() != nil || len(peer.got()) > 0 {
				t.Errorf("reading ended with %v after Pings at %v, want neither", context.Cause(ctx), peer.got())
			}
		})
	})
	t.Run("speaks byte by byte", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := pingServer(t, websocket.RFC6455, &cfg, nil)
			ctx := c.Discard(t.Context())
			for _, b := range peerText(t, websocket.RFC6455, websocket.ServerSide, "a message that takes ten minutes") {
				time.Sleep(20 * time.Second)
				if _, err := peer.Write([]byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			if ctx.Err() != nil || len(peer.got()) > 0 {
				t.Errorf("reading ended with %v after Pings at %v, want neither", context.Cause(ctx), peer.got())
			}
		})
	})
	t.Run("speaks after the Ping", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := pingServer(t, websocket.RFC6455, &cfg, nil)
			ctx := c.Discard(t.Context())
			for range 20 {
				time.Sleep(39 * time.Second)
				peer.say(websocket.RFC6455)
			}
			if ctx.Err() != nil || len(peer.got()) != 20 {
				t.Errorf("reading ended with %v after %d Pings, want 20 and no end", context.Cause(ctx), len(peer.got()))
			}
		})
	})
}

// There is no keepalive in versions without Ping, without PingInterval, and
// during the closing handshake, which has a bound of its own.
func TestKeepaliveHasNoEffect(t *testing.T) {
	for name, tt := range map[string]struct {
		v   websocket.Version
		cfg websocket.Config
	}{
		"hixie-75": {websocket.Hixie75, websocket.Config{PingInterval: time.Second, PingTimeout: time.Second}},
		"hybi-00":  {websocket.Hybi00, websocket.Config{PingInterval: time.Second, PingTimeout: time.Second}},
		"off":      {websocket.RFC6455, websocket.Config{PingTimeout: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := pingServer(t, tt.v, &tt.cfg, nil)
				ctx := c.Discard(t.Context())
				time.Sleep(time.Hour)
				if ctx.Err() != nil || len(peer.got()) > 0 {
					t.Errorf("reading ended with %v after Pings at %v, want neither", context.Cause(ctx), peer.got())
				}
			})
		})
	}
	t.Run("closing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := pingServer(t, websocket.RFC6455, &websocket.Config{PingInterval: time.Second}, nil)
			start := time.Now()
			err := c.Shutdown(t.Context(), websocket.StatusGoingAway, "")
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != websocket.CloseTimeout {
				t.Errorf("Shutdown: %v after %v, want the end of the handshake after 5s", err, took)
			}
		})
	})
}

// A keepalive leaves nothing behind if the connection ends during a tick.
func TestKeepaliveAndClose(t *testing.T) {
	for range stressRounds(20) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := pingServer(t, websocket.RFC6455, &websocket.Config{PingInterval: time.Second}, pingEcho)
			ctx := c.Discard(t.Context())
			time.Sleep(5 * time.Second) // when a tick is due
			c.Close()
			<-ctx.Done()
			time.Sleep(time.Hour)
			if websocket.StopKeepalive(c) {
				t.Error("the timer is still running")
			}
		})
	}
}
