package websocket

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// hostPort is a host and a port as they stand in an Origin or a Host header.
// It refers to the text it was parsed from, so that comparing two of them
// allocates nothing.
type hostPort struct {
	name string     // a name or an IPv4 address, in the case it came in; empty if ip is valid
	ip   netip.Addr // an IPv6 address
	port uint16     // 0 if none was given
}

// webOrigin is the origin of a page that came by HTTP: scheme, host and port
// (RFC 6454 section 4). Its port is never 0.
type webOrigin struct {
	hostPort
	secure bool
}

// sameOrigin compares the Origin header of a request with its Host header: nil
// if scheme, host and port agree (RFC 6454 section 5). A request that came
// over TLS must come from an https page; any other may come from either kind,
// because a proxy may have taken the TLS off.
func sameOrigin(origin, host string, secure bool) error {
	if plainlySame(origin, host, secure) {
		return nil
	}
	if err := compareOrigin(origin, host, secure); err != nil {
		return fmt.Errorf("the client's Origin %s does not match its Host %s: %w", shown(origin), shown(host), err)
	}
	return nil
}

// plainlySame reports whether compareOrigin would find nothing: the host stands
// in the origin letter by letter, as browsers write it. It is for the stack:
// under net/http, compareOrigin was where a goroutine's had to be made larger,
// which cost as much as all the rest of an upgrade.
func plainlySame(origin, host string, secure bool) bool {
	scheme := len(origin) - len(host)
	if scheme < 0 || strings.HasPrefix(host, "[") || origin[scheme:] != host || origin[:scheme] != "https://" && (secure || origin[:scheme] != "http://") {
		return false
	}
	name, port, found := strings.Cut(host, ":")
	if found {
		if _, err := parsePort(port); err != nil {
			return false
		}
	}
	return checkName(name) == nil
}

func compareOrigin(origin, host string, secure bool) error {
	o, err := parseOrigin(origin)
	if err != nil {
		return fmt.Errorf("in Origin, %w", err)
	}
	h, err := parseHostPort(host)
	if err != nil {
		return fmt.Errorf("in Host, %w", err)
	}
	if h.port == 0 {
		h.port = defaultPort(o.secure)
	}
	switch {
	case secure && !o.secure:
		return errors.New("expected an https origin, as the request came over TLS")
	case !o.sameHost(h):
		return errors.New("expected the same host in both")
	case o.port != h.port:
		return fmt.Errorf("expected port %d in Origin, got %d", h.port, o.port)
	}
	return nil
}

// sameHost ignores case, but nothing else: a final dot makes another host, as
// it does for browsers.
func (h hostPort) sameHost(other hostPort) bool {
	return h.ip == other.ip && strings.EqualFold(h.name, other.name)
}

// parseOrigin reads the serialisation of an origin (RFC 6454 section 6.2), of
// which there is only this form.
func parseOrigin(s string) (webOrigin, error) {
	if s == "" {
		return webOrigin{}, errNoOrigin
	}
	if s == "null" {
		return webOrigin{}, errors.New("expected a host, got null, which says that the page has no origin or hides it")
	}
	if strings.ContainsFunc(s, isNotVisible) {
		return webOrigin{}, errNotVisible
	}
	scheme, rest, _ := strings.Cut(s, "://")
	if !isWebScheme(scheme) {
		return webOrigin{}, errors.New("expected it to begin with http:// or https://")
	}
	return newOrigin(scheme, rest)
}

var errNoOrigin = errors.New("expected an origin, got none")

var errNotVisible = errors.New("expected visible ASCII only, with other names in their xn-- form")

// isNotVisible lets the space pass, so that a list of origins is named as
// such.
func isNotVisible(r rune) bool { return isControl(r) || isNotASCII(r) }

// isWebScheme needs ASCII: strings.EqualFold would take U+017F for an s.
func isWebScheme(s string) bool { return strings.EqualFold(s, "http") || strings.EqualFold(s, "https") }

func newOrigin(scheme, rest string) (webOrigin, error) {
	if err := checkNoExtras(rest); err != nil {
		return webOrigin{}, err
	}
	if strings.HasSuffix(rest, ":") {
		return webOrigin{}, errors.New("expected a port after the colon")
	}
	h, err := parseHostPort(rest)
	if err != nil {
		return webOrigin{}, err
	}
	o := webOrigin{hostPort: h, secure: len(scheme) == len("https")}
	if o.port == 0 {
		o.port = defaultPort(o.secure)
	}
	return o, nil
}

// checkNoExtras names what a URL may have after its scheme and an origin may
// not.
func checkNoExtras(rest string) error {
	i := strings.IndexAny(rest, "/\\?#@ ,")
	if i < 0 {
		return nil
	}
	switch rest[i] {
	case '@':
		return errors.New("expected no user information")
	case '?':
		return errors.New("expected no query")
	case '#':
		return errors.New("expected no fragment")
	case ' ', ',':
		return errors.New("expected a single origin, got several")
	}
	return errors.New("expected no path, not even a slash at the end")
}

