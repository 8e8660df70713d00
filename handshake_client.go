package websocket

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"golang.org/x/net/http/httpguts"
)

// ClientHandshake is the client's part of the opening handshake of every
// version, without I/O: it says what to send and is fed what the server sends.
// [Dialer] is a ClientHandshake with a connection. Use [NewClientHandshake] to
// make one; the zero value cannot be used. It is not safe for concurrent use.
//
// Send what [ClientHandshake.AppendRequest] appends. Then call
// [ClientHandshake.Feed] with each piece that arrives, until
// [ClientHandshake.Done] or an error. What Feed did not take belongs to
// [ClientHandshake.Parser].
type ClientHandshake struct {
	handshake
	dialer  *Dialer
	url     *URL
	host    string
	origin  string
	header  http.Header    // the program's, with credentials and cookies added
	key     string         // Sec-WebSocket-Key; "" in the two oldest versions
	interim int            // how many 1xx responses came before res
	res     *http.Response // nil until its head has arrived
}

// defaultUserAgent is the User-Agent of clients of net/http, which does not
// export it.
const defaultUserAgent = "Go-http-client/1.1"

// NewClientHandshake returns a handshake for a URL as in [ParseURL], with the
// options of d, except those that concern the network; nil stands for the zero
// Dialer.
// An error is about what cannot be sent as it is: see the fields of [Dialer].
func NewClientHandshake(d *Dialer, rawURL string) (*ClientHandshake, error) {
	if d == nil {
		d = new(Dialer)
	}
	u, err := ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	return newClientHandshake(d, u)
}

func newClientHandshake(d *Dialer, u *URL) (*ClientHandshake, error) {
	if err := d.Version.check(); err != nil {
		return nil, err
	}
	if err := d.Compression.validate(); err != nil {
		return nil, err
	}
	if err := checkSubprotocols(d.Subprotocols); err != nil {
		return nil, err
	}
	if !d.Version.traits().subprotocolList && len(d.Subprotocols) > 1 {
		return nil, fmt.Errorf("websocket: Dialer.Subprotocols has %d: expected one, because %v can offer no more", len(d.Subprotocols), d.Version)
	}
	h := &ClientHandshake{
		handshake: handshake{side: ClientSide, config: &d.Config, version: d.Version, head: newClientHead()},
		dialer:    d, url: u, host: u.Host, header: http.Header{},
	}
	if err := h.takeHeader(); err != nil {
		return nil, err
	}
	h.newKeys()
	return h, nil
}

// takeHeader copies the program's headers and adds the URL's credentials and
// the jar's cookies. Host and Origin become fields of h, because they have
// their own place in the request, and Origin has another name in some versions.
func (h *ClientHandshake) takeHeader() error {
	if err := checkExtraHeader(h.dialer.Header); err != nil {
		return err
	}
	for name, values := range h.dialer.Header { // the names may not be canonical
		name = http.CanonicalHeaderKey(name)
		h.header[name] = append(h.header[name], values...)
	}
	for _, one := range []struct {
		name string
		to   *string
	}{{"Host", &h.host}, {"Origin", &h.origin}} {
		switch values := h.header[one.name]; {
		case len(values) > 1:
			return fmt.Errorf("websocket: Dialer.Header has %d values of %s: expected one", len(values), one.name)
		case len(values) == 1:
			*one.to = textproto.TrimString(values[0]) // as the server sees and repeats it
		}
		delete(h.header, one.name)
	}
	if h.host == "" || !httpguts.ValidHostHeader(h.host) {
		return fmt.Errorf("websocket: Dialer.Header has the Host %.100q: expected a host, or host:port, in ASCII", h.host)
	}
	if h.origin == "" && h.version.traits().originRequired {
		h.origin = h.httpURL().Scheme + "://" + h.host
	}
	h.setUserAgent()
	if user := h.url.User; user != nil && h.header.Get("Authorization") == "" {
		password, _ := user.Password()
		pair := user.Username() + ":" + password
		h.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return h.addCookies()
}

// setUserAgent sets User-Agent as net/http does: to that of the program, which
// may be none, or else to a default.
func (h *ClientHandshake) setUserAgent() {
	agents, given := h.header["User-Agent"]
	switch {
	case !given:
		h.header.Set("User-Agent", defaultUserAgent)
	case len(agents) == 0 || textproto.TrimString(agents[0]) == "":
		delete(h.header, "User-Agent")
	default:
		h.header.Set("User-Agent", textproto.TrimString(agents[0]))
	}
}

// addCookies adds the jar's cookies to those of the program. All go into one
// header, because RFC 6265 section 5.4 does not allow a second.
func (h *ClientHandshake) addCookies() error {
	if h.dialer.Jar == nil {
		return nil
	}
	if given := h.header["Cookie"]; len(given) > 1 {
		h.header["Cookie"] = []string{strings.Join(given, "; ")}
	}
	r := &http.Request{Header: h.header}
	for _, cookie := range h.dialer.Jar.Cookies(h.httpURL()) {
		if !httpguts.ValidHeaderFieldName(cookie.Name) || !httpguts.ValidHeaderFieldValue(cookie.Value) {
			return fmt.Errorf("websocket: cookie %q of the jar cannot be sent: expected a name that is a token and a value without control characters", cookie.Name)
		}
		r.AddCookie(cookie)
	}
	return nil
}

// httpURL returns the URL with http instead of ws and https instead of wss, for
// code that does not know those, such as cookie jars.
func (h *ClientHandshake) httpURL() *url.URL {
	u := &url.URL{Scheme: "http", Host: h.url.Host, Path: "/"}
	if h.url.Secure {
		u.Scheme = "https"
	}
	if target, err := url.ParseRequestURI(h.url.ResourceName()); err == nil {
		u.Path, u.RawPath, u.RawQuery = target.Path, target.RawPath, target.RawQuery
	}
	return u
}

func (h *ClientHandshake) newKeys() {
	switch h.version.traits().proof {
	case proofChallenge:
		h.challenge = newChallenge()
	case proofAccept:
		var nonce [16]byte
		rand.Read(nonce[:])
		h.key = base64.StdEncoding.EncodeToString(nonce[:])
	}
}

// AppendRequest appends the request, in [Hybi00] with key3 after its head.
func (h *ClientHandshake) AppendRequest(dst []byte) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, h.url.ResourceName()...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	h.eachHeader(func(name, value string) { dst = appendHeaderLine(dst, name, value) })
	dst = appendExtraHeader(dst, h.header)
	dst = append(dst, "\r\n"...)
	if h.challenge != nil {
		dst = append(dst, h.challenge.key3[:]...)
	}
	return dst
}

