package websocket_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/protocol-websocket/websocket"
)

func TestAcceptVectors(t *testing.T) {
	for _, v := range readJSON[[]struct{ Key, Accept string }](t, "accepts.json") {
		t.Run(v.Key, func(t *testing.T) {
			if got := websocket.AcceptKey(v.Key); got != v.Accept {
				t.Errorf("acceptFor(%q) is %q, want %q", v.Key, got, v.Accept)
			}
			nonce, _ := base64.StdEncoding.DecodeString(v.Key)
			for _, version := range hybiVersions {
				head := "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: " +
					numberOf(version) + "\r\nSec-WebSocket-Key: " + v.Key + "\r\n\r\n"
				_, got := replayServer(nil, [][]byte{[]byte(head)})
				if len(nonce) != 16 && version == websocket.RFC6455 { // ws 0.4 sends 15 bytes with version 8
					wantStatus(t, got.err, http.StatusBadRequest)
					continue
				}
				if accept := acceptIn(t, got.handshake); got.err != nil || accept != v.Accept {
					t.Errorf("%v: server answers %q, error %v: want %q", version, accept, got.err, v.Accept)
				}
			}
		})
	}
}

// Ten servers gave the same answers to these challenges. The arithmetic, our
// server and our client agree.
func TestChallengeVectors(t *testing.T) {
	for _, v := range readJSON[[]challengeVector](t, "challenges.json") {
		t.Run(v.Key1, func(t *testing.T) {
			for _, k := range []struct {
				key  string
				want uint32
			}{{v.Key1, v.Number1}, {v.Key2, v.Number2}} {
				if got, err := websocket.KeyNumber(k.key); got != k.want || err != nil {
					t.Errorf("number in %q is %d, error %v: want %d", k.key, got, err, k.want)
				}
			}
			key3, want := unhex(t, v.Key3), unhex(t, v.Answer)
			if got := websocket.AnswerChallenge(v.Number1, v.Number2, key3); !bytes.Equal(got, want) {
				t.Errorf("answer is % x, want % x", got, want)
			}
			for _, length := range []string{"", "Content-Length: 8\r\n"} { // Perl and Netty send it
				request := [][]byte{[]byte(request76(v.Key1, v.Key2, length) + string(key3))}
				for _, n := range []int{1, 1 << 20} {
					_, got := replayServer(nil, cut(request, n))
					if _, proof := splitHead(t, [][]byte{got.handshake}); got.err != nil || !bytes.Equal(proof, want) {
						t.Errorf("%q in pieces of %d: server answers % x, error %v: want % x", length, n, proof, got.err, want)
					}
				}
			}
			v.testClient(t, want)
		})
	}
}

const response76 = "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Origin: http://example.com\r\nSec-WebSocket-Location: ws://example.com/demo\r\n\r\n"

func (v challengeVector) testClient(t *testing.T, answer []byte) {
	for flip := range len(answer) + 1 {
		h, err := websocket.NewClientHandshake(&websocket.Dialer{Version: websocket.Hybi00}, "ws://example.com/demo")
		if err != nil {
			t.Fatal(err)
		}
		setHixieKeys(t, h, v.Key1, v.Key2, unhex(t, v.Key3))
		wrong := flip < len(answer)
		sent := bytes.Clone(answer)
		if wrong {
			sent[flip] ^= 1
		}
		if got := replayClient(h, [][]byte{[]byte(response76), sent}); wrong != (got.err != nil) || wrong == h.Done() {
			t.Errorf("answer % x instead of % x: error %v, done %v", sent, answer, got.err, h.Done())
		}
	}
}
