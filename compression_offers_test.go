package websocket_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// negotiationOptions are the columns of the tables of offers and responses.
var negotiationOptions = []struct {
	name string
	z    websocket.Compression
}{
	{"zero", websocket.Compression{}},
	{"WindowBits 15", websocket.Compression{WindowBits: 15}},
	{"WindowBits 9", websocket.Compression{WindowBits: 9}},
	{"PeerWindowBits 10", websocket.Compression{PeerWindowBits: 10}},
	{"PeerWindowBits 15", websocket.Compression{PeerWindowBits: 15}},
	{"NoContextTakeover", websocket.Compression{NoContextTakeover: true}},
}

// expandExtension writes out the abbreviations of the tables: d is
// permessage-deflate, and s, c, sw and cw are its parameters.
func expandExtension(s string) string {
	words := map[string]string{"d": "permessage-deflate", "s": "server_no_context_takeover", "c": "client_no_context_takeover",
		"sw": "server_max_window_bits", "cw": "client_max_window_bits"}
	var elements []string
	for element := range strings.SplitSeq(s, ",") {
		var parts []string
		for _, word := range strings.Fields(element) {
			name, value, hasValue := strings.Cut(word, "=")
			if full, ok := words[name]; ok {
				name = full
			}
			if hasValue {
				name += "=" + value
			}
			parts = append(parts, name)
		}
		elements = append(elements, strings.Join(parts, "; "))
	}
	return strings.Join(elements, ", ")
}

