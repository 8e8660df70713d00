package websocket_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// The texts of refused responses: what was expected of the server, or what is
// wrong.
const (
	wantsWindow = "expected server_max_window_bits of at most 10, or server_no_context_takeover; any window is accepted if PeerWindowBits is 0"
	wantsForget = "expected server_no_context_takeover; a server that keeps its window is accepted without NoContextTakeover"
)

// responseTable says what a client with each of negotiationOptions does after a
// response: "received sent" are the bits of the windows that it keeps, or 0 for
// none. Otherwise the handshake fails with that text. "-" means that nothing is
// compressed.
var responseTable = []struct {
	name, response string
	want           [6]string
}{
	{"no header", "", [6]string{"-", "-", "-", "-", "-", "-"}},
	{"knows no windows", "d", [6]string{"15 12", "15 15", "15 9", wantsWindow, "15 12", wantsForget}},
	{"as asked", "d sw=9 cw=9", [6]string{"9 9", "9 9", "9 9", "9 9", "15 9", wantsForget}},
	{"smallest windows", "d sw=8 cw=8", [6]string{"8 8", "8 8", "8 8", "8 8", "15 8", wantsForget}},
	{"server's window alone", "d sw=10", [6]string{"10 12", "10 15", "10 9", "10 12", "15 12", wantsForget}},
	{"larger server's window", "d sw=11", [6]string{"11 12", "11 15", "11 9", wantsWindow, "15 12", wantsForget}},
	{"largest server's window", "d sw=15", [6]string{"15 12", "15 15", "15 9", wantsWindow, "15 12", wantsForget}},
	{"client's window alone", "d cw=10", [6]string{"15 10", "15 10", "15 9", wantsWindow, "15 10", wantsForget}},
	{"largest client's window", "d cw=15", [6]string{"15 12", "15 15", "15 9", wantsWindow, "15 12", wantsForget}},
	{"server forgets", "d s", [6]string{"0 12", "0 15", "0 9", "0 12", "0 12", "0 0"}},
	{"client is to forget", "d c", [6]string{"15 0", "15 0", "15 0", wantsWindow, "15 0", wantsForget}},
	{"both forget", "d s c", [6]string{"0 0", "0 0", "0 0", "0 0", "0 0", "0 0"}},
	{"both forget, and windows", "d s c sw=15 cw=10", [6]string{"0 0", "0 0", "0 0", "0 0", "0 0", "0 0"}},
	{"quoted", `d sw="10"`, [6]string{"10 12", "10 15", "10 9", "10 12", "15 12", wantsForget}},

	{"client's window without a number", "d cw", repeatText("client_max_window_bits: expected a number")},
	{"server's window without a number", "d sw", repeatText("no number from 8 to 15")},
	{"window that there is not", "d sw=16", repeatText("no number from 8 to 15")},
	{"small window that there is not", "d cw=7", repeatText("no number from 8 to 15")},
	{"value of a flag", "d s=1", repeatText("expected none")},
	{"unknown parameter", "d foo", repeatText("a parameter is unknown")},
	{"twice", "d c c", repeatText("a parameter is given twice")},
	{"two", "d, d", repeatText("2 extensions, expected one")},
	{"two lines", "d/d", repeatText("2 extensions, expected one")},
	{"another", "x-webkit-deflate-frame", repeatText("only permessage-deflate was offered")},
}

func repeatText(s string) [6]string { return [6]string{s, s, s, s, s, s} }

// answered returns the handshake of a client whose server has answered lines,
// and how it ended.
func answered(t *testing.T, lines string, z websocket.Compression) (*websocket.ClientHandshake, error) {
	t.Helper()
	response := responseOf(websocket.RFC6455)
	if lines != "" {
		var values []string
		for line := range strings.SplitSeq(lines, "/") {
			values = append(values, expandExtension(line))
		}
		response = response.with("Sec-WebSocket-Extensions", values...)
	}
	z.Threshold = 1
	h := newClient(t, websocket.RFC6455, &websocket.Dialer{Config: websocket.Config{Compression: &z}})
	h.AppendRequest(nil)
	_, err := h.Feed([]byte(response.String()))
	return h, err
}

// All responses, with all options: whether the client accepts it, or with which
// error the handshake fails, what is kept of both directions, and what may be
// sent in both.
func TestCompressionResponses(t *testing.T) {
	for _, tt := range responseTable {
		for i, one := range negotiationOptions {
			t.Run(tt.name+"/"+one.name, func(t *testing.T) {
				var received, sent int
				h, err := answered(t, tt.response, one.z)
				switch n, _ := fmt.Sscan(tt.want[i], &received, &sent); {
				case n < 2 && tt.want[i] != "-":
					if err == nil || !strings.Contains(err.Error(), tt.want[i]) || !strings.Contains(err.Error(), "server chose the extensions") {
						t.Errorf("after %q: %v; want an error that says %q", tt.response, err, tt.want[i])
					}
				case err != nil:
					t.Errorf("after %q: %v; want no error", tt.response, err)
				case n < 2:
					checkPlain(t, h)
				default:
					checkReceived(t, h.Parser(), websocket.ClientSide, received)
					checkSent(t, h.Encoder(), sent)
					h, _ = answered(t, tt.response, one.z)
					checkTolerance(t, h.Parser(), websocket.ClientSide, received, one.z.PeerWindowBits == 0)
				}
			})
		}
	}
}

// checkPlain checks that h neither compresses nor accepts what is compressed.
func checkPlain(t *testing.T, h *websocket.ClientHandshake) {
	t.Helper()
	b, err := h.Encoder().AppendMessage(nil, websocket.Text, make([]byte, 1000))
	if f, _, perr := websocket.ParseFrame(b, websocket.RFC6455); err != nil || perr != nil || f.RSV != 0 || len(f.Payload) != 1000 {
		t.Errorf("1000 bytes are sent as %d with RSV %d, %v, %v; want no compression", len(f.Payload), f.RSV, err, perr)
	}
	if _, err := compressedReceiver(h.Parser(), websocket.ClientSide)(nil); codeOf(err) != websocket.StatusProtocolError {
		t.Errorf("a compressed message: %v; want 1002", err)
	}
}
