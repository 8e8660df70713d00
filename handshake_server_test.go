package websocket_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// These responses, down to the last byte, were accepted by every client.
func TestServerResponseForms(t *testing.T) {
	const hixieEnd = "WebSocket-Origin: http://lab.example:8080\r\n@WebSocket-Location: ws://lab.example:8080/chat?room=1\r\n"
	tests := map[websocket.Version]string{
		websocket.RFC6455: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n#Sec-WebSocket-Protocol: chat\r\n",
		websocket.Hybi10: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: h14VgLSFxpKScNH8EqnBWadNqCk=\r\n#Sec-WebSocket-Protocol: chat\r\n",
		websocket.Hybi07: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: aYttIgilmbiQ5CswFyupMlfZF0w=\r\n#Sec-WebSocket-Protocol: chat\r\n",
		websocket.Hybi00: "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
			"Sec-" + strings.Replace(hixieEnd, "@", "Sec-", 1) + "#Sec-WebSocket-Protocol: chat\r\n",
		websocket.Hixie75: "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
			strings.Replace(hixieEnd, "@", "", 1) + "#WebSocket-Protocol: chat\r\n",
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		plain, withProtocol, _ := strings.Cut(tests[v], "#")
		end := "\r\n"
		if v == websocket.Hybi00 {
			end += hixieAnswer
		}
		request := requestOf(v)
		if _, got, _, err := serve(nil, request.String()); err != nil || got != plain+end {
			t.Errorf("response (%v)\n%q, want\n%q", err, got, plain+end)
		}
		up := &websocket.Upgrader{Subprotocols: []string{"chat"}}
		request = request.with(protocolHeader(v), "chat")
		if h, got, _, err := serve(up, request.String()); err != nil || got != plain+withProtocol+end || h.Subprotocol() != "chat" {
			t.Errorf("response with a subprotocol (%v)\n%q, want\n%q", err, got, plain+withProtocol+end)
		}
		h := websocket.NewServerHandshake(&websocket.Upgrader{Check: checkGives(http.Header{"Set-Cookie": {"a=b", "c=d"}}, nil)})
		_, err := h.Feed([]byte(requestOf(v).String()))
		got := h.AppendResponse([]byte("before "))
		if want := "before " + plain + "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n" + end; err != nil || string(got) != want {
			t.Errorf("response with cookies (%v)\n%q, want\n%q", err, got, want)
		}
	})
}

// Our response has what six clients of hixie-76 were seen to require.
func TestServerResponseMeetsHixie76Clients(t *testing.T) {
	_, response, _, err := serve(&websocket.Upgrader{Subprotocols: []string{"chat"}}, requestOf(websocket.Hybi00).String())
	if err != nil {
		t.Fatal(err)
	}
	head, answer, _ := strings.Cut(response, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	has := func(line string) bool { return slices.Contains(lines, line) }
	without := func(name string) bool {
		return !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(strings.ToLower(l), name+":") })
	}
	for name, ok := range map[string]bool{
		"a reason phrase after 101 (perl, jws)":                     has("HTTP/1.1 101 WebSocket Protocol Handshake"),
		"Upgrade in mixed case (oldnet)":                            has("Upgrade: WebSocket"),
		"Connection with nothing but Upgrade (oldnet)":              has("Connection: Upgrade"),
		"the origin that was sent (perl, oldnet, netty, jws)":       has("Sec-WebSocket-Origin: http://lab.example:8080"),
		"a location with scheme, port, path and query (oldnet)":     has("Sec-WebSocket-Location: ws://lab.example:8080/chat?room=1"),
		"no subprotocol where none was asked for (netty)":           without("sec-websocket-protocol"),
		"no Sec-WebSocket-Accept (perl, netty)":                     without("sec-websocket-accept"),
		"the right 16 bytes (all)":                                  answer == hixieAnswer,
		"no body announced, which would take the first frame along": without("content-length") && without("transfer-encoding"),
	} {
		if !ok {
			t.Errorf("the response lacks %s:\n%s", name, head)
		}
	}
}