// offerTable says how a server answers each offer with each of
// negotiationOptions, and what it then keeps: "answer | received sent", where
// the numbers are the bits of a window, or 0 for none. "-" means that it does
// not compress. The lines of a header are separated by a slash.
var offerTable = []struct {
	name, offer string
	want        [6]string
}{
	{"no header", "", [6]string{"-", "-", "-", "-", "-", "-"}},
	{"Firefox, Safari, OkHttp", "d", [6]string{"d | 15 12", "d | 15 15", "d | 15 9", "-", "d | 15 12", "d | 15 0"}},
	{"Chrome, Node.js, .NET, Dart", "d cw", [6]string{"d cw=12 | 12 12", "d | 15 15", "d cw=9 | 9 9", "d cw=10 | 10 12", "d | 15 12", "d cw=12 | 12 0"}},
	{"Go and Java without takeover", "d s c", [6]string{"d s c | 0 0", "d s c | 0 0", "d s c | 0 0", "d s c | 0 0", "d s c | 0 0", "d s c | 0 0"}},
	{"Starscream", "d cw sw=15", [6]string{"d sw=12 cw=12 | 12 12", "d sw=15 | 15 15", "d sw=9 cw=9 | 9 9", "d sw=12 cw=10 | 10 12", "d sw=12 | 15 12", "d sw=12 cw=12 | 12 0"}},
	{"Python", "d sw=12 cw=12", [6]string{"d sw=12 cw=12 | 12 12", "d sw=12 cw=12 | 12 12", "d sw=9 cw=9 | 9 9", "d sw=12 cw=10 | 10 12", "d sw=12 cw=12 | 15 12", "d sw=12 cw=12 | 12 0"}},
	{"this package", "d sw=12 cw=12, d cw", [6]string{"d sw=12 cw=12 | 12 12", "d sw=12 cw=12 | 12 12", "d sw=9 cw=9 | 9 9", "d sw=12 cw=10 | 10 12", "d sw=12 cw=12 | 15 12", "d sw=12 cw=12 | 12 0"}},
	{"this package, bounded", "d sw=10 cw=12, d s cw", [6]string{"d sw=10 cw=12 | 12 10", "d sw=10 cw=12 | 12 10", "d sw=9 cw=9 | 9 9", "d sw=10 cw=10 | 10 10", "d sw=10 cw=12 | 15 10", "d sw=10 cw=12 | 12 0"}},
	{"this package, without takeover", "d s c cw=12, d s c cw", [6]string{"d s c cw=12 | 0 0", "d s c cw=12 | 0 0", "d s c cw=12 | 0 0", "d s c cw=12 | 0 0", "d s c cw=12 | 0 0", "d s c cw=12 | 0 0"}},

	{"server_no_context_takeover", "d s", [6]string{"d s | 15 0", "d s | 15 0", "d s | 15 0", "-", "d s | 15 0", "d s | 15 0"}},
	{"client_no_context_takeover", "d c", [6]string{"d c | 0 12", "d c | 0 15", "d c | 0 9", "d c | 0 12", "d c | 0 12", "d c | 0 0"}},
	{"smallest window of the server", "d sw=8", [6]string{"d sw=8 | 15 8", "d sw=8 | 15 8", "d sw=8 | 15 8", "-", "d sw=8 | 15 8", "d sw=8 | 15 0"}},
	{"window of the server", "d sw=10", [6]string{"d sw=10 | 15 10", "d sw=10 | 15 10", "d sw=9 | 15 9", "-", "d sw=10 | 15 10", "d sw=10 | 15 0"}},
	{"largest window of the server", "d sw=15", [6]string{"d sw=12 | 15 12", "d sw=15 | 15 15", "d sw=9 | 15 9", "-", "d sw=12 | 15 12", "d sw=12 | 15 0"}},
	{"quoted window of the server", `d sw="11"`, [6]string{"d sw=11 | 15 11", "d sw=11 | 15 11", "d sw=9 | 15 9", "-", "d sw=11 | 15 11", "d sw=11 | 15 0"}},
	{"smallest window of the client", "d cw=8", [6]string{"d cw=8 | 8 12", "d cw=8 | 8 15", "d cw=8 | 8 9", "d cw=8 | 8 12", "d cw=8 | 15 12", "d cw=8 | 8 0"}},
	{"window of the client", "d cw=10", [6]string{"d cw=10 | 10 12", "d cw=10 | 10 15", "d cw=9 | 9 9", "d cw=10 | 10 12", "d cw=10 | 15 12", "d cw=10 | 10 0"}},
	{"largest window of the client", "d cw=15", [6]string{"d cw=12 | 12 12", "d | 15 15", "d cw=9 | 9 9", "d cw=10 | 10 12", "d | 15 12", "d cw=12 | 12 0"}},

	{"server forgets, client may be asked", "d s cw", [6]string{"d s cw=12 | 12 0", "d s | 15 0", "d s cw=9 | 9 0", "d s cw=10 | 10 0", "d s | 15 0", "d s cw=12 | 12 0"}},
	{"client forgets and may be asked", "d c cw", [6]string{"d c | 0 12", "d c | 0 15", "d c | 0 9", "d c | 0 12", "d c | 0 12", "d c | 0 0"}},
	{"client forgets and has a small window", "d c cw=10", [6]string{"d c cw=10 | 0 12", "d c cw=10 | 0 15", "d c cw=10 | 0 9", "d c cw=10 | 0 12", "d c cw=10 | 0 12", "d c cw=10 | 0 0"}},
	{"both windows", "d sw=9 cw=14", [6]string{"d sw=9 cw=12 | 12 9", "d sw=9 cw=14 | 14 9", "d sw=9 cw=9 | 9 9", "d sw=9 cw=10 | 10 9", "d sw=9 cw=14 | 15 9", "d sw=9 cw=12 | 12 0"}},
	{"both windows and both forget", "d s c sw=10 cw=11", [6]string{"d s c sw=10 cw=11 | 0 0", "d s c sw=10 cw=11 | 0 0", "d s c sw=9 cw=11 | 0 0", "d s c sw=10 cw=11 | 0 0", "d s c sw=10 cw=11 | 0 0", "d s c sw=10 cw=11 | 0 0"}},
	{"the same in another order", "d cw=11 sw=10 c s", [6]string{"d s c sw=10 cw=11 | 0 0", "d s c sw=10 cw=11 | 0 0", "d s c sw=9 cw=11 | 0 0", "d s c sw=10 cw=11 | 0 0", "d s c sw=10 cw=11 | 0 0", "d s c sw=10 cw=11 | 0 0"}},

	{"two offers, the second can be bounded", "d, d cw", [6]string{"d | 15 12", "d | 15 15", "d | 15 9", "d cw=10 | 10 12", "d | 15 12", "d | 15 0"}},
	{"three offers", "d sw=9, d c, d cw", [6]string{"d sw=9 | 15 9", "d sw=9 | 15 9", "d sw=9 | 15 9", "d c | 0 12", "d sw=9 | 15 9", "d sw=9 | 15 0"}},
	{"the same in three lines", "d sw=9/d c/d cw", [6]string{"d sw=9 | 15 9", "d sw=9 | 15 9", "d sw=9 | 15 9", "d c | 0 12", "d sw=9 | 15 9", "d sw=9 | 15 0"}},
	{"no compression, of Safari 10", "x-webkit-deflate-frame", [6]string{"-", "-", "-", "-", "-", "-"}},
	{"that and another", "x-webkit-deflate-frame no_context_takeover, d", [6]string{"d | 15 12", "d | 15 15", "d | 15 9", "-", "d | 15 12", "d | 15 0"}},
	{"unknown extensions", "foo a=b, d cw, bar", [6]string{"d cw=12 | 12 12", "d | 15 15", "d cw=9 | 9 9", "d cw=10 | 10 12", "d | 15 12", "d cw=12 | 12 0"}},
	{"unknown extensions, in lines", "foo/permessage-bzip2 cw/d cw", [6]string{"d cw=12 | 12 12", "d | 15 15", "d cw=9 | 9 9", "d cw=10 | 10 12", "d | 15 12", "d cw=12 | 12 0"}},
	{"commas in a string", `foo a="permessage-deflate,", d cw`, [6]string{"d cw=12 | 12 12", "d | 15 15", "d cw=9 | 9 9", "d cw=10 | 10 12", "d | 15 12", "d cw=12 | 12 0"}},
	{"unknown parameter", "d cw foo", [6]string{"-", "-", "-", "-", "-", "-"}},
	{"unknown parameter, and an offer without", "d cw foo, d", [6]string{"d | 15 12", "d | 15 15", "d | 15 9", "-", "d | 15 12", "d | 15 0"}},
	{"window that there is not", "d cw=16", [6]string{"-", "-", "-", "-", "-", "-"}},
	{"window without a number", "d sw", [6]string{"-", "-", "-", "-", "-", "-"}},
	{"twice", "d s s", [6]string{"-", "-", "-", "-", "-", "-"}},
}

