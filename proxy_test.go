package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// proxyLink is an unbuffered connection to a proxy that serve plays. Inside a
// synctest bubble a goroutine that either side leaves behind fails the test.
type proxyLink struct {
	serve  func(net.Conn)
	client net.Conn
	addr   string // what was dialed
}

func (l *proxyLink) dial(_ context.Context, network, addr string) (net.Conn, error) {
	client, server := net.Pipe()
	l.client, l.addr = client, network+" "+addr
	go func() {
		defer server.Close()
		l.serve(server)
	}()
	return client, nil
}

// checkClosed fails the test unless the connection to the proxy was closed.
func (l *proxyLink) checkClosed(t *testing.T) {
	t.Helper()
	if _, err := l.client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write after failure: %v; dialProxy left the connection open", err)
		l.client.Close()
	}
}

// connectProxy plays an HTTP proxy: it keeps the head of the request, sends
// the pieces of the answer one write each, and echoes the tunnel.
func connectProxy(request *string, answer ...string) func(net.Conn) {
	return func(c net.Conn) {
		*request = readTestHead(c)
		for _, piece := range answer {
			if _, err := io.WriteString(c, piece); err != nil {
				return
			}
		}
		io.Copy(c, c)
	}
}

// readTestHead reads byte by byte, so as to take nothing from the tunnel.
func readTestHead(r io.Reader) string {
	var head []byte
	b := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(r, b); err != nil {
			break
		}
		head = append(head, b...)
	}
	return string(head)
}

// checkEcho fails the test unless conn leads to something that echoes.
func checkEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	const ping = "through the tunnel"
	if _, err := io.WriteString(conn, ping); err != nil {
		t.Fatalf("writing to the tunnel: %v", err)
	}
	got := make([]byte, len(ping))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != ping {
		t.Fatalf("tunnel echoed %q, %v; want %q", got, err, ping)
	}
}

func mustProxyURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestDialProxyConnect(t *testing.T) {
	const ok = "HTTP/1.1 200 Connection established\r\n\r\n"
	const plainRequest = "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n"
	longHead := "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxProxyHead-24) + "\r\n\r\n"
	tests := []struct {
		name        string
		proxy       string
		addr        string
		answer      []string
		wantDial    string
		wantRequest string
		wantRest    string
	}{
		{"plain", "http://p.test:3128", "a.test:80", []string{ok}, "tcp p.test:3128", plainRequest, ""},
		{"default port", "http://p.test", "a.test:80", []string{ok}, "tcp p.test:80", plainRequest, ""},
		{"proxy on IPv6", "http://[::1]:3128", "a.test:80", []string{ok}, "tcp [::1]:3128", plainRequest, ""},
		{"target on IPv6", "http://p.test", "[2001:db8::1]:443", []string{ok}, "tcp p.test:80",
			"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n", ""},
		{"credentials", "http://Aladdin:open%20sesame@p.test", "a.test:80", []string{ok}, "tcp p.test:80",
			"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n", ""},
		{"user without password", "http://u@p.test", "a.test:80", []string{ok}, "tcp p.test:80",
			"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nProxy-Authorization: Basic dTo=\r\n\r\n", ""},
		{"other 2xx", "http://p.test", "a.test:80", []string{"HTTP/1.0 204 Fine\r\nVia: x\r\n\r\n"}, "tcp p.test:80", plainRequest, ""},
		{"bare line feeds", "http://p.test", "a.test:80", []string{"HTTP/1.1 200 OK\nVia: x\n\n"}, "tcp p.test:80", plainRequest, ""},
		{"drip-fed", "http://p.test", "a.test:80", strings.Split(ok, ""), "tcp p.test:80", plainRequest, ""},
		{"head of 64 KiB", "http://p.test", "a.test:80", []string{longHead}, "tcp p.test:80", plainRequest, ""},
		{"body announced", "http://p.test", "a.test:80", []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"}, "tcp p.test:80", plainRequest, ""},
		{"tunnel bytes in the same segment", "http://p.test", "a.test:80", []string{ok + "early"}, "tcp p.test:80", plainRequest, "early"},
		{"tunnel bytes and a body announced", "http://p.test", "a.test:80",
			[]string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nearly"}, "tcp p.test:80", plainRequest, "early"},
		{"tunnel bytes with the last byte of the head", "http://p.test", "a.test:80",
			[]string{ok[:len(ok)-1], "\n\r\n\r\nearly"}, "tcp p.test:80", plainRequest, "\r\n\r\nearly"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var request string
				link := &proxyLink{serve: connectProxy(&request, tt.answer...)}
				conn, err := dialProxy(t.Context(), link.dial, mustProxyURL(t, tt.proxy), tt.addr, nil)
				if err != nil {
					t.Fatalf("dialProxy: %v", err)
				}
				defer conn.Close()
				if link.addr != tt.wantDial {
					t.Errorf("dialed %q, want %q", link.addr, tt.wantDial)
				}
				if plain := conn == link.client; plain != (tt.wantRest == "") {
					t.Errorf("the dialed connection itself was returned: %v; want that only if no bytes are left over", plain)
				}
				rest := make([]byte, len(tt.wantRest))
				for i := range rest { // one at a time: leftovers survive short reads
					if _, err := io.ReadFull(conn, rest[i:i+1]); err != nil {
						t.Fatalf("reading leftover byte %d: %v", i, err)
					}
				}
				if string(rest) != tt.wantRest {
					t.Errorf("tunnel began with %q, want %q", rest, tt.wantRest)
				}
				checkEcho(t, conn)
				if request != tt.wantRequest {
					t.Errorf("request:\n%q, want\n%q", request, tt.wantRequest)
				}
			})
		})
	}
}

