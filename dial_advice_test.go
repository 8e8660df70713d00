package websocket_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// clientRefusals are what servers answer that a client does not accept, and the
// words of its error that matter: what came, what was expected, what to do.
var clientRefusals = []struct {
	name   string
	v      websocket.Version
	answer func(good httpMessage) string // the server then hangs up
	status int
	words  []string
}{
	// Peers that do not speak HTTP/1.
	{"nothing", websocket.RFC6455, says(""), 0, []string{"hung up after 0 bytes", "expected 101", "port", "wss"}},
	{"half a response", websocket.RFC6455, says("HTTP/1.1 101"), 0, []string{"hung up after 12 bytes", "expected 101"}},
	{"TLS alert", websocket.RFC6455, says("\x15\x03\x01\x00\x02\x02\x46"), 0, []string{"server speaks TLS", "use wss"}},
	{"TLS handshake", websocket.Hybi00, says("\x16\x03\x03\x00\x7a\x02"), 0, []string{"server speaks TLS", "use wss"}},
	{"HTTP/2 SETTINGS", websocket.RFC6455, says("\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03"), 0, []string{"server speaks HTTP/2", "expected HTTP/1.1"}},
	{"HTTP/2 GOAWAY", websocket.RFC6455, says("\x00\x00\x08\x07\x00\x00\x00\x00\x00"), 0, []string{"server speaks HTTP/2", "expected HTTP/1.1"}},
	{"SSH", websocket.RFC6455, says("SSH-2.0-OpenSSH_9.2\r\n"), 0, []string{"server speaks SSH", "expected an HTTP response", "port"}},
	{"mail", websocket.Hixie75, says("220 mail.example ESMTP\r\n"), 0, []string{`begins with "220 mail.example`, "expected HTTP/1.1", "port"}},
	{"page without a head", websocket.RFC6455, says("<html><body>hello"), 0, []string{`begins with "<html>`, "expected HTTP/1.1", "port"}},
	{"another HTTP", websocket.RFC6455, says("HTTP/2 101 Switching\r\n\r\n"), 0, []string{"not an HTTP response", "HTTP/2", "expected HTTP/1.1"}},
	{"status that is no number", websocket.RFC6455, says("HTTP/1.1 ok\r\n\r\n"), 0, []string{"not an HTTP response", "status code", "expected HTTP/1.1"}},

	// Heads that are malformed.
	{"control character", websocket.RFC6455, says("HTTP/1.1 101 x\r\nA: b\x01c\r\n\r\n"), 0, []string{"malformed response of the server", "control character"}},
	{"control character", websocket.RFC6455, says("HTTP/1.1 101 x\r\nA: \x01\r\n\r\n"), 0, []string{"malformed response of the server", "control character"}},
	{"name with a space", websocket.RFC6455, says("HTTP/1.1 101 x\r\nA B: c\r\n\r\n"), 0, []string{"malformed response of the server", `"A B" is not the name`}},
	{"too many bytes", websocket.RFC6455, says("HTTP/1.1 101 x\r\nA: " + strings.Repeat("b", httphead.MaxBytes)), 0, []string{"malformed response of the server", "65536 bytes"}},
	{"too many lines", websocket.RFC6455, says("HTTP/1.1 101 x\r\n" + strings.Repeat("a:\r\n", httphead.MaxLines) + "\r\n"), 0, []string{"malformed response of the server", "256 lines"}},
	{"too many interim responses", websocket.RFC6455, says(strings.Repeat("HTTP/1.1 100 x\r\n\r\n", 9)), 0, []string{"more than 5 interim responses", "expected 101"}},

	// Other statuses.
	{"200", websocket.RFC6455, answers("200 OK", ""), 200, []string{`"200 OK"`, "expected 101", "path", "proxy", "Upgrade"}},
	{"204", websocket.RFC6455, answers("204 Whatever", ""), 204, []string{`"204 Whatever"`, "expected 101"}},
	{"301", websocket.RFC6455, answers("301 Moved", "Location: wss://b.example/x?secret\r\n"), 301, []string{`"301 Moved"`, `Location "wss://b.example/x"`, "expected 101", "not followed"}},
	{"307 without Location", websocket.RFC6455, answers("307 Moved", ""), 307, []string{`"307 Moved"`, "expected 101"}},
	{"400", websocket.RFC6455, answers("400 Bad", ""), 400, []string{`"400 Bad"`, "expected 101", "TLS", "wss", "proxy"}},
	{"400 with the reason", websocket.RFC6455, answers("400 Bad", "Content-Type: text/plain\r\n", "no key"), 400, []string{`"400 Bad"`, `begins with "no key"`}},
	{"400 over the version", websocket.Hybi07, answers("400 Bad", "Sec-WebSocket-Version: 13\r\n"), 400, []string{"hybi-07", `accepts "13"`, "Dialer.Version"}},
	{"400 over something else", websocket.RFC6455, answers("400 Bad", "Sec-WebSocket-Version: 13, 8\r\n"), 400, []string{`"400 Bad"`, "expected 101", "proxy"}},
	{"401", websocket.RFC6455, answers("401 Who", ""), 401, []string{`"401 Who"`, "expected 101", "Authorization", "Dialer.Header"}},
	{"403", websocket.Hixie75, answers("403 No", ""), 403, []string{`"403 No"`, "expected 101", "Origin", "proxy", "Host"}},
	{"404", websocket.RFC6455, answers("404 Not Found", ""), 404, []string{`"404 Not Found"`, "expected 101", "path", "Upgrade"}},
	{"405", websocket.RFC6455, answers("405 No", ""), 405, []string{`"405 No"`, "expected 101", "path"}},
	{"407 of the server", websocket.RFC6455, answers("407 Who", ""), 407, []string{`"407 Who"`, "expected 101", "Dialer.Proxy"}},
	{"426", websocket.RFC6455, answers("426 Upgrade", ""), 426, []string{`"426 Upgrade"`, "expected 101", "proxy", "Upgrade and Connection"}},
	{"426 with versions", websocket.Hixie75, answers("426 Upgrade", "Sec-WebSocket-Version: 13, 8\r\nSec-WebSocket-Version: 7\r\n"), 426, []string{"hixie-75", `accepts "13, 8, 7"`, "Dialer.Version"}},
	{"426 with an empty version", websocket.RFC6455, answers("426 Upgrade", "Sec-WebSocket-Version:\r\n"), 426, []string{`"426 Upgrade"`, "expected 101", "proxy"}},
	{"429", websocket.RFC6455, answers("429 Wait", ""), 429, []string{`"429 Wait"`, "expected 101", "Retry-After"}},
	{"500", websocket.RFC6455, answers("500 Oops", ""), 500, []string{`"500 Oops"`, "expected 101", "log"}},
	{"501", websocket.RFC6455, answers("501 What", ""), 501, []string{`"501 What"`, "expected 101", "path"}},
	{"502", websocket.RFC6455, answers("502 Bad Gateway", ""), 502, []string{`"502 Bad Gateway"`, "expected 101", "proxy", "does the server run"}},
	{"503", websocket.RFC6455, answers("503 Busy", ""), 503, []string{`"503 Busy"`, "expected 101", "Retry-After"}},
	{"504", websocket.RFC6455, answers("504 Late", ""), 504, []string{`"504 Late"`, "expected 101", "does the server run"}},
	{"505", websocket.RFC6455, answers("505 HTTP Version", ""), 505, []string{`"505 HTTP Version"`, "expected 101", "proxy_http_version 1.1"}},
	{"403 in HTTP/1.0", websocket.RFC6455, says("HTTP/1.0 403 No\r\n\r\n"), 403, []string{`"403 No"`, "expected 101"}},

	// A 101 that is not the answer to the request.
	{"HTTP/1.0", websocket.RFC6455, with("", "HTTP/1.0 101 x"), 101, []string{"101 in HTTP/1.0", "expected HTTP/1.1", "proxy_http_version 1.1"}},
	{"Upgrade missing", websocket.Hybi00, with("Upgrade"), 101, []string{"Upgrade of the response is missing", "expected websocket", "proxy"}},
	{"Upgrade of another", websocket.RFC6455, with("Upgrade", "websocket, h2c"), 101, []string{`Upgrade of the response is "websocket, h2c"`, "expected websocket", "nothing else"}},
	{"Connection missing", websocket.RFC6455, with("Connection"), 101, []string{"Connection of the response is missing", "expected Upgrade", "proxy"}},
	{"Connection close", websocket.Hixie75, with("Connection", "close"), 101, []string{`Connection of the response is "close"`, "expected Upgrade", "proxy"}},
	{"Accept missing", websocket.RFC6455, with("Sec-WebSocket-Accept"), 101, []string{"Sec-WebSocket-Accept is missing", "did not read this request", "cache"}},
	{"Accept empty", websocket.Hybi10, with("Sec-WebSocket-Accept", ""), 101, []string{"Sec-WebSocket-Accept is empty", "did not read this request"}},
	{"Accept twice", websocket.Hybi07, with("Sec-WebSocket-Accept", "a", "b"), 101, []string{"2 headers Sec-WebSocket-Accept", "expected one"}},
	{"Accept of another key", websocket.RFC6455, with("Sec-WebSocket-Accept", "xyz"), 101, []string{`Sec-WebSocket-Accept of the response is "xyz"`, "expected", "did not read this request"}},
	{"extension", websocket.Hybi10, with("Sec-WebSocket-Extensions", "permessage-deflate"), 101, []string{`"permessage-deflate"`, "none was offered"}},
	{"subprotocol", websocket.RFC6455, with("Sec-WebSocket-Protocol", "mqtt"), 101, []string{`subprotocol "mqtt"`, `offered ["chat"]`, "Dialer.Subprotocols"}},
	{"two subprotocols", websocket.RFC6455, with("Sec-WebSocket-Protocol", "chat, mqtt"), 101, []string{`"chat" and "mqtt"`, "expected one"}},
	{"origin missing", websocket.Hybi00, with("Sec-WebSocket-Origin"), 101, []string{"response", "Sec-WebSocket-Origin is missing", "repeat"}},
	{"origin of another", websocket.Hixie75, with("WebSocket-Origin", "http://b.example"), 101, []string{`Origin of the response is "http://b.example"`, `expected "http://lab.example:8080"`, "repeat"}},
	{"location missing", websocket.Hixie75, with("WebSocket-Location"), 101, []string{"response", "WebSocket-Location is missing", "repeat"}},
	{"location of another", websocket.Hybi00, with("Sec-WebSocket-Location", "ws://b.example/"), 101, []string{`Location of the response is "ws://b.example/"`, `expected host "lab.example:8080"`, "Host"}},
	{"challenge", websocket.Hybi00, func(m httpMessage) string { return m.head() + "0123456789abcdef" }, 101, []string{"answer to the challenge is wrong", "expected the MD5", "proxy"}},
	{"half of the challenge", websocket.Hybi00, func(m httpMessage) string { return m.head() + "01234567" }, 101, []string{"hung up after", "expected 101"}},
}