// offer returns the handshake of a server that was made this offer, and the
// extensions that it answered.
func offer(t *testing.T, v websocket.Version, lines string, z websocket.Compression) (*websocket.ServerHandshake, string) {
	t.Helper()
	request := requestOf(v)
	if lines != "" {
		var values []string
		for line := range strings.SplitSeq(lines, "/") {
			values = append(values, expandExtension(line))
		}
		request = request.with("Sec-WebSocket-Extensions", values...)
	}
	z.Threshold = 1
	h, response, _, err := serve(&websocket.Upgrader{Config: websocket.Config{Compression: &z}}, request.String())
	if err != nil {
		t.Fatalf("%q: %v", lines, err)
	}
	return h, parseResponse(t, []byte(response)).Header.Get("Sec-WebSocket-Extensions")
}

// All offers, with all options: the answer, what is kept of both directions,
// and what may be sent in both.
func TestCompressionOffers(t *testing.T) {
	for _, tt := range offerTable {
		for i, one := range negotiationOptions {
			t.Run(tt.name+"/"+one.name, func(t *testing.T) {
				answer, kept, _ := strings.Cut(tt.want[i], " | ")
				want := expandExtension(strings.TrimPrefix(answer, "-"))
				for _, v := range hybiVersions {
					if _, got := offer(t, v, tt.offer, one.z); got != want {
						t.Errorf("%v: %q is answered %q; want %q", v, tt.offer, got, want)
					}
				}
				if want == "" {
					return
				}
				var received, sent int
				fmt.Sscan(kept, &received, &sent)
				h, _ := offer(t, websocket.RFC6455, tt.offer, one.z)
				checkReceived(t, h.Parser(), websocket.ServerSide, received)
				checkSent(t, h.Encoder(), sent)
				h, _ = offer(t, websocket.RFC6455, tt.offer, one.z)
				checkTolerance(t, h.Parser(), websocket.ServerSide, received, one.z.PeerWindowBits == 0)
			})
		}
	}
}

