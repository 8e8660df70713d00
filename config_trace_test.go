package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// traceLog writes down what its hooks are told.
type traceLog struct {
	mu    sync.Mutex
	lines []string
	last  error // that Closed was told
}

func (l *traceLog) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func traceRequest(r *http.Request) string {
	if r == nil {
		return "no request"
	}
	return r.Method + " " + r.Host + r.URL.Path
}

func (l *traceLog) trace() *Trace {
	frame := func(f FrameInfo) string { return fmt.Sprintf("%v fin=%v %d", f.Opcode, f.Fin, f.Length) }
	return &Trace{
		Opened:          func(c *Conn) { l.add("opened %v", c.Version()) },
		HandshakeFailed: func(r *http.Request, err error) { l.add("failed %T, %s", err, traceRequest(r)) },
		FrameRead:       func(_ *Conn, f FrameInfo) { l.add("read %v", frame(f)) },
		FrameWritten:    func(_ *Conn, f FrameInfo) { l.add("wrote %v", frame(f)) },
		Closed: func(_ *Conn, err error) {
			l.add("closed")
			l.mu.Lock()
			defer l.mu.Unlock()
			l.last = err
		},
	}
}

func (l *traceLog) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *traceLog) want(t *testing.T, side string, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.lines, want) {
		t.Errorf("the %s was told\n%q\nexpected\n%q", side, l.lines, want)
	}
}

// traceConns returns both ends of a connection with hooks on each.
func traceConns(t *testing.T, v Version) (c, s *Conn, client, server *traceLog) {
	t.Helper()
	client, server = new(traceLog), new(traceLog)
	cn, sn := net.Pipe()
	accepted := make(chan *Conn)
	go func() {
		up := Upgrader{Config: Config{Trace: server.trace()}}
		s, err := up.Accept(context.Background(), sn)
		if err != nil {
			t.Errorf("Accept: %v", err)
		}
		accepted <- s
	}()
	d := Dialer{Version: v, Config: Config{Trace: client.trace()}}
	c, err := d.Handshake(context.Background(), cn, "ws://trace.test/")
	if err != nil {
		t.Fatalf("Handshake: %v", err)
	}
	return c, <-accepted, client, server
}

// The hooks hear of everything, in the order in which it happens.
func TestTraceOrder(t *testing.T) {
	for _, tt := range []struct {
		v              Version
		client, server []string
	}{
		{RFC6455, []string{
			"opened rfc6455", "wrote Text fin=true 5", "read Ping fin=true 8", "wrote Pong fin=true 8",
			"read Binary fin=false 16384", "read Continuation fin=true 1",
			"wrote Close fin=true 5", "read Close fin=true 5", "closed",
		}, []string{
			"opened rfc6455", "read Text fin=true 5", "wrote Ping fin=true 8", "read Pong fin=true 8",
			"wrote Binary fin=false 16384", "wrote Continuation fin=true 1",
			"read Close fin=true 5", "wrote Close fin=true 5", "closed",
		}},
		{Hybi00, []string{
			"opened draft-ietf-hybi-00", "wrote Text fin=true 5", "wrote Close fin=true 0", "read Close fin=true 0", "closed",
		}, []string{
			"opened draft-ietf-hybi-00", "read Text fin=true -1", "read Close fin=true 0", "wrote Close fin=true 0", "closed",
		}},
		{Hixie75, []string{"opened draft-hixie-75", "wrote Text fin=true 5", "closed"},
			[]string{"opened draft-hixie-75", "read Text fin=true -1", "closed"}},
	} {
		t.Run(tt.v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s, client, server := traceConns(t, tt.v)
				go c.WriteMessage(Text, []byte("hello"))
				s.ReadMessage()
				if tt.v == RFC6455 {
					tracePingAndFragments(c, s)
				}
				go readToEnd(s)
				c.Shutdown(t.Context(), 4000, "bye")
				time.Sleep(closeTimeout) // of the bubble
				client.want(t, "client", tt.client...)
				server.want(t, "server", tt.server...)
			})
		})
	}
}

