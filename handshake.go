package websocket

import (
	"crypto/fips140"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"golang.org/x/net/http/httpguts"
)

// handshake holds what the two sides of an opening handshake have in common.
type handshake struct {
	side    Side
	config  *Config // of the Upgrader or the Dialer
	version Version

	head        httphead.Head // what has arrived of the peer's head
	subprotocol string
	agreed      *pmdParams // what compression was agreed on; nil if none
	challenge   *challenge // nil in all versions but Hybi00
	err         *HandshakeError
	open        bool // everything was received, and everything to send was appended

	// Each is created only once. A compressed message refers to earlier ones.
	// Of two parsers or two encoders, neither would have them all.
	parser  *Parser
	encoder *Encoder
}

// Done reports that the connection is open: everything that belongs to the
// handshake was received and was given to be sent.
func (h *handshake) Done() bool { return h.open && h.err == nil }

// Version returns the version. On a client it is the one that was asked for. On
// a server it is the one that was detected; it is known once
// [ServerHandshake.Request] is not nil.
func (h *handshake) Version() Version { return h.version }

// Subprotocol returns the subprotocol that the server chose, or "".
func (h *handshake) Subprotocol() string { return h.subprotocol }

// Parser returns the Parser for the bytes that follow the handshake, the same
// at each call, and nil before Done.
func (h *handshake) Parser() *Parser {
	if !h.Done() {
		return nil
	}
	if h.parser == nil {
		h.parser = &Parser{dec: newDecoder(h.version, h.side, h.config)}
		h.parser.dec.useCompression(h.agreed)
	}
	return h.parser
}

// Encoder returns the Encoder for the messages that follow the handshake, which
// compresses them if that was agreed on. It is the same at each call, and nil
// before Done.
func (h *handshake) Encoder() *Encoder {
	if !h.Done() {
		return nil
	}
	if h.encoder == nil {
		h.encoder = &Encoder{enc: encoder{version: h.version, side: h.side}}
		h.encoder.enc.useCompression(h.agreed)
	}
	return h.encoder
}

const (
	// acceptGUID is appended to the client's key. The hash of both shows that
	// the server speaks the protocol, RFC 6455 section 1.3.
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	acceptLen  = 28 // the length of a SHA-1 hash in base64

	// maxKey is the length of the longest Sec-WebSocket-Key that is accepted.
	// RFC 6455 keys have 24 bytes. Earlier drafts do not fix the length.
	maxKey = 64
)

// acceptFor returns the Sec-WebSocket-Accept for a Sec-WebSocket-Key, RFC 6455
// section 4.2.2 item 5.4.
//
// The protocol uses SHA-1 as a checksum, not for security. So SHA-1 is used also
// where GODEBUG=fips140=only forbids it.
func acceptFor(key string) (accept [acceptLen]byte) {
	var b [64]byte
	var sum [sha1.Size]byte
	fips140.WithoutEnforcement(func() { sum = sha1.Sum(append(append(b[:0], key...), acceptGUID...)) })
	base64.StdEncoding.Encode(accept[:], sum[:])
	return accept
}

// acceptOf returns the Sec-WebSocket-Accept for the Sec-WebSocket-Key in h. If
// keyBytes is not 0, the key must encode that many bytes.
func acceptOf(h http.Header, keyBytes int) (accept [acceptLen]byte, err error) {
	key, err := single(h, "Sec-Websocket-Key")
	if err != nil {
		return accept, err
	}
	if len(key) > maxKey {
		return accept, fmt.Errorf("Sec-WebSocket-Key is %d bytes long: expected 24", len(key))
	}
	var nonce [maxKey]byte // a nonce is shorter than its encoding
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(key))
	if err != nil || keyBytes > 0 && n != keyBytes {
		return accept, fmt.Errorf("Sec-WebSocket-Key is %.80q: expected 16 bytes in base64", key)
	}
	return acceptFor(key), nil
}

// refuseHead turns an [httphead.Error] into a refusal. It returns any other
// error unchanged.
func refuseHead(err error) error {
	if bad, ok := errors.AsType[*httphead.Error](err); ok {
		return refusef(bad.Status, "%w", bad)
	}
	return err
}

// single returns the value of a header that must occur exactly once and must
// not be empty.
func single(h http.Header, name string) (string, error) {
	switch v := h[name]; {
	case len(v) == 0:
		return "", fmt.Errorf("header %s is missing: expected one", wireName(name))
	case len(v) > 1:
		return "", fmt.Errorf("%d headers %s: expected one", len(v), wireName(name))
	case v[0] == "":
		return "", fmt.Errorf("header %s is empty: expected a value", wireName(name))
	default:
		return v[0], nil
	}
}