// parseHostPort reads host or host:port. No port, or nothing after the colon,
// is port 0.
func parseHostPort(s string) (hostPort, error) {
	if inner, found := strings.CutPrefix(s, "["); found {
		return parseIPv6Port(inner)
	}
	name, port, _ := strings.Cut(s, ":")
	if err := checkName(name); err != nil || port == "" {
		return hostPort{name: name}, err
	}
	n, err := parsePort(port)
	return hostPort{name: name, port: n}, err
}

// parseIPv6Port reads address] or address]:port.
func parseIPv6Port(s string) (hostPort, error) {
	address, rest, closed := strings.Cut(s, "]")
	// A zone is never sent (RFC 6874 section 3), and netip would keep a copy of
	// it.
	if !closed || strings.Contains(address, "%") {
		return hostPort{}, errBrackets
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Is6() {
		return hostPort{}, errBrackets
	}
	port, colon := strings.CutPrefix(rest, ":")
	switch {
	case !colon && rest != "":
		return hostPort{}, errBrackets
	case port == "":
		return hostPort{ip: ip}, nil
	}
	n, err := parsePort(port)
	return hostPort{ip: ip, port: n}, err
}

var errBrackets = errors.New("expected an IPv6 address without zone in brackets, and after them nothing but a port")

// originAllowed reports whether any of the patterns matches the value of an
// Origin header. A pattern is one of
//
//	null                           just that
//	*                              every origin, null included, but not a missing one
//	https://app.example.com:8443   this scheme, host and port; the port may be left out if it is the default
//	https://*.example.com          all that end in .example.com, at any depth, but not example.com
//	chrome-extension://abcdef      exactly this, for schemes other than http and https
//
// The error is for a pattern that could never match or was probably meant
// otherwise, the program's mistake. All patterns are checked at every call, so
// that a mistake does not wait for the request that gets as far as to see it.
func originAllowed(patterns []string, origin string) (bool, error) {
	// An origin that is not a page's may still be in the list as it is. Until
	// then it is the zero webOrigin, whose port no pattern has.
	o, _ := parseOrigin(origin)
	allowed := false
	for _, pattern := range patterns {
		p, err := parsePattern(pattern)
		if err != nil {
			return false, fmt.Errorf("websocket: the program's origin pattern %q is malformed: %w", pattern, err)
		}
		allowed = allowed || p.matches(origin, o)
	}
	return allowed, nil
}

// originPattern is one entry of a list of allowed origins.
type originPattern struct {
	text       string
	isWeb      bool      // has an http or https scheme, so web says it all
	web        webOrigin // for a wildcard, what follows "*."
	subdomains bool      // matches the names below web's and not that itself
}

func parsePattern(s string) (originPattern, error) {
	p := originPattern{text: s}
	if s == "*" || s == "null" {
		return p, nil
	}
	if strings.ContainsFunc(s, isNotVisible) {
		return p, errNotVisible
	}
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case !found || !isScheme(scheme):
		return p, errors.New("expected scheme://host, null or *")
	case isWebScheme(scheme):
		return p, p.setWeb(scheme, rest)
	}
	return p, checkOther(scheme, rest)
}

func (p *originPattern) setWeb(scheme, rest string) (err error) {
	p.isWeb = true
	rest, p.subdomains = strings.CutPrefix(rest, "*.")
	p.web, err = newOrigin(scheme, rest)
	if err == nil && p.subdomains && p.web.ip.IsValid() {
		return errors.New("expected a name after the wildcard, got an address")
	}
	return err
}

// checkOther checks a pattern whose scheme is neither http nor https, which
// has no structure known here.
func checkOther(scheme, rest string) error {
	if strings.EqualFold(scheme, "ws") || strings.EqualFold(scheme, "wss") {
		return errors.New("expected the scheme of the page, http or https, not that of its WebSocket")
	}
	if strings.Contains(rest, "*") {
		return errors.New("expected no wildcard with this scheme")
	}
	return checkNoExtras(rest)
}

// isScheme is the syntax of RFC 3986 section 3.1.
func isScheme(s string) bool {
	if s == "" || !isAlnum(s[0]) || s[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return isNotUnreserved(r) && r != '+' || r == '_' || r == '~'
	})
}

// matches takes the origin as it came and as it was parsed.
func (p originPattern) matches(origin string, o webOrigin) bool {
	switch {
	case p.text == "*":
		return origin != ""
	case !p.isWeb:
		return p.text == origin
	case p.web.secure != o.secure || p.web.port != o.port:
		return false
	case p.subdomains:
		return isSubdomain(o.name, p.web.name)
	}
	return p.web.sameHost(o.hostPort)
}

// isSubdomain reports whether name is below parent. The dot is part of the
// comparison, lest evilexample.com be taken for a part of example.com. Both
// have passed checkName, so the label before the dot is not empty.
func isSubdomain(name, parent string) bool {
	dot := len(name) - len(parent) - 1
	return dot > 0 && name[dot] == '.' && strings.EqualFold(name[dot+1:], parent)
}