func tracePingAndFragments(c, s *Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.ReadMessage()
	}()
	go s.ReadMessage() // ended by Shutdown
	s.Ping(context.Background())
	w, _ := s.NextWriter(Binary)
	w.Write(make([]byte, fragmentSize))
	w.Write([]byte{1})
	w.Close()
	<-done
}

// Closed is told the reason that the program's reads are told.
func TestTraceClosedCause(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c, s *Conn) // the hooks are those of s
		want func(error) bool
	}{
		{"peer closed", func(c, s *Conn) { go c.Shutdown(context.Background(), 4000, "") },
			func(err error) bool { var ce *CloseError; return errors.As(err, &ce) && ce.Code == 4000 }},
		{"peer broke the protocol", func(c, s *Conn) { go c.NetConn().Write([]byte{0xff, 0}) },
			func(err error) bool { var pe *ProtocolError; return errors.As(err, &pe) }},
		{"peer hung up", func(c, s *Conn) { c.Close() },
			func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"Close", func(c, s *Conn) { s.Close() },
			func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		{"Shutdown, answered", func(c, s *Conn) { go readToEnd(c); s.Shutdown(context.Background(), 4000, "") },
			func(err error) bool { var ce *CloseError; return errors.As(err, &ce) && ce.Code == 4000 }},
		{"Shutdown, not answered", func(c, s *Conn) { s.Shutdown(context.Background(), 4000, "") },
			func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s, _, log := traceConns(t, RFC6455)
				tt.end(c, s)
				readToEnd(s)
				time.Sleep(2 * closeTimeout) // of the bubble
				c.Close()
				if err := log.cause(); !tt.want(err) {
					t.Errorf("Closed was told %v", err)
				}
			})
		})
	}
}

// Every way to begin a connection tells of its failure.
func TestTraceHandshakeFailed(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name string
		fail func(t *testing.T, config Config) error
		want string
	}{
		{"Upgrade", func(t *testing.T, config Config) error {
			up := Upgrader{Config: config}
			var err error
			startInBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Method = "POST"
				_, err = up.Upgrade(w, r)
			})).refusal(t)
			return err
		}, "failed *websocket.HandshakeError, POST server.test/"},
		{"Accept", func(t *testing.T, config Config) error {
			client, server := net.Pipe()
			go func() {
				io.WriteString(client, "POST / HTTP/1.1\r\nHost: trace.test\r\n\r\n")
				io.Copy(io.Discard, client)
			}()
			_, err := (&Upgrader{Config: config}).Accept(ctx, server)
			client.Close()
			return err
		}, "failed *websocket.HandshakeError, POST trace.test/"},
		{"Accept, bad name of a header", func(t *testing.T, config Config) error {
			client, server := net.Pipe()
			go func() {
				io.WriteString(client, "GET / HTTP/1.1\r\nHost: trace.test\r\nA : b\r\n\r\n")
				io.Copy(io.Discard, client)
			}()
			_, err := (&Upgrader{Config: config}).Accept(ctx, server)
			client.Close()
			return err
		}, "failed *websocket.HandshakeError, GET trace.test/"},
		{"Accept, no request", func(t *testing.T, config Config) error {
			client, server := net.Pipe()
			client.Close()
			_, err := (&Upgrader{Config: config}).Accept(ctx, server)
			return err
		}, "failed *fmt.wrapError, no request"},
		{"Accept, key3 never comes", func(t *testing.T, config Config) error {
			client, server := net.Pipe()
			go func() {
				io.WriteString(client, requestOf(Hybi00).head())
				readHead(client)
				client.Close()
			}()
			_, err := (&Upgrader{Config: config}).Accept(ctx, server)
			return err
		}, "failed *fmt.wrapError, GET lab.example:8080/chat"},
		{"Handshake", func(t *testing.T, config Config) error {
			client, server := net.Pipe()
			go func() {
				server.Read(make([]byte, 4096))
				io.WriteString(server, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
			}()
			_, err := (&Dialer{Config: config}).Handshake(ctx, client, "ws://trace.test/")
			return err
		}, "failed *websocket.HandshakeError, GET trace.test/"},
		{"Handshake, bad URL", func(t *testing.T, config Config) error {
			client, _ := net.Pipe()
			_, err := (&Dialer{Config: config}).Handshake(ctx, client, "http://trace.test/")
			return err
		}, "failed *fmt.wrapError, no request"},
		{"Dial, bad URL", func(t *testing.T, config Config) error {
			_, err := (&Dialer{Config: config}).Dial(ctx, "http://trace.test/")
			return err
		}, "failed *fmt.wrapError, no request"},
		{"Dial", func(t *testing.T, config Config) error {
			d := Dialer{Config: config, DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("no route")
			}}
			_, err := d.Dial(ctx, "ws://127.0.0.1:81/x")
			return err
		}, "failed *fmt.wrapError, GET 127.0.0.1:81/x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log traceLog
				if err := tt.fail(t, Config{Trace: log.trace()}); err == nil {
					t.Error("the handshake did not fail")
				}
				log.want(t, "program", tt.want)
			})
		})
	}
}

