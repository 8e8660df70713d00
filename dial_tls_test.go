package websocket_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// dialTLSServer starts a server that echoes over TLS. Its certificate is for
// lab.example, and it prefers HTTP/2. d connects to it whatever the name is.
func dialTLSServer(t *testing.T) (d websocket.Dialer, addr string) {
	t.Helper()
	serverConfig, clientConfig := newTLSConfigs("lab.example")
	clientConfig.ServerName = ""
	srv := httptest.NewUnstartedServer(echoOnceHandler(&websocket.Upgrader{}, nil))
	srv.EnableHTTP2 = true
	srv.TLS = serverConfig
	srv.TLS.NextProtos = []string{"h2", "http/1.1"}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	addr = srv.Listener.Addr().String()
	d.TLSConfig, d.Proxy = clientConfig, noProxy
	d.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return d, addr
}

// "wss to a certificate for another name fails: directly, through a proxy, with
// a caller's TLS config."
func TestDialChecksCertificate(t *testing.T) {
	direct, addr := dialTLSServer(t)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = addr // wherever it was to go
		relayConnect(w, r)
	}))
	defer proxy.Close()
	var wrongName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	failing := errors.New("not this one")
	tests := []struct {
		name string
		url  string
		edit func(*tls.Config)
		want any // target for errors.As, nil for success
	}{
		{"right name", "wss://lab.example/", func(*tls.Config) {}, nil},
		{"right name in upper case", "wss://LAB.example/", func(*tls.Config) {}, nil},
		{"right name with a final dot", "wss://lab.example./", func(*tls.Config) {}, nil},
		{"right name on another port", "wss://lab.example:8443/", func(*tls.Config) {}, nil},
		{"HTTP/2 wanted by the caller", "wss://lab.example/", func(c *tls.Config) { c.NextProtos = []string{"h2"} }, nil},
		{"name given by the caller", "wss://192.0.2.1/", func(c *tls.Config) { c.ServerName = "lab.example" }, nil},
		{"no verification wanted", "wss://evil.example/", func(c *tls.Config) { c.InsecureSkipVerify = true }, nil},
		{"another name", "wss://evil.example/", func(*tls.Config) {}, &wrongName},
		{"name above", "wss://example/", func(*tls.Config) {}, &wrongName},
		{"name below", "wss://x.lab.example/", func(*tls.Config) {}, &wrongName},
		{"address", "wss://192.0.2.1/", func(*tls.Config) {}, &wrongName},
		{"another name given by the caller", "wss://lab.example/", func(c *tls.Config) { c.ServerName = "evil.example" }, &wrongName},
		{"Host does not count", "wss://evil.example/", func(*tls.Config) {}, &wrongName},
		{"unknown authority", "wss://lab.example/", func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }, &unknown},
		{"caller's own check", "wss://lab.example/", func(c *tls.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error { return failing }
		}, &failing},
	}
	for _, tt := range tests {
		for _, through := range []string{"directly", "through a proxy"} {
			t.Run(tt.name+"/"+through, func(t *testing.T) {
				d := direct
				d.TLSConfig = d.TLSConfig.Clone()
				tt.edit(d.TLSConfig)
				before := d.TLSConfig.Clone()
				d.Header = http.Header{"Host": {"lab.example"}}
				if through != "directly" {
					d.DialContext = nil
					d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
				}
				c, err := d.Dial(t.Context(), tt.url)
				if d.TLSConfig.ServerName != before.ServerName || len(d.TLSConfig.NextProtos) != len(before.NextProtos) {
					t.Error("the caller's config was changed")
				}
				if tt.want != nil {
					if !errors.As(err, tt.want) || !strings.HasPrefix(err.Error(), "websocket: ") {
						t.Errorf("error %v, want a %T", err, tt.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if got := c.NetConn().(*tls.Conn).ConnectionState().NegotiatedProtocol; got != "http/1.1" {
					t.Errorf("ALPN chose %q, want http/1.1", got)
				}
				checkEcho(t, c)
			})
		}
	}
}

func TestDialOverTLSEveryVersion(t *testing.T) {
	d, _ := dialTLSServer(t)
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		d.Version = v
		for _, rawURL := range []string{"wss://lab.example/", "https://lab.example/"} {
			c, err := d.Dial(t.Context(), rawURL)
			if err != nil {
				t.Fatalf("%s: %v", rawURL, err)
			}
			defer c.Close()
			checkEcho(t, c)
		}
	})
}

// Before it closes, a tls.Conn sends an alert, and waits up to 5 seconds if the
// peer does not read. An interrupted handshake does not wait.
func TestDialTLSInterrupted(t *testing.T) {
	serverConfig, clientConfig := newTLSConfigs("lab.example")
	overTLS := func(steps ...func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			tc := tls.Server(c, serverConfig)
			for _, step := range steps {
				step(tc)
			}
		}
	}
	stages := map[string]func(net.Conn){
		"hello is not read": func(net.Conn) {},
		"hello is not answered": func(c net.Conn) {
			io.ReadFull(c, make([]byte, 5))
		},
		"request is not read": overTLS(func(c net.Conn) { c.(*tls.Conn).Handshake() }),
		"no response":         overTLS(func(c net.Conn) { readHead(c) }),
		"half a response":     overTLS(func(c net.Conn) { readHead(c) }, sendStep("HTTP/1.1 101 x\r\n")),
		"half a refusal": overTLS(func(c net.Conn) { readHead(c) },
			sendStep("HTTP/1.1 403 x\r\nContent-Length: 5\r\n\r\nbe")),
		"wrong answer": overTLS(func(c net.Conn) { readHead(c) }, sendStep("HTTP/1.1 101 x\r\n\r\n")),
	}
	for name, server := range stages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				over := make(chan struct{})
				link := &pipeLink{Serve: func(c net.Conn) { server(c); <-over }}
				d := dialerOver(websocket.Dialer{TLSConfig: clientConfig}, link)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(httphead.BodyWait/2, cancel)
				start := time.Now()
				_, err := d.Dial(ctx, "wss://lab.example/")
				want := httphead.BodyWait / 2
				if name == "wrong answer" { // close_notify is not read either
					want = websocket.RefusalLinger
				} else if statusOf(err) != 403 && !errors.Is(err, context.Canceled) {
					t.Errorf("%v, want context.Canceled, or the refusal", err)
				}
				if took := time.Since(start); err == nil || took != want {
					t.Errorf("%v after %v, want an error after %v", err, took, want)
				}
				link.CheckClosed(t)
				if late := time.Since(start) - want; late != 0 {
					t.Errorf("connection closed %v after that", late)
				}
				close(over)
				cancel()
			})
		})
	}
}