// "Missing, duplicated, empty and malformed Upgrade, Connection, Host, Key,
// Version, Key1, Key2; HTTP/1.0; other methods; lists in one header and in
// two."
func TestServerChecksEveryVersion(t *testing.T) {
	tests := []struct {
		name   string
		edit   func(httpMessage) httpMessage
		status int
	}{
		{"as it is", func(m httpMessage) httpMessage { return m }, 0},
		{"Upgrade missing", func(m httpMessage) httpMessage { return m.with("Upgrade") }, 426},
		{"Upgrade empty", func(m httpMessage) httpMessage { return m.with("Upgrade", "") }, 426},
		{"Upgrade to something else", func(m httpMessage) httpMessage { return m.with("Upgrade", "h2c") }, 426},
		{"Upgrade begins with websocket", func(m httpMessage) httpMessage { return m.with("Upgrade", "websockets") }, 426},
		{"Upgrade with spaces", func(m httpMessage) httpMessage { return m.with("Upgrade", "web socket") }, 426},
		{"Upgrade quoted", func(m httpMessage) httpMessage { return m.with("Upgrade", `"websocket"`) }, 426},
		{"Upgrade in upper case", func(m httpMessage) httpMessage { return m.with("Upgrade", "WEBSOCKET") }, 0},
		{"Upgrade twice", func(m httpMessage) httpMessage { return m.with("Upgrade", "WebSocket", "WebSocket") }, 0},
		{"Upgrade in a list", func(m httpMessage) httpMessage { return m.with("Upgrade", "h2c, WebSocket") }, 0},
		{"Connection missing", func(m httpMessage) httpMessage { return m.with("Connection") }, 400},
		{"Connection empty", func(m httpMessage) httpMessage { return m.with("Connection", "") }, 400},
		{"Connection close", func(m httpMessage) httpMessage { return m.with("Connection", "close") }, 400},
		{"Connection malformed", func(m httpMessage) httpMessage { return m.with("Connection", "Upgrade;q=1") }, 400},
		{"Connection in lower case", func(m httpMessage) httpMessage { return m.with("Connection", "upgrade") }, 0},
		{"Connection in a list", func(m httpMessage) httpMessage { return m.with("Connection", "keep-alive, Upgrade") }, 0},
		{"Connection in a list without space", func(m httpMessage) httpMessage { return m.with("Connection", "a,upgrade,b") }, 0},
		{"Connection in two headers", func(m httpMessage) httpMessage { return m.with("Connection", "keep-alive", "Upgrade") }, 0},
		{"Connection as HAProxy 1.4 leaves it", func(m httpMessage) httpMessage { return m.with("Connection", "Upgrade", "close") }, 0},
		{"Host missing", func(m httpMessage) httpMessage { return m.with("Host") }, 400},
		{"Host empty", func(m httpMessage) httpMessage { return m.with("Host", "") }, 400},
		{"Host twice", func(m httpMessage) httpMessage {
			return m.with("Host", "lab.example:8080", "lab.example:8080")
		}, 400},
		{"Host with a space", func(m httpMessage) httpMessage { return m.with("Host", "a b") }, 400},
		{"Host with a slash", func(m httpMessage) httpMessage { return m.with("Host", "a/b") }, 400},
		{"Host with a user", func(m httpMessage) httpMessage { return m.with("Host", "u@a") }, 400},
		{"Host not ASCII", func(m httpMessage) httpMessage { return m.with("Host", "b\xc3\xbccher.example") }, 400},
		{"HTTP/1.0", func(m httpMessage) httpMessage { return m.withLine("GET /chat?room=1 HTTP/1.0") }, 505},
		{"HTTP/0.9", func(m httpMessage) httpMessage { return m.withLine("GET /chat?room=1 HTTP/0.9") }, 505},
		{"HTTP/2.0", func(m httpMessage) httpMessage { return m.withLine("GET /chat?room=1 HTTP/2.0") }, 505},
		{"HTTP/1.2", func(m httpMessage) httpMessage { return m.withLine("GET /chat?room=1 HTTP/1.2") }, 0},
		{"POST", func(m httpMessage) httpMessage { return m.withLine("POST /chat?room=1 HTTP/1.1") }, 405},
		{"HEAD", func(m httpMessage) httpMessage { return m.withLine("HEAD /chat?room=1 HTTP/1.1") }, 405},
		{"OPTIONS", func(m httpMessage) httpMessage { return m.withLine("OPTIONS /chat?room=1 HTTP/1.1") }, 405},
		{"CONNECT", func(m httpMessage) httpMessage { return m.withLine("CONNECT lab.example:8080 HTTP/1.1") }, 405},
		{"get in lower case", func(m httpMessage) httpMessage { return m.withLine("get /chat?room=1 HTTP/1.1") }, 405},
		{"target *", func(m httpMessage) httpMessage { return m.withLine("GET * HTTP/1.1") }, 400},
		{"target without slash", func(m httpMessage) httpMessage { return m.withLine("GET chat HTTP/1.1") }, 400},
		{"absolute target", func(m httpMessage) httpMessage {
			return m.withLine("GET http://lab.example:8080/chat?room=1 HTTP/1.1")
		}, 0},
		{"two slashes", func(m httpMessage) httpMessage { return m.withLine("GET //evil.example/ HTTP/1.1") }, 0},
		{"a body", func(m httpMessage) httpMessage { return m.with("Content-Length", "5") }, 400},
		{"Content-Length 0", func(m httpMessage) httpMessage { return m.with("Content-Length", "0") }, 0},
		{"chunked body", func(m httpMessage) httpMessage { return m.with("Transfer-Encoding", "chunked") }, 400},
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				h, response, _, err := serve(nil, tt.edit(requestOf(v)).String())
				if got := statusOf(err); got != tt.status {
					t.Fatalf("status %d (%v), want %d", got, err, tt.status)
				}
				if tt.status == 0 && !h.Done() {
					t.Errorf("not done after %q", response)
				}
			})
		}
	})
}

