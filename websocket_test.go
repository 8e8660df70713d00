package websocket

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What a connPair runs over. Over net.Pipe nothing is buffered: each Write
// waits for a Read.
const (
	connPipe = "pipe"
	connTCP  = "tcp"
	connTLS  = "tls"
	connUnix = "unix"
)

var connTransports = []string{connPipe, connTCP, connTLS}

// connOptions says what a connPair is made with; wrap stands between a side
// and the wire, below TLS.
type connOptions struct {
	server, client         Config
	wrapServer, wrapClient func(net.Conn) net.Conn
}

// connPair returns the two sides of a connection, both ours.
func connPair(t testing.TB, v Version, transport string, opts connOptions) (server, client *Conn) {
	t.Helper()
	sn, cn := connWire(t, transport)
	if opts.wrapServer != nil {
		sn = opts.wrapServer(sn)
	}
	if opts.wrapClient != nil {
		cn = opts.wrapClient(cn)
	}
	url := "ws://127.0.0.1/chat"
	if transport == connTLS {
		config := connTLSConfig()
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

// connWire returns the two ends of a stream of bytes.
func connWire(t testing.TB, transport string) (server, client net.Conn) {
	t.Helper()
	if transport == connPipe {
		return net.Pipe()
	}
	network, addr := "tcp", "127.0.0.1:0"
	if transport == connUnix {
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

// connTLSConfig returns a configuration for both sides, with a certificate that
// is made anew for each run of the tests.
var connTLSConfig = sync.OnceValue(func() *tls.Config {
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

// connSplit writes one byte at a time, once on is set.
type connSplit struct {
	net.Conn
	on *atomic.Bool
}

func (c connSplit) Write(p []byte) (n int, err error) {
	if !c.on.Load() {
		return c.Conn.Write(p)
	}
	for n < len(p) && err == nil {
		var k int
		k, err = c.Conn.Write(p[n : n+1])
		n += k
	}
	return n, err
}

// connSplitHalf is a connSplit of a connection that knows CloseWrite.
type connSplitHalf struct {
	connSplit
	half interface{ CloseWrite() error }
}

func (c connSplitHalf) CloseWrite() error { return c.half.CloseWrite() }

func connSplitter(on *atomic.Bool) func(net.Conn) net.Conn {
	return func(nc net.Conn) net.Conn {
		split := connSplit{nc, on}
		if half, ok := nc.(interface{ CloseWrite() error }); ok {
			return connSplitHalf{split, half}
		}
		return split
	}
}

// connScript is a connection whose peer says what is in in, and then is done,
// or says it again. What is written to it is kept, unless again is set. It has
// no deadlines and no goroutines.
type connScript struct {
	in    []byte
	pos   int
	again bool
	out   bytes.Buffer
}

func (s *connScript) Read(p []byte) (int, error) {
	if s.pos == len(s.in) {
		if !s.again {
			return 0, io.EOF
		}
		s.pos = 0
	}
	n := copy(p, s.in[s.pos:])
	s.pos += n
	return n, nil
}

func (s *connScript) Write(p []byte) (int, error) {
	if s.again {
		return len(p), nil
	}
	return s.out.Write(p)
}

func (s *connScript) Close() error                     { return nil }
func (s *connScript) LocalAddr() net.Addr              { return nil }
func (s *connScript) RemoteAddr() net.Addr             { return nil }
func (s *connScript) SetDeadline(time.Time) error      { return nil }
func (s *connScript) SetReadDeadline(time.Time) error  { return nil }
func (s *connScript) SetWriteDeadline(time.Time) error { return nil }

func connSideName(s Side) string {
	return map[Side]string{ServerSide: "server", ClientSide: "client"}[s]
}

// connFrame is a message, or a control frame, for connFrames.
type connFrame struct {
	typ MessageType
	p   []byte
}

// connFrames returns frames as the peer of side sends them.
func connFrames(t testing.TB, v Version, side Side, frames ...connFrame) (b []byte) {
	t.Helper()
	for _, f := range frames {
		var err error
		if b, err = AppendMessage(b, v, ClientSide-side, f.typ, f.p); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// connPayload returns n bytes of text that has characters of every length, or
// of anything at all.
func connPayload(t MessageType, n int) []byte {
	if t == Text {
		const sample = "aé€😀z\x00"
		p := []byte(strings.Repeat(sample, n/len(sample)))
		for len(p) < n {
			p = append(p, '.')
		}
		return p
	}
	pattern := make([]byte, 1021) // which is prime: no two places look alike
	for i := range pattern {
		pattern[i] = byte(i * 7)
	}
	return bytes.Repeat(pattern, n/len(pattern)+1)[:n]
}

// connTypes are the types of message that v has.
func connTypes(v Version) []MessageType {
	if v.hixie() {
		return []MessageType{Text}
	}
	return []MessageType{Text, Binary}
}

// connEcho answers every message with itself, in turns by all the ways there
// are, and returns the error that ends it.
func connEcho(c *Conn) error {
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

type connReceived struct {
	typ  MessageType
	data []byte
	err  error
}

// connConverse has a talk to b, which echoes, and end the conversation.
func connConverse(t *testing.T, a, b *Conn, sizes []int) {
	t.Helper()
	echoed := make(chan error, 1)
	go func() { echoed <- connEcho(b) }()
	received := make(chan connReceived, 1)
	go func() {
		for {
			typ, p, err := a.ReadMessage()
			received <- connReceived{typ, p, err}
			if err != nil {
				return
			}
		}
	}()
	expect := func(what string, typ MessageType, want []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got := <-received
		if got.err != nil || got.typ != typ || !bytes.Equal(got.data, want) {
			t.Fatalf("%s: echo is %v of %d bytes, error %v; want %v of %d bytes, the same",
				what, got.typ, len(got.data), got.err, typ, len(want))
		}
	}
	control := a.Version().traits().ping
	for _, typ := range connTypes(a.Version()) {
		for _, n := range sizes {
			p := connPayload(typ, n)
			kept := bytes.Clone(p)
			expect(fmt.Sprintf("%v message of %d bytes", typ, n), typ, p, a.WriteMessage(typ, p))
			if !bytes.Equal(p, kept) {
				t.Fatalf("WriteMessage changed its argument, %d bytes", n)
			}
			expect(fmt.Sprintf("streamed %v message of %d bytes", typ, n), typ, p, connStream(a, typ, p, control))
			if control {
				if _, err := b.Ping(t.Context()); err != nil {
					t.Fatalf("ping by the other side after %d bytes: %v", n, err)
				}
			}
		}
	}
	connGoodbye(t, a, received, echoed)
}

// connStream writes p in three Writes, with Pings between them.
func connStream(c *Conn, typ MessageType, p []byte, ping bool) error {
	w, err := c.NextWriter(typ)
	if err != nil {
		return err
	}
	for i := range 3 {
		if _, err := w.Write(p[len(p)*i/3 : len(p)*(i+1)/3]); err != nil {
			return err
		}
		if ping {
			if _, err := c.Ping(context.Background()); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// connGoodbye has a close and looks what both sides make of it.
func connGoodbye(t *testing.T, a *Conn, received <-chan connReceived, echoed <-chan error) {
	t.Helper()
	want := CloseError{Code: 4321, Reason: "that was all, tschüß"}
	if err := a.Shutdown(t.Context(), want.Code, want.Reason); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if a.Version().hixie() {
		want = CloseError{Code: StatusNoStatusReceived}
	}
	var got *CloseError
	if err := <-echoed; !errors.As(err, &got) || *got != want {
		t.Errorf("side that was closed got %v, want %+v", err, want)
	}
	switch last := <-received; {
	case !errors.As(last.err, &got) && !(a.Version() == Hixie75 && errors.Is(last.err, net.ErrClosed)):
		t.Errorf("side that closed reads %v, want the peer's Close", last.err)
	case got != nil && *got != want:
		t.Errorf("side that closed got %+v back, want %+v", got, want)
	}
	if err := a.WriteMessage(Text, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteMessage after Shutdown: %v, want net.ErrClosed", err)
	}
}

func TestConversation(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20}
	for _, v := range allVersions {
		for _, transport := range connTransports {
			t.Run(v.String()+"/"+transport+"/client begins", func(t *testing.T) {
				t.Parallel()
				server, client := connPair(t, v, transport, connOptions{})
				connConverse(t, client, server, sizes)
			})
			t.Run(v.String()+"/"+transport+"/server begins", func(t *testing.T) {
				t.Parallel()
				server, client := connPair(t, v, transport, connOptions{})
				connConverse(t, server, client, sizes[:len(sizes)-1])
			})
		}
	}
}

func TestConversationInBytes(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 127, 1000}
	for _, v := range allVersions {
		for _, transport := range connTransports {
			// With only one side split, the other is a plain TCP connection,
			// which is read in another way.
			for _, who := range []string{"both", "server", "client"} {
				t.Run(v.String()+"/"+transport+"/split by "+who, func(t *testing.T) {
					t.Parallel()
					on := new(atomic.Bool) // after the handshake: over net.Pipe that of hybi-00 cannot come in pieces
					var opts connOptions
					if who != "client" {
						opts.wrapServer = connSplitter(on)
					}
					if who != "server" {
						opts.wrapClient = connSplitter(on)
					}
					server, client := connPair(t, v, transport, opts)
					on.Store(true)
					connConverse(t, client, server, sizes)
				})
			}
		}
	}
}

// A mask that can be guessed protects nobody, so no package of this module
// imports math/rand outside its tests.
func TestNoMathRand(t *testing.T) {
	checked := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != "." {
				return fs.SkipDir // a module of its own, which no user imports
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		checked[filepath.ToSlash(filepath.Dir(path))] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range parsed.Imports {
			if imported, _ := strconv.Unquote(i.Path.Value); strings.HasPrefix(imported, "math/rand") {
				t.Errorf("%s imports %s: keys and nonces must come from crypto/rand", path, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "internal/mask"} {
		if !checked[dir] {
			t.Errorf("the files of %s were not checked", dir)
		}
	}
}

// An idle connection is to cost little: one byte more and the allocator takes
// the next of its sizes, which is 768.
func TestConnIsSmall(t *testing.T) {
	const most = 704 - 8 // which the allocator keeps a word of
	if size := reflect.TypeFor[Conn]().Size(); size > most {
		t.Errorf("a Conn has %d bytes, want at most %d", size, most)
	}
}
