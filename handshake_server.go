package websocket

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/origin"
	"golang.org/x/net/http/httpguts"
)

// ServerHandshake is the server's part of the opening handshake of every
// version, without I/O: it is fed what the client sends and says what to send.
// [Upgrader] is a ServerHandshake with a connection. Use [NewServerHandshake]
// to make one; the zero value cannot be used. It is not safe for concurrent
// use.
//
// Call [ServerHandshake.Feed] with each piece that arrives, and after it send
// what [ServerHandshake.AppendResponse] appends, until [ServerHandshake.Done]
// or an error. What Feed did not take belongs to [ServerHandshake.Parser].
type ServerHandshake struct {
	// TLS and RemoteAddr describe the connection, if set before Feed, as
	// net/http does in the request. A Location header says wss if TLS is set,
	// or if [Upgrader].Secure says so.
	TLS        *tls.ConnectionState
	RemoteAddr string

	handshake
	up         *Upgrader
	received   *http.Request // what the client sent; nil until its head has arrived
	accepted   *http.Request // the same with Check's context; nil until accepted
	header     http.Header   // what the program adds to the response
	origin     string
	accept     [acceptLen]byte // not used in the two oldest versions
	extensions string          // the header of the response, if agreed is not nil
	sentHead   bool
}

// NewServerHandshake returns a handshake that accepts what up accepts; nil
// stands for the zero Upgrader. up must not be changed before the handshake is
// over.
func NewServerHandshake(up *Upgrader) *ServerHandshake {
	if up == nil {
		up = new(Upgrader)
	}
	return &ServerHandshake{handshake: handshake{side: ServerSide, config: &up.Config}, up: up}
}

// Feed takes bytes of the handshake and reports how many; the rest of p came
// after it. If the request is refused, the error is a [HandshakeError] and
// final: AppendResponse then appends the answer to send before the connection
// is closed.
func (h *ServerHandshake) Feed(p []byte) (n int, err error) {
	if h.err != nil {
		return 0, h.err
	}
	if h.accepted == nil {
		n, err = h.head.Feed(p)
		if err == nil && h.head.Done() {
			err = h.readHead()
		}
		if err != nil {
			return n, h.Refuse(refuseHead(err))
		}
	}
	if h.accepted != nil && h.challenge != nil {
		n += h.challenge.takeKey3(p[n:])
	}
	return n, nil
}

func (h *ServerHandshake) readHead() error {
	r, err := httphead.ParseRequest(h.head.Bytes())
	if err != nil {
		return refusef(http.StatusBadRequest, "not an HTTP request: %.100q", err.Error()) // err may quote any amount of what the client sent
	}
	r.TLS, r.RemoteAddr = h.TLS, h.RemoteAddr
	h.received = r
	if err := httphead.CheckNames(r.Header); err != nil {
		return err
	}
	h.head = httphead.Head{}
	return h.begin(r)
}

// begin checks the options and all of the request except the 8 bytes of key3.
// It checks the options for every request, because any request may be the first
// to use them. It calls Check after every check that protects the server, and
// before it chooses a subprotocol and compression.
func (h *ServerHandshake) begin(r *http.Request) error {
	if err := h.up.check(); err != nil {
		return &HandshakeError{Status: http.StatusInternalServerError, Err: err}
	}
	versions := h.up.versions()
	if err := checkUpgrade(r, versions); err != nil {
		return err
	}
	v, err := detectVersion(r.Header, versions)
	if err != nil {
		return err
	}
	h.version = v
	if err := h.readKeys(r); err != nil {
		return err
	}
	if h.origin, err = requestOrigin(v, r); err != nil {
		return err
	}
	if err := h.up.checkOrigin(r, h.origin); err != nil {
		return err
	}
	if r, err = h.callCheck(r); err != nil {
		return err
	}
	if h.subprotocol, err = chooseSubprotocol(v, r.Header, h.up.Subprotocols); err != nil {
		return err
	}
	if v.traits().extensions {
		h.agreed, h.extensions = h.up.Compression.agree(r.Header["Sec-Websocket-Extensions"])
	}
	h.accepted = r
	return nil
}

