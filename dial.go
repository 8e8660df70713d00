package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/netx"
	"github.com/protocol-websocket/websocket/internal/proxy"
)

// Dialer makes connections to servers. The zero Dialer speaks [RFC6455] and
// uses the proxies of the environment. It may be used by many goroutines at
// once and must not be changed while in use.
type Dialer struct {
	Config

	// Version is the version to speak. The zero value is [RFC6455]. A client
	// cannot offer several.
	Version Version

	// Subprotocols are offered to the server, best first, each once, of visible
	// ASCII without comma and double quote. None means that the client asks for
	// none. The answer is [Conn.Subprotocol]. RFC 6455 section 1.9. [Hybi00] and
	// [Hixie75] can offer one.
	Subprotocols []string

	// Header is added to the request. Host replaces the URL's host there, and
	// Origin is sent under the name that the version has for it; the two
	// oldest versions send the server's own origin if there is none. User-Agent
	// replaces that of net/http, which is sent otherwise; if it is empty or nil,
	// none is sent. An HTTP proxy is sent the same User-Agent, and nothing else of
	// Header. Headers of the handshake itself are refused, as are control
	// characters.
	Header http.Header

	// TLSConfig is used for wss, and for https proxies. Nil means the zero
	// tls.Config. A clone is used, with NextProtos set to http/1.1 and, if it
	// is empty, ServerName to the URL's host.
	TLSConfig *tls.Config

	// DialContext makes the connection to the server or proxy, for example to a
	// Unix socket. Nil means that of a zero net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy chooses the proxy for a request, whose URL has http instead of ws
	// and https instead of wss. It returns an http, https, socks5 or socks5h
	// URL, or nil for none. If Proxy is nil, [http.ProxyFromEnvironment] chooses;
	// but if DialContext is not nil, no proxy is used, because the environment does
	// not know where DialContext connects to.
	Proxy func(*http.Request) (*url.URL, error)

	// Jar, if not nil, has cookies for the request and takes those of the
	// response.
	Jar http.CookieJar
}

// Dial connects to a ws, wss, http or https URL with a zero [Dialer].
func Dial(ctx context.Context, url string) (*Conn, error) {
	return new(Dialer).Dial(ctx, url)
}

// Dial connects to a ws or wss URL, or http or https, which mean the same, see
// [ParseURL]. User and password in it are sent by basic authentication. ctx and
// [Config].HandshakeTimeout bound the dialing and have no effect on the
// connection returned. If the server, or an HTTP proxy, answers and does not
// accept, the error is a [HandshakeError]. Dial does not follow redirects: the
// error is a HandshakeError, and its Response has the Location.
func (d *Dialer) Dial(ctx context.Context, url string) (*Conn, error) {
	h, err := NewClientHandshake(d, url) // finds mistakes before anything is connected
	if err != nil {
		d.Trace.handshakeFailed(nil, err)
		return nil, err
	}
	c, err := d.dial(ctx, h)
	d.traceFailed(ctx, h, err)
	return c, err
}

func (d *Dialer) dial(ctx context.Context, h *ClientHandshake) (*Conn, error) {
	return withinTimeout(ctx, d.handshakeTimeout(), func(ctx context.Context) (*Conn, error) {
		nc, err := d.connect(ctx, h)
		if err != nil {
			return nil, err
		}
		return clientOpen(ctx, h, nc)
	})
}

// Handshake does what Dial does on a connection that the caller has made and on
// which nothing was sent yet. It does not start TLS. If it returns an error, or a
// function of the program panics, nc is closed.
func (d *Dialer) Handshake(ctx context.Context, nc net.Conn, url string) (*Conn, error) {
	h, err := netx.OrClose(nc, func() (*ClientHandshake, error) { return NewClientHandshake(d, url) })
	if err != nil {
		d.Trace.handshakeFailed(nil, err)
		return nil, err
	}
	c, err := d.handshake(ctx, h, nc)
	d.traceFailed(ctx, h, err)
	return c, err
}

