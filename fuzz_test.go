package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/protocol-websocket/websocket/internal/httphead"
)

// coreSplit cuts data in pieces that seed chooses: of 1 byte, of a few, and of
// up to 2 KiB.
func coreSplit(data []byte, seed uint64) (chunks [][]byte) {
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

// coreFuzzVersion and coreFuzzSide make a choice of what a fuzzer has.
func coreFuzzVersion(b byte) Version { return allVersions[int(b)%len(allVersions)] }

func coreFuzzSide(b byte) Side { return coreSides[int(b)%len(coreSides)] }

// coreSeedFrames gives f the frames that were sent in all recorded sessions,
// those of testdata/frames.json, and the table of TestParserRules.
func coreSeedFrames(f *testing.F, add func(wire []byte, version, side byte)) {
	for _, s := range coreSessions(f) {
		v, err := ParseVersion(s.Draft)
		if err != nil {
			continue // never deployed: no Parser reads their frames
		}
		_, client := coreHead(f, s.segments(f, coreFromClient))
		_, server := coreHead(f, s.segments(f, coreFromServer))
		add(client, byte(slices.Index(allVersions, v)), byte(ServerSide))
		add(server, byte(slices.Index(allVersions, v)), byte(ClientSide))
	}
	for _, family := range coreJSON[map[string][]struct{ Name, Hex string }](f, "frames.json") {
		for i, frame := range family {
			add(coreHex(f, frame.Hex), byte(i), byte(i/len(allVersions)))
		}
	}
	for i, rule := range coreRules {
		add(coreWire(ServerSide, rule.frames...), byte(i%len(coreHybi)), byte(ServerSide))
	}
	add([]byte("\x00\xc3\x28\xe2\x82\xff\x80\x02ab\x01c\xff\xff\x80\x00"), 3, 0)
	add([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}, 4, 1)
}

// What ParseFrame understood, AppendFrame writes again: the same bytes, or in
// the hixie versions, where there is more than one way, the same frame.
func FuzzParseFrame(f *testing.F) {
	coreSeedFrames(f, func(wire []byte, version, _ byte) { f.Add(wire, version) })
	f.Fuzz(func(t *testing.T, data []byte, version byte) {
		v := coreFuzzVersion(version)
		sent := bytes.Clone(data)
		frame, n, err := ParseFrame(data, v)
		if !bytes.Equal(sent, data) {
			t.Fatalf("%v: ParseFrame has changed its input", v)
		}
		if err != nil {
			var pe *ProtocolError
			if n != 0 || err != io.ErrUnexpectedEOF && !errors.As(err, &pe) {
				t.Fatalf("%v: n %d, error %v: want 0 with io.ErrUnexpectedEOF or a ProtocolError", v, n, err)
			}
			return
		}
		if n <= 0 || n > len(data) {
			t.Fatalf("%v: frame of %d bytes in %d", v, n, len(data))
		}
		again, err := AppendFrame(nil, v, frame)
		if err != nil {
			t.Fatalf("%v: AppendFrame refuses what ParseFrame read: %v", v, err)
		}
		if !v.hixie() {
			if !bytes.Equal(again, data[:n]) {
				t.Fatalf("%v: % x parses as %+v and is written % x", v, data[:n], frame, again)
			}
			return
		}
		back, _, err := ParseFrame(again, v)
		if err != nil || !reflect.DeepEqual(back, frame) || !utf8.Valid(frame.Payload) {
			t.Fatalf("%v: %+v comes back as %+v, error %v", v, frame, back, err)
		}
	})
}

// Cuts change nothing, memory goes by the input, and every call comes to an
// end.
func FuzzParser(f *testing.F) {
	coreSeedFrames(f, func(wire []byte, version, side byte) {
		f.Add(wire, version, side, uint64(len(wire)), int16(0))
		f.Add(wire, version, side, uint64(1), int16(3))
	})
	f.Fuzz(func(t *testing.T, data []byte, version, side byte, seed uint64, limit int16) {
		v, s := coreFuzzVersion(version), coreFuzzSide(side)
		cfg := Config{MaxMessageSize: int64(limit), MaxFragments: int(limit)}
		want := coreFuzzParse(t, v, s, cfg, [][]byte{data})
		got := coreFuzzParse(t, v, s, cfg, coreSplit(data, seed))
		if !slices.Equal(got.heard, want.heard) || fmt.Sprint(got.err) != fmt.Sprint(want.err) {
			t.Fatalf("%v %s, cut: heard %.500q, error %v\nwhole: heard %.500q, error %v",
				v, coreSideName(s), got.heard, got.err, want.heard, want.err)
		}
		var pe *ProtocolError
		if want.err != nil && want.err != io.EOF && !errors.As(want.err, &pe) {
			t.Fatalf("ended with %v, want io.EOF or a ProtocolError", want.err)
		}
	})
}

func coreFuzzParse(t *testing.T, v Version, side Side, cfg Config, chunks [][]byte) (got coreReplay) {
	t.Helper()
	p, err := NewParser(v, side, cfg)
	if err != nil {
		t.Fatal(err)
	}
	fed := 0
	for _, chunk := range chunks {
		p.Append(chunk)
		fed += len(chunk)
		got.parse(p, v, side, nil)
		if len(got.heard) > fed {
			t.Fatalf("%d messages in %d bytes", len(got.heard), fed)
		}
		// Text that is not UTF-8 may become three times as long.
		if most := 12*fed + 1024; cap(p.in)+cap(p.msg) > most {
			t.Fatalf("after %d bytes the buffers are %d and %d, want at most %d", fed, cap(p.in), cap(p.msg), most)
		}
	}
	return got
}

// coreWantCutMeansNothing compares handshakes with what was cut and what not.
// Refusals of too much may differ in their reason: both are right.
func coreWantCutMeansNothing(t *testing.T, cut, whole coreReplay, cutDone, wholeDone bool, size int) {
	t.Helper()
	switch {
	case (cut.err == nil) != (whole.err == nil) || cutDone != wholeDone:
		t.Fatalf("cut: done %v, error %v\nwhole: done %v, error %v", cutDone, cut.err, wholeDone, whole.err)
	case !slices.Equal(cut.heard, whole.heard):
		t.Fatalf("cut: heard %.500q\nwhole: heard %.500q", cut.heard, whole.heard)
	case size > httphead.MaxBytes:
		return
	}
	var a, b *HandshakeError
	if errors.As(cut.err, &a) && errors.As(whole.err, &b) && a.Status != b.Status {
		t.Fatalf("cut: %v\nwhole: %v", cut.err, whole.err)
	}
	if whole.err == nil && !bytes.Equal(cut.handshake, whole.handshake) {
		t.Fatalf("cut: response %q\nwhole: response %q", cut.handshake, whole.handshake)
	}
}

// coreFeedBounded is coreServer and coreClient with a look at what is held.
func coreFeedBounded(t *testing.T, head *httphead.Head, feed func() error) error {
	t.Helper()
	err := feed()
	if len(head.Bytes()) > httphead.MaxBytes+1 || cap(head.Bytes()) > 3*httphead.MaxBytes {
		t.Fatalf("%d bytes of header held in %d, want at most %d", len(head.Bytes()), cap(head.Bytes()), httphead.MaxBytes+1)
	}
	return err
}

// FuzzServerHandshake looks for requests that are read in two ways, that cost
// too much, or whose answer is not one.
func FuzzServerHandshake(f *testing.F) {
	for i, s := range coreSessions(f) {
		f.Add(bytes.Join(s.segments(f, coreFromClient), nil), uint64(i))
	}
	for _, c := range coreJSON[[]coreChallenge](f, "challenges.json") {
		f.Add([]byte(coreRequest76(c.Key1, c.Key2, "")+string(coreHex(f, c.Key3))+"\x00frame\xff"), uint64(7))
	}
	f.Add([]byte("GET / HTTP/1.1\nHost: a\n\n"), uint64(1))
	f.Add([]byte("\n\r\n\r\n"), uint64(49))
	f.Add([]byte(strings.Repeat(" ", httphead.MaxBytes+2)), uint64(2))
	f.Add([]byte("GET / HTTP/1.1\r\n"+strings.Repeat("A: b\r\n", 300)+"\r\n"), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		up := &Upgrader{Origins: []string{"*"}, Subprotocols: []string{"chat"}}
		h := NewServerHandshake(up)
		for _, chunk := range coreSplit(data, seed) {
			err := coreFeedBounded(t, &h.head, func() error { _, err := h.Feed(chunk); return err })
			if err != nil || h.Request() != nil {
				break
			}
		}
		one, cut := coreServer(up, coreSplit(data, seed))
		two, whole := coreServer(up, [][]byte{data})
		coreWantCutMeansNothing(t, cut, whole, one.Done(), two.Done(), len(data))
		if one.Version() != two.Version() || one.Subprotocol() != two.Subprotocol() {
			t.Fatalf("cut: %v %q\nwhole: %v %q", one.Version(), one.Subprotocol(), two.Version(), two.Subprotocol())
		}
		if len(whole.handshake) > 0 {
			coreTestAnswer(t, two, whole)
		}
	})
}

