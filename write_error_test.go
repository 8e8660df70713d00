package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writeErrorTimeout is what net's connections return at the deadline.
var writeErrorTimeout = &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}

var writeErrorWays = map[string]func(c *Conn) error{
	"WriteMessage":             func(c *Conn) error { return c.WriteMessage(Text, []byte("lost")) },
	"large WriteMessage":       func(c *Conn) error { return c.WriteMessage(Text, make([]byte, 100<<10)) },
	"WritePrepared":            func(c *Conn) error { m, _ := Prepare(Text, []byte("lost")); return c.WritePrepared(m) },
	"Flush":                    func(c *Conn) error { return c.Flush() },
	"BufferMessage that flows": func(c *Conn) error { return c.BufferMessage(Text, make([]byte, 70<<10)) },
	"NextWriter": func(c *Conn) error {
		w, err := c.NextWriter(Text)
		if err != nil {
			return err
		}
		return w.Close()
	},
}

// A write that fails may leave half a frame behind, so all later ones fail with
// the same error.
func TestWriteErrorIsFinal(t *testing.T) {
	for _, tt := range []struct {
		name   string
		result writeResult
	}{
		{"deadline after some bytes", writeResult{3, writeErrorTimeout}},
		{"deadline after nothing", writeResult{0, writeErrorTimeout}},
		{"reset", writeResult{0, io.ErrClosedPipe}},
	} {
		for name, write := range writeErrorWays {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				writeGated(t, RFC6455, func(t *testing.T, c *Conn, g *writeGate) {
					if err := c.BufferMessage(Text, []byte("before")); err != nil {
						t.Fatal(err)
					}
					first := writeLater(func() error { return write(c) })
					<-g.writes
					waiting := writeLater(func() error { return c.WriteMessage(Text, make([]byte, 100<<10)) })
					synctest.Wait()
					g.results <- tt.result
					err := <-first
					if !errors.Is(err, tt.result.err) || !strings.HasPrefix(err.Error(), "websocket: ") {
						t.Fatalf("error is %v, want one that wraps %v", err, tt.result.err)
					}
					if other := <-waiting; other != err {
						t.Errorf("another that waited got %v, want the same error", other)
					}
					for name, write := range writeErrorWays {
						if again := write(c); again != err {
							t.Errorf("%s after it: %v, want the same error", name, again)
						}
					}
				})
			})
		}
	}
}

// One that has not begun to send has done no harm, and loses nothing of others.
func TestWriteAfterDeadlineDoesNoHarm(t *testing.T) {
	for name, write := range writeErrorWays {
		t.Run(name, func(t *testing.T) {
			c, script := readConn(RFC6455, ServerSide, nil)
			if err := c.BufferMessage(Text, []byte("before")); err != nil {
				t.Fatal(err)
			}
			c.SetWriteDeadline(time.Now())
			if err := write(c); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("error is %v, want the deadline", err)
			}
			if script.out.Len() > 0 {
				t.Errorf("% x was sent", script.out.Bytes())
			}
			c.SetWriteDeadline(time.Time{})
			if err := c.WriteMessage(Text, []byte("after")); err != nil {
				t.Errorf("WriteMessage with the deadline taken away: %v", err)
			}
			writeExpectTexts(t, "after it", RFC6455, script.out.Bytes(), "before", "after")
		})
	}
}

// The program's deadline is not for what a reader sends on its way: a peer
// would get no Pongs because the program has last written long ago.
func TestWriteDeadlineIsNotForReaders(t *testing.T) {
	for _, transport := range connTransports {
		t.Run(transport, func(t *testing.T) {
			server, client := connPair(t, RFC6455, transport, connOptions{})
			client.Discard(t.Context())
			server.SetWriteDeadline(time.Now().Add(time.Hour))
			if err := server.WriteMessage(Text, nil); err != nil {
				t.Fatal(err)
			}
			if err := server.BufferMessage(Text, nil); err != nil {
				t.Fatal(err)
			}
			server.SetWriteDeadline(time.Now())
			server.Discard(t.Context())
			if _, err := client.Ping(t.Context()); err != nil {
				t.Errorf("Ping by the peer: %v", err)
			}
			if _, err := server.Ping(t.Context()); err != nil {
				t.Errorf("Ping: %v", err)
			}
			if err := server.WriteMessage(Text, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("WriteMessage: %v, want the deadline", err)
			}
			server.SetWriteDeadline(time.Now().Add(time.Hour))
			if err := server.WriteMessage(Text, nil); err != nil {
				t.Errorf("WriteMessage with another deadline: %v", err)
			}
		})
	}
}

