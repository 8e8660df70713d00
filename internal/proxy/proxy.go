// Package proxy makes connections through HTTP proxies, with CONNECT, and
// through SOCKS5 proxies. It is its own because net/http does not export what
// it does for its own requests, and because golang.org/x/net/proxy, which
// speaks SOCKS here, does not know CONNECT. No error of this package shows a
// password.
package proxy

import (
	"context"
	"crypto/tls"
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

// DialFunc has the meaning of net.Dialer.DialContext.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// For asks choose which proxy leads to hostport. A nil URL means none.
//
// http.ProxyFromEnvironment and functions like it choose by the scheme of a
// request's URL and know only http and https, so https stands for a connection
// inside TLS and http for any other.
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

// choiceError is a failure of the function that chooses. It has its own type
// because such functions parse settings, and url.Parse quotes all of what it
// cannot parse, the password included.
type choiceError struct {
	hostport string
	err      error
}

func (e *choiceError) Error() string {
	reason := e.err.Error()
	if strings.Contains(reason, "@") {
		reason = "malformed setting, not shown since it may hold a password"
	}
	return fmt.Sprintf("choosing the proxy for %q: %s", e.hostport, reason)
}

func (e *choiceError) Unwrap() error { return e.err }

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
func Dial(ctx context.Context, dial DialFunc, proxyURL *url.URL, addr string, tlsConfig *tls.Config) (net.Conn, error) {
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
		return p.tunnel(ctx, raw, addr, tlsConfig)
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
		// A URL that was not parsed may have its user in the wrong field.
		host := u.Host[strings.LastIndexByte(u.Host, '@')+1:]
		return nil, fmt.Errorf("proxy URL has host %q, want an ASCII name or address, and a port from 1 to 65535 if any", host)
	}
	return p, p.checkUser()
}

// checkUser refuses what RFC 7617 section 2 forbids in credentials: control
// characters, and a colon in the user, after which the password would begin.
// SOCKS sends the lengths of both and does not need the second rule.
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

// failure prefixes err with the proxy's name. A Refusal has it already.
func (p *server) failure(err error) error {
	if isRefusal(err) {
		return err
	}
	return fmt.Errorf("proxy %s: %w", p.addr, err)
}

// tunnel makes raw, a fresh connection to the proxy, lead to addr.
func (p *server) tunnel(ctx context.Context, raw net.Conn, addr string, tlsConfig *tls.Config) (net.Conn, error) {
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
// It drops what concerns the target alone: its name, its protocols, its ECH
// keys, and the callbacks that check its certificate. InsecureSkipVerify with
// such a callback means that the callback verifies instead, so without the
// callback the usual verification is on again. InsecureSkipVerify alone is the
// wish of the caller and is kept.
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

// connectSOCKS asks for addr by RFC 1928. A name is always left to the proxy
// to resolve, for socks5 as for socks5h, as net/http does.
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
	// The connection returned hides CloseWrite and SyscallConn and adds
	// nothing: the answer was read to its last byte and no further.
	_, err = d.(socks.ContextDialer).DialContext(ctx, "tcp", addr)
	return err
}

// dialed is a socks.ContextDialer that returns a connection made before.
type dialed struct{ conn net.Conn }

func (d dialed) Dial(_, _ string) (net.Conn, error) { return d.conn, nil }

func (d dialed) DialContext(context.Context, string, string) (net.Conn, error) { return d.conn, nil }