// Whoever found one of these on the wrapper would miss the leftover bytes.
func TestTunnelConnHidesShortcuts(t *testing.T) {
	var conn net.Conn = &tunnelConn{Conn: &net.TCPConn{}, rest: []byte("x")}
	if _, ok := conn.(interface{ CloseWrite() error }); ok {
		t.Error("tunnelConn has CloseWrite")
	}
	if _, ok := conn.(syscall.Conn); ok {
		t.Error("tunnelConn has SyscallConn")
	}
	if _, ok := conn.(io.WriterTo); ok {
		t.Error("tunnelConn has WriteTo")
	}
}

func TestDialProxyRefused(t *testing.T) {
	long := strings.Repeat("b", 2*maxRefusalBody)
	tests := []struct {
		name     string
		answer   []string
		status   int
		wantBody string
		wantWait time.Duration
	}{
		{"407", []string{"HTTP/1.1 407 Nope\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nwho"}, 407, "who", 0},
		{"body in its own segment", []string{"HTTP/1.1 403 Nope\r\nContent-Length: 3\r\n\r\n", "w", "ho"}, 403, "who", 0},
		{"body beyond 1 KiB", []string{"HTTP/1.1 502 Nope\r\n\r\n" + long}, 502, long[:maxRefusalBody], 0},
		{"chunked body", []string{"HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwho\r\n0\r\n\r\n"}, 503, "who", 0},
		{"body that never comes", []string{"HTTP/1.1 407 Nope\r\nContent-Length: 3\r\n\r\nw"}, 407, "w", refusalBodyWait},
		{"redirect", []string{"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n"}, 302, "", 0},
		{"101", []string{"HTTP/1.1 101 Switching Protocols\r\n\r\n"}, 101, "", 0},
		{"100", []string{"HTTP/1.1 100 Continue\r\n\r\n"}, 100, "", 0},
		{"reason phrase with controls", []string{"HTTP/1.1 500 \x1b[2J\r\nContent-Length: 0\r\n\r\n"}, 500, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var request string
				link := &proxyLink{serve: connectProxy(&request, tt.answer...)}
				start := time.Now()
				_, err := dialProxy(t.Context(), link.dial, mustProxyURL(t, "http://user:secret@p.test:3128"), "a.test:80", nil)
				var refusal *HandshakeError
				if !errors.As(err, &refusal) {
					t.Fatalf("error is %T (%v), want *HandshakeError", err, err)
				}
				if err != error(refusal) {
					t.Errorf("error %q is wrapped once more, want the *HandshakeError itself", err)
				}
				link.checkClosed(t)
				if wait := time.Since(start); wait != tt.wantWait {
					t.Errorf("took %v, want %v; look at how the body is awaited", wait, tt.wantWait)
				}
				if refusal.Status != tt.status || refusal.Response.StatusCode != tt.status {
					t.Errorf("status %d, response %d, want %d", refusal.Status, refusal.Response.StatusCode, tt.status)
				}
				body, err := io.ReadAll(refusal.Response.Body)
				if err != nil || string(body) != tt.wantBody {
					t.Errorf("body of %d bytes %.20q, %v; want %d bytes %.20q", len(body), body, err, len(tt.wantBody), tt.wantBody)
				}
				checkRefusalText(t, refusal)
			})
		})
	}
}

