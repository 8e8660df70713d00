package websocket_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/protocol-websocket/websocket"
)

// What one side writes, the other reads, to the end, whatever the lengths.
func TestStreamCopy(t *testing.T) {
	const size = websocket.DefaultMaxMessageSize + 4 // more than the peer takes in one message
	data := make([]byte, size)
	rand.Read(data)
	for _, tt := range []struct {
		name string
		v    websocket.Version
		typ  websocket.MessageType
		data []byte
	}{
		{"binary", websocket.RFC6455, websocket.Binary, data},
		{"text", websocket.Hybi07, websocket.Text, []byte(strings.Repeat("a€", size/4))},
		{"hixie-76", websocket.Hybi00, websocket.Text, []byte(strings.Repeat("a€", size/4))},
		{"hixie-75", websocket.Hixie75, websocket.Text, []byte(strings.Repeat("a€", size/4))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pairInBubble(t, tt.v, func(t *testing.T, c, s *websocket.Conn) {
				done := make(chan struct{})
				go func() {
					defer close(done)
					in := websocket.Stream(s, tt.typ)
					received, err := io.ReadAll(in)
					if err != nil || !bytes.Equal(received, tt.data) {
						t.Errorf("read %d bytes, %v; expected the %d that were written", len(received), err, len(tt.data))
					}
					in.Close()
				}()
				out := websocket.Stream(c, tt.typ)
				if n, err := io.Copy(out, bytes.NewReader(tt.data)); int(n) != len(tt.data) || err != nil {
					t.Errorf("copied %d bytes, %v; expected %d", n, err, len(tt.data))
				}
				if err := out.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				<-done
			})
		})
	}
}

// A Write makes no message that is too big for the peer, and no text that ends
// within a character.
func TestStreamSplitsLongWrites(t *testing.T) {
	for _, tt := range []struct {
		name  string
		typ   websocket.MessageType
		data  string
		sizes []int
	}{
		{"nothing", websocket.Binary, "", nil},
		{"as much as a message has", websocket.Binary, strings.Repeat("x", websocket.MaxStreamMessage), []int{websocket.MaxStreamMessage}},
		{"a byte more", websocket.Binary, strings.Repeat("x", websocket.MaxStreamMessage+1), []int{websocket.MaxStreamMessage, 1}},
		{"characters at the edge", websocket.Text, "x" + strings.Repeat("€", websocket.MaxStreamMessage), []int{32767, 32766, 32766, 6}},
		{"bytes that only look so", websocket.Binary, "x" + strings.Repeat("€", websocket.MaxStreamMessage), []int{32768, 32768, 32768, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
				wrote := later(func() error {
					n, err := websocket.Stream(c, tt.typ).Write([]byte(tt.data))
					if n != len(tt.data) {
						t.Errorf("Write: %d, %v; expected %d", n, err, len(tt.data))
					}
					return err
				})
				var whole string
				for _, want := range tt.sizes {
					_, p, err := s.ReadMessage()
					if len(p) != want || err != nil {
						t.Fatalf("message of %d bytes, %v; expected the sizes %v", len(p), err, tt.sizes)
					}
					if tt.typ == websocket.Text && !utf8.Valid(p) {
						t.Error("message is cut within a character")
					}
					whole += string(p)
				}
				if err := <-wrote; err != nil || whole != tt.data {
					t.Errorf("Write: %v; the messages together have %d bytes, expected the %d that were written", err, len(whole), len(tt.data))
				}
			})
		})
	}
}

// Writes of several goroutines do not mix, even if each makes several messages.
func TestStreamWritesDoNotMix(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		const writers, size = 4, 10 * websocket.MaxStreamMessage
		out := websocket.Stream(c, websocket.Binary)
		for i := range writers {
			go out.Write(bytes.Repeat([]byte{byte(i)}, size))
		}
		in := websocket.Stream(s, websocket.Binary)
		p := make([]byte, size)
		for range writers {
			if _, err := io.ReadFull(in, p); err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(p, p[:1]); n != size {
				t.Errorf("of %d bytes that should be one Write only %d are", size, n)
			}
		}
	})
}