// says returns an answer that is not derived from a good one.
func says(s string) func(httpMessage) string { return func(httpMessage) string { return s } }

// answers returns a response with this status, header lines and body.
func answers(status, header string, body ...string) func(httpMessage) string {
	return says("HTTP/1.1 " + status + "\r\n" + header + "\r\n" + strings.Join(body, ""))
}

// messageOf parses a response.
func messageOf(s string) httpMessage {
	head, body, _ := strings.Cut(s, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m := httpMessage{line: lines[0], body: body}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		m.fields = append(m.fields, [2]string{name, value})
	}
	return m
}

// with returns the good response with these values of a header, or with another
// first line if name is "".
func with(name string, values ...string) func(httpMessage) string {
	return func(m httpMessage) string {
		if name == "" {
			return m.withLine(values[0]).String()
		}
		return m.with(name, values...).String()
	}
}

// wantAdvice checks that err is a HandshakeError of one line with this status and
// these words.
func wantAdvice(t *testing.T, err error, status int, fromProxy bool, words []string) {
	t.Helper()
	var refused *websocket.HandshakeError
	if !errors.As(err, &refused) || refused.Status != status || refused.FromProxy != fromProxy {
		t.Fatalf("%v; want a HandshakeError with status %d, of a proxy: %t", err, status, fromProxy)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error lacks %q: %v", word, err)
		}
	}
	if text := err.Error(); len(text) > 500 || strings.Contains(text, "\n") || strings.Count(text, "websocket: ") != 1 {
		t.Errorf("error of %d bytes: %q; want one short line with the prefix once", len(text), text)
	}
}

