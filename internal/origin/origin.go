// Package origin compares the origin of a web page with the host it connects
// to, and with lists of allowed origins. It also has the only parser of
// host:port in this module, which URLs and proxies use too. It exists because
// no package of the standard library compares origins, and because net/url and
// package net accept hosts that must not get into a header.
package origin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// webOrigin is the origin of a page that came over HTTP: scheme, host and port
// (RFC 6454 section 4). Only the zero webOrigin has port 0.
//
// Programs that are not browsers often send the scheme of the WebSocket instead.
// ws stands for http and wss for https: no page has an origin with these schemes,
// so that lets nothing through that a page can send.
type webOrigin struct {
	HostPort
	secure bool // https or wss
}

// Same compares the Origin header of a request with its Host header. It returns
// nil if scheme, host and port agree (RFC 6454 section 5). If secure is true,
// the request came over TLS and must come from an https page. Any other request
// may come from http or https, because a proxy may have ended TLS.
func Same(origin, host string, secure bool) error {
	if plainlySame(origin, host, secure) {
		return nil
	}
	if err := compareOrigin(origin, host, secure); err != nil {
		return fmt.Errorf("the client's Origin %s does not match its Host %s: %w", Quote(origin), Quote(host), err)
	}
	return nil
}

// plainlySame reports whether origin is a scheme followed by exactly the text
// of host, as browsers write it. Then compareOrigin would find no difference,
// and need not be called. That saves stack: under net/http, the stack of the
// goroutine had to grow in compareOrigin, which cost as much as all the rest of
// an upgrade.
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
		return errors.New("expected an https origin, because the request came over TLS")
	case !o.SameHost(h):
		return errors.New("expected the same host in both (behind a proxy: does it pass Host?)")
	case o.Port != h.Port:
		return fmt.Errorf("expected port %d in Origin, got %d (behind a proxy: does it pass Host with its port?)", h.Port, o.Port)
	}
	return nil
}

// parseOrigin parses a serialized origin, which has only one form (RFC 6454
// section 6.2).
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
		return webOrigin{}, errors.New("expected it to begin with http:// or https:// (or ws://, wss://)")
	}
	return newOrigin(scheme, rest)
}

var errNoOrigin = errors.New("expected an origin, got none")

var errNotVisible = errors.New("expected visible ASCII only, with international names in their xn-- form")

// isNotVisible reports whether r is neither visible ASCII nor a space. Spaces
// are left to checkNoExtras, which calls a list of origins a list.
func isNotVisible(r rune) bool { return r < ' ' || r > '~' }

// isWebScheme reports whether s is http, https, ws or wss. s must be ASCII,
// because strings.EqualFold takes U+017F for an s.
func isWebScheme(s string) bool {
	return isSecureScheme(s) || strings.EqualFold(s, "http") || strings.EqualFold(s, "ws")
}

func isSecureScheme(s string) bool {
	return strings.EqualFold(s, "https") || strings.EqualFold(s, "wss")
}

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
	o := webOrigin{HostPort: h, secure: isSecureScheme(scheme)}
	if o.Port == 0 {
		o.Port = DefaultPort(o.secure)
	}
	return o, nil
}

// checkNoExtras returns an error if rest, what follows scheme://, has a part
// that URLs may have and origins may not. The error names that part.
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

// Quote quotes a URL or an origin for an error message. It shows only the
// beginning, and no query, which may hold a token. If s might hold a user and a
// password, Quote shows nothing of it.
func Quote(s string) string {
	const most = 100
	if strings.Contains(s, "@") {
		return "(not shown, because it may hold a password)"
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
