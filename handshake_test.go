package websocket

import (
	"bufio"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// handshakeMessage is a request or response to be taken apart and put together
// wrongly.
type handshakeMessage struct {
	line   string
	fields [][2]string
	body   string
}

// with replaces all fields of this name, or adds them. No values removes them.
func (m handshakeMessage) with(name string, values ...string) handshakeMessage {
	at := slices.IndexFunc(m.fields, func(f [2]string) bool { return strings.EqualFold(f[0], name) })
	fields := slices.DeleteFunc(slices.Clone(m.fields), func(f [2]string) bool { return strings.EqualFold(f[0], name) })
	if at < 0 || at > len(fields) {
		at = len(fields)
	}
	for i, value := range values {
		fields = slices.Insert(fields, at+i, [2]string{name, value})
	}
	m.fields = fields
	return m
}

func (m handshakeMessage) withLine(line string) handshakeMessage {
	m.line = line
	return m
}

func (m handshakeMessage) head() string {
	var b strings.Builder
	b.WriteString(m.line + "\r\n")
	for _, f := range m.fields {
		b.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	return b.String() + "\r\n"
}

func (m handshakeMessage) String() string { return m.head() + m.body }

// The keys of handshakeRequest and their answers, captured from other peers.
const (
	handshakeKey1   = "'3  6 724 186 8 ~0E"
	handshakeKey2   = "1^6 8 07c43  ,992"
	handshakeKey3   = "\xa5F\xc5\x9a\xad7s\x12"
	handshakeAnswer = "o\x05\xfclvP<\x07o\x1fI\xa6\xbf\xc7\xe5\x80"
)

var handshakeKeys = map[Version][2]string{
	RFC6455: {"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
	Hybi10:  {"OC0xNzk1MzQ4MjI0NjQ1", "h14VgLSFxpKScNH8EqnBWadNqCk="}, // 15 bytes, of ws 1.1.5
	Hybi07:  {"BCoM17o5VNPvlTlidZCRjw==", "aYttIgilmbiQ5CswFyupMlfZF0w="},
}

// handshakeRequest is what a client of version v sends from a page of the same
// origin.
func handshakeRequest(v Version) handshakeMessage {
	m := handshakeMessage{line: "GET /chat?room=1 HTTP/1.1", fields: [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Host", "lab.example:8080"},
	}}
	const origin = "http://lab.example:8080"
	switch v {
	case Hixie75:
		return m.with("Upgrade", "WebSocket").with("Origin", origin)
	case Hybi00:
		m = m.with("Upgrade", "WebSocket").with("Origin", origin)
		m.body = handshakeKey3
		return m.with("Sec-WebSocket-Key1", handshakeKey1).with("Sec-WebSocket-Key2", handshakeKey2)
	case RFC6455:
		m = m.with("Origin", origin)
	default:
		m = m.with("Sec-WebSocket-Origin", origin)
	}
	return m.with("Sec-WebSocket-Version", v.traits().number).with("Sec-WebSocket-Key", handshakeKeys[v][0])
}

const handshakeURL = "ws://lab.example:8080/chat?room=1"

// handshakeResponse is what a server of version v answers to handshakeRequest.
func handshakeResponse(v Version) handshakeMessage {
	m := handshakeMessage{line: "HTTP/1.1 101 Switching Protocols", fields: [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"},
	}}
	if !v.hixie() {
		return m.with("Sec-WebSocket-Accept", handshakeKeys[v][1])
	}
	prefix := "WebSocket-"
	if v == Hybi00 {
		m.body = handshakeAnswer
		prefix = "Sec-" + prefix
	}
	m = m.with("Upgrade", "WebSocket").withLine("HTTP/1.1 101 WebSocket Protocol Handshake")
	return m.with(prefix+"Origin", "http://lab.example:8080").with(prefix+"Location", handshakeURL)
}

// handshakeClient is a handshake with the options of d and the keys of
// handshakeRequest.
func handshakeClient(t *testing.T, v Version, d *Dialer) *ClientHandshake {
	t.Helper()
	options := Dialer{}
	if d != nil {
		options = *d
	}
	options.Version = v
	h, err := NewClientHandshake(&options, handshakeURL)
	if err != nil {
		t.Fatal(err)
	}
	handshakeSetKeys(t, h)
	return h
}

func handshakeSetKeys(t *testing.T, h *ClientHandshake) {
	t.Helper()
	switch h.version {
	case Hixie75:
	case Hybi00:
		h.challenge.keys = [2]string{handshakeKey1, handshakeKey2}
		for i, key := range h.challenge.keys {
			number, err := keyNumber(key)
			if err != nil {
				t.Fatal(err)
			}
			h.challenge.numbers[i] = number
		}
		copy(h.challenge.key3[:], handshakeKey3)
	default:
		h.key = handshakeKeys[h.version][0]
	}
}

// handshakeHello is the text Hello as a client or server of v frames it.
func handshakeHello(v Version, side Side) string {
	switch {
	case v.hixie():
		return "\x00Hello\xff"
	case side == ClientSide:
		return "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
	}
	return "\x81\x05Hello"
}

// eachVersion runs f as a subtest for each version.
func handshakeEachVersion(t *testing.T, f func(t *testing.T, v Version)) {
	t.Helper()
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) { f(t, v) })
	}
}

