package websocket_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

// errHook is what the hooks of these tests panic with.
const errHook = "a hook panics"

// panicOf runs f in a goroutine and returns what it panics with. It returns nil
// if f returns, or ends its goroutine.
func panicOf(f func()) (v any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { v = recover() }()
		f()
	}()
	<-done
	return v
}

// serverHooks are the functions of a program that a server's handshake calls.
// Each sets one that calls end.
var serverHooks = map[string]func(up *websocket.Upgrader, end func()){
	"CheckOrigin": func(up *websocket.Upgrader, end func()) {
		up.CheckOrigin = func(*http.Request, string) error { end(); return nil }
	},
	"Check": func(up *websocket.Upgrader, end func()) {
		up.Check = func(*http.Request, http.Header) (context.Context, error) { end(); return nil, nil }
	},
	"Secure": func(up *websocket.Upgrader, end func()) {
		up.Secure = func(*http.Request) bool { end(); return false }
	},
	"Secure, for Location": func(up *websocket.Upgrader, end func()) {
		up.CheckOrigin = func(*http.Request, string) error { return nil }
		up.Secure = func(*http.Request) bool { end(); return false }
	},
	"HandshakeFailed": func(up *websocket.Upgrader, end func()) {
		up.Subprotocols = []string{"not a name"}
		up.Trace = &websocket.Trace{HandshakeFailed: func(*http.Request, error) { end() }}
	},
	"Opened": func(up *websocket.Upgrader, end func()) {
		up.PingInterval = 1
		up.Trace = &websocket.Trace{Opened: func(*websocket.Conn) { end() }}
	},
}

// A hook that panics, or ends its goroutine, leaves no connection open.
func TestAcceptClosesAfterPanic(t *testing.T) {
	for name, set := range serverHooks {
		for _, end := range []struct {
			name string
			do   func()
			want any
		}{{"panic", func() { panic(errHook) }, errHook}, {"Goexit", runtime.Goexit, nil}} {
			t.Run(name+"/"+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					go func() {
						io.WriteString(client, requestOf(websocket.Hixie75).String())
						io.Copy(io.Discard, client)
					}()
					var up websocket.Upgrader
					set(&up, end.do)
					returned := false
					if v := panicOf(func() { up.Accept(t.Context(), server); returned = true }); v != end.want || returned {
						t.Errorf("Accept returned: %v, panic %v; want %v", returned, v, end.want)
					}
					checkPeerClosed(t, client)
				})
			})
		}
	}
}

func TestAcceptClosesAfterPanicInTLS(t *testing.T) {
	_, clientConfig := loopbackTLS()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go tls.Client(client, clientConfig).Handshake()
		config := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { panic(errHook) }}
		if v := panicOf(func() { new(websocket.Upgrader).Accept(t.Context(), tls.Server(server, config)) }); v != errHook {
			t.Errorf("panic %v, want %v", v, errHook)
		}
		checkPeerClosed(t, client)
	})
}

// closeCounter is a connection that counts calls of Close.
type closeCounter struct {
	net.Conn
	closed atomic.Int32
}

func (c *closeCounter) Close() error {
	c.closed.Add(1)
	return c.Conn.Close()
}

// A Server forgets a connection whose handshake panicked.
func TestServeConnForgetsAfterPanic(t *testing.T) {
	_, clientConfig := loopbackTLS()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go tls.Client(client, clientConfig).Handshake()
		nc := &closeCounter{Conn: server}
		config := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { panic(errHook) }}
		s := &websocket.Server{Handler: echoHandler}
		if v := panicOf(func() { s.ServeConn(t.Context(), tls.Server(nc, config)) }); v != errHook {
			t.Errorf("panic %v, want %v", v, errHook)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		s.Close()
		synctest.Wait()
		if n := nc.closed.Load(); n != 1 {
			t.Errorf("closed %d times, want once", n)
		}
		checkPeerClosed(t, client)
	})
}

// net/http does not close a connection that was taken over.
func TestUpgradeClosesAfterPanic(t *testing.T) {
	for name, set := range serverHooks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var up websocket.Upgrader
				set(&up, func() { panic(errHook) })
				panicked := make(chan any, 1)
				client := startInBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer func() {
						v := recover()
						panicked <- v
						panic(v)
					}()
					up.Upgrade(w, r)
				})).Connect()
				go func() {
					io.WriteString(client, requestOf(websocket.Hixie75).String())
					io.Copy(io.Discard, client)
				}()
				if v := <-panicked; v != errHook {
					t.Errorf("panic %v, want %v", v, errHook)
				}
				synctest.Wait()
				checkPeerClosed(t, client)
			})
		})
	}
}
