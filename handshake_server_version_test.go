package websocket_test

import (
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

func TestServerDetectsVersion(t *testing.T) {
	rfc, hixie76, hixie75 := requestOf(websocket.RFC6455), requestOf(websocket.Hybi00), requestOf(websocket.Hixie75)
	lower := func(m httpMessage) httpMessage {
		for i := range m.fields {
			m.fields[i][0] = strings.ToLower(m.fields[i][0])
		}
		return m
	}
	tests := []struct {
		name    string
		request httpMessage
		want    websocket.Version
		status  int // of the refusal, 0 if there is none
	}{
		{"13", rfc, websocket.RFC6455, 0},
		{"8", requestOf(websocket.Hybi10), websocket.Hybi10, 0},
		{"7", requestOf(websocket.Hybi07), websocket.Hybi07, 0},
		{"keys 1 and 2", hixie76, websocket.Hybi00, 0},
		{"none of that", hixie75, websocket.Hixie75, 0},
		{"names in lower case", lower(requestOf(websocket.RFC6455)), websocket.RFC6455, 0},
		{"hixie-76 in lower case", lower(requestOf(websocket.Hybi00)), websocket.Hybi00, 0},
		{"version before keys", hixie76.with("Sec-WebSocket-Version", "13").with("Sec-WebSocket-Key", hybiKeys[websocket.RFC6455][0]), websocket.RFC6455, 0},
		{"hixie-76 with HAProxy's key", hixie76.with("sec-websocket-key", "EWlklyJbB8zJc4IPXssAwQ=="), websocket.Hybi00, 0},
		{"hixie-75 with HAProxy's key", hixie75.with("sec-websocket-key", "EWlklyJbB8zJc4IPXssAwQ=="), websocket.Hixie75, 0},

		{"version missing", rfc.with("Sec-WebSocket-Version"), 0, 400},
		{"version and subprotocol", rfc.with("Sec-WebSocket-Version").with("Sec-WebSocket-Protocol", "chat"), 0, 400},
		{"version missing in draft 8", requestOf(websocket.Hybi10).with("Sec-WebSocket-Version"), 0, 400},
		{"version and key missing in draft 8", requestOf(websocket.Hybi10).with("Sec-WebSocket-Version").with("Sec-WebSocket-Key"), 0, 400},
		{"extensions alone", hixie75.with("Sec-WebSocket-Extensions", "x"), 0, 400},
		{"version empty", rfc.with("Sec-WebSocket-Version", ""), 0, 400},
		{"version twice", rfc.with("Sec-WebSocket-Version", "13", "13"), 0, 400},
		{"versions 13 and 8", rfc.with("Sec-WebSocket-Version", "13", "8"), 0, 400},
		{"list of versions", rfc.with("Sec-WebSocket-Version", "13, 8"), 0, 400},
		{"version with sign", rfc.with("Sec-WebSocket-Version", "+13"), 0, 400},
		{"version not a number", rfc.with("Sec-WebSocket-Version", "thirteen"), 0, 400},
		{"version beyond 255", rfc.with("Sec-WebSocket-Version", "269"), 0, 400},
		{"empty version of hixie-76", hixie76.with("Sec-WebSocket-Version", ""), 0, 400},
		{"version 0", rfc.with("Sec-WebSocket-Version", "0"), 0, 426},
		{"version 4", rfc.with("Sec-WebSocket-Version", "4"), 0, 426},
		{"version 6", rfc.with("Sec-WebSocket-Version", "6"), 0, 426},
		{"version 9", rfc.with("Sec-WebSocket-Version", "9"), 0, 426},
		{"version 14", rfc.with("Sec-WebSocket-Version", "14"), 0, 426},
		{"version 255", rfc.with("Sec-WebSocket-Version", "255"), 0, 426},
		{"leading zero", rfc.with("Sec-WebSocket-Version", "013"), 0, 426},
		{"nothing of any version", hixie75.with("Origin"), 0, 403},
		{"draft 1", hixie76.with("Sec-WebSocket-Draft", "1"), 0, 400},
		{"draft 3", hixie76.with("Sec-WebSocket-Draft", "3"), 0, 400},
		{"draft without keys", hixie75.with("Sec-WebSocket-Draft", "2"), 0, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, response, _, err := serve(nil, tt.request.String())
			switch got := statusOf(err); {
			case got != tt.status:
				t.Errorf("status %d (%v), want %d", got, err, tt.status)
			case tt.status == 0 && (h.Version() != tt.want || !h.Done()):
				t.Errorf("taken for %v, done %t; want %v", h.Version(), h.Done(), tt.want)
			case tt.status != 0 && (!strings.Contains(response, "\r\nSec-WebSocket-Version: 13, 8, 7\r\n") ||
				!strings.Contains(response, "; accepted versions are rfc6455, draft-ietf-hybi-10, draft-ietf-hybi-07, draft-ietf-hybi-00, draft-hixie-75\n")):
				t.Errorf("response %q does not name the versions taken", response)
			}
		})
	}
}

// Only refusals over the version name the versions that are accepted, and each
// names those of its Upgrader.
func TestServerNamesVersionsOnlyOverThem(t *testing.T) {
	rfc, hixie76 := requestOf(websocket.RFC6455), requestOf(websocket.Hybi00)
	old := &websocket.Upgrader{Versions: hixieVersions}
	two := &websocket.Upgrader{Versions: []websocket.Version{websocket.Hybi07, websocket.RFC6455}}
	for _, tt := range []struct {
		name    string
		up      *websocket.Upgrader
		request httpMessage
		want    string
	}{
		{"key", nil, rfc.with("Sec-WebSocket-Key", "x"), ""},
		{"key 1 alone", nil, hixie76.with("Sec-WebSocket-Key2"), ""},
		{"key 2 alone", nil, hixie76.with("Sec-WebSocket-Key1"), ""},
		{"origin", nil, rfc.with("Origin", "null"), ""},
		{"origin of hixie-76", nil, hixie76.with("Origin"), ""},
		{"method", nil, rfc.withLine("POST / HTTP/1.1"), ""},
		{"Connection", nil, rfc.with("Connection"), ""},
		{"extensions", nil, rfc.with("Sec-WebSocket-Extensions", ";"), ""},
		{"426 of the program", &websocket.Upgrader{Check: checkGives(nil, &websocket.HandshakeError{Status: 426})}, rfc, "13, 8, 7"},
		{"list, two versions", two, rfc.with("Sec-WebSocket-Version", "13, 7"), "13, 7"},
		{"version twice, two versions", two, rfc.with("Sec-WebSocket-Version", "13", "7"), "13, 7"},
		{"excluded, two versions", two, requestOf(websocket.Hybi10), "13, 7"},
		{"excluded hixie-76, two versions", two, hixie76, "13, 7"},
		{"missing, two versions", two, rfc.with("Sec-WebSocket-Version"), "13, 7"},
		{"missing, none with a number", old, rfc.with("Sec-WebSocket-Version"), ""},
		{"excluded, none with a number", old, rfc, ""},
	} {
		_, response, _, err := serve(tt.up, tt.request.String())
		if got := parseResponse(t, []byte(response)).Header.Get("Sec-WebSocket-Version"); err == nil || got != tt.want {
			t.Errorf("%s: Sec-WebSocket-Version %q in the response (%v), want %q", tt.name, got, err, tt.want)
		}
	}
}
