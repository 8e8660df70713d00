package websocket_test

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

	"github.com/protocol-websocket/websocket"
)

// traceLog records what its hooks are told.
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

func (l *traceLog) trace() *websocket.Trace {
	frame := func(f websocket.FrameInfo) string { return fmt.Sprintf("%v fin=%v %d", f.Opcode, f.Fin, f.Length) }
	return &websocket.Trace{
		Opened:          func(c *websocket.Conn) { l.add("opened %v", c.Version()) },
		HandshakeFailed: func(r *http.Request, err error) { l.add("failed %T, %s", err, traceRequest(r)) },
		FrameRead:       func(_ *websocket.Conn, f websocket.FrameInfo) { l.add("read %v", frame(f)) },
		FrameWritten:    func(_ *websocket.Conn, f websocket.FrameInfo) { l.add("wrote %v", frame(f)) },
		Closed: func(_ *websocket.Conn, err error) {
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

// traceConns returns both sides of a connection, with hooks on each.
func traceConns(t *testing.T, v websocket.Version) (c, s *websocket.Conn, client, server *traceLog) {
	t.Helper()
	client, server = new(traceLog), new(traceLog)
	s, c = newPair(t, v, overPipe, pairOptions{
		server: websocket.Config{Trace: server.trace()}, client: websocket.Config{Trace: client.trace()},
	})
	return c, s, client, server
}

// The hooks are told of everything, in the order in which it happens.
func TestTraceOrder(t *testing.T) {
	for _, tt := range []struct {
		v              websocket.Version
		client, server []string
	}{
		{websocket.RFC6455, []string{
			"opened rfc6455", "wrote Text fin=true 5", "read Ping fin=true 8", "wrote Pong fin=true 8",
			"read Binary fin=false 36864", "read Continuation fin=true 1",
			"wrote Close fin=true 5", "read Close fin=true 5", "closed",
		}, []string{
			"opened rfc6455", "read Text fin=true 5", "wrote Ping fin=true 8", "read Pong fin=true 8",
			"wrote Binary fin=false 36864", "wrote Continuation fin=true 1",
			"read Close fin=true 5", "wrote Close fin=true 5", "closed",
		}},
		{websocket.Hybi00, []string{
			"opened draft-ietf-hybi-00", "wrote Text fin=true 5", "wrote Close fin=true 0", "read Close fin=true 0", "closed",
		}, []string{
			"opened draft-ietf-hybi-00", "read Text fin=true -1", "read Close fin=true 0", "wrote Close fin=true 0", "closed",
		}},
		{websocket.Hixie75, []string{"opened draft-hixie-75", "wrote Text fin=true 5", "closed"},
			[]string{"opened draft-hixie-75", "read Text fin=true -1", "closed"}},
	} {
		t.Run(tt.v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s, client, server := traceConns(t, tt.v)
				go c.WriteMessage(websocket.Text, []byte("hello"))
				s.ReadMessage()
				if tt.v == websocket.RFC6455 {
					tracePingAndFragments(c, s)
				}
				go readToEnd(s)
				c.Shutdown(t.Context(), 4000, "bye")
				time.Sleep(websocket.CloseTimeout) // of the bubble
				client.want(t, "client", tt.client...)
				server.want(t, "server", tt.server...)
			})
		})
	}
}

func tracePingAndFragments(c, s *websocket.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.ReadMessage()
	}()
	go s.ReadMessage() // ended by Shutdown
	s.Ping(context.Background())
	w, _ := s.NextWriter(websocket.Binary)
	w.Write(make([]byte, websocket.FragmentSize+websocket.TailSize))
	w.Write([]byte{1})
	w.Close()
	<-done
}

// Closed is told the same cause as the reads of the program.
func TestTraceClosedCause(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c, s *websocket.Conn) // the hooks are those of s
		want func(error) bool
	}{
		{"peer closed", func(c, s *websocket.Conn) { go c.Shutdown(context.Background(), 4000, "") },
			func(err error) bool { var ce *websocket.CloseError; return errors.As(err, &ce) && ce.Code == 4000 }},
		{"peer broke the protocol", func(c, s *websocket.Conn) { go c.NetConn().Write([]byte{0xff, 0}) },
			func(err error) bool { var pe *websocket.ProtocolError; return errors.As(err, &pe) }},
		{"peer hung up", func(c, s *websocket.Conn) { c.Close() },
			func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"Close", func(c, s *websocket.Conn) { s.Close() },
			func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		{"Shutdown, answered", func(c, s *websocket.Conn) { go readToEnd(c); s.Shutdown(context.Background(), 4000, "") },
			func(err error) bool { var ce *websocket.CloseError; return errors.As(err, &ce) && ce.Code == 4000 }},
		{"Shutdown, not answered", func(c, s *websocket.Conn) { s.Shutdown(context.Background(), 4000, "") },
			func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s, _, log := traceConns(t, websocket.RFC6455)
				tt.end(c, s)
				readToEnd(s)
				time.Sleep(2 * websocket.CloseTimeout) // of the bubble
				c.Close()
				if err := log.cause(); !tt.want(err) {
					t.Errorf("Closed was told %v", err)
				}
			})
		})
	}
}

