package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/protocol-websocket/websocket/internal/httphead"
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
	up       *Upgrader
	received *http.Request // what the client sent; nil until its head has arrived
	accepted *http.Request // the same with Check's context; nil until accepted
	header   http.Header   // what the program adds to the response

	// What a Server sets before the handshake, and detached during it.
	base     context.Context // the context of a request that Feed reads; nil for none
	opening  context.Context // ends when the Server begins closing; nil for an Upgrader alone
	refusal  error           // refuses every request; nil for none
	detached context.Context // what the connection keeps instead of the context of accepted; nil to keep that
	inServe  bool            // ServeHTTP waits for the handler, so the connection keeps accepted as it is

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
	head := httphead.Head{Limit: up.maxHeaderBytes()}
	return &ServerHandshake{handshake: handshake{side: ServerSide, config: &up.Config, head: head}, up: up}
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
		if other := otherRequest(h.head.Bytes()); other != nil {
			err = other
		} else if err == nil && h.head.Done() {
			err = h.readHead()
		}
		if err != nil {
			return n, h.Refuse(refuseRequestHead(err))
		}
	}
	if h.accepted != nil && h.challenge != nil {
		n += h.challenge.takeKey3(p[n:])
	}
	return n, nil
}

func (h *ServerHandshake) readHead() error {
	r, err := httphead.ParseRequest(h.head.Bytes())
	if bad, ok := errors.AsType[*url.Error](err); ok {
		err = bad.Err // without the target, whose query may have a token
	}
	if err != nil {
		return refusef(http.StatusBadRequest, "not an HTTP request: %.100q: expected GET, a target, HTTP/1.1, and headers", err.Error()) // err may quote any amount of what the client sent
	}
	r.TLS, r.RemoteAddr = h.TLS, h.RemoteAddr
	if h.base != nil {
		r = r.WithContext(h.base)
	}
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
	if err := h.unwilling(); err != nil {
		return err
	}
	if err := h.up.Validate(); err != nil {
		return mistaken(err)
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
	if err := checkExtensions(v, r.Header); err != nil {
		return err
	}
	if h.origin, err = requestOrigin(v, r, versions); err != nil {
		return err
	}
	if err := h.up.checkOrigin(r, h.origin); err != nil {
		return err
	}
	if r, err = h.callCheck(r); err != nil {
		return err
	}
	h.subprotocol = chooseSubprotocol(v, r.Header, h.up.Subprotocols)
	if v.traits().extensions {
		h.agreed, h.extensions = h.up.Compression.agree(r.Header["Sec-Websocket-Extensions"])
	}
	if err := h.unwilling(); err != nil { // closing began during Check
		return err
	}
	h.accepted = r
	return nil
}

// unwilling returns the error with which a Server refuses every request, or nil
// if it does not.
func (h *ServerHandshake) unwilling() error {
	if h.opening != nil && h.opening.Err() != nil {
		return refusef(http.StatusServiceUnavailable, "the server is closing: try again later (%w)", http.ErrServerClosed)
	}
	return h.refusal
}

// readKeys reads the keys that the response must answer. It checks that nothing
// but key3 can follow the head before the first frame.
func (h *ServerHandshake) readKeys(r *http.Request) (err error) {
	t := h.version.traits()
	switch {
	case len(r.TransferEncoding) > 0:
		return refusef(http.StatusBadRequest, "Transfer-Encoding is %.40q: expected none, because an upgrade has no body", strings.Join(r.TransferEncoding, ", "))
	case t.proof == proofChallenge && r.ContentLength != 0 && r.ContentLength != key3Len: // Perl and Netty announce key3 as a body
		return refusef(http.StatusBadRequest, "Content-Length is %d: expected none or 0, or %d for the bytes that follow the header", r.ContentLength, key3Len)
	case t.proof != proofChallenge && r.ContentLength != 0:
		return refusef(http.StatusBadRequest, "Content-Length is %d: expected none or 0, because an upgrade has no body", r.ContentLength)
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
		ctx.Done() // a context that panics does so here, where nothing is taken over yet
		r = r.WithContext(ctx)
	}
	return r, refused
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
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodGet)
	}
	if numbers := versionNumbers(h.up.versions()); numbers != "" && (h.err.ofVersion || h.err.Status == http.StatusUpgradeRequired) {
		header["Sec-WebSocket-Version"] = []string{numbers}
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
