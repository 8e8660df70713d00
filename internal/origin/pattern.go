package origin

import (
	"errors"
	"fmt"
	"strings"
)

// Allowed reports whether any of the patterns matches the value of an
// Origin header. A pattern is one of
//
//	null                           exactly null
//	*                              every origin, also null, but not a missing one
//	https://app.example.com:8443   this scheme, host and port; without a port, the default port
//	https://*.example.com          all hosts below example.com, at any depth, but not example.com itself
//	http://localhost:*             any port, also the default port
//	chrome-extension://abcdef      exactly this, for schemes other than http and https
//
// In patterns as in origins, ws stands for http and wss for https.
//
// Allowed returns an error if a pattern could never match or probably means
// something else, which is a mistake of the program. It checks all patterns at
// every call. Otherwise a mistake would stay hidden until a request matches
// none of the patterns before it.
func Allowed(patterns []string, origin string) (bool, error) {
	// If the origin is not that of a web page, o is the zero webOrigin, which
	// matches no web pattern. The origin may still be in the list literally.
	o, _ := parseOrigin(origin)
	allowed := false
	for _, pattern := range patterns {
		p, err := parsePattern(pattern)
		if err != nil {
			return false, fmt.Errorf("the program's origin pattern %q is malformed: %w", pattern, err)
		}
		allowed = allowed || p.matches(origin, o)
	}
	return allowed, nil
}

// originPattern is one entry of a list of allowed origins.
type originPattern struct {
	text       string
	isWeb      bool      // the scheme is http, https, ws or wss, so web is set
	web        webOrigin // without "*." before the host and ":*" after it
	subdomains bool      // matches the names below that of web, but not that name itself
	anyPort    bool
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
	return p, checkOther(rest)
}

func (p *originPattern) setWeb(scheme, rest string) (err error) {
	p.isWeb = true
	rest, p.subdomains = strings.CutPrefix(rest, "*.")
	rest, p.anyPort = strings.CutSuffix(rest, ":*")
	if p.subdomains && isAddress(rest) {
		return errors.New("expected a name after the wildcard, got an address, and nothing is below an address")
	}
	if _, port, _ := SplitHostPort(rest); p.anyPort && port != "" {
		return errors.New("expected one port or :* for any")
	}
	p.web, err = newOrigin(scheme, rest)
	return err
}

// isAddress reports whether the host of host:port is an address rather than a
// name. A browser takes a host for an IPv4 address, with fewer parts or in
// another base if need be, if its last label is a number (URL Standard, section
// 3.5, "ends in a number"). No name in DNS ends like that.
func isAddress(hostPort string) bool {
	if strings.HasPrefix(hostPort, "[") || strings.Count(hostPort, ":") > 1 {
		return true // IPv6
	}
	host, _, _ := strings.Cut(hostPort, ":")
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if len(last) >= 2 && strings.EqualFold(last[:2], "0x") {
		return strings.Trim(last[2:], "0123456789abcdefABCDEF") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// checkOther checks a pattern whose scheme is not of the web. This package does
// not know the structure of such origins.
func checkOther(rest string) error {
	if strings.Contains(rest, "*") {
		return errors.New("expected no wildcard with this scheme")
	}
	return checkNoExtras(rest)
}

// isScheme reports whether s has the syntax of a scheme, RFC 3986 section 3.1.
func isScheme(s string) bool {
	if s == "" || !isAlnum(s[0]) || s[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return isNotUnreserved(r) && r != '+' || r == '_' || r == '~'
	})
}

// matches reports whether p matches an origin. o is origin, parsed.
func (p originPattern) matches(origin string, o webOrigin) bool {
	switch {
	case p.text == "*":
		return origin != ""
	case !p.isWeb:
		return p.text == origin
	case o.Port == 0 || p.web.secure != o.secure || p.web.Port != o.Port && !p.anyPort:
		return false
	case p.subdomains:
		return isSubdomain(o.Name, p.web.Name)
	}
	return p.web.SameHost(o.HostPort)
}

// isSubdomain reports whether name is below parent. The dot is part of the
// comparison, so that evilexample.com is not below example.com. Both have
// passed CheckName, so the label before the dot is not empty.
func isSubdomain(name, parent string) bool {
	dot := len(name) - len(parent) - 1
	return dot > 0 && name[dot] == '.' && strings.EqualFold(name[dot+1:], parent)
}
