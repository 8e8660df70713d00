package websocket_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// A head that two parsers could read differently is refused. A client takes some
// of them, because nobody reads a response after it.
func TestHeadRefusesAmbiguity(t *testing.T) {
	clientTakes := []string{"bare LF", "bare LF at the end", "space before the colon", "folded with a space", "folded with a tab"}
	tests := []struct{ name, lines, words string }{
		{"bare LF", "X: a\nY: b\r\n", "LF"},
		{"bare LF at the end", "X: a\r\n\n\r\n", "LF"},
		{"bare CR", "X: a\rY: b\r\n", "CR not followed"},
		{"CR CR LF", "X: a\r\r\n", "CR not followed"},
		{"NUL", "X: a\x00b\r\n", "control character"},
		{"ESC", "X: a\x1bb\r\n", "control character"},
		{"DEL", "X: a\x7fb\r\n", "control character"},
		{"folded with a space", "X: a\r\n b\r\n", "folded"},
		{"folded with a tab", "X: a\r\n\tb\r\n", "folded"},
		{"space before the colon", "X : a\r\n", "name of a header"},
		{"tab before the colon", "X\t: b\r\n", "not an HTTP re"},
		{"no colon", "X\r\n", "not an HTTP re"},
		{"empty name", ": b\r\n", "not an HTTP re"},
		{"name that is no token", "X(Y): b\r\n", "not an HTTP re"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := strings.TrimSuffix(requestOf(websocket.RFC6455).head(), "\r\n") + tt.lines + "\r\n"
			_, err := websocket.NewServerHandshake(nil).Feed([]byte(request))
			if statusOf(err) != http.StatusBadRequest || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("server: %q: %v; want status 400 and the words %q", tt.lines, err, tt.words)
			}
			response := strings.TrimSuffix(responseOf(websocket.RFC6455).head(), "\r\n") + tt.lines + "\r\n"
			_, err = newClient(t, websocket.RFC6455, nil).Feed([]byte(response))
			if slices.Contains(clientTakes, tt.name) {
				if err != nil {
					t.Errorf("client: %q: %v; want it taken", tt.lines, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("client: %q: %v; want an error with the words %q", tt.lines, err, tt.words)
			}
		})
	}
}

func TestRequestsRefused(t *testing.T) {
	request := requestOf(websocket.RFC6455)
	tests := []struct{ name, input, words string }{
		{"long line without a colon", request.withLine("GET / HTTP/1.1\r\n" + strings.Repeat("A\xff", 7_000)).String(), "not an HTTP request"},
		{"LF first", "\n" + request.String(), "LF"},
		{"empty line first", "\r\n\r\n" + request.String(), "expected HTTP/1.1"},
		{"no HTTP", "hello\r\n\r\n", "not an HTTP request"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "speaks TLS"},
		{"NUL in the target", request.withLine("GET /\x00 HTTP/1.1").String(), "control character"},
		{"space in the target", request.withLine("GET /a b HTTP/1.1").String(), "not an HTTP request"},
		{"two lengths", request.with("Content-Length", "0", "8").String(), "not an HTTP request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := websocket.NewServerHandshake(nil).Feed([]byte(tt.input))
			if statusOf(err) != http.StatusBadRequest || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%v; want status 400 and the words %q", err, tt.words)
			}
			if n := len(err.Error()); n > 600 {
				t.Errorf("error of %d bytes: it quotes the client at length", n)
			}
		})
	}
}

// A line that ends with LF alone is refused at once. Otherwise the handshake
// would wait until the deadline, since CR LF CR LF never comes.
func TestHeadRefusesBareLineEndAtOnce(t *testing.T) {
	h := websocket.NewServerHandshake(nil)
	if n, err := h.Feed([]byte("GET / HTTP/1.1\n")); statusOf(err) != http.StatusBadRequest {
		t.Errorf("took %d, %v; want status 400 as soon as the line has ended", n, err)
	}
}

