package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/proxy"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

func TestDialConnectUserAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var request string
		link := &testkit.PipeLink{Serve: connectProxy(&request, "HTTP/1.1 200 OK\r\n\r\n")}
		conn, err := proxy.Dial(t.Context(), link.Dial, mustURL(t, "http://u@p.test"), "a.test:80", proxy.Options{UserAgent: "meter/2"})
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		const want = "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nUser-Agent: meter/2\r\nProxy-Authorization: Basic dTo=\r\n\r\n"
		if request != want {
			t.Errorf("request %q, want %q", request, want)
		}
	})
}

func TestDialConnect(t *testing.T) {
	const ok = "HTTP/1.1 200 Connection established\r\n\r\n"
	const plainRequest = "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n"
	longHead := "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", httphead.MaxBytes-24) + "\r\n\r\n"
	tests := []struct {
		name        string
		proxy       string
		addr        string
		answer      []string
		wantDial    string
		wantRequest string
		wantRest    string
	}{
		{"plain", "http://p.test:3128", "a.test:80", []string{ok}, "tcp p.test:3128", plainRequest, ""},
		{"default port", "http://p.test", "a.test:80", []string{ok}, "tcp p.test:80", plainRequest, ""},
		{"proxy on IPv6", "http://[::1]:3128", "a.test:80", []string{ok}, "tcp [::1]:3128", plainRequest, ""},
		{"target on IPv6", "http://p.test", "[2001:db8::1]:443", []string{ok}, "tcp p.test:80",
			"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n", ""},
		{"credentials", "http://Aladdin:open%20sesame@p.test", "a.test:80", []string{ok}, "tcp p.test:80",
			"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n", ""},
		{"user without password", "http://u@p.test", "a.test:80", []string{ok}, "tcp p.test:80",
			"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nProxy-Authorization: Basic dTo=\r\n\r\n", ""},
		{"other 2xx", "http://p.test", "a.test:80", []string{"HTTP/1.0 204 Fine\r\nVia: x\r\n\r\n"}, "tcp p.test:80", plainRequest, ""},
		{"interim responses", "http://p.test", "a.test:80", []string{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP", ok[4:] + "early"},
			"tcp p.test:80", plainRequest, "early"},
		{"interim responses at once", "http://p.test", "a.test:80", []string{strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", httphead.MaxInterim) + ok},
			"tcp p.test:80", plainRequest, ""},
		{"bare line feeds", "http://p.test", "a.test:80", []string{"HTTP/1.1 200 OK\nVia: x\n\n"}, "tcp p.test:80", plainRequest, ""},
		{"drip-fed", "http://p.test", "a.test:80", strings.Split(ok, ""), "tcp p.test:80", plainRequest, ""},
		{"head of 64 KiB", "http://p.test", "a.test:80", []string{longHead}, "tcp p.test:80", plainRequest, ""},
		{"body announced", "http://p.test", "a.test:80", []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"}, "tcp p.test:80", plainRequest, ""},
		{"tunnel bytes in the same segment", "http://p.test", "a.test:80", []string{ok + "early"}, "tcp p.test:80", plainRequest, "early"},
		{"tunnel bytes and a body announced", "http://p.test", "a.test:80",
			[]string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nearly"}, "tcp p.test:80", plainRequest, "early"},
		{"tunnel bytes with the last byte of the head", "http://p.test", "a.test:80",
			[]string{ok[:len(ok)-1], "\n\r\n\r\nearly"}, "tcp p.test:80", plainRequest, "\r\n\r\nearly"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var request string
				link := &testkit.PipeLink{Serve: connectProxy(&request, tt.answer...)}
				conn, err := proxy.Dial(t.Context(), link.Dial, mustURL(t, tt.proxy), tt.addr, proxy.Options{})
				if err != nil {
					t.Fatalf("Dial: %v", err)
				}
				defer conn.Close()
				if link.Addr != tt.wantDial {
					t.Errorf("dialed %q, want %q", link.Addr, tt.wantDial)
				}
				if plain := conn == link.Client; plain != (tt.wantRest == "") {
					t.Errorf("the dialed connection itself was returned: %v; want that only if no bytes are left over", plain)
				}
				rest := make([]byte, len(tt.wantRest))
				for i := range rest { // one at a time: leftovers survive short reads
					if _, err := io.ReadFull(conn, rest[i:i+1]); err != nil {
						t.Fatalf("reading leftover byte %d: %v", i, err)
					}
				}
				if string(rest) != tt.wantRest {
					t.Errorf("tunnel began with %q, want %q", rest, tt.wantRest)
				}
				checkEcho(t, conn)
				if request != tt.wantRequest {
					t.Errorf("request:\n%q, want\n%q", request, tt.wantRequest)
				}
			})
		})
	}
}