// checkRefusalText looks for the proxy's name in the error, and everywhere
// else for its password and for bytes that the proxy chose.
func checkRefusalText(t *testing.T, refusal *HandshakeError) {
	t.Helper()
	text := refusal.Error()
	if !strings.Contains(text, "p.test:3128") || !strings.Contains(text, "refused") {
		t.Errorf("error %q does not say that proxy p.test:3128 refused", text)
	}
	dump := fmt.Sprintf("%s %+v %+v", text, refusal.Response.Request, refusal.Response.Request.Header)
	for _, leak := range []string{"user", "secret", "dXNlcjpzZWNyZXQ=", "Nope", "\x1b"} {
		if strings.Contains(dump, leak) {
			t.Errorf("%q shows up in %q", leak, dump)
		}
	}
}

func TestDialProxyBadAnswer(t *testing.T) {
	endless := func(c net.Conn) {
		readTestHead(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(c, "X-Filler: 0123456789\r\n"); err != nil {
				return
			}
		}
	}
	answering := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			readTestHead(c)
			io.WriteString(c, answer)
		}
	}
	tests := []struct {
		name    string
		serve   func(net.Conn)
		want    string
		wantErr error
	}{
		{"endless header", endless, "exceeds 65536 bytes", nil},
		{"one byte over the limit", answering("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxProxyHead-23) + "\r\n\r\n"), "exceeds 65536 bytes", nil},
		{"closed before the request", func(net.Conn) {}, "sending CONNECT", io.ErrClosedPipe},
		{"closed before the answer", answering(""), "0 bytes came", io.ErrUnexpectedEOF},
		{"closed within the head", answering("HTTP/1.1 200 OK\r\n"), "17 bytes came", io.ErrUnexpectedEOF},
		{"not HTTP", answering("SSH-2.0-x\r\n\r\n"), "else than HTTP/1", nil},
		{"TLS", answering("\x15\x03\x01\n\n"), "else than HTTP/1", nil},
		{"empty line first", answering("\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), "else than HTTP/1", nil},
		{"bad header line", answering("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), "else than HTTP/1", nil},
		{"long first line", answering(strings.Repeat("\x1b", 4000) + "\n\n"), "else than HTTP/1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &proxyLink{serve: tt.serve}
				_, err := dialProxy(t.Context(), link.dial, mustProxyURL(t, "http://user:secret@p.test:3128"), "a.test:80", nil)
				if err == nil {
					t.Fatal("dialProxy took the answer for success")
				}
				link.checkClosed(t)
				if tt.wantErr != nil && !errors.Is(err, tt.wantErr) {
					t.Errorf("error %v does not wrap %v", err, tt.wantErr)
				}
				text := err.Error()
				if !strings.HasPrefix(text, "websocket: proxy p.test:3128: ") || !strings.Contains(text, tt.want) {
					t.Errorf("error %q, want one about proxy p.test:3128 with %q", text, tt.want)
				}
				if len(text) > 600 || strings.Contains(text, "secret") || strings.Contains(text, "\x1b") {
					t.Errorf("error is long, raw or shows the password: %q", text)
				}
			})
		})
	}
}

// noDeadlines is a connection that only Close can interrupt.
type noDeadlines struct{ net.Conn }

func (noDeadlines) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (noDeadlines) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (noDeadlines) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// stalled plays a proxy that takes these steps and then says nothing more.
func stalled(steps ...func(net.Conn)) func(net.Conn, <-chan struct{}) {
	return func(c net.Conn, over <-chan struct{}) {
		for _, step := range steps {
			step(c)
		}
		<-over
	}
}

func sendStep(s string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, s) } }

func recvStep(n int) func(net.Conn) { return func(c net.Conn) { io.ReadFull(c, make([]byte, n)) } }

