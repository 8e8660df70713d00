package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/protocol-websocket/websocket"
)

// seedFrames adds the frames of all recorded sessions, those of
// testdata/frames.json, and those of TestParserRules.
func seedFrames(f *testing.F, add func(wire []byte, version, side byte)) {
	for _, s := range readSessions(f) {
		v, err := websocket.ParseVersion(s.Draft)
		if err != nil {
			continue // never deployed: no Parser reads their frames
		}
		_, client := splitHead(f, s.segments(f, fromClient))
		_, server := splitHead(f, s.segments(f, fromServer))
		add(client, byte(slices.Index(allVersions, v)), byte(websocket.ServerSide))
		add(server, byte(slices.Index(allVersions, v)), byte(websocket.ClientSide))
	}
	for _, family := range readJSON[map[string][]struct{ Name, Hex string }](f, "frames.json") {
		for i, frame := range family {
			add(unhex(f, frame.Hex), byte(i), byte(i/len(allVersions)))
		}
	}
	for i, rule := range parserRules {
		add(rawFrames(websocket.ServerSide, rule.frames...), byte(i%len(hybiVersions)), byte(websocket.ServerSide))
	}
	add([]byte("\x00\xc3\x28\xe2\x82\xff\x80\x02ab\x01c\xff\xff\x80\x00"), 3, 0)
	add([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}, 4, 1)
}

// What ParseFrame has parsed, AppendFrame writes again: the same bytes, or in
// the hixie versions, where there are several ways, the same frame.
func FuzzParseFrame(f *testing.F) {
	seedFrames(f, func(wire []byte, version, _ byte) { f.Add(wire, version) })
	f.Fuzz(func(t *testing.T, data []byte, version byte) {
		v := fuzzVersion(version)
		sent := bytes.Clone(data)
		frame, n, err := websocket.ParseFrame(data, v)
		if !bytes.Equal(sent, data) {
			t.Fatalf("%v: ParseFrame has changed its input", v)
		}
		if err != nil {
			var pe *websocket.ProtocolError
			if n != 0 || err != io.ErrUnexpectedEOF && !errors.As(err, &pe) {
				t.Fatalf("%v: n %d, error %v: want 0 with io.ErrUnexpectedEOF or a ProtocolError", v, n, err)
			}
			return
		}
		if n <= 0 || n > len(data) {
			t.Fatalf("%v: frame of %d bytes in %d", v, n, len(data))
		}
		again, err := websocket.AppendFrame(nil, v, frame)
		if err != nil {
			t.Fatalf("%v: AppendFrame refuses what ParseFrame read: %v", v, err)
		}
		if !isHixie(v) {
			if !bytes.Equal(again, data[:n]) {
				t.Fatalf("%v: % x parses as %+v and is written % x", v, data[:n], frame, again)
			}
			return
		}
		back, _, err := websocket.ParseFrame(again, v)
		if err != nil || !reflect.DeepEqual(back, frame) || !utf8.Valid(frame.Payload) {
			t.Fatalf("%v: %+v comes back as %+v, error %v", v, frame, back, err)
		}
	})
}

// Cuts change nothing, memory is bounded by the input, and every call returns.
func FuzzParser(f *testing.F) {
	seedFrames(f, func(wire []byte, version, side byte) {
		f.Add(wire, version, side, uint64(len(wire)), int16(0))
		f.Add(wire, version, side, uint64(1), int16(3))
	})
	f.Fuzz(func(t *testing.T, data []byte, version, side byte, seed uint64, limit int16) {
		v, s := fuzzVersion(version), fuzzSide(side)
		cfg := websocket.Config{MaxMessageSize: int64(limit), MaxFragments: int(limit)}
		want := fuzzParse(t, v, s, cfg, [][]byte{data})
		got := fuzzParse(t, v, s, cfg, splitBySeed(data, seed))
		if !slices.Equal(got.heard, want.heard) || fmt.Sprint(got.err) != fmt.Sprint(want.err) {
			t.Fatalf("%v %s, cut: heard %.500q, error %v\nwhole: heard %.500q, error %v",
				v, sideName(s), got.heard, got.err, want.heard, want.err)
		}
		var pe *websocket.ProtocolError
		if want.err != nil && want.err != io.EOF && !errors.As(want.err, &pe) {
			t.Fatalf("ended with %v, want io.EOF or a ProtocolError", want.err)
		}
	})
}

func fuzzParse(t *testing.T, v websocket.Version, side websocket.Side, cfg websocket.Config, chunks [][]byte) (got replay) {
	t.Helper()
	p, err := websocket.NewParser(v, side, cfg)
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
		in, msg := websocket.ParserMemory(p)
		if most := 12*fed + 1024; in+msg > most {
			t.Fatalf("after %d bytes the buffers are %d and %d, want at most %d", fed, in, msg, most)
		}
	}
	return got
}
