package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// The reserved bit of an extension may stand only on the first frame of a
// message. The text of such a message is checked after it was inflated: "RSV1
// on continuation or control frames: 1002", "corrupt data (1007)".
func TestReservedBitOfAnExtension(t *testing.T) {
	for _, tt := range []struct {
		name   string
		frames []rawFrame
		heard  []string
		code   websocket.StatusCode
	}{
		{"text", []rawFrame{{b0: finText | rsv1, payload: deflated("\u00ff")}, {b0: finText, payload: "a"}}, []string{`Text "ÿ"`, `Text "a"`}, 0},
		{"fragments", []rawFrame{{b0: byte(websocket.Binary) | rsv1, payload: deflated("ab")[:2]}, {b0: last, payload: deflated("ab")[2:]}}, []string{`Binary "ab"`}, 0},
		{"nothing at all", []rawFrame{{b0: finText | rsv1}, {b0: finText, payload: "\xff"}}, []string{`Text ""`}, websocket.StatusInvalidPayloadData},
		{"an empty block", []rawFrame{{b0: finText | rsv1, payload: "\x00"}, {b0: finText | rsv1, payload: "\x00"}}, []string{`Text ""`, `Text ""`}, 0},
		{"not UTF-8", []rawFrame{{b0: finText | rsv1, payload: deflated("a\xff")}}, nil, websocket.StatusInvalidPayloadData},
		{"ends within a character", []rawFrame{{b0: finText | rsv1, payload: deflated("a\xc3")}}, nil, websocket.StatusInvalidPayloadData},
		{"such bytes in binary", []rawFrame{{b0: finBinary | rsv1, payload: deflated("a\xc3")}}, []string{`Binary "a\xc3"`}, 0},
		{"corrupt", []rawFrame{{b0: finText | rsv1, payload: "\xff"}}, nil, websocket.StatusInvalidPayloadData},
		{"truncated", []rawFrame{{b0: finText | rsv1, payload: deflated("a")[:1]}}, nil, websocket.StatusInvalidPayloadData},
		{"too big", []rawFrame{{b0: finText | rsv1, payload: deflated(strings.Repeat("a", 1<<20+1))}}, nil, websocket.StatusMessageTooBig},
		{"another bit", []rawFrame{{b0: finText | rsv1 | rsv2}}, nil, websocket.StatusProtocolError},
		{"continuation", []rawFrame{{b0: firstText | rsv1}, {b0: last | rsv1}}, nil, websocket.StatusProtocolError},
		{"Ping", []rawFrame{{b0: finPing | rsv1}}, nil, websocket.StatusProtocolError},
		{"Close", []rawFrame{{b0: finClose | rsv1}}, nil, websocket.StatusProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := compressedParser(t, websocket.Config{})
			var heard []string
			p.Append(rawFrames(websocket.ServerSide, tt.frames...))
			m, err := p.Next()
			for ; err == nil; m, err = p.Next() {
				heard = append(heard, describe(m))
			}
			wantHeard(t, heard, tt.heard)
			if codeOf(err) != tt.code {
				t.Errorf("ended with %v, want %d", err, tt.code)
			}
		})
	}
}

// Errors tell why a message could not be decompressed, and have the code for
// the peer.
func TestInflateErrors(t *testing.T) {
	zipped := deflated(strings.Repeat("a", 1001))
	for _, tt := range []struct{ name, payload, want string }{
		{"corrupt", "\xff", "websocket: peer broke the protocol (1007): expected a message compressed as RFC 1951 has it: block of type 3, which there is not, at byte 1 of 1"},
		{"truncated", "\x00\x01", "websocket: peer broke the protocol (1007): expected a message compressed as RFC 1951 has it: truncated, at byte 1 of 2"},
		{"too big", zipped, fmt.Sprintf("websocket: peer exceeded a limit (1009): message too big: %d compressed bytes inflate to more than the limit of 1000 (Config.MaxMessageSize)", len(zipped))},
	} {
		p := compressedParser(t, websocket.Config{MaxMessageSize: 1000})
		p.Append(rawFrames(websocket.ServerSide, rawFrame{b0: finBinary | rsv1, payload: tt.payload}))
		_, err := p.Next()
		var broke *websocket.ProtocolError
		if !errors.As(err, &broke) || err.Error() != tt.want || errors.Is(err, websocket.ErrMessageTooBig) != (broke.Code == websocket.StatusMessageTooBig) {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.want)
		}
	}
}

