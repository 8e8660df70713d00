package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// browserSpec is a kind of browser.
type browserSpec struct {
	name, source string
	start        func(t testing.TB) browser
	bare         bool // it offers permessage-deflate without parameters
}

var browsers = []*browserSpec{
	{"Chromium", "chromium", startChromium, false},
	{"Firefox", "firefox-esr", startFirefox, true},
}

// TestBrowsers has each browser do what the other peers do, and what only
// browsers do.
func TestBrowsers(t *testing.T) {
	t.Parallel()
	for _, spec := range browsers {
		t.Run(spec.name, func(t *testing.T) {
			t.Parallel()
			name := named(spec.name, spec.source)
			var b browser
			defer func() { recordDriven(name, b) }()
			b = spec.start(t)
			page := newPageServer(t, b)
			p := &peerSpec{name: name, client: page, origin: page.srv.URL, limits: limits{
				only("", rfc6455),
				noFragments,
				{step: pingFromIt, why: "scripts cannot send Pings"},
			}}
			for _, v := range versions {
				t.Run("client/"+short(v), func(t *testing.T) { p.test(t, v, asClient) })
			}
			t.Run("large", func(t *testing.T) { p.extra(t, "10 MiB both ways", page.large) })
			for _, z := range deflateOptions() {
				what := "deflate, " + deflateName(z)
				t.Run(what, func(t *testing.T) { p.extra(t, what, page.deflated(z, spec.bare)) })
			}
			t.Run("reload", func(t *testing.T) { p.extra(t, "reload of the page", page.reload) })
			t.Run("shutdown", func(t *testing.T) { p.extra(t, "shutdown of the server", page.shutdown) })
			t.Run("echo example", func(t *testing.T) { p.extra(t, "examples/echo as a person would", echoExample(spec.name, b)) })
		})
	}
}

// recordDriven records how a browser did as the server of the connection that
// it is driven over. It is nil if it did not start.
func recordDriven(name string, b browser) {
	lacks := only("", rfc6455)
	for _, v := range lacks.in {
		record(cell{peer: name, version: v, role: asServer, result: notSupported, notes: []string{lacks.why}})
	}
	c := cell{peer: name, version: rfc6455, role: asServer, result: failed}
	if b == nil {
		record(cell{peer: name, version: rfc6455, role: asClient, result: failed})
	} else if c.checks = b.remoteEnd().calls; b.remoteEnd().err == nil {
		c.result = passed
	}
	record(c)
}

// extra makes a check that only browsers are put to, and counts it in the cell.
func (p *peerSpec) extra(t *testing.T, what string, check func(t *testing.T) error) {
	err := errors.New("it was broken off")
	defer func() {
		amend(p.name, rfc6455, asClient, func(c *cell) {
			if err == nil {
				c.checks++
			} else {
				c.fail(fmt.Errorf("%s: %w", what, err))
			}
		})
	}()
	if err = check(t); err != nil {
		t.Error(err)
	}
}

// pageServer serves a page that is a peer after the commands in talk_test.go,
// and takes what the page has to say about the end of connections.
type pageServer struct {
	b   browser
	srv *httptest.Server

	mu   sync.Mutex
	runs []chan string // what the pages said, by their number
}

func newPageServer(t *testing.T, b browser) *pageServer {
	p := &pageServer{b: b}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /peer.html", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "peers/browser/peer.html")
	})
	mux.HandleFunc("POST /said", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if i, err := strconv.Atoi(r.FormValue("run")); err == nil && i < len(p.runs) {
			select {
			case p.runs[i] <- r.FormValue("line"):
			default: // nobody listens
			}
		}
	})
	p.srv = httptest.NewServer(mux)
	t.Cleanup(p.srv.Close)
	return p
}

// run has the browser open the page.
func (p *pageServer) run(t testing.TB, _ websocket.Version, ws string) *running {
	r := &running{lines: make(chan string, 8), ended: make(chan struct{}), log: p.b.remoteEnd().log, stop: func() {}}
	p.mu.Lock()
	query := url.Values{"url": {ws}, "run": {strconv.Itoa(len(p.runs))}}
	p.runs = append(p.runs, r.lines)
	p.mu.Unlock()
	if err := p.b.open(p.srv.URL + "/peer.html?" + query.Encode()); err != nil {
		t.Fatal(err)
	}
	return r
}

// connect has the page connect to a server, which hands its connections to
// conns and leaves them alone until it shuts down.
func (p *pageServer) connect(t *testing.T, config websocket.Config, conns chan *websocket.Conn) (*websocket.Server, *running) {
	config.MaxMessageSize = 16 << 20
	ws := &websocket.Server{Upgrader: websocket.Upgrader{Config: config, Subprotocols: []string{subprotocol}, Origins: []string{p.srv.URL}}}
	ws.Handler = func(ctx context.Context, c *websocket.Conn) error {
		conns <- c
		<-ctx.Done()
		return nil
	}
	srv := httptest.NewServer(ws)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { ws.Close() })
	return ws, p.run(t, rfc6455, "ws"+strings.TrimPrefix(srv.URL, "http")+"/")
}

func (p *pageServer) large(t *testing.T) error {
	conns := make(chan *websocket.Conn, 1)
	p.connect(t, websocket.Config{}, conns)
	k := newTalk(receive(t, conns), asClient, new(frames))
	defer k.c.Close()
	big := pattern(10 << 20)
	return errors.Join(k.echo(websocket.Text, big), k.echo(websocket.Binary, big))
}

// reload expects the page to go away with 1001 and to come back.
func (p *pageServer) reload(t *testing.T) error {
	conns := make(chan *websocket.Conn, 2)
	p.connect(t, websocket.Config{}, conns)
	k := newTalk(receive(t, conns), asClient, new(frames))
	// A browser that does not know yet that it is connected just hangs up.
	if err := k.echo(websocket.Text, []byte("connected")); err != nil {
		return err
	}
	if err := p.b.reload(); err != nil {
		return err
	}
	var end *websocket.CloseError
	if err := k.awaitEnd(); !errors.As(err, &end) || end.Code != websocket.StatusGoingAway {
		return fmt.Errorf("after a reload the connection ended with %v: expected 1001", err)
	}
	return newTalk(receive(t, conns), asClient, new(frames)).echo(websocket.Text, []byte("again"))
}

// shutdown expects the page to be told 1001 when the server goes away.
func (p *pageServer) shutdown(t *testing.T) error {
	conns := make(chan *websocket.Conn, 1)
	ws, r := p.connect(t, websocket.Config{}, conns)
	receive(t, conns)
	if err := ws.Shutdown(t.Context()); err != nil {
		return err
	}
	end, err := r.await(closedPrefix, patience)
	if err == nil && !strings.HasPrefix(end, " 1001") {
		err = fmt.Errorf("the page saw %q: expected 1001", closedPrefix+end)
	}
	return err
}
