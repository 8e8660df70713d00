package interop

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// TestProxiesEndTLS connects through proxies at which TLS ends. Only the proxy
// knows of it: without Upgrader.Secure the server must not believe the header.
func TestProxiesEndTLS(t *testing.T) {
	t.Parallel()
	pem, roots := selfSigned(t)
	for _, p := range proxies {
		for _, v := range versions {
			if _, ok := p.limits.of(v, between)[handshake]; ok {
				continue
			}
			for _, told := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/Secure %t", p.name, short(v), told), func(t *testing.T) {
					t.Parallel()
					p.testSecure(t, v, told, pem, roots)
				})
			}
		}
	}
}

func (p *proxySpec) testSecure(t *testing.T, v websocket.Version, told bool, pem string, roots *x509.CertPool) {
	u := &websocket.Upgrader{}
	scheme := "ws"
	if told {
		u.Secure, scheme = p.secure, "wss"
	}
	conns := make(chan *websocket.Conn, 2)
	r, addr := p.start(t, pem, serveHTTP(t, u, conns))
	defer r.stop()
	dial := func(origin string) (*websocket.Conn, error) {
		d := &websocket.Dialer{Version: v, TLSConfig: &tls.Config{RootCAs: roots}, Header: http.Header{"Origin": {origin + addr}}}
		return d.Dial(t.Context(), "wss://"+addr+"/chat?room=1")
	}

	c, err := dial("https://")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer receive(t, conns).Close()
	name := map[websocket.Version]string{hixie75: "WebSocket-Location", hybi00: "Sec-WebSocket-Location"}[v]
	want := scheme + "://" + addr + "/chat?room=1"
	if got := c.Response().Header.Get(name); name != "" && got != want {
		t.Errorf("header %s is %q: expected %q", name, got, want)
	}

	c, err = dial("http://")
	if !told {
		if err != nil {
			t.Fatalf("a page without TLS is refused by a server without TLS: %v", err)
		}
		c.Close()
		receive(t, conns).Close()
		return
	}
	var refused *websocket.HandshakeError
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("error is %v: expected 403, since the page came without TLS and the request with it", err)
	}
}

// secure is what one sets Upgrader.Secure to behind this proxy.
func (p *proxySpec) secure(r *http.Request) bool {
	return !p.tells || r.Header.Get("X-Forwarded-Proto") == "https"
}
