package websocket_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// The requests down to the last byte.
func TestClientRequestForms(t *testing.T) {
	const begin = "GET /chat?room=1 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nHost: lab.example:8080\r\n"
	hixieBegin := strings.Replace(begin, "websocket", "WebSocket", 1)
	tests := map[websocket.Version]string{
		websocket.RFC6455: begin + "Origin: http://page.example\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
			"Sec-WebSocket-Protocol: chat\r\nUser-Agent: Go-http-client/1.1\r\nX-A: 1\r\nX-A: 2\r\n\r\n",
		websocket.Hybi10: begin + "Sec-WebSocket-Origin: http://page.example\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: OC0xNzk1MzQ4MjI0NjQ1\r\n" +
			"Sec-WebSocket-Protocol: chat\r\nUser-Agent: Go-http-client/1.1\r\nX-A: 1\r\nX-A: 2\r\n\r\n",
		websocket.Hybi07: begin + "Sec-WebSocket-Origin: http://page.example\r\nSec-WebSocket-Version: 7\r\nSec-WebSocket-Key: BCoM17o5VNPvlTlidZCRjw==\r\n" +
			"Sec-WebSocket-Protocol: chat\r\nUser-Agent: Go-http-client/1.1\r\nX-A: 1\r\nX-A: 2\r\n\r\n",
		websocket.Hybi00: hixieBegin + "Origin: http://page.example\r\nSec-WebSocket-Key1: " + hixieKey1 + "\r\nSec-WebSocket-Key2: " + hixieKey2 + "\r\n" +
			"Sec-WebSocket-Protocol: chat\r\nUser-Agent: Go-http-client/1.1\r\nX-A: 1\r\nX-A: 2\r\n\r\n" + hixieKey3,
		websocket.Hixie75: hixieBegin + "Origin: http://page.example\r\nWebSocket-Protocol: chat\r\nUser-Agent: Go-http-client/1.1\r\nX-A: 1\r\nX-A: 2\r\n\r\n",
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		h := newClient(t, v, &websocket.Dialer{
			Subprotocols: []string{"chat"},
			Header:       http.Header{"X-A": {"1", "2"}, "origin": {" http://page.example "}},
		})
		if got := string(h.AppendRequest(nil)); got != tests[v] {
			t.Errorf("request\n%q, want\n%q", got, tests[v])
		}
	})
}

// A client sends the User-Agent of net/http unless the program gives another, or
// an empty one for none. A proxy is sent the same.
func TestClientUserAgent(t *testing.T) {
	const usual = "User-Agent: Go-http-client/1.1"
	for _, tt := range []struct {
		name   string
		header http.Header
		want   string // its line
	}{
		{"no header", nil, usual},
		{"other headers", http.Header{"X-A": {"1"}}, usual},
		{"given", http.Header{"User-Agent": {"meter/2 (v3)"}}, "User-Agent: meter/2 (v3)"},
		{"name in lower case", http.Header{"user-agent": {"meter/2"}}, "User-Agent: meter/2"},
		{"spaces around it", http.Header{"User-Agent": {" meter/2\t"}}, "User-Agent: meter/2"},
		{"two, of which net/http sends the first", http.Header{"User-Agent": {"a", "b"}}, "User-Agent: a"},
		{"empty", http.Header{"User-Agent": {""}}, ""},
		{"spaces", http.Header{"User-Agent": {" "}}, ""},
		{"nil", http.Header{"User-Agent": nil}, ""},
		{"nil, in lower case", http.Header{"user-agent": nil}, ""},
	} {
		eachVersion(t, func(t *testing.T, v websocket.Version) {
			check := func(to, request string) {
				t.Helper()
				var lines []string
				for line := range strings.SplitSeq(request, "\r\n") {
					if strings.HasPrefix(strings.ToLower(line), "user-agent:") {
						lines = append(lines, line)
					}
				}
				if got := strings.Join(lines, "|"); got != tt.want {
					t.Errorf("%s: %s is sent %q, want %q", tt.name, to, got, tt.want)
				}
			}
			d := websocket.Dialer{Version: v, Header: tt.header}
			h := newClient(t, v, &d)
			check("the server", string(h.AppendRequest(nil)))

			link := &pipeLink{Serve: func(c net.Conn) {
				check("a proxy", readHead(c))
				io.WriteString(c, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
			}}
			d.DialContext, d.Proxy = link.Dial, http.ProxyURL(&url.URL{Scheme: "http", Host: "p.test"})
			if _, err := d.Dial(t.Context(), requestURL); statusOf(err) != 403 {
				t.Errorf("%s: %v, want the proxy's 403", tt.name, err)
			}
		})
	}
}

func TestClientRequestSubprotocolList(t *testing.T) {
	for _, v := range hybiVersions {
		h := newClient(t, v, &websocket.Dialer{Subprotocols: []string{"v2", "v1"}})
		if got := string(h.AppendRequest(nil)); !strings.Contains(got, "\r\nSec-WebSocket-Protocol: v2, v1\r\n") {
			t.Errorf("%v: request %q lacks the list", v, got)
		}
	}
	for _, v := range hixieVersions {
		if _, err := websocket.NewClientHandshake(&websocket.Dialer{Version: v, Subprotocols: []string{"v2", "v1"}}, "ws://a/"); err == nil {
			t.Errorf("%v: two subprotocols were taken, its header holds one", v)
		}
	}
}

// A client without an origin sends none, except in the versions whose servers
// require one.
func TestClientOrigin(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for rawURL, origin := range map[string]string{
			"ws://a.example/":       "http://a.example",
			"wss://a.example/":      "https://a.example",
			"wss://a.example:8443/": "https://a.example:8443",
			"ws://[::1]:81/":        "http://[::1]:81",
		} {
			h, err := websocket.NewClientHandshake(&websocket.Dialer{Version: v}, rawURL)
			if err != nil {
				t.Fatal(err)
			}
			request := string(h.AppendRequest(nil))
			if got := strings.Contains(request, "\r\nOrigin: "+origin+"\r\n"); got != isHixie(v) || !isHixie(v) && strings.Contains(request, "Origin") {
				t.Errorf("%s: request %q; want the origin %s for hixie, none otherwise", rawURL, request, origin)
			}
		}
	})
}

