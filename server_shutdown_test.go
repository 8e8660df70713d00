package websocket_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// "Server.Shutdown with idle, reading, writing and stuck connections", here
// with peers that answer.
func TestServerShutdownWithIdleReadingAndWritingConnections(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), stressed(func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { serverShutdown(t, v) })
		}))
	}
}

func serverShutdown(t *testing.T, v websocket.Version) {
	handlers := map[string]func(context.Context, *websocket.Conn) error{
		"idle":         func(ctx context.Context, _ *websocket.Conn) error { <-ctx.Done(); return nil },
		"idle-failing": func(ctx context.Context, _ *websocket.Conn) error { <-ctx.Done(); return ctx.Err() },
		"reading":      echoHandler,
		"iterating": func(ctx context.Context, c *websocket.Conn) error {
			for _, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"writing": func(_ context.Context, c *websocket.Conn) error {
			for {
				if err := c.WriteMessage(websocket.Text, []byte("hello")); err != nil {
					return err
				}
			}
		},
	}
	var log logBuffer
	var running atomic.Int32
	started := make(chan struct{})
	s := &websocket.Server{Logger: log.logger(), Handler: func(ctx context.Context, c *websocket.Conn) error {
		running.Add(1)
		defer running.Add(-1)
		started <- struct{}{}
		return handlers[c.Request().URL.Query().Get("kind")](ctx, c)
	}}
	n := startInBubble(t, s)
	ends := make(map[string]chan error)
	for kind := range handlers {
		c, err := n.handshake(t, websocket.Dialer{Version: v}, "/?kind="+kind)
		if err != nil {
			t.Fatal(err)
		}
		end := make(chan error, 1)
		ends[kind] = end
		go func() { end <- readToEnd(c) }()
		<-started
	}
	start := time.Now()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v; expected nil, as every peer answers", err)
	}
	if took := time.Since(start); took > websocket.CloseLinger+time.Second {
		t.Errorf("Shutdown took %v; expected it to wait for nobody", took)
	}
	if left := running.Load(); left != 0 {
		t.Errorf("Shutdown has returned before %d handlers", left)
	}
	for kind, end := range ends {
		serverWantGoingAway(t, kind, v, <-end)
	}
	if res := n.refusal(t); res.StatusCode != http.StatusServiceUnavailable || !res.Close {
		t.Errorf("a new request is answered %d, Connection: close is %v; expected 503 with it", res.StatusCode, res.Close)
	}
	if logged := log.at(slog.LevelError); len(logged) > 0 {
		t.Errorf("logged %q; expected nothing", logged)
	}
}

// serverWantGoingAway checks for a Close with 1001, or without a code in
// versions that have none.
func serverWantGoingAway(t *testing.T, kind string, v websocket.Version, err error) {
	t.Helper()
	want := websocket.StatusGoingAway
	if isHixie(v) {
		want = websocket.StatusNoStatusReceived
	}
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != want {
		t.Errorf("peer of the %s handler: %v; expected a Close with %v", kind, err, want)
	}
}

// "Server.Shutdown with ... stuck connections": neither a peer nor a handler
// that does nothing can hold it longer than its context allows. The test does
// not use a bubble, whose time stands still while two goroutines want to read.
func TestServerShutdownWithStuckConnections(t *testing.T) {
	const patience = 30 * time.Millisecond
	stuck := make(chan struct{})
	for _, tt := range []struct {
		name    string
		handler func(context.Context, *websocket.Conn) error
		peer    func(c *websocket.Conn) // what the client does all the time
	}{
		{"peer reads nothing, handler writes", func(_ context.Context, c *websocket.Conn) error {
			return c.WriteMessage(websocket.Text, make([]byte, 1<<20))
		}, func(*websocket.Conn) {}},
		{"peer reads nothing, handler reads", echoHandler, func(*websocket.Conn) {}},
		{"peer sends on and on", echoHandler, func(c *websocket.Conn) {
			for range time.Tick(patience / 10) {
				if c.WriteMessage(websocket.Text, []byte("still here")) != nil {
					return
				}
			}
		}},
		{"handler is stuck", func(context.Context, *websocket.Conn) error { <-stuck; return nil }, func(c *websocket.Conn) { readToEnd(c) }},
		{"unfinished message of a handler", func(ctx context.Context, c *websocket.Conn) error {
			w, err := c.NextWriter(websocket.Text)
			if err == nil {
				w.Write(make([]byte, 3*websocket.FragmentSize))
			}
			<-stuck
			return err
		}, func(*websocket.Conn) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stuck = make(chan struct{})
			started := make(chan struct{})
			s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Handler: func(ctx context.Context, c *websocket.Conn) error {
				close(started)
				return tt.handler(ctx, c)
			}}
			c := startServer(t, s).dial(t, websocket.RFC6455)
			<-started
			go tt.peer(c)
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := s.Shutdown(ctx)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took < patience || took > websocket.CloseTimeout/2 {
				t.Errorf("Shutdown: %v after %v; expected the context's error at its end, %v", err, took, patience)
			}
			io.Copy(io.Discard, c.NetConn()) // hangs if the server has not closed it
			close(stuck)
			if err := s.Shutdown(t.Context()); err != nil {
				t.Errorf("second Shutdown: %v; expected it to wait for the handler", err)
			}
		})
	}
}

// The contexts of handlers end when Shutdown begins, and not when the peers
// have answered.
func TestServerShutdownEndsContextsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, ended := make(chan struct{}), make(chan time.Time, 1)
		s := &websocket.Server{Handler: func(ctx context.Context, _ *websocket.Conn) error {
			close(started)
			<-ctx.Done()
			ended <- time.Now()
			return nil
		}}
		startInBubble(t, s).dial(t, websocket.RFC6455) // and does not read
		<-started
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		s.Shutdown(ctx)
		if took := (<-ended).Sub(start); took != 0 {
			t.Errorf("the handler's context ended %v after Shutdown began; expected at once", took)
		}
	})
}

func TestServerShutdownWithoutConnections(t *testing.T) {
	s := &websocket.Server{Handler: echoHandler}
	for range 2 {
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
	}
}

// If Shutdown is called twice at once, both calls wait.
func TestServerShutdownByTwo(t *testing.T) { stressed(serverShutdownByTwo)(t) }

func serverShutdownByTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, proceed := make(chan struct{}), make(chan struct{})
		s := &websocket.Server{Handler: func(context.Context, *websocket.Conn) error { close(started); <-proceed; return nil }}
		go readToEnd(startInBubble(t, s).dial(t, websocket.RFC6455))
		<-started
		var returned atomic.Int32
		for range 2 {
			go func() { s.Shutdown(context.Background()); returned.Add(1) }()
		}
		synctest.Wait()
		if n := returned.Load(); n != 0 {
			t.Errorf("%d of 2 calls of Shutdown have returned while the handler runs", n)
		}
		close(proceed)
		time.Sleep(websocket.CloseTimeout) // of the bubble
		if n := returned.Load(); n != 2 {
			t.Errorf("%d of 2 calls of Shutdown have returned after the handler", n)
		}
	})
}

// The closing handshake goes on after the handler has returned, or panicked, and
// Shutdown waits for it.
func TestServerShutdownWaitsForClosingHandshakes(t *testing.T) {
	for name, end := range map[string]func(){"return": func() {}, "panic": func() { panic(http.ErrAbortHandler) }} {
		t.Run(name, func(t *testing.T) {
			eachServing(t, func(t *testing.T, start func(*websocket.Server) dialFunc) {
				s := &websocket.Server{Handler: func(context.Context, *websocket.Conn) error { end(); return nil }}
				c := start(s)(websocket.RFC6455)
				synctest.Wait() // the client does not read
				returned := make(chan error, 1)
				go func() { returned <- s.Shutdown(context.Background()) }()
				time.Sleep(websocket.CloseTimeout / 2)
				if len(returned) > 0 {
					t.Error("Shutdown has returned before the closing handshake is over")
				}
				readToEnd(c)
				began := time.Now()
				if err := <-returned; err != nil || time.Since(began) > websocket.CloseLinger {
					t.Errorf("Shutdown: %v, %v after the peer's answer; expected nil at once", err, time.Since(began))
				}
			})
		})
	}
}

// A message that a handler has left in the middle does not keep a closing
// handshake from reading on, neither after the handler nor in Shutdown.
func TestServerDropsWhatAHandlerHasLeft(t *testing.T) {
	eachServing(t, func(t *testing.T, start func(*websocket.Server) dialFunc) {
		s := &websocket.Server{Handler: func(_ context.Context, c *websocket.Conn) error {
			_, r, err := c.NextReader()
			if err == nil {
				_, err = r.Read(make([]byte, 1))
			}
			return err
		}}
		c := start(s)(websocket.RFC6455)
		began := time.Now()
		if err := c.WriteMessage(websocket.Text, make([]byte, 1<<20)); err != nil {
			t.Errorf("the rest of the message: %v", err)
		}
		wantClose(t, c, websocket.StatusNormalClosure, "")
		if err := s.Shutdown(t.Context()); err != nil || time.Since(began) > websocket.CloseLinger {
			t.Errorf("Shutdown: %v after %v; expected nil at once", err, time.Since(began))
		}
	})
}

