package websocket_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

var writeErrorWays = map[string]func(c *websocket.Conn) error{
	"WriteMessage":       func(c *websocket.Conn) error { return c.WriteMessage(websocket.Text, []byte("lost")) },
	"large WriteMessage": func(c *websocket.Conn) error { return c.WriteMessage(websocket.Text, make([]byte, 100<<10)) },
	"WritePrepared": func(c *websocket.Conn) error {
		m, _ := websocket.Prepare(websocket.Text, []byte("lost"))
		return c.WritePrepared(m)
	},
	"Flush":                    func(c *websocket.Conn) error { return c.Flush() },
	"BufferMessage that flows": func(c *websocket.Conn) error { return c.BufferMessage(websocket.Text, make([]byte, 70<<10)) },
	"NextWriter": func(c *websocket.Conn) error {
		w, err := c.NextWriter(websocket.Text)
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
		result gateResult
	}{
		{"deadline after some bytes", gateResult{3, errGateTimeout}},
		{"deadline after nothing", gateResult{0, errGateTimeout}},
		{"reset", gateResult{0, io.ErrClosedPipe}},
	} {
		for name, write := range writeErrorWays {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
					if err := c.BufferMessage(websocket.Text, []byte("before")); err != nil {
						t.Fatal(err)
					}
					first := later(func() error { return write(c) })
					<-g.writes
					waiting := later(func() error { return c.WriteMessage(websocket.Text, make([]byte, 100<<10)) })
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

// A write whose deadline passes before it has sent anything does no harm, and
// what others have queued is not lost.
func TestWriteAfterDeadlineDoesNoHarm(t *testing.T) {
	for name, write := range writeErrorWays {
		t.Run(name, func(t *testing.T) {
			c, script := newScripted(websocket.RFC6455, websocket.ServerSide, nil)
			if err := c.BufferMessage(websocket.Text, []byte("before")); err != nil {
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
			if err := c.WriteMessage(websocket.Text, []byte("after")); err != nil {
				t.Errorf("WriteMessage with the deadline taken away: %v", err)
			}
			wantTexts(t, "after it", websocket.RFC6455, script.out.Bytes(), "before", "after")
		})
	}
}

// miscounter is a connection whose Write says that it wrote more or less than it
// was given, without an error. It is wrong from the second Write on if later is
// set.
type miscounter struct {
	script
	by, writes int
	later      bool
}

func (m *miscounter) Write(p []byte) (int, error) {
	if m.writes++; m.later && m.writes == 1 {
		return m.script.Write(p)
	}
	n := len(p) + m.by
	m.script.Write(p[:max(0, min(n, len(p)))])
	return n, nil
}

// A Write that writes less than it was given and returns no error is a failed
// one, and what it claims is not believed.
func TestShortWriteIsAnError(t *testing.T) {
	for _, by := range []int{-1, -5, -200 << 10, 1, 200 << 10} {
		for _, later := range []bool{false, true} {
			for name, write := range writeErrorWays {
				for _, side := range sides {
					m := &miscounter{by: by, later: later}
					c := newConn(m, websocket.RFC6455, side, &websocket.Config{})
					err := errors.Join(write(c), c.BufferMessage(websocket.Text, []byte("queued")), c.Flush(), writeText(c, "more")())
					if want := by < 0; errors.Is(err, io.ErrShortWrite) != want || !want && err != nil {
						t.Errorf("%s of %v with %d bytes too many: %v, want io.ErrShortWrite: %v", name, side, by, err, want)
					}
					if by > 0 {
						continue
					}
					if !later && m.writes > 1 {
						t.Errorf("%s: %d writes, the first of which was short", name, m.writes)
					}
					sent := m.out.Len()
					if err := c.WriteMessage(websocket.Text, []byte("after")); !errors.Is(err, io.ErrShortWrite) || m.out.Len() != sent {
						t.Errorf("%s: WriteMessage after it: %v, want io.ErrShortWrite, and nothing sent", name, err)
					}
				}
			}
		}
	}
}

// The same for what a read sends.
func TestShortWriteOfWhatAReadSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &miscounter{by: -1}
		c := newConn(m, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
		if err := c.BufferMessage(websocket.Text, []byte("queued")); err != nil {
			t.Fatal(err)
		}
		m.in = peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, nil})
		if _, _, err := c.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := c.WriteMessage(websocket.Text, nil); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("WriteMessage after it: %v, want io.ErrShortWrite", err)
		}
	})
}
