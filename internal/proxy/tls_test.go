package proxy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/protocol-websocket/websocket/internal/proxy"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// tlsProxy is an HTTPS proxy on loopback whose certificate is for example.com
// and 127.0.0.1. It prefers HTTP/2, in which CONNECT looks different.
func tlsProxy(t *testing.T) (dial proxy.DialFunc, roots *x509.CertPool) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "a.test:443" || r.RequestURI != "a.test:443" || r.ProtoMajor != 1 {
			http.Error(w, "not what a proxy expects", http.StatusBadRequest)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		io.Copy(conn, rw)
	}))
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots = x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, srv.Listener.Addr().String())
	}, roots
}

func TestDialTLS(t *testing.T) {
	dial, roots := tlsProxy(t)
	failing := func(tls.ConnectionState) error { return errors.New("meant for the target") }
	passing := func(tls.ConnectionState) error { return nil }
	passingRaw := func([][]byte, [][]*x509.Certificate) error { return nil }
	var wrongName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	tests := []struct {
		name  string
		proxy string
		cfg   *tls.Config
		want  any // target for errors.As, nil for success
	}{
		{"trusted name", "https://example.com", &tls.Config{RootCAs: roots}, nil},
		{"trusted address", "https://127.0.0.1:8443", &tls.Config{RootCAs: roots}, nil},
		{"target's name and protocols", "https://example.com", &tls.Config{RootCAs: roots, ServerName: "a.test", NextProtos: []string{"h2"}}, nil},
		{"target's ECH", "https://example.com", &tls.Config{RootCAs: roots, EncryptedClientHelloConfigList: []byte("bad")}, nil},
		{"target's VerifyConnection", "https://example.com", &tls.Config{RootCAs: roots, VerifyConnection: failing}, nil},
		{"no verification wanted", "https://p.test", &tls.Config{InsecureSkipVerify: true}, nil},
		{"other name", "https://p.test", &tls.Config{RootCAs: roots}, &wrongName},
		{"other address", "https://127.0.0.2", &tls.Config{RootCAs: roots}, &wrongName},
		{"ServerName cannot excuse it", "https://p.test", &tls.Config{RootCAs: roots, ServerName: "example.com"}, &wrongName},
		{"VerifyConnection cannot excuse it", "https://p.test", &tls.Config{RootCAs: roots, InsecureSkipVerify: true, VerifyConnection: passing}, &wrongName},
		{"VerifyPeerCertificate cannot excuse it", "https://p.test", &tls.Config{RootCAs: roots, InsecureSkipVerify: true, VerifyPeerCertificate: passingRaw}, &wrongName},
		{"unknown authority", "https://example.com", &tls.Config{RootCAs: x509.NewCertPool()}, &unknown},
		{"no config", "https://example.com", nil, &unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.cfg.Clone()
			conn, err := proxy.Dial(t.Context(), dial, mustURL(t, tt.proxy), "a.test:443", proxy.Options{TLSConfig: tt.cfg})
			if tt.cfg != nil && (tt.cfg.ServerName != before.ServerName || len(tt.cfg.NextProtos) != len(before.NextProtos)) {
				t.Error("the caller's config was changed")
			}
			if tt.want != nil {
				if !errors.As(err, tt.want) {
					t.Errorf("error %v, want a %T", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatalf("Dial: %v", err)
			}
			defer conn.Close()
			if got := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != "http/1.1" {
				t.Errorf("ALPN chose %q, want http/1.1", got)
			}
			checkEcho(t, conn)
		})
	}
}

// The whole way over TCP, through a proxy that really relays. CloseWrite must
// reach the target: nothing else ends the echo.
func TestDialLoopback(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		if c, err := target.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	relay := httptest.NewServer(http.HandlerFunc(testkit.RelayConnect))
	defer relay.Close()
	conn, err := proxy.Dial(t.Context(), new(net.Dialer).DialContext, mustURL(t, relay.URL), target.Addr().String(), proxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	checkEcho(t, conn)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Errorf("after CloseWrite: %q, %v; want a clean end", rest, err)
	}
}
