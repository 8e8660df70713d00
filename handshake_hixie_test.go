package websocket_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// Keys that break the rules of hixie-76. Some servers of the time answered them
// with a truncated number, one took them for hixie-75, and one crashed.
var badHixieKeys = []struct{ name, key, says string }{
	{"no spaces", "12345x", "no spaces"},
	{"no digits", "a b c", "no digits"},
	{"only spaces between noise", "! !", "no digits"},
	{"not a multiple", "1 2 3", "not a multiple"},
	{"one more than a multiple", "42949672 9 7", "not a multiple"},
	{"quotient of 2^32", "42949 67296!", "32 bits"},
	{"quotient of 2^32 with two spaces", "8589 9345 92", "32 bits"},
	{"digits past 2^64", "1 " + strings.Repeat("9", 30), "too large"},
	{"digits that wrap to 0 in 64 bits", "1844674407 3709551616", "too large"},
	{"a header full of digits", "1 " + strings.Repeat("0", 10_000) + "1", "too large"},
}

func TestKeyNumberRefuses(t *testing.T) {
	for _, tt := range append(badHixieKeys[:len(badHixieKeys):len(badHixieKeys)], struct{ name, key, says string }{"empty", "", "no digits"}) {
		t.Run(tt.name, func(t *testing.T) {
			if n, err := websocket.KeyNumber(tt.key); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("number in %.40q is %d, error %v: want an error that says %q", tt.key, n, err, tt.says)
			}
		})
	}
}

// A request with a key that is wrong, missing, empty, or there twice, is
// refused with 400. It is never taken for hixie-75, which needs no proof.
func TestBadHixieKeysAreRefused(t *testing.T) {
	const good = "1 2 4x"
	cases := map[string]string{
		"Key1 missing": "Sec-WebSocket-Key2: " + good + "\r\n",
		"Key2 missing": "Sec-WebSocket-Key1: " + good + "\r\n",
		"Key1 empty":   "Sec-WebSocket-Key1:\r\nSec-WebSocket-Key2: " + good + "\r\n",
		"Key1 twice":   strings.Repeat("Sec-WebSocket-Key1: "+good+"\r\n", 2) + "Sec-WebSocket-Key2: " + good + "\r\n",
		"Key2 twice":   "Sec-WebSocket-Key1: " + good + "\r\n" + strings.Repeat("Sec-WebSocket-Key2: "+good+"\r\n", 2),
		"Draft 1":      "Sec-WebSocket-Key1: " + good + "\r\nSec-WebSocket-Key2: " + good + "\r\nSec-WebSocket-Draft: 1\r\n",
		"Draft alone":  "Sec-WebSocket-Draft: 2\r\n",
	}
	for _, bad := range badHixieKeys {
		cases["Key1 with "+bad.name] = "Sec-WebSocket-Key1: " + bad.key + "\r\nSec-WebSocket-Key2: " + good + "\r\n"
		cases["Key2 with "+bad.name] = "Sec-WebSocket-Key1: " + good + "\r\nSec-WebSocket-Key2: " + bad.key + "\r\n"
	}
	for name, headers := range cases {
		t.Run(name, func(t *testing.T) {
			request := "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\n" +
				"Origin: http://example.com\r\n" + headers + "\r\n^n:ds[4U"
			for _, n := range []int{1, 1 << 20} {
				_, got := replayServer(nil, cut([][]byte{[]byte(request)}, n))
				wantStatus(t, got.err, http.StatusBadRequest)
				if res := parseResponse(t, got.handshake); res.StatusCode != http.StatusBadRequest || !res.Close {
					t.Errorf("answered %s, Connection %q: want 400 and close", res.Status, res.Header["Connection"])
				}
			}
		})
	}
}

// A request of hixie-76 without an origin is refused, since such requests come
// from pages. Strict servers of the time did that; others made up an origin.
func TestHixie76WithoutOriginIsRefused(t *testing.T) {
	request := strings.Replace(request76("1 2 4x", "1 0:", ""), "Origin: http://example.com\r\n", "", 1)
	_, got := replayServer(nil, [][]byte{[]byte(request + "^n:ds[4U")})
	wantStatus(t, got.err, http.StatusForbidden)
}
