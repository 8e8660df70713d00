package interop

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

func TestMain(m *testing.M) {
	if os.Getenv("INTEROP_SETUP") == "1" {
		c := exec.Command("./setup")
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Run(); err != nil {
			fmt.Fprintf(os.Stderr, "internal/interop/setup: %v\n", err)
			os.Exit(1)
		}
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set("4") // most of the time is spent waiting for programs to start
	}
	began := time.Now()
	code := m.Run()
	if len(results.cells) > 0 {
		writeTable(time.Since(began))
	}
	os.Exit(code)
}

// writeTable prints the table and keeps it as interop.txt beside the pictures.
func writeTable(took time.Duration) {
	var s bytes.Buffer
	printTable(&s, results.cells)
	fmt.Fprintf(&s, "\nIt took %v.\n", took.Round(time.Second))
	os.Stdout.Write(s.Bytes())
	if err := keep("interop.txt", s.Bytes()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// keep writes a file to the folder INTEROP_ARTIFACTS, which is .ci/artifacts in
// the repository if it is not set.
func keep(name string, content []byte) error {
	dir := os.Getenv("INTEROP_ARTIFACTS")
	if dir == "" {
		dir = "../../.ci/artifacts"
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
	limits := p.limitsOf(v, as)
	prog := p.server
	if as == asClient {
		prog = p.client
	}
	why, ok := limits[handshake]
	switch {
	case prog == nil:
		c.result, c.notes = notSupported, []string{"it is no " + string(as)}
		return
	case ok && as == asServer && !refuses(t, prog, v):
		t.Errorf("it has this version after all, although in peers_test.go is said: %s", why)
		return
	case ok:
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
			c.notes = append(c.notes, "FAIL: "+err.Error())
			return
		}
	}
	c.result = passed
}

// refuses reports that a server does not open a connection in version v.
func refuses(t *testing.T, prog program, v websocket.Version) bool {
	r := prog.run(t, v, "")
	defer r.stop()
	d := dialer(v, new(frames))
	d.HandshakeTimeout = time.Second // some do not answer at all
	c, err := d.Dial(t.Context(), "ws://"+r.addr+"/chat")
	if err == nil {
		c.Close()
	}
	return err != nil
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
	u.Trace.HandshakeFailed = func(err error) { failed <- err }
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
	case <-time.After(patience):
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

// serveHTTP takes connections by way of net/http.
func serveHTTP(t testing.TB, u *websocket.Upgrader, conns chan<- *websocket.Conn) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, http.Header{"Set-Cookie": {"interop=set; Path=/"}})
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
			c, err := u.Accept(context.Background(), nc, nil)
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
	t.Errorf("%v\nWhat passed between us and the peer:\n%sWhat the peer wrote to stderr:\n%s", err, relay, r.log())
}
