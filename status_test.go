package websocket_test

import (
	"fmt"
	"testing"

	"github.com/protocol-websocket/websocket"
)

func TestStatusCodeString(t *testing.T) {
	for code, want := range map[websocket.StatusCode]string{
		1000: "1000 (normal closure)", 1001: "1001 (going away)", 1002: "1002 (protocol error)",
		1003: "1003 (unsupported data)", 1005: "1005 (no status received)", 1006: "1006 (abnormal closure)",
		1007: "1007 (invalid payload data)", 1008: "1008 (policy violation)", 1009: "1009 (message too big)",
		1010: "1010 (mandatory extension)", 1011: "1011 (internal error)", 1012: "1012 (service restart)",
		1013: "1013 (try again later)", 1014: "1014 (bad gateway)", 1015: "1015 (TLS handshake)",
		0: "0", 1004: "1004", 3000: "3000", 4999: "4999", 65535: "65535",
	} {
		if got := code.String(); got != want {
			t.Errorf("StatusCode(%d) is %q, want %q", uint16(code), got, want)
		}
	}
}

func TestMessageCloseError(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    websocket.Message
		want string // "" for nil
	}{
		{"text", websocket.Message{websocket.Text, []byte("\x03\xe8")}, ""},
		{"Ping", websocket.Message{Type: websocket.Ping}, ""},
		{"Close", websocket.Message{websocket.Close, []byte("\x03\xe8bye")}, `1000 "bye"`},
		{"Close without code", websocket.Message{Type: websocket.Close}, `1005 ""`},
		{"Close with 1004, of versions 7 and 8", websocket.Message{websocket.Close, []byte("\x03\xec")}, `1004 ""`},
		{"Close that no Parser gives", websocket.Message{websocket.Close, []byte{1}}, `1005 ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if ce := tt.m.CloseError(); ce != nil {
				got = fmt.Sprintf("%d %q", ce.Code, ce.Reason)
			}
			if got != tt.want {
				t.Errorf("CloseError is %s, want %s", got, tt.want)
			}
		})
	}
}
