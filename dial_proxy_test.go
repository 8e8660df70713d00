package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

// dialVia returns a Dialer that connects through a proxy, which link plays.
func dialVia(link *pipeLink, proxyURL string) *websocket.Dialer {
	return &websocket.Dialer{DialContext: link.Dial, Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(proxyURL) }}
}

// The refusal of a proxy is a HandshakeError, as that of a server is.
func TestDialProxyRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &pipeLink{Serve: func(c net.Conn) {
			readHead(c)
			io.WriteString(c, "HTTP/1.1 407 Nope\r\nX: y\r\nContent-Length: 3\r\n\r\nwho")
		}}
		_, err := dialVia(link, "http://user:secret@p.test:3128").Dial(t.Context(), "ws://lab.example/")
		refused, ok := err.(*websocket.HandshakeError)
		if !ok || !refused.FromProxy || refused.Status != 407 || refused.Response.StatusCode != 407 || refused.Response.Header.Get("X") != "y" {
			t.Fatalf("error %T %v, want a *HandshakeError with the proxy's response", err, err)
		}
		const want = "websocket: handshake failed with status 407: proxy p.test:3128 refused CONNECT to lab.example:80: want a 2xx status, got 407 Proxy Authentication Required"
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %q, want one that begins with %q", err, want)
		}
		if body, err := io.ReadAll(refused.Response.Body); string(body) != "who" || err != nil {
			t.Errorf("body %q, %v; want who", body, err)
		}
		link.CheckClosed(t)
	})
}

// All other failures of proxies are wrapped, and say which package they come
// from.
func TestDialProxyFails(t *testing.T) {
	failure := errors.New("no route")
	tests := []struct {
		name string
		d    *websocket.Dialer
		want string
	}{
		{"choosing", &websocket.Dialer{Proxy: func(*http.Request) (*url.URL, error) { return nil, failure }}, `websocket: choosing the proxy for "lab.example:80": no route`},
		{"dialing", &websocket.Dialer{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, failure },
			Proxy:       http.ProxyURL(&url.URL{Scheme: "http", Host: "p.test"}),
		}, "websocket: cannot reach proxy p.test:80: no route"},
		{"scheme", &websocket.Dialer{Proxy: http.ProxyURL(&url.URL{Scheme: "ftp", Host: "p.test"})}, `websocket: proxy URL has scheme "ftp", want http, https, socks5 or socks5h`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.d.Dial(t.Context(), "ws://lab.example/")
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if wraps := errors.Is(err, failure); wraps != strings.Contains(tt.want, failure.Error()) {
				t.Errorf("the error wraps what the caller's function returned: %t", wraps)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		link := &pipeLink{Serve: func(c net.Conn) { readHead(c) }}
		_, err := dialVia(link, "http://p.test").Dial(t.Context(), "ws://lab.example/")
		const want = "websocket: proxy p.test:80: incomplete answer to CONNECT after 0 bytes: unexpected EOF"
		if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v, want %q", err, want)
		}
	})
}
