package proxy

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/netx"
)

// connect sends CONNECT on conn and reads the answer, RFC 9110 section 9.3.6.
// RFC 6455 section 4.1 requires this for ws as well as for wss.
func (p *server) connect(conn net.Conn, addr, userAgent string) (net.Conn, error) {
	if _, err := io.WriteString(conn, p.connectRequest(addr, userAgent)); err != nil {
		return nil, fmt.Errorf("sending CONNECT: %w", err)
	}
	var head, rest []byte
	for range httphead.MaxInterim + 1 {
		var err error
		if head, rest, err = readHead(conn, rest); err != nil {
			return nil, err
		}
		resp, err := httphead.ParseResponse(head, request(addr))
		switch {
		case err != nil:
			// err may quote any amount of what the proxy sent, with any bytes.
			return nil, fmt.Errorf("answered CONNECT with something other than HTTP/1: %.100q: %s", err.Error(), adviseKind)
		case httphead.IsInterim(resp.StatusCode):
			continue
		case resp.StatusCode/100 != 2:
			if complete := httphead.ReadRefusal(conn, head, rest, request(addr)); complete != nil {
				resp = complete
			}
			return nil, &Refusal{resp, p.addr, addr}
		case len(rest) > 0:
			return netx.NewPrefixedConn(conn, rest), nil
		}
		return conn, nil
	}
	return nil, fmt.Errorf("answered CONNECT with more than %d interim responses", httphead.MaxInterim)
}

func (p *server) connectRequest(addr, userAgent string) string {
	head := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if userAgent != "" {
		head += "User-Agent: " + userAgent + "\r\n"
	}
	if p.user != nil {
		password, _ := p.user.Password()
		userPass := []byte(p.user.Username() + ":" + password)
		head += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString(userPass) + "\r\n"
	}
	return head + "\r\n"
}

// Refusal is an answer to CONNECT with a status other than 2xx.
type Refusal struct {
	Response *http.Response // with up to the first KiB of its body
	proxy    string
	target   string
}

// Error names the proxy, the target and the status. It leaves out the proxy's
// reason phrase, which may hold anything. Response has it.
func (r *Refusal) Error() string {
	status := r.Response.StatusCode
	text := fmt.Sprintf("proxy %s refused CONNECT to %s: want a 2xx status, got %d %s",
		r.proxy, r.target, status, http.StatusText(status))
	if advice := advice[status]; advice != "" {
		text += ": " + advice
	}
	return text
}

const (
	adviseKind   = "is it an HTTP proxy that allows CONNECT?"
	adviseTarget = "can the proxy resolve and reach the target?"
)

// advice says, for statuses of refusals, where to look for the cause.
var advice = map[int]string{
	http.StatusBadRequest:          adviseKind,
	http.StatusForbidden:           "does the proxy allow this target? Many allow port 443 only, that of wss",
	http.StatusNotFound:            adviseKind,
	http.StatusMethodNotAllowed:    adviseKind,
	http.StatusProxyAuthRequired:   "put credentials that it accepts into the proxy's URL",
	http.StatusInternalServerError: adviseTarget,
	http.StatusNotImplemented:      adviseKind,
	http.StatusBadGateway:          adviseTarget,
	http.StatusServiceUnavailable:  adviseTarget,
	http.StatusGatewayTimeout:      adviseTarget,
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[*Refusal](err)
	return ok
}

// request returns the request that the answer is parsed for. It becomes
// Response.Request, so it must not hold the credentials.
func request(addr string) *http.Request {
	return &http.Request{Method: http.MethodConnect, URL: &url.URL{Host: addr}, Host: addr, Header: http.Header{}}
}

// readHead reads the head of an answer. begun holds the bytes that have already
// arrived, and rest those that arrived after the head. The limit is the same as
// for servers, because a proxy is not trusted more.
func readHead(r io.Reader, begun []byte) (head, rest []byte, err error) {
	h := httphead.Head{Mode: httphead.Lenient} // as net/http, which parses the head afterwards
	in := make([]byte, 2<<10)
	for p := begun; ; {
		n, headErr := h.Feed(p)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		switch {
		case isNotHTTP1(h.Bytes()):
			return nil, nil, errors.New("answered CONNECT with something other than HTTP/1: " + adviseKind)
		case headErr != nil:
			return nil, nil, fmt.Errorf("head of the answer to CONNECT exceeds %d bytes", httphead.MaxBytes)
		case h.Done():
			return h.Bytes(), p[n:], nil
		case err != nil:
			return nil, nil, incomplete(len(h.Bytes()), err)
		}
		n, err = r.Read(in)
		p = in[:n]
	}
}

// isNotHTTP1 reports whether an answer that begins with b cannot be one of HTTP/1.
// Few bytes tell that. Who sends other things often waits then for what we do not
// send.
func isNotHTTP1(b []byte) bool {
	const begin = "HTTP/"
	n := min(len(b), len(begin))
	return string(b[:n]) != begin[:n]
}

// incomplete returns the error for an answer of which only n bytes arrived.
func incomplete(n int, err error) error {
	err = fmt.Errorf("incomplete answer to CONNECT after %d bytes: %w", n, err)
	if n == 0 && errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %s If it expects TLS, use https in its URL", err, adviseKind)
	}
	return err
}