// wireName returns a canonical header name with WebSocket spelled as in the
// specifications. Peers ignore case, but people who read dumps do not.
func wireName(name string) string { return strings.ReplaceAll(name, "Websocket", "WebSocket") }

func hasToken(h http.Header, name, token string) bool {
	return httpguts.HeaderValuesContainsToken(h[name], token)
}

// listElements returns the elements of a header that is a list, on one line or
// on several, RFC 9110 section 5.6.1. It leaves out empty ones.
func listElements(values []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, value := range values {
			for element := range strings.SplitSeq(value, ",") {
				if element = textproto.TrimString(element); element != "" && !yield(element) {
					return
				}
			}
		}
	}
}

func isEmptyList(values []string) bool {
	for range listElements(values) {
		return false
	}
	return true
}

// eachSubprotocol calls f for each subprotocol in a header that is a list, on one
// line or on several, RFC 9110 section 5.6.1. It passes over elements that are no
// subprotocols. It does not collect them in a slice, because a peer may send tens
// of thousands.
func eachSubprotocol(values []string, f func(name string)) {
	for element := range listElements(values) {
		if isSubprotocol(element) {
			f(element)
		}
	}
}

// isSubprotocol reports whether s can be the name of a subprotocol: visible ASCII
// that neither ends an element of a list nor begins a quoted string. RFC 6455
// section 4.1 item 10 asks for a token, which http://ocpp.org/1.6 and
// SPDY/3.1+portforward.k8s.io are not, but many clients and servers use such
// names, and no header is damaged by them.
func isSubprotocol(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' || r == '"' })
}

// checkSubprotocols checks the subprotocols that a program offers or accepts.
func checkSubprotocols(list []string) error {
	for i, s := range list {
		if !isSubprotocol(s) {
			return fmt.Errorf("websocket: subprotocol %.80q: expected visible ASCII without comma, double quote and space", s)
		}
		if slices.Contains(list[:i], s) {
			return fmt.Errorf("websocket: subprotocol %.80q is listed twice: expected each once", s)
		}
	}
	return nil
}

// checkExtraHeader returns an error if a header of the program could end its
// line and begin another, or if the handshake sets that header itself. It never
// repairs a header.
func checkExtraHeader(h http.Header) error {
	for name, values := range h {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			name, _, _ := strings.Cut(name, ":") // a secret may follow
			return fmt.Errorf("websocket: header with a name that begins with %q: expected a token", name)
		case canonical == "Sec-Websocket-Protocol":
			return fmt.Errorf("websocket: header %s is set by the handshake: use the option Subprotocols", wireName(canonical))
		case strings.HasPrefix(canonical, "Sec-Websocket-"), strings.HasPrefix(canonical, "Websocket-"),
			slices.Contains(reservedHeaders, canonical):
			return fmt.Errorf("websocket: header %s is set by the handshake and cannot be given", wireName(canonical))
		}
		for _, value := range values {
			if i := strings.IndexFunc(value, isForbiddenInValue); i >= 0 { // the value may be a secret
				return fmt.Errorf("websocket: value of header %s has the control character %q at byte %d", name, value[i], i)
			}
		}
	}
	return nil
}

// isForbiddenInValue reports whether r is a control character other than a tab,
// which the value of a header must not have, RFC 9110 section 5.5.
func isForbiddenInValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// reservedHeaders are the headers that only the handshake may set, besides those
// with WebSocket in their names.
var reservedHeaders = []string{"Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Te"}

// describesBody reports whether the header with this name describes the body of
// a response.
func describesBody(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return strings.HasPrefix(name, "Content-") || name == "X-Content-Type-Options"
}

// appendExtraHeader appends headers that checkExtraHeader has accepted. It
// sorts them by name, so that equal headers always give the same bytes.
func appendExtraHeader(dst []byte, h http.Header) []byte {
	if len(h) == 0 {
		return dst
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			dst = appendHeaderLine(dst, name, textproto.TrimString(value))
		}
	}
	return dst
}

func appendHeaderLine(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// asHandshakeError returns the HandshakeError that err is or wraps. If there is
// none, it returns a new one with this status that wraps err.
func asHandshakeError(err error, status int) *HandshakeError {
	if he, ok := errors.AsType[*HandshakeError](err); ok {
		return he
	}
	return &HandshakeError{Status: status, Err: err}
}
