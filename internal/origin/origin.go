// Package origin compares the origin of a web page with the host it connects
// to, and with lists of allowed origins. It has the one parser of host:port of
// this module, which URLs and proxies use too. It is its own because no package
// of the standard library compares origins, and because net/url and package net
// take hosts that must not get into a header.
package origin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// webOrigin is the origin of a page that came over HTTP: scheme, host and port
// (RFC 6454 section 4). Its port is never 0.
type webOrigin struct {
	HostPort
	secure bool
}

// Same compares the Origin header of a request with its Host header. It returns
// nil if scheme, host and port agree (RFC 6454 section 5). A request that came
// over TLS must come from an https page. Any other may come from either kind,
// because a proxy may have ended TLS.
func Same(origin, host string, secure bool) error {
	if plainlySame(origin, host, secure) {
		return nil
	}
	if err := compareOrigin(origin, host, secure); err != nil {
		return fmt.Errorf("the client's Origin %s does not match its Host %s: %w", Quote(origin), Quote(host), err)
	}
	return nil
}

// plainlySame reports whether the host stands in the origin letter by letter,
// as browsers write it, so that compareOrigin would find nothing. It is there
// for the sake of the stack: under net/http, compareOrigin was where the stack
// of the goroutine had to grow, which cost as much as all the rest of an
// upgrade.
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
	return CheckName(name) == nil
}

func compareOrigin(origin, host string, secure bool) error {
	o, err := parseOrigin(origin)
	if err != nil {
		return fmt.Errorf("in Origin, %w", err)
	}
	h, err := ParseHostHeader(host)
	if err != nil {
		return fmt.Errorf("in Host, %w", err)
	}
	if h.Port == 0 {
		h.Port = DefaultPort(o.secure)
	}
	switch {
	case secure && !o.secure:
		return errors.New("expected an https origin, as the request came over TLS")
	case !o.SameHost(h):
		return errors.New("expected the same host in both")
	case o.Port != h.Port:
		return fmt.Errorf("expected port %d in Origin, got %d", h.Port, o.Port)
	}
	return nil
}

// parseOrigin reads the serialisation of an origin, which has only one form
// (RFC 6454 section 6.2).
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

// isNotVisible is false for the space, so that a list of origins is called a
// list.
func isNotVisible(r rune) bool { return r < ' ' || r > '~' }

// isWebScheme wants ASCII: strings.EqualFold takes U+017F for an s.
func isWebScheme(s string) bool { return strings.EqualFold(s, "http") || strings.EqualFold(s, "https") }

func newOrigin(scheme, rest string) (webOrigin, error) {
	if err := checkNoExtras(rest); err != nil {
		return webOrigin{}, err
	}
	if strings.HasSuffix(rest, ":") {
		return webOrigin{}, errors.New("expected a port after the colon")
	}
	h, err := ParseHostHeader(rest)
	if err != nil {
		return webOrigin{}, err
	}
	o := webOrigin{HostPort: h, secure: len(scheme) == len("https")}
	if o.Port == 0 {
		o.Port = DefaultPort(o.secure)
	}
	return o, nil
}

// checkNoExtras refuses, by its name, what a URL may have after its scheme and
// an origin may not.
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

// Quote quotes a URL or an origin for an error message: its beginning, without
// the query, which may carry a token. If there might be a user and a password
// in it, it is not shown at all.
func Quote(s string) string {
	const most = 100
	if strings.Contains(s, "@") {
		return "(not shown, as it may hold a password)"
	}
	end := strings.IndexAny(s, "?#")
	if end < 0 {
		end = len(s)
	}
	if end = min(end, most); end < len(s) {
		return strconv.Quote(s[:end]) + "…"
	}
	return strconv.Quote(s)
}
