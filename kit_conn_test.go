package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// The transports of newPair and newWire. net.Pipe buffers nothing: each Write
// waits for a Read. overMemory is NetPipe, which buffers as a socket does and
// works in a bubble.
const (
	overPipe   = "pipe"
	overMemory = "memory"
	overTCP    = "tcp"
	overTLS    = "tls"
	overUnix   = "unix"
)

// transports are those that tests usually run over.
var transports = []string{overPipe, overTCP, overTLS}

// allTransports are all of them.
var allTransports = []string{overPipe, overMemory, overTCP, overTLS, overUnix}

// pairOptions are the options of newPair. wrapServer and wrapClient wrap the
// connections below TLS.
type pairOptions struct {
	server, client         websocket.Config
	wrapServer, wrapClient func(net.Conn) net.Conn
}

// newPair returns both sides of a connection after their handshakes.
func newPair(t testing.TB, v websocket.Version, transport string, opts pairOptions) (server, client *websocket.Conn) {
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
		serverTLS, clientTLS := loopbackTLS()
		sn, cn, url = tls.Server(sn, serverTLS), tls.Client(cn, clientTLS), "wss://127.0.0.1/chat"
	}
	accepted := make(chan error, 1)
	go func() {
		var err error
		server, err = (&websocket.Upgrader{Config: opts.server}).Accept(context.Background(), sn)
		accepted <- err
	}()
	client, err := (&websocket.Dialer{Config: opts.client, Version: v}).Handshake(context.Background(), cn, url)
	if err := errors.Join(err, <-accepted); err != nil {
		t.Fatalf("handshake of %v over %s: %v", v, transport, err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
		<-websocket.Over(client)
		<-websocket.Over(server)
	})
	return server, client
}

// pairInBubble runs f in a bubble with both sides of a connection over
// net.Pipe. It fails if goroutines are left at the end.
func pairInBubble(t *testing.T, v websocket.Version, f func(t *testing.T, c, s *websocket.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) })
		s, c := newPair(t, v, overPipe, pairOptions{})
		f(t, c, s)
	})
}

// newPipe returns a connection over net.Pipe and its peer's end, after the
// handshake. Nothing is buffered between them: each Write waits for a Read.
func newPipe(t *testing.T, v websocket.Version, side websocket.Side, cfg websocket.Config) (*websocket.Conn, net.Conn) {
	t.Helper()
	nc, peer := net.Pipe()
	c := connect(t, nc, peer, v, side, cfg)
	t.Cleanup(func() { c.Close(); peer.Close() })
	return c, peer
}

// newTCP returns a connection over TCP and its peer's end, after the handshake.
// Reads and writes of the peer's end fail after 20 seconds.
func newTCP(t *testing.T, v websocket.Version, side websocket.Side, cfg websocket.Config) (*websocket.Conn, *net.TCPConn) {
	t.Helper()
	nc, peer := newWire(t, overTCP)
	c := connect(t, nc, peer, v, side, cfg)
	t.Cleanup(func() { c.Close(); peer.Close() })
	peer.SetDeadline(time.Now().Add(20 * time.Second))
	return c, peer.(*net.TCPConn)
}

// connect does both opening handshakes, that of side on nc, and returns the
// connection of side. The peer has no Conn. It wants compression if side does.
func connect(t testing.TB, nc, peer net.Conn, v websocket.Version, side websocket.Side, cfg websocket.Config) *websocket.Conn {
	t.Helper()
	url := "ws://127.0.0.1/chat"
	if _, ok := nc.(*tls.Conn); ok {
		url = "wss://127.0.0.1/chat"
	}
	done := make(chan error, 1)
	var c *websocket.Conn
	var err error
	if side == websocket.ServerSide {
		go func() {
			done <- playClient(peer, &websocket.Dialer{Version: v, Config: websocket.Config{Compression: cfg.Compression}}, url)
		}()
		c, err = (&websocket.Upgrader{Config: cfg}).Accept(context.Background(), nc)
	} else {
		go func() {
			done <- playServer(peer, &websocket.Upgrader{Config: websocket.Config{Compression: cfg.Compression}})
		}()
		c, err = (&websocket.Dialer{Version: v, Config: cfg}).Handshake(context.Background(), nc, url)
	}
	if err := errors.Join(err, <-done); err != nil {
		t.Fatalf("handshake of %v: %v", v, err)
	}
	return c
}

// playClient does the opening handshake of a client on nc.
func playClient(nc net.Conn, d *websocket.Dialer, url string) error {
	h, err := websocket.NewClientHandshake(d, url)
	if err != nil {
		return err
	}
	_, err = nc.Write(h.AppendRequest(nil))
	for b := make([]byte, 1024); err == nil && !h.Done(); {
		var n int
		if n, err = nc.Read(b); err == nil {
			_, err = h.Feed(b[:n])
		}
	}
	return err
}

// playServer does the opening handshake of a server on nc.
func playServer(nc net.Conn, up *websocket.Upgrader) error {
	h := websocket.NewServerHandshake(up)
	var err error
	for b := make([]byte, 1024); err == nil && !h.Done(); {
		var n int
		if n, err = nc.Read(b); err != nil {
			break
		}
		_, err = h.Feed(b[:n])
		if response := h.AppendResponse(nil); len(response) > 0 {
			_, writeErr := nc.Write(response)
			err = errors.Join(err, writeErr)
		}
	}
	return err
}

// newConn returns a connection on nc without a handshake, for tests whose nc
// plays the peer or looks at each call.
func newConn(nc net.Conn, v websocket.Version, side websocket.Side, cfg *websocket.Config) *websocket.Conn {
	return websocket.NewConn(nc, v, side, cfg)
}

// shortTempDir is t.TempDir without the name of the test: the address of a Unix
// socket may have about 100 bytes.
func shortTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ws")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// newWire returns the two ends of a transport.
func newWire(t testing.TB, transport string) (server, client net.Conn) {
	t.Helper()
	switch transport {
	case overMemory:
		return websocket.NetPipe()
	case overPipe:
		return net.Pipe()
	}
	network, addr := "tcp", "127.0.0.1:0"
	if transport == overUnix {
		network, addr = "unix", shortTempDir(t)+"/s"
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

// loopbackTLS returns what newTLSConfigs returns for 127.0.0.1. The certificate
// is the same during a run of the tests.
var loopbackTLS = sync.OnceValues(func() (server, client *tls.Config) { return newTLSConfigs("127.0.0.1") })

// echoAll answers every message with itself until it fails, and returns the
// error. It takes turns at all ways to read and write.
func echoAll(c *websocket.Conn) error {
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

// fillBuffers writes until nothing more can be sent to a peer that does not
// read.
func fillBuffers(t *testing.T, c *websocket.Conn) {
	t.Helper()
	nc := c.NetConn()
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

// writeUntilError writes messages until one fails.
func writeUntilError(c *websocket.Conn) (err error) {
	for p := make([]byte, 100<<10); err == nil; {
		err = c.WriteMessage(websocket.Text, p)
	}
	return err
}

// readFrame reads one frame, and fails if more has come.
func readFrame(t *testing.T, r io.Reader, v websocket.Version) websocket.Frame {
	t.Helper()
	var got []byte
	var in [100]byte
	for {
		n, err := r.Read(in[:])
		got = append(got, in[:n]...)
		f, k, perr := websocket.ParseFrame(got, v)
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
