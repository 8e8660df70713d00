package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket/internal/httphead"
)

// net/http takes heads of 1 MiB, of which the connection would keep all that it
// was made of: the limits of a handshake hold there too.
func TestHeadLimitBehindNetHTTP(t *testing.T) {
	many, long := http.Header{}, http.Header{}
	for i := range httphead.MaxLines {
		many.Set(fmt.Sprintf("X-%d", i), "")
	}
	long.Set("X", strings.Repeat("x", httphead.MaxBytes))
	for _, tt := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"as a browser sends", http.Header{}, http.StatusSwitchingProtocols},
		{"many lines", many, http.StatusRequestHeaderFieldsTooLarge},
		{"one long line", long, http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts := httptest.NewServer(Handler(func(context.Context, *Conn) error { return nil }))
			defer ts.Close()
			d := Dialer{Header: tt.header}
			c, err := d.Dial(t.Context(), "ws"+strings.TrimPrefix(ts.URL, "http"))
			status := http.StatusSwitchingProtocols
			var refused *HandshakeError
			if errors.As(err, &refused) {
				status = refused.Status
			}
			if c != nil {
				c.Close()
			}
			if status != tt.want {
				t.Errorf("status %d, error %v; want %d", status, err, tt.want)
			}
		})
	}
}

// A deadline for what the program writes, once passed, must not hold back or
// break what is sent without it, nor let Pongs pile up.
func TestPassedWriteDeadlineSparesPongs(t *testing.T) {
	for _, side := range []Side{ServerSide, ClientSide} {
		t.Run(fmt.Sprint(side), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := closePipe(t, RFC6455, side, Config{})
				c.SetWriteDeadline(time.Now().Add(time.Second))
				time.Sleep(2 * time.Second)
				c.Discard(t.Context())
				ping, err := AppendMessage(nil, RFC6455, 1-side, Ping, []byte("still there?"))
				if err != nil {
					t.Fatal(err)
				}
				in := bufio.NewReader(peer)
				for range 3 {
					if _, err := peer.Write(ping); err != nil {
						t.Fatal(err)
					}
					b := make([]byte, len(ping)) // of the other side: shorter or longer by the mask
					n, err := in.Read(b)
					if err != nil || MessageType(b[0]&0x0f) != Pong {
						t.Fatalf("got % x, error %v; want a Pong", b[:n], err)
					}
					in.Discard(in.Buffered())
				}
				c.SetWriteDeadline(time.Now().Add(time.Second))
				wrote := writeLater(func() error { return c.WriteMessage(Text, []byte("x")) })
				if _, err := io.ReadFull(in, make([]byte, 3)); err != nil {
					t.Fatal(err)
				}
				go io.Copy(io.Discard, in)
				if err := <-wrote; err != nil {
					t.Errorf("WriteMessage with a new deadline: %v", err)
				}
				c.Close()
			})
		})
	}
}

// Pings of a peer that reads nothing, to a program whose write deadline has
// passed, cost one parked Pong.
func TestPassedWriteDeadlineBoundsPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := closePipe(t, RFC6455, ServerSide, Config{})
		c.SetWriteDeadline(time.Now().Add(time.Second))
		time.Sleep(2 * time.Second)
		c.Discard(t.Context())
		ping, _ := AppendMessage(nil, RFC6455, ClientSide, Ping, make([]byte, maxControlPayload))
		for range 2000 {
			if _, err := peer.Write(ping); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		c.send.lock()
		queued := 0
		if c.send.queue != nil {
			queued = len(c.send.queue.b)
		}
		c.send.unlock()
		if queued > maxQueue {
			t.Errorf("%d bytes of Pongs are queued; want at most %d", queued, maxQueue)
		}
		c.Close()
	})
}

// A keepalive Ping leaves though the program's write deadline has passed.
func TestKeepaliveAfterPassedWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := closePipe(t, RFC6455, ServerSide, Config{PingInterval: time.Minute})
		c.start(nil)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		ended := c.Discard(t.Context())
		in := bufio.NewReader(peer)
		for range 3 {
			f := make([]byte, 2+pingPayload)
			if _, err := io.ReadFull(in, f); err != nil {
				t.Fatalf("waiting for a Ping: %v", err)
			}
			pong, _ := AppendMessage(nil, RFC6455, ClientSide, Pong, f[2:])
			if _, err := peer.Write(pong); err != nil {
				t.Fatal(err)
			}
		}
		if err := ended.Err(); err != nil {
			t.Errorf("connection ended though the peer answered: %v", context.Cause(ended))
		}
		c.Close()
	})
}

// A client that holds key3 back does not delay Shutdown.
func TestServerShutdownDoesNotWaitForKey3(t *testing.T) {
	s := &Server{Handler: func(context.Context, *Conn) error { return nil }}
	ts := httptest.NewServer(s)
	defer ts.Close()
	nc, err := net.Dial("tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://x\r\n"+
		"Sec-WebSocket-Key1: 4 2\r\nSec-WebSocket-Key2: 4 2\r\n\r\n")
	in := bufio.NewReader(nc)
	for line := ""; line != "\r\n"; { // the head comes before key3 is waited for
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > defaultHandshakeTimeout/2 {
		t.Errorf("Shutdown waited %v for a client that did not finish its handshake", took)
	}
}
