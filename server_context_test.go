package websocket_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

type serverKey struct{}

// around returns a handler that calls h with the context that f returns.
func around(h http.Handler, f func(context.Context) (context.Context, context.CancelFunc)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := f(r.Context())
		defer cancel()
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

// The context of a handler is a child of its request's. It ends when the handler
// returns.
func TestServerContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadline := time.Now().Add(24 * time.Hour)
		contexts := make(chan context.Context)
		proceed := make(chan struct{})
		s := &websocket.Server{Handler: func(ctx context.Context, c *websocket.Conn) error {
			contexts <- ctx
			<-proceed
			return nil
		}}
		n := startInBubble(t, around(s, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithDeadline(context.WithValue(ctx, serverKey{}, "value"), deadline)
		}))
		n.dial(t, websocket.RFC6455)
		ctx := <-contexts
		if got := ctx.Value(serverKey{}); got != "value" {
			t.Errorf("value of the request's context is %v; expected it to be handed on", got)
		}
		if got, _ := ctx.Deadline(); !got.Equal(deadline) {
			t.Errorf("deadline is %v; expected that of the request's context, %v", got, deadline)
		}
		synctest.Wait()
		if err := ctx.Err(); err != nil {
			t.Errorf("context while the handler runs: %v; expected it to live with the connection", err)
		}
		close(proceed)
		synctest.Wait() // the client does not answer the Close
		if ctx.Err() == nil {
			t.Error("context goes on after the handler has returned")
		}
	})
}

// The context ends with the handler, before the peer has answered the Close.
func TestServerContextEndsWithTheHandler(t *testing.T) {
	eachServing(t, func(t *testing.T, start func(*websocket.Server) dialFunc) {
		contexts := make(chan context.Context, 1)
		s := &websocket.Server{Handler: func(ctx context.Context, _ *websocket.Conn) error {
			contexts <- ctx
			return nil
		}}
		start(s)(websocket.RFC6455) // and does not read
		ctx := <-contexts
		began := time.Now()
		<-ctx.Done()
		if took := time.Since(began); took != 0 {
			t.Errorf("the context ended %v after the handler; expected at once", took)
		}
	})
}

func TestServerContextEndsWithTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name  string
		read  func(c *websocket.Conn) // what the handler has going on beside waiting for ctx
		end   func(s *websocket.Server, c *websocket.Conn)
		cause error
	}{
		{"peer closes, Discard reads", func(c *websocket.Conn) { c.Discard(context.Background()) },
			func(_ *websocket.Server, c *websocket.Conn) {
				c.Shutdown(context.Background(), websocket.StatusNormalClosure, "")
			}, context.Canceled},
		{"peer hangs up, another goroutine reads", func(c *websocket.Conn) { go c.ReadMessage() },
			func(_ *websocket.Server, c *websocket.Conn) { c.Close() }, context.Canceled},
		{"closed by another goroutine", func(c *websocket.Conn) { go c.Close() }, func(*websocket.Server, *websocket.Conn) {}, context.Canceled},
		{"Close of the server", func(*websocket.Conn) {}, func(s *websocket.Server, _ *websocket.Conn) { s.Close() }, http.ErrServerClosed},
		{"Shutdown of the server", func(*websocket.Conn) {}, func(s *websocket.Server, _ *websocket.Conn) { s.Shutdown(context.Background()) }, http.ErrServerClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachServing(t, func(t *testing.T, start func(*websocket.Server) dialFunc) {
				ended := make(chan error)
				s := &websocket.Server{Handler: func(ctx context.Context, c *websocket.Conn) error {
					tt.read(c)
					<-ctx.Done() // a deadlock here: the context does not end
					ended <- context.Cause(ctx)
					return nil
				}}
				c := start(s)(websocket.RFC6455)
				go readToEnd(c)
				synctest.Wait()
				go tt.end(s, c)
				if cause := <-ended; cause != tt.cause {
					t.Errorf("the cause is %v; expected %v", cause, tt.cause)
				}
			})
		})
	}
}

var errTooLong = errors.New("took too long")

// serverLimits are ways in which the context of a request ends in a minute.
var serverLimits = []struct {
	name  string
	limit func(context.Context) (context.Context, context.CancelFunc)
	cause string // as it is logged
}{
	{"timeout", func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Minute)
	}, context.DeadlineExceeded.Error()},
	{"timeout with a cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeoutCause(ctx, time.Minute, errTooLong)
	}, errTooLong.Error()},
	{"cancellation", func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		stop := time.AfterFunc(time.Minute, func() { cancel(errTooLong) }).Stop
		return ctx, func() { stop(); cancel(nil) }
	}, errTooLong.Error()},
}