func (d *Dialer) handshake(ctx context.Context, h *ClientHandshake, nc net.Conn) (*Conn, error) {
	return withinTimeout(ctx, d.handshakeTimeout(), func(ctx context.Context) (*Conn, error) { return clientOpen(ctx, h, nc) })
}

// traceFailed calls Trace.HandshakeFailed if err is not nil. It builds the
// request only if there is such a hook.
func (d *Dialer) traceFailed(ctx context.Context, h *ClientHandshake, err error) {
	if err != nil && d.Trace != nil && d.Trace.HandshakeFailed != nil {
		d.Trace.HandshakeFailed(h.publicRequest().WithContext(ctx), err)
	}
}

// connect returns a connection to the server, over TLS for wss. It goes through
// a proxy if one is chosen.
func (d *Dialer) connect(ctx context.Context, h *ClientHandshake) (net.Conn, error) {
	u := h.url
	dial := proxy.DialFunc(d.DialContext)
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	via, err := d.proxyFor(u)
	if err != nil {
		return nil, fmt.Errorf("websocket: %w", err)
	}
	var nc net.Conn
	if via != nil {
		if nc, err = proxy.Dial(ctx, dial, via, u.Addr(), proxy.Options{TLSConfig: d.TLSConfig, UserAgent: h.header.Get("User-Agent")}); err != nil {
			err = proxyError(err)
		}
	} else if nc, err = dial(ctx, "tcp", u.Addr()); err != nil {
		err = fmt.Errorf("websocket: cannot reach server: %w", err)
	}
	if err != nil || !u.Secure {
		return nc, err
	}
	return d.secure(ctx, nc, u)
}

// proxyFor returns the URL of the proxy for u, or nil if none is used.
func (d *Dialer) proxyFor(u *URL) (*url.URL, error) {
	choose := d.Proxy
	switch {
	case choose == nil && d.DialContext != nil:
		return nil, nil
	case choose == nil:
		choose = http.ProxyFromEnvironment
	}
	return proxy.For(choose, u.Secure, u.Addr())
}

// proxyError turns an error of package proxy into one of this package.
func proxyError(err error) error {
	if refused, ok := errors.AsType[*proxy.Refusal](err); ok {
		return &HandshakeError{Status: refused.Response.StatusCode, Response: refused.Response, FromProxy: true, Err: refused}
	}
	return fmt.Errorf("websocket: %w", err)
}

// secure does the TLS handshake on nc. It does not offer HTTP/2, which some
// servers would choose, because its opening handshake is a different one. If
// secure fails, it closes nc.
func (d *Dialer) secure(ctx context.Context, nc net.Conn, u *URL) (net.Conn, error) {
	config := &tls.Config{}
	if d.TLSConfig != nil {
		config = d.TLSConfig.Clone()
	}
	config.NextProtos = []string{"http/1.1"}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	// HandshakeContext ends with ctx too, but by Close, which takes 5 seconds if
	// nc is TLS with a proxy that does not read.
	tc := tls.Client(nc, config)
	_, err := netx.Interruptible(ctx, nc, func(error) bool { return false }, func() (struct{}, error) {
		return struct{}{}, netx.HandshakeTLS(ctx, tc)
	})
	if err != nil {
		return nil, fmt.Errorf("websocket: TLS handshake with %s: %w%s", u.Host, err, tlsAdvice(err))
	}
	return tc, nil
}

// tlsAdvice returns what to do about an error of crypto/tls that does not say so.
func tlsAdvice(err error) string {
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return ": does the server speak TLS on this port? Otherwise use ws or http in the URL"
	}
	return ""
}