func TestDialRefused(t *testing.T) {
	long := strings.Repeat("b", 2*httphead.MaxBody)
	tests := []struct {
		name     string
		answer   []string
		status   int
		wantBody string
		wantWait time.Duration
	}{
		{"407", []string{"HTTP/1.1 407 Nope\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nwho"}, 407, "who", 0},
		{"body in its own segment", []string{"HTTP/1.1 403 Nope\r\nContent-Length: 3\r\n\r\n", "w", "ho"}, 403, "who", 0},
		{"body beyond 1 KiB", []string{"HTTP/1.1 502 Nope\r\n\r\n" + long}, 502, long[:httphead.MaxBody], 0},
		{"chunked body", []string{"HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwho\r\n0\r\n\r\n"}, 503, "who", 0},
		{"body that never comes", []string{"HTTP/1.1 407 Nope\r\nContent-Length: 3\r\n\r\nw"}, 407, "w", httphead.BodyWait},
		{"redirect", []string{"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n"}, 302, "", 0},
		{"101", []string{"HTTP/1.1 101 Switching Protocols\r\n\r\n"}, 101, "", 0},
		{"reason phrase with controls", []string{"HTTP/1.1 500 \x1b[2J\r\nContent-Length: 0\r\n\r\n"}, 500, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var request string
				link := &testkit.PipeLink{Serve: connectProxy(&request, tt.answer...)}
				start := time.Now()
				_, err := proxy.Dial(t.Context(), link.Dial, mustURL(t, "http://user:secret@p.test:3128"), "a.test:80", proxy.Options{})
				var refusal *proxy.Refusal
				if !errors.As(err, &refusal) {
					t.Fatalf("error is %T (%v), want *proxy.Refusal", err, err)
				}
				if err != error(refusal) {
					t.Errorf("error %q is wrapped once more, want the *proxy.Refusal itself", err)
				}
				link.CheckClosed(t)
				if wait := time.Since(start); wait != tt.wantWait {
					t.Errorf("took %v, want %v; look at how the body is awaited", wait, tt.wantWait)
				}
				if got := refusal.Response.StatusCode; got != tt.status {
					t.Errorf("status %d, want %d", got, tt.status)
				}
				body, err := io.ReadAll(refusal.Response.Body)
				if err != nil || string(body) != tt.wantBody {
					t.Errorf("body of %d bytes %.20q, %v; want %d bytes %.20q", len(body), body, err, len(tt.wantBody), tt.wantBody)
				}
				checkRefusalText(t, refusal)
			})
		})
	}
}

// checkRefusalText looks for the proxy's name in the error, and everywhere
// else for its password and for bytes that the proxy chose.
func checkRefusalText(t *testing.T, refusal *proxy.Refusal) {
	t.Helper()
	text := refusal.Error()
	if !strings.Contains(text, "p.test:3128") || !strings.Contains(text, "refused") {
		t.Errorf("error %q does not say that proxy p.test:3128 refused", text)
	}
	dump := fmt.Sprintf("%s %+v %+v", text, refusal.Response.Request, refusal.Response.Request.Header)
	for _, leak := range []string{"user", "secret", "dXNlcjpzZWNyZXQ=", "Nope", "\x1b"} {
		if strings.Contains(dump, leak) {
			t.Errorf("%q shows up in %q", leak, dump)
		}
	}
}

func TestDialBadAnswer(t *testing.T) {
	endless := func(c net.Conn) {
		testkit.ReadHead(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(c, "X-Filler: 0123456789\r\n"); err != nil {
				return
			}
		}
	}
	answering := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			testkit.ReadHead(c)
			io.WriteString(c, answer)
		}
	}
	tests := []struct {
		name    string
		serve   func(net.Conn)
		want    string
		wantErr error
	}{
		{"endless interim responses", answering(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000)), "interim responses", nil},
		{"endless header", endless, "exceeds 65536 bytes", nil},
		{"one byte over the limit", answering("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", httphead.MaxBytes-23) + "\r\n\r\n"), "exceeds 65536 bytes", nil},
		{"closed before the request", func(net.Conn) {}, "sending CONNECT", io.ErrClosedPipe},
		{"closed before the answer", answering(""), "after 0 bytes", io.ErrUnexpectedEOF},
		{"closed within the head", answering("HTTP/1.1 200 OK\r\n"), "after 17 bytes", io.ErrUnexpectedEOF},
		{"not HTTP", answering("SSH-2.0-x\r\n\r\n"), "other than HTTP/1", nil},
		{"TLS", answering("\x15\x03\x01\n\n"), "other than HTTP/1", nil},
		{"greeting of a server that waits", func(nc net.Conn) {
			testkit.ReadHead(nc)
			io.WriteString(nc, "SSH-2.0-x\r\n")
			io.Copy(io.Discard, nc)
		}, "other than HTTP/1", nil},
		{"empty line first", answering("\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), "other than HTTP/1", nil},
		{"bad header line", answering("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), "other than HTTP/1", nil},
		{"long first line", answering(strings.Repeat("\x1b", 4000) + "\n\n"), "other than HTTP/1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &testkit.PipeLink{Serve: tt.serve}
				_, err := proxy.Dial(t.Context(), link.Dial, mustURL(t, "http://user:secret@p.test:3128"), "a.test:80", proxy.Options{})
				if err == nil {
					t.Fatal("Dial took the answer for success")
				}
				link.CheckClosed(t)
				if tt.wantErr != nil && !errors.Is(err, tt.wantErr) {
					t.Errorf("error %v does not wrap %v", err, tt.wantErr)
				}
				text := err.Error()
				if !strings.HasPrefix(text, "proxy p.test:3128: ") || !strings.Contains(text, tt.want) {
					t.Errorf("error %q, want one about proxy p.test:3128 with %q", text, tt.want)
				}
				if len(text) > 600 || strings.Contains(text, "secret") || strings.Contains(text, "\x1b") {
					t.Errorf("error is long, raw or shows the password: %q", text)
				}
			})
		})
	}
}

func TestDialDialFails(t *testing.T) {
	failure := errors.New("no route")
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if ctx.Value(key{}) != "mine" {
			t.Error("dial got another context than the caller's")
		}
		return nil, failure
	}
	for _, proxyURL := range []string{"http://u:secret@p.test:1", "https://u:secret@p.test:1", "socks5://u:secret@p.test:1"} {
		_, err := proxy.Dial(ctx, dial, mustURL(t, proxyURL), "a.test:80", proxy.Options{})
		if !errors.Is(err, failure) || !strings.Contains(err.Error(), "p.test:1") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one that names p.test:1 and wraps %v", proxyURL, err, failure)
		}
	}
}
