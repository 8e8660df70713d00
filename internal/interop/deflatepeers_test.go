package interop

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"

	coder "github.com/coder/websocket"
	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/protocol-websocket/websocket"
)

// deflatePeer echoes what it gets, compressed if both sides agree on it. With
// alone it wants each message compressed by itself.
type deflatePeer struct {
	name   string
	server func(t *testing.T, alone bool) (addr string)
	client func(t *testing.T, alone bool, url string)
	alone  []bool // what it can be told

	// instead says what comes of the options instead of compression; nil is nothing.
	instead func(as role, alone bool, z *websocket.Compression) outcome
}

// outcome is what both sides agree on.
type outcome int

const (
	compressed outcome = iota
	plain              // no compression
	refused            // no connection: the server answers 400
)

// expect returns what comes of the options.
func (p *deflatePeer) expect(as role, alone bool, z *websocket.Compression) outcome {
	if p.instead == nil {
		return compressed
	}
	return p.instead(as, alone, z)
}

// but returns p with what comes of the options instead of compression.
func (p *deflatePeer) but(instead func(as role, alone bool, z *websocket.Compression) outcome) *deflatePeer {
	p.instead = instead
	return p
}

// nettyIsPlain is for Netty without windows. A server that keeps its window
// does not forget it if it is asked to, and the client does not offer to.
func nettyIsPlain(as role, alone bool, z *websocket.Compression) outcome {
	if !alone && (z.PeerWindowBits == 9 || as == asServer && z.NoContextTakeover) {
		return plain
	}
	return compressed
}

// wsRefuses is for a server of ws that keeps its window: it answers 400 to
// a client that wants it to forget.
func wsRefuses(as role, alone bool, z *websocket.Compression) outcome {
	if as == asServer && !alone && z.NoContextTakeover {
		return refused
	}
	return compressed
}

// coderIsPlain is for a client of coder that keeps its window: it offers no
// parameters, so its window cannot be bounded.
func coderIsPlain(as role, alone bool, z *websocket.Compression) outcome {
	if as == asClient && !alone && z.PeerWindowBits == 9 {
		return plain
	}
	return compressed
}

var (
	either = []bool{false, true}
	always = []bool{true}  // it never refers to earlier messages
	never  = []bool{false} // it has no option for that
)

// deflatePeers are all implementations of peers that have permessage-deflate but
// libwebsockets, see README.md.
var deflatePeers = []*deflatePeer{
	deflateProgram("Node ws 8", either, deflateNode("ws-8")).but(wsRefuses),
	deflateProgram("Node ws 1", either, deflateNode("ws-1")).but(wsRefuses),
	deflateProgram("Python websockets", either, deflatePython("websockets")),
	deflateProgram("Python autobahn", either, deflatePython("autobahn")),
	deflateProgram("Java Netty", either, func(alone string) *command {
		return cmd(append(java().argv, "deflate", alone)...)
	}).but(nettyIsPlain),
	deflateProgram("C++ WebSocket++", never, func(string) *command { return cmd("build/websocketpp", "deflate") }),
	deflateGo("Go gorilla", always, gorillaAccept, gorillaDial),
	deflateGo("Go coder", either, coderAccept, coderDial).but(coderIsPlain),
	deflateGo("Go gobwas", always, gobwasAccept, gobwasDial),
	deflateGo("Go gws", either, gwsAccept, gwsDial),
}

// deflateProgram is a peer of another language.
func deflateProgram(name string, alone []bool, argv func(alone string) *command) *deflatePeer {
	return &deflatePeer{
		name: name, alone: alone,
		server: func(t *testing.T, alone bool) string { return argv(strconv.FormatBool(alone)).run(t, rfc6455, "").addr },
		client: func(t *testing.T, alone bool, url string) { argv(strconv.FormatBool(alone)).run(t, rfc6455, url) },
	}
}

func deflateNode(folder string) func(alone string) *command {
	return func(alone string) *command {
		return cmd("node", "--no-deprecation", "peers/node/deflate.js", folder, alone)
	}
}

func deflatePython(library string) func(alone string) *command {
	return func(alone string) *command { return cmd("/usr/bin/python3", "peers/python/deflate.py", library, alone) }
}

