package origin_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/origin"
)

func TestSame(t *testing.T) {
	for _, tt := range []struct {
		name, origin, host string
		secure             bool
		reason             string // of the refusal; empty if the two match
	}{
		{name: "same", origin: "http://a", host: "a"},
		{name: "same over TLS", origin: "https://a", host: "a", secure: true},
		{name: "TLS ends at a proxy", origin: "https://a", host: "a"},
		{name: "http page over TLS", origin: "http://a", host: "a", secure: true, reason: "https origin"},
		{name: "http page over TLS, ports alike", origin: "http://a:443", host: "a:443", secure: true, reason: "https origin"},
		{name: "another host", origin: "http://b", host: "a", reason: "same host"},
		{name: "subdomain", origin: "http://x.a", host: "a", reason: "same host"},
		{name: "parent domain", origin: "http://a", host: "x.a", reason: "same host"},
		{name: "host is a prefix", origin: "http://a.evil.example", host: "a", reason: "same host"},
		{name: "host is a suffix", origin: "http://evil-a", host: "a", reason: "same host"},

		{name: "upper-case scheme", origin: "HTTP://a", host: "a"},
		{name: "upper-case origin host", origin: "http://EXAMPLE.com", host: "example.com"},
		{name: "upper-case Host", origin: "http://example.com", host: "Example.COM"},
		{name: "Kelvin sign for a k", origin: "http://\u212a", host: "k", reason: "visible ASCII"},
		{name: "Kelvin sign in Host", origin: "http://k", host: "\u212a", reason: "in Host"},
		{name: "long s in the scheme", origin: "http\u017f://a", host: "a", reason: "visible ASCII"},

		{name: "port on both", origin: "http://a:8080", host: "a:8080"},
		{name: "other port", origin: "http://a:8080", host: "a:8081", reason: "expected port 8081 in Origin, got 8080"},
		{name: "port on origin only", origin: "http://a:8080", host: "a", reason: "expected port 80"},
		{name: "port on Host only", origin: "http://a", host: "a:8080", reason: "expected port 8080"},
		{name: "http default on origin", origin: "http://a:80", host: "a"},
		{name: "http default on Host", origin: "http://a", host: "a:80"},
		{name: "https default on origin", origin: "https://a:443", host: "a"},
		{name: "https default on Host", origin: "https://a", host: "a:443"},
		{name: "http page, Host on 443", origin: "http://a", host: "a:443", reason: "expected port 443"},
		{name: "https page, Host on 80", origin: "https://a", host: "a:80", reason: "expected port 80"},
		{name: "http page on 443, Host without port", origin: "http://a:443", host: "a", reason: "expected port 80"},
		{name: "empty port in Host", origin: "http://a", host: "a:"},
		{name: "empty port in origin", origin: "http://a:", host: "a", reason: "after the colon"},
		{name: "port 0", origin: "http://a:0", host: "a:0", reason: "1 to 65535"},
		{name: "port too high", origin: "http://a:65536", host: "a:65536", reason: "1 to 65535"},
		{name: "port equal modulo 65536", origin: "http://a:65616", host: "a", reason: "1 to 65535"},
		{name: "port with sign", origin: "http://a:+80", host: "a", reason: "1 to 65535"},
		{name: "named port", origin: "http://a:http", host: "a", reason: "1 to 65535"},
		{name: "two ports", origin: "http://a:80:80", host: "a", reason: "1 to 65535"},
		{name: "two ports in Host", origin: "http://a", host: "a:80:", reason: "in Host"},
		{name: "bad port in Host", origin: "http://a", host: "a:x", reason: "in Host"},

		{name: "missing", origin: "", host: "a", reason: "got none"},
		{name: "null", origin: "null", host: "a", reason: "no origin or hides it"},
		{name: "null as the host", origin: "null", host: "null", reason: "no origin or hides it"},
		{name: "undefined", origin: "undefined", host: "undefined", reason: "http:// or https://"},
		{name: "host alone", origin: "a", host: "a", reason: "http:// or https://"},
		{name: "host and port alone", origin: "a:80", host: "a", reason: "http:// or https://"},
		{name: "ws scheme", origin: "ws://a", host: "a"},
		{name: "ws scheme and default port", origin: "ws://a:80", host: "a"},
		{name: "wss scheme", origin: "wss://a", host: "a"},
		{name: "wss scheme over TLS", origin: "WSS://A", host: "a:443", secure: true},
		{name: "ws scheme over TLS", origin: "ws://a", host: "a", secure: true, reason: "https origin"},
		{name: "ws scheme over TLS, ports alike", origin: "ws://a:443", host: "a:443", secure: true, reason: "https origin"},
		{name: "ws scheme, Host on 443", origin: "ws://a", host: "a:443", reason: "expected port 443"},
		{name: "wss scheme, Host on 80", origin: "wss://a", host: "a:80", reason: "expected port 80"},
		{name: "wss scheme, another host", origin: "wss://b", host: "a", reason: "does it pass Host?"},
		{name: "wss scheme and path", origin: "wss://a/chat", host: "a", reason: "no path"},
		{name: "long s in ws", origin: "w\u017f://a", host: "a", reason: "visible ASCII"},
		{name: "wsss", origin: "wsss://a", host: "a", reason: "http:// or https://"},
		{name: "file", origin: "file://", host: "", reason: "http:// or https://"},
		{name: "extension", origin: "chrome-extension://a", host: "a", reason: "http:// or https://"},
		{name: "scheme alone", origin: "http://", host: "", reason: "in Origin, expected a host"},
		{name: "no host but a port", origin: "http://:80", host: ":80", reason: "in Origin, expected a host"},
		{name: "space around", origin: " http://a", host: "a", reason: "http:// or https://"},

		{name: "user", origin: "http://u@a", host: "a", reason: "user information"},
		{name: "Host as user", origin: "http://a@evil.example", host: "a", reason: "user information"},
		{name: "Host and port as user and password", origin: "http://a:80@evil.example", host: "a", reason: "user information"},
		{name: "user in both", origin: "http://u@a", host: "u@a", reason: "user information"},
		{name: "user in Host", origin: "http://a", host: "u@a", reason: "in Host"},
		{name: "path", origin: "http://a/x", host: "a", reason: "no path"},
		{name: "slash", origin: "http://a/", host: "a", reason: "no path"},
		{name: "three slashes", origin: "http:///a", host: "a", reason: "no path"},
		{name: "backslash", origin: `http://a\.evil.example`, host: "a", reason: "no path"},
		{name: "query", origin: "http://a?x", host: "a", reason: "no query"},
		{name: "fragment", origin: "http://a#x", host: "a", reason: "no fragment"},
		{name: "list with spaces", origin: "http://a http://b", host: "a", reason: "got several"},
		{name: "list with commas", origin: "http://a,http://b", host: "a", reason: "got several"},
		{name: "the same twice", origin: "http://a, http://a", host: "a", reason: "got several"},
		{name: "list in Host", origin: "http://a", host: "a, a", reason: "in Host"},

		{name: "final dot on origin", origin: "http://a.", host: "a", reason: "same host"},
		{name: "final dot on Host", origin: "http://a", host: "a.", reason: "same host"},
		{name: "final dot on both", origin: "http://a.", host: "a."},
		{name: "just a dot", origin: "http://.", host: ".", reason: "single dots"},
		{name: "empty label", origin: "http://a..b", host: "a..b", reason: "single dots"},
		{name: "wildcard", origin: "http://*", host: "*", reason: "letters, digits"},
		{name: "escape", origin: "http://%61", host: "a", reason: "letters, digits"},
		{name: "underscore", origin: "http://my_app:3000", host: "my_app:3000"},
		{name: "punycode", origin: "http://xn--bcher-kva.example", host: "xn--bcher-kva.example"},
		{name: "non-ASCII", origin: "http://bücher.example", host: "bücher.example", reason: "xn--"},
		{name: "invalid UTF-8", origin: "http://a\xff", host: "a\xff", reason: "visible ASCII"},
		{name: "NUL", origin: "http://a\x00", host: "a", reason: "visible ASCII"},
		{name: "line break", origin: "http://a\r\nX: y", host: "a", reason: "visible ASCII"},
		{name: "DEL", origin: "http://a\x7f", host: "a", reason: "visible ASCII"},
		{name: "tab", origin: "http://a\t", host: "a", reason: "visible ASCII"},
		{name: "line break in Host", origin: "http://a", host: "a\r\n", reason: "in Host"},

		{name: "IPv4", origin: "http://127.0.0.1:81", host: "127.0.0.1:81"},
		{name: "IPv6", origin: "http://[::1]", host: "[::1]"},
		{name: "IPv6 and port", origin: "https://[::1]:8443", host: "[::1]:8443", secure: true},
		{name: "IPv6 and default port", origin: "https://[::1]:443", host: "[::1]"},
		{name: "IPv6 and empty port in Host", origin: "http://[::1]", host: "[::1]:"},
		{name: "IPv6 in another spelling", origin: "http://[2001:db8::1]", host: "[2001:DB8:0:0:0:0:0:1]"},
		{name: "another IPv6", origin: "http://[::1]", host: "[::2]", reason: "same host"},
		{name: "IPv6 on another port", origin: "http://[::1]:81", host: "[::1]", reason: "expected port 80"},
		{name: "IPv4 in IPv6 is another host", origin: "http://[::ffff:127.0.0.1]", host: "127.0.0.1", reason: "same host"},
		{name: "IPv6 without brackets", origin: "http://::1", host: "[::1]", reason: "in Origin, expected a host"},
		{name: "IPv6 without brackets in Host", origin: "http://[::1]", host: "::1", reason: "in Host"},
		{name: "IPv6 left open", origin: "http://[::1", host: "[::1", reason: "brackets"},
		{name: "IPv6 and text", origin: "http://[::1].evil.example", host: "[::1]", reason: "brackets"},
		{name: "IPv6 with zone", origin: "http://[fe80::1%eth0]", host: "[fe80::1%eth0]", reason: "brackets"},
		{name: "IPv6 with zone in Host", origin: "http://[fe80::1]", host: "[fe80::1%25eth0]", reason: "in Host"},
		{name: "IPv4 in brackets", origin: "http://[127.0.0.1]", host: "[127.0.0.1]", reason: "brackets"},
		{name: "name in brackets", origin: "http://[a]", host: "[a]", reason: "brackets"},
		{name: "IPv6 and bad port", origin: "http://[::1]:x", host: "[::1]", reason: "1 to 65535"},

		{name: "no Host", origin: "http://a", host: "", reason: "in Host, expected a host"},
		{name: "Host is an origin", origin: "http://a", host: "http://a", reason: "in Host"},
		{name: "Host with path", origin: "http://a", host: "a/", reason: "in Host"},

		{name: "a megabyte of dots", origin: "http://" + strings.Repeat(".", 1<<20), host: "a", reason: "253"},
		{name: "a megabyte of labels", origin: "http://" + strings.Repeat("a.", 1<<19), host: strings.Repeat("a.", 1<<19), reason: "253"},
		{name: "a megabyte of colons", origin: "http://a" + strings.Repeat(":", 1<<20), host: "a", reason: "after the colon"},
		{name: "a megabyte of brackets", origin: "http://" + strings.Repeat("[", 1<<20), host: "a", reason: "brackets"},
		{name: "a megabyte of zeros", origin: "http://a:" + strings.Repeat("0", 1<<20) + "x", host: "a", reason: "1 to 65535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := origin.Same(tt.origin, tt.host, tt.secure)
			if tt.reason == "" {
				if err != nil {
					t.Errorf("Same(%.100q, %.100q, %t): %v; want a match", tt.origin, tt.host, tt.secure, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("Same(%.100q, %.100q, %t) = nil, want an error that says %q", tt.origin, tt.host, tt.secure, tt.reason)
			}
			if !strings.HasPrefix(err.Error(), "the client's Origin ") || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("Same(%.100q, %.100q, %t): %v; want the beginning \"the client's Origin\" and the words %q",
					tt.origin, tt.host, tt.secure, err, tt.reason)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes, want what the client sent cut short", len(err.Error()))
			}
		})
	}
}