func TestDialProxyInterrupted(t *testing.T) {
	head := func(c net.Conn) { readTestHead(c) }
	stages := []struct {
		name  string
		proxy string
		serve func(net.Conn, <-chan struct{})
	}{
		{"request is not read", "http://p.test", stalled()},
		{"no answer", "http://p.test", stalled(head)},
		{"half an answer", "http://p.test", stalled(head, sendStep("HTTP/1.1 200 OK\r\n"))},
		{"TLS hello is not read", "https://p.test", stalled()},
		{"no TLS answer", "https://p.test", stalled(recvStep(5))},
		{"SOCKS greeting is not read", "socks5://p.test", stalled()},
		{"no SOCKS method", "socks5://p.test", stalled(recvStep(3))},
		{"no SOCKS login answer", "socks5://u:p@p.test", stalled(recvStep(4), sendStep("\x05\x02"), recvStep(5))},
		{"no SOCKS reply", "socks5://p.test", stalled(recvStep(3), sendStep("\x05\x00"), recvStep(13))},
		{"half a SOCKS reply", "socks5://p.test", stalled(recvStep(3), sendStep("\x05\x00"), recvStep(13), sendStep("\x05\x00\x00\x01"))},
	}
	withCancel := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Minute, cancel)
		return ctx, cancel
	}
	withDeadline := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Minute)
	}
	pipe := func(c net.Conn) net.Conn { return c }
	crude := func(c net.Conn) net.Conn { return noDeadlines{c} }
	for _, stage := range stages {
		run := func(name string, newCtx func(context.Context) (context.Context, context.CancelFunc), wrap func(net.Conn) net.Conn, want error) {
			t.Run(stage.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := newCtx(t.Context())
					defer cancel()
					checkInterrupted(t, ctx, stage.proxy, stage.serve, wrap, want)
				})
			})
		}
		run("cancel", withCancel, pipe, context.Canceled)
		run("deadline", withDeadline, pipe, context.DeadlineExceeded)
		run("cancel without deadlines", withCancel, crude, context.Canceled)
		run("deadline without deadlines", withDeadline, crude, context.DeadlineExceeded)
	}
}

// checkInterrupted dials under a ctx that ends in a minute.
func checkInterrupted(t *testing.T, ctx context.Context, proxyURL string, serve func(net.Conn, <-chan struct{}), wrap func(net.Conn) net.Conn, want error) {
	over := make(chan struct{})
	defer close(over)
	link := &proxyLink{serve: func(c net.Conn) { serve(c, over) }}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := link.dial(ctx, network, addr)
		return wrap(c), err
	}
	start := time.Now()
	_, err := dialProxy(ctx, dial, mustProxyURL(t, proxyURL), "a.test:80", nil)
	if !errors.Is(err, want) {
		t.Errorf("error %v, want one that wraps %v", err, want)
	}
	if took := time.Since(start); took != time.Minute {
		t.Errorf("returned after %v, want 1m, when the context ended", took)
	}
	link.checkClosed(t)
}

func TestDialProxyDialFails(t *testing.T) {
	failure := errors.New("no route")
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if ctx.Value(key{}) != "mine" {
			t.Error("dial got another context than the caller's")
		}
		return nil, failure
	}
	for _, proxyURL := range []string{"http://u:secret@p.test:1", "https://u:secret@p.test:1", "socks5://u:secret@p.test:1"} {
		_, err := dialProxy(ctx, dial, mustProxyURL(t, proxyURL), "a.test:80", nil)
		if !errors.Is(err, failure) || !strings.Contains(err.Error(), "p.test:1") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one that names p.test:1 and wraps %v", proxyURL, err, failure)
		}
	}
}

// A refusal that has arrived tells more than the end of the context, which
// only cut its body short.
func TestDialProxyRefusalOutlivesContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var request string
		link := &proxyLink{serve: connectProxy(&request, "HTTP/1.1 407 Nope\r\nContent-Length: 3\r\n\r\nw")}
		ctx, cancel := context.WithTimeout(t.Context(), refusalBodyWait/2)
		defer cancel()
		_, err := dialProxy(ctx, link.dial, mustProxyURL(t, "http://p.test"), "a.test:80", nil)
		var refusal *HandshakeError
		if !errors.As(err, &refusal) || refusal.Status != 407 {
			t.Errorf("error %v, want a *HandshakeError of status 407", err)
		}
		if ctx.Err() == nil {
			t.Error("context is still alive: the body was not waited for")
		}
	})
}

// deadlineLog is a connection that notes its deadlines.
type deadlineLog struct {
	net.Conn
	set []time.Time
}

func (l *deadlineLog) SetDeadline(at time.Time) error {
	l.set = append(l.set, at)
	return l.Conn.SetDeadline(at)
}