// Every refusal by a client says what came, what was expected, and what to do.
func TestClientRefusalsAdvise(t *testing.T) {
	for _, tt := range clientRefusals {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &pipeLink{Serve: func(c net.Conn) {
					_, good, _, _ := serve(nil, readRequest(c, tt.v))
					io.WriteString(c, tt.answer(messageOf(good)))
				}}
				d := dialerOver(websocket.Dialer{Version: tt.v, Subprotocols: []string{"chat"}}, link)
				_, err := d.Dial(t.Context(), requestURL)
				wantAdvice(t, err, tt.status, false, tt.words)
				link.CheckClosed(t)
			})
		})
	}
}

// The same for what proxies answer to CONNECT.
func TestProxyRefusalsAdvise(t *testing.T) {
	for status, words := range map[string][]string{
		"400 Bad":                 {"400 Bad Request", "allows CONNECT"},
		"403 No":                  {"403 Forbidden", "port 443", "wss"},
		"404 Not Found":           {"404 Not Found", "allows CONNECT"},
		"405 No":                  {"405 Method Not Allowed", "allows CONNECT"},
		"407 Who":                 {"407 Proxy Authentication Required", "credentials", "URL"},
		"418 Tea":                 {"418"},
		"500 Oops":                {"500 Internal Server Error", "reach the target"},
		"501 What":                {"501 Not Implemented", "allows CONNECT"},
		"502 Bad":                 {"502 Bad Gateway", "reach the target"},
		"503 Busy":                {"503 Service Unavailable", "reach the target"},
		"504 Late":                {"504 Gateway Timeout", "reach the target"},
		"101 Switching Protocols": {"101 Switching Protocols"},
	} {
		t.Run(status, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &pipeLink{Serve: func(c net.Conn) {
					readHead(c)
					io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
				}}
				_, err := dialVia(link, "http://p.test:3128").Dial(t.Context(), "ws://lab.example/")
				words := append(words, "proxy p.test:3128 refused CONNECT to lab.example:80", "want a 2xx status")
				code := 0
				for _, digit := range status[:3] {
					code = 10*code + int(digit-'0')
				}
				wantAdvice(t, err, code, true, words)
				link.CheckClosed(t)
			})
		})
	}
}