type traceKey struct{}

// The request that a client's hook is given is that which was sent, without the
// secrets in it.
func TestTraceClientRequest(t *testing.T) {
	eachVersion(t, func(t *testing.T, v Version) {
		var told *http.Request
		jar, _ := cookiejar.New(nil)
		d := &Dialer{
			Config: Config{Trace: &Trace{HandshakeFailed: func(r *http.Request, _ error) { told = r }}}, Version: v, Jar: jar, Subprotocols: []string{"chat"},
			Header:      http.Header{"Host": {"virtual.example"}, "Origin": {"http://page.example"}, "X-Tenant": {"7"}, "cookie": {"a=secret"}},
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") },
		}
		jar.SetCookies(&url.URL{Scheme: "https", Host: "127.0.0.1", Path: "/"}, []*http.Cookie{{Name: "b", Value: "secret"}})
		d.Dial(context.WithValue(t.Context(), traceKey{}, "mine"), "wss://user:secret@127.0.0.1:81/x?y=z")
		if told == nil {
			t.Fatal("the hook was given no request")
		}
		if told.Method != "GET" || told.URL.String() != "https://127.0.0.1:81/x?y=z" || told.Host != "virtual.example" || told.Context().Value(traceKey{}) != "mine" {
			t.Errorf("request %s %v, Host %s, value %v", told.Method, told.URL, told.Host, told.Context().Value(traceKey{}))
		}
		traits := v.traits()
		want := map[string]string{
			"Upgrade": traits.upgrade, "Connection": "Upgrade", "Sec-Websocket-Version": traits.number, "Host": "", "Authorization": "", "Cookie": "",
			"X-Tenant": "7", traits.originHeader: "http://page.example", traits.protocolHeader: "chat",
		}
		for name, value := range want {
			if got := told.Header.Get(name); got != value {
				t.Errorf("header %s is %q, want %q", name, got, value)
			}
		}
		if dump := fmt.Sprint(told.Header, told.URL); strings.Contains(dump, "secret") {
			t.Errorf("the request tells a secret: %s", dump)
		}
		if h, err := NewClientHandshake(d, "wss://user:secret@127.0.0.1/"); err != nil || strings.Count(string(h.AppendRequest(nil)), "secret") != 2 {
			t.Errorf("the request that is sent lacks cookies: %v", err)
		}
	})
}

// Hooks may be left out, each by itself.
func TestTraceWithoutHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		config := Config{Trace: new(Trace)}
		go func() {
			c, err := (&Upgrader{Config: config}).Accept(context.Background(), server)
			if err == nil {
				echoHandler(context.Background(), c)
			}
		}()
		c, err := (&Dialer{Config: config}).Handshake(context.Background(), client, "ws://trace.test/")
		if err != nil {
			t.Fatal(err)
		}
		c.WriteMessage(Text, []byte("hello"))
		if _, p, err := c.ReadMessage(); string(p) != "hello" || err != nil {
			t.Errorf("echo is %q, %v", p, err)
		}
		c.Shutdown(context.Background(), StatusNormalClosure, "")
		time.Sleep(closeTimeout) // of the bubble
	})
}
