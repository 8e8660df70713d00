package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// httpMessage is a request or response that a test may change before it is
// sent.
type httpMessage struct {
	line   string
	fields [][2]string
	body   string
}

// with returns m with these values of a header field instead of those it has.
func (m httpMessage) with(name string, values ...string) httpMessage {
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

// withLine returns m with another first line.
func (m httpMessage) withLine(line string) httpMessage {
	m.line = line
	return m
}

// head returns m without its body.
func (m httpMessage) head() string {
	var b strings.Builder
	b.WriteString(m.line + "\r\n")
	for _, f := range m.fields {
		b.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	return b.String() + "\r\n"
}

func (m httpMessage) String() string { return m.head() + m.body }

// The keys of requestOf for hybi-00 and the answer to them, captured from
// others.
const (
	hixieKey1   = "'3  6 724 186 8 ~0E"
	hixieKey2   = "1^6 8 07c43  ,992"
	hixieKey3   = "\xa5F\xc5\x9a\xad7s\x12"
	hixieAnswer = "o\x05\xfclvP<\x07o\x1fI\xa6\xbf\xc7\xe5\x80"
)

// hybiKeys are the keys of requestOf and the answers to them, captured from
// others.
var hybiKeys = map[websocket.Version][2]string{
	websocket.RFC6455: {"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
	websocket.Hybi10:  {"OC0xNzk1MzQ4MjI0NjQ1", "h14VgLSFxpKScNH8EqnBWadNqCk="}, // 15 bytes, of ws 1.1.5
	websocket.Hybi07:  {"BCoM17o5VNPvlTlidZCRjw==", "aYttIgilmbiQ5CswFyupMlfZF0w="},
}

// numberOf returns the Sec-WebSocket-Version of v, or "" if v has no such
// header.
func numberOf(v websocket.Version) string {
	return map[websocket.Version]string{websocket.RFC6455: "13", websocket.Hybi10: "8", websocket.Hybi07: "7"}[v]
}

// originHeader returns the name of the header for the origin in requests of v.
func originHeader(v websocket.Version) string {
	if v == websocket.Hybi10 || v == websocket.Hybi07 {
		return "Sec-WebSocket-Origin"
	}
	return "Origin"
}

// upgradeOf returns the value of the header Upgrade in v.
func upgradeOf(v websocket.Version) string {
	if isHixie(v) {
		return "WebSocket"
	}
	return "websocket"
}

// protocolHeader returns the name of the header for subprotocols in v.
func protocolHeader(v websocket.Version) string {
	if v == websocket.Hixie75 {
		return "WebSocket-Protocol"
	}
	return "Sec-WebSocket-Protocol"
}

// requestOf returns the request of a client of version v, from a page of the
// same origin.
func requestOf(v websocket.Version) httpMessage {
	m := httpMessage{line: "GET /chat?room=1 HTTP/1.1", fields: [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Host", "lab.example:8080"},
	}}
	const origin = "http://lab.example:8080"
	switch v {
	case websocket.Hixie75:
		return m.with("Upgrade", "WebSocket").with("Origin", origin)
	case websocket.Hybi00:
		m = m.with("Upgrade", "WebSocket").with("Origin", origin)
		m.body = hixieKey3
		return m.with("Sec-WebSocket-Key1", hixieKey1).with("Sec-WebSocket-Key2", hixieKey2)
	case websocket.RFC6455:
		m = m.with("Origin", origin)
	default:
		m = m.with("Sec-WebSocket-Origin", origin)
	}
	return m.with("Sec-WebSocket-Version", numberOf(v)).with("Sec-WebSocket-Key", hybiKeys[v][0])
}

// requestURL is the URL of requestOf.
const requestURL = "ws://lab.example:8080/chat?room=1"

// responseOf returns the response of a server of version v to requestOf.
func responseOf(v websocket.Version) httpMessage {
	m := httpMessage{line: "HTTP/1.1 101 Switching Protocols", fields: [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"},
	}}
	if !isHixie(v) {
		return m.with("Sec-WebSocket-Accept", hybiKeys[v][1])
	}
	prefix := "WebSocket-"
	if v == websocket.Hybi00 {
		m.body = hixieAnswer
		prefix = "Sec-" + prefix
	}
	m = m.with("Upgrade", "WebSocket").withLine("HTTP/1.1 101 WebSocket Protocol Handshake")
	return m.with(prefix+"Origin", "http://lab.example:8080").with(prefix+"Location", requestURL)
}

// serve feeds input to a server at once. It returns the response, and what of
// input belongs to frames.
func serve(up *websocket.Upgrader, input string) (h *websocket.ServerHandshake, response string, rest string, err error) {
	h = websocket.NewServerHandshake(up)
	n, err := h.Feed([]byte(input))
	return h, string(h.AppendResponse(nil)), input[n:], err
}

// newClient returns a handshake with the options of d and the keys of
// requestOf.
func newClient(t *testing.T, v websocket.Version, d *websocket.Dialer) *websocket.ClientHandshake {
	t.Helper()
	options := websocket.Dialer{}
	if d != nil {
		options = *d
	}
	options.Version = v
	h, err := websocket.NewClientHandshake(&options, requestURL)
	if err != nil {
		t.Fatal(err)
	}
	setKeys(t, h)
	return h
}

// setKeys gives h the keys of requestOf.
func setKeys(t *testing.T, h *websocket.ClientHandshake) {
	t.Helper()
	websocket.SetKey(h, hybiKeys[h.Version()][0])
	setHixieKeys(t, h, hixieKey1, hixieKey2, []byte(hixieKey3))
}

// setHixieKeys gives h the keys of a recorded handshake, if its version has
// such keys.
func setHixieKeys(tb testing.TB, h *websocket.ClientHandshake, key1, key2 string, key3 []byte) {
	tb.Helper()
	if h.Version() != websocket.Hybi00 {
		return
	}
	if err := websocket.SetChallenge(h, key1, key2, key3); err != nil {
		tb.Fatal(err)
	}
}

// fixedClient returns a handshake with the same keys each time.
func fixedClient(tb testing.TB, v websocket.Version) *websocket.ClientHandshake {
	tb.Helper()
	h, err := websocket.NewClientHandshake(&websocket.Dialer{Version: v, Subprotocols: []string{"chat"}}, "ws://example.com/demo")
	if err != nil {
		tb.Fatal(err)
	}
	websocket.SetKey(h, "dGhlIHNhbXBsZSBub25jZQ==")
	setHixieKeys(tb, h, "4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", []byte("^n:ds[4U"))
	return h
}

// goodResponse returns the response of our server to fixedClient, and a message
// behind it.
func goodResponse(tb testing.TB, v websocket.Version) []byte {
	tb.Helper()
	h := fixedClient(tb, v)
	request := h.AppendRequest(nil)
	server, got := replayServer(&websocket.Upgrader{Subprotocols: []string{"chat"}, Origins: []string{"*"}}, [][]byte{request})
	if got.err != nil || !server.Done() {
		tb.Fatalf("%v: our server refuses %q: %v", v, request, got.err)
	}
	return append(got.handshake, peerText(tb, v, websocket.ClientSide, "Hello")...)
}

// handshakes does both opening handshakes without a connection.
func handshakes(t testing.TB, up *websocket.Upgrader, d *websocket.Dialer) (*websocket.ServerHandshake, *websocket.ClientHandshake) {
	t.Helper()
	client, err := websocket.NewClientHandshake(d, "ws://a.example/")
	if err != nil {
		t.Fatal(err)
	}
	server, response, _, err := serve(up, string(client.AppendRequest(nil)))
	if err == nil {
		_, err = client.Feed([]byte(response))
	}
	if err != nil || !server.Done() || !client.Done() {
		t.Fatalf("handshake: %v", err)
	}
	return server, client
}

// helloOf returns the text Hello in a frame of side.
func helloOf(v websocket.Version, side websocket.Side) string {
	switch {
	case isHixie(v):
		return "\x00Hello\xff"
	case side == websocket.ClientSide:
		return "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
	}
	return "\x81\x05Hello"
}

// statusOf returns the status of the HandshakeError in err, or 0 if there is
// none.
func statusOf(err error) int {
	var refused *websocket.HandshakeError
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

// wantStatus checks that err is a HandshakeError with this status.
func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	if statusOf(err) != status {
		t.Errorf("handshake's error is %v, want a HandshakeError with status %d", err, status)
	}
}

// parseResponse parses a response.
func parseResponse(tb testing.TB, head []byte) *http.Response {
	tb.Helper()
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		tb.Fatalf("no response in %q: %v", head, err)
	}
	return res
}

// acceptIn returns the Sec-WebSocket-Accept of a response.
func acceptIn(tb testing.TB, head []byte) string {
	return parseResponse(tb, head).Header.Get("Sec-WebSocket-Accept")
}

// controlValues are values that break out of a header line, or hide in it.
var controlValues = map[string]string{
	"CR LF": "a\r\nX-Injected: 1", "LF": "a\nb", "CR": "a\rb", "NUL": "a\x00b", "DEL": "a\x7fb", "ESC": "a\x1bb",
}

// checkGives returns a Check that copies header into that of the response and
// returns err.
func checkGives(header http.Header, err error) func(*http.Request, http.Header) (context.Context, error) {
	return func(_ *http.Request, h http.Header) (context.Context, error) {
		maps.Copy(h, header)
		return nil, err
	}
}

// bufReader returns a reader of s as net/http takes it.
func bufReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }
