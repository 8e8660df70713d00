package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// "A frame in the same segment as the handshake, in every version: delivered."
func TestAcceptInAnyPieces(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		input := requestOf(v).String() + helloOf(v, websocket.ClientSide)
		if v == websocket.Hybi00 {
			input = requestOf(v).with("Content-Length", "8").String() + helloOf(v, websocket.ClientSide)
		}
		_, response, _, _ := serve(nil, requestOf(v).String())
		for _, size := range []int{1, 2, 7, len(input) - 1, len(input)} {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				nc := &deadlineLog{Conn: server}
				defer client.Close()
				go func() {
					for piece := range slices.Chunk([]byte(input), size) {
						client.Write(piece)
					}
				}()
				go func() {
					c, err := new(websocket.Upgrader).Accept(t.Context(), nc)
					if err != nil {
						t.Errorf("pieces of %d bytes: %v", size, err)
						return
					}
					nc.check(t)
					echoOnce(c)
					c.Close()
				}()
				wantBytes(t, client, response+helloOf(v, websocket.ServerSide))
			})
		}
	})
}

// acceptStages are what a client does before it goes silent.
var acceptStages = []struct {
	name    string
	client  func(net.Conn)
	refused bool
}{
	{"sends nothing", func(net.Conn) {}, false},
	{"sends half a head", sendStep("GET / HTTP/1.1\r\nHost: a\r\n"), false},
	{"does not read the response", sendStep(requestOf(websocket.RFC6455).String()), false},
	{"sends no key3", func(c net.Conn) {
		io.WriteString(c, requestOf(websocket.Hybi00).head())
		readHead(c)
	}, false},
	{"does not read the answer to key3", func(c net.Conn) {
		io.WriteString(c, requestOf(websocket.Hybi00).head())
		readHead(c)
		io.WriteString(c, hixieKey3)
	}, false},
	{"does not read the refusal", sendStep("POST / HTTP/1.1\r\nHost: a\r\n\r\n"), true},
}

// The handshake ends with its context, at any stage, and leaves nothing behind:
// a bubble does not end while goroutines wait.
func TestAcceptInterrupted(t *testing.T) {
	ends := map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancel": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		},
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
	}
	wraps := map[string]func(net.Conn) net.Conn{
		"pipe":         func(nc net.Conn) net.Conn { return nc },
		"no deadlines": func(nc net.Conn) net.Conn { return noDeadlines{Conn: nc} },
	}
	for _, stage := range acceptStages {
		for endName, end := range ends {
			for wrapName, wrap := range wraps {
				t.Run(stage.name+"/"+endName+"/"+wrapName, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						client, server := net.Pipe()
						go stage.client(client)
						ctx, cancel := end(t.Context())
						defer cancel()
						start := time.Now()
						_, err := new(websocket.Upgrader).Accept(ctx, wrap(server))
						<-ctx.Done() // the deadline of the connection may come first
						if stage.refused && statusOf(err) != 405 || !stage.refused && !errors.Is(err, ctx.Err()) {
							t.Errorf("%v, want the refusal if there was one, and else %v", err, ctx.Err())
						}
						if took := time.Since(start); took != time.Second {
							t.Errorf("returned after %v, want 1s, when the context ended", took)
						}
						checkPeerClosed(t, client)
					})
				})
			}
		}
	}
}

// "A header fed one byte at a time: timed." Bytes that arrive do not extend the
// time.
func TestAcceptTimeout(t *testing.T) {
	tests := []struct {
		name            string
		timeout, parent time.Duration
		want            time.Duration
	}{
		{"default", 0, time.Hour, 10 * time.Second},
		{"set", 3 * time.Second, time.Hour, 3 * time.Second},
		{"context ends first", 3 * time.Second, 2 * time.Second, 2 * time.Second},
		{"none but the context", -1, time.Hour, time.Hour},
	}
	for _, tt := range tests {
		for name, pause := range map[string]time.Duration{"silent": 2 * time.Hour, "byte by byte": 700 * time.Millisecond} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					over := make(chan struct{})
					go func() {
						defer close(over)
						io.WriteString(client, "GET / HTTP/1.1\r\nX: ")
						for {
							<-time.After(pause)
							if _, err := io.WriteString(client, "x"); err != nil {
								return
							}
						}
					}()
					ctx, cancel := context.WithTimeout(t.Context(), tt.parent)
					defer cancel()
					start := time.Now()
					_, err := (&websocket.Upgrader{Config: websocket.Config{HandshakeTimeout: tt.timeout}}).Accept(ctx, server)
					if took := time.Since(start); took != tt.want || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v after %v; want context.DeadlineExceeded after %v", err, took, tt.want)
					}
					client.Close()
					<-over
				})
			})
		}
	}
}

func TestAcceptWithoutTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		go func() {
			<-time.After(365 * 24 * time.Hour)
			io.WriteString(client, requestOf(websocket.Hybi00).String())
			io.Copy(io.Discard, client)
		}()
		c, err := (&websocket.Upgrader{Config: websocket.Config{HandshakeTimeout: -1}}).Accept(t.Context(), server)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

