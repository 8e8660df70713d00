package websocket_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// dialFunc connects to a Server. The connection is closed when the test ends.
type dialFunc func(v websocket.Version) *websocket.Conn

// servings are the ways in which a Server serves a connection. Each returns a
// function that begins one and returns the client's end.
var servings = map[string]func(t *testing.T, s *websocket.Server) func() net.Conn{
	"ServeHTTP": func(t *testing.T, s *websocket.Server) func() net.Conn {
		return startServer(t, s).Connect
	},
	"Detach": func(t *testing.T, s *websocket.Server) func() net.Conn {
		s.Detach = func(*http.Request) context.Context { return nil }
		return startServer(t, s).Connect
	},
	"ServeConn": func(t *testing.T, s *websocket.Server) func() net.Conn {
		return func() net.Conn {
			client, server := net.Pipe()
			go func() {
				defer func() { _ = recover() }() // of a handler, as net/http does
				s.ServeConn(context.Background(), server)
			}()
			return client
		}
	},
}

// eachServing runs f for each way to serve a connection, in a bubble. start
// begins to serve with s.
func eachServing(t *testing.T, f func(t *testing.T, start func(s *websocket.Server) dialFunc)) {
	t.Helper()
	for name, serve := range servings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) }) // after which nothing may be left
				f(t, func(s *websocket.Server) dialFunc {
					connect := serve(t, s)
					return func(v websocket.Version) *websocket.Conn { return dialOn(t, connect(), v) }
				})
			})
		})
	}
}

// dialOn does the handshake of a client on nc.
func dialOn(t *testing.T, nc net.Conn, v websocket.Version) *websocket.Conn {
	t.Helper()
	c, err := (&websocket.Dialer{Version: v}).Handshake(t.Context(), nc, "ws://server.test/path?q=1")
	if err != nil {
		t.Fatalf("dialing with %v: %v", v, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
