package websocket_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// frameWants has, by name, what the frames of testdata/frames.json mean.
var frameWants = map[string]struct {
	heard  []string
	side   websocket.Side // that such frames are sent to
	length int            // of which the header says this, and the payload is not there
}{
	"text empty":               {heard: []string{`Text ""`}},
	"text Hello":               {heard: []string{`Text "Hello"`}},
	"text ü世😀":                 {heard: []string{`Text "ü世😀"`}},
	"text with U+0000":         {heard: []string{`Text "a\x00b"`}},
	"close (76 only)":          {heard: []string{closedWithoutCode}}, // in 75 those who send it mean the same
	"skip 5 bytes then text A": {heard: []string{`Text "A"`}},
	"skip 128 bytes (2 byte length) then text B":             {heard: []string{`Text "B"`}},
	"FF with length 3 is skipped, then text C":               {heard: []string{`Text "C"`}},
	"skipped payload may contain FF":                         {heard: []string{`Text "L"`}},
	"unknown sentinel type 01 discarded, then text D":        {heard: []string{`Text "D"`}},
	"length zero, not FF: skip nothing, text F":              {heard: []string{`Text "F"`}},
	"length with leading zero groups: FF 80 00 equals FF 00": {heard: []string{closedWithoutCode}},

	"text Hello masked":            {heard: []string{`Text "Hello"`}},
	"text Hello unmasked (server)": {heard: []string{`Text "Hello"`}, side: websocket.ClientSide},
	"binary 00 01 fe ff":           {heard: []string{`Binary "\x00\x01\xfe\xff"`}},
	"ping hi":                      {heard: []string{`Ping "hi"`}},
	"pong hi":                      {heard: []string{`Pong "hi"`}, side: websocket.ClientSide},
	"fragments a b c":              {heard: []string{`Text "abc"`}},
	"close 1000":                   {heard: []string{`Close 1000 ""`}},
	"close empty":                  {heard: []string{closedWithoutCode}},
	"header 125":                   {side: websocket.ClientSide, length: 125},
	"header 126":                   {side: websocket.ClientSide, length: 126},
	"header 65535":                 {side: websocket.ClientSide, length: 65535},
	"header 65536":                 {side: websocket.ClientSide, length: 65536},
}

func TestFrameVectors(t *testing.T) {
	families := readJSON[map[string][]struct{ Name, Hex string }](t, "frames.json")
	for family, versions := range map[string][]websocket.Version{
		"hixie-75/76":   {websocket.Hybi00, websocket.Hixie75},
		"hybi-07/10/17": {websocket.RFC6455, websocket.Hybi10, websocket.Hybi07},
	} {
		if len(families[family]) == 0 {
			t.Errorf("no frames of %s in testdata/frames.json", family)
		}
		for _, frame := range families[family] {
			want, ok := frameWants[frame.Name]
			if !ok {
				t.Errorf("no expectation for %q", frame.Name)
			}
			for _, v := range versions {
				t.Run(fmt.Sprint(v, " ", frame.Name), func(t *testing.T) {
					wire := unhex(t, frame.Hex)
					if want.length > 0 {
						wire = append(wire, strings.Repeat("x", want.length)...)
						want.heard = []string{fmt.Sprintf("Text %q", wire[len(wire)-want.length:])}
						testHeader(t, v, wire, want.length)
					}
					testHears(t, v, want.side, wire, want.heard)
					if isHixie(v) { // where sides do not differ
						testHears(t, v, websocket.ClientSide, wire, want.heard)
					}
				})
			}
		}
	}
}

// testHeader checks that the header in wire has length, and that we write the
// same header.
func testHeader(t *testing.T, v websocket.Version, wire []byte, length int) {
	t.Helper()
	header, payload := wire[:len(wire)-length], wire[len(wire)-length:]
	if f, n, err := websocket.ParseFrame(wire, v); len(f.Payload) != length || n != len(wire) || err != nil {
		t.Errorf("header % x: length %d in %d bytes, error %v: want %d in %d", header, len(f.Payload), n, err, length, len(wire))
	}
	if got, err := websocket.AppendMessage(nil, v, websocket.ServerSide, websocket.Text, payload); err != nil || !bytes.Equal(got[:len(header)], header) {
		t.Errorf("text of %d bytes begins % x, error %v: want % x", length, got[:min(10, len(got))], err, header)
	}
}

// testHears feeds wire to a Parser of side, whole and byte by byte. It checks
// what the Parser returns, and that it could go on unless that was a Close.
func testHears(t *testing.T, v websocket.Version, side websocket.Side, wire []byte, want []string) {
	t.Helper()
	for _, n := range []int{1, 1 << 20} {
		got := replayFrames(v, side, websocket.Config{}, cut([][]byte{wire}, n))
		wantHeard(t, got.heard, want)
		closed := len(want) > 0 && strings.HasPrefix(want[len(want)-1], "Close")
		wantCode(t, got.err, 0, closed)
	}
}

// Frames of clients that were sent to twelve servers, and what most of them
// answered. All have the mask 37 fa 21 3d.
func TestFrameReplies(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		heard      []string
		reply      string
		code       websocket.StatusCode
	}{
		{"empty text", "8180 37fa213d", []string{`Text ""`}, "8100", 0},
		{"Hello", "8185 37fa213d 7f9f4d5158", []string{`Text "Hello"`}, "8105 48656c6c6f", 0},
		{"binary", "8284 37fa213d 37fbdfc2", []string{`Binary "\x00\x01\xfe\xff"`}, "8204 0001feff", 0},
		{"ping", "8982 37fa213d 5f93", []string{`Ping "hi"`}, "8a02 6869", 0},
		{
			"three fragments", "0181 37fa213d 56  0081 37fa213d 55  8081 37fa213d 54",
			[]string{`Text "abc"`}, "8103 616263", 0,
		},
		{
			"ping inside fragments", "0181 37fa213d 56  8981 37fa213d 47  8081 37fa213d 54",
			[]string{`Ping "p"`, `Text "ac"`}, "8a01 70  8102 6163", 0,
		},
		{"close 1000", "8882 37fa213d 3412", []string{`Close 1000 ""`}, "8802 03e8", 0},
		{"close without code", "8880 37fa213d", []string{closedWithoutCode}, "8800", 0},
		{"unmasked", "8102 4869", nil, "", websocket.StatusProtocolError},
		{"length 2 in 16 bits", "81fe0002 37fa213d 7f93", nil, "", websocket.StatusProtocolError},
	} {
		for _, v := range hybiVersions {
			t.Run(fmt.Sprint(v, " ", tt.name), func(t *testing.T) {
				for _, n := range []int{1, 1 << 20} {
					got := replayFrames(v, websocket.ServerSide, websocket.Config{}, cut([][]byte{unhex(t, tt.sent)}, n))
					wantHeard(t, got.heard, tt.heard)
					wantCode(t, got.err, tt.code, strings.HasPrefix(tt.name, "close"))
					if want := unhex(t, tt.reply); !bytes.Equal(got.replies, want) {
						t.Errorf("replies % x, want % x", got.replies, want)
					}
				}
			})
		}
	}
}