func TestClientHost(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		h := newClient(t, v, &websocket.Dialer{Header: http.Header{"host": {"virtual.example:81"}}})
		request := string(h.AppendRequest(nil))
		if !strings.Contains(request, "\r\nHost: virtual.example:81\r\n") || strings.Contains(request, "lab.example") {
			t.Errorf("request %q, want no Host but virtual.example:81", request)
		}
		if isHixie(v) && !strings.Contains(request, "\r\nOrigin: http://virtual.example:81\r\n") {
			t.Errorf("request %q, want the origin to be that of the Host", request)
		}
	})
}

// "CR, LF, NUL in every caller-supplied header, value, subprotocol, URL, host,
// origin: refused." Headers and subprotocols have tests of their own.
func TestClientRefusesControls(t *testing.T) {
	check := func(name string, d *websocket.Dialer, rawURL string) {
		t.Helper()
		for _, v := range allVersions {
			d.Version = v
			if h, err := websocket.NewClientHandshake(d, rawURL); err == nil {
				t.Errorf("%s, %v: would send %q", name, v, h.AppendRequest(nil))
			}
		}
	}
	for name, value := range controlValues {
		check(name+" in Host", &websocket.Dialer{Header: http.Header{"Host": {value}}}, "ws://a/")
		check(name+" in Origin", &websocket.Dialer{Header: http.Header{"Origin": {"http://" + value}}}, "ws://a/")
		check(name+" in the path", &websocket.Dialer{}, "ws://a/"+value)
		check(name+" in the query", &websocket.Dialer{}, "ws://a/?"+value)
		check(name+" in the host", &websocket.Dialer{}, "ws://"+value+"/")
		check(name+" in the password", &websocket.Dialer{}, "ws://u:"+value+"@a/")
		check(name+" in the password, escaped", &websocket.Dialer{}, "ws://u:"+url.PathEscape(value)+"@a/")
		check(name+" in the value of a cookie", &websocket.Dialer{Jar: fixedJar{{Name: "x", Value: value}}}, "ws://a/")
		check(name+" in the name of a cookie", &websocket.Dialer{Jar: fixedJar{{Name: value, Value: "x"}}}, "ws://a/")
	}
	check("Host with a slash", &websocket.Dialer{Header: http.Header{"Host": {"a/b"}}}, "ws://a/")
	check("Host with a space", &websocket.Dialer{Header: http.Header{"Host": {"a b"}}}, "ws://a/")
	check("empty Host", &websocket.Dialer{Header: http.Header{"Host": {""}}}, "ws://a/")
	check("two Hosts", &websocket.Dialer{Header: http.Header{"Host": {"a", "b"}}}, "ws://a/")
	check("two Hosts, one in lower case", &websocket.Dialer{Header: http.Header{"Host": {"a"}, "host": {"b"}}}, "ws://a/")
	check("two Origins", &websocket.Dialer{Header: http.Header{"Origin": {"http://a", "http://b"}}}, "ws://a/")
	check("another scheme", &websocket.Dialer{}, "ftp://a/")
	if _, err := websocket.NewClientHandshake(&websocket.Dialer{Version: 99}, "ws://a/"); err == nil {
		t.Error("version 99 was taken")
	}
}