// Over real connections: the deadline passes while the peer does not read.
func TestWriteDeadline(t *testing.T) {
	for _, v := range allVersions {
		for _, transport := range connTransports {
			t.Run(v.String()+"/"+transport, func(t *testing.T) {
				t.Parallel()
				server, client := connPair(t, v, transport, connOptions{})
				server.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
				var err error
				for err == nil {
					err = server.WriteMessage(Text, connPayload(Text, 50_000))
				}
				if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix(err.Error(), "websocket: ") {
					t.Errorf("error is %v, want the deadline", err)
				}
				// With the peer reading again, messages go on only if what came
				// before was whole.
				server.SetWriteDeadline(time.Now().Add(10 * time.Second))
				last := writeLater(func() error {
					defer server.Close()
					return server.WriteMessage(Text, []byte("last"))
				})
				came := false
				for {
					_, p, err := client.ReadMessage()
					if err != nil {
						break
					}
					if came = string(p) == "last"; !came && len(p) != 50_000 {
						t.Errorf("peer got a message of %d bytes, of a write that had failed", len(p))
					}
				}
				if err := <-last; came != (err == nil) {
					t.Errorf("the last message came: %v; its WriteMessage: %v", came, err)
				}
			})
		}
	}
}

// "Hixie writers refuse bytes that are not UTF-8", and what their version
// lacks: nothing is sent, and the connection is as good as before.
func TestHixieWritersRefuse(t *testing.T) {
	bad := []byte("a\xffb")
	stream := func(typ MessageType, writes ...string) func(c *Conn) error {
		return func(c *Conn) error {
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
		write       func(c *Conn) error
		unsupported bool
		sent        []string
	}{
		{"WriteMessage of bad text", func(c *Conn) error { return c.WriteMessage(Text, bad) }, false, nil},
		{"BufferMessage of bad text", func(c *Conn) error { return c.BufferMessage(Text, bad) }, false, nil},
		{"WriteMessage of half a character", func(c *Conn) error { return c.WriteMessage(Text, []byte("\xc3")) }, false, nil},
		{"WritePrepared of bad text", func(c *Conn) error {
			m, err := Prepare(Text, bad)
			if err != nil {
				t.Fatal(err)
			}
			return c.WritePrepared(m)
		}, false, nil},
		{"NextWriter of bad text", stream(Text, "good ", "\xff", "text"), false, []string{"good text"}},
		{"NextWriter of characters in pieces", stream(Text, "\xe2", "\x82\xff", "\x82", "\xac"), false, []string{"€"}},
		{"NextWriter that ends within a character", stream(Text, "a\xe2\x82"), false, nil},
		{"WriteMessage of Binary", func(c *Conn) error { return c.WriteMessage(Binary, []byte("a")) }, true, nil},
		{"BufferMessage of Binary", func(c *Conn) error { return c.BufferMessage(Binary, []byte("a")) }, true, nil},
		{"NextWriter of Binary", stream(Binary, "a"), true, nil},
		{"WritePrepared of Binary", func(c *Conn) error {
			m, err := Prepare(Binary, []byte("a"))
			if err != nil {
				t.Fatal(err)
			}
			return c.WritePrepared(m)
		}, true, nil},
		{"Ping", func(c *Conn) error { _, err := c.Ping(context.Background()); return err }, true, nil},
	} {
		for _, v := range []Version{Hybi00, Hixie75} {
			for _, side := range []Side{ServerSide, ClientSide} {
				t.Run(tt.name+"/"+v.String()+"/"+connSideName(side), func(t *testing.T) {
					c, script := readConn(v, side, nil)
					err := tt.write(c)
					if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") || errors.Is(err, errors.ErrUnsupported) != tt.unsupported {
						t.Errorf("error is %v, want one that wraps errors.ErrUnsupported: %v", err, tt.unsupported)
					}
					if err := c.Flush(); err != nil {
						t.Error(err)
					}
					writeExpectTexts(t, "refused", v, script.out.Bytes(), tt.sent...)
					script.out.Reset()
					if err := c.WriteMessage(Text, []byte("after")); err != nil {
						t.Errorf("WriteMessage after it: %v", err)
					}
					writeExpectTexts(t, "after", v, script.out.Bytes(), "after")
				})
			}
		}
	}
}

func TestWriteOfWrongType(t *testing.T) {
	for _, v := range allVersions {
		for _, typ := range []MessageType{Continuation, Close, Ping, Pong, 3, 11, 255} {
			c, script := readConn(v, ServerSide, nil)
			_, err := c.NextWriter(typ)
			_, perr := Prepare(typ, nil)
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

// Writers are told why, once the connection is over.
func TestWriteAfterTheEnd(t *testing.T) {
	closed := func(code StatusCode) []byte {
		b, err := AppendClose(nil, RFC6455, ClientSide, code, "")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		in   []byte
		end  func(c *Conn)
		is   func(err error) bool
	}{
		{"Close by us", nil, func(c *Conn) { c.Close() }, nil},
		{"Close by the peer", closed(4000), func(c *Conn) { c.ReadMessage() }, func(err error) bool {
			var ce *CloseError
			return errors.As(err, &ce) && ce.Code == 4000
		}},
		{"network", nil, func(c *Conn) { c.ReadMessage() }, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"protocol error", []byte{0xff, 0xff}, func(c *Conn) { c.ReadMessage() }, func(err error) bool {
			var pe *ProtocolError
			return errors.As(err, &pe)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := readConn(RFC6455, ServerSide, bytes.Clone(tt.in))
			w, err := c.NextWriter(Binary)
			if err != nil {
				t.Fatal(err)
			}
			tt.end(c)
			for range 2 { // at once, and when all is done
				_, nextErr := c.NextWriter(Text)
				_, pingErr := c.Ping(t.Context())
				_, writeErr := w.Write(make([]byte, 100<<10))
				for name, err := range map[string]error{
					"WriteMessage": c.WriteMessage(Text, nil), "NextWriter": nextErr, "Write": writeErr, "Ping": pingErr,
				} {
					if !errors.Is(err, net.ErrClosed) || tt.is != nil && !tt.is(err) || !strings.HasPrefix(err.Error(), "websocket: ") {
						t.Errorf("%s: %v, want an error that wraps net.ErrClosed and says why", name, err)
					}
				}
				<-c.life.over()
			}
		})
	}
}

// writeLateGate is a writeGate that knows the deadline, which counts when a write
// begins.
type writeLateGate struct {
	writeGate
	mu       sync.Mutex
	deadline time.Time
}

func (g *writeLateGate) SetWriteDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = t
	return nil
}

func (g *writeLateGate) Write(p []byte) (int, error) {
	g.mu.Lock()
	late := !g.deadline.IsZero() && !time.Now().Before(g.deadline)
	g.mu.Unlock()
	if late {
		return 0, writeErrorTimeout
	}
	return g.writeGate.Write(p)
}

// What others have queued is not lost over the deadline of a writer who comes to
// it late: he leaves it to a goroutine that has none.
func TestWriteDeadlineIsNotForTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &writeLateGate{writeGate: writeGate{writes: make(chan []byte), results: make(chan writeResult)}}
		c := newConn(g, RFC6455, ServerSide, &Config{}, nil)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		first := writeLater(writeText(c, "first"))
		<-g.writes
		if err := c.WriteMessage(Text, []byte("second")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		g.results <- writeResult{n: -1}
		if err := <-first; err != nil {
			t.Error(err)
		}
		synctest.Wait() // the second is on its way
		c.SetWriteDeadline(time.Time{})
		third := writeLater(writeText(c, "third"))
		synctest.Wait()
		select {
		case err := <-third:
			if err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatal("a message that is to be queued waits")
		}
		g.expect(t, "what was left", "second")
		g.expect(t, "and then", "third")
		c.Close()
	})
}

// A writer who leaves the queue to a goroutine and returns takes his deadline
// with him.
func TestWriteDeadlineLeavesWithItsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := closePipe(t, RFC6455, ServerSide, Config{})
		c.SetWriteDeadline(time.Now().Add(time.Second))
		peer.SetReadDeadline(time.Now().Add(time.Minute))
		expect := func() {
			t.Helper()
			got := make([]byte, len("\x81\x01x"))
			if _, err := io.ReadFull(peer, got); err != nil || string(got) != "\x81\x01x" {
				t.Fatalf("peer got %q, %v", got, err)
			}
			synctest.Wait()
		}
		first := writeLater(writeText(c, "x"))
		for range 1 + maxRounds {
			synctest.Wait()
			if err := c.WriteMessage(Text, []byte("x")); err != nil {
				t.Fatal(err)
			}
			expect()
		}
		select {
		case err := <-first:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatalf("the writer has not returned after %d messages of others", maxRounds)
		}
		time.Sleep(2 * time.Second)
		expect()
		c.SetWriteDeadline(time.Time{})
		last := writeLater(writeText(c, "x"))
		expect()
		if err := <-last; err != nil {
			t.Error(err)
		}
		c.Close()
	})
}
