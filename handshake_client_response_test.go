package websocket_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// Responses of other servers, some of them odd, that a client accepts.
func TestClientAccepts(t *testing.T) {
	lower := func(m httpMessage) httpMessage {
		m.fields = slices.Clone(m.fields)
		for i := range m.fields {
			m.fields[i][0] = strings.ToLower(m.fields[i][0])
		}
		return m
	}
	edits := map[string]func(httpMessage) httpMessage{
		"as it is":                  func(m httpMessage) httpMessage { return m },
		"names in lower case":       lower,
		"Upgrade in lower case":     func(m httpMessage) httpMessage { return m.with("Upgrade", "websocket") },
		"Upgrade in mixed case":     func(m httpMessage) httpMessage { return m.with("Upgrade", "WebSocket") },
		"Connection in lower case":  func(m httpMessage) httpMessage { return m.with("Connection", "upgrade") },
		"Connection in a list":      func(m httpMessage) httpMessage { return m.with("Connection", "keep-alive, Upgrade") },
		"another reason":            func(m httpMessage) httpMessage { return m.withLine("HTTP/1.1 101 Dontcare") },
		"no reason":                 func(m httpMessage) httpMessage { return m.withLine("HTTP/1.1 101 ") },
		"no space after the status": func(m httpMessage) httpMessage { return m.withLine("HTTP/1.1 101") },
		"Server and Date, as nginx adds": func(m httpMessage) httpMessage {
			return m.with("Server", "nginx").with("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
		},
		"fields the other way round": func(m httpMessage) httpMessage {
			m.fields = slices.Clone(m.fields)
			slices.Reverse(m.fields)
			return m
		},
		"spaces around values": func(m httpMessage) httpMessage {
			return m.with("Connection", "  Upgrade \t").with("Upgrade", "\twebsocket  ")
		},
		"spaces before colons": func(m httpMessage) httpMessage {
			m.fields = slices.Clone(m.fields)
			for i := range m.fields {
				m.fields[i][0] += " "
			}
			return m
		},
		"Connection on two lines":                   func(m httpMessage) httpMessage { return m.with("Connection", "keep-alive", "Upgrade") },
		"Connection with empty elements":            func(m httpMessage) httpMessage { return m.with("Connection", ",upgrade ,, ") },
		"Connection close and Upgrade":              func(m httpMessage) httpMessage { return m.with("Connection", "close, Upgrade") },
		"Connection close and Upgrade on two lines": func(m httpMessage) httpMessage { return m.with("Connection", "close", "Upgrade") },
		"empty extensions":                          func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Extensions", "") },
		"empty extensions twice":                    func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Extensions", "", " , ") },
		"empty subprotocol": func(m httpMessage) httpMessage {
			return m.with("Sec-WebSocket-Protocol", "").with("WebSocket-Protocol", "")
		},
		"a version, as with a refusal":    func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Version", "13") },
		"origin repeated, as wsnode does": func(m httpMessage) httpMessage { return m.with("Origin", "http://lab.example:8080") },
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for name, edit := range edits {
			for _, compression := range []*websocket.Compression{nil, {}} {
				h := newClient(t, v, &websocket.Dialer{Config: websocket.Config{Compression: compression}})
				if _, err := h.Feed([]byte(edit(responseOf(v)).String())); err != nil || !h.Done() {
					t.Errorf("%s, compression %t: %v, done %t; want the connection open", name, compression != nil, err, h.Done())
				}
			}
		}
		h := newClient(t, v, nil)
		accept := responseOf(v).with("sec-websocket-accept", "X7sdFi1aZDLMcFz+yURsFmFjwvU=")
		if _, err := h.Feed([]byte(accept.String())); (err == nil) != isHixie(v) {
			t.Errorf("with the Accept that HAProxy adds: %v; want it ignored by hixie alone", err)
		}
	})
}