func TestServerChecksKeys(t *testing.T) {
	const good = "dGhlIHNhbXBsZSBub25jZQ=="
	long := strings.Repeat("A", 60) + "AAAAAAA="
	tests := []struct {
		name    string
		values  []string
		strict  int // status for version 13
		lenient int // for 8 and 7
	}{
		{"missing", nil, 400, 400},
		{"empty", []string{""}, 400, 400},
		{"twice", []string{good, good}, 400, 400},
		{"not base64", []string{"dGhlIHNhbXBsZSBub25jZQ!="}, 400, 400},
		{"padding missing", []string{"dGhlIHNhbXBsZSBub25jZQ"}, 400, 400},
		{"space inside", []string{"dGhlIHNhbXBsZS Bub25jZQ=="}, 400, 400},
		{"16 bytes", []string{good}, 0, 0},
		{"15 bytes, as ws 0.4 and 1.x send", []string{"OC0xNzk1MzQ4MjI0NjQ1"}, 400, 0},
		{"17 bytes", []string{"dGhlIHNhbXBsZSBub25jZWE="}, 400, 0},
		{"1 byte", []string{"AA=="}, 400, 0},
		{"51 bytes", []string{long}, 400, 400},
		{"15 KiB", []string{strings.Repeat("A", 15<<10)}, 400, 400},
	}
	for _, v := range hybiVersions {
		for _, tt := range tests {
			t.Run(v.String()+"/"+tt.name, func(t *testing.T) {
				want := tt.lenient
				if v == websocket.RFC6455 {
					want = tt.strict
				}
				h, response, _, err := serve(nil, requestOf(v).with("Sec-WebSocket-Key", tt.values...).String())
				if got := statusOf(err); got != want {
					t.Fatalf("status %d (%v), want %d", got, err, want)
				}
				if want == 0 && (!h.Done() || !strings.Contains(response, websocket.AcceptKey(tt.values[0]))) {
					t.Errorf("response %q, want the answer to key %q", response, tt.values[0])
				}
				if len(response) > 1000 {
					t.Errorf("refusal of %d bytes, want what the client sent cut short", len(response))
				}
			})
		}
	}
}

