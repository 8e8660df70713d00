package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// net/http accepts heads of 1 MiB, and the connection would keep all of it. So
// the limits of a handshake hold there too.
func TestHeadLimitBehindNetHTTP(t *testing.T) {
	many, long := http.Header{}, http.Header{}
	for i := range httphead.MaxLines {
		many.Set(fmt.Sprintf("X-%d", i), "")
	}
	long.Set("X", strings.Repeat("x", httphead.MaxBytes))
	for _, tt := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"as a browser sends", http.Header{}, http.StatusSwitchingProtocols},
		{"many lines", many, http.StatusRequestHeaderFieldsTooLarge},
		{"one long line", long, http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts := httptest.NewServer(websocket.Handler(func(context.Context, *websocket.Conn) error { return nil }))
			defer ts.Close()
			d := websocket.Dialer{Header: tt.header}
			c, err := d.Dial(t.Context(), "ws"+strings.TrimPrefix(ts.URL, "http"))
			status := http.StatusSwitchingProtocols
			var refused *websocket.HandshakeError
			if errors.As(err, &refused) {
				status = refused.Status
			}
			if c != nil {
				c.Close()
			}
			if status != tt.want {
				t.Errorf("status %d, error %v; want %d", status, err, tt.want)
			}
		})
	}
}

// "A frame in the same segment as the handshake, in every version: delivered."
// The response is that of the handshake without I/O, with nothing added by
// net/http.
func TestUpgradeFrameInSameSegment(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for _, length := range []string{"", "8"} { // Perl and Netty count key3 as a body
			synctest.Test(t, func(t *testing.T) {
				request := requestOf(v)
				if v == websocket.Hybi00 && length != "" {
					request = request.with("Content-Length", length)
				}
				_, response, _, _ := serve(nil, request.String())
				client := connectTo(t, &http.Server{Handler: echoOnceHandler(&websocket.Upgrader{}, nil)})
				go io.WriteString(client, request.String()+helloOf(v, websocket.ClientSide))
				wantBytes(t, client, response+helloOf(v, websocket.ServerSide))
			})
		}
	})
}

func TestUpgradeBytewise(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		synctest.Test(t, func(t *testing.T) {
			client := connectTo(t, &http.Server{Handler: echoOnceHandler(&websocket.Upgrader{}, nil)})
			input := requestOf(v).String() + helloOf(v, websocket.ClientSide)
			go func() {
				for i := range len(input) {
					io.WriteString(client, input[i:i+1])
				}
			}()
			_, response, _, _ := serve(nil, requestOf(v).String())
			wantBytes(t, client, response+helloOf(v, websocket.ServerSide))
		})
	})
}

// The same over TCP, where the system decides what a segment is.
func TestUpgradeOverTCP(t *testing.T) {
	srv := httptest.NewServer(echoOnceHandler(&websocket.Upgrader{}, nil))
	defer srv.Close()
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		nc, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_, response, _, _ := serve(nil, requestOf(v).String())
		io.WriteString(nc, requestOf(v).String()+helloOf(v, websocket.ClientSide))
		wantBytes(t, nc, response+helloOf(v, websocket.ServerSide))
	})
}

// A server may have read more of what follows the request than a connection
// buffers. Nothing of that is lost, nor of what comes later.
func TestUpgradeWithMuchBuffered(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		want := []message{{websocket.Text, payloadOf(websocket.Text, 100_000)}, {websocket.Text, []byte("in two")}, {websocket.Text, []byte("later")}}
		input := requestOf(v).String() + string(peerFrames(t, v, websocket.ServerSide, want...))
		read := len(input) - 10 // within the second message
		c := upgradeReadAhead(t, &script{in: []byte(input[read:])}, input[:read])
		for i, want := range want {
			if typ, p, err := c.ReadMessage(); err != nil || typ != want.typ || !bytes.Equal(p, want.p) {
				t.Fatalf("message %d: %v, %d bytes, %v; want %d bytes", i, typ, len(p), err, len(want.p))
			}
		}
	})
}

