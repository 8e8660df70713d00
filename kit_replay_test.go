package websocket_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// readJSON decodes a file of testdata.
func readJSON[T any](tb testing.TB, name string) T {
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

// unhex decodes hex, in which blanks may stand.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatalf("hex in the test: %v", err)
	}
	return b
}

// cut joins chunks and cuts the bytes into pieces of n.
func cut(chunks [][]byte, n int) (cut [][]byte) {
	for p := bytes.Join(chunks, nil); len(p) > 0; p = p[min(n, len(p)):] {
		cut = append(cut, p[:min(n, len(p))])
	}
	return cut
}

// splitBySeed cuts data into pieces of 1 byte, of a few, and of up to 2 KiB, as
// seed chooses.
func splitBySeed(data []byte, seed uint64) (chunks [][]byte) {
	for len(data) > 0 {
		seed = seed*6364136223846793005 + 1442695040888963407
		n := 1
		switch seed >> 33 % 3 {
		case 1:
			n += int(seed >> 40 % 8)
		case 2:
			n += int(seed >> 40 % 2048)
		}
		n = min(n, len(data))
		chunks, data = append(chunks, data[:n]), data[n:]
	}
	return chunks
}

// replay is the effect that the bytes of one side had on our other side.
type replay struct {
	handshake []byte   // what we sent before the connection was open
	heard     []string // the messages, by describe
	replies   []byte   // of a server that echoes them
	err       error    // nil if it could go on
}

// replayServer feeds what a client sent to our server.
func replayServer(up *websocket.Upgrader, chunks [][]byte) (*websocket.ServerHandshake, replay) {
	h := websocket.NewServerHandshake(up)
	var got replay
	var p *websocket.Parser
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
		got.parse(p, h.Version(), websocket.ServerSide, chunk)
	}
	return h, got
}

// replayClient feeds what a server sent to our client.
func replayClient(h *websocket.ClientHandshake, chunks [][]byte) (got replay) {
	var p *websocket.Parser
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
		got.parse(p, h.Version(), websocket.ClientSide, chunk)
	}
	return got
}

// replayFrames feeds what the peer of side sent after the handshake.
func replayFrames(v websocket.Version, side websocket.Side, cfg websocket.Config, chunks [][]byte) (got replay) {
	p, err := websocket.NewParser(v, side, cfg)
	if err != nil {
		panic(err)
	}
	for _, chunk := range chunks {
		got.parse(p, v, side, chunk)
	}
	return got
}

// parse feeds chunk to p and adds what comes of it.
func (r *replay) parse(p *websocket.Parser, v websocket.Version, side websocket.Side, chunk []byte) {
	p.Append(chunk)
	for {
		m, err := p.Next()
		if err != nil {
			if r.err = err; errors.Is(err, websocket.ErrIncomplete) {
				r.err = nil
			}
			return
		}
		r.heard = append(r.heard, describe(m))
		r.replies = appendAnswer(r.replies, v, side, m)
	}
}

// closedWithoutCode is how describe writes a Close without a code.
const closedWithoutCode = `Close 1005 ""`

// describe returns a message as tests write it down.
func describe(m websocket.Message) string {
	if ce := m.CloseError(); ce != nil {
		return fmt.Sprintf("Close %d %q", ce.Code, ce.Reason)
	}
	return fmt.Sprintf("%v %q", m.Type, m.Data)
}

// appendAnswer appends the answer of side, which echoes, to a message.
func appendAnswer(dst []byte, v websocket.Version, side websocket.Side, m websocket.Message) []byte {
	t := m.Type
	switch t {
	case websocket.Pong:
		return dst
	case websocket.Close:
		ce := m.CloseError()
		if ce.Code == 1004 { // versions 7 and 8 may send it to us, but we may not send it
			ce = &websocket.CloseError{Code: websocket.StatusNoStatusReceived}
		}
		dst, err := websocket.AppendClose(dst, v, side, ce.Code, ce.Reason)
		if err != nil {
			panic(err)
		}
		return dst
	case websocket.Ping:
		t = websocket.Pong
	}
	dst, err := websocket.AppendMessage(dst, v, side, t, m.Data)
	if err != nil {
		panic(err)
	}
	return dst
}