// fixedJar returns the same cookies for every URL, and keeps none.
type fixedJar []*http.Cookie

func (j fixedJar) Cookies(*url.URL) []*http.Cookie     { return j }
func (j fixedJar) SetCookies(*url.URL, []*http.Cookie) {}

func TestClientCookiesAndAuthorization(t *testing.T) {
	jar := fixedJar{{Name: "a", Value: "1"}, {Name: "b", Value: "x y", Quoted: true}}
	tests := []struct {
		name   string
		url    string
		header http.Header
		jar    http.CookieJar
		want   []string // the header lines concerned
	}{
		{"nothing", "ws://a/", nil, nil, nil},
		{"empty jar", "ws://a/", nil, fixedJar{}, nil},
		{"jar", "ws://a/", nil, jar, []string{`Cookie: a=1; b="x y"`}},
		{"given", "ws://a/", http.Header{"Cookie": {"c=3"}}, nil, []string{"Cookie: c=3"}},
		{"both", "ws://a/", http.Header{"cookie": {"c=3"}}, jar, []string{`Cookie: c=3; a=1; b="x y"`}},
		{"two given and jar", "ws://a/", http.Header{"Cookie": {"c=3", "d=4"}}, jar[:1], []string{"Cookie: c=3; d=4; a=1"}},
		{"user and password", "ws://Aladdin:open%20sesame@a/", nil, nil, []string{"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}},
		{"user alone", "ws://u@a/", nil, nil, []string{"Authorization: Basic dTo="}},
		{"header wins", "ws://u:p@a/", http.Header{"authorization": {"Bearer x"}}, nil, []string{"Authorization: Bearer x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &websocket.Dialer{Header: tt.header, Jar: tt.jar}
			before := len(tt.header)
			h, err := websocket.NewClientHandshake(d, tt.url)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.SplitSeq(string(h.AppendRequest(nil)), "\r\n") {
				if strings.HasPrefix(line, "Cookie:") || strings.HasPrefix(line, "Authorization:") {
					got = append(got, line)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("request has %q, want %q", got, tt.want)
			}
			if len(tt.header) != before {
				t.Errorf("the program's header was changed to %v", tt.header)
			}
		})
	}
}

// Cookies of a response, also of a refusal, are kept for the right scheme.
func TestClientKeepsCookies(t *testing.T) {
	for _, line := range []string{"HTTP/1.1 101 Switching Protocols", "HTTP/1.1 401 Unauthorized"} {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		response := responseOf(websocket.RFC6455).withLine(line).with("Set-Cookie", "a=1", "b=2; Secure")
		newClient(t, websocket.RFC6455, &websocket.Dialer{Jar: jar}).Feed([]byte(response.String()))
		again := string(newClient(t, websocket.RFC6455, &websocket.Dialer{Jar: jar}).AppendRequest(nil))
		if !strings.Contains(again, "\r\nCookie: a=1\r\n") {
			t.Errorf("after %q: request %q, want the cookie that is not for TLS alone", line, again)
		}
	}
}

// "A frame in the same segment as the handshake: delivered", in whatever pieces
// both arrive.
func TestClientHandshakeInAnyPieces(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		checkClientInAnyPieces(t, v, "interim response before", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+responseOf(v).String())
	})
}

// checkClientInAnyPieces feeds a client a response and a message, in pieces of
// each size. It fails unless the client takes both.
func checkClientInAnyPieces(t *testing.T, v websocket.Version, name, response string) {
	t.Helper()
	input := response + helloOf(v, websocket.ServerSide)
	for size := 1; size <= len(input); size++ {
		h := newClient(t, v, nil)
		var p *websocket.Parser
		for piece := range slices.Chunk([]byte(input), size) {
			n, err := h.Feed(piece)
			if err != nil {
				t.Fatalf("%s, pieces of %d bytes: %v", name, size, err)
			}
			if p == nil && h.Done() {
				p = h.Parser()
			}
			if n < len(piece) {
				p.Append(piece[n:])
			}
		}
		if h.Response() == nil || h.Response().StatusCode != 101 || h.Version() != v {
			t.Fatalf("%s, pieces of %d bytes: response %v, version %v", name, size, h.Response(), h.Version())
		}
		if m, err := p.Next(); err != nil || m.Type != websocket.Text || string(m.Data) != "Hello" {
			t.Errorf("%s, pieces of %d bytes: first message %v %q, %v; want Hello", name, size, m.Type, m.Data, err)
		}
	}
}

func TestClientInterimResponses(t *testing.T) {
	const interim = "HTTP/1.1 100 Continue\r\n\r\n"
	for count, want := range map[int]bool{0: true, 1: true, httphead.MaxInterim: true, httphead.MaxInterim + 1: false, 1000: false} {
		h := newClient(t, websocket.RFC6455, nil)
		_, err := h.Feed([]byte(strings.Repeat(interim, count) + responseOf(websocket.RFC6455).String()))
		if (err == nil) != want || h.Done() != want {
			t.Errorf("%d interim responses: %v, done %t; want %t", count, err, h.Done(), want)
		}
	}
}

// "Endless response headers: the client gives up at the limit."
func TestClientEndlessHeader(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		h := newClient(t, v, nil)
		line := []byte("X-Filler: 0123456789\r\n")
		h.Feed([]byte("HTTP/1.1 101 x\r\n"))
		fed := 0
		for fed < 2*httphead.MaxBytes {
			n, err := h.Feed(line)
			fed += n
			var refused *websocket.HandshakeError
			if errors.As(err, &refused) {
				if refused.Status != 0 || refused.Response != nil {
					t.Errorf("error %+v, want neither status nor response: there was none", refused)
				}
				break
			}
		}
		if fed > httphead.MaxBytes+len(line) {
			t.Errorf("took %d bytes, want an error at %d", fed, httphead.MaxBytes)
		}
	})
}