func TestSameHidesPasswords(t *testing.T) {
	err := origin.Same("http://user:hunter2@a", "user:hunter2@a", false)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an error without the password", err)
	}
}

// TestOriginAllocs guards the path of every upgrade.
func TestOriginAllocs(t *testing.T) {
	patterns := []string{"https://app.example.com", "chrome-extension://abc", "https://*.example.com:8443", "http://[::1]:81"}
	for _, tt := range []struct {
		name string
		f    func() bool
	}{
		{"Same, name", func() bool { return origin.Same("https://App.example.com:443", "app.example.com", true) == nil }},
		{"Same, address", func() bool { return origin.Same("http://[::1]:81", "[::1]:81", false) == nil }},
		{"Allowed", func() bool {
			ok, err := origin.Allowed(patterns, "https://a.b.example.com:8443")
			return ok && err == nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.f() {
				t.Fatal("refused, want a match")
			}
			if n := testing.AllocsPerRun(100, func() { tt.f() }); n != 0 {
				t.Errorf("%v allocations for each request, want 0", n)
			}
		})
	}
}

func FuzzOrigin(f *testing.F) {
	for _, s := range [][3]string{
		{"http://a:80", "A", "http://*.a"}, {"https://[::1]:443", "[0::1]", "https://[::1]"}, {"null", "null", "null"},
		{"https://x.example.com", "x.example.com:", "https://*.example.com"}, {"http://u@a/b?c#d", "u@a", "*"},
		{"file://", "", "file://"}, {"http://a, http://b", "a,b", "wss://a"}, {"ws://a:81", "a:81", "http://*.a:*"},
		{"wss://a:443", "a", "https://a:*"}, {"http://[::1]:81", "[::1]:81", "ws://[::1]:*"}, {"http://é.", "é.", "https://é"},
	} {
		f.Add(s[0], s[1], s[2], false)
		f.Add(s[0], s[1], s[2], true)
	}
	f.Fuzz(func(t *testing.T, page, host, pattern string, secure bool) {
		if origin.Same(page, host, secure) == nil {
			if a, b := hostname(t, page), hostname(t, "http://"+host); a != b {
				t.Errorf("Same(%q, %q) = nil, but net/url reads the hosts %q and %q", page, host, a, b)
			}
			if scheme, _, _ := strings.Cut(strings.ToLower(page), ":"); secure && scheme != "https" && scheme != "wss" {
				t.Errorf("Same(%q, %q, true) = nil, want https or wss only", page, host)
			}
		}
		ok, err := origin.Allowed([]string{pattern}, page)
		if err != nil || !ok || pattern == "*" || pattern == page {
			return
		}
		// What matches without being equal is a page's origin: the hosts are
		// the same, or one is below the other.
		got, want := hostname(t, page), hostname(t, strings.TrimSuffix(pattern, ":*"))
		if base, wild := strings.CutPrefix(want, "*"); wild && !strings.HasSuffix(got, base) || !wild && got != want {
			t.Errorf("Allowed([%q], %q) = true, but net/url reads the hosts %q and %q", pattern, page, want, got)
		}
	})
}

// hostname is an opinion independent of the code under test: net/url's, in one
// spelling.
func hostname(t *testing.T, s string) string {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatalf("accepted, but net/url refuses %q: %v", s, err)
	}
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		t.Fatalf("accepted, but net/url sees more than a host in %q", s)
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return ip.String()
	}
	return strings.ToLower(u.Hostname())
}
