package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// "A frame in the same segment as the handshake, for client, in every version:
// delivered."
func TestDialFrameInSameSegment(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for _, size := range []int{1, 3, 100, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				more := strings.Repeat(helloOf(v, websocket.ServerSide), 500) // more than one read takes
				link := &pipeLink{Serve: answerWith(v, more, size)}
				c, err := dialerOver(websocket.Dialer{Version: v}, link).Dial(t.Context(), "ws://lab.example/")
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for i := range 500 {
					if _, got, err := c.ReadMessage(); err != nil || string(got) != "Hello" {
						t.Fatalf("message %d in pieces of %d bytes: %q, %v; want Hello", i, size, got, err)
					}
				}
				if c.Response().StatusCode != 101 || c.Version() != v || link.Addr != "tcp lab.example:80" {
					t.Errorf("response %d, version %v, dialed %q", c.Response().StatusCode, c.Version(), link.Addr)
				}
			})
		}
	})
}

func TestDialLeavesNoDeadline(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		synctest.Test(t, func(t *testing.T) {
			link := &pipeLink{Serve: answerWith(v, "", 1<<20)}
			nc, _ := link.Dial(t.Context(), "", "")
			watched := &deadlineLog{Conn: nc}
			c, err := (&websocket.Dialer{Version: v}).Handshake(t.Context(), watched, "ws://lab.example/")
			if err != nil {
				t.Fatal(err)
			}
			watched.check(t)
			c.Close()
		})
	})
}

// dialStages are what a server does before it goes silent.
var dialStages = []struct {
	name   string
	v      websocket.Version
	server func(net.Conn)
	status int // of the refusal that arrives before, if one does
}{
	{"does not read the request", websocket.RFC6455, func(net.Conn) {}, 0},
	{"does not answer", websocket.RFC6455, func(c net.Conn) { readHead(c) }, 0},
	{"sends half a response", websocket.RFC6455, func(c net.Conn) {
		readHead(c)
		io.WriteString(c, "HTTP/1.1 101 x\r\n")
	}, 0},
	{"sends interim responses", websocket.RFC6455, func(c net.Conn) {
		readHead(c)
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
	}, 0},
	{"does not read key3", websocket.Hybi00, func(c net.Conn) { readHead(c) }, 0},
	{"sends half the answer to key3", websocket.Hybi00, func(c net.Conn) {
		_, response, _, _ := serve(nil, readRequest(c, websocket.Hybi00))
		io.WriteString(c, response[:len(response)-8])
	}, 0},
	{"sends half a refusal's body", websocket.RFC6455, func(c net.Conn) {
		readHead(c)
		io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nbecau")
	}, 403},
}

// The handshake ends with its context, at any stage, and leaves no goroutine
// behind: a bubble does not end while one waits.
func TestDialInterrupted(t *testing.T) {
	const after = httphead.BodyWait / 2
	cancelled := func(ctx context.Context, _ *websocket.Dialer) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(after, cancel)
		return ctx, cancel
	}
	ends := map[string]struct {
		begin func(context.Context, *websocket.Dialer) (context.Context, context.CancelFunc)
		want  error
	}{
		"cancel": {cancelled, context.Canceled},
		"deadline": {func(ctx context.Context, _ *websocket.Dialer) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, after)
		}, context.DeadlineExceeded},
		"timeout": {func(ctx context.Context, d *websocket.Dialer) (context.Context, context.CancelFunc) {
			d.HandshakeTimeout = after
			return ctx, func() {}
		}, context.DeadlineExceeded},
	}
	for _, stage := range dialStages {
		for endName, end := range ends {
			for _, crude := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/crude %t", stage.name, endName, crude), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						over := make(chan struct{})
						link := &pipeLink{Serve: func(c net.Conn) { stage.server(c); <-over }}
						d := dialerOver(websocket.Dialer{Version: stage.v}, link)
						if crude {
							d.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
								nc, err := link.Dial(ctx, network, addr)
								return noDeadlines{Conn: nc}, err
							}
						}
						ctx, cancel := end.begin(t.Context(), d)
						defer cancel()
						start := time.Now()
						_, err := d.Dial(ctx, "ws://lab.example/")
						if took := time.Since(start); took != after {
							t.Errorf("returned after %v, want %v, when it was to end", took, after)
						}
						if status := statusOf(err); status != stage.status || status == 0 && !errors.Is(err, end.want) {
							t.Errorf("%v, want the refusal if one came (%d), and else %v", err, stage.status, end.want)
						}
						link.CheckClosed(t)
						close(over)
					})
				})
			}
		}
	}
}