// Every way to make a connection reports its failure to the hook.
func TestTraceHandshakeFailed(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name string
		fail func(t *testing.T, config websocket.Config) error
		want string
	}{
		{"Upgrade", func(t *testing.T, config websocket.Config) error {
			up := websocket.Upgrader{Config: config}
			var err error
			startInBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Method = "POST"
				_, err = up.Upgrade(w, r)
			})).refusal(t)
			return err
		}, "failed *websocket.HandshakeError, POST server.test/"},
		{"Accept", func(t *testing.T, config websocket.Config) error {
			client, server := net.Pipe()
			go func() {
				io.WriteString(client, "POST / HTTP/1.1\r\nHost: trace.test\r\n\r\n")
				io.Copy(io.Discard, client)
			}()
			_, err := (&websocket.Upgrader{Config: config}).Accept(ctx, server)
			client.Close()
			return err
		}, "failed *websocket.HandshakeError, POST trace.test/"},
		{"Accept, bad name of a header", func(t *testing.T, config websocket.Config) error {
			client, server := net.Pipe()
			go func() {
				io.WriteString(client, "GET / HTTP/1.1\r\nHost: trace.test\r\nA : b\r\n\r\n")
				io.Copy(io.Discard, client)
			}()
			_, err := (&websocket.Upgrader{Config: config}).Accept(ctx, server)
			client.Close()
			return err
		}, "failed *websocket.HandshakeError, GET trace.test/"},
		{"Accept, no request", func(t *testing.T, config websocket.Config) error {
			client, server := net.Pipe()
			client.Close()
			_, err := (&websocket.Upgrader{Config: config}).Accept(ctx, server)
			return err
		}, "failed *fmt.wrapError, no request"},
		{"Accept, key3 never comes", func(t *testing.T, config websocket.Config) error {
			client, server := net.Pipe()
			go func() {
				io.WriteString(client, requestOf(websocket.Hybi00).head())
				readHead(client)
				client.Close()
			}()
			_, err := (&websocket.Upgrader{Config: config}).Accept(ctx, server)
			return err
		}, "failed *fmt.wrapError, GET lab.example:8080/chat"},
		{"Handshake", func(t *testing.T, config websocket.Config) error {
			client, server := net.Pipe()
			go func() {
				server.Read(make([]byte, 4096))
				io.WriteString(server, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
			}()
			_, err := (&websocket.Dialer{Config: config}).Handshake(ctx, client, "ws://trace.test/")
			return err
		}, "failed *websocket.HandshakeError, GET trace.test/"},
		{"Handshake, bad URL", func(t *testing.T, config websocket.Config) error {
			client, _ := net.Pipe()
			_, err := (&websocket.Dialer{Config: config}).Handshake(ctx, client, "ftp://trace.test/")
			return err
		}, "failed *fmt.wrapError, no request"},
		{"Dial, bad URL", func(t *testing.T, config websocket.Config) error {
			_, err := (&websocket.Dialer{Config: config}).Dial(ctx, "ftp://trace.test/")
			return err
		}, "failed *fmt.wrapError, no request"},
		{"Dial", func(t *testing.T, config websocket.Config) error {
			d := websocket.Dialer{Config: config, DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("no route")
			}}
			_, err := d.Dial(ctx, "ws://127.0.0.1:81/x")
			return err
		}, "failed *fmt.wrapError, GET 127.0.0.1:81/x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log traceLog
				if err := tt.fail(t, websocket.Config{Trace: log.trace()}); err == nil {
					t.Error("the handshake did not fail")
				}
				log.want(t, "program", tt.want)
			})
		})
	}
}

type traceKey struct{}

