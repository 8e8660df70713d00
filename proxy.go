package websocket

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/netx"
	"github.com/protocol-websocket/websocket/internal/origin"
	"golang.org/x/net/proxy"
)

// dialFunc has the meaning of net.Dialer.DialContext.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// proxyFor asks proxyFn which proxy leads to hostport; nil means none.
//
// ProxyFromEnvironment and its like choose by the scheme of a request's URL
// and know those of HTTP only, hence http for ws and https for wss.
func proxyFor(proxyFn func(*http.Request) (*url.URL, error), secure bool, hostport string) (*url.URL, error) {
	if proxyFn == nil {
		return nil, nil
	}
	u := &url.URL{Scheme: "http", Host: hostport, Path: "/"}
	if secure {
		u.Scheme = "https"
	}
	proxyURL, err := proxyFn(&http.Request{
		Method: http.MethodGet, URL: u, Host: hostport, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	})
	if err != nil {
		return nil, &proxyChoiceError{hostport, err}
	}
	return proxyURL, nil
}

// proxyChoiceError is a failure of Dialer.Proxy. It has a type of its own
// because such functions parse settings, and url.Parse quotes what it cannot
// parse in full, password included.
type proxyChoiceError struct {
	hostport string
	err      error
}

func (e *proxyChoiceError) Error() string {
	reason := e.err.Error()
	if strings.Contains(reason, "@") {
		reason = "malformed setting, not shown since it may hold a password"
	}
	return fmt.Sprintf("websocket: choosing the proxy for %q: %s", e.hostport, reason)
}

func (e *proxyChoiceError) Unwrap() error { return e.err }

// dialProxy returns a connection to addr, a host:port, through the proxy at
// proxyURL, which it reaches with dial. The end of ctx interrupts every stage,
// provided that dial heeds it, and means nothing to the connection returned.
//
// The connection is the very one that dial made, or TLS on top of it for
// https, so that CloseWrite and SyscallConn remain reachable. Only if the
// proxy sent bytes of the tunnel along with its answer is it wrapped.
//
// A proxy that answers CONNECT with another status than 2xx makes for a
// *HandshakeError. No error shows the user or password of proxyURL.
func dialProxy(ctx context.Context, dial dialFunc, proxyURL *url.URL, addr string, tlsConfig *tls.Config) (net.Conn, error) {
	if target, err := origin.ParseHostHeader(addr); err != nil || target.Port == 0 {
		return nil, fmt.Errorf("websocket: a proxy needs a target of the form host:port, in ASCII, without an IPv6 zone, port 1 to 65535; the caller gave %q", addr)
	}
	p, err := newProxyServer(proxyURL)
	if err != nil {
		return nil, err
	}
	raw, err := dial(ctx, "tcp", p.addr)
	if err != nil {
		return nil, fmt.Errorf("websocket: cannot reach proxy %s: %w", p.addr, err)
	}
	conn, err := netx.Interruptible(ctx, raw, isHandshakeError, func() (net.Conn, error) {
		return p.tunnel(ctx, raw, addr, tlsConfig)
	})
	if err != nil {
		return nil, p.failure(err)
	}
	return conn, nil
}

// proxyServer is a validated proxy URL.
type proxyServer struct {
	scheme string // lower case, a key of proxyPorts
	host   string // without brackets
	addr   string // host:port, safe to print
	user   *url.Userinfo
}

// proxyPorts has the default port of each accepted scheme. That of socks5 is
// from RFC 1928 section 3.
var proxyPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