// The deadline of the context is also that of the connection, so that I/O ends
// in time on conns that linger in Close, and is gone afterwards.
func TestInterruptibleDeadlines(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	raw := &deadlineLog{Conn: client}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	conn, err := interruptible(ctx, raw, func() (net.Conn, error) { return raw, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want, _ := ctx.Deadline()
	if len(raw.set) != 2 || !raw.set[0].Equal(want) || !raw.set[1].IsZero() {
		t.Errorf("deadlines set: %v; want %v, then none", raw.set, want)
	}
}

// A context that ends at the last moment has closed the connection, or is about
// to, so success would be a lie.
func TestInterruptibleTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &proxyLink{serve: func(c net.Conn) { io.Copy(io.Discard, c) }}
		raw, _ := link.dial(t.Context(), "tcp", "p.test:80")
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := interruptible(ctx, raw, func() (net.Conn, error) {
			cancel()
			return raw, nil
		})
		if conn != nil || err != context.Canceled {
			t.Errorf("got %v, %v; want no connection and context.Canceled", conn, err)
		}
		link.checkClosed(t)
	})
}

// The context is about dialing alone, as that of net.Dialer is.
func TestDialProxyOutlivesContext(t *testing.T) {
	for _, scheme := range []string{"http", "socks5"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var request string
				link := &proxyLink{serve: connectProxy(&request, "HTTP/1.1 200 OK\r\n\r\n")}
				if scheme == "socks5" {
					link.serve = (&socksServer{}).serve
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				conn, err := dialProxy(ctx, link.dial, mustProxyURL(t, scheme+"://p.test"), "a.test:80", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				<-ctx.Done()
				synctest.Wait()
				checkEcho(t, conn)
			})
		})
	}
}

// tlsProxy is an HTTPS proxy on loopback whose certificate is for example.com
// and 127.0.0.1. It prefers HTTP/2, in which CONNECT looks different.
func tlsProxy(t *testing.T) (dial dialFunc, roots *x509.CertPool) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "a.test:443" || r.RequestURI != "a.test:443" || r.ProtoMajor != 1 {
			http.Error(w, "not what a proxy expects", http.StatusBadRequest)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		io.Copy(conn, rw)
	}))
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots = x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, srv.Listener.Addr().String())
	}, roots
}

