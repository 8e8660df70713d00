package websocket

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
	"time"
)

// httpMessage is a request or response to be taken apart and put together
// wrongly.
type httpMessage struct {
	line   string
	fields [][2]string
	body   string
}

// with replaces all fields of this name, or adds them. No values removes them.
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

func (m httpMessage) withLine(line string) httpMessage {
	m.line = line
	return m
}

func (m httpMessage) head() string {
	var b strings.Builder
	b.WriteString(m.line + "\r\n")
	for _, f := range m.fields {
		b.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	return b.String() + "\r\n"
}

func (m httpMessage) String() string { return m.head() + m.body }

// The keys of requestOf and their answers, captured from other peers.
const (
	hixieKey1   = "'3  6 724 186 8 ~0E"
	hixieKey2   = "1^6 8 07c43  ,992"
	hixieKey3   = "\xa5F\xc5\x9a\xad7s\x12"
	hixieAnswer = "o\x05\xfclvP<\x07o\x1fI\xa6\xbf\xc7\xe5\x80"
)

var hybiKeys = map[Version][2]string{
	RFC6455: {"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
	Hybi10:  {"OC0xNzk1MzQ4MjI0NjQ1", "h14VgLSFxpKScNH8EqnBWadNqCk="}, // 15 bytes, of ws 1.1.5
	Hybi07:  {"BCoM17o5VNPvlTlidZCRjw==", "aYttIgilmbiQ5CswFyupMlfZF0w="},
}

// requestOf is what a client of version v sends from a page of the same
// origin.
func requestOf(v Version) httpMessage {
	m := httpMessage{line: "GET /chat?room=1 HTTP/1.1", fields: [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Host", "lab.example:8080"},
	}}
	const origin = "http://lab.example:8080"
	switch v {
	case Hixie75:
		return m.with("Upgrade", "WebSocket").with("Origin", origin)
	case Hybi00:
		m = m.with("Upgrade", "WebSocket").with("Origin", origin)
		m.body = hixieKey3
		return m.with("Sec-WebSocket-Key1", hixieKey1).with("Sec-WebSocket-Key2", hixieKey2)
	case RFC6455:
		m = m.with("Origin", origin)
	default:
		m = m.with("Sec-WebSocket-Origin", origin)
	}
	return m.with("Sec-WebSocket-Version", v.traits().number).with("Sec-WebSocket-Key", hybiKeys[v][0])
}

const requestURL = "ws://lab.example:8080/chat?room=1"

// responseOf is what a server of version v answers to requestOf.
func responseOf(v Version) httpMessage {
	m := httpMessage{line: "HTTP/1.1 101 Switching Protocols", fields: [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"},
	}}
	if !v.hixie() {
		return m.with("Sec-WebSocket-Accept", hybiKeys[v][1])
	}
	prefix := "WebSocket-"
	if v == Hybi00 {
		m.body = hixieAnswer
		prefix = "Sec-" + prefix
	}
	m = m.with("Upgrade", "WebSocket").withLine("HTTP/1.1 101 WebSocket Protocol Handshake")
	return m.with(prefix+"Origin", "http://lab.example:8080").with(prefix+"Location", requestURL)
}

// serve feeds a server everything at once and returns what it answers.
func serve(up *Upgrader, input string) (h *ServerHandshake, response string, rest string, err error) {
	h = NewServerHandshake(up)
	n, err := h.Feed([]byte(input))
	return h, string(h.AppendResponse(nil)), input[n:], err
}

// newClient is a handshake with the options of d and the keys of
// requestOf.
func newClient(t *testing.T, v Version, d *Dialer) *ClientHandshake {
	t.Helper()
	options := Dialer{}
	if d != nil {
		options = *d
	}
	options.Version = v
	h, err := NewClientHandshake(&options, requestURL)
	if err != nil {
		t.Fatal(err)
	}
	setKeys(t, h)
	return h
}

func setKeys(t *testing.T, h *ClientHandshake) {
	t.Helper()
	switch h.version {
	case Hixie75:
	case Hybi00:
		h.challenge.keys = [2]string{hixieKey1, hixieKey2}
		for i, key := range h.challenge.keys {
			number, err := keyNumber(key)
			if err != nil {
				t.Fatal(err)
			}
			h.challenge.numbers[i] = number
		}
		copy(h.challenge.key3[:], hixieKey3)
	default:
		h.key = hybiKeys[h.version][0]
	}
}

// setHixieKeys gives a client's handshake the keys of a recorded one, if its
// version has such keys.
func setHixieKeys(tb testing.TB, h *ClientHandshake, key1, key2 string, key3 []byte) {
	tb.Helper()
	if h.challenge == nil {
		return
	}
	h.challenge.keys = [2]string{key1, key2}
	for i, key := range h.challenge.keys {
		n, err := keyNumber(key)
		if err != nil {
			tb.Fatalf("key %q: %v", key, err)
		}
		h.challenge.numbers[i] = n
	}
	copy(h.challenge.key3[:], key3)
}

// fixedClient returns a handshake whose keys are the same each time.
func fixedClient(tb testing.TB, v Version) *ClientHandshake {
	tb.Helper()
	h, err := NewClientHandshake(&Dialer{Version: v, Subprotocols: []string{"chat"}}, "ws://example.com/demo")
	if err != nil {
		tb.Fatal(err)
	}
	h.key = "dGhlIHNhbXBsZSBub25jZQ=="
	setHixieKeys(tb, h, "4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", []byte("^n:ds[4U"))
	return h
}

// goodResponse is what a server answers to fixedClient, with a message
// behind it.
func goodResponse(tb testing.TB, v Version) []byte {
	tb.Helper()
	h := fixedClient(tb, v)
	request := h.AppendRequest(nil)
	server, got := replayServer(&Upgrader{Subprotocols: []string{"chat"}, Origins: []string{"*"}}, [][]byte{request})
	if got.err != nil || !server.Done() {
		tb.Fatalf("%v: our server refuses %q: %v", v, request, got.err)
	}
	return append(got.handshake, peerText(tb, v, ClientSide, "Hello")...)
}

// handshakes does both opening handshakes, each feeding the other.
func handshakes(t testing.TB, up *Upgrader, d *Dialer) (*ServerHandshake, *ClientHandshake) {
	t.Helper()
	client, err := NewClientHandshake(d, "ws://a.example/")
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

// helloOf is the text Hello as a client or server of v frames it.
func helloOf(v Version, side Side) string {
	switch {
	case v.hixie():
		return "\x00Hello\xff"
	case side == ClientSide:
		return "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
	}
	return "\x81\x05Hello"
}

// statusOf is the status of the HandshakeError in err, 0 if there is
// none.
func statusOf(err error) int {
	var refused *HandshakeError
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	var he *HandshakeError
	if !errors.As(err, &he) || he.Status != status {
		t.Errorf("handshake's error is %v, want a HandshakeError with status %d", err, status)
	}
}

func parseResponse(tb testing.TB, head []byte) *http.Response {
	tb.Helper()
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		tb.Fatalf("no response in %q: %v", head, err)
	}
	return res
}

func acceptIn(tb testing.TB, head []byte) string {
	return parseResponse(tb, head).Header.Get("Sec-WebSocket-Accept")
}

// controlValues are values that break out of a header line, or hide in it.
var controlValues = map[string]string{
	"CR LF": "a\r\nX-Injected: 1", "LF": "a\nb", "CR": "a\rb", "NUL": "a\x00b", "DEL": "a\x7fb", "ESC": "a\x1bb",
}

// checkGives is a Check that fills in this header and returns err.
func checkGives(header http.Header, err error) func(*http.Request, http.Header) (context.Context, error) {
	return func(_ *http.Request, h http.Header) (context.Context, error) {
		maps.Copy(h, header)
		return nil, err
	}
}

// checkLinear fails the test if run takes for an input 16 times as long
// much more than 16 times the time. Of several tries the best counts, since
// other work on the machine only ever adds.
func checkLinear(t *testing.T, run func(n int)) {
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

func bufReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

func acceptKey(key string) string {
	accept := acceptFor(key)
	return string(accept[:])
}