// Servers in small devices end lines with LF alone, some lines or all. What
// follows the head begins after its empty line, whatever that ends with.
func TestClientTakesBareLF(t *testing.T) {
	ends := map[string]func(head string) string{
		"all":             func(head string) string { return strings.ReplaceAll(head, "\r\n", "\n") },
		"the empty line":  func(head string) string { return strings.TrimSuffix(head, "\r\n") + "\n" },
		"the last line":   func(head string) string { return strings.TrimSuffix(head, "\r\n\r\n") + "\n\r\n" },
		"the status line": func(head string) string { return strings.Replace(head, "\r\n", "\n", 1) },
		"all but the empty": func(head string) string {
			return strings.ReplaceAll(strings.TrimSuffix(head, "\r\n"), "\r\n", "\n") + "\r\n"
		},
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for name, end := range ends {
			m := responseOf(v)
			interim := end("HTTP/1.1 100 Continue\r\nX: y\r\n\r\n")
			checkClientInAnyPieces(t, v, "LF ends "+name, interim+end(m.head())+m.body)
		}
	})
}

// "An unrequested subprotocol or extension, a wrong Accept, a wrong 16-byte
// challenge reply: refused."
func TestClientRefuses(t *testing.T) {
	hybi := hybiVersions
	old := hixieVersions
	tests := []struct {
		name     string
		versions []websocket.Version
		edit     func(httpMessage) httpMessage
		words    string
	}{
		{"Upgrade missing", allVersions, func(m httpMessage) httpMessage { return m.with("Upgrade") }, "Upgrade"},
		{"Upgrade with another", allVersions, func(m httpMessage) httpMessage { return m.with("Upgrade", "websocket, foo") }, `"websocket, foo": expected websocket`},
		{"Upgrade with another before", allVersions, func(m httpMessage) httpMessage { return m.with("Upgrade", "h2c, websocket") }, "expected websocket"},
		{"Upgrade with an empty element", allVersions, func(m httpMessage) httpMessage { return m.with("Upgrade", "websocket,") }, "expected websocket"},
		{"Upgrade twice", allVersions, func(m httpMessage) httpMessage { return m.with("Upgrade", "websocket", "websocket") }, "expected websocket"},
		{"Upgrade twice, of others", allVersions, func(m httpMessage) httpMessage { return m.with("Upgrade", "websocket", "foo") }, "expected websocket"},
		{"Upgrade empty", allVersions, func(m httpMessage) httpMessage { return m.with("Upgrade", "") }, "expected websocket"},
		{"HTTP/1.0", allVersions, func(m httpMessage) httpMessage { return m.withLine("HTTP/1.0 101 x") }, "HTTP/1.0: expected HTTP/1.1"},
		{"HTTP/1.2", allVersions, func(m httpMessage) httpMessage { return m.withLine("HTTP/1.2 101 x") }, "HTTP/1.2: expected HTTP/1.1"},
		{"HTTP/2.0", allVersions, func(m httpMessage) httpMessage { return m.withLine("HTTP/2.0 101 x") }, "HTTP/2.0: expected HTTP/1.1"},
		{"HTTP/0.9", allVersions, func(m httpMessage) httpMessage { return m.withLine("HTTP/0.9 101 x") }, "HTTP/0.9: expected HTTP/1.1"},
		{"HTTP/2", allVersions, func(m httpMessage) httpMessage { return m.withLine("HTTP/2 101 x") }, "malformed HTTP version"},
		{"CR alone", allVersions, func(m httpMessage) httpMessage { return m.with("X", "a\rb") }, "CR not followed by LF"},
		{"control character", allVersions, func(m httpMessage) httpMessage { return m.with("X", "a\x00b") }, "control character"},
		{"space in a name", allVersions, func(m httpMessage) httpMessage { return m.with("X Y", "a") }, "not the name"},
		{"tab after a name", allVersions, func(m httpMessage) httpMessage { return m.with("X\t", "a") }, "malformed"},
		{"Upgrade to something else", allVersions, func(m httpMessage) httpMessage { return m.with("Upgrade", "h2c") }, "Upgrade"},
		{"Connection missing", allVersions, func(m httpMessage) httpMessage { return m.with("Connection") }, "Connection"},
		{"Connection close", allVersions, func(m httpMessage) httpMessage { return m.with("Connection", "close") }, `"close": expected Upgrade`},
		{"Connection close and another", allVersions, func(m httpMessage) httpMessage { return m.with("Connection", "close, upgrades") }, `"close, upgrades": expected Upgrade`},
		{"status 200", allVersions, func(m httpMessage) httpMessage { return m.withLine("HTTP/1.1 200 OK") }, "200 OK"},
		{"redirect", allVersions, func(m httpMessage) httpMessage {
			return m.withLine("HTTP/1.1 302 Found").with("Location", "ws://evil.example/")
		}, `"302 Found" with Location "ws://evil.example/"`},
		{"no HTTP", allVersions, func(m httpMessage) httpMessage { return m.withLine("SMTP ready") }, "not an HTTP response"},
		{"status of two digits", allVersions, func(m httpMessage) httpMessage { return m.withLine("HTTP/1.1 10 x") }, "not an HTTP response"},

		{"Accept missing", hybi, func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Accept") }, "missing"},
		{"Accept empty", hybi, func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Accept", "") }, "empty"},
		{"Accept of another key", hybi, func(m httpMessage) httpMessage {
			return m.with("Sec-WebSocket-Accept", "C/0nmHhBztSRGR1CwL6Tf4ZjwpY=")
		}, "expected"},
		{"Accept in another case", hybi, func(m httpMessage) httpMessage {
			return m.with("Sec-WebSocket-Accept", strings.ToLower(m.fields[2][1]))
		}, "expected"},
		{"Accept twice", hybi, func(m httpMessage) httpMessage {
			return m.with("Sec-WebSocket-Accept", m.fields[2][1], m.fields[2][1])
		}, "expected one"},
		{"extension", hybi, func(m httpMessage) httpMessage {
			return m.with("Sec-WebSocket-Extensions", "permessage-deflate")
		}, "none was offered"},
		{"subprotocol", hybi, func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Protocol", "chat") }, "the client offered"},
		{"two subprotocols", hybi, func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Protocol", ", a", "b") }, "the client offered"},
		{"extension of a version that offers none", hybi[1:], func(m httpMessage) httpMessage {
			return m.with("Sec-WebSocket-Extensions", "x-webkit-deflate-frame")
		}, "none was offered"},
		{"subprotocol of hixie-76", []websocket.Version{websocket.Hybi00}, func(m httpMessage) httpMessage {
			return m.with("Sec-WebSocket-Protocol", "chat")
		}, "the client offered"},
		{"subprotocol of hixie-75", []websocket.Version{websocket.Hixie75}, func(m httpMessage) httpMessage { return m.with("WebSocket-Protocol", "chat") }, "the client offered"},

		{"origin missing", old, func(m httpMessage) httpMessage { return m.with(m.fields[2][0]) }, "missing"},
		{"origin of another page", old, func(m httpMessage) httpMessage { return m.with(m.fields[2][0], "http://b.example") }, "Origin"},
		{"origin twice", old, func(m httpMessage) httpMessage {
			return m.with(m.fields[2][0], m.fields[2][1], m.fields[2][1])
		}, "expected one"},
		{"location missing", old, func(m httpMessage) httpMessage { return m.with(m.fields[3][0]) }, "missing"},
		{"wrong 16 bytes", []websocket.Version{websocket.Hybi00}, func(m httpMessage) httpMessage {
			m.body = m.body[:15] + "x"
			return m
		}, "challenge"},
		{"16 zeros", []websocket.Version{websocket.Hybi00}, func(m httpMessage) httpMessage {
			m.body = strings.Repeat("\x00", 16)
			return m
		}, "challenge"},
	}
	for _, tt := range tests {
		for _, v := range tt.versions {
			t.Run(tt.name+"/"+v.String(), func(t *testing.T) {
				var d websocket.Dialer
				if v != websocket.RFC6455 { // it is not offered there
					d.Compression = &websocket.Compression{}
				}
				h := newClient(t, v, &d)
				_, err := h.Feed([]byte(tt.edit(responseOf(v)).String()))
				var refused *websocket.HandshakeError
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.words) || h.Done() {
					t.Fatalf("%v, done %t; want a *HandshakeError with the words %q", err, h.Done(), tt.words)
				}
				if n, again := h.Feed([]byte("x")); n != 0 || again != err {
					t.Errorf("Feed after that: %d, %v; want the same error again", n, again)
				}
			})
		}
	}
}

func TestClientTakesSubprotocol(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		name := protocolHeader(v)
		for _, tt := range []struct {
			answer []string
			want   string
			ok     bool
		}{
			{nil, "", true}, {[]string{"chat"}, "chat", true}, {[]string{"Chat"}, "", false}, {[]string{"other"}, "", false},
			{[]string{"chat", "chat"}, "chat", true}, {[]string{"chat, chat"}, "chat", true}, {[]string{" ,chat,", ""}, "chat", true},
			{[]string{""}, "", true}, {[]string{"", ","}, "", true}, {[]string{" , "}, "", true},
			{[]string{"chat, v2"}, "", false}, {[]string{"chat", "v2"}, "", false}, {[]string{"chat v2"}, "", false}, {[]string{"chat", "other"}, "", false},
		} {
			offered := []string{"chat", "v2"}
			if isHixie(v) {
				offered = offered[:1]
			}
			h := newClient(t, v, &websocket.Dialer{Subprotocols: offered})
			_, err := h.Feed([]byte(responseOf(v).with(name, tt.answer...).String()))
			if (err == nil) != tt.ok || h.Subprotocol() != tt.want {
				t.Errorf("answer %q: %q, %v; want %q, ok %t", tt.answer, h.Subprotocol(), err, tt.want, tt.ok)
			}
		}
	})
}

// In Location the host, the port and the resource must match. The scheme need
// not, and the default port of either scheme may be left out.
func TestClientLocation(t *testing.T) {
	tests := []struct {
		url, location string
		want          bool
	}{
		{"ws://a/x?y", "ws://a/x?y", true},
		{"ws://a/x?y", "WS://A/x?y", true},
		{"ws://a/x?y", "wss://a/x?y", true},
		{"wss://a/x?y", "ws://a/x?y", true},
		{"ws://a/", "ws://a:80/", true},
		{"wss://a/", "wss://a:443/", true},
		{"wss://a/", "ws://a:443/", true},
		{"ws://a:8080/", "ws://a:8080/", true},
		{"ws://a:8080/", "wss://a:8080/", true},
		{"wss://a:80/", "ws://a/", true},
		{"ws://a:443/", "wss://a/", true},
		{"ws://[::1]:8080/", "ws://[0:0:0:0:0:0:0:1]:8080/", true},
		{"wss://[::1]/", "ws://[0:0:0:0:0:0:0:1]/", true},
		{"ws://a/", "ws://a:443/", false},
		{"wss://a/", "wss://a:80/", false},
		{"wss://a/", "ws://a:80/", false},
		{"ws://a:443/", "ws://a/", false},
		{"wss://a:80/", "wss://a/", false},
		{"ws://a:8080/", "ws://a/", false},
		{"ws://a:8080/", "ws://a:80/", false},
		{"ws://a/", "ws://a:8080/", false},
		{"ws://a/", "ws://b/", false},
		{"ws://a/", "ws://a./", false},
		{"ws://a/", "http://a/", false},
		{"ws://a/", "a/", false},
		{"ws://a/", "ws://a", false},
		{"ws://a/", "ws:///", false},
		{"ws://a/", "ws://u@a/", false},
		{"ws://a/", "ws://a:x/", false},
		{"ws://a/x", "ws://a/X", false},
		{"ws://a/x", "ws://a/x?", false},
		{"ws://a/x?y", "ws://a/x", false},
		{"ws://a/%7e", "ws://a/~", false},
		{"ws://a/x", "ws://a/x/", false},
		{"ws://a/", "", false},
	}
	for _, v := range hixieVersions {
		for _, tt := range tests {
			t.Run(v.String()+"/"+tt.url+" as "+tt.location, func(t *testing.T) {
				h, err := websocket.NewClientHandshake(&websocket.Dialer{Version: v, Header: http.Header{"Origin": {"http://lab.example:8080"}}}, tt.url)
				if err != nil {
					t.Fatal(err)
				}
				setKeys(t, h)
				response := responseOf(v)
				_, err = h.Feed([]byte(response.with(response.fields[3][0], tt.location).String()))
				if (err == nil) != tt.want {
					t.Errorf("%v, want it taken: %t", err, tt.want)
				}
			})
		}
	}
}

// If the program has given a Host, the Location must have that.
func TestClientLocationOfHost(t *testing.T) {
	for host, want := range map[string]bool{"virtual.example": true, "Virtual.example:80": true, "lab.example:8080": false} {
		h := newClient(t, websocket.Hixie75, &websocket.Dialer{Header: http.Header{"Host": {"Virtual.example"}, "Origin": {"http://lab.example:8080"}}})
		_, err := h.Feed([]byte(responseOf(websocket.Hixie75).with("WebSocket-Location", "ws://"+host+"/chat?room=1").String()))
		if (err == nil) != want {
			t.Errorf("server that calls itself %s: %v, want it taken: %t", host, err, want)
		}
	}
}