func TestDialProxyTLS(t *testing.T) {
	dial, roots := tlsProxy(t)
	failing := func(tls.ConnectionState) error { return errors.New("meant for the target") }
	passing := func(tls.ConnectionState) error { return nil }
	passingRaw := func([][]byte, [][]*x509.Certificate) error { return nil }
	var wrongName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	tests := []struct {
		name  string
		proxy string
		cfg   *tls.Config
		want  any // target for errors.As, nil for success
	}{
		{"trusted name", "https://example.com", &tls.Config{RootCAs: roots}, nil},
		{"trusted address", "https://127.0.0.1:8443", &tls.Config{RootCAs: roots}, nil},
		{"target's name and protocols", "https://example.com", &tls.Config{RootCAs: roots, ServerName: "a.test", NextProtos: []string{"h2"}}, nil},
		{"target's ECH", "https://example.com", &tls.Config{RootCAs: roots, EncryptedClientHelloConfigList: []byte("bad")}, nil},
		{"target's VerifyConnection", "https://example.com", &tls.Config{RootCAs: roots, VerifyConnection: failing}, nil},
		{"no verification wanted", "https://p.test", &tls.Config{InsecureSkipVerify: true}, nil},
		{"other name", "https://p.test", &tls.Config{RootCAs: roots}, &wrongName},
		{"other address", "https://127.0.0.2", &tls.Config{RootCAs: roots}, &wrongName},
		{"ServerName cannot excuse it", "https://p.test", &tls.Config{RootCAs: roots, ServerName: "example.com"}, &wrongName},
		{"VerifyConnection cannot excuse it", "https://p.test", &tls.Config{RootCAs: roots, InsecureSkipVerify: true, VerifyConnection: passing}, &wrongName},
		{"VerifyPeerCertificate cannot excuse it", "https://p.test", &tls.Config{RootCAs: roots, InsecureSkipVerify: true, VerifyPeerCertificate: passingRaw}, &wrongName},
		{"unknown authority", "https://example.com", &tls.Config{RootCAs: x509.NewCertPool()}, &unknown},
		{"no config", "https://example.com", nil, &unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.cfg.Clone()
			conn, err := dialProxy(t.Context(), dial, mustProxyURL(t, tt.proxy), "a.test:443", tt.cfg)
			if tt.cfg != nil && (tt.cfg.ServerName != before.ServerName || len(tt.cfg.NextProtos) != len(before.NextProtos)) {
				t.Error("the caller's config was changed")
			}
			if tt.want != nil {
				if !errors.As(err, tt.want) {
					t.Errorf("error %v, want a %T", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatalf("dialProxy: %v", err)
			}
			defer conn.Close()
			if got := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != "http/1.1" {
				t.Errorf("ALPN chose %q, want http/1.1", got)
			}
			checkEcho(t, conn)
		})
	}
}

// socksServer is a SOCKS5 server that connects to an echo, RFC 1928 and 1929.
type socksServer struct {
	login  string // wanted, "user:password"; empty: none
	reply  byte   // to the CONNECT command
	target string // what was asked for, kind and text
}

func (s *socksServer) serve(c net.Conn) {
	r := bufio.NewReader(c)
	if err := s.authenticate(c, r); err != nil {
		return
	}
	command := make([]byte, 4) // version, command, reserved, kind of address
	if _, err := io.ReadFull(r, command); err != nil || command[1] != 1 {
		return
	}
	var host string
	switch command[3] {
	case 1:
		host = "IPv4 " + net.IP(readN(r, 4)).String()
	case 3:
		n, _ := r.ReadByte()
		host = "name " + string(readN(r, int(n)))
	case 4:
		host = "IPv6 " + net.IP(readN(r, 16)).String()
	}
	port := readN(r, 2)
	s.target = fmt.Sprintf("%s port %d", host, int(port[0])<<8|int(port[1]))
	c.Write([]byte{5, s.reply, 0, 1, 127, 0, 0, 1, 0x1f, 0x90})
	if s.reply == 0 {
		io.Copy(c, r)
	}
}

func (s *socksServer) authenticate(c net.Conn, r *bufio.Reader) error {
	methods := readN(r, int(readN(r, 2)[1]))
	switch {
	case s.login == "":
		_, err := c.Write([]byte{5, 0})
		return err
	case !bytes.Contains(methods, []byte{2}):
		c.Write([]byte{5, 0xff})
		return errors.New("login wanted, none offered")
	}
	c.Write([]byte{5, 2})
	user := readN(r, int(readN(r, 2)[1]))
	password := readN(r, int(readN(r, 1)[0]))
	if string(user)+":"+string(password) != s.login {
		c.Write([]byte{1, 1})
		return errors.New("wrong login")
	}
	_, err := c.Write([]byte{1, 0})
	return err
}

func readN(r io.Reader, n int) []byte {
	b := make([]byte, n)
	io.ReadFull(r, b)
	return b
}

func TestDialProxySOCKS(t *testing.T) {
	tests := []struct {
		name       string
		proxy      string
		addr       string
		server     socksServer
		wantDial   string
		wantTarget string
		wantErr    string
	}{
		{"name", "socks5://p.test", "a.test:80", socksServer{}, "tcp p.test:1080", "name a.test port 80", ""},
		{"name with socks5h", "socks5h://p.test", "a.test:443", socksServer{}, "tcp p.test:1080", "name a.test port 443", ""},
		{"other port", "socks5://p.test:9050", "a.test:80", socksServer{}, "tcp p.test:9050", "name a.test port 80", ""},
		{"IPv4", "socks5://p.test", "192.0.2.1:80", socksServer{}, "tcp p.test:1080", "IPv4 192.0.2.1 port 80", ""},
		{"IPv6", "socks5://p.test", "[2001:db8::1]:80", socksServer{}, "tcp p.test:1080", "IPv6 2001:db8::1 port 80", ""},
		{"login", "socks5://u:secret@p.test", "a.test:80", socksServer{login: "u:secret"}, "tcp p.test:1080", "name a.test port 80", ""},
		{"user with a colon", "socks5://u%3Av:secret@p.test", "a.test:80", socksServer{login: "u:v:secret"}, "tcp p.test:1080", "name a.test port 80", ""},
		{"login not asked for", "socks5://u:secret@p.test", "a.test:80", socksServer{}, "tcp p.test:1080", "name a.test port 80", ""},
		{"wrong login", "socks5://u:secret@p.test", "a.test:80", socksServer{login: "u:other"}, "tcp p.test:1080", "", "authentication failed"},
		{"login missing", "socks5://p.test", "a.test:80", socksServer{login: "u:secret"}, "tcp p.test:1080", "", "authentication"},
		{"forbidden", "socks5://u:secret@p.test", "a.test:80", socksServer{reply: 2}, "tcp p.test:1080", "name a.test port 80", "not allowed by ruleset"},
		{"name too long", "socks5://p.test", strings.Repeat("a", 256) + ":80", socksServer{}, "tcp p.test:1080", "", "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &proxyLink{serve: tt.server.serve}
				conn, err := dialProxy(t.Context(), link.dial, mustProxyURL(t, tt.proxy), tt.addr, nil)
				if err == nil {
					defer conn.Close()
					if conn != link.client {
						t.Error("the connection is wrapped, want the one dialed")
					}
					checkEcho(t, conn)
				} else {
					link.checkClosed(t)
				}
				checkProxyError(t, err, tt.wantErr, "websocket: proxy p.test:1080: ")
				synctest.Wait() // the server is done writing to its fields
				if link.addr != tt.wantDial || tt.server.target != tt.wantTarget {
					t.Errorf("dialed %q, target %q; want %q, %q", link.addr, tt.server.target, tt.wantDial, tt.wantTarget)
				}
			})
		})
	}
}

