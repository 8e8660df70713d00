package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	ours "github.com/protocol-websocket/websocket"
)

var sizes = []int{16, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20}

func frame(side ours.Side, t ours.MessageType, n int) []byte {
	b, err := ours.AppendMessage(nil, ours.RFC6455, side, t, bytes.Repeat([]byte("a"), n))
	if err != nil {
		panic(err)
	}
	return b
}

// serverReaders read n messages that were sent to a server.
var serverReaders = []struct {
	name string
	read func(nc net.Conn, n int) error
}{
	{"ours", func(nc net.Conn, n int) error {
		u := ours.Upgrader{Config: ours.Config{MaxMessageSize: -1}}
		c, err := u.Upgrade(&hijacker{nc, http.Header{}}, request(), nil)
		if err != nil {
			return err
		}
		var b []byte
		for range n {
			if _, b, err = c.AppendMessage(b[:0]); err != nil {
				return err
			}
		}
		return nil
	}},
	{"gorilla", func(nc net.Conn, n int) error {
		var u websocket.Upgrader
		c, err := u.Upgrade(&hijacker{nc, http.Header{}}, request(), nil)
		if err != nil {
			return err
		}
		b := bytes.NewBuffer(nil)
		for range n {
			_, r, err := c.NextReader()
			if err != nil {
				return err
			}
			b.Reset()
			if _, err := b.ReadFrom(r); err != nil {
				return err
			}
		}
		return nil
	}},
	{"coder", func(nc net.Conn, n int) error {
		c, err := coder.Accept(&hijacker{nc, http.Header{}}, request(), nil)
		if err != nil {
			return err
		}
		c.SetReadLimit(-1)
		ctx := context.Background()
		b := bytes.NewBuffer(nil)
		for range n {
			_, r, err := c.Reader(ctx)
			if err != nil {
				return err
			}
			b.Reset()
			if _, err := b.ReadFrom(r); err != nil {
				return err
			}
		}
		return nil
	}},
	{"gobwas", func(nc net.Conn, n int) error {
		br := newBufReader(nc)
		var b []byte
		for range n {
			h, err := ws.ReadHeader(br)
			if err != nil {
				return err
			}
			if int(h.Length) > cap(b) {
				b = make([]byte, h.Length)
			}
			b = b[:h.Length]
			if _, err := io.ReadFull(br, b); err != nil {
				return err
			}
			ws.Cipher(b, h.Mask, 0)
		}
		return nil
	}},
	{"wsutil", func(nc net.Conn, n int) error {
		rw := struct {
			io.Reader
			io.Writer
		}{newBufReader(nc), nc}
		for range n {
			if _, _, err := wsutil.ReadClientData(rw); err != nil {
				return err
			}
		}
		return nil
	}},
	{"gws", func(nc net.Conn, n int) error {
		done := &counter{left: n, end: make(chan struct{})}
		u := gws.NewUpgrader(done, &gws.ServerOption{ReadMaxPayloadSize: 1 << 30})
		c, err := u.Upgrade(&hijacker{nc, http.Header{}}, request())
		if err != nil {
			return err
		}
		go c.ReadLoop()
		<-done.end
		return nil
	}},
}

type counter struct {
	gws.BuiltinEventHandler
	left int
	end  chan struct{}
}

func (c *counter) OnMessage(_ *gws.Conn, m *gws.Message) {
	m.Close()
	if c.left--; c.left == 0 {
		close(c.end)
	}
}

func BenchmarkServerRead(b *testing.B) {
	for _, size := range sizes {
		for _, lib := range serverReaders {
			b.Run(fmt.Sprintf("size=%d/lib=%s", size, lib.name), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				nc := &memConn{frame: frame(ours.ClientSide, ours.Binary, size), left: b.N}
				if err := lib.read(nc, b.N); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// serverWriters write n messages as a server.
var serverWriters = []struct {
	name  string
	write func(nc net.Conn, p []byte, n int) error
}{
	{"ours", func(nc net.Conn, p []byte, n int) error {
		var u ours.Upgrader
		c, err := u.Upgrade(&hijacker{nc, http.Header{}}, request(), nil)
		for range n {
			if err == nil {
				err = c.WriteMessage(ours.Binary, p)
			}
		}
		return err
	}},
	{"gorilla", func(nc net.Conn, p []byte, n int) error {
		var u websocket.Upgrader
		c, err := u.Upgrade(&hijacker{nc, http.Header{}}, request(), nil)
		for range n {
			if err == nil {
				err = c.WriteMessage(websocket.BinaryMessage, p)
			}
		}
		return err
	}},
	{"coder", func(nc net.Conn, p []byte, n int) error {
		c, err := coder.Accept(&hijacker{nc, http.Header{}}, request(), nil)
		for range n {
			if err == nil {
				err = c.Write(context.Background(), coder.MessageBinary, p)
			}
		}
		return err
	}},
	{"gobwas", func(nc net.Conn, p []byte, n int) error {
		var err error
		for range n {
			if err == nil {
				err = ws.WriteFrame(nc, ws.NewBinaryFrame(p))
			}
		}
		return err
	}},
	{"wsutil", func(nc net.Conn, p []byte, n int) error {
		var err error
		for range n {
			if err == nil {
				err = wsutil.WriteServerMessage(nc, ws.OpBinary, p)
			}
		}
		return err
	}},
	{"gws", func(nc net.Conn, p []byte, n int) error {
		u := gws.NewUpgrader(&gws.BuiltinEventHandler{}, nil)
		c, err := u.Upgrade(&hijacker{nc, http.Header{}}, request())
		for range n {
			if err == nil {
				err = c.WriteMessage(gws.OpcodeBinary, p)
			}
		}
		return err
	}},
}

func BenchmarkServerWrite(b *testing.B) {
	for _, size := range sizes {
		p := bytes.Repeat([]byte("a"), size)
		for _, lib := range serverWriters {
			b.Run(fmt.Sprintf("size=%d/lib=%s", size, lib.name), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				if err := lib.write(new(memConn), p, b.N); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
