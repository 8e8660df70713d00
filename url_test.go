package websocket_test

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     websocket.URL // Path "/" unless given
		addr     string
		resource string // "/" unless given
		text     string // in, unless given
	}{
		{name: "shortest", in: "ws://example.com", want: websocket.URL{Host: "example.com"}, addr: "example.com:80", text: "ws://example.com/"},
		{name: "secure", in: "wss://example.com/", want: websocket.URL{Secure: true, Host: "example.com"}, addr: "example.com:443"},
		{name: "path and query", in: "ws://h/chat/a%2Fb?room=1&x=/?", want: websocket.URL{Host: "h", Path: "/chat/a%2Fb", RawQuery: "room=1&x=/?"},
			addr: "h:80", resource: "/chat/a%2Fb?room=1&x=/?"},
		{name: "query without path", in: "ws://h?a=b", want: websocket.URL{Host: "h", RawQuery: "a=b"}, addr: "h:80", resource: "/?a=b", text: "ws://h/?a=b"},
		{name: "empty query", in: "ws://h/p?", want: websocket.URL{Host: "h", Path: "/p"}, addr: "h:80", resource: "/p", text: "ws://h/p"},
		{name: "path of slashes", in: "ws://h//evil.example/", want: websocket.URL{Host: "h", Path: "//evil.example/"}, addr: "h:80", resource: "//evil.example/"},
		{name: "dot segments are the server's", in: "ws://h/a/../b", want: websocket.URL{Host: "h", Path: "/a/../b"}, addr: "h:80", resource: "/a/../b"},
		{name: "upper-case scheme", in: "WsS://h/", want: websocket.URL{Secure: true, Host: "h"}, addr: "h:443", text: "wss://h/"},
		{name: "http, as in browsers", in: "http://h/p?q", want: websocket.URL{Host: "h", Path: "/p", RawQuery: "q"}, addr: "h:80", resource: "/p?q", text: "ws://h/p?q"},
		{name: "https, as in browsers", in: "HTTPS://h:443/", want: websocket.URL{Secure: true, Host: "h"}, addr: "h:443", text: "wss://h/"},
		{name: "http on the port of https", in: "http://h:443/", want: websocket.URL{Host: "h:443"}, addr: "h:443", text: "ws://h:443/"},
		{name: "upper-case host, path kept", in: "ws://Example.COM/A", want: websocket.URL{Host: "example.com", Path: "/A"}, addr: "example.com:80",
			resource: "/A", text: "ws://example.com/A"},

		{name: "port", in: "ws://h:8080/", want: websocket.URL{Host: "h:8080"}, addr: "h:8080"},
		{name: "default port of ws", in: "ws://h:80/", want: websocket.URL{Host: "h"}, addr: "h:80", text: "ws://h/"},
		{name: "default port of wss", in: "wss://h:443/", want: websocket.URL{Secure: true, Host: "h"}, addr: "h:443", text: "wss://h/"},
		{name: "ws on the port of wss", in: "ws://h:443/", want: websocket.URL{Host: "h:443"}, addr: "h:443"},
		{name: "wss on the port of ws", in: "wss://h:80/", want: websocket.URL{Secure: true, Host: "h:80"}, addr: "h:80"},
		{name: "empty port", in: "ws://h:/", want: websocket.URL{Host: "h"}, addr: "h:80", text: "ws://h/"},
		{name: "zeros before the port", in: "ws://h:00081/", want: websocket.URL{Host: "h:81"}, addr: "h:81", text: "ws://h:81/"},
		{name: "lowest port", in: "ws://h:1/", want: websocket.URL{Host: "h:1"}, addr: "h:1"},
		{name: "highest port", in: "ws://h:65535/", want: websocket.URL{Host: "h:65535"}, addr: "h:65535"},

		{name: "IPv4", in: "ws://127.0.0.1:9/", want: websocket.URL{Host: "127.0.0.1:9"}, addr: "127.0.0.1:9"},
		{name: "IPv6", in: "ws://[::1]/", want: websocket.URL{Host: "[::1]"}, addr: "[::1]:80"},
		{name: "IPv6 and port", in: "wss://[2001:DB8:0:0::1]:8443/", want: websocket.URL{Secure: true, Host: "[2001:db8::1]:8443"},
			addr: "[2001:db8::1]:8443", text: "wss://[2001:db8::1]:8443/"},
		{name: "IPv6 and empty port", in: "ws://[::1]:/", want: websocket.URL{Host: "[::1]"}, addr: "[::1]:80", text: "ws://[::1]/"},
		{name: "zone is dialed, not sent", in: "ws://[fe80::1%25eth0]:81/", want: websocket.URL{Host: "[fe80::1]:81", Zone: "eth0"}, addr: "[fe80::1%eth0]:81"},
		{name: "zone without port", in: "wss://[fe80::1%25En-0.1]/", want: websocket.URL{Secure: true, Host: "[fe80::1]", Zone: "En-0.1"}, addr: "[fe80::1%En-0.1]:443"},

		{name: "underscore", in: "ws://my_service:1/", want: websocket.URL{Host: "my_service:1"}, addr: "my_service:1"},
		{name: "final dot", in: "ws://example.com./", want: websocket.URL{Host: "example.com."}, addr: "example.com.:80"},
		{name: "longest label", in: "ws://" + strings.Repeat("a", 63) + ".b/", want: websocket.URL{Host: strings.Repeat("a", 63) + ".b"},
			addr: strings.Repeat("a", 63) + ".b:80"},
		{name: "longest name", in: "ws://" + strings.Repeat("a.", 126) + "b./", want: websocket.URL{Host: strings.Repeat("a.", 126) + "b."},
			addr: strings.Repeat("a.", 126) + "b.:80"},
		{name: "IDN", in: "ws://Bücher.example/", want: websocket.URL{Host: "xn--bcher-kva.example"}, addr: "xn--bcher-kva.example:80",
			text: "ws://xn--bcher-kva.example/"},
		{name: "IDN, escaped", in: "ws://b%C3%BCcher.example:81/", want: websocket.URL{Host: "xn--bcher-kva.example:81"}, addr: "xn--bcher-kva.example:81",
			text: "ws://xn--bcher-kva.example:81/"},
		{name: "IDN with ideographic dots", in: "ws://例え。テスト/", want: websocket.URL{Host: "xn--r8jz45g.xn--zckzah"}, addr: "xn--r8jz45g.xn--zckzah:80",
			text: "ws://xn--r8jz45g.xn--zckzah/"},
		{name: "full-width digits", in: "ws://１２７.0.0.1/", want: websocket.URL{Host: "127.0.0.1"}, addr: "127.0.0.1:80", text: "ws://127.0.0.1/"},

		{name: "non-ASCII path keeps its escapes", in: "ws://h/é%2f?q=ü", want: websocket.URL{Host: "h", Path: "/%C3%A9%2f", RawQuery: "q=%C3%BC"},
			addr: "h:80", resource: "/%C3%A9%2f?q=%C3%BC", text: "ws://h/%C3%A9%2f?q=%C3%BC"},
		{name: "characters outside RFC 3986", in: `ws://h/<"\^{|}[]>?` + "`{}[]", want: websocket.URL{Host: "h", Path: "/%3C%22%5C%5E%7B%7C%7D%5B%5D%3E", RawQuery: "%60%7B%7D%5B%5D"},
			addr: "h:80", resource: "/%3C%22%5C%5E%7B%7C%7D%5B%5D%3E?%60%7B%7D%5B%5D", text: "ws://h/%3C%22%5C%5E%7B%7C%7D%5B%5D%3E?%60%7B%7D%5B%5D"},
		{name: "all of RFC 3986", in: "ws://h/-._~!$&'()*+,;=:@?-._~!$&'()*+,;=:@/?", want: websocket.URL{Host: "h", Path: "/-._~!$&'()*+,;=:@", RawQuery: "-._~!$&'()*+,;=:@/?"},
			addr: "h:80", resource: "/-._~!$&'()*+,;=:@?-._~!$&'()*+,;=:@/?"},
		{name: "escaped controls stay escaped", in: "ws://h/%0d%0A%00?%20", want: websocket.URL{Host: "h", Path: "/%0d%0A%00", RawQuery: "%20"},
			addr: "h:80", resource: "/%0d%0A%00?%20"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := websocket.ParseURL(tt.in)
			if err != nil {
				t.Fatalf("ParseURL(%q): %v", tt.in, err)
			}
			tt.want.Path = or(tt.want.Path, "/")
			if *u != tt.want {
				t.Errorf("ParseURL(%q) = %+q, want %+q", tt.in, fields(*u), fields(tt.want))
			}
			if got := u.Addr(); got != tt.addr {
				t.Errorf("Addr() = %q, want %q", got, tt.addr)
			}
			if got, want := u.Hostname(), nameOf(t, tt.addr); got != want {
				t.Errorf("Hostname() = %q, want %q", got, want)
			}
			if got, want := u.ResourceName(), or(tt.resource, "/"); got != want {
				t.Errorf("ResourceName() = %q, want %q", got, want)
			}
			if got, want := u.String(), or(tt.text, tt.in); got != want {
				t.Errorf("String() = %q, want %q", got, want)
			}
			checkRoundTrip(t, u)
		})
	}
}