func TestDialProxyNotSOCKS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &proxyLink{serve: func(c net.Conn) {
			readN(c, 3)
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}}
		_, err := dialProxy(t.Context(), link.dial, mustProxyURL(t, "socks5://p.test"), "a.test:80", nil)
		checkProxyError(t, err, "unexpected protocol version", "websocket: proxy p.test:1080: ")
		link.checkClosed(t)
	})
}

// checkProxyError wants err to have this prefix and contain want, or to be nil
// if want is empty, and never to show the word secret.
func checkProxyError(t *testing.T, err error, want, prefix string) {
	t.Helper()
	switch {
	case want == "" && err == nil:
	case want == "" || err == nil:
		t.Errorf("error %v, want one with %q (none if empty)", err, want)
	case !strings.HasPrefix(err.Error(), prefix) || !strings.Contains(err.Error(), want):
		t.Errorf("error %q, want prefix %q and %q in it", err, prefix, want)
	case strings.Contains(err.Error(), "secret"):
		t.Errorf("error %q shows the password", err)
	}
}

func TestDialProxyRejectsInput(t *testing.T) {
	good := func(s string) *url.URL { return mustProxyURL(t, s) }
	p := good("http://u:secret@p.test")
	tests := []struct {
		name  string
		proxy *url.URL
		addr  string
		want  string
	}{
		{"unknown scheme", good("ftp://u:secret@p.test"), "a.test:80", `scheme "ftp", want http, https, socks5 or socks5h`},
		{"no scheme", good("//u:secret@p.test"), "a.test:80", `scheme ""`},
		{"socks4", good("socks4://u:secret@p.test"), "a.test:80", `scheme "socks4"`},
		{"empty URL", &url.URL{}, "a.test:80", `scheme ""`},
		{"proxy without host", good("http://u:secret@"), "a.test:80", `host ""`},
		{"opaque proxy URL", good("http:p.test:80"), "a.test:80", `host ""`},
		{"proxy port 0", good("http://p.test:0"), "a.test:80", `host "p.test:0"`},
		{"proxy port too high", good("http://p.test:65536"), "a.test:80", `host "p.test:65536"`},
		{"proxy name not ASCII", good("http://prox\u00fd.test"), "a.test:80", "want an ASCII name"},
		{"CR LF in proxy host", &url.URL{Scheme: "https", Host: "p\r\n.test"}, "a.test:80", `host "p\r\n.test"`},
		{"credentials in proxy host", &url.URL{Scheme: "http", Host: "u:secret@p.test"}, "a.test:80", `host "p.test"`},
		{"CR LF in user", &url.URL{Scheme: "http", Host: "p.test", User: url.UserPassword("u\r\n", "secret")}, "a.test:80", "control character"},
		{"NUL in password", &url.URL{Scheme: "socks5", Host: "p.test", User: url.UserPassword("u", "secret\x00")}, "a.test:80", "control character"},
		{"colon in user", &url.URL{Scheme: "HTTPS", Host: "p.test", User: url.UserPassword("u:v", "secret")}, "a.test:80", "colon"},
		{"CR LF in target", p, "a.test\r\nX: y:80", `a.test\r\nX: y:80`},
		{"CR LF in target's port", p, "a.test:80\r\nX-Y: z", "caller gave"},
		{"NUL in target", p, "a\x00.test:80", "caller gave"},
		{"space in target", p, "a .test:80", "caller gave"},
		{"slash in target", p, "a/b:80", "caller gave"},
		{"user in target", p, "u@a.test:80", "caller gave"},
		{"target not ASCII", p, "\u00fd.test:80", "caller gave"},
		{"target without port", p, "a.test", "caller gave"},
		{"target with empty port", p, "a.test:", "caller gave"},
		{"target port 0", p, "a.test:0", "caller gave"},
		{"target port too high", p, "a.test:65536", "caller gave"},
		{"target port not a number", p, "a.test:http", "caller gave"},
		{"target without host", p, ":80", "caller gave"},
		{"empty target", p, "", "caller gave"},
		{"colons that are no address", p, "[a:b]:80", "caller gave"},
		{"zone in target", p, "[fe80::1%eth0]:80", "zone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dial := func(context.Context, string, string) (net.Conn, error) {
				t.Error("dialed before the input was checked")
				return nil, errors.New("not to be dialed")
			}
			_, err := dialProxy(t.Context(), dial, tt.proxy, tt.addr, nil)
			checkProxyError(t, err, tt.want, "websocket: ")
		})
	}
}

