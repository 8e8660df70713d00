package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/origin"
	"github.com/protocol-websocket/websocket/internal/permessage"
	"golang.org/x/net/http/httpguts"
)

// This file holds what a server requires of a request, apart from its state.

// Validate returns an error if an option is wrong: an unknown version, a name in
// Subprotocols that cannot be sent or is there twice, a pattern in Origins that
// could never match, a MaxHeaderBytes below 0, a number in Compression that is out
// of range. The zero Upgrader is valid.
//
// A program calls Validate once, when it starts. If it does not, every request
// is answered with 500 as long as an option is wrong, and this is logged, once
// for each Upgrader: to [slog.Default], or to the Logger of a [Server].
func (u *Upgrader) Validate() error {
	for _, v := range u.Versions { // one may be there twice, under two names of ParseVersion
		if err := v.check(); err != nil {
			return err
		}
	}
	if err := checkSubprotocols(u.Subprotocols); err != nil {
		return err
	}
	if err := u.Compression.validate(); err != nil {
		return err
	}
	if u.MaxHeaderBytes < 0 {
		return fmt.Errorf("websocket: MaxHeaderBytes is %d: expected a number of bytes, or 0 for %d", u.MaxHeaderBytes, defaultMaxHeaderBytes)
	}
	if len(u.Origins) == 0 {
		return nil // the usual case costs nothing
	}
	// Allowed checks all patterns, whatever the origin.
	if _, err := origin.Allowed(u.Origins, "null"); err != nil {
		return fmt.Errorf("websocket: %w", err)
	}
	return nil
}

// mistaken returns the refusal of every request while an option is wrong. It is
// answered with 500, because it is not the client's fault.
func mistaken(err error) error {
	return &HandshakeError{Status: http.StatusInternalServerError, Err: err, inOptions: true}
}

// defaultMaxHeaderBytes is enough for browsers, whose largest header is Cookie.
const defaultMaxHeaderBytes = 16 << 10

// maxHeaderBytes returns the limit for the head of a request. Where Validate
// complains of the option, it is the default.
func (u *Upgrader) maxHeaderBytes() int {
	if u.MaxHeaderBytes <= 0 {
		return defaultMaxHeaderBytes
	}
	return u.MaxHeaderBytes
}

// otherRequest returns the refusal of a client whose first bytes are b and not
// those of a request of HTTP/1, or nil. It needs few bytes, because some clients
// then wait.
func otherRequest(b []byte) error {
	switch {
	case len(b) >= 2 && b[0] == 0x16 && b[1] == 3: // RFC 8446 section 5.1: a handshake record
		return refusef(http.StatusBadRequest, "client speaks TLS, and the server does not: expected HTTP/1.1; use ws in the URL, or a listener with TLS")
	case bytes.HasPrefix(b, []byte("PROXY ")), bytes.HasPrefix(b, []byte("\r\n\r\n")):
		return refusef(http.StatusBadRequest, "request begins with %.20q: expected HTTP/1.1; a proxy that sends the PROXY protocol needs a listener that reads it", b)
	}
	return nil
}

// refuseRequestHead is refuseHead for a request.
func refuseRequestHead(err error) error {
	if bad, ok := errors.AsType[*httphead.Error](err); ok && bad.Status == http.StatusRequestHeaderFieldsTooLarge {
		return refuseLargeHead(bad)
	}
	return refuseHead(err)
}

// refuseLargeHead returns the refusal of a head that is over a limit, which err
// says.
func refuseLargeHead(err error) error {
	return refusef(http.StatusRequestHeaderFieldsTooLarge, "%w: expected fewer headers or smaller ones, such as cookies; the server's Upgrader.MaxHeaderBytes limits the bytes", err)
}

func (u *Upgrader) versions() []Version {
	if len(u.Versions) == 0 {
		return allVersions
	}
	return u.Versions
}

