package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// deflateRounds is how many messages go each way on a connection.
const deflateRounds = 250

// deflateCount counts the compressed frames of each direction.
type deflateCount struct{ read, written atomic.Int64 }

func (n *deflateCount) config(z *websocket.Compression) websocket.Config {
	count := func(of *atomic.Int64) func(*websocket.Conn, websocket.FrameInfo) {
		return func(_ *websocket.Conn, f websocket.FrameInfo) {
			if f.RSV == 4 {
				of.Add(1)
			}
		}
	}
	return websocket.Config{Compression: z, Trace: &websocket.Trace{FrameRead: count(&n.read), FrameWritten: count(&n.written)}}
}

// check has the peer echo messages of all kinds and sizes, and expects that most
// of them were compressed, both ways, or none if that is what is wanted.
func (n *deflateCount) check(c *websocket.Conn, want outcome) error {
	c.SetDeadline(time.Now().Add(patience))
	random := rand.New(rand.NewSource(1))
	for i := range deflateRounds {
		t, p := deflateMessage(random, i)
		if err := c.WriteMessage(t, p); err != nil {
			return fmt.Errorf("message %d of %d bytes: %w", i, len(p), err)
		}
		if gt, got, err := c.ReadMessage(); err != nil || gt != t || !bytes.Equal(got, p) {
			return fmt.Errorf("message %d, %v of %d bytes: the echo is %v of %d bytes, %w", i, t, len(p), gt, len(got), err)
		}
	}
	least := int64(deflateRounds / 2)
	if r, w := n.read.Load(), n.written.Load(); want == compressed && min(r, w) < least || want == plain && max(r, w) > 0 {
		return fmt.Errorf("%d of %d messages read and %d written were compressed", r, deflateRounds, w)
	}
	return nil
}

func deflateMessage(random *rand.Rand, i int) (websocket.MessageType, []byte) {
	size := []int{0, 1, 20, 125, 126, 500, 4000, 20_000, 70_000}[i%9]
	switch p := make([]byte, size); i % 4 {
	case 0:
		random.Read(p)
		return websocket.Binary, p
	case 1:
		return websocket.Binary, p
	default:
		var b strings.Builder
		for b.Len() < size {
			fmt.Fprintf(&b, `{"id":%d,"name":"Ünï %d","ok":%t},`, random.Intn(1000), i, i%2 == 0)
		}
		return websocket.Text, []byte(b.String())
	}
}

func deflateServe(t *testing.T, h http.Handler) (addr string) {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// deflateOptions returns all our options. 0 is for 12 bits, and for a window of
// the peer that it need not keep to.
func deflateOptions() (all []*websocket.Compression) {
	for _, bits := range []int{0, 9, 15} {
		for _, peer := range []int{0, 9, 15} {
			for _, alone := range []bool{false, true} {
				all = append(all, &websocket.Compression{Threshold: 1, WindowBits: bits, PeerWindowBits: peer, NoContextTakeover: alone})
			}
		}
	}
	return all
}

func deflateName(z *websocket.Compression) string {
	return fmt.Sprintf("WindowBits %d, PeerWindowBits %d, NoContextTakeover %t", z.WindowBits, z.PeerWindowBits, z.NoContextTakeover)
}

// TestDeflate has peers echo messages with permessage-deflate, with and without
// context takeover on each side, with all windows, as servers and as clients.
func TestDeflate(t *testing.T) {
	t.Parallel()
	for _, p := range deflatePeers {
		for _, alone := range p.alone {
			t.Run(fmt.Sprintf("%s/server, alone %t", p.name, alone), func(t *testing.T) {
				t.Parallel()
				url := "ws://" + p.server(t, alone) + "/"
				for _, z := range deflateOptions() {
					t.Run(deflateName(z), func(t *testing.T) {
						t.Parallel()
						deflateDial(t, url, z, p.expect(asServer, alone, z))
					})
				}
			})
			if p.client == nil {
				continue
			}
			t.Run(fmt.Sprintf("%s/client, alone %t", p.name, alone), func(t *testing.T) {
				t.Parallel()
				for _, z := range deflateOptions() {
					t.Run(deflateName(z), func(t *testing.T) {
						t.Parallel()
						deflateAccept(t, z, p.expect(asClient, alone, z), func(url string) { p.client(t, alone, url) })
					})
				}
			})
		}
	}
}

// deflateDial has the server at url echo messages.
func deflateDial(t *testing.T, url string, z *websocket.Compression, want outcome) {
	var n deflateCount
	d := websocket.Dialer{Config: n.config(z)}
	c, err := d.Dial(t.Context(), url)
	var answer *websocket.HandshakeError
	if want == refused && errors.As(err, &answer) && answer.Status == http.StatusBadRequest {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := n.check(c, want); err != nil {
		t.Errorf("%v; the server answered %q", err, c.Response().Header["Sec-Websocket-Extensions"])
	}
}

// deflateAccept has the client that connect starts echo messages.
func deflateAccept(t *testing.T, z *websocket.Compression, want outcome, connect func(url string)) {
	var n deflateCount
	done := make(chan error, 1)
	s := &websocket.Server{Handler: func(_ context.Context, c *websocket.Conn) error {
		err := n.check(c, want)
		if err != nil {
			err = fmt.Errorf("%w; the client offered %q", err, c.Request().Header["Sec-Websocket-Extensions"])
		}
		done <- err
		return nil
	}}
	s.Upgrader = websocket.Upgrader{Config: n.config(z), Subprotocols: []string{subprotocol}, Origins: []string{pageOrigin}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { s.Close() })
	connect("ws" + strings.TrimPrefix(srv.URL, "http") + "/")
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("it did not connect, or not answer")
	}
}

// deflated has the page echo messages with each of our options. A browser that
// offers no parameters gets no compression if its window is to be bounded.
func (p *pageServer) deflated(z *websocket.Compression, bare bool) func(*testing.T) error {
	return func(t *testing.T) error {
		want := compressed
		if bare && z.PeerWindowBits == 9 {
			want = plain
		}
		var n deflateCount
		conns := make(chan *websocket.Conn, 1)
		p.connect(t, n.config(z), conns)
		c := receive(t, conns)
		defer c.Close()
		return n.check(c, want)
	}
}

// TestDeflateProxies has our server echo messages behind proxies.
func TestDeflateProxies(t *testing.T) {
	t.Parallel()
	for _, p := range proxies {
		for _, z := range deflateOptions() {
			t.Run(p.name+"/"+deflateName(z), func(t *testing.T) {
				t.Parallel()
				s := &websocket.Server{Handler: deflateEcho}
				s.Upgrader.Compression = z
				t.Cleanup(func() { s.Close() })
				_, addr := p.start(t, "", deflateServe(t, s))
				deflateDial(t, "ws://"+addr+"/", z, compressed)
			})
		}
	}
}

func deflateEcho(_ context.Context, c *websocket.Conn) error {
	for {
		typ, p, err := c.ReadMessage()
		if err == nil {
			err = c.WriteMessage(typ, p)
		}
		if err != nil {
			return err
		}
	}
}
