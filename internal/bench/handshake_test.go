package bench

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	ours "github.com/protocol-websocket/websocket"
)

// BenchmarkServerHandshake answers a request that lies in memory.
func BenchmarkServerHandshake(b *testing.B) {
	for _, v := range versions {
		request := requestOf(b, v.version)
		b.Run("version="+v.name+"/lib=ours", func(b *testing.B) {
			var response []byte
			var up ours.Upgrader
			b.ReportAllocs()
			for b.Loop() {
				h := ours.NewServerHandshake(&up)
				var err error
				if response, err = converse(h, request, response[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("version=rfc6455/lib=gobwas", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rw := struct {
				io.Reader
				io.Writer
			}{strings.NewReader(requestText), io.Discard}
			if _, err := ws.Upgrade(rw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBothHandshakes makes a request, answers it and checks the answer.
func BenchmarkBothHandshakes(b *testing.B) {
	for _, v := range versions {
		b.Run("version="+v.name+"/lib=ours", func(b *testing.B) {
			d := &ours.Dialer{Version: v.version}
			var up ours.Upgrader
			var request, response []byte
			b.ReportAllocs()
			for b.Loop() {
				client, err := ours.NewClientHandshake(d, "ws://localhost/")
				if err != nil {
					b.Fatal(err)
				}
				request = client.AppendRequest(request[:0])
				server := ours.NewServerHandshake(&up)
				if response, err = converse(server, request, response[:0]); err != nil {
					b.Fatal(err)
				}
				if _, err := client.Feed(response); err != nil || !client.Done() {
					b.Fatalf("client not done: %v", err)
				}
			}
		})
	}
}

func requestOf(b *testing.B, v ours.Version) []byte {
	client, err := ours.NewClientHandshake(&ours.Dialer{Version: v}, "ws://localhost/")
	if err != nil {
		b.Fatal(err)
	}
	return client.AppendRequest(nil)
}

// converse feeds a server a whole request and appends all that it answers.
func converse(h *ours.ServerHandshake, request, response []byte) (_ []byte, err error) {
	for !h.Done() {
		n, err := h.Feed(request)
		if err != nil {
			return nil, err
		}
		before := len(response)
		response = h.AppendResponse(response)
		if request = request[n:]; n == 0 && len(response) == before && !h.Done() {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return response, nil
}

const constantResponse = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

// upgraders upgrade through net/http and return the connection. "none" takes
// the connection and writes an answer made before: what net/http costs alone.
var upgraders = []struct {
	name    string
	upgrade func(http.ResponseWriter, *http.Request) (net.Conn, error)
}{
	{"none", func(w http.ResponseWriter, _ *http.Request) (net.Conn, error) {
		nc, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, err = io.WriteString(nc, constantResponse)
		}
		return nc, err
	}},
	{"ours", func(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
		c, err := new(ours.Upgrader).Upgrade(w, r)
		if err != nil {
			return nil, err
		}
		return c.NetConn(), nil
	}},
	{"gorilla", func(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
		c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return nil, err
		}
		return c.NetConn(), nil
	}},
	{"coder", func(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
		c, err := coder.Accept(w, r, nil)
		return coderCloser{c: c}, err
	}},
	{"gobwas", func(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
		nc, _, _, err := ws.HTTPUpgrader{}.Upgrade(r, w)
		return nc, err
	}},
	{"gws", func(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
		c, err := gwsUpgrader.Upgrade(w, r)
		if err != nil {
			return nil, err
		}
		return c.NetConn(), nil
	}},
}

var gwsUpgrader = gws.NewUpgrader(gws.BuiltinEventHandler{}, nil)

// coderCloser closes a connection that does not give away the one below it.
type coderCloser struct {
	net.Conn
	c *coder.Conn
}

func (c coderCloser) Close() error { return c.c.CloseNow() }

// BenchmarkUpgrade upgrades a request that was parsed before.
func BenchmarkUpgrade(b *testing.B) {
	for _, l := range upgraders {
		b.Run("lib="+l.name, func(b *testing.B) {
			w, r := newHijacker(new(memConn)), request()
			b.ReportAllocs()
			for b.Loop() {
				w.header = http.Header{}
				nc, err := l.upgrade(w, r)
				if err != nil {
					b.Fatal(err)
				}
				_ = nc.Close()
			}
		})
	}
}

// BenchmarkUpgradeServer has net/http serve a connection that brings a request,
// is upgraded and closed.
func BenchmarkUpgradeServer(b *testing.B) {
	for _, l := range upgraders {
		b.Run("lib="+l.name, func(b *testing.B) {
			failed := make(chan error, 1)
			incoming := make(memListener)
			go http.Serve(incoming, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				nc, err := l.upgrade(w, r)
				if err != nil {
					failed <- err
					return
				}
				_ = nc.Close()
			}))
			b.ReportAllocs()
			for b.Loop() {
				nc := &visitor{request: requestText, wake: make(chan struct{}, 1), closed: make(chan struct{})}
				incoming <- nc
				select {
				case <-nc.closed:
				case err := <-failed:
					b.Fatal(err)
				}
			}
			close(incoming)
		})
	}
}

// memListener gives out the connections that are sent to it, until it is closed
// as a channel.
type memListener chan net.Conn

func (l memListener) Accept() (net.Conn, error) {
	if nc, ok := <-l; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}

func (l memListener) Close() error   { return nil }
func (l memListener) Addr() net.Addr { return &net.TCPAddr{} }

// visitor is a connection that brings one request. Its Read waits after that
// until net/http, which reads in the background, sets a deadline in the past.
type visitor struct {
	memConn
	request      string
	wake, closed chan struct{}
}

func (c *visitor) Read(p []byte) (int, error) {
	if c.request == "" {
		<-c.wake
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, c.request)
	c.request = c.request[n:]
	return n, nil
}

func (c *visitor) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && t.Before(time.Now()) {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (c *visitor) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *visitor) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

// TestAnswerTo reads what clients are answered here with package net/http.
func TestAnswerTo(t *testing.T) {
	r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(answerTo([]byte(requestText))))), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Sec-WebSocket-Accept"); r.StatusCode != 101 || got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("answered %d with %q, want that of RFC 6455 section 1.3", r.StatusCode, got)
	}
}
