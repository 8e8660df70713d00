// Package echo has the same echo server built on each of the packages that are
// compared, each as its documentation recommends for speed.
package echo

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	xnet "golang.org/x/net/websocket"

	ours "github.com/protocol-websocket/websocket"
)

// maxMessage lets messages of 1 MiB pass in every package.
const maxMessage = 8 << 20

// Server serves connections of l until it is closed.
type Server struct {
	Name  string
	Note  string // how it is configured, and why
	Serve func(l net.Listener) error
}

// Servers are all of them, the roofline first.
var Servers = []Server{
	{"raw", "TCP echo without any protocol: the roofline", serveRaw},
	{"ours", "AppendMessage into one slice, BufferMessage: answers leave together, before the next read waits", serveHTTP(serveOurs)},
	{"ours-write", "AppendMessage, WriteMessage: each answer leaves at once", serveHTTP(serveOursWrite)},
	{"ours-accept", "as ours, by Upgrader.Accept on the listener, without net/http", serveOursAccept},
	{"gorilla", "NextReader into one buffer, WriteMessage; default buffers of net/http", serveHTTP(serveGorilla)},
	{"coder", "Reader into one buffer, Write", serveHTTP(serveCoder)},
	{"gobwas", "low level on the raw listener: ws.ReadHeader, ws.Cipher, ws.WriteHeader through bufio, flushed each message", serveGobwas},
	{"gobwas-flush", "the same, flushed when no input is buffered", serveGobwasBatched},
	{"wsutil", "wsutil.ReadClientData and WriteServerMessage", serveWsutil},
	{"gws", "event handler with WriteMessage; ReadLoop in a goroutine", serveHTTP(serveGws())},
	{"xnet", "golang.org/x/net/websocket, Message codec", serveHTTP(serveXnet())},
}

func serveRaw(l net.Listener) error {
	return accept(l, func(nc net.Conn) {
		b := make([]byte, 64<<10)
		for {
			n, err := nc.Read(b)
			if err != nil {
				return
			}
			if _, err := nc.Write(b[:n]); err != nil {
				return
			}
		}
	})
}

func accept(l net.Listener, serve func(net.Conn)) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			serve(nc)
		}()
	}
}

func serveHTTP(h http.HandlerFunc) func(net.Listener) error {
	return func(l net.Listener) error { return (&http.Server{Handler: h}).Serve(l) }
}

var oursServer = ours.Server{
	Upgrader: ours.Upgrader{Config: ours.Config{MaxMessageSize: maxMessage}},
	Handler:  echoOurs,
}

func echoOurs(_ context.Context, c *ours.Conn) error {
	var b []byte
	for {
		t, p, err := c.AppendMessage(b[:0])
		if err != nil {
			return err
		}
		if err := c.BufferMessage(t, p); err != nil {
			return err
		}
		b = p
	}
}

func serveOurs(w http.ResponseWriter, r *http.Request) { oursServer.ServeHTTP(w, r) }

func serveOursAccept(l net.Listener) error {
	u := &ours.Upgrader{Config: ours.Config{MaxMessageSize: maxMessage}}
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			if c, err := u.Accept(context.Background(), nc, nil); err == nil {
				go func() { // a fresh, small stack
					defer c.Close()
					_ = echoOurs(context.Background(), c)
				}()
			}
		}()
	}
}

var oursWriteServer = ours.Server{
	Upgrader: ours.Upgrader{Config: ours.Config{MaxMessageSize: maxMessage}},
	Handler: func(_ context.Context, c *ours.Conn) error {
		var b []byte
		for {
			t, p, err := c.AppendMessage(b[:0])
			if err != nil {
				return err
			}
			if err := c.WriteMessage(t, p); err != nil {
				return err
			}
			b = p
		}
	},
}

func serveOursWrite(w http.ResponseWriter, r *http.Request) { oursWriteServer.ServeHTTP(w, r) }

func serveGorilla(w http.ResponseWriter, r *http.Request) {
	var u websocket.Upgrader
	c, err := u.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	var b bytes.Buffer
	for {
		t, m, err := c.NextReader()
		if err != nil {
			return
		}
		b.Reset()
		if _, err := b.ReadFrom(m); err != nil {
			return
		}
		if err := c.WriteMessage(t, b.Bytes()); err != nil {
			return
		}
	}
}

func serveCoder(w http.ResponseWriter, r *http.Request) {
	c, err := coder.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(maxMessage)
	ctx := context.Background()
	var b bytes.Buffer
	for {
		t, m, err := c.Reader(ctx)
		if err != nil {
			return
		}
		b.Reset()
		if _, err := b.ReadFrom(m); err != nil {
			return
		}
		if err := c.Write(ctx, t, b.Bytes()); err != nil {
			return
		}
	}
}

func serveGobwas(l net.Listener) error        { return gobwas(l, false) }
func serveGobwasBatched(l net.Listener) error { return gobwas(l, true) }

func gobwas(l net.Listener, batched bool) error {
	return accept(l, func(nc net.Conn) {
		if _, err := ws.Upgrade(nc); err != nil {
			return
		}
		br, bw := bufio.NewReaderSize(nc, 4096), bufio.NewWriterSize(nc, 4096)
		var b []byte
		for {
			h, err := ws.ReadHeader(br)
			if err != nil || h.Length > maxMessage {
				return
			}
			if int64(cap(b)) < h.Length {
				b = make([]byte, h.Length)
			}
			b = b[:h.Length]
			if _, err := io.ReadFull(br, b); err != nil {
				return
			}
			ws.Cipher(b, h.Mask, 0)
			h.Masked = false
			if ws.WriteHeader(bw, h) != nil {
				return
			}
			if _, err := bw.Write(b); err != nil {
				return
			}
			if batched && br.Buffered() > 0 {
				continue
			}
			if bw.Flush() != nil {
				return
			}
		}
	})
}

func serveWsutil(l net.Listener) error {
	return accept(l, func(nc net.Conn) {
		if _, err := ws.Upgrade(nc); err != nil {
			return
		}
		for {
			b, op, err := wsutil.ReadClientData(nc)
			if err != nil {
				return
			}
			if wsutil.WriteServerMessage(nc, op, b) != nil {
				return
			}
		}
	})
}

type gwsHandler struct{ gws.BuiltinEventHandler }

func (gwsHandler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes())
}

func serveGws() http.HandlerFunc {
	u := gws.NewUpgrader(gwsHandler{}, &gws.ServerOption{ReadMaxPayloadSize: maxMessage})
	return func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r); err == nil {
			go c.ReadLoop()
		}
	}
}

func serveXnet() http.HandlerFunc {
	s := xnet.Server{Handler: func(c *xnet.Conn) {
		c.MaxPayloadBytes = maxMessage
		c.PayloadType = xnet.BinaryFrame
		var b []byte
		for xnet.Message.Receive(c, &b) == nil {
			if xnet.Message.Send(c, b) != nil {
				return
			}
		}
	}}
	return s.ServeHTTP
}