// coreTestAnswer checks that what a server sends is one response.
func coreTestAnswer(t *testing.T, h *ServerHandshake, got coreReplay) {
	t.Helper()
	head, rest := coreHead(t, [][]byte{got.handshake})
	res := coreResponse(t, head)
	if h.err != nil {
		if res.StatusCode < 400 || !res.Close || res.ContentLength != int64(len(rest)) {
			t.Fatalf("refusal %q: want a status of 400 or more, Connection: close, and a length of %d", got.handshake, len(rest))
		}
		return
	}
	if res.StatusCode != http.StatusSwitchingProtocols || !hasToken(res.Header, "Upgrade", "websocket") || !hasToken(res.Header, "Connection", "upgrade") {
		t.Fatalf("%q is no answer to a handshake", head)
	}
	allowed := []string{"Upgrade", "Connection", "Sec-Websocket-Accept", "Sec-Websocket-Protocol"}
	if h.Version().hixie() {
		prefix := http.CanonicalHeaderKey(h.Version().traits().headerPrefix + "Origin")
		allowed = []string{"Upgrade", "Connection", prefix, strings.Replace(prefix, "Origin", "Location", 1), h.Version().traits().protocolHeader}
	}
	for name, values := range res.Header {
		if !slices.Contains(allowed, name) || len(values) != 1 {
			t.Fatalf("header %s, %d times, in %q", name, len(values), head)
		}
	}
	proof := 0
	if h.Version() == Hybi00 && h.Done() {
		proof = challengeLen
	}
	if len(rest) != proof {
		t.Fatalf("%d bytes after the head, want %d", len(rest), proof)
	}
}