// Close ends closing handshakes too, of handlers that have returned and of a
// Shutdown.
func TestServerCloseEndsClosingHandshakes(t *testing.T) {
	eachServing(t, func(t *testing.T, start func(*websocket.Server) dialFunc) {
		block := make(chan struct{})
		s := &websocket.Server{Handler: func(_ context.Context, c *websocket.Conn) error {
			if _, p, _ := c.ReadMessage(); string(p) == "stay" {
				<-block
			}
			return nil
		}}
		dial := start(s)
		returns, stays := dial(websocket.RFC6455), dial(websocket.RFC6455)
		returns.WriteMessage(websocket.Text, nil)
		stays.WriteMessage(websocket.Text, []byte("stay"))
		synctest.Wait()
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(context.Background()) }()
		synctest.Wait()
		began := time.Now()
		s.Close()
		for _, c := range []*websocket.Conn{returns, stays} {
			io.Copy(io.Discard, c.NetConn())
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the clients' sockets were closed after %v; expected at once", took)
		}
		synctest.Wait()
		if len(down) > 0 {
			t.Error("Shutdown has returned before a handler")
		}
		close(block)
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// With a context that has ended, Shutdown ends everything hard, and is nil if
// there is nothing.
func TestServerShutdownWithAnEndedContext(t *testing.T) {
	eachServing(t, func(t *testing.T, start func(*websocket.Server) dialFunc) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 { // select chooses by chance
			if err := new(websocket.Server).Shutdown(ended); err != nil {
				t.Fatalf("Shutdown without connections: %v", err)
			}
		}
		s := &websocket.Server{Handler: echoHandler}
		c := start(s)(websocket.RFC6455)
		synctest.Wait()
		began := time.Now()
		if err := s.Shutdown(ended); err != context.Canceled {
			t.Errorf("Shutdown: %v; expected the error of its context", err)
		}
		readToEnd(c)
		if took := time.Since(began); took != 0 {
			t.Errorf("the client's read ended after %v; expected at once", took)
		}
	})
}

// Requests that are refused because of Shutdown or Close are told to Trace, and
// logged where they cannot fill the log.
func TestServerTellsOfRequestsRefusedWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		var traced []error
		s := &websocket.Server{Logger: log.logger(), Handler: echoHandler}
		s.Upgrader.Trace = traceRefusals(&traced)
		n := startInBubble(t, s)
		s.Close()
		res := n.refusal(t)
		if res.StatusCode != http.StatusServiceUnavailable || !res.Close {
			t.Errorf("answered %d, Connection: close is %v; expected 503 with it", res.StatusCode, res.Close)
		}
		var refused *websocket.HandshakeError
		if len(traced) != 1 || !errors.As(traced[0], &refused) || refused.Status != 503 || !errors.Is(refused, http.ErrServerClosed) {
			t.Errorf("traced %v; expected one error with status 503 that wraps http.ErrServerClosed", traced)
		}
		if logged := log.at(slog.LevelDebug); len(logged) != 1 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("logged %q; expected one record at debug", log.String())
		}
	})
}

// Handshakes that are refused, or that panic in the program's check, do not
// count as connections.
func TestServerShutdownAfterFailedHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Handler: echoHandler}
		s.Upgrader.CheckOrigin = func(r *http.Request, _ string) error {
			if r.URL.Path == "/panic" {
				panic("check")
			}
			return errors.New("no")
		}
		n := startInBubble(t, s)
		for _, path := range []string{"/refuse", "/panic"} {
			if _, err := n.handshake(t, websocket.Dialer{}, path); err == nil {
				t.Errorf("%s was accepted", path)
			}
		}
		if err := s.Shutdown(t.Context()); err != nil { // a deadlock here: it waits for them
			t.Error(err)
		}
	})
}

// Server.Close waits neither for peers nor for handlers.
func TestServerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		s := &websocket.Server{Handler: func(context.Context, *websocket.Conn) error { <-proceed; return nil }}
		n := startInBubble(t, s)
		c := n.dial(t, websocket.RFC6455)
		synctest.Wait()
		start := time.Now()
		if err := s.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v; expected nil at once", err, time.Since(start))
		}
		if err := readToEnd(c); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the client's read ends with %v; expected the end of the stream, without a Close frame", err)
		}
		if res := n.refusal(t); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a new request is answered %d; expected 503", res.StatusCode)
		}
		close(proceed)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown after Close: %v", err)
		}
	})
}