func newProxyServer(u *url.URL) (*proxyServer, error) {
	scheme := strings.ToLower(u.Scheme)
	port, ok := proxyPorts[scheme]
	if !ok {
		return nil, fmt.Errorf("websocket: proxy URL has scheme %q, want http, https, socks5 or socks5h", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	p := &proxyServer{scheme, u.Hostname(), net.JoinHostPort(u.Hostname(), port), u.User}
	if h, err := origin.ParseHostPort(p.addr); err != nil || h.Port == 0 {
		// A URL that was not parsed may have its user in the wrong field.
		host := u.Host[strings.LastIndexByte(u.Host, '@')+1:]
		return nil, fmt.Errorf("websocket: proxy URL has host %q, want an ASCII name or address, and a port from 1 to 65535 if any", host)
	}
	return p, p.checkUser()
}

// checkUser refuses what RFC 7617 section 2 forbids in credentials: controls,
// and a colon in the user, which would move the start of the password. SOCKS
// has lengths and no use for the second rule.
func (p *proxyServer) checkUser() error {
	password, _ := p.user.Password()
	if strings.ContainsFunc(p.user.Username()+password, unicode.IsControl) {
		return fmt.Errorf("websocket: user or password in the URL of proxy %s has a control character", p.addr)
	}
	if !p.socks() && strings.Contains(p.user.Username(), ":") {
		return fmt.Errorf("websocket: user in the URL of proxy %s has a colon, which HTTP cannot transmit", p.addr)
	}
	return nil
}

func (p *proxyServer) socks() bool { return strings.HasPrefix(p.scheme, "socks") }

// failure prefixes err with the proxy's name, unless its type says it all.
func (p *proxyServer) failure(err error) error {
	if isHandshakeError(err) {
		return err
	}
	return fmt.Errorf("websocket: proxy %s: %w", p.addr, err)
}

// tunnel makes raw, a fresh connection to the proxy, lead to addr.
func (p *proxyServer) tunnel(ctx context.Context, raw net.Conn, addr string, tlsConfig *tls.Config) (net.Conn, error) {
	if p.socks() {
		return raw, p.connectSOCKS(ctx, raw, addr)
	}
	if p.scheme == "http" {
		return p.connect(raw, addr)
	}
	secure := tls.Client(raw, p.tlsConfig(tlsConfig))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return p.connect(secure, addr)
}

// tlsConfig derives the configuration for the proxy from that for the target.
//
// What is about one particular server is dropped: its name, its protocols, its
// ECH keys, and the callbacks that check its certificate. InsecureSkipVerify
// beside such a callback means "verify my way", so once the callback is gone
// the usual verification takes over. InsecureSkipVerify alone was the caller's
// wish and is kept.
func (p *proxyServer) tlsConfig(target *tls.Config) *tls.Config {
	if target == nil {
		target = &tls.Config{}
	}
	c := target.Clone()
	c.ServerName = p.host
	c.NextProtos = []string{"http/1.1"}
	c.EncryptedClientHelloConfigList = nil
	c.EncryptedClientHelloRejectionVerify = nil
	if c.VerifyConnection != nil || c.VerifyPeerCertificate != nil {
		c.VerifyConnection, c.VerifyPeerCertificate = nil, nil
		c.InsecureSkipVerify = false
	}
	return c
}

// connectSOCKS asks for addr by RFC 1928. A name is always left to the proxy
// to resolve, for socks5 as for socks5h, as net/http does.
func (p *proxyServer) connectSOCKS(ctx context.Context, raw net.Conn, addr string) error {
	var auth *proxy.Auth
	if p.user != nil {
		password, _ := p.user.Password()
		auth = &proxy.Auth{User: p.user.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", p.addr, auth, dialed{raw})
	if err != nil {
		return err
	}
	// The wrapper that this returns hides CloseWrite and SyscallConn, and adds
	// nothing: the answer is read to its last byte and no further.
	_, err = d.(proxy.ContextDialer).DialContext(ctx, "tcp", addr)
	return err
}

// dialed is a proxy.ContextDialer that hands out a connection made before.
type dialed struct{ conn net.Conn }

func (d dialed) Dial(_, _ string) (net.Conn, error) { return d.conn, nil }

func (d dialed) DialContext(context.Context, string, string) (net.Conn, error) { return d.conn, nil }

// connect sends CONNECT on conn and reads the answer, RFC 9110 section 9.3.6.
// RFC 6455 section 4.1 wants this for ws as well as for wss.
func (p *proxyServer) connect(conn net.Conn, addr string) (net.Conn, error) {
	if _, err := io.WriteString(conn, p.connectRequest(addr)); err != nil {
		return nil, fmt.Errorf("sending CONNECT: %w", err)
	}
	var head, rest []byte
	for range httphead.MaxInterim + 1 {
		var err error
		if head, rest, err = readHead(conn, rest); err != nil {
			return nil, err
		}
		resp, err := httphead.ParseResponse(head, proxyRequest(addr))
		switch {
		case err != nil:
			// The text may quote the proxy at any length and with any bytes.
			return nil, fmt.Errorf("answered CONNECT with something else than HTTP/1: %.100q", err.Error())
		case httphead.IsInterim(resp.StatusCode):
			continue
		case resp.StatusCode/100 != 2:
			if complete := httphead.ReadRefusal(conn, head, rest, proxyRequest(addr)); complete != nil {
				resp = complete
			}
			return nil, p.refusal(resp, addr)
		case len(rest) > 0:
			return netx.NewPrefixedConn(conn, rest), nil
		}
		return conn, nil
	}
	return nil, fmt.Errorf("answered CONNECT with more than %d interim responses", httphead.MaxInterim)
}

func (p *proxyServer) connectRequest(addr string) string {
	head := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if p.user != nil {
		password, _ := p.user.Password()
		userPass := []byte(p.user.Username() + ":" + password)
		head += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString(userPass) + "\r\n"
	}
	return head + "\r\n"
}

// refusal makes the error for such an answer. The proxy's own reason phrase is
// left in Response: it may hold anything.
func (p *proxyServer) refusal(resp *http.Response, addr string) error {
	return &HandshakeError{
		Status:   resp.StatusCode,
		Response: resp,
		Err: fmt.Errorf("proxy %s refused CONNECT to %s: want a 2xx status, got %d %s",
			p.addr, addr, resp.StatusCode, http.StatusText(resp.StatusCode)),
	}
}

// proxyRequest stands in for the request to parse its answer. It becomes
// Response.Request and so does not hold the credentials.
func proxyRequest(addr string) *http.Request {
	return &http.Request{Method: http.MethodConnect, URL: &url.URL{Host: addr}, Host: addr, Header: http.Header{}}
}

// readHead reads the head of an answer, which begins with begun. rest is what
// arrived after it. A proxy is trusted no more than a server, so the same limit
// holds.
func readHead(r io.Reader, begun []byte) (head, rest []byte, err error) {
	h := httphead.Head{Lenient: true} // like net/http, which parses it afterwards
	in := make([]byte, 2<<10)
	for p := begun; ; {
		n, headErr := h.Feed(p)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		switch {
		case headErr != nil:
			return nil, nil, fmt.Errorf("head of the answer to CONNECT exceeds %d bytes", httphead.MaxBytes)
		case h.Done():
			return h.Bytes(), p[n:], nil
		case err != nil:
			return nil, nil, fmt.Errorf("no complete answer to CONNECT, %d bytes came: %w", len(h.Bytes()), err)
		}
		n, err = r.Read(in)
		p = in[:n]
	}
}
