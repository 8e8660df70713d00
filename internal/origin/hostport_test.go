package origin_test

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/origin"
)

func TestParseHostPort(t *testing.T) {
	address := netip.MustParseAddr
	for _, tt := range []struct {
		in     string
		want   origin.HostPort
		reason string // of the refusal
		header string // that of ParseHostHeader, if it is another
	}{
		{in: "a", want: origin.HostPort{Name: "a"}},
		{in: "A.Example.:81", want: origin.HostPort{Name: "A.Example.", Port: 81}},
		{in: "my_app-1:", want: origin.HostPort{Name: "my_app-1"}},
		{in: "127.0.0.1:65535", want: origin.HostPort{Name: "127.0.0.1", Port: 65535}},
		{in: "a:0081", want: origin.HostPort{Name: "a", Port: 81}},
		{in: "[::1]", want: origin.HostPort{IP: address("::1")}},
		{in: "[2001:DB8:0::1]:81", want: origin.HostPort{IP: address("2001:db8::1"), Port: 81}},
		{in: "[::1]:", want: origin.HostPort{IP: address("::1")}},
		{in: "[::ffff:1.2.3.4]:1", want: origin.HostPort{IP: address("::ffff:1.2.3.4"), Port: 1}},
		{in: "[fe80::1%En-0._~]:81", want: origin.HostPort{IP: address("fe80::1%En-0._~"), Port: 81}, header: "without zone"},

		{in: "", reason: "expected a host"},
		{in: ":80", reason: "expected a host"},
		{in: "::1", reason: "expected a host"},
		{in: "a:0", reason: "1 to 65535"},
		{in: "a:65536", reason: "1 to 65535"},
		{in: "a:-1", reason: "1 to 65535"},
		{in: "a:80:80", reason: "1 to 65535"},
		{in: "a:http", reason: "1 to 65535"},
		{in: "a:80\r\nX: y", reason: "1 to 65535"},
		{in: "[::1]:x", reason: "1 to 65535"},
		{in: "a b", reason: "letters, digits"},
		{in: "a\x00", reason: "letters, digits"},
		{in: "u@a:80", reason: "letters, digits"},
		{in: "a/b", reason: "letters, digits"},
		{in: "a%b", reason: "letters, digits"},
		{in: "é", reason: "letters, digits"},
		{in: "a..b", reason: "single dots"},
		{in: ".a", reason: "single dots"},
		{in: ".", reason: "single dots"},
		{in: strings.Repeat("a", 64), reason: "63"},
		{in: strings.Repeat("a.", 126) + "bc", reason: "253"},
		{in: "[::1", reason: "in brackets"},
		{in: "[::1]x", reason: "in brackets"},
		{in: "[::1]x:80", reason: "in brackets"},
		{in: "[]", reason: "between the brackets", header: "in brackets"},
		{in: "[a]", reason: "between the brackets", header: "in brackets"},
		{in: "[127.0.0.1]", reason: "between the brackets", header: "in brackets"},
		{in: "[127.0.0.1%eth0]", reason: "between the brackets", header: "without zone"},
		{in: "[a:b]:80", reason: "between the brackets", header: "in brackets"},
		{in: "[fe80::1%]", reason: "between the brackets", header: "without zone"},
		{in: "[fe80::1%a/b]", reason: "expected a zone", header: "without zone"},
		{in: "[fe80::1%é]", reason: "expected a zone", header: "without zone"},
		{in: "[fe80::1%a\r\n]", reason: "expected a zone", header: "without zone"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := origin.ParseHostPort(tt.in)
			checkHostPort(t, got, err, tt.want, tt.reason)
			if tt.header == "" {
				tt.header = tt.reason
			}
			got, err = origin.ParseHostHeader(tt.in)
			checkHostPort(t, got, err, tt.want, tt.header)
		})
	}
}

func checkHostPort(t *testing.T, got origin.HostPort, err error, want origin.HostPort, reason string) {
	t.Helper()
	switch {
	case reason == "" && (err != nil || got != want):
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	case reason != "" && (err == nil || !strings.Contains(err.Error(), reason)):
		t.Errorf("got %+v, %v; want an error with %q", got, err, reason)
	}
}

func TestSameHost(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"a", "A:81", true},
		{"a", "b", false},
		{"a", "a.", false},
		{"a.example", "example", false},
		{"[::1]", "[0:0::1]:81", true},
		{"[::1]", "[::2]", false},
		{"[::ffff:1.2.3.4]", "1.2.3.4", false},
		{"[fe80::1%a]", "[fe80::1%b]", false},
	} {
		a, errA := origin.ParseHostPort(tt.a)
		b, errB := origin.ParseHostPort(tt.b)
		if got := a.SameHost(b); got != tt.want || errA != nil || errB != nil {
			t.Errorf("%s and %s: %v, %v, %v; want %v", tt.a, tt.b, got, errA, errB, tt.want)
		}
	}
}

func TestDefaultPort(t *testing.T) {
	if plain, secure := origin.DefaultPort(false), origin.DefaultPort(true); plain != 80 || secure != 443 {
		t.Errorf("default ports are %d and %d, want 80 and 443", plain, secure)
	}
}

func TestQuote(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"http://a", `"http://a"`},
		{"a\r\n", `"a\r\n"`},
		{"ws://a/b?token=secret", `"ws://a/b"…`},
		{"ws://a/b#secret", `"ws://a/b"…`},
		{"http://u:secret@a", "(not shown, because it may hold a password)"},
		{strings.Repeat("x", 100), strconv.Quote(strings.Repeat("x", 100))},
		{strings.Repeat("x", 101), strconv.Quote(strings.Repeat("x", 100)) + "…"},
	} {
		if got := origin.Quote(tt.in); got != tt.want {
			t.Errorf("Quote(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

// What the parser takes, package net cuts in the same places, and nothing in it
// could end a header.
func FuzzParseHostPort(f *testing.F) {
	for _, s := range []string{"a", "a:80", "A.b.:081", "[::1]", "[fe80::1%eth0]:81", "[::ffff:1.2.3.4]:", "a:b:c", "[a]", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := origin.ParseHostPort(s)
		if err != nil {
			return
		}
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/?#@,\"\\", r) }) {
			t.Errorf("ParseHostPort takes %q", s)
		}
		if h.Name != "" == h.IP.IsValid() {
			t.Errorf("ParseHostPort(%q) = %+v, want a name or an address", s, h)
		}
		if h.Port == 0 {
			return
		}
		host, port, err := net.SplitHostPort(s)
		if n, _ := strconv.Atoi(port); err != nil || n != int(h.Port) {
			t.Errorf("ParseHostPort(%q) has the port %d, package net reads %q, %v", s, h.Port, port, err)
		}
		if ip, err := netip.ParseAddr(host); h.IP.IsValid() && (err != nil || ip != h.IP) || h.Name != "" && host != h.Name {
			t.Errorf("ParseHostPort(%q) = %+v, package net reads the host %q", s, h, host)
		}
	})
}