// nameOf returns the name in the address to dial, without the zone.
func nameOf(t *testing.T, addr string) string {
	t.Helper()
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("the table is wrong: %v", err)
	}
	name, _, _ = strings.Cut(name, "%")
	return name
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// fields returns the fields of a URL, which String may make look alike.
func fields(u websocket.URL) []string {
	return []string{fmt.Sprint(u.Secure), u.Host, u.Zone, u.Path, u.RawQuery, u.User.String()}
}

func checkRoundTrip(t *testing.T, u *websocket.URL) {
	t.Helper()
	again, err := websocket.ParseURL(u.String())
	if err != nil {
		t.Fatalf("ParseURL does not take what String made, %q: %v", u.String(), err)
	}
	want := *u
	want.User = nil
	if *again != want {
		t.Errorf("ParseURL(%q) = %+q, want the URL that the string was made of, %+q", u.String(), fields(*again), fields(want))
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, reason string }{
		{"empty", "", "http:// or https://"},
		{"ftp", "ftp://h/", "http:// or https://"},
		{"begins like http", "httpx://h/", "http:// or https://"},
		{"opaque http", "http:h", "http:// or https://"},
		{"long s in the scheme", "wſ://h/", "http:// or https://"},
		{"no scheme", "h/chat", "http:// or https://"},
		{"no scheme, with port", "localhost:8080/chat", "http:// or https://"},
		{"address for a scheme", "127.0.0.1:8080/", "http:// or https://"},
		{"scheme-relative", "//h/", "http:// or https://"},
		{"opaque", "ws:h", "http:// or https://"},
		{"one slash", "ws:/h/", "http:// or https://"},
		{"scheme in the query", "h?ws://h/", "http:// or https://"},

		{"no host", "ws:///chat", "expected a host"},
		{"port without host", "ws://:80/", "expected a host"},
		{"colon without host", "ws://:/", "expected a host"},
		{"user without host", "ws://u@/", "expected a host"},
		{"port 0", "ws://h:0/", "1 to 65535"},
		{"port 00", "ws://h:00/", "1 to 65535"},
		{"port one too high", "ws://h:65536/", "1 to 65535"},
		{"port past 64 bits", "ws://h:99999999999999999999999/", "1 to 65535"},
		{"port past 16 bits, low bits fine", "ws://h:65616/", "1 to 65535"},
		{"negative port", "ws://h:-1/", "RFC 3986"},
		{"port with sign", "ws://h:+80/", "RFC 3986"},
		{"named port", "ws://h:http/", "RFC 3986"},
		{"two ports", "ws://h:1:2/", ""},
		{"port in other digits", "ws://h:８０/", "RFC 3986"},

		{"IPv6 without brackets", "ws://::1/", ""},
		{"bracket left open", "ws://[::1/", "RFC 3986"},
		{"text after the bracket", "ws://[::1]x/", "RFC 3986"},
		{"empty brackets", "ws://[]/", ""},
		{"IPv4 in brackets", "ws://[127.0.0.1]/", ""},
		{"name in brackets", "ws://[localhost]/", ""},
		{"future address", "ws://[v1.x]/", ""},
		{"empty zone", "ws://[fe80::1%25]/", ""},
		{"zone without escape", "ws://[fe80::1%eth0]/", "RFC 3986"},
		{"slash in the zone", "ws://[fe80::1%25a%2Fb]/", ""},
		{"bracket in the zone", "ws://[fe80::1%25a%5Db]/", ""},
		{"line break in the zone", "ws://[fe80::1%25a%0D%0Ab]/", ""},
		{"non-ASCII zone", "ws://[fe80::1%25š]/", ""},

		{"empty label", "ws://a..b/", "single dots"},
		{"dot first", "ws://.a/", "single dots"},
		{"just a dot", "ws://./", "single dots"},
		{"two dots at the end", "ws://a../", "single dots"},
		{"comma in the host", "ws://a,b/", "letters, digits"},
		{"quote in the host", "ws://a'b/", "letters, digits"},
		{"asterisk", "ws://*/", "letters, digits"},
		{"backslash before at", `ws://h\@evil.example/`, "RFC 3986"},
		{"backslash", `ws://h\evil.example/`, "RFC 3986"},
		{"escaped letter in the host", "ws://h%41/", "RFC 3986"},
		{"escaped line break in the host", "ws://h%0D%0Ax/", "RFC 3986"},
		{"long label", "ws://" + strings.Repeat("a", 64) + "/", "253"},
		{"long name", "ws://" + strings.Repeat("a.", 126) + "bc/", "253"},
		{"name of a megabyte", "ws://" + strings.Repeat("a.", 1<<19) + "/", "253"},
		{"IDN of a megabyte", "ws://" + strings.Repeat("é", 1<<19) + "/", "253"},
		{"IDN of too many bytes that map to nothing", "ws://a" + strings.Repeat("\u00ad", 1000) + "/", "253"},
		{"IDN that maps to a slash", "ws://a℀b/", "IDNA"},
		{"IDN with a right-to-left mix", "ws://aא/", "IDNA"},
		{"IDN of nothing", "ws://\u00ad/", ""},

		{"fragment", "ws://h/#top", "%23"},
		{"empty fragment", "ws://h/#", "%23"},
		{"fragment after the query", "ws://h/?a#b", "%23"},
		{"bad escape in the path", "ws://h/100%", "RFC 3986"},
		{"bad escape in the query", "ws://h/?100%", "%25"},
		{"half an escape in the query", "ws://h/?%2", "%25"},
		{"bad second digit in the query", "ws://h/?%2g", "%25"},
		{"bad first digit in the query", "ws://h/?%g2", "%25"},
		{"space", "ws://h/a b", "expected no space"},
		{"DEL", "ws://h/\x7f", "expected no space"},
		{"invalid UTF-8 in the path", "ws://h/\xff", "UTF-8"},
		{"invalid UTF-8 in the host", "ws://h\xff/", "UTF-8"},

		{"escaped colon in the user", "ws://a%3Ab:c@h/", "colon"},
		{"escaped line break in the user", "ws://a%0D%0A:c@h/", "control character in user"},
		{"escaped DEL in the user", "ws://%7F@h/", "control character in user"},
		{"escaped NUL in the password", "ws://a:%00@h/", "control character in user"},
		{"non-ASCII user", "ws://é:c@h/", "percent-encoded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := websocket.ParseURL(tt.in)
			if err == nil {
				t.Fatalf("ParseURL(%.100q) = %+q, want an error", tt.in, fields(*u))
			}
			if u != nil {
				t.Errorf("ParseURL(%.100q) returned a URL beside its error", tt.in)
			}
			if !strings.HasPrefix(err.Error(), "websocket: ") || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("ParseURL(%.100q): %v; want the prefix \"websocket: \" and the words %q", tt.in, err, tt.reason)
			}
			if len(err.Error()) > 600 {
				t.Errorf("ParseURL(%.100q): an error of %d bytes, want the URL cut short", tt.in, len(err.Error()))
			}
		})
	}
}

