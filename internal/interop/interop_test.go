package interop

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		flag.Set("test.parallel", "4") // most of the time is spent waiting for programs to start
	}
	began := time.Now()
	code := m.Run()
	if len(results.cells) > 0 {
		var s bytes.Buffer
		printTable(&s, results.cells)
		fmt.Fprintf(&s, "\nIt took %v.\n", time.Since(began).Round(time.Second))
		os.Stdout.Write(s.Bytes())
		if err := keep("interop.txt", s.Bytes()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// keep writes a file to the folder INTEROP_ARTIFACTS, if that is set.
func keep(name string, content []byte) error {
	dir := os.Getenv("INTEROP_ARTIFACTS")
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), content, 0o644)
}

// TestPeers holds a conversation with every peer, in every version and role.
func TestPeers(t *testing.T) {
	t.Parallel()
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for _, as := range []role{asServer, asClient} {
				for _, v := range versions {
					t.Run(fmt.Sprintf("%s/%s", as, short(v)), func(t *testing.T) { p.test(t, v, as) })
				}
			}
		})
	}
}

// test makes one cell.
func (p *peerSpec) test(t *testing.T, v websocket.Version, as role) {
	c := cell{peer: p.name, version: v, role: as, result: failed}
	defer func() { record(c) }()
	limits := p.limits.of(v, as)
	prog := p.server
	if as == asClient {
		prog = p.client
	}
	why, lacks := limits[handshake]
	switch {
	case prog == nil:
		c.result, c.notes = notSupported, []string{"it is no " + string(as)}
		return
	case lacks:
		if as == asServer {
			if err := refusal(t, prog, v); err != nil {
				t.Error(err)
				c.fail(err)
				return
			}
		}
		c.result, c.notes = notSupported, []string{why}
		return
	}
	var server *running
	if as == asServer {
		server = prog.run(t, v, "")
		defer server.stop()
	}
	for _, steps := range [][]step{brief, long} {
		var k *talk
		var err error
		if as == asServer {
			k, err = p.asServer(t, v, server, steps, limits)
		} else {
			k, err = p.asClient(t, v, steps, limits)
		}
		if k != nil {
			c.checks += k.checks
			c.notes = append(c.notes, k.cannot...)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
	c.result = passed
}

// refusal errs unless a server refuses version v, with a status or by hanging up.
func refusal(t *testing.T, prog program, v websocket.Version) error {
	r := prog.run(t, v, "")
	defer r.stop()
	c, err := dialer(v, new(frames)).Dial(t.Context(), "ws://"+r.addr+"/chat")
	if err == nil {
		c.Close()
	}
	var refused *websocket.HandshakeError
	hungUp := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	if hungUp || errors.As(err, &refused) && refused.Status >= http.StatusBadRequest {
		return nil
	}
	return fmt.Errorf("the handshake ended with error %v: expected a refusal, after what peers_test.go says", err)
}

// asServer connects to the peer, which is r, and talks.
func (p *peerSpec) asServer(t *testing.T, v websocket.Version, r *running, steps []step, limits map[string]string) (*talk, error) {
	for try := 1; ; try++ {
		relay := newTap(t, us, r.addr)
		count := new(frames)
		d := dialer(v, count)
		c, err := d.Dial(context.Background(), "ws://"+relay.addr+"/chat?room=1")
		if err != nil && p.bad != nil && try < 10 && p.bad(relay) {
			continue
		}
		if err != nil {
			err = fmt.Errorf("handshake: %w", err)
			report(t, err, relay, r)
			return nil, err
		}
		return converse(t, newTalk(c, asServer, count), relay, r, steps, limits)
	}
}

func dialer(v websocket.Version, count *frames) *websocket.Dialer {
	d := &websocket.Dialer{Version: v, Subprotocols: []string{subprotocol}, Header: dialHeader()}
	if v != websocket.Hixie75 && v != websocket.Hybi00 {
		d.Subprotocols = []string{"superchat", subprotocol}
	}
	d.HandshakeTimeout = patience
	d.Trace = count.trace()
	return d
}

// asClient has the peer connect to us and talks.
func (p *peerSpec) asClient(t *testing.T, v websocket.Version, steps []step, limits map[string]string) (*talk, error) {
	count := new(frames)
	conns := make(chan *websocket.Conn, 1)
	failed := make(chan error, 1)
	u := upgrader(count)
	u.Origins = []string{p.pageOrigin()}
	u.Trace.HandshakeFailed = func(_ *http.Request, err error) { failed <- err }
	listen := serveHTTP
	if &steps[0] == &brief[0] {
		listen = serveAccept
	}
	relay := newTap(t, peer, listen(t, u, conns))
	r := p.client.run(t, v, "ws://"+relay.addr+"/chat?room=1")
	defer r.stop()
	var err error
	select {
	case c := <-conns:
		if c.Version() == v {
			k := newTalk(c, asClient, count)
			k.page = p.pageOrigin()
			return converse(t, k, relay, r, steps, limits)
		}
		c.Close()
		err = fmt.Errorf("handshake: taken for one of %v", c.Version())
	case err = <-failed:
		err = fmt.Errorf("handshake: %w", err)
	case <-r.ended:
		err = errors.New("handshake: it ended")
	case <-time.After(startPatience):
		err = errors.New("handshake: it did not connect")
	}
	report(t, err, relay, r)
	return nil, err
}

func upgrader(count *frames) *websocket.Upgrader {
	u := &websocket.Upgrader{Subprotocols: []string{subprotocol}, Origins: []string{pageOrigin}}
	u.HandshakeTimeout = patience
	u.Trace = count.trace()
	return u
}

// receive returns the next connection.
func receive(t testing.TB, conns <-chan *websocket.Conn) *websocket.Conn {
	t.Helper()
	select {
	case c := <-conns:
		return c
	case <-time.After(patience):
		t.Fatalf("nobody connected within %v", patience)
		return nil
	}
}

// serveHTTP takes connections by way of net/http.
func serveHTTP(t testing.TB, u *websocket.Upgrader, conns chan<- *websocket.Conn) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "interop=set; Path=/")
		c, err := u.Upgrade(w, r)
		if err == nil {
			conns <- c
		}
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// serveAccept takes connections without net/http.
func serveAccept(t testing.TB, u *websocket.Upgrader, conns chan<- *websocket.Conn) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			c, err := u.Accept(context.Background(), nc)
			if err == nil {
				conns <- c
			}
		}
	}()
	return ln.Addr().String()
}

func converse(t *testing.T, k *talk, relay *tap, r *running, steps []step, limits map[string]string) (*talk, error) {
	defer k.c.Close()
	k.tap, k.running, k.limits = relay, r, limits
	err := k.run(steps)
	if err != nil {
		report(t, err, relay, r)
	}
	return k, err
}

func report(t *testing.T, err error, relay *tap, r *running) {
	t.Errorf("%v\nWhat passed between us and the peer:\n%sWhat the peer printed:\n%s", err, relay, r.log())
}