// upgradeReadAhead upgrades the request that input begins with on nc. All of
// input was read ahead.
func upgradeReadAhead(t *testing.T, nc net.Conn, input string) *websocket.Conn {
	t.Helper()
	buffered := bufio.NewReaderSize(strings.NewReader(input), len(input))
	r, err := http.ReadRequest(buffered)
	if err != nil {
		t.Fatal(err)
	}
	c, err := new(websocket.Upgrader).Upgrade(readAhead{hijacker{httptest.NewRecorder(), nc}, buffered}, r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A connection with much read ahead ends like any other: its own side first, so
// that the peer gets what was sent last.
func TestUpgradeWithMuchBufferedEndsOneSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := websocket.NetPipe()
		defer peer.Close()
		more := peerText(t, websocket.Hixie75, websocket.ServerSide, string(payloadOf(websocket.Text, 100_000)))
		c := upgradeReadAhead(t, nc, requestOf(websocket.Hixie75).String()+string(more))
		defer func() { <-websocket.Over(c) }()
		if err := c.CloseWith(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		if _, err := io.Copy(io.Discard, peer); err != nil {
			t.Errorf("the peer reads to the end: %v", err)
		}
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Errorf("the peer writes afterwards: %v; want the other side to be open still", err)
		}
	})
}

// readAhead is a hijacker that has read ahead.
type readAhead struct {
	hijacker
	in *bufio.Reader
}

func (w readAhead) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(w.in, nil), nil
}

// A request without an upgrade, as when somebody opens the URL in a browser.
func TestUpgradePlainGET(t *testing.T) {
	srv := httptest.NewServer(echoOnceHandler(&websocket.Upgrader{}, nil))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 426 || !res.Close || res.Header.Get("Upgrade") != "websocket" || res.Header.Get("Sec-WebSocket-Version") != "13, 8, 7" {
		t.Errorf("status %d, close %t, headers %v; want 426 that names protocol and versions, and the end", res.StatusCode, res.Close, res.Header)
	}
	if got := res.Header["Content-Type"]; len(got) != 1 || got[0] != "text/plain; charset=utf-8" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v, want text that is not sniffed", res.Header)
	}
	if !strings.HasPrefix(string(body), "Upgrade Required: ") || !strings.HasSuffix(string(body), "\n") || strings.HasSuffix(string(body), "\n\n") {
		t.Errorf("body %q, want one line that says what was expected", body)
	}
}

// net/http closes a connection only if the first value of Connection is
// "close": with "close, Upgrade" it would stay open.
func TestUpgradeRefusalNamesConnectionTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := connectTo(t, &http.Server{Handler: echoOnceHandler(&websocket.Upgrader{}, nil)})
		go io.WriteString(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		got := readRest(t, client)
		for _, line := range []string{"Connection: close", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13, 8, 7"} {
			if strings.Count(got, "\r\n"+line+"\r\n") != 1 {
				t.Errorf("response %q does not have the line %q once", got, line)
			}
		}
	})
}

// upgradeWrapped is a ResponseWriter that middleware has wrapped.
type upgradeWrapped struct {
	http.ResponseWriter
	status int
}

func (w *upgradeWrapped) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *upgradeWrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestUpgradeWrappedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		echo := echoOnceHandler(&websocket.Upgrader{}, nil)
		client := connectTo(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			echo(&upgradeWrapped{ResponseWriter: &upgradeWrapped{ResponseWriter: w}}, r)
		})})
		go io.WriteString(client, requestOf(websocket.RFC6455).String()+helloOf(websocket.RFC6455, websocket.ClientSide))
		_, response, _, _ := serve(nil, requestOf(websocket.RFC6455).String())
		wantBytes(t, client, response+helloOf(websocket.RFC6455, websocket.ServerSide))
	})
}

