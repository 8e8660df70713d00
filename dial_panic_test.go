package websocket_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// panicJar is a jar one of whose methods panics.
type panicJar struct {
	http.CookieJar
	cookies bool
}

func (j panicJar) Cookies(u *url.URL) []*http.Cookie {
	if j.cookies {
		panic(errHook)
	}
	return j.CookieJar.Cookies(u)
}

func (j panicJar) SetCookies(*url.URL, []*http.Cookie) { panic(errHook) }

func newPanicJar(cookies bool) panicJar {
	jar, _ := cookiejar.New(nil)
	return panicJar{CookieJar: jar, cookies: cookies}
}

// A hook that panics in Dial leaves no connection open.
func TestDialClosesAfterPanic(t *testing.T) {
	serverTLS, clientTLS := newTLSConfigs("lab.example", "p.test")
	refuse := func(nc net.Conn) {
		readHead(nc)
		io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n")
		io.Copy(io.Discard, nc)
	}
	overTLS := func(serve func(net.Conn)) func(net.Conn) {
		return func(nc net.Conn) { serve(tls.Server(nc, serverTLS)) }
	}
	now := func() time.Time { panic(errHook) }
	for _, tt := range []struct {
		name, url string
		serve     func(net.Conn)
		set       func(d *websocket.Dialer)
	}{
		{"SetCookies", "ws://lab.example/", refuse, func(d *websocket.Dialer) { d.Jar = newPanicJar(false) }},
		{"SetCookies over TLS", "wss://lab.example/", overTLS(refuse), func(d *websocket.Dialer) { d.Jar = newPanicJar(false) }},
		{"HandshakeFailed", "ws://lab.example/", refuse, func(d *websocket.Dialer) {
			d.Trace = &websocket.Trace{HandshakeFailed: func(*http.Request, error) { panic(errHook) }}
		}},
		{"Opened", "ws://lab.example/", answerWith(websocket.RFC6455, "", 1000), func(d *websocket.Dialer) {
			d.PingInterval = time.Second
			d.Trace = &websocket.Trace{Opened: func(*websocket.Conn) { panic(errHook) }}
		}},
		{"VerifyPeerCertificate", "wss://lab.example/", overTLS(refuse), func(d *websocket.Dialer) {
			d.TLSConfig.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { panic(errHook) }
		}},
		{"VerifyConnection", "wss://lab.example/", overTLS(refuse), func(d *websocket.Dialer) {
			d.TLSConfig.VerifyConnection = func(tls.ConnectionState) error { panic(errHook) }
		}},
		{"Time, for a proxy", "ws://lab.example/", overTLS(refuse), func(d *websocket.Dialer) {
			d.TLSConfig.Time = now
			d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("https://p.test") }
		}},
		{"VerifyConnection, through a proxy", "wss://lab.example/", overTLS(func(nc net.Conn) {
			readHead(nc)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
			overTLS(refuse)(nc)
		}), func(d *websocket.Dialer) {
			d.TLSConfig.VerifyConnection = func(tls.ConnectionState) error { panic(errHook) }
			d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("https://p.test") }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &pipeLink{Serve: tt.serve}
				d := dialerOver(websocket.Dialer{TLSConfig: clientTLS.Clone()}, link)
				d.TLSConfig.ServerName = ""
				tt.set(d)
				if v := panicOf(func() { d.Dial(t.Context(), tt.url) }); v != errHook {
					t.Errorf("panic %v, want %v", v, errHook)
				}
				link.CheckClosed(t)
			})
		})
	}
}

// Before a connection is made there is nothing to close, and the panic goes on.
func TestDialPanicsBeforeDialing(t *testing.T) {
	for name, d := range map[string]*websocket.Dialer{
		"Cookies":     {Jar: newPanicJar(true)},
		"Proxy":       {Proxy: func(*http.Request) (*url.URL, error) { panic(errHook) }},
		"DialContext": {Proxy: noProxy, DialContext: func(context.Context, string, string) (net.Conn, error) { panic(errHook) }},
	} {
		t.Run(name, func(t *testing.T) {
			if v := panicOf(func() { d.Dial(t.Context(), "ws://lab.example/") }); v != errHook {
				t.Errorf("panic %v, want %v", v, errHook)
			}
		})
	}
}

// Handshake owns its connection from the beginning.
func TestHandshakeClosesAfterPanic(t *testing.T) {
	failed := &websocket.Trace{HandshakeFailed: func(*http.Request, error) { panic(errHook) }}
	for name, d := range map[string]*websocket.Dialer{
		"Cookies":         {Jar: newPanicJar(true)},
		"HandshakeFailed": {Subprotocols: []string{"not a token"}, Config: websocket.Config{Trace: failed}},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := net.Pipe()
			if v := panicOf(func() { d.Handshake(t.Context(), client, "ws://lab.example/") }); v != errHook {
				t.Errorf("panic %v, want %v", v, errHook)
			}
			checkPeerClosed(t, server)
		})
	}
}