// A broken request of hixie-76 is never taken for hixie-75, which has no proof.
func TestServerChecksHixie76Keys(t *testing.T) {
	tests := []struct {
		name   string
		values []string
	}{
		{"missing", nil},
		{"empty", []string{""}},
		{"twice", []string{hixieKey1, hixieKey1}},
		{"no space", []string{"123"}},
		{"no digit", []string{"a b"}},
		{"remainder", []string{"1 3 x"}},
		{"beyond 32 bits", []string{"4294967296 x"}},
		{"very many digits", []string{strings.Repeat("9", 15<<10) + " x"}},
	}
	for _, name := range []string{"Sec-WebSocket-Key1", "Sec-WebSocket-Key2"} {
		for _, tt := range tests {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				_, response, _, err := serve(nil, requestOf(websocket.Hybi00).with(name, tt.values...).String())
				if got := statusOf(err); got != 400 || !strings.HasPrefix(response, "HTTP/1.1 400 ") {
					t.Errorf("status %d (%v), response %.200q; want 400", got, err, response)
				}
				if !strings.Contains(response, "\r\nConnection: close\r\n") {
					t.Errorf("response %.200q lacks Connection: close, so key3 would be the next request", response)
				}
			})
		}
	}
}

// Some clients count key3 as a body, others do not.
func TestServerHixie76ContentLength(t *testing.T) {
	for value, status := range map[string]int{"8": 0, "0": 0, "7": 400, "9": 400, "16": 400, "-8": 400, "+8": 400} {
		h, _, _, err := serve(nil, requestOf(websocket.Hybi00).with("Content-Length", value).String())
		if got := statusOf(err); got != status || h.Done() != (status == 0) {
			t.Errorf("Content-Length: %s: status %d (%v), done %t; want status %d", value, got, err, h.Done(), status)
		}
	}
}

// The head may arrive in any pieces, and what follows it in the last one is not
// lost: "a frame in the same segment as the handshake, in every version:
// delivered."
func TestServerHandshakeInAnyPieces(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		input := requestOf(v).String() + helloOf(v, websocket.ClientSide)
		_, want, _, _ := serve(nil, input)
		for size := 1; size <= len(input); size++ {
			h := websocket.NewServerHandshake(nil)
			var out []byte
			var p *websocket.Parser
			for piece := range slices.Chunk([]byte(input), size) {
				n, err := h.Feed(piece)
				if err != nil {
					t.Fatalf("pieces of %d bytes: %v", size, err)
				}
				out = h.AppendResponse(out)
				if p == nil && h.Done() {
					p = h.Parser()
				}
				if n < len(piece) {
					p.Append(piece[n:])
				}
			}
			if string(out) != want {
				t.Errorf("pieces of %d bytes: response %q, want %q", size, out, want)
			}
			if m, err := p.Next(); err != nil || m.Type != websocket.Text || string(m.Data) != "Hello" {
				t.Errorf("pieces of %d bytes: first message %v %q, %v; want Hello", size, m.Type, m.Data, err)
			}
		}
	})
}

// Behind HAProxy and nginx, key3 arrives only after the head of the response
// was sent. So the head does not wait for it.
func TestServerHixie76HeadDoesNotWait(t *testing.T) {
	h := websocket.NewServerHandshake(nil)
	if h.Request() != nil || h.Done() {
		t.Error("a handshake that was fed nothing has a request or is done")
	}
	if out := h.AppendResponse(nil); len(out) > 0 {
		t.Errorf("response to nothing: %q", out)
	}
	request := requestOf(websocket.Hybi00)
	h.Feed([]byte(request.head()))
	head := string(h.AppendResponse(nil))
	if !strings.HasSuffix(head, "\r\n\r\n") || h.Done() {
		t.Fatalf("before key3: %q, done %t; want the head and not done", head, h.Done())
	}
	for i := range len(hixieKey3) {
		if out := h.AppendResponse(nil); len(out) > 0 {
			t.Fatalf("after %d bytes of key3: %q, want nothing", i, out)
		}
		if n, err := h.Feed([]byte(hixieKey3[i:])[:1]); n != 1 || err != nil {
			t.Fatalf("byte %d of key3: took %d, %v", i, n, err)
		}
	}
	if out := string(h.AppendResponse(nil)); out != hixieAnswer || !h.Done() {
		t.Errorf("after key3: %q, done %t; want the 16 bytes", out, h.Done())
	}
	if n, err := h.Feed([]byte("\x00x\xff")); n != 0 || err != nil {
		t.Errorf("took %d bytes behind the handshake, %v; want none", n, err)
	}
}

