package interop

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// proxySpec is a proxy that stands between our client and our server.
type proxySpec struct {
	name   string
	limits limits
	argv   []string // but for the name of the file that holds config

	// config is what the proxy is told: to take connections from the socket that
	// it inherits as descriptor 3 and that listens there, with TLS if pem is a
	// file, and to pass everything on to backend.
	config func(listen, pem, backend, dir string) string

	tells     bool // it adds X-Forwarded-Proto
	holdsBack bool // it passes on nothing after a request's head before it has a response
}

var proxies = []*proxySpec{
	{
		name:   named("nginx", "nginx"),
		argv:   []string{"/usr/sbin/nginx", "-e", "stderr", "-c"},
		config: nginxConfig,
		tells:  true, holdsBack: true,
	},
	{
		name:   named("HAProxy", "haproxy") + ", mode http",
		argv:   haproxy,
		config: func(_, pem, backend, _ string) string { return haproxyConfig("http", pem, backend) },
		tells:  true,
		limits: limits{{step: handshake, in: hixie, why: "it answers 400 to an upgrade without Sec-WebSocket-Key"}},
	},
	{
		name:   named("HAProxy", "haproxy") + ", mode tcp",
		argv:   haproxy,
		config: func(_, pem, backend, _ string) string { return haproxyConfig("tcp", pem, backend) },
	},
}

var haproxy = []string{"/usr/sbin/haproxy", "-db", "-f"}

func nginxConfig(listen, pem, backend, dir string) string {
	ssl, certificate := "", ""
	if pem != "" {
		ssl, certificate = " ssl", fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %[1]s;", pem)
	}
	return fmt.Sprintf(`
daemon off;
pid %[5]s/pid;
error_log stderr notice;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path %[5]s;
	proxy_temp_path %[5]s;
	fastcgi_temp_path %[5]s;
	scgi_temp_path %[5]s;
	uwsgi_temp_path %[5]s;
	server {
		listen %[1]s%[2]s;
		%[3]s
		location / {
			proxy_pass http://%[4]s;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "Upgrade";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-Proto $scheme;
		}
	}
}
`, listen, ssl, certificate, backend, dir)
}

func haproxyConfig(mode, pem, backend string) string {
	ssl, forwarded := "", ""
	if pem != "" {
		ssl = " ssl crt " + pem
	}
	if mode == "http" {
		forwarded = "http-request del-header X-Forwarded-Proto\n\thttp-request set-header X-Forwarded-Proto https if { ssl_fc }"
	}
	return fmt.Sprintf(`
defaults
	mode %s
	timeout connect 5s
	timeout client 30s
	timeout server 30s
	timeout tunnel 30s
frontend f
	bind fd@3%s
	%s
	default_backend b
backend b
	server s %s
`, mode, ssl, forwarded, backend)
}

func TestProxies(t *testing.T) {
	t.Parallel()
	pem, roots := selfSigned(t)
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for _, scheme := range []string{"ws", "wss"} {
				for _, v := range versions {
					t.Run(scheme+"/"+short(v), func(t *testing.T) { p.test(t, v, scheme, pem, roots) })
				}
			}
		})
	}
}

// test makes one cell.
func (p *proxySpec) test(t *testing.T, v websocket.Version, scheme, pem string, roots *x509.CertPool) {
	c := cell{peer: p.name + ", " + scheme, version: v, role: between, result: failed}
	defer func() { record(c) }()
	limits := p.limits.of(v, between)
	if scheme == "ws" {
		pem = ""
	}
	for _, steps := range [][]step{brief, throughProxy} {
		k, err := p.converse(t, v, pem, roots, steps, limits)
		var refused *websocket.HandshakeError
		if why, ok := limits[handshake]; ok {
			if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
				c.result, c.notes = notSupported, []string{why}
				return
			}
			err = fmt.Errorf("error is %v: expected that %s", err, why)
			t.Error(err)
		}
		if k != nil {
			c.checks += k.checks
			c.notes = append(c.notes, k.cannot...)
		}
		if err == nil && v == hybi00 && p.holdsBack && !key3HeldBack(k.tap) {
			err = errors.New("the last 8 bytes of the handshake did not wait for the response: this test is worth nothing")
			t.Errorf("%v\n%s", err, k.tap)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
	c.result = passed
}

// throughProxy is long without what only short fragments from the server would
// need; ourEcho sends fragments of its own accord.
var throughProxy = slices.DeleteFunc(slices.Clone(long), func(s step) bool { return s.name == fragmentsFromIt })

// key3HeldBack reports that the last 8 bytes of the handshake of hybi-00 reached
// the server only after it had sent the head of its response, as behind HAProxy
// before 2.0. A server that waits for them first waits for ever.
func key3HeldBack(p *tap) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events) > 2 &&
		p.events[0].from == peer && bytes.HasSuffix(p.events[0].data, []byte("\r\n\r\n")) &&
		p.events[1].from == us && bytes.HasSuffix(p.events[1].data, []byte("\r\n\r\n")) &&
		p.events[2].from == peer && p.events[2].size == 8
}

// converse talks through the proxy with ourEcho. What passed is noted between
// the proxy and the server.
func (p *proxySpec) converse(t *testing.T, v websocket.Version, pem string, roots *x509.CertPool, steps []step, limits map[string]string) (*talk, error) {
	count := new(frames)
	u := upgrader(new(frames))
	conns := make(chan *websocket.Conn, 1)
	relay := newTap(t, peer, serveHTTP(t, u, conns))
	r, addr := p.start(t, pem, relay.addr)
	defer r.stop()
	d := dialer(v, count)
	d.TLSConfig = &tls.Config{RootCAs: roots}
	url := "ws://" + addr + "/chat?room=1"
	if pem != "" {
		url = "wss" + strings.TrimPrefix(url, "ws")
	}
	c, err := d.Dial(context.Background(), url)
	if err != nil {
		err = fmt.Errorf("handshake: %w", err)
		if _, ok := limits[handshake]; !ok {
			report(t, err, relay, r)
		}
		return nil, err
	}
	echo := &running{lines: make(chan string, 1), log: r.log}
	go ourEcho(receive(t, conns), echo)
	return converse(t, newTalk(c, asServer, count), relay, echo, steps, limits)
}

// start starts the proxy, with a socket that can be connected to already.
func (p *proxySpec) start(t *testing.T, pem, backend string) (*running, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	dir := t.TempDir()
	config, addr := filepath.Join(dir, "config"), ln.Addr().String()
	if err := os.WriteFile(config, []byte(p.config(addr, pem, backend, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	argv := append(slices.Clone(p.argv), config)
	return start(t, argv, []string{"NGINX=3;"}, socket), addr
}

// selfSigned returns a file with a certificate for 127.0.0.1 and its key, and
// what trusts it.
func selfSigned(t *testing.T) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b)
	b = append(b, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	name := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, roots
}
