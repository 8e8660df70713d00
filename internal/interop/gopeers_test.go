package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	xnet "golang.org/x/net/websocket"

	"github.com/protocol-websocket/websocket"
)

// goPeer is a peer in Go, which runs in the process of the tests.
type goPeer struct {
	serve func(p *goRun) http.Handler
	dial  func(p *goRun, url string) error
}

// goRun is a running goPeer.
type goRun struct {
	*running
	log *lockedBuffer
}

func (g *goPeer) run(t testing.TB, _ websocket.Version, url string) *running {
	log := new(lockedBuffer)
	p := &goRun{log: log, running: &running{lines: make(chan string, 64), ended: make(chan struct{}), log: log.String, stop: func() {}}}
	if url != "" {
		go func() {
			defer close(p.ended)
			p.check(g.dial(p, url))
		}()
		return p.running
	}
	srv := httptest.NewServer(g.serve(p))
	t.Cleanup(srv.Close)
	p.addr = srv.Listener.Addr().String()
	return p.running
}

func (p *goRun) check(err error) {
	if err != nil {
		fmt.Fprintln(p.log, err)
	}
}

func (p *goRun) closed(code int, reason string) {
	p.lines <- fmt.Sprintf("%s %d %s", closedPrefix, code, reason)
}

// goLink is a connection of a goPeer. Functions that the implementation has no
// means for are nil.
type goLink struct {
	subprotocol string
	cookie      string
	text        func(s string) error
	fragments   func(parts ...string) error
	ping        func(s string) error
	close       func(code int, reason string) error
}

// answer echoes a text or obeys it.
func (l *goLink) answer(text string) error {
	if !strings.HasPrefix(text, "!") {
		return l.text(text)
	}
	command, rest, _ := strings.Cut(text, " ")
	switch command {
	case "!subprotocol":
		return l.text("subprotocol " + l.subprotocol)
	case "!cookie":
		return l.text("cookie " + l.cookie)
	case "!burst":
		return errors.Join(l.text("burst 1"), l.text("burst 2"), l.text("burst 3"))
	case "!fragments":
		return l.fragments("one, ", "two, ", "three ✓")
	case "!ping":
		return l.ping(rest)
	case "!close":
		number, reason, _ := strings.Cut(rest, " ")
		code, err := strconv.Atoi(number)
		return errors.Join(err, l.close(code, reason))
	}
	return fmt.Errorf("unknown command %q", text)
}

func clientHeader() http.Header {
	return http.Header{"Cookie": {peersCookie}, "Origin": {pageOrigin}}
}

// gorilla/websocket

var gorillaPeer = &goPeer{
	serve: func(p *goRun) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			up := gorilla.Upgrader{Subprotocols: []string{subprotocol}, CheckOrigin: func(*http.Request) bool { return true }}
			c, err := up.Upgrade(w, r, nil)
			if err != nil {
				p.check(err)
				return
			}
			gorillaTalk(p, c, r.Header.Get("Cookie"))
		})
	},
	dial: func(p *goRun, url string) error {
		d := gorilla.Dialer{Subprotocols: []string{subprotocol}}
		c, _, err := d.Dial(url, clientHeader())
		if err == nil {
			gorillaTalk(p, c, "")
		}
		return err
	},
}

func gorillaTalk(p *goRun, c *gorilla.Conn, cookie string) {
	defer c.Close()
	l := &goLink{subprotocol: c.Subprotocol(), cookie: cookie}
	l.text = func(s string) error { return c.WriteMessage(gorilla.TextMessage, []byte(s)) }
	l.ping = func(s string) error { return c.WriteMessage(gorilla.PingMessage, []byte(s)) }
	l.close = func(code int, reason string) error {
		return c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, reason))
	}
	l.fragments = func(parts ...string) error {
		w, err := c.NextWriter(gorilla.TextMessage)
		for _, s := range parts {
			// A frame leaves when the buffer of 4 KiB is full.
			_, werr := io.WriteString(w, s)
			err = errors.Join(err, werr)
		}
		return errors.Join(err, w.Close())
	}
	c.SetPongHandler(func(s string) error { return l.text("pong " + s) })
	for {
		typ, m, err := c.ReadMessage()
		var end *gorilla.CloseError
		switch {
		case errors.As(err, &end):
			p.closed(end.Code, end.Text)
			return
		case err != nil:
			p.check(err)
			return
		case typ == gorilla.BinaryMessage:
			p.check(c.WriteMessage(typ, m))
		default:
			p.check(l.answer(string(m)))
		}
	}
}

// coder/websocket

