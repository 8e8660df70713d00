package websocket

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/protocol-websocket/websocket/internal/origin"
	"golang.org/x/net/idna"
)

// URL is a WebSocket URI (RFC 6455 section 3), split into what a client needs
// to dial and to write its request.
//
// ParseURL makes URLs whose fields are checked. The fields of a URL built by
// hand are not checked by its methods; to check them, parse its String. The
// zero URL names no host and cannot be dialed.
//
// A URL is a plain value: copying it is cheap, and any number of goroutines
// may use one that none of them changes.
type URL struct {
	// Secure tells wss, which runs inside TLS, from ws.
	Secure bool

	// Host is the value of the Host header: a host name in lower-case ASCII, an
	// IPv4 address or an IPv6 address in brackets, followed by a colon and the
	// port unless that is the scheme's default, 80 for ws and 443 for wss.
	Host string

	// Zone names the network interface of a link-local IPv6 address, as in
	// "eth0". It means something only on this machine, so it is part of Addr
	// and never of Host (RFC 6874 section 3). Empty for all other hosts.
	Zone string

	// User is the user name and password for Basic authentication, nil when the
	// URI has none. RFC 6455 gives ws URIs no such part, but users expect what
	// other URIs do. String leaves it out.
	User *url.Userinfo

	// Path is the path, percent-encoded and at least "/".
	Path string

	// RawQuery is the query, percent-encoded and without its question mark.
	RawQuery string
}

// ParseURL reads a ws or wss URI, absolute and without fragment, as RFC 6455
// section 3 has it. As in browsers, http means ws and https means wss, so that a
// program can use the URL that it has for HTTP.
//
// The scheme and the host are case-insensitive and come out in lower case. A
// host that is not ASCII is mapped and converted as IDNA asks of a lookup (RFC
// 5891, UTS 46). An absent or empty port means the default one. In path and
// query, bytes that RFC 3986 does not allow there are percent-encoded; spaces
// and control characters are refused everywhere rather than encoded, because
// they are more often an accident or an attack than part of a name.
//
// The error says what is wrong with s. It quotes neither the query nor, where
// there might be a password, any of s.
func ParseURL(s string) (*URL, error) {
	u, err := parseURL(s)
	if err != nil {
		return nil, fmt.Errorf("websocket: the caller's URL %s is unusable: %w", origin.Quote(s), err)
	}
	return u, nil
}

func parseURL(s string) (*URL, error) {
	if err := checkURLText(s); err != nil {
		return nil, err
	}
	p, err := url.Parse(s)
	if err != nil {
		return nil, syntaxError(s, err)
	}
	u := &URL{Secure: p.Scheme == "wss" || p.Scheme == "https"}
	if u.User, err = basicUser(p.User); err != nil {
		return nil, err
	}
	if err := u.setHost(p); err != nil {
		return nil, err
	}
	return u, u.setResource(p)
}

// schemes are what a URL may begin with.
var schemes = []string{"ws", "wss", "http", "https"}

// checkURLText refuses what net/url would accept, or would refuse with a
// message that does not name the mistake.
func checkURLText(s string) error {
	scheme, _, found := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	switch {
	case !found || !slices.Contains(schemes, scheme):
		return errors.New("expected it to begin with ws://, wss://, http:// or https://")
	case strings.Contains(s, "#"):
		return errors.New("expected no fragment; a # that is part of a name is written %23 (RFC 6455 section 3)")
	case strings.ContainsFunc(s, isSpaceOrControl):
		return errors.New("expected no space, line break or other control character")
	case !utf8.ValidString(s):
		return errors.New("expected UTF-8")
	}
	return nil
}

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

// syntaxError returns the reason that err gives, without the URL that net/url
// puts around it. If s might hold a password, it leaves out the reason too,
// because that may quote the password as a port or as a bad escape.
func syntaxError(s string, err error) error {
	var uerr *url.Error
	if errors.As(err, &uerr) && !strings.Contains(s, "@") {
		return fmt.Errorf("expected the syntax of RFC 3986: %w", uerr.Err)
	}
	return errors.New("expected the syntax of RFC 3986, with special characters in user and password percent-encoded")
}