// The same through a proxy that speaks TLS: TLS in TLS.
func TestDialTLSInTLSInterrupted(t *testing.T) {
	serverConfig, clientConfig := newTLSConfigs("lab.example", "p.test")
	for name, step := range map[string]func(net.Conn){
		"no response":           func(outer net.Conn) { readHead(tls.Server(outer, serverConfig)) },
		"hello is not answered": func(outer net.Conn) { outer.Read(make([]byte, 1<<14)) },
	} {
		t.Run(name, func(t *testing.T) { testDialTLSInTLSInterrupted(t, serverConfig, clientConfig, step) })
	}
}

func testDialTLSInTLSInterrupted(t *testing.T, serverConfig, clientConfig *tls.Config, step func(net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		link := &pipeLink{Serve: func(c net.Conn) {
			outer := tls.Server(c, serverConfig)
			readHead(outer)
			io.WriteString(outer, "HTTP/1.1 200 OK\r\n\r\n")
			step(outer)
			<-over
		}}
		d := dialerOver(websocket.Dialer{TLSConfig: clientConfig}, link)
		d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("https://p.test") }
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := d.Dial(ctx, "wss://lab.example/")
		if took := time.Since(start); !errors.Is(err, context.Canceled) || took != time.Second {
			t.Errorf("%v after %v, want context.Canceled after 1s", err, took)
		}
		link.CheckClosed(t)
		if took := time.Since(start); took != time.Second {
			t.Errorf("closed after %v, want 1s", took)
		}
		close(over)
	})
}

// Every version through an HTTP proxy: a tunnel for ws as well as for wss.
func TestDialThroughProxy(t *testing.T) {
	srv := httptest.NewServer(echoOnceHandler(&websocket.Upgrader{}, nil))
	defer srv.Close()
	asked := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
		asked <- r.Method + " " + r.Host + " " + user
		relayConnect(w, r)
	}))
	defer proxy.Close()
	addr := srv.Listener.Addr().String()
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		d := &websocket.Dialer{Version: v, Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme != "http" || r.URL.Host != addr {
				t.Errorf("asked for the proxy to %v", r.URL)
			}
			return url.Parse(strings.Replace(proxy.URL, "://", "://u:p@", 1))
		}}
		c, err := d.Dial(t.Context(), "ws://"+addr+"/")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, want := <-asked, "CONNECT "+addr+" Basic"; got != want {
			t.Errorf("proxy was asked %q, want %q", got, want)
		}
		checkEcho(t, c)
	})
}

func TestDialProxyRefuses(t *testing.T) {
	proxy := httptest.NewServer(http.NotFoundHandler())
	defer proxy.Close()
	d := &websocket.Dialer{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }}
	_, err := d.Dial(t.Context(), "ws://lab.example/")
	if statusOf(err) != 404 || !strings.Contains(err.Error(), "proxy") {
		t.Errorf("%v, want status 404 of the proxy", err)
	}
}

// net/http reads the environment once in a process, so this test starts another
// one. A program that makes the connections itself is not sent to the proxy.
func TestDialProxyFromEnvironment(t *testing.T) {
	const child, own = "WEBSOCKET_TEST_DIAL", "WEBSOCKET_TEST_DIAL_CONTEXT"
	if target := os.Getenv(child); target != "" {
		var d websocket.Dialer
		if addr := os.Getenv(own); addr != "" {
			d.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
		}
		d.Dial(t.Context(), target)
		return
	}
	for _, tt := range []struct {
		target string
		own    bool
		want   string
	}{
		{"ws://a.test/", false, "CONNECT a.test:80 "}, {"wss://a.test/", false, "CONNECT a.test:443 "}, {"ws://a.test/x", true, "GET /x "},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		asked := make(chan string, 1)
		go func() {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			defer nc.Close()
			asked <- readHead(nc)
		}()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		setting := "=http://" + l.Addr().String()
		cmd.Env = []string{child + "=" + tt.target, "HTTP_PROXY" + setting, "HTTPS_PROXY" + setting}
		if tt.own {
			cmd.Env = append(cmd.Env, own+"="+l.Addr().String())
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		select {
		case got := <-asked:
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s, own DialContext %t: asked %q, want %q", tt.target, tt.own, got, tt.want)
			}
		default:
			t.Errorf("%s, own DialContext %t: nobody was asked, want %q", tt.target, tt.own, tt.want)
		}
	}
}

// The error contains what the server says: here net/http, that it expects TLS.
func TestDialWithoutTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	_, err := (&websocket.Dialer{Proxy: noProxy}).Dial(t.Context(), "ws://"+s.Listener.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "HTTPS server") {
		t.Errorf("Dial: %v, want what the server says", err)
	}
}