// check returns an error if an option is wrong. Such a mistake is answered with
// 500, because it is not the client's fault.
func (u *Upgrader) check() error {
	for _, v := range u.Versions {
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
	if len(u.Origins) == 0 {
		return nil // the usual case costs nothing
	}
	// Allowed checks all patterns, whatever the origin.
	if _, err := origin.Allowed(u.Origins, "null"); err != nil {
		return fmt.Errorf("websocket: %w", err)
	}
	return nil
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
		return refusef(http.StatusHTTPVersionNotSupported, "request is %.20s: expected HTTP/1.1", r.Proto)
	case r.Method != http.MethodGet:
		return refusef(http.StatusMethodNotAllowed, "method is %.20q: expected GET", r.Method)
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return upgradeRequired(versions, "header Upgrade does not have the token websocket")
	case !hasToken(r.Header, "Connection", "upgrade"):
		return refusef(http.StatusBadRequest, "header Connection does not have the token Upgrade")
	case r.Host == "" || !httpguts.ValidHostHeader(r.Host):
		return refusef(http.StatusBadRequest, "Host is missing or malformed: %.80q", r.Host)
	case !strings.HasPrefix(r.URL.Path, "/"):
		return refusef(http.StatusBadRequest, "request target does not begin with a slash")
	case !httpguts.ValidHeaderFieldValue(r.RequestURI): // the Location header repeats it
		return refusef(http.StatusBadRequest, "request target has a control character: %.80q", r.RequestURI)
	}
	return nil
}

// upgradeRequired returns a refusal that names the accepted versions, RFC 6455
// section 4.4.
func upgradeRequired(versions []Version, format string, args ...any) error {
	format += "; accepted versions are " + versionNames(versions)
	return refusef(http.StatusUpgradeRequired, format, args...)
}

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
			return 0, refusef(http.StatusBadRequest, "%w", err)
		}
		if _, err := strconv.ParseUint(number, 10, 8); err != nil {
			return 0, refusef(http.StatusBadRequest, "Sec-WebSocket-Version is %.20q: expected a number up to 255", number)
		}
		i := slices.IndexFunc(allVersions, func(v Version) bool { return v.traits().number == number })
		if i < 0 {
			return 0, upgradeRequired(versions, "Sec-WebSocket-Version is %s", number)
		}
		v = allVersions[i]
	case h["Sec-Websocket-Draft"] != nil:
		return 0, refusef(http.StatusBadRequest, "Sec-WebSocket-Draft: drafts hybi-01 to -03 are not supported")
	case h["Sec-Websocket-Key1"] != nil || h["Sec-Websocket-Key2"] != nil:
		v = Hybi00
	default:
		if err := checkHixie75(h); err != nil {
			return 0, err
		}
	}
	if !slices.Contains(versions, v) {
		return 0, upgradeRequired(versions, "version is %v", v)
	}
	return v, nil
}

// readKeys reads the keys that the response must answer. It checks that nothing
// but key3 can follow the head before the first frame.
func (h *ServerHandshake) readKeys(r *http.Request) (err error) {
	t := h.version.traits()
	switch {
	case len(r.TransferEncoding) > 0:
		return refusef(http.StatusBadRequest, "request with Transfer-Encoding: expected no body")
	case t.proof == proofChallenge && r.ContentLength != 0 && r.ContentLength != key3Len: // Perl and Netty announce key3 as a body
		return refusef(http.StatusBadRequest, "Content-Length is %d: expected none, or %d", r.ContentLength, key3Len)
	case t.proof != proofChallenge && r.ContentLength != 0:
		return refusef(http.StatusBadRequest, "Content-Length is %d: expected no body", r.ContentLength)
	}
	switch t.proof {
	case proofChallenge:
		h.challenge, err = readChallenge(r.Header)
	case proofAccept:
		h.accept, err = acceptOf(r.Header, t.keyBytes)
	}
	if err != nil {
		return refusef(http.StatusBadRequest, "%w", err)
	}
	return nil
}