// handshakeStatus is the status of the HandshakeError in err, 0 if there is
// none.
func handshakeStatus(err error) int {
	var refused *HandshakeError
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

// handshakeControls are values that break out of a header line, or hide in it.
var handshakeControls = map[string]string{
	"CR LF": "a\r\nX-Injected: 1", "LF": "a\nb", "CR": "a\rb", "NUL": "a\x00b", "DEL": "a\x7fb", "ESC": "a\x1bb",
}

// handshakeCheckLinear fails the test if run takes for an input 16 times as long
// much more than 16 times the time. Of several tries the best counts, since
// other work on the machine only ever adds.
func handshakeCheckLinear(t *testing.T, run func(n int)) {
	t.Helper()
	const large, small, most = 60 << 10, 60 << 6, 80 // quadratic would be 256
	best := func(n int) time.Duration {
		shortest := time.Hour
		for range 5 {
			start := time.Now()
			run(n)
			shortest = min(shortest, time.Since(start))
		}
		return max(shortest, time.Microsecond)
	}
	var ratio float64
	for range 5 {
		if ratio = float64(best(large)) / float64(best(small)); ratio < most {
			return
		}
	}
	t.Errorf("16 times the input took %.0f times as long, want about 16", ratio)
}

// What two parsers could read in two ways is read in none.
func TestHeadRefusesAmbiguity(t *testing.T) {
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
		{"tab before the colon", "X\t: b\r\n", "no HTTP re"},
		{"no colon", "X\r\n", "no HTTP re"},
		{"empty name", ": b\r\n", "no HTTP re"},
		{"name that is no token", "X(Y): b\r\n", "no HTTP re"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := strings.TrimSuffix(handshakeRequest(RFC6455).head(), "\r\n") + tt.lines + "\r\n"
			_, err := NewServerHandshake(nil).Feed([]byte(request))
			if handshakeStatus(err) != http.StatusBadRequest || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("server: %q: %v; want status 400 and the words %q", tt.lines, err, tt.words)
			}
			response := strings.TrimSuffix(handshakeResponse(RFC6455).head(), "\r\n") + tt.lines + "\r\n"
			if _, err := handshakeClient(t, RFC6455, nil).Feed([]byte(response)); err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("client: %q: %v; want an error with the words %q", tt.lines, err, tt.words)
			}
		})
	}
}

