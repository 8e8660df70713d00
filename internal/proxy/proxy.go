// Package proxy makes connections through HTTP proxies, with CONNECT, and
// through SOCKS5 proxies. It exists because net/http does not export what it
// does for its own requests, and because golang.org/x/net/proxy, which is used
// here for SOCKS, has no CONNECT. No error of this package shows a password.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/protocol-websocket/websocket/internal/netx"
	"github.com/protocol-websocket/websocket/internal/origin"
	socks "golang.org/x/net/proxy"
)

// DialFunc is a function with the meaning of [net.Dialer.DialContext].
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// For calls choose and returns the URL of the proxy for hostport. A nil URL
// means none.
//
// [http.ProxyFromEnvironment] and similar functions choose by the scheme of a
// request's URL, and know only http and https. For uses https for a connection
// inside TLS, and http for any other.
func For(choose func(*http.Request) (*url.URL, error), secure bool, hostport string) (*url.URL, error) {
	u := &url.URL{Scheme: "http", Host: hostport, Path: "/"}
	if secure {
		u.Scheme = "https"
	}
	proxyURL, err := choose(&http.Request{
		Method: http.MethodGet, URL: u, Host: hostport, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	})
	if err != nil {
		return nil, &choiceError{hostport, err}
	}
	return proxyURL, nil
}

// choiceError is an error of the function that chooses. Its text hides
// passwords: such functions parse settings, and url.Parse quotes all of a text
// that it cannot parse, including the password.
type choiceError struct {
	hostport string
	err      error
}

func (e *choiceError) Error() string {
	reason := e.err.Error()
	if strings.Contains(reason, "@") {
		reason = "malformed setting, not shown because it may hold a password"
	}
	return fmt.Sprintf("choosing the proxy for %q: %s", e.hostport, reason)
}

func (e *choiceError) Unwrap() error { return e.err }

// Options are what Dial needs besides the addresses. The zero Options are valid.
type Options struct {
	// TLSConfig is what TLS with the target uses. TLS with an https proxy uses
	// what of it does not concern the target alone.
	TLSConfig *tls.Config

	// UserAgent is sent with CONNECT, unless it is "". It holds no control
	// characters.
	UserAgent string
}

// Dial returns a connection to addr, a host:port, through the proxy at
// proxyURL, which it reaches with dial. The end of ctx interrupts every stage,
// provided that dial heeds it, and has no effect on the connection returned.
//
// The connection is the one that dial made, or TLS on top of it for https, so
// that CloseWrite and SyscallConn remain reachable. It is wrapped only if the
// proxy sent bytes of the tunnel along with its answer.
//
// If the proxy answers CONNECT with a status other than 2xx, the error is a
// [Refusal], not wrapped. No error shows the user or password of proxyURL.
func Dial(ctx context.Context, dial DialFunc, proxyURL *url.URL, addr string, o Options) (net.Conn, error) {
	if target, err := origin.ParseHostHeader(addr); err != nil || target.Port == 0 {
		return nil, fmt.Errorf("a proxy needs a target of the form host:port, in ASCII, without an IPv6 zone, port 1 to 65535; the caller gave %q", addr)
	}
	p, err := newServer(proxyURL)
	if err != nil {
		return nil, err
	}
	raw, err := dial(ctx, "tcp", p.addr)
	if err != nil {
		return nil, fmt.Errorf("cannot reach proxy %s: %w", p.addr, err)
	}
	conn, err := netx.Interruptible(ctx, raw, isRefusal, func() (net.Conn, error) {
		return p.tunnel(ctx, raw, addr, o)
	})
	if err != nil {
		return nil, p.failure(err)
	}
	return conn, nil
}

// server is a validated proxy URL.
type server struct {
	scheme string // lower case, a key of ports
	host   string // without brackets
	addr   string // host:port, safe to print
	user   *url.Userinfo
}

// ports has the default port of each scheme that is accepted. That of socks5 is
// from RFC 1928 section 3.
var ports = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

