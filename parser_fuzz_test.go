package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"
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
