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
	"time"

	"github.com/protocol-websocket/websocket"
)

// browserSpec is a kind of browser.
type browserSpec struct {
	name  string
	start func(t testing.TB) browser
}

var browsers = []*browserSpec{
	{"Chromium", startChromium},
	{"Firefox", startFirefox},
}

// TestBrowsers has each browser do what the other peers do, and what only
// browsers do.
func TestBrowsers(t *testing.T) {
	t.Parallel()
	for _, spec := range browsers {
		t.Run(spec.name, func(t *testing.T) {
			t.Parallel()
			var b browser
			defer func() {
				if b == nil {
					record(cell{peer: spec.name, version: rfc6455, role: asClient, result: failed, notes: []string{"FAIL: it did not start"}})
				}
			}()
			b = spec.start(t)
			page := newPageServer(t, b)
			p := &peerSpec{name: spec.name, client: page, origin: page.srv.URL, limits: []limit{
				lacks("", hixie75, hybi00, hybi07, hybi10),
				noFragments,
				{step: "ping from it", why: "scripts cannot send Pings"},
			}}
			for _, v := range versions {
				t.Run("client/"+short(v), func(t *testing.T) { p.test(t, v, asClient) })
			}
			t.Run("large", func(t *testing.T) { p.extra(t, "10 MiB both ways", page.large) })
			t.Run("reload", func(t *testing.T) { p.extra(t, "reload of the page", page.reload) })
			t.Run("shutdown", func(t *testing.T) { p.extra(t, "shutdown of the server", page.shutdown) })
			t.Run("echo example", func(t *testing.T) { p.extra(t, "examples/echo as a person would", echoExample(spec.name, b)) })
			for _, v := range versions[:4] {
				record(cell{peer: spec.name, version: v, role: asServer, result: notSupported, notes: []string{"it does not have this version"}})
			}
			record(cell{peer: spec.name, version: rfc6455, role: asServer, result: b.remoteEnd().result(), checks: b.remoteEnd().calls})
		})
	}
}

// extra makes a check that only browsers are put to, and counts it in the cell.
func (p *peerSpec) extra(t *testing.T, what string, check func(t *testing.T) error) {
	err := check(t)
	amend(p.name, rfc6455, asClient, func(c *cell) {
		if err == nil {
			c.checks++
			return
		}
		c.result = failed
		c.notes = append(c.notes, "FAIL: "+what+": "+err.Error())
	})
	if err != nil {
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
		t.Error(err)
	}
	return r
}

// connect has the page connect to a server, which hands its connections to
// conns and leaves them alone until it shuts down.
func (p *pageServer) connect(t *testing.T, conns chan *websocket.Conn) (*websocket.Server, *running) {
	ws := &websocket.Server{}
	ws.MaxMessageSize = 16 << 20
	ws.Subprotocols = []string{subprotocol}
	ws.Origins = []string{p.srv.URL}
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
	p.connect(t, conns)
	k := newTalk(<-conns, asClient, new(frames))
	defer k.c.Close()
	big := pattern(10 << 20)
	return errors.Join(k.echo(websocket.Text, big), k.echo(websocket.Binary, big))
}

// reload expects the page to go away with 1001 and to come back.
func (p *pageServer) reload(t *testing.T) error {
	conns := make(chan *websocket.Conn, 2)
	p.connect(t, conns)
	k := newTalk(<-conns, asClient, new(frames))
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
	select {
	case c := <-conns:
		return newTalk(c, asClient, new(frames)).echo(websocket.Text, []byte("again"))
	case <-time.After(patience):
		return errors.New("after a reload the page did not connect again")
	}
}

// shutdown expects the page to be told 1001 when the server goes away.
func (p *pageServer) shutdown(t *testing.T) error {
	conns := make(chan *websocket.Conn, 1)
	ws, r := p.connect(t, conns)
	<-conns
	if err := ws.Shutdown(t.Context()); err != nil {
		return err
	}
	line, err := r.await(closedPrefix)
	if err == nil && !strings.HasPrefix(line, closedPrefix+" 1001") {
		err = fmt.Errorf("the page saw %q: expected 1001", line)
	}
	return err
}