// HandshakeTimeout includes the time to connect.
func TestDialTimeoutCoversDialing(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 10 * time.Second, time.Second: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			d := &websocket.Dialer{Config: websocket.Config{HandshakeTimeout: timeout}, Proxy: noProxy}
			d.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			start := time.Now()
			_, err := d.Dial(t.Context(), "ws://lab.example/")
			if took := time.Since(start); took != want || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v after %v; want context.DeadlineExceeded after %v", err, took, want)
			}
		})
	}
}

// Bytes that arrive do not extend HandshakeTimeout.
func TestDialTimeoutIsNotExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &pipeLink{Serve: func(c net.Conn) {
			readHead(c)
			io.WriteString(c, "HTTP/1.1 101 x\r\nX: ")
			for {
				<-time.After(300 * time.Millisecond)
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		}}
		start := time.Now()
		_, err := dialerOver(websocket.Dialer{}, link).Dial(t.Context(), "ws://lab.example/")
		if took := time.Since(start); took != 10*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v; want context.DeadlineExceeded after 10s", err, took)
		}
		<-time.After(time.Second) // the server notices
	})
}

// "Endless response headers: the client gives up at the limit."
func TestDialEndlessHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		link := &pipeLink{Serve: func(c net.Conn) {
			readHead(c)
			io.WriteString(c, "HTTP/1.1 101 x\r\n")
			for {
				n, err := io.WriteString(c, "X-Filler: 0123456789\r\n")
				if sent += n; err != nil {
					return
				}
			}
		}}
		_, err := dialerOver(websocket.Dialer{}, link).Dial(t.Context(), "ws://lab.example/")
		if err == nil || !strings.Contains(err.Error(), "65536 bytes") {
			t.Errorf("%v, want an error that names the limit", err)
		}
		link.CheckClosed(t)
		synctest.Wait()
		if sent > httphead.MaxBytes+4096 {
			t.Errorf("the server could send %d bytes, want about %d", sent, httphead.MaxBytes)
		}
	})
}

func TestDialFails(t *testing.T) {
	failure := errors.New("no route")
	d := &websocket.Dialer{Proxy: noProxy, DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, failure }}
	if _, err := d.Dial(t.Context(), "ws://lab.example/"); !errors.Is(err, failure) || !strings.HasPrefix(err.Error(), "websocket: ") {
		t.Errorf("%v, want an error of this package that wraps %v", err, failure)
	}
	d.Proxy = func(*http.Request) (*url.URL, error) { return nil, failure }
	if _, err := d.Dial(t.Context(), "ws://lab.example/"); !errors.Is(err, failure) || !strings.HasPrefix(err.Error(), "websocket: ") {
		t.Errorf("%v, want an error of this package that wraps %v", err, failure)
	}
}

// Options that cannot be sent are refused before the Dialer connects.
func TestDialChecksFirst(t *testing.T) {
	for name, d := range map[string]*websocket.Dialer{
		"header":      {Header: http.Header{"X": {"a\r\nb"}}},
		"subprotocol": {Subprotocols: []string{"a b"}},
		"version":     {Version: 99},
	} {
		d.DialContext = func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%s: dialed", name)
			return nil, io.EOF
		}
		told := 0
		d.Trace = &websocket.Trace{HandshakeFailed: func(*http.Request, error) { told++ }}
		if _, err := d.Dial(t.Context(), "ws://lab.example/"); err == nil {
			t.Errorf("%s: no error", name)
		}
		client, server := net.Pipe()
		if _, err := d.Handshake(t.Context(), client, "ws://lab.example/"); err == nil {
			t.Errorf("%s: no error of Handshake", name)
		}
		checkPeerClosed(t, server)
		if told != 2 {
			t.Errorf("%s: trace was told %d failures, want those of Dial and Handshake", name, told)
		}
	}
}

func TestDialTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		d := websocket.Dialer{Config: websocket.Config{Trace: &websocket.Trace{
			HandshakeFailed: func(_ *http.Request, err error) { told = append(told, fmt.Sprint(statusOf(err))) },
			Opened:          func(c *websocket.Conn) { told = append(told, c.Version().String()) },
		}}}
		c, err := dialerOver(d, &pipeLink{Serve: answerWith(websocket.RFC6455, "", 1<<20)}).Dial(t.Context(), "ws://lab.example/")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		dialerOver(d, &pipeLink{Serve: func(c net.Conn) {
			readHead(c)
			io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		}}).Dial(t.Context(), "ws://lab.example/")
		if want := []string{"rfc6455", "404"}; !slices.Equal(told, want) {
			t.Errorf("trace was told %q, want %q", told, want)
		}
	})
}

// Cookies, basic authentication, Host and Origin reach a handler of net/http,
// and its cookies come back.
func TestDialOptionsArrive(t *testing.T) {
	requests := make(chan *http.Request, 1)
	up := &websocket.Upgrader{CheckOrigin: func(*http.Request, string) error { return nil }}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		w.Header().Set("Set-Cookie", "session=1")
		if c, err := up.Upgrade(w, r); err == nil {
			c.Close()
		}
	}))
	defer srv.Close()
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		d := &websocket.Dialer{Version: v, Jar: jar, Header: http.Header{"Host": {"virtual.example"}, "Origin": {"http://page.example"}}}
		for _, cookie := range []string{"", "1"} { // set by the first response
			c, err := d.Dial(t.Context(), "ws://Aladdin:open%20sesame@"+srv.Listener.Addr().String()+"/%2Fa?b=c")
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			r := <-requests
			user, password, _ := r.BasicAuth()
			if user != "Aladdin" || password != "open sesame" || r.Host != "virtual.example" || r.RequestURI != "/%2Fa?b=c" {
				t.Errorf("request for %s on %s by %s:%s", r.RequestURI, r.Host, user, password)
			}
			if origin := r.Header.Values(originHeader(v)); len(origin) != 1 || origin[0] != "http://page.example" {
				t.Errorf("origin %q in %s, headers %v", origin, originHeader(v), r.Header)
			}
			if got, _ := r.Cookie("session"); (got != nil) != (cookie != "") || got != nil && got.Value != cookie {
				t.Errorf("cookie %v, want %q", got, cookie)
			}
		}
	})
}

func TestDialUnixSocket(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(echoOnceHandler(&websocket.Upgrader{}, nil))
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	defer srv.Close()
	d := &websocket.Dialer{Proxy: noProxy, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		if addr != "lab.example:80" {
			t.Errorf("asked to dial %q", addr)
		}
		return new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
	}}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		d.Version = v
		c, err := d.Dial(t.Context(), "ws://lab.example/")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		checkEcho(t, c)
	})
}

// The end of the context after the handshake does not end the connection.
func TestDialOutlivesContext(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			go func() {
				c, err := new(websocket.Upgrader).Accept(ctx, server)
				if err != nil {
					t.Error(err)
					return
				}
				echoOnce(c)
				c.Close()
			}()
			c, err := (&websocket.Dialer{Version: v}).Handshake(ctx, client, "ws://lab.example/")
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the server has returned as well
			cancel()
			<-time.After(time.Hour)
			checkEcho(t, c)
			c.Close()
		})
	})
}

// A server that does not accept a version names those that it accepts.
func TestDialVersionNotTaken(t *testing.T) {
	srv := httptest.NewServer(echoOnceHandler(&websocket.Upgrader{Versions: []websocket.Version{websocket.RFC6455, websocket.Hybi07}}, nil))
	defer srv.Close()
	for _, v := range []websocket.Version{websocket.Hybi10, websocket.Hybi00, websocket.Hixie75} {
		_, err := (&websocket.Dialer{Version: v}).Dial(t.Context(), srv.URL)
		if statusOf(err) != 426 || !strings.Contains(err.Error(), "13, 7") {
			t.Errorf("%v: %v; want status 426 and the versions 13, 7", v, err)
		}
	}
}
