package websocket

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What a newPair runs over. Over net.Pipe nothing is buffered: each Write
// waits for a Read.
const (
	overPipe = "pipe"
	overTCP  = "tcp"
	overTLS  = "tls"
	overUnix = "unix"
)

var transports = []string{overPipe, overTCP, overTLS}

// pairOptions says what a newPair is made with; wrap stands between a side
// and the wire, below TLS.
type pairOptions struct {
	server, client         Config
	wrapServer, wrapClient func(net.Conn) net.Conn
}

// newPair returns the two sides of a connection, both ours.
func newPair(t testing.TB, v Version, transport string, opts pairOptions) (server, client *Conn) {
	t.Helper()
	sn, cn := newWire(t, transport)
	if opts.wrapServer != nil {
		sn = opts.wrapServer(sn)
	}
	if opts.wrapClient != nil {
		cn = opts.wrapClient(cn)
	}
	url := "ws://127.0.0.1/chat"
	if transport == overTLS {
		config := loopbackTLS()
		sn, cn, url = tls.Server(sn, config), tls.Client(cn, config), "wss://127.0.0.1/chat"
	}
	accepted := make(chan error, 1)
	go func() {
		var err error
		server, err = (&Upgrader{Config: opts.server}).Accept(context.Background(), sn)
		accepted <- err
	}()
	client, err := (&Dialer{Config: opts.client, Version: v}).Handshake(context.Background(), cn, url)
	if err := errors.Join(err, <-accepted); err != nil {
		t.Fatalf("handshake of %v over %s: %v", v, transport, err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
		<-client.life.over()
		<-server.life.over()
	})
	return server, client
}

// newPipe returns a connection over net.Pipe, and its peer's end.
func newPipe(t *testing.T, v Version, side Side, cfg Config) (*Conn, net.Conn) {
	an, bn := net.Pipe()
	c := newConn(an, v, side, &cfg, nil)
	t.Cleanup(func() { c.Close(); bn.Close() })
	return c, bn
}

// newTCP returns a connection and its peer's end, both of TCP.
func newTCP(t *testing.T, v Version, side Side) (*Conn, *net.TCPConn) {
	t.Helper()
	an, bn := newWire(t, overTCP)
	c := newConn(an, v, side, &Config{}, nil)
	t.Cleanup(func() { c.Close(); bn.Close() })
	bn.SetDeadline(time.Now().Add(20 * time.Second))
	return c, bn.(*net.TCPConn)
}

// newWire returns the two ends of a stream of bytes.
func newWire(t testing.TB, transport string) (server, client net.Conn) {
	t.Helper()
	if transport == overPipe {
		return net.Pipe()
	}
	network, addr := "tcp", "127.0.0.1:0"
	if transport == overUnix {
		network, addr = "unix", t.TempDir()+"/s"
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}

// loopbackTLS returns a configuration for both sides, with a certificate that
// is made anew for each run of the tests.
var loopbackTLS = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "websocket tests"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      roots, ServerName: "127.0.0.1",
	}
})

// newTLSConfigs returns the two ends' options for a server with a certificate for
// these names. It is valid when bubbles of synctest begin, too.
func newTLSConfigs(t *testing.T, names ...string) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: names[0]}
}

// echoAll answers every message with itself, in turns by all the ways there
// are, and returns the error that ends it.
func echoAll(c *Conn) error {
	var buf []byte
	for {
		typ, p, err := c.ReadMessage()
		if err == nil {
			err = c.WriteMessage(typ, p)
		}
		if err != nil {
			return err
		}
		if typ, buf, err = c.ReadAppend(buf[:0]); err == nil {
			err = c.BufferMessage(typ, buf)
		}
		if err != nil {
			return err
		}
		typ, r, err := c.NextReader()
		if err != nil {
			return err
		}
		w, err := c.NextWriter(typ)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, r)
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
	}
}

// fillBuffers writes until the peer, who does not read, would have to.
func fillBuffers(t *testing.T, c *Conn) {
	t.Helper()
	nc := c.send.nc
	if nc.LocalAddr().Network() == "pipe" {
		return // it holds nothing
	}
	if wrapped, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = wrapped.NetConn() // or TLS would never write again
	}
	nc.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	for {
		if _, err := nc.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	nc.SetWriteDeadline(time.Time{})
}

// writeUntilError writes until that fails.
func writeUntilError(c *Conn) (err error) {
	for p := make([]byte, 100<<10); err == nil; {
		err = c.WriteMessage(Text, p)
	}
	return err
}

func readFrame(t *testing.T, r io.Reader, v Version) Frame {
	t.Helper()
	var got []byte
	var in [100]byte
	for {
		n, err := r.Read(in[:])
		got = append(got, in[:n]...)
		f, k, perr := ParseFrame(got, v)
		if perr == nil {
			if k < len(got) {
				t.Errorf("%d bytes after the frame", len(got)-k)
			}
			return f
		}
		if err != nil {
			t.Fatalf("peer got % x, then %v; want a frame", got, err)
		}
	}
}

// pairInBubble runs f with both ends of a connection over net.Pipe, in a bubble
// that all goroutines must have left at the end.
func pairInBubble(t *testing.T, v Version, f func(t *testing.T, c, s *Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * closeTimeout) })
		client, server := net.Pipe()
		c, s := streamConns(t, v, client, server)
		f(t, c, s)
	})
}

// newPipePair returns both sides of a connection over net.Pipe.
func newPipePair(t *testing.T, v Version) (server, client *Conn) {
	server, cn := newPipe(t, v, ServerSide, Config{})
	client = newConn(cn, v, ClientSide, &Config{}, nil)
	return server, client
}