// "Failed handshake tells status and headers", and a 426 names versions.
func TestClientRefusalIsTold(t *testing.T) {
	h := newClient(t, websocket.Hixie75, nil)
	const response = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8, 7\r\nX-Reason: old\r\n\r\nbody"
	n, err := h.Feed([]byte(response))
	var refused *websocket.HandshakeError
	if !errors.As(err, &refused) || refused.Status != 426 || refused.Response.Header.Get("X-Reason") != "old" {
		t.Fatalf("%v, want a *HandshakeError with status 426 and the headers", err)
	}
	if !strings.Contains(err.Error(), "13, 8, 7") || !strings.Contains(err.Error(), "draft-hixie-75") {
		t.Errorf("error %q names neither the versions that the server takes nor ours", err)
	}
	if response[n:] != "body" {
		t.Errorf("left over is %q, want the body", response[n:])
	}
	if body, err := io.ReadAll(refused.Response.Body); len(body) > 0 || err != nil {
		t.Errorf("body %q, %v; want none without I/O", body, err)
	}
}

// A relative Location of a redirect is resolved with the URL of the request.
func TestClientRedirectLocation(t *testing.T) {
	h := newClient(t, websocket.RFC6455, nil)
	_, err := h.Feed([]byte("HTTP/1.1 302 Found\r\nLocation: ../new\r\n\r\n"))
	var refused *websocket.HandshakeError
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if to, err := refused.Response.Location(); err != nil || to.String() != "http://lab.example:8080/new" {
		t.Errorf("redirected to %v, %v; want http://lab.example:8080/new", to, err)
	}
}

func TestClientKeysAreNew(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		seen := map[string]bool{}
		for range 100 {
			h, err := websocket.NewClientHandshake(&websocket.Dialer{Version: v}, "ws://a/")
			if err != nil {
				t.Fatal(err)
			}
			request := string(h.AppendRequest(nil))
			if seen[request] && v != websocket.Hixie75 {
				t.Fatalf("a request came twice: %q", request)
			}
			seen[request] = true
			if again := string(h.AppendRequest(nil)); again != request {
				t.Fatalf("the same handshake asks %q, then %q", request, again)
			}
		}
	})
}

// Our two sides do the handshake of every version with each other.
func TestHandshakesMeet(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for range 20 { // the keys are random
			client, err := websocket.NewClientHandshake(&websocket.Dialer{Version: v, Subprotocols: []string{"chat"}}, "wss://a.example/x?y")
			if err != nil {
				t.Fatal(err)
			}
			request := client.AppendRequest(nil)
			server, response, rest, err := serve(&websocket.Upgrader{Subprotocols: []string{"chat"}}, string(request))
			if err != nil || rest != "" {
				t.Fatalf("server on %q: %v, left over %q", request, err, rest)
			}
			if n, err := client.Feed([]byte(response)); err != nil || n != len(response) || !client.Done() || !server.Done() {
				t.Fatalf("client on %q: took %d, %v", response, n, err)
			}
			if client.Subprotocol() != "chat" || server.Subprotocol() != "chat" || server.Version() != v {
				t.Errorf("subprotocols %q and %q, version %v", client.Subprotocol(), server.Subprotocol(), server.Version())
			}
		}
	})
}
