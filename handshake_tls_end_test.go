package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// recordLog is a connection below TLS that remembers the type of the record
// that was sent last.
type recordLog struct {
	net.Conn
	last atomic.Uint32
}

func (l *recordLog) Write(p []byte) (int, error) {
	l.last.Store(uint32(p[0]))
	return l.Conn.Write(p)
}

// checkAlert wants an alert to have been sent last, as close_notify is one.
func (l *recordLog) checkAlert(t *testing.T) {
	t.Helper()
	const alert = 21 // RFC 5246 section 6.2.1
	if got := l.last.Load(); got != alert {
		t.Errorf("the record that was sent last has type %d, want %d, an alert", got, alert)
	}
}

// oldTLS returns options for a version of TLS that does not encrypt the type of
// a record.
func oldTLS(names ...string) (server, client *tls.Config) {
	server, client = newTLSConfigs(names...)
	server.MaxVersion, client.ServerName = tls.VersionTLS12, ""
	return server, client
}

// handshakeEnds are what a peer does after the handshake has failed, and how
// long this side then waits at most.
var handshakeEnds = []struct {
	name string
	peer func(net.Conn)
	want time.Duration
}{
	{"hangs up", func(nc net.Conn) { io.Copy(io.Discard, nc) }, 0},
	{"hangs up later", func(nc net.Conn) { io.Copy(io.Discard, nc); time.Sleep(time.Second / 10) }, time.Second / 10},
	{"stays", func(nc net.Conn) { io.Copy(io.Discard, nc); time.Sleep(time.Hour) }, websocket.RefusalLinger},
	{"does not read", func(nc net.Conn) { time.Sleep(time.Hour) }, websocket.RefusalLinger},
}

// A client whose handshake fails after TLS has begun tells the server with
// close_notify, RFC 8446 section 6.1, and does not wait long.
func TestDialEndsTLS(t *testing.T) {
	serverTLS, clientTLS := oldTLS("lab.example", "p.test")
	answer := func(s string) func(net.Conn) {
		return func(nc net.Conn) { readHead(nc); io.WriteString(nc, s) }
	}
	halfway := func(nc net.Conn) {
		answer("HTTP/1.1 101 x\r\n")(nc)
		nc.(*tls.Conn).CloseWrite()
	}
	for _, tt := range []struct {
		name, url, proxy string
		serve            func(net.Conn)
	}{
		{"refusal", "wss://lab.example/", "", answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")},
		{"wrong answer", "wss://lab.example/", "", answer("HTTP/1.1 101 x\r\n\r\n")},
		{"not HTTP", "wss://lab.example/", "", answer("SSH-2.0-x\r\n\r\n")},
		{"half an answer", "wss://lab.example/", "", halfway},
		{"refusal of a proxy", "ws://lab.example/", "https://p.test", answer("HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n")},
		{"answer of a proxy that is not HTTP", "ws://lab.example/", "https://p.test", answer("SSH-2.0-x\r\n\r\n")},
		{"server behind a proxy does not speak TLS", "wss://lab.example/", "https://p.test", func(nc net.Conn) {
			answer("HTTP/1.1 200 OK\r\n\r\n")(nc)
			nc.Read(make([]byte, 1000))
			io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}},
	} {
		for _, end := range handshakeEnds {
			t.Run(tt.name+"/"+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					link := &pipeLink{Serve: func(nc net.Conn) {
						tc := tls.Server(nc, serverTLS)
						tt.serve(tc)
						end.peer(tc)
					}}
					d := dialerOver(websocket.Dialer{TLSConfig: clientTLS}, link)
					var log *recordLog
					d.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
						nc, err := link.Dial(ctx, network, addr)
						log = &recordLog{Conn: nc}
						return log, err
					}
					if tt.proxy != "" {
						d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(tt.proxy) }
					}
					start := time.Now()
					_, err := d.Dial(t.Context(), tt.url)
					if took := time.Since(start); err == nil || took != end.want && !(tt.name == "half an answer" && took < end.want) {
						t.Errorf("%v after %v; want an error after %v", err, took, end.want)
					}
					link.CheckClosed(t)
					log.checkAlert(t)
					time.Sleep(2 * time.Hour) // until the peer ends
				})
			})
		}
	}
}

// A client that does not accept the server's certificate says so in an alert,
// and gives the server time to read it.
func TestDialLetsServerReadAlert(t *testing.T) {
	serverTLS, clientTLS := newTLSConfigs("other.example")
	clientTLS.ServerName = ""
	for _, end := range handshakeEnds[:3] {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &pipeLink{Serve: func(nc net.Conn) {
					var alert *net.OpError
					if err := tls.Server(nc, serverTLS).Handshake(); !errors.As(err, &alert) || alert.Op != "remote error" {
						t.Errorf("the server's handshake: %v; want the client's alert", err)
					}
					time.Sleep(end.want)
				}}
				start := time.Now()
				_, err := dialerOver(websocket.Dialer{TLSConfig: clientTLS}, link).Dial(t.Context(), "wss://lab.example/")
				if took := time.Since(start); err == nil || took != end.want {
					t.Errorf("%v after %v; want an error after %v", err, took, end.want)
				}
				link.CheckClosed(t)
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// The same for servers: a client that has to show a certificate learns that
// only after its own part of the handshake, and may have sent its request.
func TestAcceptLetsClientReadAlert(t *testing.T) {
	serverTLS, clientTLS := newTLSConfigs("lab.example")
	serverTLS.ClientAuth = tls.RequireAnyClientCert
	for _, end := range handshakeEnds[:3] {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				go func() {
					defer client.Close()
					var alert *net.OpError
					if _, err := tls.Client(client, clientTLS).Read(make([]byte, 1)); !errors.As(err, &alert) || alert.Op != "remote error" {
						t.Errorf("the client reads %v; want the server's alert", err)
					}
					time.Sleep(end.want)
				}()
				start := time.Now()
				_, err := new(websocket.Upgrader).Accept(t.Context(), tls.Server(server, serverTLS))
				if took := time.Since(start); err == nil || took != end.want {
					t.Errorf("%v after %v; want an error after %v", err, took, end.want)
				}
				checkPeerClosed(t, client)
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// A server whose handshake fails after TLS has begun tells the client with
// close_notify.
func TestAcceptEndsTLS(t *testing.T) {
	serverTLS, clientTLS := oldTLS("lab.example")
	clientTLS.ServerName = "lab.example"
	for _, tt := range []struct {
		name, request  string
		answered, ends bool // the client reads a head, and ends its side
	}{
		{"refusal", requestOf(websocket.RFC6455).with("Connection").String(), true, false},
		{"half a head", requestOf(websocket.RFC6455).head()[:50], false, true},
		{"half of key3", requestOf(websocket.Hybi00).with("Origin", "https://lab.example:8080").head() + "1234", true, true},
	} {
		for _, end := range handshakeEnds {
			t.Run(tt.name+"/"+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					go func() {
						defer client.Close()
						tc := tls.Client(client, clientTLS)
						io.WriteString(tc, tt.request)
						if tt.answered {
							readHead(tc)
						}
						if tt.ends {
							tc.CloseWrite()
						}
						end.peer(tc)
					}()
					log := &recordLog{Conn: server}
					start := time.Now()
					_, err := new(websocket.Upgrader).Accept(t.Context(), tls.Server(log, serverTLS))
					if took := time.Since(start); err == nil || took > end.want {
						t.Errorf("%v after %v; want an error after %v at most", err, took, end.want)
					}
					checkPeerClosed(t, client)
					log.checkAlert(t)
					time.Sleep(2 * time.Hour)
				})
			})
		}
	}
}