var coderPeer = &goPeer{
	serve: func(p *goRun) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := coder.Accept(w, r, &coder.AcceptOptions{Subprotocols: []string{subprotocol}, InsecureSkipVerify: true})
			if err != nil {
				p.check(err)
				return
			}
			coderTalk(p, c, r.Header.Get("Cookie"))
		})
	},
	dial: func(p *goRun, url string) error {
		c, _, err := coder.Dial(context.Background(), url, &coder.DialOptions{Subprotocols: []string{subprotocol}, HTTPHeader: clientHeader()})
		if err == nil {
			coderTalk(p, c, "")
		}
		return err
	},
}

func coderTalk(p *goRun, c *coder.Conn, cookie string) {
	ctx := context.Background()
	defer c.CloseNow()
	c.SetReadLimit(-1)
	l := &goLink{subprotocol: c.Subprotocol(), cookie: cookie}
	l.text = func(s string) error { return c.Write(ctx, coder.MessageText, []byte(s)) }
	l.ping = func(s string) error {
		go func() { p.check(errors.Join(c.Ping(ctx), l.text("pong "+s))) }()
		return nil
	}
	l.close = func(code int, reason string) error {
		go func() { p.check(c.Close(coder.StatusCode(code), reason)) }()
		return nil
	}
	l.fragments = func(parts ...string) error {
		w, err := c.Writer(ctx, coder.MessageText)
		for _, s := range parts {
			_, werr := io.WriteString(w, s)
			err = errors.Join(err, werr)
		}
		return errors.Join(err, w.Close())
	}
	for {
		typ, m, err := c.Read(ctx)
		var end coder.CloseError
		switch {
		case errors.As(err, &end):
			p.closed(int(end.Code), end.Reason)
			return
		case err != nil:
			p.check(err)
			return
		case typ == coder.MessageBinary:
			p.check(c.Write(ctx, typ, m))
		default:
			p.check(l.answer(string(m)))
		}
	}
}

// gobwas/ws

var gobwasPeer = &goPeer{
	serve: func(p *goRun) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			up := ws.HTTPUpgrader{Protocol: func(s string) bool { return s == subprotocol }}
			nc, rw, hs, err := up.Upgrade(r, w)
			if err != nil {
				p.check(err)
				return
			}
			gobwasTalk(p, nc, rw.Reader, ws.StateServerSide, hs.Protocol, r.Header.Get("Cookie"))
		})
	},
	dial: func(p *goRun, url string) error {
		d := ws.Dialer{Protocols: []string{subprotocol}, Header: ws.HandshakeHeaderHTTP(clientHeader())}
		nc, buffered, hs, err := d.Dial(context.Background(), url)
		if err != nil {
			return err
		}
		var r io.Reader = nc
		if buffered != nil {
			r = io.MultiReader(io.LimitReader(buffered, int64(buffered.Buffered())), nc)
		}
		gobwasTalk(p, nc, r, ws.StateClientSide, hs.Protocol, "")
		return nil
	},
}

func gobwasTalk(p *goRun, nc net.Conn, r io.Reader, state ws.State, chosen, cookie string) {
	defer nc.Close()
	l := &goLink{subprotocol: chosen, cookie: cookie}
	l.text = func(s string) error { return wsutil.WriteMessage(nc, state, ws.OpText, []byte(s)) }
	l.ping = func(s string) error { return wsutil.WriteMessage(nc, state, ws.OpPing, []byte(s)) }
	control := wsutil.ControlFrameHandler(nc, state)
	l.close = func(code int, reason string) error {
		control = wsutil.ControlFrameHandler(io.Discard, state) // since it would answer the answer
		return wsutil.WriteMessage(nc, state, ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), reason))
	}
	l.fragments = func(parts ...string) error {
		w := wsutil.NewWriter(nc, state, ws.OpText)
		for _, s := range parts {
			if _, err := io.WriteString(w, s); err != nil {
				return err
			}
			if err := w.FlushFragment(); err != nil {
				return err
			}
		}
		return w.Flush()
	}
	in := &wsutil.Reader{Source: r, State: state, CheckUTF8: true, OnIntermediate: control}
	for {
		h, err := in.NextFrame()
		if err != nil {
			p.check(err)
			return
		}
		if h.OpCode.IsControl() && h.OpCode != ws.OpPong {
			err = control(h, in)
			var end wsutil.ClosedError
			if errors.As(err, &end) {
				p.closed(int(end.Code), end.Reason)
				return
			}
			p.check(err)
			continue
		}
		m, err := io.ReadAll(in)
		p.check(err)
		switch {
		case h.OpCode == ws.OpPong && len(m) > 0:
			p.check(l.text("pong " + string(m)))
		case h.OpCode == ws.OpBinary:
			p.check(wsutil.WriteMessage(nc, state, ws.OpBinary, m))
		case h.OpCode == ws.OpText:
			p.check(l.answer(string(m)))
		}
	}
}