// "64 KiB of spaces or quotes in Sec-WebSocket-Protocol and -Extensions: linear
// time."
func TestListHeadersAreLinear(t *testing.T) {
	server := func(request httpMessage) error {
		_, err := websocket.NewServerHandshake(&websocket.Upgrader{Subprotocols: []string{"chat"}, MaxHeaderBytes: httphead.MaxBytes}).Feed([]byte(request.String()))
		return err
	}
	client := func(response httpMessage) error {
		h := newClient(t, websocket.RFC6455, &websocket.Dialer{Subprotocols: []string{"chat"}})
		_, err := h.Feed([]byte(response.String()))
		return err
	}
	for _, name := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Connection", "Upgrade"} {
		for _, filler := range []string{" ", `"`, ",", ", ", ";", `\`, "a,", "a ", `"\",`} {
			t.Run(name+" of "+filler, func(t *testing.T) {
				value := func(n int) string { return "x" + strings.Repeat(filler, n/len(filler)) + "x" }
				checkLinear(t, func(n int) { server(requestOf(websocket.RFC6455).with(name, value(n))) })
				checkLinear(t, func(n int) { client(responseOf(websocket.RFC6455).with(name, value(n))) })
			})
		}
	}
}

func TestExtraHeaderRefused(t *testing.T) {
	tests := map[string]http.Header{
		"empty name":          {"": {"x"}},
		"space in a name":     {"X Y": {"x"}},
		"colon in a name":     {"X:Y": {"x"}},
		"name not ASCII":      {"X\xff": {"x"}},
		"Upgrade":             {"Upgrade": {"h2c"}},
		"connection":          {"connection": {"close"}},
		"Content-Length":      {"Content-Length": {"8"}},
		"subprotocol":         {"sec-websocket-protocol": {"chat"}},
		"transfer-encoding":   {"transfer-encoding": {"chunked"}},
		"Sec-WebSocket-Key":   {"Sec-WebSocket-Key": {"x"}},
		"websocket-location":  {"websocket-location": {"x"}},
		"SEC-WEBSOCKET-DRAFT": {"SEC-WEBSOCKET-DRAFT": {"1"}},
	}
	for name, value := range controlValues {
		tests[name+" in a value"] = http.Header{"X": {"fine", value}}
		tests[name+" in a name"] = http.Header{"X" + value: {"x"}}
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			if h, err := websocket.NewClientHandshake(&websocket.Dialer{Header: header}, "ws://a/"); err == nil {
				t.Errorf("a client would send %q", h.AppendRequest(nil))
			} else if !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Errorf("%q: %v; want an error of this package", header, err)
			}
			_, response, _, err := serve(&websocket.Upgrader{Check: checkGives(header, nil)}, requestOf(websocket.RFC6455).String())
			if statusOf(err) != 500 || !strings.HasPrefix(response, "HTTP/1.1 500 ") || strings.Contains(response, "Injected") {
				t.Errorf("a server answers %q, %v; want 500 and nothing of the header", response, err)
			}
		})
	}
}

func TestSubprotocolsRefused(t *testing.T) {
	lists := map[string][]string{"empty": {""}, "space": {"a b"}, "comma": {"a,b"}, "twice": {"a", "b", "a"}, "not ASCII": {"\u00e9"}}
	for name, value := range controlValues {
		lists[name] = []string{value}
	}
	for name, list := range lists {
		t.Run(name, func(t *testing.T) {
			if h, err := websocket.NewClientHandshake(&websocket.Dialer{Subprotocols: list}, "ws://a/"); err == nil {
				t.Errorf("a client would send %q", h.AppendRequest(nil))
			}
			h := websocket.NewServerHandshake(&websocket.Upgrader{Subprotocols: list})
			if _, err := h.Feed([]byte(requestOf(websocket.RFC6455).String())); statusOf(err) != 500 {
				t.Errorf("a server says %v, want 500: the mistake is the program's", err)
			}
		})
	}
}