func newServer(u *url.URL) (*server, error) {
	scheme := strings.ToLower(u.Scheme)
	port, ok := ports[scheme]
	if !ok {
		return nil, fmt.Errorf("proxy URL has scheme %q, want http, https, socks5 or socks5h", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	p := &server{scheme, u.Hostname(), net.JoinHostPort(u.Hostname(), port), u.User}
	if h, err := origin.ParseHostPort(p.addr); err != nil || h.Port == 0 {
		// A URL that does not come from url.Parse may have the user in its
		// Host.
		host := u.Host[strings.LastIndexByte(u.Host, '@')+1:]
		return nil, fmt.Errorf("proxy URL has host %q, want an ASCII name or address, and a port from 1 to 65535 if any", host)
	}
	return p, p.checkUser()
}

// checkUser returns an error if the credentials have what RFC 7617 section 2
// forbids: control characters, or a colon in the user. After a colon the
// password would begin. SOCKS sends the lengths of both, so there a colon is
// allowed.
func (p *server) checkUser() error {
	password, _ := p.user.Password()
	if strings.ContainsFunc(p.user.Username()+password, unicode.IsControl) {
		return fmt.Errorf("user or password in the URL of proxy %s has a control character", p.addr)
	}
	if !p.socks() && strings.Contains(p.user.Username(), ":") {
		return fmt.Errorf("user in the URL of proxy %s has a colon, which HTTP cannot transmit", p.addr)
	}
	return nil
}

func (p *server) socks() bool { return strings.HasPrefix(p.scheme, "socks") }

// failure prefixes err with the proxy's name. A Refusal already has it.
func (p *server) failure(err error) error {
	if isRefusal(err) {
		return err
	}
	return fmt.Errorf("proxy %s: %w", p.addr, err)
}

// tunnel asks the proxy, on the new connection raw, for a tunnel to addr. It
// returns the connection to use.
func (p *server) tunnel(ctx context.Context, raw net.Conn, addr string, o Options) (net.Conn, error) {
	if p.socks() {
		return raw, p.connectSOCKS(ctx, raw, addr)
	}
	if p.scheme == "http" {
		return p.connect(raw, addr, o.UserAgent)
	}
	secure := tls.Client(raw, p.tlsConfig(o.TLSConfig))
	if err := netx.HandshakeTLS(ctx, secure); err != nil {
		if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
			err = fmt.Errorf("%w: does the proxy speak TLS? Otherwise use http in its URL", err)
		}
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	conn, err := p.connect(secure, addr, o.UserAgent)
	if err != nil {
		netx.LingerTLS(secure, netx.LingerTime)
	}
	return conn, err
}

// tlsConfig returns the configuration for TLS with the proxy, derived from that
// for the target.
//
// It drops what concerns only the target: its name, its protocols, its ECH
// keys, and the callbacks that check its certificate. InsecureSkipVerify with
// such a callback means that the callback verifies the certificate. Without the
// callback the usual verification is needed, so tlsConfig turns it on again.
// InsecureSkipVerify alone is the caller's decision and is kept.
func (p *server) tlsConfig(target *tls.Config) *tls.Config {
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

// connectSOCKS asks the proxy for a connection to addr, RFC 1928. The proxy
// resolves names, with socks5 as with socks5h. net/http does the same.
func (p *server) connectSOCKS(ctx context.Context, raw net.Conn, addr string) error {
	var auth *socks.Auth
	if p.user != nil {
		password, _ := p.user.Password()
		auth = &socks.Auth{User: p.user.Username(), Password: password}
	}
	d, err := socks.SOCKS5("tcp", p.addr, auth, dialed{raw})
	if err != nil {
		return err
	}
	// The returned connection hides CloseWrite and SyscallConn. raw can be used
	// instead: the answer was read to its last byte and no further.
	_, err = d.(socks.ContextDialer).DialContext(ctx, "tcp", addr)
	return err
}

// dialed is a socks.ContextDialer that returns a connection that exists
// already.
type dialed struct{ conn net.Conn }

func (d dialed) Dial(_, _ string) (net.Conn, error) { return d.conn, nil }

func (d dialed) DialContext(context.Context, string, string) (net.Conn, error) { return d.conn, nil }