// TestParseURLRefusesControls puts every forbidden byte into every part.
func TestParseURLRefusesControls(t *testing.T) {
	for _, where := range []string{"%sws://h/", "w%ss://h/", "ws%s://h/", "ws:/%s/h/", "ws://u%s@h/", "ws://u:p%s@h/", "ws://a%sb/", "ws://[::1%s]/",
		"ws://[fe80::1%%25a%s]/", "ws://h:8%s0/", "ws://h%s:80/", "ws://h/%s", "ws://h/a%sb", "ws://h/?%s", "ws://h/?a%sb", "ws://h/?a%s"} {
		for c := rune(0); c <= 0x7f; c++ {
			if c > ' ' && c != 0x7f {
				continue
			}
			s := fmt.Sprintf(where, string(c))
			if u, err := websocket.ParseURL(s); err == nil {
				t.Errorf("ParseURL(%q) = %+q, want an error", s, fields(*u))
			}
		}
	}
}

func TestURLUser(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     *url.Userinfo
	}{
		{"none", "ws://h/", nil},
		{"empty", "ws://@h/", nil},
		{"name", "ws://me@h/", url.User("me")},
		{"name and password", "ws://me:secret@h/", url.UserPassword("me", "secret")},
		{"empty password", "ws://me:@h/", url.UserPassword("me", "")},
		{"password alone", "ws://:secret@h/", url.UserPassword("", "secret")},
		{"escapes", "ws://m%40e:s%3Ae%C3%A9@h/", url.UserPassword("m@e", "s:eé")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := websocket.ParseURL(tt.in)
			if err != nil {
				t.Fatalf("ParseURL(%q): %v", tt.in, err)
			}
			if u.Host != "h" {
				t.Errorf("Host = %q, want h without the user", u.Host)
			}
			if got, want := u.User, tt.want; (got == nil) != (want == nil) || got.String() != want.String() {
				t.Errorf("User = %v, want %v", got, want)
			}
			for _, verb := range []string{"%v", "%s", "%+v", "%q"} {
				if got := fmt.Sprintf(verb+verb, u, *u); strings.Contains(got, "me") || strings.Contains(got, "secret") {
					t.Errorf("printed by %s it is %s, want neither user nor password", verb, got)
				}
			}
			checkRoundTrip(t, u)
		})
	}
}

