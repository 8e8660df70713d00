package routers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

const (
	connections   = 20
	otherRequests = 50
)

// roomsStay opens connections to rooms, lets other requests pass through the
// pool of the router, and checks that each connection says its own room before
// and after.
func roomsStay(t *testing.T, h http.Handler) {
	t.Helper()
	n := serve(t, h)
	var conns []*websocket.Conn
	for i := range connections {
		c := n.dial(t, fmt.Sprint("room", i))
		conns = append(conns, c)
		c.WriteMessage(websocket.Text, nil)
		wantText(t, c, fmt.Sprint("room", i))
	}
	for i := range otherRequests {
		n.get(t, fmt.Sprint("other", i))
	}
	for i, c := range conns {
		c.WriteMessage(websocket.Text, nil)
		wantText(t, c, fmt.Sprint("room", i))
		c.Close()
	}
}

// sayRoom returns a handler that answers each message with what room says.
func sayRoom(room func(ctx context.Context, c *websocket.Conn) string) func(context.Context, *websocket.Conn) error {
	return func(ctx context.Context, c *websocket.Conn) error {
		for _, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := c.WriteMessage(websocket.Text, []byte(room(ctx, c))); err != nil {
				return err
			}
		}
		return nil
	}
}

// A handler sees the parameters of its own request for as long as it runs.
func TestRoomsStayApart(t *testing.T) {
	eachRouter(t, func(t *testing.T, r router) {
		s := &websocket.Server{Logger: silent, Handler: sayRoom(func(ctx context.Context, c *websocket.Conn) string {
			if of := r.room(c.Request().Context()); of != r.room(ctx) {
				return "Request says " + of
			}
			return r.room(ctx)
		})}
		roomsStay(t, r.make(s, options{}))
	})
}

type roomKey struct{}

// After Detach a handler sees what the hook has handed on, and nothing else of
// the request's context.
func TestRoomsStayApartAfterDetach(t *testing.T) {
	eachRouter(t, func(t *testing.T, r router) {
		s := &websocket.Server{
			Logger: silent,
			Detach: func(req *http.Request) context.Context {
				return context.WithValue(context.Background(), roomKey{}, r.room(req.Context()))
			},
			Handler: sayRoom(func(ctx context.Context, c *websocket.Conn) string {
				for _, ctx := range []context.Context{ctx, c.Request().Context()} {
					for _, key := range []any{chi.RouteCtxKey, ginKey{}, echoKey{}, http.ServerContextKey, http.LocalAddrContextKey} {
						if v := ctx.Value(key); v != nil {
							return fmt.Sprintf("the request's value %v of key %v", v, key)
						}
					}
				}
				room, _ := ctx.Value(roomKey{}).(string)
				return room
			}),
		}
		roomsStay(t, r.make(s, options{}))
	})
}

// counter is a middleware that counts requests in progress.
type counter struct {
	next http.Handler
	n    atomic.Int32
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.n.Add(1)
	defer c.n.Add(-1)
	c.next.ServeHTTP(w, r)
}

// Connections count as requests in progress while their handlers run, and after
// Detach they do not.
func TestRequestsInProgress(t *testing.T) {
	for _, tt := range []struct {
		name   string
		detach func(*http.Request) context.Context
		want   int32
	}{
		{"in ServeHTTP", nil, connections},
		{"Detach", func(*http.Request) context.Context { return nil }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachRouter(t, func(t *testing.T, r router) {
				h := &counter{next: r.make(&websocket.Server{Logger: silent, Handler: untilRead, Detach: tt.detach}, options{})}
				n := serve(t, h)
				var conns []*websocket.Conn
				for i := range connections {
					conns = append(conns, n.dial(t, fmt.Sprint("room", i)))
				}
				synctest.Wait()
				if got := h.n.Load(); got != tt.want {
					t.Errorf("%d requests in progress with %d connections, want %d", got, connections, tt.want)
				}
				for _, c := range conns {
					c.WriteMessage(websocket.Text, nil)
					wantClose(t, c, websocket.StatusNormalClosure)
				}
				synctest.Wait()
				if got := h.n.Load(); got != 0 {
					t.Errorf("%d requests in progress after the connections, want 0", got)
				}
			})
		})
	}
}

