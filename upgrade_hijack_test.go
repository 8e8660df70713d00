package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// oddHijacker is a ResponseWriter whose Hijack returns what a test says.
type oddHijacker struct {
	*httptest.ResponseRecorder
	nc  net.Conn
	rw  *bufio.ReadWriter
	err error
}

func (w oddHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.nc, w.rw, w.err }

// requestFrom returns the request that net/http would read of m.
func requestFrom(t *testing.T, m httpMessage) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufReader(m.head()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// "A Hijack that returns no bufio.ReadWriter": nothing was read ahead, so
// everything comes from the connection.
func TestHijackWithoutReader(t *testing.T) {
	for name, rw := range map[string]*bufio.ReadWriter{
		"no ReadWriter": nil, "no Reader": bufio.NewReadWriter(nil, bufio.NewWriter(io.Discard)), "zero ReadWriter": {},
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, v websocket.Version) {
				synctest.Test(t, func(t *testing.T) {
					client, server := websocket.NetPipe()
					request := requestOf(v)
					go io.WriteString(client, request.body+helloOf(v, websocket.ClientSide))
					c, err := new(websocket.Upgrader).Upgrade(oddHijacker{httptest.NewRecorder(), server, rw, nil}, requestFrom(t, request))
					if err != nil {
						t.Fatal(err)
					}
					echoOnce(c)
					c.Close()
					_, response, _, _ := serve(nil, request.String())
					wantBytes(t, client, response+helloOf(v, websocket.ServerSide))
				})
			})
		})
	}
}

// A Hijack that gives no connection is answered like one that does not exist.
func TestHijackWithoutConnection(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name  string
		rw    *bufio.ReadWriter
		err   error
		words string
	}{
		{"nothing", nil, nil, "websocket_test.oddHijacker, or of what it wraps, has returned neither"},
		{"only a reader", bufio.NewReadWriter(bufReader(""), nil), nil, "has returned neither"},
		{"error", nil, broken, "cannot take over the connection: broken"},
	} {
		eachVersion(t, func(t *testing.T, v websocket.Version) {
			w := httptest.NewRecorder()
			_, err := new(websocket.Upgrader).Upgrade(oddHijacker{w, nil, tt.rw, tt.err}, requestFrom(t, requestOf(v)))
			if statusOf(err) != 500 || w.Code != 500 || tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%s: %v, answered %d; want 500 and the words %q", tt.name, err, w.Code, tt.words)
			}
		})
	}
}

// http.TimeoutHandler hides the connection. The error says so, and the client
// gets an answer.
func TestHijackInTimeoutHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result := make(chan error, 1)
		client := connectTo(t, &http.Server{Handler: http.TimeoutHandler(echoOnceHandler(new(websocket.Upgrader), result), time.Minute, "late")})
		go io.WriteString(client, requestOf(websocket.RFC6455).String())
		if answer := readRest(t, client); !strings.HasPrefix(answer, "HTTP/1.1 500 ") {
			t.Errorf("answer %q, want 500", answer)
		}
		if err := <-result; statusOf(err) != 500 || !strings.Contains(err.Error(), "*http.timeoutWriter") || !strings.Contains(err.Error(), "http.TimeoutHandler") {
			t.Errorf("%v, want it to name the writer and TimeoutHandler", err)
		}
	})
}

// panicConn is a connection one of whose methods panics.
type panicConn struct {
	closeCounter
	method string
}

func (c *panicConn) panicIn(method string) {
	if c.method == method {
		panic(errHook)
	}
}

func (c *panicConn) Read(p []byte) (int, error)  { c.panicIn("Read"); return c.closeCounter.Read(p) }
func (c *panicConn) Write(p []byte) (int, error) { c.panicIn("Write"); return c.closeCounter.Write(p) }
func (c *panicConn) SetDeadline(at time.Time) error {
	c.panicIn("SetDeadline")
	return c.closeCounter.SetDeadline(at)
}

// No panic leaks the connection that was taken over, or handed to Accept.
func TestPanicOfConnection(t *testing.T) {
	request := requestOf(websocket.Hybi00) // which also reads
	for name, serve := range map[string]func(nc net.Conn){
		"Upgrade": func(nc net.Conn) {
			new(websocket.Upgrader).Upgrade(oddHijacker{httptest.NewRecorder(), nc, nil, nil}, requestFrom(t, request))
		},
		"Accept": func(nc net.Conn) { new(websocket.Upgrader).Accept(context.Background(), nc) },
	} {
		for _, method := range []string{"Read", "Write", "SetDeadline"} {
			if name == "Accept" && method == "SetDeadline" {
				continue // it sets none until it gives up
			}
			t.Run(name+"/"+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					defer client.Close()
					go io.Copy(io.Discard, client)
					if name == "Accept" {
						go io.WriteString(client, request.String())
					}
					nc := &panicConn{closeCounter: closeCounter{Conn: server}, method: method}
					if v := panicOf(func() { serve(nc) }); v != errHook {
						t.Errorf("panic %v, want %v", v, errHook)
					}
					if n := nc.closed.Load(); n == 0 {
						t.Error("the connection was not closed")
					}
				})
			})
		}
	}
}

// brokenContext is a context that a program has forgotten to make: a nil pointer
// that is not a nil Context.
type brokenContext struct{ context.Context }

// A context whose methods panic does so before the connection is taken over, or
// the connection is closed.
func TestBrokenContextLeaksNoConnection(t *testing.T) {
	var broken *brokenContext
	check := websocket.Upgrader{Check: func(*http.Request, http.Header) (context.Context, error) { return broken, nil }}
	for name, s := range map[string]*websocket.Server{
		"of Check":              {Upgrader: check, Handler: echoHandler},
		"of Detach":             {Handler: echoHandler, Detach: func(*http.Request) context.Context { return broken }},
		"of Check, with Detach": {Upgrader: check, Handler: echoHandler, Detach: func(*http.Request) context.Context { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, v websocket.Version) {
				synctest.Test(t, func(t *testing.T) {
					client := connectTo(t, &http.Server{Handler: s})
					go io.WriteString(client, requestOf(v).String())
					if answer := readRest(t, client); strings.HasPrefix(answer, "HTTP/1.1 101 ") {
						t.Errorf("answer %q, want none: there is no connection to serve", answer)
					}
				})
			})
		})
	}
	client, server := net.Pipe()
	defer client.Close()
	go io.WriteString(client, requestOf(websocket.RFC6455).String())
	nc := &closeCounter{Conn: server}
	s := &websocket.Server{Upgrader: check, Handler: echoHandler}
	if v := panicOf(func() { s.ServeConn(context.Background(), nc) }); v == nil || nc.closed.Load() == 0 {
		t.Errorf("ServeConn: panic %v, closed %d times; want both", v, nc.closed.Load())
	}
}
