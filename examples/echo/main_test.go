package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

var versions = []websocket.Version{
	websocket.RFC6455, websocket.Hybi10, websocket.Hybi07, websocket.Hybi00, websocket.Hixie75,
}

// program is a running instance of the program.
type program struct {
	host  string // host:port, from the line that is printed
	stop  context.CancelFunc
	ended chan error
}

// start runs the program on a free port until the end of the test.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	p := &program{stop: stop, ended: make(chan error, 1)}
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), stdout, io.Discard)
		stdout.CloseWithError(io.EOF)
		p.ended <- err
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	m := regexp.MustCompile(`^Open http://(127\.0\.0\.1:\d+)/ .* ws://(\S+)/\. `).FindStringSubmatch(line)
	if m == nil || m[1] != m[2] {
		t.Fatalf("the first line of output is %q (%v): expected it to say where to go", line, err)
	}
	p.host = m[1]
	t.Cleanup(stop)
	return p
}

func (p *program) dial(t *testing.T, v websocket.Version, target string) *websocket.Conn {
	t.Helper()
	d := websocket.Dialer{Version: v}
	c, err := d.Dial(t.Context(), "ws://"+p.host+target)
	if err != nil {
		t.Fatalf("dial %s%s: %v", p.host, target, err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second)) // a lost echo should not hang the test
	t.Cleanup(func() { c.Close() })
	return c
}

func expect(t *testing.T, c *websocket.Conn, typ websocket.MessageType, want string) {
	t.Helper()
	got, p, err := c.ReadMessage()
	if err != nil || got != typ || string(p) != want {
		t.Fatalf("received %v %.80q, error %v; expected %v %.80q", got, p, err, typ, want)
	}
}

func TestEchoInEveryVersion(t *testing.T) {
	p := start(t)
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			c := p.dial(t, v, "/any/path?x=1")
			for _, text := range []string{"Hello", "", "Grüße, 世界 😀", strings.Repeat("long ", 50_000)} {
				if err := c.WriteMessage(websocket.Text, []byte(text)); err != nil {
					t.Fatalf("write text: %v", err)
				}
				expect(t, c, websocket.Text, text)
			}
			err := c.WriteMessage(websocket.Binary, []byte("\x00\xff"))
			if v == websocket.Hybi00 || v == websocket.Hixie75 {
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Fatalf("write binary: error %v, expected one that wraps errors.ErrUnsupported", err)
				}
				return
			}
			expect(t, c, websocket.Binary, "\x00\xff")
		})
	}
}

func TestManyMessagesAtOnceComeBackInOrder(t *testing.T) {
	p := start(t)
	c := p.dial(t, websocket.RFC6455, "/")
	words := strings.Fields(strings.Repeat("one two three four five ", 500))
	for _, w := range words {
		if err := c.BufferMessage(websocket.Text, []byte(w)); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range words { // the first read flushes
		expect(t, c, websocket.Text, w)
	}
}

func TestVersionIsAnnouncedWhereAsked(t *testing.T) {
	p := start(t)
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			c := p.dial(t, v, "/?version")
			expect(t, c, websocket.Text, v.String())
		})
	}
}

func TestPage(t *testing.T) {
	p := start(t)
	tests := []struct {
		name, path string
		status     int
		mediaType  string
		contains   string
	}{
		{"page", "/", http.StatusOK, "text/html; charset=utf-8", "<title>WebSocket echo</title>"},
		{"no WebSocket asked for", "/chat", http.StatusUpgradeRequired, "text/plain; charset=utf-8", "Upgrade"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := http.Get("http://" + p.host + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatalf("body: %v", err)
			}
			if resp.StatusCode != tt.status || resp.Header.Get("Content-Type") != tt.mediaType {
				t.Errorf("status %d, type %q; expected %d, %q", resp.StatusCode, resp.Header.Get("Content-Type"), tt.status, tt.mediaType)
			}
			if !strings.Contains(string(body), tt.contains) {
				t.Errorf("body lacks %q: %.200q", tt.contains, body)
			}
		})
	}
}

