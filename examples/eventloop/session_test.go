package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

var versions = []websocket.Version{
	websocket.RFC6455, websocket.Hybi10, websocket.Hybi07, websocket.Hybi00, websocket.Hixie75,
}

func hixie(v websocket.Version) bool { return v == websocket.Hybi00 || v == websocket.Hixie75 }

// client is the client of a session. It does no I/O either.
type client struct {
	t         *testing.T
	version   websocket.Version
	handshake *websocket.ClientHandshake
	parser    *websocket.Parser
}

func newClient(t *testing.T, v websocket.Version) *client {
	t.Helper()
	h, err := websocket.NewClientHandshake(&websocket.Dialer{Version: v}, "ws://example.com/chat?x=1")
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, version: v, handshake: h}
}

func (c *client) request() []byte { return c.handshake.AppendRequest(nil) }

func (c *client) message(typ websocket.MessageType, text string) []byte {
	c.t.Helper()
	p, err := websocket.AppendMessage(nil, c.version, websocket.ClientSide, typ, []byte(text))
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (c *client) closing(code websocket.StatusCode) []byte {
	c.t.Helper()
	p, err := websocket.AppendClose(nil, c.version, websocket.ClientSide, code, "")
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// receive takes bytes from the server and returns the messages in them, each
// as "type: payload".
func (c *client) receive(p []byte) (got []string) {
	c.t.Helper()
	if c.parser == nil {
		n, err := c.handshake.Feed(p)
		if err != nil {
			c.t.Fatalf("response of the server: %v", err)
		}
		if !c.handshake.Done() {
			return nil
		}
		p, c.parser = p[n:], c.handshake.Parser()
	}
	c.parser.Append(p)
	for {
		m, err := c.parser.Next()
		switch {
		case errors.Is(err, websocket.ErrIncomplete):
			return got
		case err != nil:
			c.t.Fatalf("frames of the server, after %q: %v", got, err)
		case m.Type == websocket.Close:
			return append(got, m.Type.String()+": "+m.CloseError().Code.String())
		}
		got = append(got, m.Type.String()+": "+string(m.Data))
	}
}

// TestSessionInPiecesOfAnySize has the same conversation in every version. The
// client's bytes arrive in pieces of several sizes, from single bytes to all at
// once, with the messages in the same piece as the request.
func TestSessionInPiecesOfAnySize(t *testing.T) {
	long := strings.Repeat("Grüße, 世界 ", 500)
	for _, v := range versions {
		for _, size := range []int{1, 2, 7, 1000, 1 << 20} {
			t.Run(v.String(), func(t *testing.T) {
				c := newClient(t, v)
				sent := slices.Concat(c.request(), c.message(websocket.Text, "Hello"), c.message(websocket.Text, ""), c.message(websocket.Text, long))
				want := []string{"Text: Hello", "Text: ", "Text: " + long}
				if !hixie(v) {
					sent = slices.Concat(sent, c.message(websocket.Binary, "\x00\xff"), c.message(websocket.Pong, "?"), c.message(websocket.Ping, "hi"), c.closing(4000))
					want = append(want, "Binary: \x00\xff", "Pong: hi", "Close: 4000")
				}
				s := newSession(new(websocket.Upgrader), "192.0.2.1:1")
				var got []string
				for piece := range slices.Chunk(sent, size) {
					got = append(got, c.receive(s.receive(nil, piece))...)
				}
				if !slices.Equal(got, want) {
					t.Errorf("in pieces of %d bytes, the answers were %.200q; expected %.200q", size, got, want)
				}
				if ended := s.err != nil; ended == hixie(v) {
					t.Errorf("session over: %v (%v), expected %v", ended, s.err, !ended)
				}
			})
		}
	}
}

// TestHeadIsAnsweredBeforeKey3 checks what hixie-76 needs to work through
// proxies: some do not send the 8 bytes after the head before they have seen
// the head of the answer.
func TestHeadIsAnsweredBeforeKey3(t *testing.T) {
	c := newClient(t, websocket.Hybi00)
	request := c.request()
	head, key3 := request[:len(request)-8], request[len(request)-8:]
	s := newSession(new(websocket.Upgrader), "192.0.2.1:1")
	first := s.receive(nil, head)
	if !bytes.HasSuffix(first, []byte("\r\n\r\n")) || s.open() {
		t.Fatalf("answer to the head alone: %q, open: %v; expected a head and not open", first, s.open())
	}
	second := s.receive(nil, key3)
	if len(second) != 16 || !s.open() {
		t.Fatalf("answer to the 8 bytes: %d bytes, open: %v; expected 16, and open", len(second), s.open())
	}
}

func TestSessionEndsOverWhatThePeerDoes(t *testing.T) {
	tests := []struct {
		name string
		v    websocket.Version
		in   string // after the handshake
		want string // the Close frame
	}{
		{"unmasked frame", websocket.RFC6455, "\x81\x02Hi", "\x88\x02\x03\xea"},
		{"reserved opcode", websocket.Hybi07, "\x83\x80abcd", "\x88\x02\x03\xea"},
		{"text that is not UTF-8", websocket.Hybi10, "\x81\x81\x00\x00\x00\x00\xff", "\x88\x02\x03\xef"},
		{"message too big", websocket.RFC6455, "\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00abcd", "\x88\x02\x03\xf1"},
		{"Close without a code", websocket.RFC6455, "\x88\x80abcd", "\x88\x00"},
		{"Close with 1004, of old once", websocket.Hybi07, "\x88\x82\x00\x00\x00\x00\x03\xec", "\x88\x02\x03\xe8"},
		{"data after Close", websocket.RFC6455, "\x88\x80abcd\x81\x80abcd", "\x88\x00"},
		{"closing frame of hixie-76", websocket.Hybi00, "\xff\x00", "\xff\x00"},
		{"endless length", websocket.Hixie75, "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSession(new(websocket.Upgrader), "192.0.2.1:1")
			s.receive(nil, newClient(t, tt.v).request())
			if !s.open() {
				t.Fatalf("the handshake failed: %v", s.err)
			}
			got := s.receive([]byte("before "), []byte(tt.in))
			if want := "before " + tt.want; string(got) != want {
				t.Errorf("to be sent: %q, expected %q", got, want)
			}
			if s.err == nil {
				t.Error("the session goes on")
			}
		})
	}
}

func TestSessionRefuses(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"no WebSocket", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "HTTP/1.1 426 "},
		{"unknown version", "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 99\r\n\r\n", "HTTP/1.1 426 "},
		{"another method", "POST / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 405 "},
		{"not HTTP", "EHLO example.com\r\n\r\n", "HTTP/1.1 400 "},
		{"endless header", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<20), "HTTP/1.1 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSession(new(websocket.Upgrader), "192.0.2.1:1")
			got := s.receive(nil, []byte(tt.in))
			if !strings.HasPrefix(string(got), tt.want) {
				t.Errorf("answer %.100q, expected it to begin %q", got, tt.want)
			}
			if s.err == nil || s.open() {
				t.Errorf("error %v, open: %v; expected a refusal", s.err, s.open())
			}
		})
	}
}

func TestSessionEndedByTheServer(t *testing.T) {
	cause := errors.New("cause")
	end := func(s *session) string {
		return string(s.end(nil, cause, websocket.StatusGoingAway, 503))
	}
	t.Run("before the handshake", func(t *testing.T) {
		s := newSession(new(websocket.Upgrader), "192.0.2.1:1")
		if got := end(&s); !strings.HasPrefix(got, "HTTP/1.1 503 ") || s.err != cause {
			t.Errorf("to be sent: %q, error %v; expected status 503 and the cause", got, s.err)
		}
		if got := end(&s); got != "" {
			t.Errorf("to be sent when ended again: %q", got)
		}
	})
	for _, v := range versions {
		want := "\x88\x02\x03\xe9"
		switch v {
		case websocket.Hybi00:
			want = "\xff\x00"
		case websocket.Hixie75:
			want = ""
		}
		t.Run(v.String(), func(t *testing.T) {
			s := newSession(new(websocket.Upgrader), "192.0.2.1:1")
			s.receive(nil, newClient(t, v).request())
			if got := end(&s); got != want || s.err != cause {
				t.Errorf("to be sent: %q, error %v; expected %q and the cause", got, s.err, want)
			}
		})
	}
}
