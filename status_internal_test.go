package websocket

import (
	"errors"
	"strings"
	"testing"
)

// "Codes 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000 refused,
// 1000-1003, 1007-1014, 3000-4999 accepted": all that 16 bits can say, in both
// directions and each version.
func TestSendableCodes(t *testing.T) {
	for i := range 1 << 16 {
		code := StatusCode(i)
		want := i >= 1000 && i <= 1003 || i >= 1007 && i <= 1014 || i >= 3000 && i <= 4999
		_, err := appendClosePayload(nil, code, "x")
		if code.sendable() != want || (err == nil) != want {
			t.Errorf("code %d: sendable %v, error %v: want %v", i, code.sendable(), err, want)
		}
		if p := []byte{byte(i >> 8), byte(i), 'x'}; want || i%97 == 0 || i == 1004 {
			for _, v := range hybiVersions {
				taken := want || i == 1004 && v != RFC6455
				if ce, err := parseClosePayload(v, p); taken != (err == nil) || taken && (ce.Code != code || ce.Reason != "x") {
					t.Errorf("%v: code %d from the peer gives %v, error %v: want it taken: %v", v, i, ce, err, taken)
				}
			}
		}
	}
}

func TestParseClosePayload(t *testing.T) {
	for _, tt := range []struct {
		name, payload string
		want          CloseError
		code          StatusCode // of the ProtocolError
	}{
		{"empty", "", CloseError{Code: StatusNoStatusReceived}, 0},
		{"1 byte", "\x03", CloseError{}, StatusProtocolError},
		{"code", "\x03\xe8", CloseError{Code: 1000}, 0},
		{"reason", "\x03\xe9bye", CloseError{1001, "bye"}, 0},
		{"reason of 123 bytes", "\x03\xe8" + strings.Repeat("r", 123), CloseError{1000, strings.Repeat("r", 123)}, 0},
		{"reason that is not UTF-8", "\x03\xe8\xff", CloseError{}, StatusInvalidPayloadData},
		{"reserved code", "\x03\xed", CloseError{}, StatusProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range hybiVersions {
				got, err := parseClosePayload(v, []byte(tt.payload))
				switch {
				case tt.code == 0 && (err != nil || *got != tt.want):
					t.Errorf("%v: %v, error %v: want %v", v, got, err, tt.want)
				case tt.code != 0 && (err == nil || err.Code != tt.code || got != nil):
					t.Errorf("%v: %v, error %v: want a ProtocolError with %d", v, got, err, tt.code)
				}
			}
		})
	}
}

// An error says why a code or reason may not be sent.
func TestClosePayloadErrorsSayWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		code         StatusCode
		reason, says string
	}{
		{1005, "x", "close reason without a status code: expected a code before the reason, because 1005 means that there is none"},
		{1000, strings.Repeat("x", 124), "close reason of 124 bytes: expected at most 123"},
		{1000, "a\xff", `close reason is not valid UTF-8: "a\xff"`},
	} {
		p, err := appendClosePayload([]byte("before"), tt.code, tt.reason)
		if err == nil || err.Error() != "websocket: "+tt.says || string(p) != "before" {
			t.Errorf("payload %q, error %v: want one that says %q", p, err, tt.says)
		}
		var pe *ProtocolError
		if errors.As(err, &pe) {
			t.Errorf("%v is a ProtocolError, which would blame the peer", err)
		}
	}
}
