package echo

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	xnet "golang.org/x/net/websocket"
)

func serveGorilla(u websocket.Upgrader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r, nil); err == nil {
			echoGorilla(c)
		}
	}
}

// gorillaLean has the sizes of its documentation. Those of zero would keep the
// reader of net/http, which has 4 KiB.
var gorillaLean = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: new(sync.Pool)}

func serveGorillaLean(w http.ResponseWriter, r *http.Request) {
	if c, err := gorillaLean.Upgrade(w, r, nil); err == nil {
		go echoGorilla(c)
	}
}

func echoGorilla(c *websocket.Conn) {
	defer c.Close()
	c.SetReadLimit(maxMessage)
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

func serveCoder(options *coder.AcceptOptions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if c, err := coder.Accept(w, r, options); err == nil {
			echoCoder(c)
		}
	}
}

func serveCoderLean(w http.ResponseWriter, r *http.Request) {
	if c, err := coder.Accept(w, r, nil); err == nil {
		go echoCoder(c)
	}
}

func echoCoder(c *coder.Conn) {
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

func serveGobwas(batched bool) func(net.Listener) error {
	return func(l net.Listener) error {
		return accept(l, func(nc net.Conn) {
			if _, err := ws.Upgrade(nc); err == nil {
				echoGobwas(nc, batched)
			}
		})
	}
}

func serveGobwasHTTP(w http.ResponseWriter, r *http.Request) {
	nc, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	go func() {
		defer nc.Close()
		echoGobwas(nc, false)
	}()
}

// echoGobwas answers until the peer's Close, which it echoes too.
func echoGobwas(nc net.Conn, batched bool) {
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
		closing := h.OpCode == ws.OpClose
		if batched && br.Buffered() > 0 && !closing {
			continue
		}
		if bw.Flush() != nil || closing {
			return
		}
	}
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

func gwsOption(deflate gws.PermessageDeflate) *gws.ServerOption {
	return &gws.ServerOption{ReadMaxPayloadSize: maxMessage, PermessageDeflate: deflate}
}

func serveGws(deflate gws.PermessageDeflate) http.HandlerFunc {
	u := gws.NewUpgrader(gwsHandler{}, gwsOption(deflate))
	return func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r); err == nil {
			go c.ReadLoop()
		}
	}
}

// serveGwsServer ends when l is closed: RunListener by itself calls Accept for
// ever.
func serveGwsServer(l net.Listener) error {
	s, ended := gws.NewServer(gwsHandler{}, gwsOption(gws.PermessageDeflate{})), make(chan error, 1)
	s.OnError = func(nc net.Conn, err error) {
		if nc != nil {
			_ = nc.Close()
			return
		}
		ended <- err
		runtime.Goexit()
	}
	go s.RunListener(l)
	return <-ended
}

// xnetMessage is a message and its type, which the codecs that come with the
// package lose.
type xnetMessage struct {
	kind byte
	data []byte
}

var xnetCodec = xnet.Codec{
	Marshal: func(v any) ([]byte, byte, error) { m := v.(*xnetMessage); return m.data, m.kind, nil },
	Unmarshal: func(data []byte, kind byte, v any) error {
		*v.(*xnetMessage) = xnetMessage{kind, data}
		return nil
	},
}

func serveXnet() http.HandlerFunc {
	s := xnet.Server{Handler: func(c *xnet.Conn) {
		c.MaxPayloadBytes = maxMessage
		var m xnetMessage
		for xnetCodec.Receive(c, &m) == nil {
			if xnetCodec.Send(c, &m) != nil {
				return
			}
		}
	}}
	return s.ServeHTTP
}
