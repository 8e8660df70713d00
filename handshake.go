package websocket

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

const (
	// maxHead is the most that the head of a request or response may have,
	// and maxHeadLines the most lines: a map of many small headers would cost
	// far more memory than their bytes.
	maxHead      = 64 << 10
	maxHeadLines = 256

	// acceptGUID is what a server appends to the key to show that it is one,
	// RFC 6455 section 1.3.
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	acceptLen  = 28 // of SHA-1 in base64

	// maxKey is the longest Sec-WebSocket-Key that is looked at: drafts before
	// RFC 6455 did not say that it has 24 bytes.
	maxKey = 64
)

// acceptFor returns the Sec-WebSocket-Accept for a Sec-WebSocket-Key, RFC 6455
// section 4.2.2 item 5.4.
func acceptFor(key string) (accept [acceptLen]byte) {
	var b [64]byte
	sum := sha1.Sum(append(append(b[:0], key...), acceptGUID...))
	base64.StdEncoding.Encode(accept[:], sum[:])
	return accept
}

// httpHead gathers the head of a request or response.
type httpHead struct {
	buf  []byte
	done bool
}

// feed takes bytes up to the blank line that ends the head and reports how
// many. Each byte is looked at a bounded number of times, in however small
// pieces they come.
func (h *httpHead) feed(p []byte) (n int, err error) {
	if h.done {
		return 0, nil
	}
	before := len(h.buf)
	h.buf = append(h.buf, p[:min(len(p), maxHead+1-before)]...)
	from := max(0, before-3)
	end := bytes.Index(h.buf[from:], []byte("\r\n\r\n"))
	if end >= 0 {
		h.buf = h.buf[:from+end+4]
		h.done = true
	}
	n = len(h.buf) - before
	switch {
	case len(h.buf) > maxHead:
		return n, refusef(http.StatusRequestHeaderFieldsTooLarge, "header of more than %d bytes", maxHead)
	case h.done:
		return n, checkHead(h.buf)
	}
	return n, checkBareLines(h.buf, before)
}

// checkBareLines refuses a line end without its CR as soon as it comes: a peer
// that ends its lines so will never send the CR LF CR LF that is waited for.
func checkBareLines(b []byte, from int) error {
	for i := from; i < len(b); i++ {
		if b[i] == '\n' && (i == 0 || b[i-1] != '\r') {
			return refusef(http.StatusBadRequest, "header line that ends with LF: expected CR LF")
		}
	}
	return nil
}

// checkHead refuses what two parsers could read in two ways: controls, line
// ends that are not CR LF, and folded lines, RFC 9112 sections 2.2 and 5.2.
func checkHead(b []byte) error {
	lines := 0
	for i, c := range b {
		switch {
		case c == '\r' && b[i+1] != '\n': // a head ends with LF, so there is a next
			return refusef(http.StatusBadRequest, "header with CR not followed by LF")
		case c == '\n' && (i == 0 || b[i-1] != '\r'):
			return refusef(http.StatusBadRequest, "header line that ends with LF: expected CR LF")
		case c == '\n':
			lines++
		case (c == ' ' || c == '\t') && i > 0 && b[i-1] == '\n':
			return refusef(http.StatusBadRequest, "folded header line")
		case c < ' ' && c != '\t' && c != '\r', c == 0x7f:
			return refusef(http.StatusBadRequest, "header with the control character %#02x", c)
		}
	}
	if lines > maxHeadLines {
		return refusef(http.StatusRequestHeaderFieldsTooLarge, "header of more than %d lines", maxHeadLines)
	}
	return nil
}

// headReader is what net/http's parsers read a head from that is in memory. Made
// anew each time it would be three quarters of what a handshake allocates.
type headReader struct {
	head bytes.Reader
	in   *bufio.Reader
}

var headReaders = sync.Pool{New: func() any { return &headReader{in: bufio.NewReader(nil)} }}

// parseHead has parse read head. The body of what it returns must not be read.
func parseHead[T any](head []byte, parse func(*bufio.Reader) (T, error)) (T, error) {
	r := headReaders.Get().(*headReader)
	defer headReaders.Put(r)
	r.head.Reset(head)
	r.in.Reset(&r.head)
	defer r.head.Reset(nil)
	return parse(r.in)
}

// parseRequest reads a head that checkHead let pass.
func parseRequest(head []byte) (*http.Request, error) {
	r, err := parseHead(head, http.ReadRequest)
	if err != nil {
		return nil, refusef(http.StatusBadRequest, "no HTTP request: %.100q", err.Error()) // it quotes the client at any length
	}
	r.Body = http.NoBody // in Hybi00 it would seem to be key3, and is not in head
	return r, checkFieldNames(r.Header)
}