// "Hixie reflects Host and Origin into its response": as they arrived, after
// the checks above.
func TestServerLocation(t *testing.T) {
	tests := []struct {
		name, line, host string
		tls              bool
		want             string
	}{
		{"plain", "GET / HTTP/1.1", "a.example", false, "ws://a.example/"},
		{"TLS", "GET / HTTP/1.1", "a.example", true, "wss://a.example/"},
		{"default port kept", "GET / HTTP/1.1", "a.example:80", false, "ws://a.example:80/"},
		{"case kept", "GET / HTTP/1.1", "A.Example:8080", false, "ws://A.Example:8080/"},
		{"IPv6", "GET / HTTP/1.1", "[::1]:8080", false, "ws://[::1]:8080/"},
		{"escapes and query kept", "GET /%7Ea%2fb;c?d=%20&e HTTP/1.1", "a", false, "ws://a/%7Ea%2fb;c?d=%20&e"},
		{"empty query kept", "GET /a? HTTP/1.1", "a", false, "ws://a/a?"},
		{"two slashes", "GET //evil.example HTTP/1.1", "a", false, "ws://a//evil.example"},
		{"bytes beyond ASCII", "GET /\xc3\xbc HTTP/1.1", "a", false, "ws://a/\xc3\xbc"},
		{"absolute target", "GET http://b.example/x?y HTTP/1.1", "a", false, "ws://b.example/x?y"},
	}
	for _, v := range hixieVersions {
		for _, tt := range tests {
			t.Run(v.String()+"/"+tt.name, func(t *testing.T) {
				h := websocket.NewServerHandshake(&websocket.Upgrader{Origins: []string{"*"}})
				if tt.tls {
					h.TLS = &tls.ConnectionState{}
				}
				if _, err := h.Feed([]byte(requestOf(v).withLine(tt.line).with("Host", tt.host).String())); err != nil {
					t.Fatal(err)
				}
				response := h.AppendResponse(nil)
				if want := "WebSocket-Location: " + tt.want + "\r\n"; !strings.Contains(string(response), want) {
					t.Errorf("response %q lacks %q", response, want)
				}
			})
		}
	}
}

func TestServerLocationWithControls(t *testing.T) {
	for name, value := range controlValues {
		r, err := http.ReadRequest(bufReader(requestOf(websocket.Hixie75).head()))
		if err != nil {
			t.Fatal(err)
		}
		r.RequestURI = "/" + value
		if _, err := new(websocket.Upgrader).Upgrade(httptest.NewRecorder(), r); statusOf(err) != 400 {
			t.Errorf("%s in the target: %v, want status 400", name, err)
		}
	}
}

func TestServerRequestIsShown(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		h := websocket.NewServerHandshake(nil)
		h.RemoteAddr, h.TLS = "192.0.2.1:1234", &tls.ConnectionState{ServerName: "x"}
		request := requestOf(v).with("Cookie", "a=b").with(originHeader(v), "https://lab.example:8080")
		if v == websocket.Hybi00 {
			request = request.with("Content-Length", "8")
		}
		if _, err := h.Feed([]byte(request.String())); err != nil {
			t.Fatal(err)
		}
		r := h.Request()
		if r.URL.Path != "/chat" || r.FormValue("room") != "1" || r.Host != "lab.example:8080" || r.RemoteAddr != h.RemoteAddr || r.TLS != h.TLS {
			t.Errorf("request %+v does not show what came", r)
		}
		if cookie, err := r.Cookie("a"); err != nil || cookie.Value != "b" {
			t.Errorf("cookie %v, %v", cookie, err)
		}
		if n, err := r.Body.Read(make([]byte, 8)); n != 0 || err != io.EOF {
			t.Errorf("body of %d bytes, %v; want none: key3 belongs to the handshake", n, err)
		}
	})
}