// serverLimited are the places where a context with such an end may come from.
var serverLimited = map[string]func(t *testing.T, s *websocket.Server, limit func(context.Context) (context.Context, context.CancelFunc)) func() net.Conn{
	"middleware": func(t *testing.T, s *websocket.Server, limit func(context.Context) (context.Context, context.CancelFunc)) func() net.Conn {
		return startServer(t, around(s, limit)).Connect
	},
	"BaseContext": func(t *testing.T, s *websocket.Server, limit func(context.Context) (context.Context, context.CancelFunc)) func() net.Conn {
		return startHTTP(t, &http.Server{Handler: s, BaseContext: func(net.Listener) context.Context {
			ctx, cancel := limit(context.Background())
			t.Cleanup(cancel)
			return ctx
		}}).Connect
	},
	"Check": func(t *testing.T, s *websocket.Server, limit func(context.Context) (context.Context, context.CancelFunc)) func() net.Conn {
		s.Upgrader.Check = func(r *http.Request, _ http.Header) (context.Context, error) {
			ctx, cancel := limit(r.Context())
			t.Cleanup(cancel)
			return ctx, nil
		}
		return startServer(t, s).Connect
	},
	"ServeConn": func(t *testing.T, s *websocket.Server, limit func(context.Context) (context.Context, context.CancelFunc)) func() net.Conn {
		return func() net.Conn {
			client, server := net.Pipe()
			ctx, cancel := limit(context.Background())
			t.Cleanup(cancel)
			go s.ServeConn(ctx, server)
			return client
		}
	},
}

// "A middleware's 60 s end the connection with 1001 and a log line that says
// so", whatever the handler does.
func TestServerRequestContextEnds(t *testing.T) {
	handlers := map[string]func(context.Context, *websocket.Conn) error{
		"reads": echoHandler,
		"iterates": func(ctx context.Context, c *websocket.Conn) error {
			for _, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"waits": func(ctx context.Context, _ *websocket.Conn) error { <-ctx.Done(); return ctx.Err() },
	}
	for place, serve := range serverLimited {
		for _, limit := range serverLimits {
			for kind, handler := range handlers {
				t.Run(place+", "+limit.name+", handler "+kind, func(t *testing.T) {
					eachVersion(t, func(t *testing.T, v websocket.Version) {
						synctest.Test(t, func(t *testing.T) {
							t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) })
							var log logBuffer
							returned := make(chan time.Time, 1)
							s := &websocket.Server{Logger: log.logger(), Handler: func(ctx context.Context, c *websocket.Conn) error {
								defer func() { returned <- time.Now() }()
								return handler(ctx, c)
							}}
							start := time.Now()
							c := dialOn(t, serve(t, s, limit.limit)(), v)
							serverWantGoingAway(t, kind, v, readToEnd(c))
							if took := (<-returned).Sub(start); took != time.Minute {
								t.Errorf("the handler has returned after %v; expected 1m", took)
							}
							synctest.Wait()
							if logged := log.at(slog.LevelWarn); len(logged) != 1 || !strings.Contains(logged[0], "request context ended") || !strings.Contains(logged[0], limit.cause) {
								t.Errorf("logged %q; expected one warning with the cause, %q", logged, limit.cause)
							}
							if logged := log.at(slog.LevelError); len(logged) > 0 {
								t.Errorf("logged %q; expected no error", logged)
							}
						})
					})
				})
			}
		}
	}
}

// A peer that does not answer the Close holds the handler for no longer than any
// closing handshake.
func TestServerRequestContextEndsWithAStuckPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) })
		returned := make(chan time.Time, 1)
		s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Handler: func(ctx context.Context, c *websocket.Conn) error {
			defer func() { returned <- time.Now() }()
			return echoHandler(ctx, c)
		}}
		start := time.Now()
		dialOn(t, startServer(t, around(s, inAMinute)).Connect(), websocket.RFC6455) // and does not read
		if took := (<-returned).Sub(start); took < time.Minute || took > time.Minute+websocket.CloseTimeout {
			t.Errorf("the handler has returned after %v; expected 1m, and at most %v more", took, websocket.CloseTimeout)
		}
	})
}

func inAMinute(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Minute)
}

// The end of the context is told even if the handler returns at the same moment.
func TestServerRequestContextEndsWithTheHandler(t *testing.T) {
	for range stressRounds(20) {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) })
			var log logBuffer
			s := &websocket.Server{Logger: log.logger(), Handler: func(ctx context.Context, _ *websocket.Conn) error {
				for ctx.Err() == nil {
					time.Sleep(time.Second)
				}
				return nil
			}}
			c := dialOn(t, startServer(t, around(s, inAMinute)).Connect(), websocket.RFC6455)
			wantClose(t, c, websocket.StatusGoingAway, "")
			synctest.Wait()
			if logged := log.at(slog.LevelWarn); len(logged) != 1 {
				t.Errorf("logged %q; expected one warning", logged)
			}
		})
	}
}