// requestOrigin returns the origin in a request, or "" if there is none. It
// reads the header of the request's version. If that is missing, it reads
// Origin: draft 11 returned to that name and kept the version number of draft
// 8. A proxy or a page may be able to set one of the two headers. If a request
// has both, they must agree. Otherwise one could be used to bypass a check of
// the other.
func requestOrigin(v Version, r *http.Request) (string, error) {
	name := v.traits().originHeader
	origin, other := r.Header[name], r.Header["Origin"]
	if name == "Origin" {
		other = r.Header["Sec-Websocket-Origin"]
	}
	if len(origin) > 1 || len(other) > 1 {
		return "", refusef(http.StatusForbidden, "more than one origin header")
	}
	switch {
	case len(origin) == 0 && len(other) == 0:
		if v.traits().originRequired {
			return "", refusef(http.StatusForbidden, "header Origin is missing, which %v requires", v)
		}
		return "", nil
	case len(origin) == 0 && name != "Origin":
		origin = other
	case len(origin) == 0:
		return "", refusef(http.StatusForbidden, "Sec-WebSocket-Origin without Origin")
	case len(other) == 1 && other[0] != origin[0] && !isHostOfWs04(v, r, other[0]):
		return "", refusef(http.StatusForbidden, "Origin and Sec-WebSocket-Origin differ")
	}
	if origin[0] == "" || !httpguts.ValidHeaderFieldValue(origin[0]) {
		return "", refusef(http.StatusForbidden, "origin header is empty or malformed: %.80q", origin[0])
	}
	return origin[0], nil
}

// isHostOfWs04 reports whether origin is what node's ws 0.4 sends as Origin:
// its Host, beside the true origin in Sec-WebSocket-Origin. Such a request is
// accepted although the two differ. Browsers never send an Origin without a
// scheme, and a valid Host cannot have one, so no page can exploit that.
func isHostOfWs04(v Version, r *http.Request, origin string) bool {
	return v.traits().originHeader != "Origin" && origin == r.Host
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
	return refusef(http.StatusForbidden, "%w", err)
}

// secure reports whether the client uses TLS.
func (u *Upgrader) secure(r *http.Request) bool {
	return r.TLS != nil || u.Secure != nil && u.Secure(r)
}

// callCheck calls Check, if there is one, and returns the request with the context
// that Check returned. It also checks the headers that the program adds to the
// response.
func (h *ServerHandshake) callCheck(r *http.Request) (*http.Request, error) {
	var ctx context.Context
	var refused error
	if h.up.Check != nil {
		if h.header == nil {
			h.header = make(http.Header)
		}
		ctx, refused = h.up.Check(r, h.header)
	}
	if err := checkExtraHeader(h.header); err != nil {
		h.header = nil // a refusal must not have these headers either
		return nil, &HandshakeError{Status: http.StatusInternalServerError, Err: err}
	}
	if refused == nil && ctx != nil {
		r = r.WithContext(ctx)
	}
	return r, refused
}

// chooseSubprotocol returns the first of ours that the client offers, or "" if
// it offers none of them.
func chooseSubprotocol(v Version, h http.Header, ours []string) (string, error) {
	offered := h[v.traits().protocolHeader]
	best := len(ours)
	take := func(s string) {
		if i := slices.Index(ours[:best], s); i >= 0 {
			best = i
		}
	}
	switch list := v.traits().subprotocolList; {
	case list:
		if err := eachToken(offered, take); err != nil {
			return "", refusef(http.StatusBadRequest, "Sec-WebSocket-Protocol: %w", err)
		}
	case len(offered) > 1:
		return "", refusef(http.StatusBadRequest, "%d subprotocol headers: expected one in %v", len(offered), v)
	case len(offered) == 1:
		take(offered[0])
	}
	if best == len(ours) {
		return "", nil
	}
	return ours[best], nil
}

// Request returns the request once its head has arrived and was accepted, and
// nil before. Until it calls AppendResponse, a program may look at the request
// and call Refuse.
func (h *ServerHandshake) Request() *http.Request { return h.accepted }

// Refuse ends the handshake with err, unless it has failed before. If err is a
// [HandshakeError] with a Status from 300 to 599, the client is answered with
// that status, otherwise with 403; it is not told the text of err. Once the
// response has begun there is no other answer, and AppendResponse appends
// nothing more. Refuse returns the error that ended the handshake.
func (h *ServerHandshake) Refuse(err error) error {
	if h.err == nil {
		h.err = asHandshakeError(err, http.StatusForbidden)
		if h.err.Status < 300 || h.err.Status > 599 {
			h.err = &HandshakeError{Status: http.StatusForbidden, Err: h.err.Err}
		}
	}
	return h.err
}