// FuzzClientHandshake does the same with what servers send.
func FuzzClientHandshake(f *testing.F) {
	for i, s := range coreSessions(f) {
		version := 0
		if v, err := ParseVersion(s.Draft); err == nil {
			version = slices.Index(allVersions, v)
		}
		f.Add(bytes.Join(s.segments(f, coreFromServer), nil), byte(version), uint64(i))
	}
	for i, v := range allVersions {
		f.Add(coreGoodResponse(f, v), byte(i), uint64(i))
		f.Add(append([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"), coreGoodResponse(f, v)...), byte(i), uint64(i))
	}
	f.Add([]byte("\n\r\n\r\n"), byte(4), uint64(2))
	f.Add([]byte("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno"), byte(0), uint64(9))
	f.Add([]byte(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 7)), byte(0), uint64(9))
	f.Fuzz(func(t *testing.T, data []byte, version byte, seed uint64) {
		v := coreFuzzVersion(version)
		h := coreFixedClient(t, v)
		for _, chunk := range coreSplit(data, seed) {
			err := coreFeedBounded(t, &h.head, func() error { _, err := h.Feed(chunk); return err })
			if err != nil || h.Done() {
				break
			}
		}
		one, two := coreFixedClient(t, v), coreFixedClient(t, v)
		cut, whole := coreClient(one, coreSplit(data, seed)), coreClient(two, [][]byte{data})
		coreWantCutMeansNothing(t, cut, whole, one.Done(), two.Done(), len(data))
		if one.Subprotocol() != two.Subprotocol() {
			t.Fatalf("cut: subprotocol %q\nwhole: %q", one.Subprotocol(), two.Subprotocol())
		}
		if two.Done() && two.Response().StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("done with status %s", two.Response().Status)
		}
	})
}

// coreFixedClient returns a handshake whose keys are the same each time.
func coreFixedClient(tb testing.TB, v Version) *ClientHandshake {
	tb.Helper()
	h, err := NewClientHandshake(&Dialer{Version: v, Subprotocols: []string{"chat"}}, "ws://example.com/demo")
	if err != nil {
		tb.Fatal(err)
	}
	h.key = "dGhlIHNhbXBsZSBub25jZQ=="
	coreSetKeys(tb, h, "4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", []byte("^n:ds[4U"))
	return h
}

// coreGoodResponse is what a server answers to coreFixedClient, with a message
// behind it.
func coreGoodResponse(tb testing.TB, v Version) []byte {
	tb.Helper()
	h := coreFixedClient(tb, v)
	request := h.AppendRequest(nil)
	server, got := coreServer(&Upgrader{Subprotocols: []string{"chat"}, Origins: []string{"*"}}, [][]byte{request})
	if got.err != nil || !server.Done() {
		tb.Fatalf("%v: our server refuses %q: %v", v, request, got.err)
	}
	return append(got.handshake, coreMessage(tb, v, ClientSide, "Hello")...)
}

// What the fuzzer of client handshakes begins with is accepted.
func TestGoodResponse(t *testing.T) {
	for _, v := range allVersions {
		h := coreFixedClient(t, v)
		got := coreClient(h, [][]byte{coreGoodResponse(t, v)})
		if !h.Done() || h.Subprotocol() != "chat" || got.err != nil {
			t.Errorf("%v: done %v, subprotocol %q, error %v", v, h.Done(), h.Subprotocol(), got.err)
		}
		coreWantHeard(t, got.heard, []string{`Text "Hello"`})
	}
}
