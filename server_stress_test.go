package websocket_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// Whenever Shutdown or Close come, every connection ends, no handler is called or
// goes on afterwards, and nothing is left. A graceful Shutdown says 1001 to every
// client whose handshake has succeeded.
func TestServerEndsAtAnyMoment(t *testing.T) {
	for way, serve := range servings {
		for _, tt := range []struct {
			name     string
			end      func(s *websocket.Server) error
			graceful bool
		}{
			{"Shutdown", func(s *websocket.Server) error { return s.Shutdown(context.Background()) }, true},
			{"two Shutdowns", func(s *websocket.Server) error {
				go s.Shutdown(context.Background())
				return s.Shutdown(context.Background())
			}, true},
			{"Close", func(s *websocket.Server) error {
				return errors.Join(s.Close(), s.Shutdown(context.Background()))
			}, false},
			{"Shutdown, then Close", func(s *websocket.Server) error {
				go func() { yield(rand.IntN(100)); s.Close() }()
				return s.Shutdown(context.Background())
			}, false},
			{"Shutdown with an ended context", func(s *websocket.Server) error {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				s.Shutdown(ctx)
				return s.Shutdown(context.Background())
			}, false},
		} {
			t.Run(way+", "+tt.name, func(t *testing.T) {
				for range stressRounds(20) {
					synctest.Test(t, func(t *testing.T) { serverEndsAtAnyMoment(t, serve, tt.end, tt.graceful) })
				}
			})
		}
	}
}

// yield lets other goroutines run.
func yield(times int) {
	for range times {
		runtime.Gosched()
	}
}

func serverEndsAtAnyMoment(t *testing.T, serve func(*testing.T, *websocket.Server) func() net.Conn, end func(*websocket.Server) error, graceful bool) {
	t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) }) // after which nothing may be left
	var running atomic.Int32
	var down atomic.Bool
	s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Handler: func(ctx context.Context, c *websocket.Conn) error {
		if down.Load() {
			t.Error("the handler was called after the end")
		}
		running.Add(1)
		defer running.Add(-1)
		switch rand.IntN(4) {
		case 0:
			return nil
		case 1:
			<-ctx.Done()
			if cause := context.Cause(ctx); graceful && cause != http.ErrServerClosed {
				t.Errorf("the cause of the context's end is %v", cause)
			}
			return ctx.Err()
		case 2:
			panic(http.ErrAbortHandler)
		}
		return echoHandler(ctx, c)
	}}
	connect := serve(t, s)
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			nc := connect()
			defer nc.Close()
			c, err := (&websocket.Dialer{Version: allVersions[rand.IntN(len(allVersions))]}).Handshake(context.Background(), nc, "ws://server.test/")
			if err != nil {
				return // refused, or cut off
			}
			_ = c.WriteMessage(websocket.Text, []byte("hello"))
			err = readToEnd(c)
			var ce *websocket.CloseError
			switch {
			case errors.As(err, &ce):
			case graceful || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.ErrClosedPipe):
				t.Errorf("the client's read ends with %v", err)
			}
		})
	}
	yield(rand.IntN(300))
	start := time.Now()
	if err := end(s); err != nil {
		t.Error(err)
	}
	down.Store(true)
	if n := running.Load(); n > 0 {
		t.Errorf("%d handlers are running after the end", n)
	}
	if n := websocket.Counted(s); n > 0 {
		t.Errorf("the Server counts %d after the end", n)
	}
	if took := time.Since(start); took > websocket.CloseLinger {
		t.Errorf("the end took %v; expected no wait for clients that read", took)
	}
	clients.Wait()
}