// AppendResponse appends what can be sent of the response so far and was not
// appended before. For [Hybi00] that is first the head, which must be sent
// before key3 is waited for, and later 16 bytes. After a refusal it is an
// answer that says why.
func (h *ServerHandshake) AppendResponse(dst []byte) []byte {
	switch {
	case h.err != nil:
		return h.appendRefusal(dst)
	case h.accepted == nil:
		return dst
	}
	if !h.sentHead {
		dst = h.appendHead(dst)
		h.sentHead = true
	}
	if h.open || h.wantsKey3() {
		return dst
	}
	h.open = true
	if h.challenge != nil {
		answer := h.challenge.answer()
		dst = append(dst, answer[:]...)
	}
	return dst
}

// wantsKey3 reports whether bytes of key3 are missing. They follow the head,
// but belong to the handshake.
func (h *ServerHandshake) wantsKey3() bool { return h.challenge != nil && h.challenge.missing() > 0 }

// appendHead appends the head of a 101 response. Its form is accepted by every
// client of the version that was tested, down to the reason phrase and the
// order of the headers.
func (h *ServerHandshake) appendHead(dst []byte) []byte {
	t := h.version.traits()
	dst = append(dst, "HTTP/1.1 101 "...)
	dst = append(dst, t.reason...)
	dst = append(dst, "\r\n"...)
	dst = appendHeaderLine(dst, "Upgrade", t.upgrade)
	dst = append(dst, "Connection: Upgrade\r\n"...)
	if t.proof == proofAccept {
		dst = appendHeaderLine(dst, "Sec-WebSocket-Accept", string(h.accept[:]))
	} else {
		dst = appendOriginAndLocation(dst, t, h.origin, locationOf(h.accepted, h.up.secure(h.accepted)))
	}
	if h.subprotocol != "" {
		dst = appendHeaderLine(dst, wireName(t.protocolHeader), h.subprotocol)
	}
	if h.agreed != nil {
		dst = appendHeaderLine(dst, "Sec-WebSocket-Extensions", h.extensions)
	}
	dst = appendExtraHeader(dst, h.header)
	return append(dst, "\r\n"...)
}

func (h *ServerHandshake) appendRefusal(dst []byte) []byte {
	if h.sentHead {
		return dst
	}
	h.sentHead = true
	if h.err.Status == http.StatusNotModified { // which has no body, RFC 9110 section 15.4.5
		dst = append(dst, "HTTP/1.1 304 Not Modified\r\n"...)
		return append(appendExtraHeader(dst, h.refusalHeader()), "\r\n"...)
	}
	text := h.refusalText() + "\n"
	dst = fmt.Appendf(dst, "HTTP/1.1 %d %s\r\n", h.err.Status, http.StatusText(h.err.Status))
	dst = appendExtraHeader(dst, h.refusalHeader())
	dst = appendHeaderLine(dst, "Content-Type", "text/plain; charset=utf-8")
	dst = appendHeaderLine(dst, "X-Content-Type-Options", "nosniff")
	dst = appendHeaderLine(dst, "Content-Length", strconv.Itoa(len(text)))
	dst = append(dst, "\r\n"...)
	return append(dst, text...)
}

// refusalHeader returns the headers of a refusal. They include those of the
// program, except the ones that describe a body. A refusal always ends the
// connection: key3 or frames may follow a refused request, and would be read as
// the next request.
func (h *ServerHandshake) refusalHeader() http.Header {
	header := make(http.Header)
	for name, values := range h.header {
		if !describesBody(name) {
			header[name] = values
		}
	}
	header["Connection"] = []string{"close"}
	switch h.err.Status {
	case http.StatusUpgradeRequired:
		header.Set("Upgrade", "websocket")
		header.Add("Connection", "Upgrade") // on a line of its own: net/http only closes if the first line is just "close"
		if numbers := versionNumbers(h.up.versions()); numbers != "" {
			header["Sec-WebSocket-Version"] = []string{numbers}
		}
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodGet)
	}
	return header
}

// refusalText returns the body of a refusal, without the final newline. It has
// the text of the error only if this package made the error.
func (h *ServerHandshake) refusalText() string {
	text := http.StatusText(h.err.Status)
	if h.err.public {
		text += ": " + h.err.Err.Error()
	}
	return text
}
