package websocket_test

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// The versions of the protocol, and its sides.
var (
	allVersions   = []websocket.Version{websocket.RFC6455, websocket.Hybi10, websocket.Hybi07, websocket.Hybi00, websocket.Hixie75}
	hybiVersions  = allVersions[:3:3]
	hixieVersions = allVersions[3:]
	sides         = []websocket.Side{websocket.ServerSide, websocket.ClientSide}
)

// fuzzVersion and fuzzSide turn any byte of a fuzzer into a version and a side.
func fuzzVersion(b byte) websocket.Version { return allVersions[int(b)%len(allVersions)] }

func fuzzSide(b byte) websocket.Side { return sides[int(b)%len(sides)] }

// sideName returns the name of s for subtests.
func sideName(s websocket.Side) string { return [...]string{"server", "client"}[s] }

// eachSide runs f as a subtest for each version and side.
func eachSide(t *testing.T, versions []websocket.Version, f func(t *testing.T, v websocket.Version, side websocket.Side)) {
	for _, v := range versions {
		for _, side := range sides {
			t.Run(fmt.Sprint(v, " ", sideName(side)), func(t *testing.T) { f(t, v, side) })
		}
	}
}

// eachVersion runs f as a subtest for each version.
func eachVersion(t *testing.T, f func(t *testing.T, v websocket.Version)) {
	t.Helper()
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) { f(t, v) })
	}
}

// messageTypes returns the types of message that v has.
func messageTypes(v websocket.Version) []websocket.MessageType {
	if isHixie(v) {
		return []websocket.MessageType{websocket.Text}
	}
	return []websocket.MessageType{websocket.Text, websocket.Binary}
}

// isHixie reports whether v is one of the two oldest versions. They have only
// text, and neither fragments, nor Pings, nor codes in a Close.
func isHixie(v websocket.Version) bool { return v == websocket.Hybi00 || v == websocket.Hixie75 }

// payloadOf returns n bytes: a Text with characters of every length, or a
// Binary with bytes of every value.
func payloadOf(t websocket.MessageType, n int) []byte {
	if t == websocket.Text {
		const sample = "aé€😀z\x00"
		p := []byte(strings.Repeat(sample, n/len(sample)))
		for len(p) < n {
			p = append(p, '.')
		}
		return p
	}
	pattern := make([]byte, 1021) // a prime number: no two places look alike
	for i := range pattern {
		pattern[i] = byte(i * 7)
	}
	return bytes.Repeat(pattern, n/len(pattern)+1)[:n]
}

// message is a message, or a control frame, for peerFrames.
type message struct {
	typ websocket.MessageType
	p   []byte
}

// peerFrames returns frames as the peer of side sends them.
func peerFrames(t testing.TB, v websocket.Version, side websocket.Side, frames ...message) (b []byte) {
	t.Helper()
	for _, f := range frames {
		var err error
		if b, err = websocket.AppendMessage(b, v, websocket.ClientSide-side, f.typ, f.p); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// peerText returns a text as the peer of side sends it.
func peerText(tb testing.TB, v websocket.Version, side websocket.Side, text string) []byte {
	tb.Helper()
	return peerFrames(tb, v, side, message{websocket.Text, []byte(text)})
}

// rawFrame is a frame that may break the rules.
type rawFrame struct {
	b0      byte
	payload string
	form    int    // 7, 16 or 64 bits of length; 0: the shortest
	length  uint64 // if form is not 0; otherwise that of payload
	flip    bool   // masked if it should not be, and the other way round
}

// append appends the frame as the peer of side sends it.
func (f rawFrame) append(dst []byte, side websocket.Side) []byte {
	n := uint64(len(f.payload))
	form := f.form
	switch {
	case form != 0:
		n = f.length
	case n < 126:
		form = 7
	case n < 1<<16:
		form = 16
	default:
		form = 64
	}
	var mask byte
	if (side == websocket.ServerSide) != f.flip {
		mask = 0x80
	}
	switch form {
	case 7:
		dst = append(dst, f.b0, mask|byte(n))
	case 16:
		dst = binary.BigEndian.AppendUint16(append(dst, f.b0, mask|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, f.b0, mask|127), n)
	}
	if mask == 0 {
		return append(dst, f.payload...)
	}
	key := []byte{0x37, 0xfa, 0x21, 0x3d}
	dst = append(dst, key...)
	at := len(dst)
	dst = append(dst, f.payload...)
	subtle.XORBytes(dst[at:], dst[at:], bytes.Repeat(key, len(f.payload)/len(key)+1))
	return dst
}

// rawFrames returns frames as the peer of side sends them.
func rawFrames(side websocket.Side, frames ...rawFrame) (wire []byte) {
	for _, f := range frames {
		wire = f.append(wire, side)
	}
	return wire
}

// First bytes of frames.
const (
	fin       = 0x80
	rsv1      = 0x40
	rsv2      = 0x20
	rsv3      = 0x10
	finText   = fin | byte(websocket.Text)
	finBinary = fin | byte(websocket.Binary)
	finClose  = fin | byte(websocket.Close)
	finPing   = fin | byte(websocket.Ping)
	finPong   = fin | byte(websocket.Pong)
	firstText = byte(websocket.Text)
	more      = byte(websocket.Continuation)
	last      = fin | byte(websocket.Continuation)
)

// rawClose returns a Close frame with any code and reason.
func rawClose(code uint16, reason string) rawFrame {
	return rawFrame{b0: finClose, payload: string(binary.BigEndian.AppendUint16(nil, code)) + reason}
}

// text125 is as long as the payload of a control frame may be.
var text125 = strings.Repeat("0123456789", 13)[:125]