// The whole way over TCP, through a proxy that really relays. CloseWrite must
// reach the target: nothing else ends the echo.
func TestDialProxyLoopback(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		if c, err := target.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	relay := httptest.NewServer(http.HandlerFunc(relayConnect))
	defer relay.Close()
	conn, err := dialProxy(t.Context(), new(net.Dialer).DialContext, mustProxyURL(t, relay.URL), target.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	checkEcho(t, conn)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Errorf("after CloseWrite: %q, %v; want a clean end", rest, err)
	}
}

func relayConnect(w http.ResponseWriter, r *http.Request) {
	up, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer up.Close()
	down, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer down.Close()
	io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(up, rw)
		up.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(down, up)
}

func TestProxyFor(t *testing.T) {
	env := (&httpproxy.Config{HTTPProxy: "http://plain.test:1", HTTPSProxy: "socks5://secure.test:2", NoProxy: ".direct.test,other.test:81"}).ProxyFunc()
	fromEnv := func(r *http.Request) (*url.URL, error) { return env(r.URL) }
	tests := []struct {
		name     string
		proxyFn  func(*http.Request) (*url.URL, error)
		secure   bool
		hostport string
		want     string
	}{
		{"no function", nil, true, "a.test:443", "<nil>"},
		{"ws", fromEnv, false, "a.test:80", "http://plain.test:1"},
		{"wss", fromEnv, true, "a.test:443", "socks5://secure.test:2"},
		{"excepted host", fromEnv, true, "x.direct.test:443", "<nil>"},
		{"excepted port", fromEnv, false, "other.test:81", "<nil>"},
		{"another port", fromEnv, false, "other.test:80", "http://plain.test:1"},
		{"loopback", fromEnv, false, "[::1]:80", "<nil>"},
		{"fixed", http.ProxyURL(&url.URL{Scheme: "http", Host: "p.test"}), false, "a.test:80", "http://p.test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := proxyFor(tt.proxyFn, tt.secure, tt.hostport)
			if err != nil {
				t.Fatal(err)
			}
			if text := fmt.Sprint(got); text != tt.want {
				t.Errorf("proxy %s, want %s", text, tt.want)
			}
		})
	}
}

// A proxy function may look at more than the URL; what it may look at is there.
func TestProxyForRequest(t *testing.T) {
	_, err := proxyFor(func(r *http.Request) (*url.URL, error) {
		if r.URL.String() != "https://a.test:443/" || r.Host != "a.test:443" || r.Method != "GET" {
			t.Errorf("asked for %s %s, Host %s", r.Method, r.URL, r.Host)
		}
		if r.Header.Get("X") != "" || r.Context() == nil {
			t.Error("header or context is unusable")
		}
		r.Header.Set("X", "y") // panics on a nil map
		return nil, nil
	}, true, "a.test:443")
	if err != nil {
		t.Fatal(err)
	}
}

func TestProxyForError(t *testing.T) {
	_, malformed := url.Parse("http://u:secret%zz@p.test")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"plain", errors.New("no PAC file"), "no PAC file"},
		{"with credentials", errors.New("bad http://u:secret@p.test"), "not shown"},
		{"from url.Parse", malformed, "not shown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := proxyFor(func(*http.Request) (*url.URL, error) { return nil, tt.err }, false, "a.test:80")
			checkProxyError(t, err, tt.want, `websocket: choosing the proxy for "a.test:80": `)
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v does not wrap the function's", err)
			}
		})
	}
}