// The limit of chi's Throttle holds for connections.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, chimiddleware.Throttle(connections)(&websocket.Server{Logger: silent, Handler: untilRead}))
		var conns []*websocket.Conn
		for range connections {
			conns = append(conns, n.dial(t, "room"))
		}
		var refused *websocket.HandshakeError
		if _, err := n.tryDial("room"); !errors.As(err, &refused) || refused.Status != http.StatusTooManyRequests {
			t.Errorf("one connection too many: %v, want 429", err)
		}
		conns[0].WriteMessage(websocket.Text, nil)
		wantClose(t, conns[0], websocket.StatusNormalClosure)
		synctest.Wait()
		n.dial(t, "room")
	})
}

// The timeout of a middleware closes the connection with 1001, and a line in the
// log says so.
func TestTimeout(t *testing.T) {
	eachRouter(t, func(t *testing.T, r router) {
		var log testkit.LogBuffer
		s := &websocket.Server{Logger: slog.New(slog.NewTextHandler(&log, nil)), Handler: untilRead}
		n := serve(t, r.make(s, options{timeout: time.Minute}))
		start := time.Now()
		wantClose(t, n.dial(t, "room"), websocket.StatusGoingAway)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("closed after %v, want 1m", took)
		}
		synctest.Wait()
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "request context ended") {
			t.Errorf("logged %q, want one warning", got)
		}
	})
}

// Detach frees a connection from the timeout.
func TestTimeoutAfterDetach(t *testing.T) {
	eachRouter(t, func(t *testing.T, r router) {
		s := &websocket.Server{Logger: silent, Handler: untilRead, Detach: func(*http.Request) context.Context { return nil }}
		c := serve(t, r.make(s, options{timeout: time.Minute})).dial(t, "room")
		time.Sleep(time.Hour)
		c.WriteMessage(websocket.Text, nil)
		wantClose(t, c, websocket.StatusNormalClosure)
	})
}

// The ResponseWriter of net/http's TimeoutHandler collects the response and cannot
// give its connection away, so the request is refused.
func TestTimeoutHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &websocket.Server{Logger: silent, Handler: untilRead}
		var refused *websocket.HandshakeError
		if _, err := serve(t, http.TimeoutHandler(s, time.Minute, "")).tryDial("room"); !errors.As(err, &refused) || refused.Status != http.StatusInternalServerError {
			t.Errorf("dial: %v, want 500", err)
		}
	})
}

var errBroken = errors.New("redo from start")

// A panic of a handler is seen by what the router has to recover from panics, and
// the client gets 1011.
func TestPanic(t *testing.T) {
	eachRouter(t, func(t *testing.T, r router) {
		seen := make(chan any, 1)
		s := &websocket.Server{Logger: silent, Handler: func(_ context.Context, c *websocket.Conn) error {
			c.ReadMessage()
			panic(errBroken)
		}}
		c := serve(t, r.make(s, options{panicked: func(v any) { seen <- v }})).dial(t, "room")
		c.WriteMessage(websocket.Text, nil)
		wantClose(t, c, websocket.StatusInternalError)
		if v := <-seen; v != errBroken {
			t.Errorf("the middleware has seen %v, want %v", v, errBroken)
		}
	})
}

// The duration in an access log is that of the handler.
func TestAccessLog(t *testing.T) {
	eachRouter(t, func(t *testing.T, r router) {
		logged := make(chan time.Duration, 1)
		s := &websocket.Server{Logger: silent, Handler: untilRead}
		c := serve(t, r.make(s, options{logged: func(took time.Duration) { logged <- took }})).dial(t, "room")
		time.Sleep(time.Hour)
		c.WriteMessage(websocket.Text, nil)
		if took := <-logged; took != time.Hour {
			t.Errorf("the log says %v, want 1h", took)
		}
	})
}

// A Server that is shut down ends connections behind every router.
func TestShutdown(t *testing.T) {
	eachRouter(t, func(t *testing.T, r router) {
		s := &websocket.Server{Logger: silent, Handler: untilRead}
		h := &counter{next: r.make(s, options{})}
		c := serve(t, h).dial(t, "room")
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(context.Background()) }()
		wantClose(t, c, websocket.StatusGoingAway)
		if err := <-down; err != nil || h.n.Load() != 0 {
			t.Errorf("Shutdown: %v, %d requests in progress, want none", err, h.n.Load())
		}
	})
}
