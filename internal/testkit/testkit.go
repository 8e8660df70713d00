// Package testkit holds what the tests of several packages of this module
// share. Only tests import it, and it imports none of the other packages.
package testkit

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"
)

// PipeLink is a net.Pipe to a server that Serve plays. In a bubble of synctest
// a goroutine that either side leaves behind fails the test.
type PipeLink struct {
	Serve  func(net.Conn)
	Client net.Conn
	Addr   string // what was dialed
}

// Dial makes the connection. It has the signature of a Dialer's DialContext.
func (l *PipeLink) Dial(_ context.Context, network, addr string) (net.Conn, error) {
	client, server := net.Pipe()
	l.Client, l.Addr = client, network+" "+addr
	go func() {
		defer server.Close()
		l.Serve(server)
	}()
	return client, nil
}

// CheckClosed fails unless the client has closed the connection.
func (l *PipeLink) CheckClosed(t *testing.T) {
	t.Helper()
	CheckClosed(t, l.Client)
}

// CheckClosed fails unless this end of a net.Pipe was closed.
func CheckClosed(t *testing.T, nc net.Conn) {
	t.Helper()
	if _, err := nc.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write afterwards: %v; the connection was left open", err)
		nc.Close()
	}
}

// ReadHead reads the head of a request or response, and nothing behind it.
func ReadHead(r io.Reader) string {
	var head []byte
	b := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(r, b); err != nil {
			break
		}
		head = append(head, b...)
	}
	return string(head)
}

// SendStep returns a peer that sends s.
func SendStep(s string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, s) } }

// NoDeadlines is a connection that only Close can interrupt.
type NoDeadlines struct{ net.Conn }

func (NoDeadlines) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (NoDeadlines) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (NoDeadlines) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// RelayConnect is an HTTP proxy that does what CONNECT asks for.
func RelayConnect(w http.ResponseWriter, r *http.Request) {
	up, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer up.Close()
	down, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer down.Close()
	io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(up, rw)
		up.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(down, up)
}

// NewTLSConfigs returns the options of both ends for a server with a new
// certificate for these names and addresses. It is valid in the year 2000 too,
// when bubbles of synctest begin.
func NewTLSConfigs(names ...string) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: names[0]}
}

// CheckLinear fails if run takes much more than 16 times as long for an input
// that is 16 times as long. The best of several tries counts, since other work
// on the machine can only make a try slower.
func CheckLinear(t *testing.T, run func(n int)) {
	t.Helper()
	const large, small, most = 60 << 10, 60 << 6, 80 // quadratic would be 256
	best := func(n int) time.Duration {
		shortest := time.Hour
		for range 5 {
			start := time.Now()
			run(n)
			shortest = min(shortest, time.Since(start))
		}
		return max(shortest, time.Microsecond)
	}
	var ratio float64
	for range 5 {
		if ratio = float64(best(large)) / float64(best(small)); ratio < most {
			return
		}
	}
	t.Errorf("16 times the input took %.0f times as long, want about 16", ratio)
}
