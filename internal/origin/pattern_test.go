package origin_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/origin"
)

func TestAllowed(t *testing.T) {
	for _, tt := range []struct {
		name, patterns, origin string // patterns are separated by spaces
		want                   bool
	}{
		{"no patterns", "", "https://a.example", false},
		{"exact", "https://a.example", "https://a.example", true},
		{"second of two", "https://b.example https://a.example", "https://a.example", true},
		{"first of two", "https://a.example https://b.example", "https://a.example", true},
		{"neither", "https://b.example https://c.example", "https://a.example", false},
		{"other scheme", "https://a.example", "http://a.example", false},
		{"other scheme on the same port", "https://a.example:8443", "http://a.example:8443", false},
		{"other host", "https://a.example", "https://b.example", false},
		{"subdomain of an exact one", "https://a.example", "https://x.a.example", false},
		{"pattern is a prefix", "https://a.example", "https://a.example.evil", false},
		{"case of the origin", "https://a.example", "HTTPS://A.Example", true},
		{"case of the pattern", "HTTPS://A.Example", "https://a.example", true},
		{"final dot", "https://a.example", "https://a.example.", false},
		{"port", "https://a.example:8443", "https://a.example:8443", true},
		{"other port", "https://a.example:8443", "https://a.example:8444", false},
		{"port missing from the origin", "https://a.example:8443", "https://a.example", false},
		{"port missing from the pattern", "https://a.example", "https://a.example:8443", false},
		{"default port in the pattern", "https://a.example:443", "https://a.example", true},
		{"default port in the origin", "http://a.example", "http://a.example:80", true},
		{"default port of the other scheme", "http://a.example", "http://a.example:443", false},
		{"IPv6", "http://[::1]:81", "http://[0::1]:81", true},
		{"other IPv6", "http://[::1]", "http://[::2]", false},
		{"user", "https://a.example", "https://a.example@evil", false},
		{"path", "https://a.example", "https://a.example/", false},
		{"list", "https://a.example", "https://a.example https://evil", false},
		{"list with comma", "https://a.example", "https://a.example, https://evil", false},
		{"missing", "https://a.example null file://", "", false},

		{"null", "null", "null", true},
		{"null without pattern", "https://null", "null", false},
		{"null in upper case", "null", "NULL", false},
		{"null for others", "null", "https://a.example", false},

		{"star, web", "*", "https://a.example", true},
		{"star, null", "*", "null", true},
		{"star, extension", "*", "chrome-extension://abc", true},
		{"star, anything", "*", "undefined", true},
		{"star, missing", "*", "", false},

		{"wildcard", "https://*.example.com", "https://a.example.com", true},
		{"wildcard, deeper", "https://*.example.com", "https://b.a.example.com", true},
		{"wildcard, case", "https://*.Example.com", "https://A.eXample.com", true},
		{"wildcard, bare domain", "https://*.example.com", "https://example.com", false},
		{"wildcard, empty label", "https://*.example.com", "https://.example.com", false},
		{"wildcard, other domain", "https://*.example.com", "https://a.example.org", false},
		{"wildcard, other scheme on the same port", "https://*.example.com:81", "http://a.example.com:81", false},
		{"wildcard, partial label", "https://*.example.com", "https://evilexample.com", false},
		{"wildcard, one character for the dot", "https://*.example.com", "https://a-example.com", false},
		{"wildcard, longer", "https://*.example.com", "https://example.com.evil", false},
		{"wildcard, in the middle", "https://*.example.com", "https://a.example.com.evil", false},
		{"wildcard, as user", "https://*.example.com", "https://a.example.com@evil", false},
		{"wildcard, as password", "https://*.example.com", "https://evil@a.example.com", false},
		{"wildcard, as path", "https://*.example.com", "https://evil/.example.com", false},
		{"wildcard, as query", "https://*.example.com", "https://evil?.example.com", false},
		{"wildcard, as fragment", "https://*.example.com", "https://evil#.example.com", false},
		{"wildcard, after backslash", "https://*.example.com", `https://evil\.example.com`, false},
		{"wildcard, after port", "https://*.example.com", "https://evil:80.example.com", false},
		{"wildcard, itself as origin", "https://*.example.com", "https://*.example.com", false},
		{"wildcard, final dot", "https://*.example.com", "https://a.example.com.", false},
		{"wildcard, other scheme", "https://*.example.com", "http://a.example.com", false},
		{"wildcard, other port", "https://*.example.com", "https://a.example.com:8443", false},
		{"wildcard, port", "https://*.example.com:8443", "https://a.example.com:8443", true},
		{"wildcard, port missing", "https://*.example.com:8443", "https://a.example.com", false},
		{"wildcard, default port", "https://*.example.com:443", "https://a.example.com", true},
		{"wildcard, shorter than the base", "https://*.example.com", "https://com", false},
		{"wildcard, IPv6", "https://*.example.com", "https://[::1]", false},

		{"any port", "http://localhost:*", "http://localhost:3000", true},
		{"any port, another", "http://localhost:*", "http://localhost:65535", true},
		{"any port, the default one", "http://localhost:*", "http://localhost", true},
		{"any port, other scheme", "http://localhost:*", "https://localhost:3000", false},
		{"any port, other host", "http://localhost:*", "http://localhost.evil:3000", false},
		{"any port, as user", "http://localhost:*", "http://localhost:3000@evil", false},
		{"any port, but none after the colon", "http://localhost:*", "http://localhost:", false},
		{"any port, port 0", "http://localhost:*", "http://localhost:0", false},
		{"any port, star", "http://localhost:*", "http://localhost:*", false},
		{"any port, null", "http://localhost:*", "null", false},
		{"any port, extension", "http://localhost:*", "chrome-extension://localhost", false},
		{"any port, missing", "http://localhost:*", "", false},
		{"any port, IPv6", "http://[::1]:*", "http://[::1]:3000", true},
		{"any port, IPv4", "http://127.0.0.1:*", "http://127.0.0.1:3000", true},
		{"any port, other IPv6", "http://[::1]:*", "http://[::2]:3000", false},
		{"any port, wildcard", "https://*.example.com:*", "https://a.example.com:8443", true},
		{"any port, wildcard, bare domain", "https://*.example.com:*", "https://example.com:8443", false},

		{"wss for https", "wss://a.example", "https://a.example", true},
		{"https for wss", "https://a.example", "wss://a.example", true},
		{"wss for wss", "wss://a.example", "wss://a.example:443", true},
		{"ws for http", "ws://a.example", "http://a.example", true},
		{"http for ws", "HTTP://a.example", "WS://A.example", true},
		{"wss for http", "wss://a.example", "http://a.example", false},
		{"ws for https", "ws://a.example", "https://a.example", false},
		{"https for ws", "https://a.example", "ws://a.example", false},
		{"wss, other port", "wss://a.example", "wss://a.example:8443", false},
		{"wss, other host", "wss://a.example", "wss://b.example", false},
		{"wss, wildcard and any port", "wss://*.a.example:*", "https://x.a.example:8443", true},
		{"wss, path", "wss://a.example", "wss://a.example/chat", false},

		{"extension", "chrome-extension://abc", "chrome-extension://abc", true},
		{"extension, other", "chrome-extension://abc", "chrome-extension://abd", false},
		{"extension, longer", "chrome-extension://abc", "chrome-extension://abcd", false},
		{"extension, case", "chrome-extension://abc", "chrome-extension://ABC", false},
		{"app", "tauri+v2.x-1://localhost", "tauri+v2.x-1://localhost", true},
		{"file", "file://", "file://", true},
		{"file, longer", "file://", "file:///etc/passwd", false},
		{"file, for others", "file://", "https://a.example", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := origin.Allowed(strings.Fields(tt.patterns), tt.origin)
			if err != nil || got != tt.want {
				t.Errorf("Allowed([%s], %q) = %t, %v; want %t, nil", tt.patterns, tt.origin, got, err, tt.want)
			}
		})
	}
}