// TestParseURLHidesPasswords tries mistakes after which net/url, or a careless
// message, would quote the password or a part of it.
func TestParseURLHidesPasswords(t *testing.T) {
	for _, in := range []string{
		"ftp://user:hunter2@h/",
		"http://user:hunter2@h:0/",
		"user:hunter2@h/",
		"ws://user:hunter2@h:0/",
		"ws://user:hunter2@h:99999/",
		"ws://user:hunter2@h/#f",
		"ws://user:hunter2@h /",
		"ws://user:hunter2@a..b/",
		"ws://user:hunter2@[::1/",
		"ws://user:hunter2%zz@h/",
		"ws://user:hunter2/more@h/",
		"ws://user:hunter2?more@h/",
		"ws://user:hunter2#more@h/",
		"ws://user:hunter2\\more@h/",
		"ws://user:hunter2[more@h/",
		"ws://user:hunter2é@h/",
		"ws://user:hunter2%0a@h/",
		"ws://hunter2℀/@h/",
		"ws://h/?token=hunter2&100%",
		"ws://h:0/?token=hunter2",
		"ws://h/#hunter2",
	} {
		if _, err := websocket.ParseURL(in); err == nil {
			t.Errorf("ParseURL(%q): no error, want one", in)
		} else if strings.Contains(err.Error(), "hunter") {
			t.Errorf("ParseURL(%q): the error tells the secret: %v", in, err)
		}
	}
}