// parseResponse reads the head of an answer to req.
func parseResponse(head []byte, req *http.Request) (*http.Response, error) {
	res, err := parseHead(head, func(in *bufio.Reader) (*http.Response, error) { return http.ReadResponse(in, req) })
	if err != nil {
		return nil, err
	}
	res.Body = http.NoBody
	return res, nil
}

// checkFieldNames refuses what net/http's parsers let pass: a space before the
// colon, RFC 9112 section 5.1. Ignoring such a line would make a request of one
// version look like one of an older.
func checkFieldNames(h http.Header) error {
	for name := range h {
		if !httpguts.ValidHeaderFieldName(name) {
			return refusef(http.StatusBadRequest, "%.40q is not the name of a header", name)
		}
	}
	return nil
}

// single returns the value of a header that must be there once.
func single(h http.Header, name string) (string, error) {
	switch v := h[name]; {
	case len(v) == 0:
		return "", fmt.Errorf("header %s is missing", wireName(name))
	case len(v) > 1:
		return "", fmt.Errorf("%d headers %s: expected one", len(v), wireName(name))
	case v[0] == "":
		return "", fmt.Errorf("header %s is empty", wireName(name))
	default:
		return v[0], nil
	}
}

// wireName writes a canonical header name as the specifications do. Peers of
// the time compare without case, people who read dumps do not.
func wireName(name string) string { return strings.ReplaceAll(name, "Websocket", "WebSocket") }

func hasToken(h http.Header, name, token string) bool {
	return httpguts.HeaderValuesContainsToken(h[name], token)
}

// eachToken calls f for each element of a header that is a list of tokens, in
// one header or in several, RFC 9110 section 5.6.1. It keeps no list: a peer may
// send tens of thousands.
func eachToken(values []string, f func(token string)) error {
	for _, value := range values {
		for element := range strings.SplitSeq(value, ",") {
			element = textproto.TrimString(element)
			if element == "" {
				continue // section 5.6.1.2: empty elements do not count
			}
			if !httpguts.ValidHeaderFieldName(element) { // a name is a token
				return fmt.Errorf("%.40q is not a token", element)
			}
			f(element)
		}
	}
	return nil
}

// checkSubprotocols holds what a program wants to offer or to accept against
// the rules of the version, RFC 6455 section 4.1 item 10.
func checkSubprotocols(list []string) error {
	for i, s := range list {
		if !httpguts.ValidHeaderFieldName(s) {
			return fmt.Errorf("websocket: subprotocol %q is not a token", s)
		}
		if slices.Contains(list[:i], s) {
			return fmt.Errorf("websocket: subprotocol %q is listed twice", s)
		}
	}
	return nil
}

// checkExtraHeader refuses in a program's own headers what would break out of
// its line or contradict the handshake. It refuses and does not repair.
func checkExtraHeader(h http.Header) error {
	for name, values := range h {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			return fmt.Errorf("websocket: %q is not the name of a header", name)
		case canonical == "Sec-Websocket-Protocol":
			return fmt.Errorf("websocket: header %s is set by the handshake: use the option Subprotocols", wireName(canonical))
		case strings.HasPrefix(canonical, "Sec-Websocket-"), strings.HasPrefix(canonical, "Websocket-"),
			slices.Contains(ownHeaders, canonical):
			return fmt.Errorf("websocket: header %s is set by the handshake and cannot be given", wireName(canonical))
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("websocket: value of header %s holds a control character: %q", name, value)
			}
		}
	}
	return nil
}

var ownHeaders = []string{"Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Te"}

// appendExtraHeader appends headers that checkExtraHeader let pass, in the
// order of their names, so that a handshake is the same each time.
func appendExtraHeader(dst []byte, h http.Header, except ...string) []byte {
	if len(h) == 0 {
		return dst
	}
	names := make([]string, 0, len(h))
	for name := range h {
		if !slices.Contains(except, http.CanonicalHeaderKey(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
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

// asHandshakeError gives an error that is not a HandshakeError a status.
func asHandshakeError(err error, status int) *HandshakeError {
	var he *HandshakeError
	if errors.As(err, &he) {
		return he
	}
	return &HandshakeError{Status: status, Err: err}
}

// opened is what a handshake leaves behind. It is made once: of two Parsers, or
// two Encoders, each would know half of the messages that later ones refer to.
type opened struct {
	parser  *Parser
	encoder *Encoder
}

func (o *opened) settle(v Version, side Side, cfg *Config, a *pmdParams) *opened {
	if o.parser == nil {
		o.parser = &Parser{dec: newDecoder(v, side, cfg)}
		o.parser.dec.useCompression(a)
		o.encoder = &Encoder{enc: encoder{version: v, side: side}}
		o.encoder.enc.useCompression(a)
	}
	return o
}
