package websocket

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// coreJSON reads a file of testdata.
func coreJSON[T any](tb testing.TB, name string) T {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		tb.Fatalf("testdata/%s: %v", name, err)
	}
	return v
}

// coreHex reads hex with blanks in it.
func coreHex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatalf("hex in the test: %v", err)
	}
	return b
}

// coreReplay is what one side's bytes did to our other side.
type coreReplay struct {
	handshake []byte // what we sent before the connection was open
	heard     []string
	replies   []byte // what an echo server answers
	err       error  // nil if it could go on
}

// coreServer feeds a client's bytes to our server.
func coreServer(up *Upgrader, chunks [][]byte) (*ServerHandshake, coreReplay) {
	h := NewServerHandshake(up)
	var got coreReplay
	var p *Parser
	for _, chunk := range chunks {
		if p == nil {
			var n int
			n, got.err = h.Feed(chunk)
			got.handshake = h.AppendResponse(got.handshake)
			if got.err != nil {
				return h, got
			}
			if chunk = chunk[n:]; !h.Done() {
				continue
			}
			p = h.Parser()
		}
		got.parse(p, h.Version(), ServerSide, chunk)
	}
	return h, got
}

// coreClient feeds a server's bytes to our client.
func coreClient(h *ClientHandshake, chunks [][]byte) (got coreReplay) {
	var p *Parser
	for _, chunk := range chunks {
		if p == nil {
			var n int
			if n, got.err = h.Feed(chunk); got.err != nil {
				return got
			}
			if chunk = chunk[n:]; !h.Done() {
				continue
			}
			p = h.Parser()
		}
		got.parse(p, h.Version(), ClientSide, chunk)
	}
	return got
}

// coreParse feeds bytes that come after a handshake.
func coreParse(v Version, side Side, cfg Config, chunks [][]byte) (got coreReplay) {
	p, err := NewParser(v, side, cfg)
	if err != nil {
		panic(err)
	}
	for _, chunk := range chunks {
		got.parse(p, v, side, chunk)
	}
	return got
}

func (r *coreReplay) parse(p *Parser, v Version, side Side, chunk []byte) {
	p.Append(chunk)
	for {
		m, err := p.Next()
		if err != nil {
			if r.err = err; errors.Is(err, ErrIncomplete) {
				r.err = nil
			}
			return
		}
		r.heard = append(r.heard, coreText(m))
		r.replies = coreAnswer(r.replies, v, side, m)
	}
}

// coreText writes a message down.
func coreText(m Message) string {
	if ce := m.CloseError(); ce != nil {
		return fmt.Sprintf("Close %d %q", ce.Code, ce.Reason)
	}
	return fmt.Sprintf("%v %q", m.Type, m.Data)
}

// coreAnswer appends what an echo server answers to a message.
func coreAnswer(dst []byte, v Version, side Side, m Message) []byte {
	t := m.Type
	switch t {
	case Pong:
		return dst
	case Close:
		ce := m.CloseError()
		if !ce.Code.sendable() { // 1004, which versions 7 and 8 may send us
			ce = &CloseError{Code: StatusNoStatusReceived}
		}
		dst, err := AppendClose(dst, v, side, ce.Code, ce.Reason)
		if err != nil {
			panic(err)
		}
		return dst
	case Ping:
		t = Pong
	}
	dst, err := AppendMessage(dst, v, side, t, m.Data)
	if err != nil {
		panic(err)
	}
	return dst
}

// coreCut cuts the bytes into pieces of n.
func coreCut(chunks [][]byte, n int) (cut [][]byte) {
	for p := bytes.Join(chunks, nil); len(p) > 0; p = p[min(n, len(p)):] {
		cut = append(cut, p[:min(n, len(p))])
	}
	return cut
}

// coreWantHeard checks what came of a peer's bytes.
func coreWantHeard(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("heard\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// coreWantCode checks how a replay ended: with a ProtocolError of code, after a
// Close, or not at all.
func coreWantCode(t *testing.T, err error, code StatusCode, closed bool) {
	t.Helper()
	var pe *ProtocolError
	switch {
	case code != 0 && (!errors.As(err, &pe) || pe.Code != code):
		t.Errorf("ended with %v, want a ProtocolError with code %d", err, code)
	case code == 0 && !closed && err != nil:
		t.Errorf("ended with %v, want it to go on", err)
	case code == 0 && closed && (err == nil || err.Error() != "EOF"):
		t.Errorf("ended with %v, want io.EOF after the Close", err)
	}
}

func coreWantStatus(t *testing.T, err error, status int) {
	t.Helper()
	var he *HandshakeError
	if !errors.As(err, &he) || he.Status != status {
		t.Errorf("handshake's error is %v, want a HandshakeError with status %d", err, status)
	}
}

func coreResponse(tb testing.TB, head []byte) *http.Response {
	tb.Helper()
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		tb.Fatalf("no response in %q: %v", head, err)
	}
	return res
}

func coreAccept(tb testing.TB, head []byte) string {
	return coreResponse(tb, head).Header.Get("Sec-WebSocket-Accept")
}

// coreSetKeys gives a client's handshake the keys of a recorded one, if its
// version has such keys.
func coreSetKeys(tb testing.TB, h *ClientHandshake, key1, key2 string, key3 []byte) {
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