// lxzan/gws

var gwsPeer = &goPeer{
	serve: func(p *goRun) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := &gwsEvents{p: p, l: &goLink{cookie: r.Header.Get("Cookie")}}
			c, err := gws.NewUpgrader(e, &gws.ServerOption{SubProtocols: []string{subprotocol}, CheckUtf8Enabled: true}).Upgrade(w, r)
			if err != nil {
				p.check(err)
				return
			}
			c.ReadLoop()
		})
	},
	dial: func(p *goRun, url string) error {
		h := clientHeader()
		h.Set("Sec-WebSocket-Protocol", subprotocol)
		c, _, err := gws.NewClient(&gwsEvents{p: p, l: &goLink{}}, &gws.ClientOption{Addr: url, RequestHeader: h, CheckUtf8Enabled: true})
		if err == nil {
			c.ReadLoop()
		}
		return err
	},
}

type gwsEvents struct {
	gws.BuiltinEventHandler
	p *goRun
	l *goLink
}

func (e *gwsEvents) OnOpen(c *gws.Conn) {
	e.l.subprotocol = c.SubProtocol()
	e.l.text = c.WriteString
	e.l.ping = func(s string) error { return c.WritePing([]byte(s)) }
	e.l.close = func(code int, reason string) error { return c.WriteClose(uint16(code), []byte(reason)) }
}

func (e *gwsEvents) OnPing(c *gws.Conn, payload []byte) { e.p.check(c.WritePong(payload)) }

func (e *gwsEvents) OnPong(c *gws.Conn, payload []byte) {
	if len(payload) > 0 {
		e.p.check(c.WriteString("pong " + string(payload)))
	}
}

func (e *gwsEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if m.Opcode == gws.OpcodeBinary {
		e.p.check(c.WriteMessage(m.Opcode, m.Bytes()))
		return
	}
	e.p.check(e.l.answer(string(m.Bytes())))
}

func (e *gwsEvents) OnClose(_ *gws.Conn, err error) {
	var end *gws.CloseError
	if errors.As(err, &end) {
		e.p.closed(int(end.Code), string(end.Reason))
		return
	}
	e.p.check(err)
}

// golang.org/x/net/websocket

var xnetPeer = &goPeer{
	serve: func(p *goRun) http.Handler {
		return xnet.Server{
			Handshake: func(config *xnet.Config, r *http.Request) error {
				config.Protocol = []string{subprotocol}
				return nil
			},
			Handler: func(c *xnet.Conn) { xnetTalk(p, c, c.Request().Header.Get("Cookie")) },
		}
	},
	dial: func(p *goRun, to string) error {
		config, err := xnet.NewConfig(to, pageOrigin)
		if err != nil {
			return err
		}
		config.Origin, _ = url.Parse(pageOrigin)
		config.Protocol = []string{subprotocol}
		config.Header = http.Header{"Cookie": {peersCookie}}
		c, err := xnet.DialConfig(config)
		if err == nil {
			xnetTalk(p, c, "")
		}
		return err
	},
}

// xnetMessage is a message with its type, which the package's own codecs hide.
type xnetMessage struct {
	payloadType byte
	data        []byte
}

var xnetCodec = xnet.Codec{
	Marshal: func(v any) ([]byte, byte, error) { m := v.(*xnetMessage); return m.data, m.payloadType, nil },
	Unmarshal: func(data []byte, payloadType byte, v any) error {
		*v.(*xnetMessage) = xnetMessage{payloadType, data}
		return nil
	},
}

func xnetTalk(p *goRun, c *xnet.Conn, cookie string) {
	defer c.Close()
	l := &goLink{cookie: cookie}
	if chosen := c.Config().Protocol; len(chosen) == 1 {
		l.subprotocol = chosen[0]
	}
	l.text = func(s string) error { return xnetCodec.Send(c, &xnetMessage{xnet.TextFrame, []byte(s)}) }
	l.close = func(int, string) error { return c.Close() }
	for {
		var m xnetMessage
		if err := xnetCodec.Receive(c, &m); err != nil {
			p.check(err)
			return
		}
		if m.payloadType == xnet.BinaryFrame {
			p.check(xnetCodec.Send(c, &m))
			continue
		}
		p.check(l.answer(string(m.data)))
	}
}