// If the connection has ended before, the end of the request's context means
// nothing. net/http itself ends it when ServeHTTP returns.
func TestServerRequestContextEndsAfterTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler func(context.Context, *websocket.Conn) error
	}{
		{"handler has returned", func(context.Context, *websocket.Conn) error { return nil }},
		{"handler outlives the connection", func(_ context.Context, c *websocket.Conn) error {
			c.Close()
			time.Sleep(2 * time.Minute)
			return nil
		}},
		{"closing has begun", func(_ context.Context, c *websocket.Conn) error {
			go c.Shutdown(context.Background(), websocket.StatusNormalClosure, "")
			time.Sleep(2 * time.Minute)
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) })
				var log logBuffer
				s := &websocket.Server{Logger: log.logger(), Handler: tt.handler}
				c := dialOn(t, startServer(t, around(s, inAMinute)).Connect(), websocket.RFC6455)
				readToEnd(c)
				time.Sleep(time.Hour)
				if logged := log.at(slog.LevelWarn); len(logged) > 0 {
					t.Errorf("logged %q; expected nothing", logged)
				}
			})
		})
	}
}

// With Detach the request's context does not end the connection, and the handler
// sees none of its values but those that Detach hands on.
func TestServerDetach(t *testing.T) {
	for _, tt := range []struct {
		name   string
		detach func(*http.Request) context.Context
		want   any
	}{
		{"a value", func(r *http.Request) context.Context {
			return context.WithValue(context.Background(), detachKey{}, r.Context().Value(checkKey{}))
		}, "user"},
		{"nothing", func(*http.Request) context.Context { return nil }, nil},
		{"a context that ends", func(*http.Request) context.Context {
			ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), detachKey{}, 7), time.Second)
			time.AfterFunc(2*time.Second, cancel)
			return ctx
		}, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) })
				checkContext := func(what string, ctx context.Context) {
					t.Helper()
					for _, key := range []any{serverKey{}, checkKey{}, http.ServerContextKey, http.LocalAddrContextKey} {
						if v := ctx.Value(key); v != nil {
							t.Errorf("%s has the value %v of the request's context", what, v)
						}
					}
					if got := ctx.Value(detachKey{}); got != tt.want {
						t.Errorf("%s has the value %v; expected %v from Detach", what, got, tt.want)
					}
					if _, ok := ctx.Deadline(); ok || ctx.Err() != nil {
						t.Errorf("%s: deadline %v, %v; expected no end", what, ok, ctx.Err())
					}
				}
				proceed, returned := make(chan struct{}), make(chan struct{})
				s := &websocket.Server{Detach: tt.detach, Handler: func(ctx context.Context, c *websocket.Conn) error {
					<-proceed
					checkContext("ctx", ctx)
					checkContext("that of Request", c.Request().Context())
					return nil
				}}
				s.Upgrader.Check = func(r *http.Request, _ http.Header) (context.Context, error) {
					return context.WithValue(r.Context(), checkKey{}, "user"), nil
				}
				s.Upgrader.Trace = &websocket.Trace{Opened: func(c *websocket.Conn) { checkContext("that of Request in Opened", c.Request().Context()) }}
				n := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx, cancel := inAMinute(context.WithValue(r.Context(), serverKey{}, "value"))
					defer cancel()
					s.ServeHTTP(w, r.WithContext(ctx))
					close(returned)
				}))
				c := n.dial(t, websocket.RFC6455)
				<-returned // a deadlock here: ServeHTTP waits for the handler
				time.Sleep(time.Hour)
				close(proceed)
				wantClose(t, c, websocket.StatusNormalClosure, "")
			})
		})
	}
}

type detachKey struct{}

// What the request holds itself stays in Request in either way, also the
// parameters of a route of net/http.
func TestServerRequestKeepsPathValues(t *testing.T) {
	for name, detach := range map[string]func(*http.Request) context.Context{
		"in ServeHTTP": nil,
		"Detach":       func(*http.Request) context.Context { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &websocket.Server{Detach: detach, Handler: func(_ context.Context, c *websocket.Conn) error {
					time.Sleep(time.Second)
					r := c.Request()
					return &websocket.CloseError{Code: 4000, Reason: r.PathValue("room") + " " + r.URL.Path + " " + r.Host}
				}}
				mux := http.NewServeMux()
				mux.Handle("/rooms/{room}", s)
				c, err := startInBubble(t, mux).handshake(t, websocket.Dialer{}, "/rooms/kitchen")
				if err != nil {
					t.Fatal(err)
				}
				wantClose(t, c, 4000, "kitchen /rooms/kitchen server.test")
			})
		})
	}
}

// A panic of Detach goes on to what is around the Server. The client has not been
// answered, and the request no longer counts.
func TestServerDetachPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &websocket.Server{Handler: echoHandler, Detach: func(*http.Request) context.Context { panic("no room") }}
		recovered := make(chan any, 1)
		n := startInBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				v := recover()
				recovered <- v
				panic(v)
			}()
			s.ServeHTTP(w, r)
		}))
		if _, err := n.handshake(t, websocket.Dialer{}, "/"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the client got %v; expected the end of the stream", err)
		}
		if v := <-recovered; v != "no room" {
			t.Errorf("recovered %v; expected the panic of Detach", v)
		}
		if err := s.Shutdown(t.Context()); err != nil { // a deadlock here: it waits for the request
			t.Error(err)
		}
	})
}