func TestRequestsRefused(t *testing.T) {
	request := handshakeRequest(RFC6455)
	tests := []struct{ name, input, words string }{
		{"long line without a colon", request.withLine("GET / HTTP/1.1\r\n" + strings.Repeat("A\xff", 30000)).String(), "no HTTP request"},
		{"LF first", "\n" + request.String(), "LF"},
		{"empty line first", "\r\n\r\n" + request.String(), "no HTTP request"},
		{"no HTTP", "hello\r\n\r\n", "no HTTP request"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "control character"},
		{"NUL in the target", request.withLine("GET /\x00 HTTP/1.1").String(), "control character"},
		{"space in the target", request.withLine("GET /a b HTTP/1.1").String(), "no HTTP request"},
		{"two lengths", request.with("Content-Length", "0", "8").String(), "no HTTP request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewServerHandshake(nil).Feed([]byte(tt.input))
			if handshakeStatus(err) != http.StatusBadRequest || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%v; want status 400 and the words %q", err, tt.words)
			}
			if n := len(err.Error()); n > 600 {
				t.Errorf("error of %d bytes: it quotes the client at length", n)
			}
		})
	}
}

// A peer that ends its lines with LF alone would be waited for until the
// deadline, since CR LF CR LF never comes.
func TestHeadRefusesBareLineEndAtOnce(t *testing.T) {
	h := NewServerHandshake(nil)
	if n, err := h.Feed([]byte("GET / HTTP/1.1\n")); handshakeStatus(err) != http.StatusBadRequest {
		t.Errorf("took %d, %v; want status 400 as soon as the line has ended", n, err)
	}
}

// "64 KiB of spaces or quotes in Sec-WebSocket-Protocol and -Extensions: linear
// time."
func TestListHeadersAreLinear(t *testing.T) {
	server := func(request handshakeMessage) error {
		_, err := NewServerHandshake(&Upgrader{Subprotocols: []string{"chat"}}).Feed([]byte(request.String()))
		return err
	}
	client := func(response handshakeMessage) error {
		h := handshakeClient(t, RFC6455, &Dialer{Subprotocols: []string{"chat"}})
		_, err := h.Feed([]byte(response.String()))
		return err
	}
	for _, name := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Connection", "Upgrade"} {
		for _, filler := range []string{" ", `"`, ",", ", ", ";", `\`, "a,", "a ", `"\",`} {
			t.Run(name+" of "+filler, func(t *testing.T) {
				value := func(n int) string { return "x" + strings.Repeat(filler, n/len(filler)) + "x" }
				handshakeCheckLinear(t, func(n int) { server(handshakeRequest(RFC6455).with(name, value(n))) })
				handshakeCheckLinear(t, func(n int) { client(handshakeResponse(RFC6455).with(name, value(n))) })
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
	for name, value := range handshakeControls {
		tests[name+" in a value"] = http.Header{"X": {"fine", value}}
		tests[name+" in a name"] = http.Header{"X" + value: {"x"}}
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			if err := checkExtraHeader(header); err == nil || !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Errorf("%q: %v; want an error of this package", header, err)
			}
			if h, err := NewClientHandshake(&Dialer{Header: header}, "ws://a/"); err == nil {
				t.Errorf("a client would send %q", h.AppendRequest(nil))
			}
			_, response, _, err := handshakeServe(&Upgrader{Check: checkGives(header, nil)}, handshakeRequest(RFC6455).String())
			if handshakeStatus(err) != 500 || !strings.HasPrefix(response, "HTTP/1.1 500 ") || strings.Contains(response, "Injected") {
				t.Errorf("a server answers %q, %v; want 500 and nothing of the header", response, err)
			}
		})
	}
}

func TestSubprotocolsRefused(t *testing.T) {
	lists := map[string][]string{"empty": {""}, "space": {"a b"}, "comma": {"a,b"}, "twice": {"a", "b", "a"}, "not ASCII": {"\u00e9"}}
	for name, value := range handshakeControls {
		lists[name] = []string{value}
	}
	for name, list := range lists {
		t.Run(name, func(t *testing.T) {
			if h, err := NewClientHandshake(&Dialer{Subprotocols: list}, "ws://a/"); err == nil {
				t.Errorf("a client would send %q", h.AppendRequest(nil))
			}
			h := NewServerHandshake(&Upgrader{Subprotocols: list})
			if _, err := h.Feed([]byte(handshakeRequest(RFC6455).String())); handshakeStatus(err) != 500 {
				t.Errorf("a server says %v, want 500: the mistake is the program's", err)
			}
		})
	}
}

func handshakeReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }
