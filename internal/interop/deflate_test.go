package interop

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/protocol-websocket/websocket"
)

// deflateRounds is how many messages go each way on a connection.
const deflateRounds = 1000

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
// of them were compressed, both ways.
func (n *deflateCount) check(c *websocket.Conn) error {
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
	if r, w := n.read.Load(), n.written.Load(); r < deflateRounds/2 || w < deflateRounds/2 {
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

// deflatePeers echo what they get, compressed; each message by itself if alone
// is set.
var deflatePeers = []struct {
	name   string
	server func(t *testing.T, alone bool) (addr string)
	client func(t *testing.T, alone bool, url string)
	always bool // alone
}{
	{name: "Node ws 8", server: deflateServer(deflateNode("ws-8")), client: deflateClient(deflateNode("ws-8"))},
	{name: "Node ws 1", server: deflateServer(deflateNode("ws-1")), client: deflateClient(deflateNode("ws-1"))},
	{name: "Python websockets", server: deflateServer(deflatePython), client: deflateClient(deflatePython)},
	{name: "Go gorilla", server: deflateGorilla, always: true},
	{name: "Go coder", server: deflateCoder},
	{name: "Go gws", server: deflateGws},
}

func deflateNode(folder string) func(alone bool) []string {
	return func(alone bool) []string {
		return []string{"node", "--no-deprecation", "peers/node/deflate.js", folder, strconv.FormatBool(alone)}
	}
}

func deflatePython(alone bool) []string {
	return []string{"/usr/bin/python3", "peers/python/deflate.py", strconv.FormatBool(alone)}
}

func deflateServer(argv func(bool) []string) func(*testing.T, bool) string {
	return func(t *testing.T, alone bool) string {
		r := start(t, append(argv(alone), "server"), nil)
		return "127.0.0.1:" + r.listening(t, "LISTEN ")
	}
}

func deflateClient(argv func(bool) []string) func(*testing.T, bool, string) {
	return func(t *testing.T, alone bool, url string) {
		start(t, append(argv(alone), "client", url), nil)
	}
}

func deflateServe(t *testing.T, f http.HandlerFunc) string {
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func deflateGorilla(t *testing.T, _ bool) string {
	return deflateServe(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := (&gorilla.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
		for err == nil {
			var typ int
			var p []byte
			if typ, p, err = c.ReadMessage(); err == nil {
				err = c.WriteMessage(typ, p)
			}
		}
	})
}

func deflateCoder(t *testing.T, alone bool) string {
	option := &coder.AcceptOptions{CompressionMode: coder.CompressionContextTakeover, CompressionThreshold: 1}
	if alone {
		option.CompressionMode = coder.CompressionNoContextTakeover
	}
	return deflateServe(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, option)
		if err != nil {
			return
		}
		c.SetReadLimit(1 << 20)
		for err == nil {
			var typ coder.MessageType
			var p []byte
			if typ, p, err = c.Read(context.Background()); err == nil {
				err = c.Write(context.Background(), typ, p)
			}
		}
	})
}

func deflateGws(t *testing.T, alone bool) string {
	u := gws.NewUpgrader(deflateGwsEcho{}, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{
		Enabled: true, Threshold: 1, ServerContextTakeover: !alone, ClientContextTakeover: !alone,
	}})
	return deflateServe(t, func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r); err == nil {
			c.ReadLoop()
		}
	})
}

type deflateGwsEcho struct{ gws.BuiltinEventHandler }

func (deflateGwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes())
}

// deflateOptions are our options for windows.
var deflateOptions = []websocket.Compression{{}, {WindowBits: 15}, {WindowBits: 8}, {PeerWindowBits: 9}, {PeerWindowBits: 15}}

// TestDeflate has peers echo a thousand messages with permessage-deflate, with
// and without context takeover, with all windows, as servers and as clients.
func TestDeflate(t *testing.T) {
	t.Parallel()
	for _, p := range deflatePeers {
		for _, alone := range []bool{false, true} {
			if p.always && !alone {
				continue
			}
			for _, z := range deflateOptions {
				z.Threshold, z.NoContextTakeover = 1, alone
				name := fmt.Sprintf("alone=%t/%d %d", alone, z.WindowBits, z.PeerWindowBits)
				t.Run(p.name+"/server/"+name, func(t *testing.T) {
					t.Parallel()
					deflateDial(t, "ws://"+p.server(t, alone)+"/", &z)
				})
				if p.client == nil {
					continue
				}
				t.Run(p.name+"/client/"+name, func(t *testing.T) {
					t.Parallel()
					deflateAccept(t, &z, func(url string) { p.client(t, alone, url) })
				})
			}
		}
	}
}

// deflateDial has the server at url echo messages.
func deflateDial(t *testing.T, url string, z *websocket.Compression) {
	var n deflateCount
	d := websocket.Dialer{Config: n.config(z)}
	c, err := d.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := n.check(c); err != nil {
		t.Errorf("%v; the server answered %q", err, c.Response().Header["Sec-Websocket-Extensions"])
	}
}

// deflateAccept has the client that connect starts echo messages.
func deflateAccept(t *testing.T, z *websocket.Compression, connect func(url string)) {
	var n deflateCount
	done := make(chan error, 1)
	s := &websocket.Server{Handler: func(_ context.Context, c *websocket.Conn) error {
		err := n.check(c)
		if err != nil {
			err = fmt.Errorf("%w; the client offered %q", err, c.Request().Header["Sec-Websocket-Extensions"])
		}
		done <- err
		return nil
	}}
	s.Upgrader.Config = n.config(z)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { s.Close() })
	connect("ws" + strings.TrimPrefix(srv.URL, "http") + "/")
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(startPatience):
		t.Error("it did not connect, or not answer")
	}
}

// deflated has the page echo compressed messages.
func (p *pageServer) deflated(t *testing.T) error {
	var n deflateCount
	conns := make(chan *websocket.Conn, 1)
	p.connect(t, n.config(&websocket.Compression{Threshold: 1}), conns)
	c := receive(t, conns)
	defer c.Close()
	return n.check(c)
}