// windowSize returns how large a window of so many bits is. 0 means none.
func windowSize(bits int) int {
	if bits == 0 {
		return 0
	}
	return 1 << bits
}

// compressedReceiver returns a function that has p, which side owns, receive compressed
// messages of its peer, and returns what was received so far.
func compressedReceiver(p *websocket.Parser, side websocket.Side) func(payload []byte) ([]byte, error) {
	var history []byte
	return func(payload []byte) ([]byte, error) {
		p.Append(rawFrames(side, rawFrame{b0: finBinary | rsv1, payload: string(payload)}))
		m, err := p.Next()
		history = append(history, m.Data...)
		return history, err
	}
}

// checkReceived checks how much is kept of what side receives, after 96 KiB that
// refer to nothing: 1<<bits, or nothing. The peer may refer to what is kept, and
// to nothing else.
func checkReceived(t *testing.T, p *websocket.Parser, side websocket.Side, bits int) {
	t.Helper()
	peer, r, receive := newFlatePeer(0), newRand(1), compressedReceiver(p, side)
	var history []byte
	for range 12 {
		var err error
		if history, err = receive(peer.zip(randomBytes(r, 8<<10), zipStored)); err != nil {
			t.Fatal(err)
		}
	}
	size := windowSize(bits)
	if got := websocket.ParserWindow(p); got != size {
		t.Errorf("%d bytes are kept of what was received; want %d", got, size)
	}
	if bits > 0 {
		var err error
		if history, err = receive(zipReference(history, min(size, maxDistance-300), 200)); err != nil {
			t.Errorf("a reference to what is kept: %v", err)
		}
	}
	if size < maxDistance {
		if _, err := receive(zipReference(history, size+300, 200)); err == nil {
			t.Errorf("a reference to more than %d bytes before is served", size)
		}
	}
}

// checkTolerance checks whether a peer that has agreed to a window of so many
// bits, but does not obey, is served.
func checkTolerance(t *testing.T, p *websocket.Parser, side websocket.Side, bits int, tolerant bool) {
	t.Helper()
	receive := compressedReceiver(p, side)
	history, err := receive(newFlatePeer(0).zip(randomBytes(newRand(2), 40<<10), zipStored))
	if err != nil {
		t.Fatal(err)
	}
	_, err = receive(zipReference(history, maxDistance-300, 200))
	if served := err == nil; served != (bits == 15 || bits > 0 && tolerant) {
		t.Errorf("a reference to %d bytes before, with %d bits agreed on: %v; want it served: %t", maxDistance-300, bits, err, !served)
	}
}

// checkSent checks that e keeps 1<<bits bytes of what it sends, or nothing, and
// refers to all of that and to nothing else.
func checkSent(t *testing.T, e *websocket.Encoder, bits int) {
	t.Helper()
	size := windowSize(bits)
	peer, r := newFlatePeer(size), newRand(3)
	history := randomBytes(r, 40<<10)
	send := func(p []byte) (compressed bool) {
		b, err := e.AppendMessage(nil, websocket.Binary, p)
		if err != nil {
			t.Fatal(err)
		}
		f, _, err := websocket.ParseFrame(b, websocket.RFC6455)
		if err != nil || f.RSV != websocket.RSVCompressed {
			t.Fatalf("%d bytes are sent with RSV %d, %v", len(p), f.RSV, err)
		}
		got, err := peer.unzip(f.Payload)
		if err != nil || !bytes.Equal(got, p) {
			t.Errorf("a peer that keeps %d bytes cannot inflate what is sent: %v", size, err)
		}
		history = append(history, p...)
		return len(f.Payload) < len(p)*3/4
	}
	send(history)
	if got := websocket.EncoderWindow(e); got != size {
		t.Errorf("%d bytes are kept of what was sent; want %d", got, size)
	}
	if bits > 0 {
		if n := size / 4; !send(history[len(history)-size:][:n]) {
			t.Errorf("what is sent does not refer to %d bytes before, which the peer keeps", size)
		}
	}
	if send(history[len(history)-2*size-512:][:512]) && size < maxDistance {
		t.Errorf("what is sent refers to more than %d bytes before", size)
	}
}
