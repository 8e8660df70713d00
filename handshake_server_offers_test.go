package websocket_test

import (
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// "A malformed Sec-WebSocket-Extensions is 400, with or without compression."
// What is well-formed and wrong is only declined.
func TestServerExtensions(t *testing.T) {
	const deflate = "permessage-deflate"
	tests := []struct {
		name    string
		lines   []string
		status  int
		chooses bool // with compression
	}{
		{"none", nil, 0, false},
		{"empty", []string{""}, 0, false},
		{"empty elements", []string{", ,"}, 0, false},
		{"offer", []string{deflate}, 0, true},
		{"empty line beside an offer", []string{"", deflate}, 0, true},
		{"unknown", []string{"x-webkit-deflate-frame, bbf-usp-protocol; eid=\"a::b\""}, 0, false},
		{"unknown parameter", []string{deflate + "; x"}, 0, false},
		{"invalid number", []string{deflate + "; server_max_window_bits=99"}, 0, false},
		{"parameter twice", []string{deflate + "; client_max_window_bits; client_max_window_bits"}, 0, false},
		{"semicolon at the end", []string{deflate + ";"}, 400, false},
		{"no value", []string{deflate + "; client_max_window_bits="}, 400, false},
		{"open quote", []string{deflate + `; client_max_window_bits="15`}, 400, false},
		{"two names", []string{deflate + " " + deflate}, 400, false},
		{"malformed after an offer", []string{deflate + ", a b"}, 400, false},
		{"malformed line after an offer", []string{deflate, "="}, 400, false},
		{"not ASCII", []string{"\xe2\x80\x93"}, 400, false},
		{"thousands of quotes", []string{strings.Repeat(`"`, 15<<10)}, 400, false},
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for _, compression := range []*websocket.Compression{nil, {}} {
			for _, tt := range tests {
				status, chooses := tt.status, tt.chooses && compression != nil
				if isHixie(v) { // which has no extensions
					status, chooses = 0, false
					if v == websocket.Hixie75 && tt.lines != nil {
						status = 400
					}
				}
				request := requestOf(v).with("Sec-WebSocket-Extensions", tt.lines...)
				_, response, _, err := serve(&websocket.Upgrader{Config: websocket.Config{Compression: compression}}, request.String())
				if got := statusOf(err); got != status {
					t.Errorf("%s, compression %t: status %d (%v), want %d", tt.name, compression != nil, got, err, status)
				}
				if has := strings.Contains(response, "\r\nSec-WebSocket-Extensions: "+deflate); has != chooses {
					t.Errorf("%s, compression %t: response %q, want an extension in it: %t", tt.name, compression != nil, response, chooses)
				}
				if len(response) > 1000 {
					t.Errorf("%s: refusal of %d bytes, want what the client sent cut short", tt.name, len(response))
				}
			}
		}
	})
}

// A server takes what it knows of the subprotocols that a client offers. It
// refuses nothing over them, whatever they are.
func TestServerSubprotocol(t *testing.T) {
	const portForward, ocpp, bearer = "SPDY/3.1+portforward.k8s.io", "http://ocpp.org/1.6", "bearer.YWI+/w=="
	tests := []struct {
		name   string
		ours   []string
		theirs []string
		want   string
		old    string // of the hixie versions, whose header is no list
	}{
		{"none", []string{"a"}, nil, "", ""},
		{"none of ours", nil, []string{"a"}, "", ""},
		{"the one", []string{"a"}, []string{"a"}, "a", "a"},
		{"ours decide", []string{"b", "a"}, []string{"a, b"}, "b", ""},
		{"ours decide again", []string{"b", "a"}, []string{"b, a"}, "b", ""},
		{"no match", []string{"c"}, []string{"a, b"}, "", ""},
		{"case counts", []string{"A"}, []string{"a"}, "", ""},
		{"two headers", []string{"b"}, []string{"a", "b"}, "b", "b"},
		{"two headers with lists", []string{"c"}, []string{"a, b", "d, c"}, "c", ""},
		{"two headers, one empty", []string{"b"}, []string{"", "b"}, "b", "b"},
		{"empty", []string{"a"}, []string{""}, "", ""},
		{"empty elements", []string{"a"}, []string{", ,a,,"}, "a", ""},
		{"of Kubernetes", []string{portForward}, []string{portForward}, portForward, portForward},
		{"of chargers", []string{ocpp}, []string{ocpp}, ocpp, ocpp},
		{"of chargers, in a list", []string{ocpp}, []string{"ocpp2.0.1, " + ocpp}, ocpp, ""},
		{"base64", []string{bearer}, []string{bearer}, bearer, bearer},
		{"base64 beside another", []string{"v1"}, []string{"v1, " + bearer}, "v1", ""},
		{"malformed", []string{"a"}, []string{"a b"}, "", ""},
		{"malformed beside a good one", []string{"a"}, []string{`"x, a b, a`}, "a", ""},
		{"malformed for a server without subprotocols", nil, []string{"a b, \x80"}, "", ""},
		{"thousands of spaces", []string{"a"}, []string{strings.Repeat(" ", 15<<10) + ",a"}, "a", ""},
		{"many", []string{"a"}, []string{strings.Repeat("b,", 7<<10) + "a"}, "a", ""},
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for _, tt := range tests {
			want := tt.want
			if isHixie(v) {
				want = tt.old
			}
			request := requestOf(v).with(protocolHeader(v), tt.theirs...)
			h, response, _, err := serve(&websocket.Upgrader{Subprotocols: tt.ours}, request.String())
			if err != nil || h.Subprotocol() != want {
				t.Errorf("%s: %q, %v; want %q", tt.name, h.Subprotocol(), err, want)
			}
			line := protocolHeader(v) + ": " + want + "\r\n"
			if has := strings.Contains(response, line); has != (want != "") || strings.Count(response, "Protocol: ") > 1 {
				t.Errorf("%s: response %q, want a subprotocol in it only if one was chosen", tt.name, response)
			}
		}
	})
}