// TestParseURLHidesShortPieces is for the three characters that net/url quotes
// of a bad escape.
func TestParseURLHidesShortPieces(t *testing.T) {
	for _, in := range []string{"ws://u:%qz@h/", "ws://u:1qz/x@h/", "ws://u:[qz@h/"} {
		if _, err := websocket.ParseURL(in); err == nil || strings.Contains(err.Error(), "qz") {
			t.Errorf("ParseURL(%q): %v, want an error without the password", in, err)
		}
	}
}

func TestURLByHand(t *testing.T) {
	for _, tt := range []struct {
		name           string
		in             websocket.URL
		resource, addr string
	}{
		{"zero", websocket.URL{}, "/", ":80"},
		{"zero but secure", websocket.URL{Secure: true}, "/", ":443"},
		{"no path", websocket.URL{Host: "h", RawQuery: "q"}, "/?q", "h:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.ResourceName(); got != tt.resource {
				t.Errorf("ResourceName() = %q, want %q", got, tt.resource)
			}
			if got := tt.in.Addr(); got != tt.addr {
				t.Errorf("Addr() = %q, want %q", got, tt.addr)
			}
		})
	}
	for _, u := range []websocket.URL{{}, {Host: "a\r\nb"}, {Host: "h", Path: "/ HTTP/1.1\r\nX: y"}, {Host: "h", RawQuery: "\r\n"}} {
		if _, err := websocket.ParseURL(u.String()); err == nil {
			t.Errorf("ParseURL takes %q, the String of a bad URL; want an error, since that is how to check one", u.String())
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"ws://example.com", "WSS://Example.com:443/a?b=c", "ws://[fe80::1%25eth0]:81/", "ws://u:p@h:1/é%2f?ü",
		"ws://bücher.example./{}", "ws://[::ffff:1.2.3.4]/", "ws://h:/?", "ws://\u00ad.a/", "http://h/", "ws://h/#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := websocket.ParseURL(s)
		if err != nil {
			return
		}
		checkRoundTrip(t, u)
		if r := u.ResourceName(); r[0] != '/' || strings.ContainsFunc(r, func(c rune) bool { return c < 0x21 || c > 0x7e }) {
			t.Errorf("ResourceName() = %q, want a slash first and only visible ASCII", r)
		}
		if host, port, err := net.SplitHostPort(u.Addr()); err != nil || host == "" || port == "" {
			t.Errorf("Addr() = %q, want host and port: %v", u.Addr(), err)
		}
		if strings.ContainsFunc(u.Host, func(c rune) bool { return c < 0x21 || c > 0x7e || c == '%' || 'A' <= c && c <= 'Z' }) {
			t.Errorf("Host = %q, want lower-case visible ASCII without a zone", u.Host)
		}
	})
}