// The error of a message that refers too far back names the window that was
// agreed on, and whose it is.
func TestWindowErrors(t *testing.T) {
	z := websocket.Config{Compression: &websocket.Compression{PeerWindowBits: 9}}
	server, client := handshakes(t, &websocket.Upgrader{Config: z}, &websocket.Dialer{Config: z})
	noise := string(randomBytes(newRand(1), 700))
	for p, want := range map[*websocket.Parser]string{
		server.Parser(): " (client_max_window_bits=9; with Compression.PeerWindowBits 15 any distance is accepted)",
		client.Parser(): " (server_max_window_bits=9; with Compression.PeerWindowBits 15 any distance is accepted)",
	} {
		side := websocket.ServerSide
		if p == client.Parser() {
			side = websocket.ClientSide
		}
		p.Append(rawFrames(side, rawFrame{b0: finBinary | rsv1, payload: deflated(noise + noise)}))
		_, err := p.Next()
		if text := fmt.Sprint(err); !strings.Contains(text, "distance of 700 bytes, beyond the window of 512") || !strings.HasSuffix(text, want) {
			t.Errorf("%s, want the distance, the window of 512 and%s", text, want)
		}
	}
}

// The error of a message that refers to an earlier one, although its sender has
// agreed not to, names that agreement.
func TestNoContextTakeoverErrors(t *testing.T) {
	z := websocket.Config{Compression: &websocket.Compression{NoContextTakeover: true}}
	server, client := handshakes(t, &websocket.Upgrader{Config: z}, &websocket.Dialer{Config: z})
	for side, p := range map[websocket.Side]*websocket.Parser{websocket.ServerSide: server.Parser(), websocket.ClientSide: client.Parser()} {
		sender := newFlatePeer(0)
		for range 2 {
			zip := string(sender.zip([]byte(strings.Repeat("again ", 20)), 0))
			p.Append(rawFrames(side, rawFrame{b0: finBinary | rsv1, payload: zip}))
		}
		_, err := p.Next()
		if err != nil {
			t.Fatal(err)
		}
		want := map[websocket.Side]string{websocket.ServerSide: "client_no_context_takeover", websocket.ClientSide: "server_no_context_takeover"}[side]
		if _, err := p.Next(); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
	}
}

// A Parser returns the same messages wherever its input is cut, and holds nothing
// between them.
func TestParserInflatesInPieces(t *testing.T) {
	wire, want := zipSession(t, websocket.ServerSide)
	for _, n := range []int{1, 2, 3, 7, 100, 5000, len(wire)} {
		p := compressedParser(t, websocket.Config{})
		got := 0
		for chunk := range slices.Chunk(wire, n) {
			p.Append(chunk)
			for {
				m, err := p.Next()
				if err == websocket.ErrIncomplete {
					break
				}
				if err == io.EOF || m.Type == websocket.Close {
					if got != len(want) {
						t.Fatalf("pieces of %d: %d messages, want %d", n, got, len(want))
					}
					break
				}
				if err != nil {
					t.Fatalf("pieces of %d, message %d: %v", n, got, err)
				}
				if m.Type == websocket.Ping || m.Type == websocket.Pong {
					continue
				}
				if m.Type != want[got].typ || !bytes.Equal(m.Data, want[got].p) || websocket.ParserBorrowsInflater(p) {
					t.Fatalf("pieces of %d, message %d: %v of %d bytes, want %v of %d", n, got, m.Type, len(m.Data), want[got].typ, len(want[got].p))
				}
				got++
			}
		}
	}
}

// An end within a message gives back what was borrowed for it.
func TestParserEndsWhileInflating(t *testing.T) {
	for _, end := range []rawFrame{rawClose(1000, ""), {b0: finText}, {b0: last, payload: "\xff"}} {
		p := compressedParser(t, websocket.Config{})
		p.Append(rawFrames(websocket.ServerSide, rawFrame{b0: firstText | rsv1, payload: deflated("begun")[:3]}))
		if _, err := p.Next(); err != websocket.ErrIncomplete || !websocket.ParserBorrowsInflater(p) {
			t.Fatalf("%v, or nothing is borrowed", err)
		}
		p.Append(rawFrames(websocket.ServerSide, end))
		if _, err := p.Next(); err == websocket.ErrIncomplete || websocket.ParserBorrowsInflater(p) {
			t.Errorf("%v, and something is still borrowed", err)
		}
	}
}

// compressedParser returns the Parser of a server whose client compresses with
// a window of 32 KiB.
func compressedParser(t *testing.T, cfg websocket.Config) *websocket.Parser {
	t.Helper()
	cfg.Compression = &websocket.Compression{WindowBits: 15}
	server, _ := handshakes(t, &websocket.Upgrader{Config: cfg}, &websocket.Dialer{Config: cfg})
	return server.Parser()
}