// TestPageLoadsNothingFromElsewhere keeps the page usable without a network.
func TestPageLoadsNothingFromElsewhere(t *testing.T) {
	if m := regexp.MustCompile(`(?i)(src|href|url|import|@import)\s*[=(]\s*["']?(https?:)?//[^"' ]+`).Find(page); m != nil {
		t.Errorf("the page refers to %s", m)
	}
}

func TestVersionsFlag(t *testing.T) {
	p := start(t, "-versions", "hixie-75, draft-ietf-hybi-10")
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			d := websocket.Dialer{Version: v}
			c, err := d.Dial(t.Context(), "ws://"+p.host+"/")
			if v == websocket.Hixie75 || v == websocket.Hybi10 {
				if err != nil {
					t.Fatalf("dial: %v", err)
				}
				c.Close()
				return
			}
			var refused *websocket.HandshakeError
			if !errors.As(err, &refused) || refused.Status != http.StatusUpgradeRequired {
				t.Fatalf("dial: error %v, expected a refusal with status 426", err)
			}
		})
	}
}

// TestShutdown ends the program while clients of every version wait for
// messages, and another client has a connection but never sends a request.
func TestShutdown(t *testing.T) {
	p := start(t)
	silent, err := net.Dial("tcp", p.host)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	conns := make([]*websocket.Conn, len(versions))
	for i, v := range versions {
		conns[i] = p.dial(t, v, "/?version")
		expect(t, conns[i], websocket.Text, v.String())
	}
	p.stop()
	for i, c := range conns {
		want := websocket.StatusGoingAway
		if i >= 3 {
			want = websocket.StatusNoStatusReceived // these versions have no codes
		}
		_, _, err := c.ReadMessage()
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != want {
			t.Errorf("%v: read after the shutdown: %v, expected a CloseError with %v", versions[i], err, want)
		}
	}
	select {
	case err := <-p.ended:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(shutdownTimeout):
		t.Error("the program did not end, though all clients had")
	}
	if c, err := net.Dial("tcp", p.host); err == nil {
		c.Close()
		t.Error("the port is still open after the end")
	}
}

func TestMistakesAreExplained(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().String()
	tests := []struct {
		name     string
		args     []string
		usage    bool
		contains []string // in what the user sees
	}{
		{"unknown version", []string{"-versions", "rfc6455,hybi-05"}, true, []string{`"hybi-05"`, "-versions", "hixie-75"}},
		{"empty list", []string{"-versions", ""}, true, []string{"unknown version"}},
		{"unknown flag", []string{"-port", "80"}, true, []string{"-port", "-addr host:port"}},
		{"argument", []string{"8080"}, true, []string{`"8080"`, "-addr host:port"}},
		{"port in use", []string{"-addr", port}, false, []string{port, "-addr", "in use"}},
		{"no address", []string{"-addr", "nowhere"}, false, []string{`nowhere`, "-addr"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stderr strings.Builder
			err := run(t.Context(), tt.args, io.Discard, &stderr)
			var usage usageError
			if err == nil || errors.As(err, &usage) != tt.usage {
				t.Fatalf("error %v, a mistake of usage: %v; expected %v", err, !tt.usage, tt.usage)
			}
			seen := stderr.String()
			if !tt.usage { // main prints these
				seen += err.Error()
			}
			for _, s := range tt.contains {
				if !strings.Contains(seen, s) {
					t.Errorf("the message lacks %q: %s", s, seen)
				}
			}
		})
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	err := run(t.Context(), []string{"-h"}, io.Discard, io.Discard)
	if !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error %v, expected flag.ErrHelp, which main treats as success", err)
	}
}

func TestOpenableHost(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"0.0.0.0:8080", "localhost:8080"},
		{"[::]:80", "localhost:80"},
		{"192.0.2.1:8080", "192.0.2.1:8080"},
		{"[::1]:8080", "[::1]:8080"},
	}
	for _, tt := range tests {
		if got := openableHost(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tt.addr))); got != tt.want {
			t.Errorf("openableHost(%s) = %s, expected %s", tt.addr, got, tt.want)
		}
	}
}
