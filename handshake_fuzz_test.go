package websocket_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// wantCutMeansNothing compares handshakes whose input was cut and whose input
// was whole. Where the input is too long the reasons of the refusals may
// differ: both are right.
func wantCutMeansNothing(t *testing.T, cut, whole replay, cutDone, wholeDone, tooLong bool) {
	t.Helper()
	switch {
	case (cut.err == nil) != (whole.err == nil) || cutDone != wholeDone:
		t.Fatalf("cut: done %v, error %v\nwhole: done %v, error %v", cutDone, cut.err, wholeDone, whole.err)
	case !slices.Equal(cut.heard, whole.heard):
		t.Fatalf("cut: heard %.500q\nwhole: heard %.500q", cut.heard, whole.heard)
	case tooLong:
		return
	}
	var a, b *websocket.HandshakeError
	if errors.As(cut.err, &a) && errors.As(whole.err, &b) && a.Status != b.Status {
		t.Fatalf("cut: %v\nwhole: %v", cut.err, whole.err)
	}
	if whole.err == nil && !bytes.Equal(cut.handshake, whole.handshake) {
		t.Fatalf("cut: response %q\nwhole: response %q", cut.handshake, whole.handshake)
	}
}

// feedBounded calls feed, and fails if head then holds too much memory.
func feedBounded(t *testing.T, head *httphead.Head, feed func() error) error {
	t.Helper()
	err := feed()
	if len(head.Bytes()) > httphead.MaxBytes+1 || cap(head.Bytes()) > 3*httphead.MaxBytes {
		t.Fatalf("%d bytes of header held in %d, want at most %d", len(head.Bytes()), cap(head.Bytes()), httphead.MaxBytes+1)
	}
	return err
}

// FuzzServerHandshake looks for requests that are read differently when they
// are cut, that cost too much, or that are not answered by one response.
func FuzzServerHandshake(f *testing.F) {
	for i, s := range readSessions(f) {
		f.Add(bytes.Join(s.segments(f, fromClient), nil), uint64(i))
	}
	for _, c := range readJSON[[]challengeVector](f, "challenges.json") {
		f.Add([]byte(request76(c.Key1, c.Key2, "")+string(unhex(f, c.Key3))+"\x00frame\xff"), uint64(7))
	}
	f.Add([]byte("GET / HTTP/1.1\nHost: a\n\n"), uint64(1))
	f.Add([]byte("\n\r\n\r\n"), uint64(49))
	f.Add([]byte(strings.Repeat(" ", websocket.DefaultMaxHeaderBytes+2)), uint64(2))
	f.Add([]byte("GET / HTTP/1.1\r\n"+strings.Repeat("A: b\r\n", 300)+"\r\n"), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		up := &websocket.Upgrader{Origins: []string{"*"}, Subprotocols: []string{"chat"}}
		h := websocket.NewServerHandshake(up)
		for _, chunk := range splitBySeed(data, seed) {
			err := feedBounded(t, websocket.ServerHead(h), func() error { _, err := h.Feed(chunk); return err })
			if err != nil || h.Request() != nil {
				break
			}
		}
		one, cut := replayServer(up, splitBySeed(data, seed))
		two, whole := replayServer(up, [][]byte{data})
		wantCutMeansNothing(t, cut, whole, one.Done(), two.Done(), len(data) > websocket.DefaultMaxHeaderBytes)
		if one.Version() != two.Version() || one.Subprotocol() != two.Subprotocol() {
			t.Fatalf("cut: %v %q\nwhole: %v %q", one.Version(), one.Subprotocol(), two.Version(), two.Subprotocol())
		}
		if len(whole.handshake) > 0 {
			testAnswer(t, two, whole)
		}
	})
}

// testAnswer checks that what a server sends is one response.
func testAnswer(t *testing.T, h *websocket.ServerHandshake, got replay) {
	t.Helper()
	head, rest := splitHead(t, [][]byte{got.handshake})
	res := parseResponse(t, head)
	if statusOf(got.err) != 0 {
		if res.StatusCode < 400 || !res.Close || res.ContentLength != int64(len(rest)) {
			t.Fatalf("refusal %q: want a status of 400 or more, Connection: close, and a length of %d", got.handshake, len(rest))
		}
		return
	}
	upgrade, connection := res.Header.Get("Upgrade"), res.Header.Get("Connection")
	if res.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(upgrade, "websocket") || !strings.EqualFold(connection, "upgrade") {
		t.Fatalf("%q is no answer to a handshake", head)
	}
	allowed := []string{"Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol"}
	switch h.Version() {
	case websocket.Hybi00:
		allowed = []string{"Upgrade", "Connection", "Sec-WebSocket-Origin", "Sec-WebSocket-Location", "Sec-WebSocket-Protocol"}
	case websocket.Hixie75:
		allowed = []string{"Upgrade", "Connection", "WebSocket-Origin", "WebSocket-Location", "WebSocket-Protocol"}
	}
	for name, values := range res.Header {
		if !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) }) || len(values) != 1 {
			t.Fatalf("header %s, %d times, in %q", name, len(values), head)
		}
	}
	proof := 0
	if h.Version() == websocket.Hybi00 && h.Done() {
		proof = len(hixieAnswer)
	}
	if len(rest) != proof {
		t.Fatalf("%d bytes after the head, want %d", len(rest), proof)
	}
}

// FuzzClientHandshake does the same with responses.
func FuzzClientHandshake(f *testing.F) {
	for i, s := range readSessions(f) {
		version := 0
		if v, err := websocket.ParseVersion(s.Draft); err == nil {
			version = slices.Index(allVersions, v)
		}
		f.Add(bytes.Join(s.segments(f, fromServer), nil), byte(version), uint64(i))
	}
	for i, v := range allVersions {
		f.Add(goodResponse(f, v), byte(i), uint64(i))
		f.Add(append([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"), goodResponse(f, v)...), byte(i), uint64(i))
	}
	f.Add([]byte("\n\r\n\r\n"), byte(4), uint64(2))
	f.Add([]byte("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno"), byte(0), uint64(9))
	f.Add([]byte(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 7)), byte(0), uint64(9))
	f.Fuzz(func(t *testing.T, data []byte, version byte, seed uint64) {
		v := fuzzVersion(version)
		h := fixedClient(t, v)
		for _, chunk := range splitBySeed(data, seed) {
			err := feedBounded(t, websocket.ClientHead(h), func() error { _, err := h.Feed(chunk); return err })
			if err != nil || h.Done() {
				break
			}
		}
		one, two := fixedClient(t, v), fixedClient(t, v)
		cut, whole := replayClient(one, splitBySeed(data, seed)), replayClient(two, [][]byte{data})
		wantCutMeansNothing(t, cut, whole, one.Done(), two.Done(), len(data) > httphead.MaxBytes)
		if one.Subprotocol() != two.Subprotocol() {
			t.Fatalf("cut: subprotocol %q\nwhole: %q", one.Subprotocol(), two.Subprotocol())
		}
		if two.Done() && two.Response().StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("done with status %s", two.Response().Status)
		}
	})
}

// goodResponse, with which FuzzClientHandshake begins, is accepted.
func TestGoodResponse(t *testing.T) {
	for _, v := range allVersions {
		h := fixedClient(t, v)
		got := replayClient(h, [][]byte{goodResponse(t, v)})
		if !h.Done() || h.Subprotocol() != "chat" || got.err != nil {
			t.Errorf("%v: done %v, subprotocol %q, error %v", v, h.Done(), h.Subprotocol(), got.err)
		}
		wantHeard(t, got.heard, []string{`Text "Hello"`})
	}
}