// checkUpgrade checks what the requests of all versions have in common, RFC
// 6455 section 4.2.1.
func checkUpgrade(r *http.Request, versions []Version) error {
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refusef(http.StatusHTTPVersionNotSupported, "request is %.20s: expected HTTP/1.1; behind a proxy, make it use that version (nginx: proxy_http_version 1.1)", r.Proto)
	case r.Method != http.MethodGet:
		return refusef(http.StatusMethodNotAllowed, "method is %.20q: expected GET", r.Method)
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return refuseVersion(http.StatusUpgradeRequired, versions, "header Upgrade is %.80q: expected the token websocket; "+
			"open this address with a WebSocket client, and make a proxy pass the header", joined(r.Header, "Upgrade"))
	case !hasToken(r.Header, "Connection", "upgrade"):
		return refusef(http.StatusBadRequest, "header Connection is %.80q: expected the token Upgrade; "+
			"make a proxy send it (nginx: proxy_set_header Connection upgrade)", joined(r.Header, "Connection"))
	case r.Host == "" || !httpguts.ValidHostHeader(r.Host):
		return refusef(http.StatusBadRequest, "header Host is %.80q: expected host or host:port", r.Host)
	case !strings.HasPrefix(r.URL.Path, "/"):
		return refusef(http.StatusBadRequest, "request target is %s: expected a path that begins with a slash", origin.Quote(r.RequestURI))
	case !httpguts.ValidHeaderFieldValue(r.RequestURI): // the Location header repeats it
		return refusef(http.StatusBadRequest, "request target is %s: expected no control characters", origin.Quote(r.RequestURI))
	}
	return nil
}

// refuseVersion returns a refusal that names the accepted versions, RFC 6455
// section 4.4, also in its header.
func refuseVersion(status int, versions []Version, format string, args ...any) error {
	err := refusef(status, format+"; accepted versions are "+versionNames(versions), args...)
	err.ofVersion = true
	return err
}

// joined returns the values of a header for an error. They are cut there, because
// a peer may send any amount.
func joined(h http.Header, name string) string { return strings.Join(h[name], ", ") }

func versionNames(list []Version) string {
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = v.String()
	}
	return strings.Join(names, ", ")
}

// detectVersion returns the version of a request. Sec-WebSocket-Key does not
// decide it, because HAProxy 3 adds that header to requests of the oldest
// versions. A broken request of one version is refused. It is never treated as
// a request of an older version.
func detectVersion(h http.Header, versions []Version) (Version, error) {
	v := Hixie75
	switch {
	case h["Sec-Websocket-Version"] != nil:
		number, err := single(h, "Sec-Websocket-Version")
		if err != nil {
			return 0, refuseVersion(http.StatusBadRequest, versions, "%w", err)
		}
		if _, err := strconv.ParseUint(number, 10, 8); err != nil {
			return 0, refuseVersion(http.StatusBadRequest, versions, "Sec-WebSocket-Version is %.20q: expected a number up to 255", number)
		}
		i := slices.IndexFunc(allVersions, func(v Version) bool { return v.traits().number == number })
		if i < 0 {
			return 0, refuseVersion(http.StatusUpgradeRequired, versions, "Sec-WebSocket-Version is %.20s", number)
		}
		v = allVersions[i]
	case h["Sec-Websocket-Draft"] != nil:
		return 0, refuseVersion(http.StatusBadRequest, versions, "header Sec-WebSocket-Draft is %.20q: expected none, because drafts hybi-01 to -03 are not supported", joined(h, "Sec-Websocket-Draft"))
	case h["Sec-Websocket-Key1"] != nil || h["Sec-Websocket-Key2"] != nil:
		v = Hybi00
	default:
		if err := checkHixie75(h); err != nil {
			return 0, refuseVersion(http.StatusBadRequest, versions, "%w", err)
		}
	}
	if !slices.Contains(versions, v) {
		return 0, refuseVersion(http.StatusUpgradeRequired, versions, "Sec-WebSocket-Version is %.20q, with which the request is one of %v", joined(h, "Sec-Websocket-Version"), v)
	}
	return v, nil
}

// checkExtensions returns an error if Sec-WebSocket-Extensions is malformed. Then
// the handshake must fail, RFC 6455 section 9.1, whether or not the server has
// extensions. What is well-formed and makes no sense is only declined.
func checkExtensions(v Version, h http.Header) error {
	if !v.traits().extensions || permessage.WellFormed(h["Sec-Websocket-Extensions"]) {
		return nil
	}
	return refusef(http.StatusBadRequest, "Sec-WebSocket-Extensions is %.200q: expected names with parameters after semicolons (RFC 6455 section 9.1)", joined(h, "Sec-Websocket-Extensions"))
}

// requestOrigin returns the origin in a request, or "" if there is none. It
// reads the header of the request's version. If that is missing, it reads
// Origin: draft 11 returned to that name and kept the version number of draft
// 8. A proxy or a page may be able to set one of the two headers. If a request
// has both, they must agree. Otherwise one could be used to bypass a check of
// the other.
//
// An empty header counts as a missing one. Embedded clients send it, and no
// browser does.
func requestOrigin(v Version, r *http.Request, versions []Version) (string, error) {
	plain, err := originIn(r.Header, "Origin")
	if err != nil {
		return "", err
	}
	draft, err := originIn(r.Header, "Sec-Websocket-Origin")
	if err != nil {
		return "", err
	}
	isPlain := v.traits().originHeader == "Origin"
	switch {
	case isPlain && plain == "" && draft != "":
		return "", refusef(http.StatusForbidden, "header Sec-WebSocket-Origin without Origin: expected Origin in %v", v)
	case plain == "" && draft == "" && v.traits().originRequired:
		return "", refuseWithoutOrigin(v, versions)
	case plain != "" && draft != "" && plain != draft && !isHostOfWs04(v, r, plain):
		return "", refusef(http.StatusForbidden, "Origin is %s, but Sec-WebSocket-Origin is %s: expected the same in both", origin.Quote(plain), origin.Quote(draft))
	case isPlain || draft == "":
		return plain, nil
	}
	return draft, nil
}

// refuseWithoutOrigin refuses a request that must have an origin. One of
// hixie-75 may be one of a later version whose headers were lost on the way.
func refuseWithoutOrigin(v Version, versions []Version) error {
	const format = "header Origin is missing or empty: expected the origin of a page, which %v requires"
	if v == Hixie75 {
		return refuseVersion(http.StatusForbidden, versions, format+", or the headers of a later version", v)
	}
	return refusef(http.StatusForbidden, format, v)
}

// originIn returns the value of a header that has an origin, or "" if there is
// none.
func originIn(h http.Header, name string) (string, error) {
	switch values := h[name]; {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", refusef(http.StatusForbidden, "%d headers %s: expected one", len(values), wireName(name))
	case !httpguts.ValidHeaderFieldValue(values[0]):
		return "", refusef(http.StatusForbidden, "%s is %s: expected an origin without control characters", wireName(name), origin.Quote(values[0]))
	default:
		return values[0], nil
	}
}

// isHostOfWs04 reports whether plain is what node's ws 0.4 sends as Origin: its
// Host, beside the true origin in Sec-WebSocket-Origin. Such a request is
// accepted although the two differ. Browsers never send an Origin without a
// scheme, and a valid Host cannot have one, so no page can exploit that.
func isHostOfWs04(v Version, r *http.Request, plain string) bool {
	return v.traits().originHeader != "Origin" && plain == r.Host
}

// checkOrigin returns an error if the origin from is not allowed. from is "" if
// the request has none.
func (u *Upgrader) checkOrigin(r *http.Request, from string) error {
	if u.CheckOrigin != nil {
		return u.CheckOrigin(r, from)
	}
	if from == "" { // not a browser: browsers always send an origin
		return nil
	}
	err := origin.Same(from, r.Host, u.secure(r))
	if err == nil {
		return nil
	}
	if ok, _ := origin.Allowed(u.Origins, from); ok {
		return nil
	}
	return refusef(http.StatusForbidden, "%w; the server's Upgrader.Origins allows others", err)
}

// secure reports whether the client uses TLS.
func (u *Upgrader) secure(r *http.Request) bool {
	return r.TLS != nil || u.Secure != nil && u.Secure(r)
}

// chooseSubprotocol returns the first of ours that the client offers, or "" if
// it offers none of them. Nothing in the header refuses a request: the client
// sees from the response what was chosen, and may leave.
func chooseSubprotocol(v Version, h http.Header, ours []string) string {
	best := len(ours)
	take := func(s string) {
		if i := slices.Index(ours[:best], s); i >= 0 {
			best = i
		}
	}
	offered := h[v.traits().protocolHeader]
	if v.traits().subprotocolList {
		eachSubprotocol(offered, take)
	} else { // each is one name, also if it has a comma
		for _, name := range offered {
			take(name)
		}
	}
	if best == len(ours) {
		return ""
	}
	return ours[best]
}
