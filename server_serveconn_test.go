package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// serveConn runs ServeConn in a goroutine and returns its result.
func serveConn(ctx context.Context, s *websocket.Server, nc net.Conn) <-chan error {
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(ctx, nc) }()
	return served
}

func TestServeConnServesEveryVersionOnEveryTransport(t *testing.T) {
	for name, wire := range map[string]func(t *testing.T) (server, client net.Conn, url string){
		overPipe: func(*testing.T) (net.Conn, net.Conn, string) { s, c := net.Pipe(); return s, c, "ws://127.0.0.1/" },
		"NetPipe": func(*testing.T) (net.Conn, net.Conn, string) {
			s, c := websocket.NetPipe()
			return s, c, "ws://127.0.0.1/"
		},
		overTCP: func(t *testing.T) (net.Conn, net.Conn, string) {
			s, c := newWire(t, overTCP)
			return s, c, "ws://127.0.0.1/"
		},
		overTLS: func(t *testing.T) (net.Conn, net.Conn, string) {
			s, c := newWire(t, overTCP)
			serverTLS, clientTLS := loopbackTLS()
			return tls.Server(s, serverTLS), tls.Client(c, clientTLS), "wss://127.0.0.1/"
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, v websocket.Version) {
				server, client, url := wire(t)
				s := &websocket.Server{Handler: func(_ context.Context, c *websocket.Conn) error { echoOnce(c); return nil }}
				served := serveConn(t.Context(), s, server)
				c, err := (&websocket.Dialer{Version: v}).Handshake(t.Context(), client, url)
				if err != nil {
					t.Fatal(err)
				}
				c.WriteMessage(websocket.Text, []byte("hello"))
				if _, p, err := c.ReadMessage(); string(p) != "hello" {
					t.Errorf("read %q, %v; expected the echo", p, err)
				}
				readToEnd(c)
				if err := <-served; err != nil {
					t.Errorf("ServeConn: %v", err)
				}
				if _, err := server.Write([]byte("x")); err == nil {
					t.Error("ServeConn has returned, and the connection is open")
				}
			})
		})
	}
}

// ServeConn returns the error of the handler as it is, and closes the connection
// as ServeHTTP does.
func TestServeConnReturnsTheErrorOfTheHandler(t *testing.T) {
	failure := errors.New("disk full")
	for _, tt := range []struct {
		name string
		err  error
		code websocket.StatusCode
	}{
		{"nil", nil, websocket.StatusNormalClosure},
		{"CloseError", &websocket.CloseError{Code: 4001}, 4001},
		{"nil CloseError", (*websocket.CloseError)(nil), websocket.StatusInternalError},
		{"other", failure, websocket.StatusInternalError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Handler: func(context.Context, *websocket.Conn) error { return tt.err }}
				served := serveConn(t.Context(), s, server)
				wantClose(t, dialOn(t, client, websocket.RFC6455), tt.code, "")
				if err := <-served; err != tt.err {
					t.Errorf("ServeConn: %v; expected %v", err, tt.err)
				}
				checkPeerClosed(t, client)
			})
		})
	}
}

// A handshake that fails returns its error, and nc is closed.
func TestServeConnReturnsTheErrorOfTheHandshake(t *testing.T) {
	timeout := websocket.Config{HandshakeTimeout: time.Second}
	for _, tt := range []struct {
		name  string
		up    websocket.Upgrader
		ctx   func(context.Context) (context.Context, context.CancelFunc)
		sends string
		want  func(error) bool
	}{
		{"refused", websocket.Upgrader{}, nil, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", func(err error) bool {
			var refused *websocket.HandshakeError
			return errors.As(err, &refused) && refused.Status == http.StatusUpgradeRequired
		}},
		{"ctx ends", websocket.Upgrader{Config: websocket.Config{HandshakeTimeout: -1}}, inAMinute, "GET / HTTP/1.1\r\n", func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{"timeout", websocket.Upgrader{Config: timeout}, nil, "GET / HTTP/1.1\r\n", func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				ctx := t.Context()
				if tt.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = tt.ctx(ctx)
					defer cancel()
				}
				s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Upgrader: tt.up, Handler: echoHandler}
				served := serveConn(ctx, s, server)
				io.WriteString(client, tt.sends)
				io.Copy(io.Discard, client)
				if err := <-served; !tt.want(err) {
					t.Errorf("ServeConn: %v", err)
				}
				if err := s.Shutdown(t.Context()); err != nil { // a deadlock here: the handshake counts for ever
					t.Error(err)
				}
			})
		})
	}
}