// basicUser returns u, or nil if u is empty. It returns an error if Basic
// authentication cannot carry u (RFC 7617 section 2).
func basicUser(u *url.Userinfo) (*url.Userinfo, error) {
	name := u.Username()
	password, has := u.Password()
	switch {
	case name == "" && !has:
		return nil, nil
	case strings.Contains(name, ":"):
		return nil, errors.New("expected no colon in the user name (RFC 7617 section 2)")
	case strings.ContainsFunc(name+password, isControl):
		return nil, errors.New("expected no control character in user or password (RFC 7617 section 2)")
	}
	return u, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// setHost sets Host and Zone from the host and port of p.
func (u *URL) setHost(p *url.URL) error {
	ascii, err := asciiHost(p.Host)
	if err != nil {
		return err
	}
	h, err := origin.ParseHostPort(ascii)
	if err != nil {
		return err
	}
	u.Host = strings.ToLower(h.Name)
	if h.IP.IsValid() {
		u.Host, u.Zone = "["+h.IP.WithZone("").String()+"]", h.IP.Zone()
	}
	if h.Port != 0 && h.Port != origin.DefaultPort(u.Secure) {
		u.Host += ":" + strconv.Itoa(int(h.Port))
	}
	return nil
}

// setResource sets Path and RawQuery from those of p.
func (u *URL) setResource(p *url.URL) (err error) {
	// If a path has one byte that must be encoded, EscapedPath encodes the
	// decoded path, which turns %2F into a slash. RawPath is the original text.
	// It is empty if that is the default encoding of Path.
	path := p.RawPath
	if path == "" {
		path = p.EscapedPath()
	}
	if u.Path, err = percentEncode(path); err != nil {
		return err
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawQuery, err = percentEncode(p.RawQuery)
	return err
}

// String is the URI in its shortest form: a default port and an empty query
// are left out, and so is User, since strings end up in logs. For a URL made
// by ParseURL, parsing the string gives the same URL again but for User.
func (u URL) String() string {
	host := u.Host
	if u.Zone != "" {
		host = strings.Replace(host, "]", "%25"+u.Zone+"]", 1)
	}
	if u.Secure {
		return "wss://" + host + u.ResourceName()
	}
	return "ws://" + host + u.ResourceName()
}

// ResourceName is the target of the request line: the path, then "?" and the
// query unless that is empty (RFC 6455 section 3).
func (u URL) ResourceName() string {
	path := u.Path
	if path == "" {
		path = "/"
	}
	if u.RawQuery == "" {
		return path
	}
	return path + "?" + u.RawQuery
}

// Hostname is Host without port and brackets, the name to find in the server's
// certificate.
func (u URL) Hostname() string {
	name, _, _ := origin.SplitHostPort(u.Host)
	return name
}

// Addr is the address to dial, in the form host:port of package net. It always
// has a port, and the zone if there is one.
func (u URL) Addr() string {
	name, port, _ := origin.SplitHostPort(u.Host)
	if u.Zone != "" {
		name += "%" + u.Zone
	}
	if port == "" {
		port = strconv.Itoa(int(origin.DefaultPort(u.Secure)))
	}
	return net.JoinHostPort(name, port)
}

// asciiHost returns host, which may end with a port, with the name in the ASCII
// form that DNS and the Host header use.
func asciiHost(host string) (string, error) {
	if strings.HasPrefix(host, "[") || !strings.ContainsFunc(host, isNotASCII) {
		return host, nil
	}
	name, port, _ := strings.Cut(host, ":")
	// Punycode takes quadratic time, so a name that is certainly too long is
	// refused first. A character takes at most four bytes.
	if len(name) > utf8.UTFMax*origin.MaxName {
		return "", origin.CheckName(name)
	}
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil {
		return "", errors.New("expected a host that IDNA allows (RFC 5891)")
	}
	return ascii + ":" + port, nil
}

func isNotASCII(r rune) bool { return r >= utf8.RuneSelf }

// percentEncode encodes the bytes that RFC 3986 allows neither in a path nor
// in a query. It keeps escapes as they are.
func percentEncode(s string) (string, error) {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '%' && !isEscape(s[i:]):
			return "", errors.New("expected two hexadecimal digits after %; a % that is part of a name is written %25")
		case c == '%' || isAlnum(c) || strings.IndexByte("-._~!$&'()*+,;=:@/?", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String(), nil
}

func isAlnum(c byte) bool {
	lower := c | 0x20
	return '0' <= c && c <= '9' || 'a' <= lower && lower <= 'z'
}

func isEscape(s string) bool { return len(s) >= 3 && isHex(s[1]) && isHex(s[2]) }

func isHex(c byte) bool {
	lower := c | 0x20
	return '0' <= c && c <= '9' || 'a' <= lower && lower <= 'f'
}