// deflateGo is a peer in Go. Both functions return when the connection ends.
func deflateGo(name string, alone []bool, accept func(w http.ResponseWriter, r *http.Request, alone bool), dial func(url string, alone bool) error) *deflatePeer {
	return &deflatePeer{
		name: name, alone: alone,
		server: func(t *testing.T, alone bool) string {
			return deflateServe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { accept(w, r, alone) }))
		},
		client: func(t *testing.T, alone bool, url string) {
			ended := make(chan error, 1)
			go func() { ended <- dial(url, alone) }()
			t.Cleanup(func() {
				if err := <-ended; t.Failed() {
					t.Logf("the client ended with %v", err)
				}
			})
		},
	}
}

// gorilla

func gorillaAccept(w http.ResponseWriter, r *http.Request, _ bool) {
	c, err := (&gorilla.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
	if err == nil {
		gorillaEcho(c)
	}
}

func gorillaDial(url string, _ bool) error {
	c, _, err := (&gorilla.Dialer{EnableCompression: true}).Dial(url, nil)
	if err == nil {
		err = gorillaEcho(c)
	}
	return err
}

func gorillaEcho(c *gorilla.Conn) error {
	defer c.Close()
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

// coder/websocket

func coderMode(alone bool) coder.CompressionMode {
	if alone {
		return coder.CompressionNoContextTakeover
	}
	return coder.CompressionContextTakeover
}

func coderAccept(w http.ResponseWriter, r *http.Request, alone bool) {
	c, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: coderMode(alone), CompressionThreshold: 1})
	if err == nil {
		coderEcho(c)
	}
}

func coderDial(url string, alone bool) error {
	c, _, err := coder.Dial(context.Background(), url, &coder.DialOptions{CompressionMode: coderMode(alone), CompressionThreshold: 1})
	if err == nil {
		err = coderEcho(c)
	}
	return err
}

func coderEcho(c *coder.Conn) error {
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	for {
		typ, p, err := c.Read(context.Background())
		if err == nil {
			err = c.Write(context.Background(), typ, p)
		}
		if err != nil {
			return err
		}
	}
}

// gobwas/ws, which leaves to the program what the extension does with frames.

var gobwasParameters = wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}

func gobwasAccept(w http.ResponseWriter, r *http.Request, _ bool) {
	e := wsflate.Extension{Parameters: gobwasParameters}
	nc, rw, _, err := ws.HTTPUpgrader{Negotiate: e.Negotiate}.Upgrade(r, w)
	if err == nil {
		_, agreed := e.Accepted()
		gobwasEcho(nc, rw.Reader, ws.StateServerSide, agreed)
	}
}

func gobwasDial(url string, _ bool) error {
	nc, r, hs, err := ws.Dialer{Extensions: []httphead.Option{gobwasParameters.Option()}}.Dial(context.Background(), url)
	if err != nil {
		return err
	}
	if r == nil {
		r = bufio.NewReader(nc)
	}
	return gobwasEcho(nc, r, ws.StateClientSide, len(hs.Extensions) == 1)
}

func gobwasEcho(nc net.Conn, r io.Reader, state ws.State, agreed bool) error {
	defer nc.Close()
	for {
		f, err := ws.ReadFrame(r)
		if err != nil {
			return err
		}
		if f.Header.Masked {
			f = ws.UnmaskFrameInPlace(f)
		}
		if ok, err := wsflate.IsCompressed(f.Header); err == nil && ok {
			f, err = wsflate.DecompressFrame(f)
			if err != nil {
				return err
			}
		}
		if agreed && f.Header.OpCode.IsData() {
			if f, err = wsflate.CompressFrame(f); err != nil {
				return err
			}
		}
		if state == ws.StateClientSide {
			f = ws.MaskFrameInPlace(f)
		}
		if err := ws.WriteFrame(nc, f); err != nil || f.Header.OpCode == ws.OpClose {
			return err
		}
	}
}

// lxzan/gws

func gwsDeflate(alone bool) gws.PermessageDeflate {
	return gws.PermessageDeflate{Enabled: true, Threshold: 1, ServerContextTakeover: !alone, ClientContextTakeover: !alone}
}

func gwsAccept(w http.ResponseWriter, r *http.Request, alone bool) {
	c, err := gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{PermessageDeflate: gwsDeflate(alone)}).Upgrade(w, r)
	if err == nil {
		c.ReadLoop()
	}
}

func gwsDial(url string, alone bool) error {
	c, _, err := gws.NewClient(gwsEcho{}, &gws.ClientOption{Addr: url, PermessageDeflate: gwsDeflate(alone)})
	if err == nil {
		c.ReadLoop()
	}
	return err
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes())
}
