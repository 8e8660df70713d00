package netx_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket/internal/netx"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// openTLS does the handshake of TLS on both ends of a pipe and returns the
// server's.
func openTLS(t *testing.T, client, server net.Conn) *tls.Conn {
	t.Helper()
	serverTLS, clientTLS := testkit.NewTLSConfigs("server.test")
	serverTLS.SessionTicketsDisabled = true
	tc := tls.Server(server, serverTLS)
	go tls.Client(client, clientTLS).Handshake()
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	return tc
}

// Nobody reads at the other end of these pipes, so that a Close that first told
// the peer would take time.
func TestCloseNow(t *testing.T) {
	prefixed := func(nc net.Conn) net.Conn { return netx.NewPrefixedConn(nc, []byte("x")) }
	tests := []struct {
		name string
		wrap func(t *testing.T, client, server net.Conn) net.Conn
	}{
		{"plain", func(_ *testing.T, _, server net.Conn) net.Conn { return server }},
		{"TLS", func(t *testing.T, client, server net.Conn) net.Conn { return openTLS(t, client, server) }},
		{"prefixed", func(_ *testing.T, _, server net.Conn) net.Conn { return prefixed(server) }},
		{"TLS on prefixed", func(t *testing.T, client, server net.Conn) net.Conn {
			return openTLS(t, client, netx.NewPrefixedConn(server, nil))
		}},
		{"prefixed on TLS", func(t *testing.T, client, server net.Conn) net.Conn {
			return prefixed(openTLS(t, client, server))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				nc := tt.wrap(t, client, server)
				synctest.Wait()
				start := time.Now()
				if err := netx.CloseNow(nc); err != nil {
					t.Errorf("CloseNow: %v", err)
				}
				if took := time.Since(start); took != 0 {
					t.Errorf("took %v, want no time", took)
				}
				if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Errorf("peer read %d bytes, %v; want none, EOF", n, err)
				}
			})
		})
	}
}

// halfConn is a connection of which one side can be ended.
type halfConn struct {
	net.Conn
	ended bool
}

func (c *halfConn) CloseWrite() error {
	c.ended = true
	return errors.New("reported to nobody")
}

func TestCloseWrite(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	defer client.Close()
	if netx.CloseWrite(client) {
		t.Error("a pipe cannot be closed halfway, but CloseWrite reports that it can")
	}
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain":          func(nc net.Conn) net.Conn { return nc },
		"prefixed":       func(nc net.Conn) net.Conn { return netx.NewPrefixedConn(nc, []byte("x")) },
		"prefixed twice": func(nc net.Conn) net.Conn { return netx.NewPrefixedConn(netx.NewPrefixedConn(nc, nil), nil) },
	} {
		if half := wrap(&halfConn{Conn: client}); !netx.CanCloseWrite(half) || netx.CanCloseWrite(wrap(client)) {
			t.Errorf("%s: CanCloseWrite does not report which connection can be closed halfway", name)
		}
		half := &halfConn{Conn: client}
		if !netx.CloseWrite(wrap(half)) || !half.ended {
			t.Errorf("%s: the connection's CloseWrite was called: %v; want that, and true", name, half.ended)
		}
		if netx.CloseWrite(wrap(client)) {
			t.Errorf("%s: CloseWrite reports that a pipe can be closed halfway", name)
		}
	}
}

func TestLingerForEnd(t *testing.T) {
	tests := []struct {
		name string
		peer func(net.Conn)
		want time.Duration
	}{
		{"peer ends", func(c net.Conn) { io.WriteString(c, "some more"); c.Close() }, 0},
		{"peer says nothing", func(net.Conn) {}, time.Minute},
		{"peer goes on", func(c net.Conn) {
			io.WriteString(c, "more")
			<-time.After(time.Minute / 2)
			io.WriteString(c, "more") // which buys it no time
		}, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer server.Close()
				defer client.Close()
				go tt.peer(server)
				start := time.Now()
				netx.LingerForEnd(client, time.Minute)
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
			})
		})
	}
}

// A peer that reads sees what was sent, then the end; one that does not delays
// nobody for longer than d, even where ending TLS waits for it.
func TestLinger(t *testing.T) {
	const d = 500 * time.Millisecond
	plain := func(_ *testing.T, _, server net.Conn) net.Conn { return server }
	over := func(t *testing.T, client, server net.Conn) net.Conn { return openTLS(t, client, server) }
	tests := []struct {
		name string
		wrap func(t *testing.T, client, server net.Conn) net.Conn
		peer func(net.Conn)
		want time.Duration
	}{
		{"peer ends", plain, func(c net.Conn) { c.Close() }, 0},
		{"peer sends and ends", plain, func(c net.Conn) { io.WriteString(c, "more"); c.Close() }, 0},
		{"peer stays", plain, func(net.Conn) {}, d},
		{"peer does not read the end of TLS", over, func(net.Conn) {}, d},
		{"peer reads the end of TLS and stays", over, func(c net.Conn) { io.Copy(io.Discard, c) }, d},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				nc := tt.wrap(t, client, server)
				defer server.Close()
				go tt.peer(client)
				start := time.Now()
				netx.Linger(nc, d)
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
			})
		})
	}
}

func TestLingerEndsOurSide(t *testing.T) {
	client, server := net.Pipe()
	client.Close()
	half := &halfConn{Conn: server}
	netx.Linger(half, time.Hour)
	if !half.ended {
		t.Error("the sending side was not ended")
	}
}

// emptyConn brings neither bytes nor an error.
type emptyConn struct{ net.Conn }

func (emptyConn) Read([]byte) (int, error)        { return 0, nil }
func (emptyConn) SetReadDeadline(time.Time) error { return errors.New("no deadlines") }

func TestLingerGivesUpWithoutProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		netx.Linger(emptyConn{server}, time.Hour)
		netx.LingerForEnd(emptyConn{server}, time.Hour)
	})
}

// Only TLS has an end of its own to send. Bytes read ahead do not hide it.
func TestLingerTLS(t *testing.T) {
	const d = time.Second
	for name, tt := range map[string]struct {
		wrap func(t *testing.T, client, server net.Conn) net.Conn
		want time.Duration
	}{
		"plain":    {func(_ *testing.T, _, server net.Conn) net.Conn { return server }, 0},
		"prefixed": {func(_ *testing.T, _, server net.Conn) net.Conn { return netx.NewPrefixedConn(server, nil) }, 0},
		"TLS":      {func(t *testing.T, client, server net.Conn) net.Conn { return openTLS(t, client, server) }, d},
		"TLS on prefixed": {func(t *testing.T, client, server net.Conn) net.Conn {
			return openTLS(t, client, netx.NewPrefixedConn(server, nil))
		}, d},
		"prefixed on TLS": {func(t *testing.T, client, server net.Conn) net.Conn {
			return netx.NewPrefixedConn(openTLS(t, client, server), nil)
		}, d},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				nc := tt.wrap(t, client, server)
				go io.Copy(io.Discard, client)
				start := time.Now()
				netx.LingerTLS(nc, d)
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				client.Close()
			})
		})
	}
}

// Over TLS some of the time is kept for the end of this side, which the peer
// may not read.
func TestLingerForEndOverTLS(t *testing.T) {
	const d = time.Second
	for name, tt := range map[string]struct {
		peer func(net.Conn)
		want time.Duration
	}{
		"peer ends":                    {func(c net.Conn) { c.Close() }, 0},
		"peer stays and reads":         {func(c net.Conn) { io.Copy(io.Discard, c) }, d - d/4},
		"peer stays and reads nothing": {func(net.Conn) {}, d},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				nc := openTLS(t, client, server)
				defer server.Close()
				go tt.peer(client)
				start := time.Now()
				netx.LingerForEnd(nc, d)
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
			})
		})
	}
}

// A peer has time to read the alert that ends the handshake, but not for ever,
// and none once the context has ended.
func TestHandshakeTLS(t *testing.T) {
	const later = netx.LingerTime / 5
	for _, tt := range []struct {
		name  string
		hello string
		ctx   time.Duration // when it ends
		after time.Duration // when the peer hangs up
		want  time.Duration
	}{
		{"peer hangs up", "no TLS\n", time.Hour, 0, 0},
		{"peer hangs up later", "no TLS\n", time.Hour, later, later},
		{"peer stays", "no TLS\n", time.Hour, time.Hour, netx.LingerTime},
		{"context ends", "", later, time.Hour, later},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				go func() {
					io.WriteString(client, tt.hello)
					time.AfterFunc(tt.after, func() { client.Close() })
					io.Copy(io.Discard, client)
				}()
				ctx, cancel := context.WithTimeout(t.Context(), tt.ctx)
				defer cancel()
				start := time.Now()
				err := netx.HandshakeTLS(ctx, tls.Server(server, &tls.Config{}))
				if took := time.Since(start); err == nil || took != tt.want {
					t.Errorf("%v after %v; want an error after %v", err, took, tt.want)
				}
				time.Sleep(time.Hour) // of the bubble
			})
		})
	}
}