func TestUpgradeWithoutHijacking(t *testing.T) {
	r, err := http.ReadRequest(bufReader(requestOf(websocket.RFC6455).head()))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Length", "1000") // left by middleware
	_, err = new(websocket.Upgrader).Upgrade(w, r)
	if statusOf(err) != 500 || !errors.Is(err, http.ErrNotSupported) || w.Code != 500 {
		t.Errorf("%v, response %d; want 500 and an error that wraps http.ErrNotSupported", err, w.Code)
	}
	for _, words := range []string{"*httptest.ResponseRecorder", "middleware", "Unwrap", "http.TimeoutHandler"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%v; want it to name %s", err, words)
		}
	}
	if w.Header().Get("Connection") != "close" || w.Header().Get("Content-Length") != "" {
		t.Errorf("headers %v, want the end of the connection and no length", w.Header())
	}
}

// "CR, LF, NUL in every caller-supplied header": refused before the connection
// is hijacked, so net/http sends the answer.
func TestUpgradeRefusesHeader(t *testing.T) {
	headers := map[string]http.Header{"header of the handshake": {"Upgrade": {"x"}}, "bad name": {"a b": {"x"}}}
	for name, value := range controlValues {
		headers[name] = http.Header{"X": {value}}
	}
	for name, header := range headers {
		t.Run(name, func(t *testing.T) {
			r, err := http.ReadRequest(bufReader(requestOf(websocket.RFC6455).head()))
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			client, server := net.Pipe()
			client.Close() // what is sent there is lost
			_, err = (&websocket.Upgrader{Check: checkGives(header, nil)}).Upgrade(hijacker{w, server}, r)
			if statusOf(err) != 500 || w.Code != 500 || w.Body.String() != "Internal Server Error\n" || w.Header()["X"] != nil {
				t.Errorf("%v, response %d %q %v; want 500 and nothing of the header", err, w.Code, w.Body, w.Header())
			}
		})
	}
}

// The first line of HTTP/2 may come over HTTP/1. The refusal ends the connection,
// so that nothing after it can be read as another request.
func TestUpgradeEndsAfterRefusedPreface(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Method, r.RequestURI, r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor = "PRI", "*", &url.URL{Path: "*"}, "HTTP/2.0", 2, 0
	w := httptest.NewRecorder()
	if _, err := new(websocket.Upgrader).Upgrade(w, r); statusOf(err) != 505 || w.Header().Get("Connection") != "close" {
		t.Errorf("%v, Connection: %q; want 505 and close", err, w.Header().Get("Connection"))
	}
}

// HTTP/2 has another handshake. The refusal must not have Connection: close,
// which would end the other requests of the connection too.
func TestUpgradeRefusesHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(echoOnceHandler(&websocket.Upgrader{}, nil))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	reused := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
	for i := range 3 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.ProtoMajor != 2 || res.StatusCode != 505 || res.Header["Connection"] != nil || res.Header["Upgrade"] != nil {
			t.Errorf("%s %d %v, want 505 over HTTP/2 without the headers of HTTP/1", res.Proto, res.StatusCode, res.Header)
		}
		if !strings.Contains(string(body), "HTTP/1.1") {
			t.Errorf("body %q, want it to say what was expected", body)
		}
		if reused != (i > 0) {
			t.Errorf("request %d: connection reused: %t; look at whether the refusal before has ended it", i, reused)
		}
	}
}

type upgradeKey struct{}

// The connection keeps what its handler may want to know of the request, and
// does not keep alive the rest of it.
func TestUpgradeRequestIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan *websocket.Conn, 1)
		srv := &http.Server{
			BaseContext: func(net.Listener) context.Context {
				return context.WithValue(context.Background(), upgradeKey{}, "value")
			},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Set-Cookie", "a=b")
				c, err := new(websocket.Upgrader).Upgrade(w, r)
				if err != nil {
					t.Error(err)
				}
				conns <- c
			}),
		}
		client := connectTo(t, srv)
		// If there is a length, net/http gives the request a body, which reads
		// from the connection.
		go io.WriteString(client, requestOf(websocket.Hybi00).with("Content-Length", "8").String())
		if res, err := http.ReadResponse(bufio.NewReader(client), nil); err != nil || res.Header.Get("Set-Cookie") != "a=b" {
			t.Errorf("response %+v, %v; want the cookie in it", res, err)
		}
		go io.Copy(io.Discard, client)
		c := <-conns
		defer c.Close()
		synctest.Wait() // the handler has returned
		r := c.Request()
		if r.URL.Path != "/chat" || r.Context().Value(upgradeKey{}) != "value" || r.Context().Err() != nil {
			t.Errorf("request %v, its context %v; want its values, and no end", r.URL, r.Context().Err())
		}
		if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("body: %d, %v; want it empty", n, err)
		}
	})
}