// clientOpen does the I/O of a client's handshake and returns the connection.
// If it fails, it closes nc.
func clientOpen(ctx context.Context, h *ClientHandshake, nc net.Conn) (*Conn, error) {
	c, err := netx.Interruptible(ctx, nc, isHandshakeError, func() (*Conn, error) {
		c, err := clientExchange(h, nc)
		if isHandshakeError(err) {
			netx.LingerTLS(nc, netx.LingerTime)
		}
		return c, err
	})
	switch {
	case isHandshakeError(err):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("websocket: handshake with %s: %w", h.url.Host, err)
	}
	c.start(h.config.Trace)
	return c, nil
}

// clientExchange sends the request and passes to the handshake what the server
// sends.
func clientExchange(h *ClientHandshake, nc net.Conn) (*Conn, error) {
	if _, err := nc.Write(h.AppendRequest(nil)); err != nil {
		return nil, err
	}
	in := make([]byte, 2048)
	for {
		n, err := nc.Read(in)
		took, feedErr := h.Feed(in[:n])
		switch {
		case feedErr != nil:
			return nil, withBody(h, nc, in[took:n], feedErr)
		case h.Done():
			return clientConn(h, nc, in[took:n]), nil
		case err == io.EOF:
			return nil, h.fail(hungUp(h))
		case err != nil:
			return nil, adviseOnError(h, err)
		}
	}
}

// hungUp returns the error for a server that ended the connection before the
// handshake was complete.
func hungUp(h *ClientHandshake) error {
	return fmt.Errorf("server hung up after %d bytes of the response: %w: expected 101%s", receivedBytes(h), io.ErrUnexpectedEOF, adviseOnSilence(h))
}

// adviseOnError adds to the error of a read what to look at, unless it came of a
// timeout or of our own end.
func adviseOnError(h *ClientHandshake, err error) error {
	if isTimeout(err) || errors.Is(err, net.ErrClosed) {
		return err
	}
	return fmt.Errorf("%w: expected 101%s", err, adviseOnSilence(h))
}

// adviseOnSilence says what to look at if a server ends the connection without
// any answer.
func adviseOnSilence(h *ClientHandshake) string {
	switch {
	case receivedBytes(h) > 0:
		return ""
	case h.url.Secure:
		return ": is the port of the URL that of a WebSocket server?"
	}
	return ": is the port of the URL right? If the server expects TLS, " + adviseTLS
}

// receivedBytes returns how many bytes have arrived of the response, or of an
// interim response if one has not arrived completely.
func receivedBytes(h *ClientHandshake) int {
	n := len(h.head.Bytes())
	if h.challenge != nil {
		n += h.challenge.count
	}
	return n
}

// clientConn returns the connection of a finished handshake. rest holds the
// bytes that were read beyond the handshake.
func clientConn(h *ClientHandshake, nc net.Conn, rest []byte) *Conn {
	c := newConn(nc, h.version, ClientSide, h.config, rest)
	c.compress(h.agreed)
	c.subprotocol, c.response = h.subprotocol, h.res
	return c
}

// withBody adds the beginning of the response's body to a refusal, because
// servers often say there why they refuse.
func withBody(h *ClientHandshake, nc net.Conn, rest []byte, err error) error {
	if refused, ok := errors.AsType[*HandshakeError](err); ok && h.res != nil && h.res.StatusCode != http.StatusSwitchingProtocols {
		if res := httphead.ReadRefusal(nc, h.head.Bytes(), rest, h.res.Request); res != nil {
			refused.Response = res
			refused.Err = withReason(refused.Err, res)
		}
	}
	return err
}

// withReason adds the first line of a plain-text body to the text of err.
// Servers whose clients are programs say there what is wrong.
func withReason(err error, res *http.Response) error {
	if t := res.Header.Get("Content-Type"); t != "" && !strings.HasPrefix(t, "text/plain") {
		return err
	}
	body, _ := io.ReadAll(res.Body) // never fails: ReadRefusal has read it into memory
	res.Body = io.NopCloser(bytes.NewReader(body))
	line, _, _ := bytes.Cut(body, []byte("\n"))
	if len(line) == 0 {
		return err
	}
	return fmt.Errorf("%w: the body begins with %.200q", err, line)
}
