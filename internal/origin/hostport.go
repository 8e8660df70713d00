package origin

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// HostPort is a host and a port that were checked. Name is a part of the text
// that was parsed, not a copy in lower case, so that comparing two of them
// allocates nothing.
type HostPort struct {
	Name string     // a name or an IPv4 address, in the case it came in; empty if IP is valid
	IP   netip.Addr // an IPv6 address
	Port uint16     // 0 if none was given
}

// SameHost reports whether h and other have the same host. It ignores case and
// nothing else: a name with a final dot is another host, as it is for browsers.
func (h HostPort) SameHost(other HostPort) bool {
	return h.IP == other.IP && strings.EqualFold(h.Name, other.Name)
}

// ParseHostPort parses host or host:port as in a URL or an address to dial.
// Port is 0 if there is no port, or nothing after the colon. An IPv6 address is
// in brackets and may have a zone.
func ParseHostPort(s string) (HostPort, error) {
	host, port, err := SplitHostPort(s)
	if err != nil {
		return HostPort{}, err
	}
	h := HostPort{Name: host}
	if strings.HasPrefix(s, "[") {
		h.Name = ""
		h.IP, err = parseIPv6(host)
	} else {
		err = CheckName(host)
	}
	if err != nil || port == "" {
		return h, err
	}
	h.Port, err = parsePort(port)
	return h, err
}

// ParseHostHeader is ParseHostPort for a Host header or an origin, where an
// address has no zone. A zone means something only on the client's machine and
// is never sent, RFC 6874 section 3.
func ParseHostHeader(s string) (HostPort, error) {
	if strings.HasPrefix(s, "[") && strings.Contains(s, "%") { // before netip, which keeps a copy of the zone
		return HostPort{}, errBrackets
	}
	h, err := ParseHostPort(s)
	if err == errIPv6 {
		err = errBrackets
	}
	return h, err
}

// SplitHostPort cuts host or host:port at the colon and removes the brackets of
// an IPv6 address. It checks nothing but the brackets.
func SplitHostPort(s string) (host, port string, err error) {
	inner, found := strings.CutPrefix(s, "[")
	if !found {
		host, port, _ = strings.Cut(s, ":")
		return host, port, nil
	}
	host, rest, closed := strings.Cut(inner, "]")
	port, colon := strings.CutPrefix(rest, ":")
	if !closed || !colon && rest != "" {
		return "", "", errBrackets
	}
	return host, port, nil
}

var (
	errBrackets = errors.New("expected an IPv6 address without zone in brackets, and after them nothing but a port")
	errIPv6     = errors.New("expected an IPv6 address between the brackets")
	errZone     = errors.New("expected a zone of letters, digits and -._~ (RFC 6874 section 2)")
)

func parseIPv6(s string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(s)
	switch {
	case err != nil || !ip.Is6():
		return netip.Addr{}, errIPv6
	case strings.ContainsFunc(ip.Zone(), isNotUnreserved):
		return netip.Addr{}, errZone
	}
	return ip, nil
}

// isNotUnreserved reports whether r is not one of the characters that RFC 3986
// section 2.3 calls unreserved.
func isNotUnreserved(r rune) bool {
	return r >= utf8.RuneSelf || !isAlnum(byte(r)) && !strings.ContainsRune("-._~", r)
}

func isAlnum(c byte) bool {
	lower := c | 0x20
	return '0' <= c && c <= '9' || 'a' <= lower && lower <= 'z'
}

// MaxName is the length of the longest name that DNS can carry, in characters
// and without a final dot. maxLabel is the length of the longest label (RFC
// 1035 section 2.3.4).
const (
	MaxName  = 253
	maxLabel = 63
)

var (
	errNoHost    = errors.New("expected a host")
	errLongName  = errors.New("expected a host of at most 253 characters, at most 63 between dots (RFC 1035 section 2.3.4)")
	errNameBytes = errors.New("expected a host of letters, digits, hyphens, underscores and single dots")
)

// CheckName returns an error if name is not a host name. It is stricter than
// RFC 3986, which would let commas and quotes into the Host header. It is less
// strict than RFC 1123, because underscores are not rare inside networks.
func CheckName(name string) error {
	if name == "" {
		return errNoHost
	}
	name = strings.TrimSuffix(name, ".")
	if len(name) > MaxName {
		return errLongName
	}
	start := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.' && i > start:
			start = i + 1
		case !isAlnum(c) && c != '-' && c != '_':
			return errNameBytes
		case i-start == maxLabel:
			return errLongName
		}
	}
	if start == len(name) {
		return errNameBytes
	}
	return nil
}

// parsePort parses a port of digits only. Leading zeros are harmless: RFC 3986
// section 3.2.3 allows any number of digits.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("expected a port from 1 to 65535")
	}
	return uint16(n), nil
}

// DefaultPort returns the default port of wss and https if secure is true, and
// of ws and http otherwise.
func DefaultPort(secure bool) uint16 {
	if secure {
		return 443
	}
	return 80
}
