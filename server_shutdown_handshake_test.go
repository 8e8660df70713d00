package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

// A client that does not send key3 does not delay Shutdown.
func TestServerShutdownDoesNotWaitForKey3(t *testing.T) {
	s := &websocket.Server{Handler: func(context.Context, *websocket.Conn) error { return nil }}
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
	if took := time.Since(start); took > websocket.DefaultHandshakeTimeout/2 {
		t.Errorf("Shutdown waited %v for a client that did not finish its handshake", took)
	}
}

// A request that is in a check of the program when closing begins is refused with
// 503 afterwards. Shutdown waits for it.
func TestServerShutdownDuringACheck(t *testing.T) {
	for name, block := range map[string]func(s *websocket.Server, wait func()){
		"CheckOrigin": func(s *websocket.Server, wait func()) {
			s.Upgrader.CheckOrigin = func(*http.Request, string) error { wait(); return nil }
		},
		"Check": func(s *websocket.Server, wait func()) {
			s.Upgrader.Check = func(*http.Request, http.Header) (context.Context, error) { wait(); return nil, nil }
		},
		"Detach": func(s *websocket.Server, wait func()) {
			s.Detach = func(*http.Request) context.Context { wait(); return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				proceed := make(chan struct{})
				s := &websocket.Server{Handler: func(context.Context, *websocket.Conn) error { t.Error("the handler was called"); return nil }}
				block(s, func() { <-proceed })
				n := startInBubble(t, s)
				status := make(chan int, 1)
				go func() { status <- n.refusal(t).StatusCode }()
				synctest.Wait()
				returned := make(chan error, 1)
				go func() { returned <- s.Shutdown(context.Background()) }()
				synctest.Wait()
				if len(returned) > 0 {
					t.Error("Shutdown has returned before the handshake")
				}
				close(proceed)
				if got := <-status; got != http.StatusServiceUnavailable {
					t.Errorf("answered %d; expected 503", got)
				}
				if err := <-returned; err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			})
		})
	}
}

// A client that keeps a handshake waiting does not delay Shutdown or Close.
func TestServerEndsHandshakesThatWait(t *testing.T) {
	const key3Missing = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://x\r\n" +
		"Sec-WebSocket-Key1: 4 2\r\nSec-WebSocket-Key2: 4 2\r\n\r\n"
	ends := map[string]func(*websocket.Server){
		"Shutdown": func(s *websocket.Server) { s.Shutdown(context.Background()) },
		"Close":    func(s *websocket.Server) { s.Close() },
	}
	for _, tt := range []struct {
		name, sends string
		over        []string // of servings
	}{
		{"no byte", "", []string{"ServeConn"}},
		{"half a request", "GET / HTTP/1.1\r\nHost: x\r\n", []string{"ServeConn"}},
		{"no key3", key3Missing, []string{"ServeHTTP", "Detach", "ServeConn"}},
	} {
		for _, way := range tt.over {
			for name, end := range ends {
				t.Run(tt.name+", "+way+", "+name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Handler: func(context.Context, *websocket.Conn) error { t.Error("the handler was called"); return nil }}
						client := servings[way](t, s)()
						defer client.Close()
						if _, err := io.WriteString(client, tt.sends); err != nil {
							t.Fatal(err)
						}
						synctest.Wait()
						if strings.HasSuffix(tt.sends, "\r\n\r\n") {
							if _, err := http.ReadResponse(bufio.NewReader(client), nil); err != nil {
								t.Fatal(err)
							}
						}
						start := time.Now()
						end(s)
						if err := s.Shutdown(t.Context()); err != nil {
							t.Error(err)
						}
						if took := time.Since(start); took != 0 {
							t.Errorf("it took %v; expected no wait for the client", took)
						}
						if b, err := io.ReadAll(client); len(b) > 0 || err != nil {
							t.Errorf("the client read %q, %v; expected the end", b, err)
						}
					})
				})
			}
		}
	}
}

// An answer that is being sent is not cut off, since the client may take it for
// success. Close does not wait for it; Shutdown gives it the time that a
// handshake has.
func TestServerEndsHandshakesWhoseAnswerIsNotRead(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*websocket.Server)
		most time.Duration
	}{
		"Shutdown": {func(*websocket.Server) {}, websocket.DefaultHandshakeTimeout},
		"Close":    {func(s *websocket.Server) { s.Close() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Handler: echoHandler}
				client := servings["ServeConn"](t, s)()
				defer client.Close()
				io.WriteString(client, requestOf(websocket.RFC6455).String())
				synctest.Wait()
				start := time.Now()
				tt.end(s)
				if err := s.Shutdown(t.Context()); err != nil || time.Since(start) > tt.most {
					t.Errorf("Shutdown: %v after %v; expected at most %v", err, time.Since(start), tt.most)
				}
			})
		})
	}
}

// A connection whose handshake is over just when closing begins is closed
// without calling the handler: by Shutdown with 1001, by Close at once.
func TestServerEndsAConnectionThatComesTooLate(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*websocket.Server)
		want func(t *testing.T, c *websocket.Conn)
	}{
		"Shutdown": {func(s *websocket.Server) { s.Shutdown(context.Background()) },
			func(t *testing.T, c *websocket.Conn) { wantClose(t, c, websocket.StatusGoingAway, "") }},
		"Close": {func(s *websocket.Server) { s.Close() }, func(t *testing.T, c *websocket.Conn) {
			start := time.Now()
			if err := readToEnd(c); !errors.Is(err, io.ErrUnexpectedEOF) || time.Since(start) != 0 {
				t.Errorf("the client's read ends with %v after %v; expected the end of the stream at once", err, time.Since(start))
			}
		}},
		"Shutdown and Close": {func(s *websocket.Server) { go s.Shutdown(context.Background()); s.Close() }, func(t *testing.T, c *websocket.Conn) {
			if err := readToEnd(c); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the client's read ends with %v; expected the end of the stream", err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eachServing(t, func(t *testing.T, start func(*websocket.Server) dialFunc) {
				proceed := make(chan struct{})
				s := &websocket.Server{Handler: func(context.Context, *websocket.Conn) error { t.Error("the handler was called"); return nil }}
				s.Upgrader.Trace = &websocket.Trace{Opened: func(*websocket.Conn) { <-proceed }}
				c := start(s)(websocket.RFC6455)
				synctest.Wait()
				returned := make(chan struct{})
				go func() { tt.end(s); close(returned) }()
				synctest.Wait()
				close(proceed)
				tt.want(t, c)
				<-returned
				if err := s.Shutdown(t.Context()); err != nil { // a deadlock here: the connection counts for ever
					t.Error(err)
				}
			})
		})
	}
}

// When Shutdown's context ends, such a connection is ended too.
func TestServerShutdownEndsALateConnectionWithItsContext(t *testing.T) {
	eachServing(t, func(t *testing.T, start func(*websocket.Server) dialFunc) {
		proceed := make(chan struct{})
		s := &websocket.Server{Handler: echoHandler}
		s.Upgrader.Trace = &websocket.Trace{Opened: func(*websocket.Conn) { <-proceed }}
		nc := start(s)(websocket.RFC6455).NetConn() // and does not read
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		returned := make(chan error, 1)
		go func() { returned <- s.Shutdown(ctx) }()
		synctest.Wait()
		close(proceed)
		if err := <-returned; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v; expected the context's error", err)
		}
		io.Copy(io.Discard, nc)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("the client's socket was closed after %v; expected it with the context, after 3s", took)
		}
	})
}
