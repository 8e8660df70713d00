package websocket_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

// check checks a response. words are those that its body must have.
func (a *fieldAnswer) check(t *testing.T, res *http.Response, words []string) {
	t.Helper()
	if res.StatusCode != a.status {
		t.Errorf("status is %d, want %d", res.StatusCode, a.status)
	}
	header := res.Header.Clone()
	if res.Close {
		header.Set("Connection", "close") // net/http has taken it out
	}
	a.checkHeader(t, header)
	if res.StatusCode == http.StatusSwitchingProtocols {
		return
	}
	body, err := io.ReadAll(res.Body)
	for _, word := range words {
		if err != nil || !strings.Contains(string(body), word) {
			t.Errorf("the body is %q, %v, want the words %q", body, err, word)
		}
	}
}

// checkHeader checks which headers there are.
func (a *fieldAnswer) checkHeader(t *testing.T, header http.Header) {
	t.Helper()
	for _, f := range a.fields {
		if got := strings.Join(header.Values(f[0]), ", "); got != f[1] {
			t.Errorf("header %s is %q, want %q", f[0], got, f[1])
		}
	}
	for _, name := range a.absent {
		if got := header.Values(name); got != nil {
			t.Errorf("header %s is %q, want none", name, got)
		}
	}
}

// oneByteConn is a connection that brings one byte with each Read.
type oneByteConn struct{ net.Conn }

func (c oneByteConn) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(1, len(p))]) }

// readWholeRequest reads a request, with its key3 if it has one.
func readWholeRequest(t *testing.T, nc net.Conn) []byte {
	t.Helper()
	synctest.Wait()
	b := make([]byte, 64<<10)
	n, err := nc.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// fieldWriters are ways in which frameworks wrap a ResponseWriter.
var fieldWriters = map[string]func(w http.ResponseWriter) http.ResponseWriter{
	"":                  func(w http.ResponseWriter) http.ResponseWriter { return w },
	"of TimeoutHandler": func(w http.ResponseWriter) http.ResponseWriter { return w },
	"with Unwrap": func(w http.ResponseWriter) http.ResponseWriter {
		return unwrappable{struct{ http.ResponseWriter }{w}, w}
	},
	"with Content-Encoding": func(w http.ResponseWriter) http.ResponseWriter {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Vary", "Accept-Encoding")
		return w
	},
	"without Unwrap":         func(w http.ResponseWriter) http.ResponseWriter { return struct{ http.ResponseWriter }{w} },
	"without bufio":          func(w http.ResponseWriter) http.ResponseWriter { return poorHijacker{w, false} },
	"without bufio and conn": func(w http.ResponseWriter) http.ResponseWriter { return poorHijacker{w, true} },
}

// unwrappable is a ResponseWriter that http.ResponseController can unwrap.
type unwrappable struct {
	http.ResponseWriter
	inner http.ResponseWriter
}

func (w unwrappable) Unwrap() http.ResponseWriter { return w.inner }

// poorHijacker is a ResponseWriter whose Hijack returns no bufio.ReadWriter, and
// no connection if noConn is set.
type poorHijacker struct {
	http.ResponseWriter
	noConn bool
}

func (w poorHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if w.noConn {
		nc.Close()
		return nil, nil, nil
	}
	return nc, nil, err
}

// serveHTTP serves connections of n until the test ends.
func serveHTTP(t *testing.T, n *pipeNet, h http.Handler) {
	srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go srv.Serve(n)
	t.Cleanup(func() { srv.Close() })
}

// checkEchoes checks what the peer has heard: an echo of each message, a Pong for
// the last Ping, and why we have failed the connection.
func (c *fieldCase) checkEchoes(t *testing.T, v websocket.Version, heard []byte, compresses bool) {
	t.Helper()
	echoes, pong, code := fieldEchoes(t, v, heard, compresses)
	wantHeard(t, echoes, c.data())
	if ping := c.lastPing(); strings.TrimPrefix(pong, "Pong ") != strings.TrimPrefix(ping, "Ping ") {
		t.Errorf("the last Pong is %q, want one for %q", pong, ping)
	}
	if c.fails != 0 && code != c.fails && !isHixie(v) { // which has no codes
		t.Errorf("the peer was told code %d, want %d", code, c.fails)
	}
}

// fieldEchoes returns the messages in what our side has sent, its last Pong, and
// the code of its Close.
func fieldEchoes(t *testing.T, v websocket.Version, sent []byte, compresses bool) (echoes []string, pong string, code websocket.StatusCode) {
	t.Helper()
	var window []byte
	for len(sent) > 0 {
		f, n, err := websocket.ParseFrame(sent, v)
		if err != nil {
			t.Fatalf("our side has sent % x: %v", sent, err)
		}
		sent = sent[n:]
		if f.RSV != 0 {
			if !compresses {
				t.Errorf("our side has sent a frame with reserved bits %03b", f.RSV)
			}
			f.Payload = fieldInflate(t, f.Payload, window)
			window = append(window, f.Payload...)
		}
		switch m := describe(websocket.Message{Type: f.Opcode, Data: f.Payload}); {
		case f.Opcode == websocket.Pong:
			pong = m
		case f.Opcode == websocket.Close && len(f.Payload) >= 2:
			code = websocket.StatusCode(binary.BigEndian.Uint16(f.Payload))
		case f.Opcode != websocket.Close:
			echoes = append(echoes, m)
		}
	}
	return echoes, pong, code
}

// fieldInflate inflates the payload of a message, which may refer to window, as
// RFC 7692 section 7.2.2 says.
func fieldInflate(t *testing.T, p, window []byte) []byte {
	t.Helper()
	const tail = "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff" // what is left out, and a last block
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(p), strings.NewReader(tail)), window)
	inflated, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("our side has sent % x, which does not inflate: %v", p, err)
	}
	return inflated
}

// data returns the messages of the case without control frames.
func (c *fieldCase) data() (data []string) {
	for _, m := range c.messages {
		if strings.HasPrefix(m, "Text ") || strings.HasPrefix(m, "Binary ") {
			data = append(data, m)
		}
	}
	return data
}

// fieldPayload returns the message that describe has written down as line.
func fieldPayload(t *testing.T, line string) message {
	t.Helper()
	typ, quoted, _ := strings.Cut(line, " ")
	p, err := strconv.Unquote(quoted)
	if err != nil {
		t.Fatalf("message %s: %v", line, err)
	}
	if typ == websocket.Text.String() {
		return message{websocket.Text, []byte(p)}
	}
	return message{websocket.Binary, []byte(p)}
}

// lastPing returns the last Ping of the case, or "".
func (c *fieldCase) lastPing() (ping string) {
	for _, m := range c.messages {
		if strings.HasPrefix(m, "Ping ") {
			ping = m
		}
	}
	return ping
}
