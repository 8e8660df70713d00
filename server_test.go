package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

func TestServerServesEveryVersion(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := startInBubble(t, websocket.Handler(echoHandler))
				c := n.dial(t, v)
				if err := c.WriteMessage(websocket.Text, []byte("grüße")); err != nil {
					t.Fatal(err)
				}
				typ, p, err := c.ReadMessage()
				if typ != websocket.Text || string(p) != "grüße" || err != nil {
					t.Errorf("echo is %v %q, %v; expected Text \"grüße\"", typ, p, err)
				}
				if err := c.Shutdown(t.Context(), websocket.StatusNormalClosure, ""); err != nil {
					t.Errorf("Shutdown of the client: %v", err)
				}
			})
		})
	}
}

// To routers and middlewares a Server is a handler like any other: ServeHTTP runs
// as long as the handler does. It does not wait for the closing handshake.
func TestServeHTTPReturnsWithTheHandler(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		synctest.Test(t, func(t *testing.T) {
			returned := make(chan struct{})
			proceed := make(chan struct{})
			s := &websocket.Server{Handler: func(context.Context, *websocket.Conn) error { <-proceed; return nil }}
			n := startInBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.ServeHTTP(w, r)
				close(returned)
			}))
			n.dial(t, v) // and does not read
			select {
			case <-returned:
				t.Fatal("ServeHTTP has returned while the handler runs")
			case <-time.After(time.Hour):
			}
			close(proceed)
			start := time.Now()
			<-returned
			if took := time.Since(start); took != 0 {
				t.Errorf("ServeHTTP has returned %v after the handler; expected at once", took)
			}
		})
	})
}

// The error of a handler decides how the connection ends and what is logged.
func TestServerHandlerResult(t *testing.T) {
	long := strings.Repeat("x", websocket.MaxReason+1)
	for _, tt := range []struct {
		name   string
		result error
		code   websocket.StatusCode
		reason string
		logged string // of the error, "" for nothing
	}{
		{"nil", nil, websocket.StatusNormalClosure, "", ""},
		{"error", errors.New("disk full"), websocket.StatusInternalError, "", "disk full"},
		{"chosen code", &websocket.CloseError{Code: 4001, Reason: "bye"}, 4001, "bye", ""},
		{"chosen code, wrapped", errors.Join(io.EOF, &websocket.CloseError{Code: websocket.StatusTryAgainLater}), websocket.StatusTryAgainLater, "", ""},
		{"chosen to have no code", &websocket.CloseError{Code: websocket.StatusNoStatusReceived}, websocket.StatusNoStatusReceived, "", ""},
		{"code that may not be sent", &websocket.CloseError{Code: websocket.StatusAbnormalClosure}, websocket.StatusInternalError, "", "1006"},
		{"reason that is too long", &websocket.CloseError{Code: 4001, Reason: long}, websocket.StatusInternalError, "", long},
		{"nil pointer to a CloseError", (*websocket.CloseError)(nil), websocket.StatusInternalError, "", "nil *websocket.CloseError"},
		{"nil pointer whose methods panic", (*net.OpError)(nil), websocket.StatusInternalError, "", "nil *net.OpError"},
		{"nil pointer to a CloseError, joined", errors.Join(io.EOF, (*websocket.CloseError)(nil)), websocket.StatusInternalError, "", "PANIC"},
		{"closed network connection of another", net.ErrClosed, websocket.StatusInternalError, "", net.ErrClosed.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logBuffer
				s := &websocket.Server{Logger: log.logger(), Handler: func(context.Context, *websocket.Conn) error { return tt.result }}
				n := startInBubble(t, s)
				wantClose(t, n.dial(t, websocket.RFC6455), tt.code, tt.reason)
				synctest.Wait()
				logged := log.at(slog.LevelError)
				if tt.logged == "" && len(logged) > 0 {
					t.Errorf("logged %q; expected nothing", logged)
				}
				if tt.logged != "" && (len(logged) != 1 || !strings.Contains(logged[0], tt.logged) || !strings.Contains(logged[0], "remote=")) {
					t.Errorf("logged %q; expected one record with %q and the client's address", logged, tt.logged)
				}
			})
		})
	}
}

// An error that quotes what a peer has sent does not fill the log.
func TestServerLogsErrorsInBrief(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		s := &websocket.Server{Logger: log.logger(), Handler: func(ctx context.Context, c *websocket.Conn) error {
			_, err := websocket.ReadJSON[int](c)
			return err
		}}
		c := startInBubble(t, s).dial(t, websocket.RFC6455)
		c.WriteMessage(websocket.Text, bytes.Repeat([]byte("9"), 1<<20))
		wantClose(t, c, websocket.StatusInternalError, "")
		synctest.Wait()
		if logged := strings.Join(log.at(slog.LevelError), ""); len(logged) > 2*websocket.MaxLogged || !strings.Contains(logged, "not the JSON expected") {
			t.Errorf("logged %d bytes: %.200q", len(logged), logged)
		}
	})
}

// If the peer ends the connection, nothing is logged as an error, whatever the
// handler returns.
func TestServerLogsNoErrorWhenThePeerEndsTheConnection(t *testing.T) {
	write := func(_ context.Context, c *websocket.Conn) error {
		for {
			if err := c.WriteMessage(websocket.Text, []byte("hello")); err != nil {
				return err
			}
		}
	}
	messages := func(ctx context.Context, c *websocket.Conn) error {
		for _, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	for _, tt := range []struct {
		name    string
		handler func(context.Context, *websocket.Conn) error
		end     func(c *websocket.Conn)
	}{
		{"Close frame", echoHandler, func(c *websocket.Conn) { c.Shutdown(context.Background(), 4000, "") }},
		{"Close frame, iterator", messages, func(c *websocket.Conn) { c.Shutdown(context.Background(), websocket.StatusGoingAway, "") }},
		{"hung up", echoHandler, func(c *websocket.Conn) { c.Close() }},
		{"hung up on a writer", write, func(c *websocket.Conn) { c.Close() }},
		{"broke the protocol", echoHandler, func(c *websocket.Conn) { c.NetConn().Write([]byte("\xff\xff")); readToEnd(c) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logBuffer
				returned := make(chan error, 1)
				s := &websocket.Server{Logger: log.logger(), Handler: func(ctx context.Context, c *websocket.Conn) error {
					err := tt.handler(ctx, c)
					returned <- err
					return err
				}}
				c := startInBubble(t, s).dial(t, websocket.RFC6455)
				tt.end(c)
				err := <-returned
				time.Sleep(websocket.CloseTimeout) // of the bubble: all is over then
				if logged := log.at(slog.LevelError); len(logged) > 0 {
					t.Errorf("the handler returned %v, of which was logged %q; expected nothing above debug", err, logged)
				}
				if logged := log.at(slog.LevelDebug); err != nil && len(logged) != 1 {
					t.Errorf("the handler returned %v, of which was logged %q; expected one record at debug", err, logged)
				}
			})
		})
	}
}

// Mistakes in the options are logged as errors; what any client can cause does
// not fill the log.
func TestServerLogsRefusedRequests(t *testing.T) {
	for _, tt := range []struct {
		name     string
		upgrader websocket.Upgrader
		status   int
		level    slog.Level
		logged   string
	}{
		{"by CheckOrigin", websocket.Upgrader{CheckOrigin: func(*http.Request, string) error {
			return &websocket.HandshakeError{Status: 401, Err: errors.New("no token")}
		}}, 401, slog.LevelDebug, "no token"},
		{"for its version", websocket.Upgrader{Versions: []websocket.Version{websocket.Hybi07}}, 426, slog.LevelDebug, "rfc6455"},
		{"for a mistake in the options", websocket.Upgrader{Subprotocols: []string{"a b"}}, 500, slog.LevelError, "a b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logBuffer
				s := &websocket.Server{Logger: log.logger(), Upgrader: tt.upgrader, Handler: echoHandler}
				if res := startInBubble(t, s).refusal(t); res.StatusCode != tt.status {
					t.Errorf("refused with status %d; expected %d", res.StatusCode, tt.status)
				}
				if all := strings.Count(log.String(), "\n"); all != 1 {
					t.Errorf("logged %d records; expected one", all)
				}
				if logged := log.at(tt.level); len(logged) != 1 || !strings.Contains(logged[0], tt.logged) {
					t.Errorf("logged at %v: %q; expected one record with %q", tt.level, logged, tt.logged)
				}
			})
		})
	}
}

func TestHandlerOfANilFunction(t *testing.T) {
	defer func() {
		if v := recover(); v == nil {
			t.Error("Handler(nil) did not panic; expected the mistake to be seen where it is made")
		}
	}()
	websocket.Handler(nil)
}

// Requests to a Server without a Handler are refused, and logged as other
// mistakes in the options are, once as an error: a client must not see a
// connection that breaks.
func TestServerWithoutHandler(t *testing.T) {
	var log logBuffer
	var traced []error
	s := &websocket.Server{Logger: log.logger(), Upgrader: websocket.Upgrader{Config: websocket.Config{Trace: traceRefusals(&traced)}}}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("answered %d, want 500", w.Code)
	}
	client, server := websocket.NetPipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(t.Context(), server) }()
	_, err := (&websocket.Dialer{}).Handshake(t.Context(), client, "ws://server.test/")
	var answer, refused *websocket.HandshakeError
	if !errors.As(err, &answer) || answer.Status != http.StatusInternalServerError {
		t.Errorf("the client of ServeConn got %v, want 500", err)
	}
	if err := <-served; !errors.As(err, &refused) || refused.Status != http.StatusInternalServerError {
		t.Errorf("ServeConn returned %v, want an error with status 500", err)
	}
	const want = "Server.Handler is nil"
	for _, err := range traced {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("traced %v, want %q", err, want)
		}
	}
	if logged := log.at(slog.LevelError); len(logged) != 1 || len(traced) != 2 || !strings.Contains(logged[0], want) {
		t.Errorf("logged %q, traced %q, want %q logged once and traced twice", logged, traced, want)
	}
}

// traceRefusals returns a Trace that collects why handshakes failed, one at a
// time.
func traceRefusals(errs *[]error) *websocket.Trace {
	return &websocket.Trace{HandshakeFailed: func(r *http.Request, err error) {
		if r == nil {
			err = errors.New("without its request: " + err.Error())
		}
		*errs = append(*errs, err)
	}}
}
