package websocket_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

func TestServerVersionsNarrowed(t *testing.T) {
	tests := []struct {
		versions []websocket.Version
		numbers  string
	}{
		{nil, "13, 8, 7"}, {[]websocket.Version{websocket.RFC6455}, "13"}, {[]websocket.Version{websocket.Hybi07, websocket.RFC6455}, "13, 7"}, {hixieVersions, ""},
	}
	for _, tt := range tests {
		for _, v := range allVersions {
			_, response, _, err := serve(&websocket.Upgrader{Versions: tt.versions}, requestOf(v).String())
			want := 0
			if tt.versions != nil && !slices.Contains(tt.versions, v) {
				want = 426
			}
			if got := statusOf(err); got != want {
				t.Errorf("%v asked of a server for %v: status %d (%v), want %d", v, tt.versions, got, err, want)
			}
			if want == 0 {
				continue
			}
			line := "\r\nSec-WebSocket-Version: " + tt.numbers + "\r\n"
			if has := strings.Contains(response, line); has != (tt.numbers != "") {
				t.Errorf("%v asked of a server for %v: response %q, want the numbers %q in it", v, tt.versions, response, tt.numbers)
			}
		}
	}
}

// The form of refusals, down to the last byte.
func TestServerRefusalForms(t *testing.T) {
	up := &websocket.Upgrader{Versions: hybiVersions}
	const common = "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
	tests := []struct {
		name    string
		request httpMessage
		want    string
	}{
		{"426", requestOf(websocket.RFC6455).with("Sec-WebSocket-Version", "6"),
			"HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13, 8, 7\r\nUpgrade: websocket\r\n" +
				common + "Content-Length: 116\r\n\r\n" +
				"Upgrade Required: Sec-WebSocket-Version is 6; accepted versions are rfc6455, draft-ietf-hybi-10, draft-ietf-hybi-07\n"},
		{"405", requestOf(websocket.RFC6455).withLine("PUT / HTTP/1.1"),
			"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\n" +
				common + "Content-Length: 50\r\n\r\nMethod Not Allowed: method is \"PUT\": expected GET\n"},
		{"400", requestOf(websocket.RFC6455).with("Connection"),
			"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n" +
				common + "Content-Length: 132\r\n\r\nBad Request: header Connection is \"\": expected the token Upgrade; make a proxy send it (nginx: proxy_set_header Connection upgrade)\n"},
		{"400 of a body", requestOf(websocket.RFC6455).with("Transfer-Encoding", "chunked"),
			"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n" +
				common + "Content-Length: 91\r\n\r\nBad Request: Transfer-Encoding is \"chunked\": expected none, because an upgrade has no body\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, got, _, err := serve(up, tt.request.String())
			if err == nil || got != tt.want {
				t.Errorf("response (%v)\n%q, want\n%q", err, got, tt.want)
			}
			if again := h.AppendResponse(nil); len(again) > 0 {
				t.Errorf("the refusal is given a second time: %q", again)
			}
			if n, again := h.Feed([]byte("x")); n != 0 || !errors.Is(err, again) {
				t.Errorf("Feed after the refusal: %d, %v; want the same error again", n, again)
			}
		})
	}
}

func TestServerRefuse(t *testing.T) {
	secret := errors.New("secret reason")
	tests := []struct {
		name   string
		err    error
		status int
	}{
		{"plain error", secret, 403},
		{"with status", &websocket.HandshakeError{Status: 401, Err: secret}, 401},
		{"wrapped", errors.Join(errors.New("x"), &websocket.HandshakeError{Status: 503, Err: secret}), 503},
		{"status 101", &websocket.HandshakeError{Status: 101, Err: secret}, 403},
		{"status 200", &websocket.HandshakeError{Status: 200, Err: secret}, 403},
		{"status 0", &websocket.HandshakeError{Err: secret}, 403},
		{"status 999", &websocket.HandshakeError{Status: 999, Err: secret}, 403},
		{"nil", nil, 403},
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for _, tt := range tests {
			h := websocket.NewServerHandshake(nil)
			h.Feed([]byte(requestOf(v).String()))
			err := h.Refuse(tt.err)
			if statusOf(err) != tt.status || tt.err != nil && !errors.Is(err, secret) || h.Done() {
				t.Errorf("%s: %v, done %t; want status %d and the program's error", tt.name, err, h.Done(), tt.status)
			}
			if second := h.Refuse(errors.New("later")); second != err {
				t.Errorf("%s: a second Refuse returns %v, want the first error", tt.name, second)
			}
			if n, fed := h.Feed([]byte("x")); n != 0 || fed != err {
				t.Errorf("%s: Feed after that: %d, %v; want the same error", tt.name, n, fed)
			}
			out := h.AppendResponse(nil)
			response, err := http.ReadResponse(bufReader(string(out)), nil)
			if err != nil || response.StatusCode != tt.status || !response.Close || strings.Contains(string(out), "secret") {
				t.Errorf("%s: response %q (%v), want %d, the end of the connection and no reason", tt.name, out, err, tt.status)
			}
		}
	})
}

// Once a response was sent, Refuse cannot send another.
func TestServerRefuseTooLate(t *testing.T) {
	h := websocket.NewServerHandshake(nil)
	h.Feed([]byte(requestOf(websocket.Hybi00).head()))
	h.AppendResponse(nil)
	if err := h.Refuse(errors.New("too late")); err == nil || h.Done() {
		t.Errorf("Refuse: %v, done %t; want the handshake to have ended", err, h.Done())
	}
	if out := h.AppendResponse(nil); len(out) > 0 {
		t.Errorf("a second response: %q", out)
	}
}

// A mistake in the options is answered with 500, before a request is looked at.
func TestServerMisconfigured(t *testing.T) {
	for name, up := range map[string]*websocket.Upgrader{
		"origin pattern": {Origins: []string{"*", "example.com"}},
		"version":        {Versions: []websocket.Version{99}},
		"subprotocol":    {Subprotocols: []string{"a b"}},
		"compression":    {Config: websocket.Config{Compression: &websocket.Compression{WindowBits: 99}}},
	} {
		for _, request := range []httpMessage{
			requestOf(websocket.RFC6455), requestOf(websocket.Hixie75), requestOf(websocket.RFC6455).with("Origin"),
			requestOf(websocket.RFC6455).with("Upgrade"), requestOf(websocket.RFC6455).with("Sec-WebSocket-Version", "6"),
		} {
			_, response, _, err := serve(up, request.String())
			if statusOf(err) != 500 || !strings.HasPrefix(response, "HTTP/1.1 500 ") || !strings.HasSuffix(response, "\r\n\r\nInternal Server Error\n") {
				t.Errorf("%s: %v, response %q; want 500 without the reason", name, err, response)
			}
			var refused *websocket.HandshakeError
			if !errors.As(err, &refused) || !strings.HasPrefix(refused.Err.Error(), "websocket: ") {
				t.Errorf("%s: error %v, want one that wraps one with the prefix \"websocket: \"", name, err)
			}
		}
	}
}
