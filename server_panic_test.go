package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// handlerEnds are the ways in which a handler does not return.
var handlerEnds = []struct {
	name   string
	end    func()
	value  any    // what recover returns
	logged string // by net/http, or by the Server after Detach; "" for nothing
}{
	{"value", func() { panic("out of cheese") }, "out of cheese", "out of cheese"},
	{"error", func() { panic(errRedo) }, errRedo, errRedo.Error()},
	{"http.ErrAbortHandler", func() { panic(http.ErrAbortHandler) }, http.ErrAbortHandler, ""},
	{"Goexit", runtime.Goexit, nil, ""},
}

var errRedo = errors.New("redo from start")

// panicHandler returns a handler that calls end if it is sent "panic", and
// echoes otherwise.
func panicHandler(end func()) func(context.Context, *websocket.Conn) error {
	return func(ctx context.Context, c *websocket.Conn) error {
		if _, p, _ := c.ReadMessage(); string(p) == "panic" {
			end()
		}
		return echoHandler(ctx, c)
	}
}

// The peer of a handler that panics is told 1011. Other connections live on, and
// Shutdown does not wait for the one that ended.
func TestPanicInAHandlerEndsItsConnectionOnly(t *testing.T) {
	for _, tt := range handlerEnds {
		t.Run(tt.name, func(t *testing.T) {
			eachServing(t, func(t *testing.T, start func(*websocket.Server) dialFunc) {
				s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Handler: panicHandler(tt.end)}
				dial := start(s)
				other, c := dial(websocket.RFC6455), dial(websocket.RFC6455)
				c.WriteMessage(websocket.Text, []byte("panic"))
				wantClose(t, c, websocket.StatusInternalError, "")
				other.WriteMessage(websocket.Text, []byte("first"))
				other.WriteMessage(websocket.Text, []byte("still there"))
				if _, p, err := other.ReadMessage(); string(p) != "still there" {
					t.Errorf("the other connection read %q, %v; expected it to live", p, err)
				}
				go readToEnd(other)
				if err := s.Shutdown(t.Context()); err != nil { // a deadlock here: it waits for the handler that panicked
					t.Error(err)
				}
			})
		})
	}
}

// A panic in a handler goes by untouched: middlewares and net/http see its value
// and where it came from. They see it before the peer has answered the Close.
func TestPanicInAHandlerGoesOn(t *testing.T) {
	for _, tt := range handlerEnds {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) })
				type seen struct {
					value any
					stack string
				}
				passed := make(chan seen, 1)
				var ownLog logBuffer
				var httpLog bytes.Buffer
				s := &websocket.Server{Logger: ownLog.logger(), Handler: panicHandler(tt.end)}
				srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer func() {
						v := recover()
						passed <- seen{v, string(debug.Stack())}
						if v != nil {
							panic(v)
						}
					}()
					s.ServeHTTP(w, r)
				})}
				n := startHTTP(t, srv)
				srv.ErrorLog = log.New(&httpLog, "", 0)
				c := n.dial(t, websocket.RFC6455)
				c.WriteMessage(websocket.Text, []byte("panic"))
				start := time.Now()
				got := <-passed
				if took := time.Since(start); took != 0 {
					t.Errorf("the panic went on after %v; expected at once", took)
				}
				if got.value != tt.value || !strings.Contains(got.stack, "panicHandler") {
					t.Errorf("recovered %v; expected %v, with its origin in the stack:\n%s", got.value, tt.value, got.stack)
				}
				wantClose(t, c, websocket.StatusInternalError, "")
				synctest.Wait()
				if tt.logged == "" && httpLog.Len() > 0 || !strings.Contains(httpLog.String(), tt.logged) {
					t.Errorf("net/http logged %q; expected %q", httpLog.String(), tt.logged)
				}
				if logged := ownLog.at(slog.LevelError); len(logged) > 0 {
					t.Errorf("the Server logged %q; expected to leave that to others", logged)
				}
			})
		})
	}
}

// After Detach nothing else would recover a panic, so the Server does, and logs
// it.
func TestPanicInADetachedHandlerIsLogged(t *testing.T) {
	for _, tt := range handlerEnds {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logBuffer
				s := &websocket.Server{
					Logger: log.logger(), Handler: panicHandler(tt.end),
					Detach: func(*http.Request) context.Context { return nil },
				}
				c := startInBubble(t, s).dial(t, websocket.RFC6455)
				c.WriteMessage(websocket.Text, []byte("panic"))
				wantClose(t, c, websocket.StatusInternalError, "")
				synctest.Wait()
				if logged := strings.Join(log.at(slog.LevelError), ""); tt.logged == "" && logged != "" ||
					!strings.Contains(logged, tt.logged) || tt.logged != "" && !strings.Contains(logged, "server_panic_test.go") {
					t.Errorf("logged %q; expected %q and the stack", logged, tt.logged)
				}
			})
		})
	}
}