func TestAllowedMalformedPattern(t *testing.T) {
	for _, tt := range []struct{ name, pattern string }{
		{"empty", ""},
		{"space", " "},
		{"host alone", "example.com"},
		{"host and port", "example.com:8443"},
		{"wildcard without scheme", "*.example.com"},
		{"scheme-relative", "//example.com"},
		{"no scheme before the slashes", "://example.com"},
		{"scheme with a digit first", "1a://b"},
		{"scheme with an underscore", "my_app://b"},
		{"scheme with a tilde", "my~app://b"},
		{"scheme with an asterisk", "*://example.com"},
		{"scheme in other letters", "http\u017f://example.com"},
		{"no host", "https://"},
		{"no host but a port", "https://:443"},
		{"slash", "https://example.com/"},
		{"path", "https://example.com/x"},
		{"query", "https://example.com?x"},
		{"fragment", "https://example.com#x"},
		{"user", "https://u@example.com"},
		{"two at once", "https://example.com,https://example.org"},
		{"two with a space", "https://example.com https://example.org"},
		{"space at the end", "https://example.com "},
		{"line break", "https://example.com\n"},
		{"port 0", "https://example.com:0"},
		{"port too high", "https://example.com:65536"},
		{"any port without host", "https://:*"},
		{"any port twice", "https://example.com:*:*"},
		{"any port after a port", "https://example.com:80:*"},
		{"star in a port", "https://example.com:8*"},
		{"star for a host with any port", "https://*:*"},
		{"any port and path", "https://example.com:*/"},
		{"any port after an open IPv6 address", "https://[::1:*"},
		{"empty port", "https://example.com:"},
		{"non-ASCII", "https://bücher.example"},
		{"star for a host", "https://*"},
		{"star and dot", "https://*."},
		{"star and port", "https://*:443"},
		{"star in a label", "https://a*.example.com"},
		{"star without dot", "https://*example.com"},
		{"star in the middle", "https://a.*.com"},
		{"star at the end", "https://example.*"},
		{"two stars", "https://*.*.example.com"},
		{"star and IPv6", "https://*.[::1]"},
		{"zone", "http://[fe80::1%25eth0]"},
		{"websocket scheme and path", "wss://example.com/chat"},
		{"websocket scheme without host", "ws://"},
		{"extension with star", "chrome-extension://*"},
		{"extension in other letters", "chrome-extension://é"},
		{"extension with a tab", "chrome-extension://a\tb"},
		{"extension with slash", "chrome-extension://abc/"},
		{"file with path", "file:///"},
		{"null in upper case", "NULL"},
		{"undefined", "undefined"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Neither a pattern before it that matches nor an origin equal to
			// the text may hide the mistake.
			for _, page := range []string{"https://example.com", tt.pattern, ""} {
				ok, err := origin.Allowed([]string{"*", tt.pattern}, page)
				if ok || err == nil {
					t.Fatalf("Allowed([* %q], %q) = %t, %v; want false and an error", tt.pattern, page, ok, err)
				}
				if !strings.Contains(err.Error(), strconv.Quote(tt.pattern)) {
					t.Errorf("Allowed([* %q], %q): %v; want the pattern in it", tt.pattern, page, err)
				}
			}
		})
	}
}

// Nothing is below an address, and a browser takes every host that ends with a
// number for one.
func TestAllowedWildcardBeforeAddress(t *testing.T) {
	for _, host := range []string{
		"10.0.0.1", "10.0.0.1:8443", "10.0.0.1.", "0.0.1", "1", "a.1", "127.0x1", "0X7F.0XFFFFFF", "0x",
		"10.0.0.1:*", "[::1]", "[::1]:8443", "[::1]:*", "[::ffff:10.0.0.1]", "[fe80::1%25eth0]", "::1", "2001:db8::1",
	} {
		for _, scheme := range []string{"https://*.", "http://*."} {
			_, err := origin.Allowed([]string{scheme + host}, "https://a.example")
			if err == nil || !strings.Contains(err.Error(), "expected a name after the wildcard, got an address") {
				t.Errorf("pattern %s%s: %v; want an error that names the address", scheme, host, err)
			}
		}
	}
	for _, host := range []string{"1.example", "10.0.0.1.example", "a1", "0xg", "x1.a0x1", "example:1", "1a", "0-1"} {
		if _, err := origin.Allowed([]string{"https://*." + host}, "https://a.example"); err != nil {
			t.Errorf("pattern https://*.%s: %v; want none, it is a name", host, err)
		}
	}
}
