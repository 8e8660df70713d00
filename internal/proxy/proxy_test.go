package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/proxy"
	"golang.org/x/net/http/httpproxy"
)

// checkProxyError wants err to have this prefix and contain want, or to be nil
// if want is empty, and never to show the word secret.
func checkProxyError(t *testing.T, err error, want, prefix string) {
	t.Helper()
	switch {
	case want == "" && err == nil:
	case want == "" || err == nil:
		t.Errorf("error %v, want one with %q (none if empty)", err, want)
	case !strings.HasPrefix(err.Error(), prefix) || !strings.Contains(err.Error(), want):
		t.Errorf("error %q, want prefix %q and %q in it", err, prefix, want)
	case strings.Contains(err.Error(), "secret"):
		t.Errorf("error %q shows the password", err)
	}
}

func TestDialRejectsInput(t *testing.T) {
	good := func(s string) *url.URL { return mustURL(t, s) }
	p := good("http://u:secret@p.test")
	tests := []struct {
		name  string
		proxy *url.URL
		addr  string
		want  string
	}{
		{"unknown scheme", good("ftp://u:secret@p.test"), "a.test:80", `scheme "ftp", want http, https, socks5 or socks5h`},
		{"no scheme", good("//u:secret@p.test"), "a.test:80", `scheme ""`},
		{"socks4", good("socks4://u:secret@p.test"), "a.test:80", `scheme "socks4"`},
		{"empty URL", &url.URL{}, "a.test:80", `scheme ""`},
		{"proxy without host", good("http://u:secret@"), "a.test:80", `host ""`},
		{"opaque proxy URL", good("http:p.test:80"), "a.test:80", `host ""`},
		{"proxy port 0", good("http://p.test:0"), "a.test:80", `host "p.test:0"`},
		{"proxy port too high", good("http://p.test:65536"), "a.test:80", `host "p.test:65536"`},
		{"proxy name not ASCII", good("http://prox\u00fd.test"), "a.test:80", "want an ASCII name"},
		{"CR LF in proxy host", &url.URL{Scheme: "https", Host: "p\r\n.test"}, "a.test:80", `host "p\r\n.test"`},
		{"credentials in proxy host", &url.URL{Scheme: "http", Host: "u:secret@p.test"}, "a.test:80", `host "p.test"`},
		{"CR LF in user", &url.URL{Scheme: "http", Host: "p.test", User: url.UserPassword("u\r\n", "secret")}, "a.test:80", "control character"},
		{"NUL in password", &url.URL{Scheme: "socks5", Host: "p.test", User: url.UserPassword("u", "secret\x00")}, "a.test:80", "control character"},
		{"colon in user", &url.URL{Scheme: "HTTPS", Host: "p.test", User: url.UserPassword("u:v", "secret")}, "a.test:80", "colon"},
		{"CR LF in target", p, "a.test\r\nX: y:80", `a.test\r\nX: y:80`},
		{"CR LF in target's port", p, "a.test:80\r\nX-Y: z", "caller gave"},
		{"NUL in target", p, "a\x00.test:80", "caller gave"},
		{"space in target", p, "a .test:80", "caller gave"},
		{"slash in target", p, "a/b:80", "caller gave"},
		{"user in target", p, "u@a.test:80", "caller gave"},
		{"target not ASCII", p, "\u00fd.test:80", "caller gave"},
		{"target without port", p, "a.test", "caller gave"},
		{"target with empty port", p, "a.test:", "caller gave"},
		{"target port 0", p, "a.test:0", "caller gave"},
		{"target port too high", p, "a.test:65536", "caller gave"},
		{"target port not a number", p, "a.test:http", "caller gave"},
		{"target without host", p, ":80", "caller gave"},
		{"empty target", p, "", "caller gave"},
		{"colons that are no address", p, "[a:b]:80", "caller gave"},
		{"name in target longer than DNS and SOCKS can carry", p, strings.Repeat("a", 256) + ":80", "caller gave"},
		{"zone in target", p, "[fe80::1%eth0]:80", "zone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dial := func(context.Context, string, string) (net.Conn, error) {
				t.Error("dialed before the input was checked")
				return nil, errors.New("not to be dialed")
			}
			_, err := proxy.Dial(t.Context(), dial, tt.proxy, tt.addr, proxy.Options{})
			checkProxyError(t, err, tt.want, "")
		})
	}
}

func TestFor(t *testing.T) {
	env := (&httpproxy.Config{HTTPProxy: "http://plain.test:1", HTTPSProxy: "socks5://secure.test:2", NoProxy: ".direct.test,other.test:81"}).ProxyFunc()
	fromEnv := func(r *http.Request) (*url.URL, error) { return env(r.URL) }
	tests := []struct {
		name     string
		proxyFn  func(*http.Request) (*url.URL, error)
		secure   bool
		hostport string
		want     string
	}{
		{"ws", fromEnv, false, "a.test:80", "http://plain.test:1"},
		{"wss", fromEnv, true, "a.test:443", "socks5://secure.test:2"},
		{"excepted host", fromEnv, true, "x.direct.test:443", "<nil>"},
		{"excepted port", fromEnv, false, "other.test:81", "<nil>"},
		{"another port", fromEnv, false, "other.test:80", "http://plain.test:1"},
		{"loopback", fromEnv, false, "[::1]:80", "<nil>"},
		{"fixed", http.ProxyURL(&url.URL{Scheme: "http", Host: "p.test"}), false, "a.test:80", "http://p.test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := proxy.For(tt.proxyFn, tt.secure, tt.hostport)
			if err != nil {
				t.Fatal(err)
			}
			if text := fmt.Sprint(got); text != tt.want {
				t.Errorf("proxy %s, want %s", text, tt.want)
			}
		})
	}
}

// A proxy function may look at more than the URL; what it may look at is there.
func TestForRequest(t *testing.T) {
	_, err := proxy.For(func(r *http.Request) (*url.URL, error) {
		if r.URL.String() != "https://a.test:443/" || r.Host != "a.test:443" || r.Method != "GET" {
			t.Errorf("asked for %s %s, Host %s", r.Method, r.URL, r.Host)
		}
		if major, minor, ok := http.ParseHTTPVersion(r.Proto); !ok || r.ProtoMajor != major || r.ProtoMinor != minor {
			t.Errorf("protocol %q, numbers %d and %d; want the same of both", r.Proto, r.ProtoMajor, r.ProtoMinor)
		}
		if r.Header.Get("X") != "" || r.Context() == nil {
			t.Error("header or context is unusable")
		}
		r.Header.Set("X", "y") // panics on a nil map
		return nil, nil
	}, true, "a.test:443")
	if err != nil {
		t.Fatal(err)
	}
}

func TestForError(t *testing.T) {
	bad := "http://u:secret%" + strings.Repeat("z", 2) + "@p.test"
	_, malformed := url.Parse(bad)
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"plain", errors.New("no PAC file"), "no PAC file"},
		{"with credentials", errors.New("bad http://u:secret@p.test"), "not shown"},
		{"from url.Parse", malformed, "not shown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := proxy.For(func(*http.Request) (*url.URL, error) { return nil, tt.err }, false, "a.test:80")
			checkProxyError(t, err, tt.want, `choosing the proxy for "a.test:80": `)
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v does not wrap the function's", err)
			}
		})
	}
}