// eachHeader calls add for each header that the handshake itself puts into the
// request, in order.
func (h *ClientHandshake) eachHeader(add func(name, value string)) {
	t := h.version.traits()
	add("Upgrade", t.upgrade)
	add("Connection", "Upgrade")
	add("Host", h.host)
	if h.origin != "" {
		add(wireName(t.originHeader), h.origin)
	}
	if t.number != "" {
		add("Sec-WebSocket-Version", t.number)
		add("Sec-WebSocket-Key", h.key)
	}
	if h.challenge != nil {
		add("Sec-WebSocket-Key1", h.challenge.keys[0])
		add("Sec-WebSocket-Key2", h.challenge.keys[1])
	}
	if len(h.dialer.Subprotocols) > 0 {
		add(wireName(t.protocolHeader), strings.Join(h.dialer.Subprotocols, ", "))
	}
	if h.offersCompression() {
		add("Sec-WebSocket-Extensions", h.dialer.Compression.offer())
	}
}

// publicRequest returns the request as net/http represents a client's request.
// It leaves out the headers that carry credentials.
func (h *ClientHandshake) publicRequest() *http.Request {
	header := h.header.Clone()
	h.eachHeader(header.Set)
	for _, name := range []string{"Host", "Authorization", "Proxy-Authorization", "Cookie", "Cookie2"} {
		header.Del(name)
	}
	return &http.Request{
		Method: http.MethodGet, URL: h.httpURL(), Host: h.host, Header: header, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// Feed takes bytes of the handshake and reports how many; the rest of p came
// after it. The error is a [HandshakeError] and final. Its Response, if the
// server sent one, has an empty body: the body begins with what Feed did not
// take.
func (h *ClientHandshake) Feed(p []byte) (n int, err error) {
	if h.err != nil {
		return 0, h.err
	}
	for h.res == nil && n < len(p) {
		k, err := h.feedHead(p[n:])
		n += k
		if err != nil {
			return n, h.fail(err)
		}
	}
	if h.res != nil && h.challenge != nil {
		k, err := h.challenge.takeAnswer(p[n:])
		n += k
		if err != nil {
			return n, h.fail(err)
		}
	}
	h.open = h.res != nil && (h.challenge == nil || h.challenge.answered())
	return n, nil
}

func (h *ClientHandshake) fail(err error) error {
	he := &HandshakeError{Response: h.res, Err: err}
	if h.res != nil {
		he.Status = h.res.StatusCode
	}
	h.err = he
	return he
}

// feedHead takes bytes of a head. Once it is complete, it is read.
func (h *ClientHandshake) feedHead(p []byte) (n int, err error) {
	n, err = h.head.Feed(p)
	if other := otherProtocol(h.head.Bytes()); other != "" {
		return n, errors.New(other)
	}
	switch {
	case err != nil:
		return n, fmt.Errorf("malformed response of the server: %w", err)
	case h.head.Done():
		return n, h.readHead()
	}
	return n, nil
}

func (h *ClientHandshake) readHead() error {
	req := &http.Request{Method: http.MethodGet, URL: h.httpURL(), Host: h.host, Header: http.Header{}}
	res, err := httphead.ParseResponse(h.head.Bytes(), req)
	if err != nil {
		return fmt.Errorf("server sent what is not an HTTP response: %.100q: expected HTTP/1.1", err.Error()) // err may quote any amount of what came
	}
	httphead.TrimNames(res.Header)
	if err := httphead.CheckNames(res.Header); err != nil {
		return fmt.Errorf("malformed response of the server: %w", err)
	}
	if httphead.IsInterim(res.StatusCode) {
		if h.interim++; h.interim > httphead.MaxInterim {
			return fmt.Errorf("server sent more than %d interim responses, with a status of 1xx: expected 101", httphead.MaxInterim)
		}
		h.head = newClientHead()
		return nil
	}
	h.res = res
	if h.dialer.Jar != nil {
		if cookies := res.Cookies(); len(cookies) > 0 {
			h.dialer.Jar.SetCookies(h.httpURL(), cookies)
		}
	}
	return h.checkResponse()
}

// newClientHead returns the reader of a response. Some servers in small devices
// end lines with LF alone, or fold them. A client is the last to read a response, so nobody
// can have read it in another way.
func newClientHead() httphead.Head { return httphead.Head{Mode: httphead.Relaxed} }

// Response returns the head of the server's response once it has arrived, and
// nil before. Its Body is empty.
func (h *ClientHandshake) Response() *http.Response { return h.res }

// offersCompression reports whether the client offers compression. It does not
// in versions before RFC 6455, whose servers know other extensions, or none.
func (h *ClientHandshake) offersCompression() bool {
	return h.version.traits().offersDeflate && h.dialer.Compression != nil
}