// After a refusal Accept waits for the client, so that no reset destroys the
// answer, but not for long.
func TestAcceptLingers(t *testing.T) {
	tests := []struct {
		name   string
		client func(net.Conn)
		want   time.Duration
	}{
		{"client hangs up", func(c net.Conn) { readHead(c); c.Close() }, 0},
		{"client reads and stays", func(c net.Conn) { io.Copy(io.Discard, c) }, websocket.RefusalLinger},
		{"client goes on sending", func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for {
				<-time.After(time.Millisecond)
				if _, err := io.WriteString(c, "more"); err != nil {
					return
				}
			}
		}, websocket.RefusalLinger},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				over := make(chan struct{})
				go func() {
					defer close(over)
					io.WriteString(client, requestOf(websocket.RFC6455).with("Connection").String())
					tt.client(client)
				}()
				start := time.Now()
				_, err := new(websocket.Upgrader).Accept(t.Context(), server)
				if took := time.Since(start); took != tt.want || statusOf(err) != 400 {
					t.Errorf("%v after %v; want status 400 after %v", err, took, tt.want)
				}
				checkPeerClosed(t, client)
				<-over
			})
		})
	}
}

// acceptHalf is a pipe whose server can close its half.
type acceptHalf struct {
	net.Conn
	ended chan struct{}
}

func (c acceptHalf) CloseWrite() error {
	close(c.ended)
	return nil
}

// After a refusal the server closes its half at once, so that clients that wait
// for it hang up before the time is over.
func TestAcceptRefusalEndsHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		half := acceptHalf{server, make(chan struct{})}
		go func() {
			io.WriteString(client, "POST / HTTP/1.1\r\nHost: a\r\n\r\n")
			http.ReadResponse(bufio.NewReader(client), nil)
			<-half.ended
			client.Close()
		}()
		start := time.Now()
		_, err := new(websocket.Upgrader).Accept(t.Context(), half)
		if took := time.Since(start); took != 0 || statusOf(err) != 405 {
			t.Errorf("%v after %v; want status 405 at once", err, took)
		}
	})
}

// Over TCP a close with unread input sends a reset, which would destroy the
// answer on its way.
func TestAcceptRefusalSurvives(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if nc, err := l.Accept(); err == nil {
			new(websocket.Upgrader).Accept(t.Context(), nc)
		}
	}()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	io.WriteString(client, requestOf(websocket.RFC6455).with("Connection").String()+strings.Repeat("x", 256<<10))
	if got := readRest(t, client); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.HasSuffix(got, "\n") {
		t.Errorf("received %q, want the whole refusal", got)
	}
}

func TestAcceptHangUp(t *testing.T) {
	for sent, words := range map[string]string{"": "after 0 bytes", "GET / ": "after 6 bytes"} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			go func() {
				io.WriteString(client, sent)
				client.Close()
			}()
			_, err := new(websocket.Upgrader).Accept(t.Context(), server)
			if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), words) || statusOf(err) != 0 {
				t.Errorf("%v, want io.ErrUnexpectedEOF %s", err, words)
			}
		})
	}
}

// acceptAnswer gives Accept a request and returns all that it answers.
func acceptAnswer(t *testing.T, up *websocket.Upgrader, request httpMessage) (answer string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		result := make(chan error, 1)
		go func() {
			c, err := up.Accept(t.Context(), server)
			if err == nil {
				c.Close()
			}
			result <- err
		}()
		go io.WriteString(client, request.String())
		answer = readRest(t, client)
		client.Close()
		err = <-result
	})
	return answer, err
}

func TestAcceptMisconfigured(t *testing.T) {
	answer, err := acceptAnswer(t, &websocket.Upgrader{Origins: []string{"example.com"}}, requestOf(websocket.RFC6455))
	if statusOf(err) != 500 || !strings.HasPrefix(answer, "HTTP/1.1 500 ") || strings.Contains(answer, "example.com") {
		t.Errorf("%v, answer %q; want 500 without the reason", err, answer)
	}
}

func TestAcceptTrace(t *testing.T) {
	var failed []error
	opened := 0
	up := &websocket.Upgrader{Config: websocket.Config{Trace: &websocket.Trace{
		HandshakeFailed: func(_ *http.Request, err error) { failed = append(failed, err) },
		Opened:          func(*websocket.Conn) { opened++ },
	}}}
	_, err := acceptAnswer(t, up, requestOf(websocket.RFC6455).with("Connection"))
	if len(failed) != 1 || failed[0] != err || opened != 0 {
		t.Errorf("trace was told %v, %d opened; want %v alone", failed, opened, err)
	}
	if acceptAnswer(t, up, requestOf(websocket.RFC6455)); len(failed) != 1 || opened != 1 {
		t.Errorf("trace was told of %d failures and %d connections, want one more of the latter", len(failed), opened)
	}
}

// A client that speaks HTTP/2 is refused.
func TestAcceptHTTP2Preface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go new(websocket.Upgrader).Accept(t.Context(), server)
		go io.WriteString(client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		res, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil || res.StatusCode != 505 || !res.Close {
			t.Errorf("%+v, %v; want 505 and the end", res, err)
		}
		client.Close()
	})
}