// A client over TLS is told a location with wss.
func TestUpgradeOverTLS(t *testing.T) {
	srv := httptest.NewTLSServer(echoOnceHandler(&websocket.Upgrader{Origins: []string{"*"}}, nil))
	defer srv.Close()
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		config := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		config.NextProtos = nil
		nc, err := tls.Dial("tcp", srv.Listener.Addr().String(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		h := websocket.NewServerHandshake(&websocket.Upgrader{Origins: []string{"*"}})
		h.TLS = &tls.ConnectionState{}
		h.Feed([]byte(requestOf(v).String()))
		response := h.AppendResponse(nil)
		io.WriteString(nc, requestOf(v).String()+helloOf(v, websocket.ClientSide))
		wantBytes(t, nc, string(response)+helloOf(v, websocket.ServerSide))
	})
}

func TestUpgradeTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed []error
		opened := 0
		up := &websocket.Upgrader{Config: websocket.Config{Trace: &websocket.Trace{
			HandshakeFailed: func(_ *http.Request, err error) { failed = append(failed, err) },
			Opened:          func(*websocket.Conn) { opened++ },
		}}}
		result := make(chan error, 1)
		client := connectTo(t, &http.Server{Handler: echoOnceHandler(up, result)})
		go io.WriteString(client, requestOf(websocket.RFC6455).with("Connection").String())
		readRest(t, client)
		if err := <-result; len(failed) != 1 || failed[0] != err || opened != 0 {
			t.Errorf("trace was told %v, %d opened; want %v alone", failed, opened, err)
		}
		client = connectTo(t, &http.Server{Handler: echoOnceHandler(up, nil)})
		go io.WriteString(client, requestOf(websocket.RFC6455).String()+helloOf(websocket.RFC6455, websocket.ClientSide))
		readRest(t, client)
		if len(failed) != 1 || opened != 1 {
			t.Errorf("trace was told of %d failures and %d connections, want one more of the latter", len(failed), opened)
		}
	})
}

// If a proxy ends the client's TLS, the client expects a Location with wss, and
// the server's own origin has https. Without Secure, no header counts.
func TestUpgraderSecure(t *testing.T) {
	told := func(r *http.Request) bool { return r.Header.Get("X-Forwarded-Proto") == "https" }
	for _, tt := range []struct {
		name, proto, origin string
		secure              func(*http.Request) bool
		want                string // of the Location; none if refused
	}{
		{"told", "https", "https://a.example", told, "wss://a.example/x"},
		{"told of http", "http", "http://a.example", told, "ws://a.example/x"},
		{"page without TLS", "https", "http://a.example", told, ""},
		{"not asked", "https", "https://a.example", nil, "ws://a.example/x"},
	} {
		for _, v := range hixieVersions {
			t.Run(tt.name+"/"+v.String(), func(t *testing.T) {
				c, err := websocket.NewClientHandshake(&websocket.Dialer{Version: v, Header: http.Header{"Origin": {tt.origin}, "X-Forwarded-Proto": {tt.proto}}}, "ws://a.example/x")
				if err != nil {
					t.Fatal(err)
				}
				s := websocket.NewServerHandshake(&websocket.Upgrader{Secure: tt.secure})
				_, err = s.Feed(c.AppendRequest(nil))
				out := s.AppendResponse(nil)
				if refused := err != nil; refused != (tt.want == "") {
					t.Fatalf("error %v; want Location %q", err, tt.want)
				}
				if line := "Location: " + tt.want + "\r\n"; tt.want != "" && !strings.Contains(string(out), line) {
					t.Errorf("response %q; want the line %q", out, line)
				}
			})
		}
	}
}