// What fails before there is a response says what to do as well.
func TestDialFailuresAdvise(t *testing.T) {
	_, clientConfig := newTLSConfigs("lab.example")
	for _, tt := range []struct {
		name, url, via string
		serve          func(net.Conn)
		words          []string
	}{
		{"TLS with a plain server", "wss://lab.example/", "", func(c net.Conn) {
			c.Read(make([]byte, 1))
			go io.Copy(io.Discard, c)
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}, []string{"TLS handshake with lab.example", "speak TLS on this port", "use ws"}},
		{"TLS with a plain proxy", "ws://lab.example/", "https://p.test", func(c net.Conn) {
			c.Read(make([]byte, 1))
			go io.Copy(io.Discard, c)
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}, []string{"proxy p.test:443", "does the proxy speak TLS", "use http"}},
		{"plain with a proxy that expects TLS", "ws://lab.example/", "http://p.test", func(c net.Conn) { readHead(c) },
			[]string{"proxy p.test:80", "incomplete answer to CONNECT after 0 bytes", "use https"}},
		{"no proxy", "ws://lab.example/", "http://p.test", func(c net.Conn) { readHead(c); io.WriteString(c, "SSH-2.0-x\r\n\r\n") },
			[]string{"proxy p.test:80", "other than HTTP/1", "allows CONNECT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &pipeLink{Serve: tt.serve}
				d := dialerOver(websocket.Dialer{TLSConfig: clientConfig.Clone()}, link)
				if tt.via != "" {
					d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(tt.via) }
				}
				_, err := d.Dial(t.Context(), tt.url)
				if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") {
					t.Fatalf("%v, want an error", err)
				}
				for _, word := range tt.words {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("error lacks %q: %v", word, err)
					}
				}
			})
		})
	}
}

// A server that expects TLS may reset the connection, because it ends it with a
// request that it has not read.
func TestDialResetAdvises(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			c.Read(make([]byte, 1)) // the request is here, and most of it is not read
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	_, err = (&websocket.Dialer{Proxy: noProxy}).Dial(t.Context(), "ws://"+ln.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "use wss") {
		t.Errorf("%v, want an error that says to use wss", err)
	}
}