// A client's hook is given the request that was sent, without the secrets in
// it.
func TestTraceClientRequest(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		var told *http.Request
		jar, _ := cookiejar.New(nil)
		d := &websocket.Dialer{
			Config: websocket.Config{Trace: &websocket.Trace{HandshakeFailed: func(r *http.Request, _ error) { told = r }}}, Version: v, Jar: jar, Subprotocols: []string{"chat"},
			Header:      http.Header{"Host": {"virtual.example"}, "Origin": {"http://page.example"}, "X-Tenant": {"7"}, "cookie": {"a=secret"}, "cookie2": {"secret"}, "proxy-authorization": {"Basic secret"}},
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
		want := map[string]string{
			"Upgrade": upgradeOf(v), "Connection": "Upgrade", "Sec-Websocket-Version": numberOf(v), "Host": "", "Authorization": "", "Cookie": "",
			"X-Tenant": "7", originHeader(v): "http://page.example", protocolHeader(v): "chat",
		}
		for name, value := range want {
			if got := told.Header.Get(name); got != value {
				t.Errorf("header %s is %q, want %q", name, got, value)
			}
		}
		if dump := fmt.Sprint(told.Header, told.URL); strings.Contains(dump, "secret") {
			t.Errorf("the request tells a secret: %s", dump)
		}
		if h, err := websocket.NewClientHandshake(d, "wss://user:secret@127.0.0.1/"); err != nil || strings.Count(string(h.AppendRequest(nil)), "secret") != 4 {
			t.Errorf("the request that is sent lacks cookies: %v", err)
		}
	})
}

// Each hook may be nil.
func TestTraceWithoutHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		config := websocket.Config{Trace: new(websocket.Trace)}
		go func() {
			c, err := (&websocket.Upgrader{Config: config}).Accept(context.Background(), server)
			if err == nil {
				echoHandler(context.Background(), c)
			}
		}()
		c, err := (&websocket.Dialer{Config: config}).Handshake(context.Background(), client, "ws://trace.test/")
		if err != nil {
			t.Fatal(err)
		}
		c.WriteMessage(websocket.Text, []byte("hello"))
		if _, p, err := c.ReadMessage(); string(p) != "hello" || err != nil {
			t.Errorf("echo is %q, %v", p, err)
		}
		c.Shutdown(context.Background(), websocket.StatusNormalClosure, "")
		time.Sleep(websocket.CloseTimeout) // of the bubble
	})
}

// FrameWritten is told of frames in the order in which they leave, whoever sends
// them and in whatever way. What Close cuts off it is told of too.
func TestFrameWrittenKeepsTheOrder(t *testing.T) {
	for range stressRounds(3) {
		var mu sync.Mutex
		var told []string
		c, peer := newTCP(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{
			Trace: &websocket.Trace{FrameWritten: func(_ *websocket.Conn, f websocket.FrameInfo) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprint(f.Opcode, f.Length))
			}},
		})
		c.Discard(t.Context())
		const pings = 200
		go func() {
			for i := range pings {
				peer.Write(peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Ping, make([]byte, i%100)}))
			}
		}()
		var writers sync.WaitGroup
		for i := range 4 {
			m, err := websocket.Prepare(websocket.Text, make([]byte, 100+i))
			if err != nil {
				t.Fatal(err)
			}
			for name, write := range writeErrorWays {
				writers.Go(func() {
					for range 20 {
						if err := errors.Join(write(c), c.WritePrepared(m), c.WriteMessage(websocket.Binary, make([]byte, 200+i))); err != nil {
							t.Errorf("%s: %v", name, err)
						}
						c.Ping(cancelled(t))
					}
				})
			}
		}
		go func() {
			writers.Wait()
			if err := c.Flush(); err != nil {
				t.Error(err)
			}
			c.Close()
		}()
		wire, _ := io.ReadAll(peer)
		var left []string
		for len(wire) > 0 {
			f, n, err := websocket.ParseFrame(wire, websocket.RFC6455)
			if err != nil {
				break // Close has cut off a Pong
			}
			left, wire = append(left, fmt.Sprint(f.Opcode, len(f.Payload))), wire[n:]
		}
		mu.Lock()
		if len(left) < 100 || !slices.Equal(told[:min(len(told), len(left))], left) {
			at := 0
			for at < min(len(told), len(left)) && told[at] == left[at] {
				at++
			}
			t.Errorf("told of %d frames, and %d left; from number %d on told of %q, but %q left",
				len(told), len(left), at, told[at:min(at+3, len(told))], left[at:min(at+3, len(left))])
		}
		mu.Unlock()
	}
}
