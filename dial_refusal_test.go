package websocket_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// "Failed handshake tells status, headers and first KiB of body."
func TestDialRefusal(t *testing.T) {
	const kib = httphead.MaxBody
	head := func(more string) string { return "HTTP/1.1 403 Forbidden\r\nX-Reason: why\r\n" + more + "\r\n" }
	long := strings.Repeat("0123456789abcdef", 10<<20/16)
	chunk := fmt.Sprintf("%x\r\n", len(long))
	tests := []struct {
		name   string
		pieces []string
		stays  bool // the server does not hang up
		body   string
		took   time.Duration
	}{
		{"no body", []string{head("Content-Length: 0\r\n")}, true, "", 0},
		{"short body", []string{head("Content-Length: 5\r\n") + "short"}, true, "short", 0},
		{"body in its own segments", []string{head("Content-Length: 5\r\n"), "sh", "ort"}, true, "short", 0},
		{"byte by byte", strings.Split(head("Content-Length: 5\r\n")+"short", ""), true, "short", 0},
		{"body to the end", []string{head("Connection: close\r\n"), "short"}, false, "short", 0},
		{"10 MiB", []string{head("Content-Length: 10485760\r\n"), long}, true, long[:kib], 0},
		{"10 MiB to the end", []string{head(""), long}, true, long[:kib], 0},
		{"chunked", []string{head("Transfer-Encoding: chunked\r\n"), "3\r\nsho\r\n", "2\r\nrt\r\n0\r\n\r\n"}, true, "short", 0},
		{"10 MiB chunked", []string{head("Transfer-Encoding: chunked\r\n"), chunk + long + "\r\n0\r\n\r\n"}, true, long[:kib], 0},
		{"never comes", []string{head("Content-Length: 5\r\n")}, true, "", httphead.BodyWait},
		{"breaks off", []string{head("Content-Length: 5\r\n"), "sho"}, false, "sho", 0},
		{"stalls", []string{head("Content-Length: 5\r\n"), "sho"}, true, "sho", httphead.BodyWait},
		{"bad chunk", []string{head("Transfer-Encoding: chunked\r\n"), "zz\r\nsho"}, true, "", 0},
		{"behind interim responses", []string{"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + head("Content-Length: 5\r\n") + "short"}, true, "short", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &pipeLink{Serve: func(c net.Conn) {
					readHead(c)
					for _, piece := range tt.pieces {
						io.WriteString(c, piece)
					}
					if tt.stays {
						io.Copy(io.Discard, c)
					}
				}}
				start := time.Now()
				_, err := dialerOver(websocket.Dialer{}, link).Dial(t.Context(), "ws://lab.example/")
				took := time.Since(start)
				var refused *websocket.HandshakeError
				if !errors.As(err, &refused) || refused.Status != 403 || refused.Response == nil || refused.Response.Header.Get("X-Reason") != "why" {
					t.Fatalf("%v, want a *HandshakeError with status 403 and its headers", err)
				}
				link.CheckClosed(t)
				if body, err := io.ReadAll(refused.Response.Body); err != nil || string(body) != tt.body {
					t.Errorf("body of %d bytes %.20q, %v; want %d bytes", len(body), body, err, len(tt.body))
				}
				if took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// The response of a hixie-76 server has bytes behind its head, which may not
// come.
func TestDialHangUpBeforeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &pipeLink{Serve: func(c net.Conn) {
			_, response, _, _ := serve(nil, readRequest(c, websocket.Hybi00))
			io.WriteString(c, response[:len(response)-9])
		}}
		_, err := dialerOver(websocket.Dialer{Version: websocket.Hybi00}, link).Dial(t.Context(), "ws://lab.example/")
		if !errors.Is(err, io.ErrUnexpectedEOF) || statusOf(err) != 101 || !strings.Contains(err.Error(), "bytes of the response") {
			t.Errorf("%v, want io.ErrUnexpectedEOF with the status of the head", err)
		}
		link.CheckClosed(t)
	})
}

func TestDialHangUp(t *testing.T) {
	for sent, words := range map[string]string{"": "after 0 bytes", "HTTP/1.1 101": "after 12 bytes"} {
		synctest.Test(t, func(t *testing.T) {
			link := &pipeLink{Serve: func(c net.Conn) {
				readHead(c)
				io.WriteString(c, sent)
			}}
			_, err := dialerOver(websocket.Dialer{}, link).Dial(t.Context(), "ws://lab.example/")
			if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Errorf("%v, want io.ErrUnexpectedEOF %s", err, words)
			}
			link.CheckClosed(t)
		})
	}
}