func TestStreamEnd(t *testing.T) {
	shutdown := func(code websocket.StatusCode) func(*websocket.Conn) {
		return func(c *websocket.Conn) { c.Shutdown(context.Background(), code, "") }
	}
	for _, tt := range []struct {
		name string
		v    websocket.Version
		end  func(c *websocket.Conn) // of the peer, behind the message "last"
		want error
	}{
		{"normal closure", websocket.RFC6455, shutdown(websocket.StatusNormalClosure), io.EOF},
		{"going away", websocket.RFC6455, shutdown(websocket.StatusGoingAway), io.EOF},
		{"no status", websocket.RFC6455, shutdown(websocket.StatusNoStatusReceived), io.EOF},
		{"hixie-76", websocket.Hybi00, shutdown(websocket.StatusNormalClosure), io.EOF},
		{"hixie-75", websocket.Hixie75, shutdown(websocket.StatusNormalClosure), io.EOF},
		{"error of the peer", websocket.RFC6455, shutdown(websocket.StatusInternalError), &websocket.CloseError{Code: websocket.StatusInternalError}},
		{"hung up", websocket.RFC6455, func(c *websocket.Conn) { c.Close() }, io.ErrUnexpectedEOF},
		{"closed within a message", websocket.RFC6455, func(c *websocket.Conn) {
			w, _ := c.NextWriter(websocket.Text)
			w.Write(make([]byte, websocket.FragmentSize))
			w.(flusher).Flush()
			shutdown(websocket.StatusNormalClosure)(c)
		}, &websocket.CloseError{Code: websocket.StatusNormalClosure}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pairInBubble(t, tt.v, func(t *testing.T, c, s *websocket.Conn) {
				go func() {
					c.WriteMessage(websocket.Text, []byte("last"))
					tt.end(c)
				}()
				in := websocket.Stream(s, websocket.Text)
				first := make([]byte, 4)
				if _, err := io.ReadFull(in, first); string(first) != "last" {
					t.Fatalf("read %q, %v; expected \"last\"", first, err)
				}
				_, err := io.Copy(io.Discard, readerOnly{in}) // nil stands for io.EOF
				if err == nil {
					err = io.EOF
				}
				if want, ok := tt.want.(*websocket.CloseError); ok {
					var got *websocket.CloseError
					if !errors.As(err, &got) || got.Code != want.Code {
						t.Errorf("the stream ends with %v; expected %v", err, want)
					}
				} else if !errors.Is(err, tt.want) {
					t.Errorf("the stream ends with %v; expected %v", err, tt.want)
				}
			})
		})
	}
}

type readerOnly struct{ io.Reader }

func TestStreamRefusesMessagesOfTheOtherType(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.WriteMessage(websocket.Text, []byte("text"))
			wantClose(t, c, websocket.StatusUnsupportedData, "")
		}()
		in := websocket.Stream(s, websocket.Binary)
		for range 2 {
			n, err := in.Read(make([]byte, 10))
			var pe *websocket.ProtocolError
			if n != 0 || !errors.As(err, &pe) || pe.Code != websocket.StatusUnsupportedData {
				t.Errorf("Read: %v; expected a ProtocolError with 1003", err)
			}
		}
		<-done
	})
}

// An empty message does not end the stream, and no Read returns 0 bytes for it.
func TestStreamSkipsEmptyMessages(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		go func() {
			for _, p := range []string{"", "", "a", "", "b"} {
				c.WriteMessage(websocket.Binary, []byte(p))
			}
		}()
		in := websocket.Stream(s, websocket.Binary)
		if n, err := in.Read(nil); n != 0 || err != nil {
			t.Errorf("Read of no bytes: %d, %v; expected it to return at once", n, err)
		}
		for _, want := range []string{"a", "b"} {
			p := make([]byte, 10)
			if n, err := in.Read(p); string(p[:n]) != want || err != nil {
				t.Errorf("Read: %q, %v; expected %q", p[:n], err, want)
			}
		}
	})
}

// A Read that gives up in the middle of a message loses nothing.
func TestStreamReadDeadline(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		frame, _ := websocket.AppendMessage(nil, websocket.RFC6455, websocket.ClientSide, websocket.Binary, []byte("hello"))
		in := websocket.Stream(s, websocket.Binary)
		p := make([]byte, 10)
		go c.NetConn().Write(frame[:len(frame)-2])
		n, err := io.ReadAtLeast(in, p, 3)
		if string(p[:n]) != "hel" || err != nil {
			t.Fatalf("Read of half a message: %q, %v; expected \"hel\"", p[:n], err)
		}
		in.SetReadDeadline(time.Now().Add(time.Second))
		_, err = in.Read(p)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Read at the deadline: %v; expected a net.Error that is a timeout", err)
		}
		in.SetReadDeadline(time.Time{})
		go c.NetConn().Write(frame[len(frame)-2:])
		if n, err := io.ReadAtLeast(in, p, 2); string(p[:n]) != "lo" || err != nil {
			t.Errorf("Read after it: %q, %v; expected the rest, \"lo\"", p[:n], err)
		}
	})
}

func TestStreamOfAMissingType(t *testing.T) {
	pairInBubble(t, websocket.Hixie75, func(t *testing.T, c, s *websocket.Conn) {
		if _, err := websocket.Stream(c, websocket.Binary).Write([]byte("x")); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Write of binary on hixie-75: %v; expected errors.ErrUnsupported", err)
		}
	})
}
