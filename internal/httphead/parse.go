package httphead

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// MaxInterim is how many interim responses, with a status of 1xx, may come
// before the final response, RFC 9110 section 15.2.
const MaxInterim = 5

// IsInterim reports whether another response follows one with this status. None
// follows 101.
func IsInterim(status int) bool {
	return status/100 == 1 && status != http.StatusSwitchingProtocols
}

// reader gives the parsers of net/http a head in memory to read. Readers are
// kept in a pool: a new one for each head would be three quarters of the memory
// that a handshake allocates.
type reader struct {
	head bytes.Reader
	in   *bufio.Reader
}

var readers = sync.Pool{New: func() any { return &reader{in: bufio.NewReader(nil)} }}

func parse[T any](head []byte, parse func(*bufio.Reader) (T, error)) (T, error) {
	r := readers.Get().(*reader)
	defer readers.Put(r)
	r.head.Reset(head)
	r.in.Reset(&r.head)
	defer r.head.Reset(nil)
	return parse(r.in)
}

// ParseRequest parses the head of a request. The request has an empty body,
// whatever its header says, because head does not contain what follows.
func ParseRequest(head []byte) (*http.Request, error) {
	r, err := parse(head, http.ReadRequest)
	if err != nil {
		return nil, err
	}
	r.Body = http.NoBody
	return r, nil
}

// ParseResponse parses the head of an answer to req. The response has an empty
// body, as in [ParseRequest], and all headers that head has.
func ParseResponse(head []byte, req *http.Request) (*http.Response, error) {
	res, err := parse(head, func(in *bufio.Reader) (*http.Response, error) { return http.ReadResponse(in, req) })
	if err != nil {
		return nil, err
	}
	res.Body = http.NoBody
	if res.Close && res.Header["Connection"] == nil {
		restoreConnection(res, head)
	}
	return res, nil
}

// restoreConnection sets the header Connection to what head has. ReadResponse
// removes it if it contains close, with whatever else that contains.
func restoreConnection(res *http.Response, head []byte) {
	header, _ := parse(head, func(in *bufio.Reader) (textproto.MIMEHeader, error) { // ReadResponse has found no error
		r := textproto.NewReader(in)
		_, _ = r.ReadLine()
		return r.ReadMIMEHeader()
	})
	if values := header["Connection"]; values != nil {
		res.Header["Connection"] = values
	}
}

// TrimNames removes the spaces between the names of headers and the colon. It is
// for responses: RFC 9112 section 5.1 lets proxies do the same with them, and
// servers refuse such requests.
func TrimNames(h http.Header) {
	for name, values := range h {
		if trimmed := strings.TrimRight(name, " "); trimmed != name {
			delete(h, name)
			trimmed = http.CanonicalHeaderKey(trimmed)
			h[trimmed] = append(h[trimmed], values...)
		}
	}
}

// CheckNames returns an error if a header has a malformed name. The parsers of
// net/http accept a space before the colon, which RFC 9112 section 5.1 forbids.
// The space becomes part of the name. Then the header would be ignored, and the
// request taken for one that does not have it. The error is an [Error].
func CheckNames(h http.Header) error {
	for name := range h {
		if !httpguts.ValidHeaderFieldName(name) {
			return malformed(fmt.Sprintf("%.40q is not the name of a header: expected a token", name))
		}
	}
	return nil
}

const (
	// MaxBody is how many bytes of the body of a refusal are kept.
	MaxBody = 1 << 10

	// BodyWait is how long ReadRefusal waits for the body of a refusal. It is
	// short, because the status is what matters, and a body may be announced
	// and never sent.
	BodyWait = time.Second
)

// ReadRefusal parses the response with this head again, now with the beginning
// of its body. The body is in rest, and in what conn still receives.
// ReadRefusal returns nil if it cannot parse the response.
func ReadRefusal(conn net.Conn, head, rest []byte, req *http.Request) *http.Response {
	_ = conn.SetReadDeadline(time.Now().Add(BodyWait))
	r := io.MultiReader(bytes.NewReader(head), bytes.NewReader(rest), conn)
	res, err := http.ReadResponse(bufio.NewReader(r), req)
	if err != nil {
		return nil
	}
	// A body cut short is still the best explanation there is.
	body, _ := io.ReadAll(io.LimitReader(res.Body, MaxBody))
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res
}