// wantHeard checks which messages a replay has heard.
func wantHeard(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("heard\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantCode checks how a replay ended: with a ProtocolError of code, after a
// Close, or not at all.
func wantCode(t *testing.T, err error, code websocket.StatusCode, closed bool) {
	t.Helper()
	var pe *websocket.ProtocolError
	switch {
	case code != 0 && (!errors.As(err, &pe) || pe.Code != code):
		t.Errorf("ended with %v, want a ProtocolError with code %d", err, code)
	case code == 0 && !closed && err != nil:
		t.Errorf("ended with %v, want it to go on", err)
	case code == 0 && closed && (err == nil || err.Error() != "EOF"):
		t.Errorf("ended with %v, want io.EOF after the Close", err)
	}
}

// endsClosed reports whether the last message is a Close.
func endsClosed(heard []string) bool {
	return len(heard) > 0 && strings.HasPrefix(heard[len(heard)-1], "Close")
}

// codeOf returns the code of the ProtocolError in err, or 0 if there is none.
func codeOf(err error) websocket.StatusCode {
	var pe *websocket.ProtocolError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return 0
}

// feed gives wire to a new Parser in pieces of n, until it fails or has them
// all. It returns how many bytes the Parser was given, how many messages it
// returned, and its last error.
func feed(v websocket.Version, side websocket.Side, cfg websocket.Config, wire []byte, n int) (fed, messages int, err error) {
	p, err := websocket.NewParser(v, side, cfg)
	if err != nil {
		return 0, 0, err
	}
	for fed < len(wire) {
		k := min(n, len(wire)-fed)
		p.Append(wire[fed : fed+k])
		fed += k
		for {
			if _, err = p.Next(); err != nil {
				break
			}
			messages++
		}
		if !errors.Is(err, websocket.ErrIncomplete) {
			break
		}
	}
	return fed, messages, err
}

// session is a recorded conversation between two other implementations.
type session struct {
	Draft, Client, Server, Result string
	Steps                         []struct{ Dir, Hex string }
}

// readSessions returns the recorded sessions.
func readSessions(tb testing.TB) []session { return readJSON[[]session](tb, "sessions.json") }

// name is unique.
func (s session) name() string { return s.Draft + " " + s.Client + " " + s.Server }

// segments returns what one side sent, in the pieces in which it came.
func (s session) segments(tb testing.TB, dir string) (list [][]byte) {
	for _, step := range s.Steps {
		if step.Dir == dir && step.Hex != "" {
			list = append(list, unhex(tb, step.Hex))
		}
	}
	return list
}

// The sides of a session.
const (
	fromClient = "C->S"
	fromServer = "S->C"
)

// splitHead splits what a side sent behind the head of its handshake.
func splitHead(tb testing.TB, segments [][]byte) (head, rest []byte) {
	tb.Helper()
	head, rest, ok := bytes.Cut(bytes.Join(segments, nil), []byte("\r\n\r\n"))
	if !ok {
		tb.Fatal("no end of a head in the recorded bytes")
	}
	return append(head[:len(head):len(head)], "\r\n\r\n"...), rest
}

// challengeVector is a challenge of hybi-00 and the answer that ten servers
// gave.
type challengeVector struct {
	Key1, Key2, Key3, Answer string
	Number1, Number2         uint32
}

// request76 returns the head of a request of hybi-00. extra is header lines.
func request76(key1, key2, extra string) string {
	return "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\n" +
		"Origin: http://example.com\r\n" + extra +
		"Sec-WebSocket-Key1: " + key1 + "\r\nSec-WebSocket-Key2: " + key2 + "\r\n\r\n"
}