// The context of ServeConn is that of the request, for Check and for the
// handler.
func TestServeConnHandsOnItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		s := &websocket.Server{Handler: func(ctx context.Context, c *websocket.Conn) error {
			for what, ctx := range map[string]context.Context{"Handler": ctx, "Request": c.Request().Context()} {
				if ctx.Value(serverKey{}) != "value" || ctx.Value(checkKey{}) != "user of value" {
					t.Errorf("%s: values %v and %v; expected those of ServeConn and Check", what, ctx.Value(serverKey{}), ctx.Value(checkKey{}))
				}
			}
			return nil
		}}
		s.Upgrader.Check = func(r *http.Request, _ http.Header) (context.Context, error) {
			value, _ := r.Context().Value(serverKey{}).(string)
			return context.WithValue(r.Context(), checkKey{}, "user of "+value), nil
		}
		served := serveConn(context.WithValue(t.Context(), serverKey{}, "value"), s, server)
		wantClose(t, dialOn(t, client, websocket.RFC6455), websocket.StatusNormalClosure, "")
		<-served
	})
}

// The connections of ServeConn count in Shutdown. When it or Close has begun,
// ServeConn serves nobody.
func TestServeConnAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(*websocket.Server){
		"Shutdown": func(s *websocket.Server) { s.Shutdown(context.Background()) },
		"Close":    func(s *websocket.Server) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := &websocket.Server{Handler: echoHandler}
			end(s)
			client, server := net.Pipe()
			if err := s.ServeConn(t.Context(), server); err != http.ErrServerClosed {
				t.Errorf("ServeConn: %v; expected http.ErrServerClosed", err)
			}
			checkPeerClosed(t, client)
		})
	}
}

// A handshake that closing interrupts returns an error that says so, and so does
// a connection that is too late.
func TestServeConnInterrupted(t *testing.T) {
	ends := map[string]func(*websocket.Server){
		"Shutdown": func(s *websocket.Server) { s.Shutdown(context.Background()) },
		"Close":    func(s *websocket.Server) { s.Close() },
	}
	for name, end := range ends {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("in the handshake by %s, TLS %t", name, secure), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					if secure {
						config, _ := loopbackTLS()
						server = tls.Server(server, config)
					}
					var traced []error
					s := &websocket.Server{Handler: echoHandler, Logger: slog.New(slog.DiscardHandler)}
					s.Upgrader.Trace = &websocket.Trace{HandshakeFailed: func(_ *http.Request, err error) { traced = append(traced, err) }}
					served := serveConn(t.Context(), s, server)
					synctest.Wait()
					start := time.Now()
					end(s)
					if err := <-served; !errors.Is(err, http.ErrServerClosed) || len(traced) != 1 || traced[0] != err || time.Since(start) != 0 {
						t.Errorf("ServeConn: %v after %v, traced %v; expected http.ErrServerClosed in both at once", err, time.Since(start), traced)
					}
					checkPeerClosed(t, client)
				})
			})
		}
	}
	t.Run("after it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			proceed := make(chan struct{})
			s := &websocket.Server{Handler: echoHandler}
			s.Upgrader.Trace = &websocket.Trace{Opened: func(*websocket.Conn) { <-proceed }}
			served := serveConn(t.Context(), s, server)
			dialOn(t, client, websocket.RFC6455)
			synctest.Wait()
			s.Close()
			close(proceed)
			if err := <-served; err != http.ErrServerClosed {
				t.Errorf("ServeConn: %v; expected http.ErrServerClosed", err)
			}
		})
	})
}

// A panic in a handler goes on to the caller of ServeConn.
func TestServeConnPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		s := &websocket.Server{Handler: func(context.Context, *websocket.Conn) error { panic("out of cheese") }}
		recovered := make(chan any, 1)
		go func() {
			defer func() { recovered <- recover() }()
			s.ServeConn(t.Context(), server)
		}()
		wantClose(t, dialOn(t, client, websocket.RFC6455), websocket.StatusInternalError, "")
		if v := <-recovered; v != "out of cheese" {
			t.Errorf("recovered %v; expected the panic of the handler", v)
		}
		time.Sleep(2 * websocket.CloseTimeout)
	})
}
