package websocket_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// secretJar returns a jar with a cookie that cannot be sent.
func secretJar() http.CookieJar {
	jar, _ := cookiejar.New(nil)
	return badCookieJar{jar}
}

type badCookieJar struct{ http.CookieJar }

func (badCookieJar) Cookies(*url.URL) []*http.Cookie {
	return []*http.Cookie{{Name: "session", Value: "secret\n"}}
}

// Programs log errors. The error of a client's handshake shows neither a
// password nor a token: the usual mistake is a line break after one that was
// read from a file.
func TestClientErrorsKeepSecrets(t *testing.T) {
	header := func(name, value string) websocket.Dialer {
		return websocket.Dialer{Header: http.Header{name: {value}}}
	}
	for _, tt := range []struct {
		name, url string
		d         websocket.Dialer
		answer    func(httpMessage) httpMessage
		says      string
	}{
		{"line break after a token", "ws://a.example/", header("Authorization", "Bearer secret\n"), nil, "Authorization has the control character '\\n' at byte 13"},
		{"line break before a cookie", "ws://a.example/", header("Cookie", "\rsecret"), nil, "Cookie has the control character '\\r' at byte 0"},
		{"DEL in a header of the program's own", "ws://a.example/", header("X-Api-Key", "secret\x7f"), nil, "X-Api-Key has the control character '\\x7f' at byte 6"},
		{"value in the name", "ws://a.example/", header("Authorization: Bearer secret", ""), nil, `header with a name that begins with "Authorization"`},
		{"cookie of a jar", "ws://a.example/", websocket.Dialer{Jar: secretJar()}, nil, `"session"`},
		{"password", "ws://u:secret\n@a.example/", websocket.Dialer{}, nil, "control character"},
		{"token in the query", "ws://a.example:x/?secret", websocket.Dialer{}, nil, "unusable"},
		{"redirect", "ws://a.example/?token=secret", websocket.Dialer{}, func(m httpMessage) httpMessage {
			return m.withLine("HTTP/1.1 302 Found").with("Location", "https://b.example/?token=secret")
		}, "https://b.example/"},
		{"redirect with a password", "ws://a.example/", websocket.Dialer{}, func(m httpMessage) httpMessage {
			return m.withLine("HTTP/1.1 302 Found").with("Location", "https://u:secret@b.example/")
		}, "Location"},
		{"location of hixie", "ws://a.example/x?token=secret", websocket.Dialer{Version: websocket.Hixie75}, func(m httpMessage) httpMessage {
			return m.with("WebSocket-Origin", "http://a.example").with("WebSocket-Location", "ws://b.example/x?token=secret")
		}, `"/x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := websocket.NewClientHandshake(&tt.d, tt.url)
			if err == nil && tt.answer != nil {
				_, err = h.Feed([]byte(tt.answer(responseOf(tt.d.Version)).String()))
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v; want an error with %s, and without the secret", err, tt.says)
			}
		})
	}
}

// Programs log errors, so a server does not choose how long they are, or whether
// they have one line.
func TestClientErrorsAreShort(t *testing.T) {
	long := strings.Repeat("a\xff\\", 20000)
	lines := make([]string, httphead.MaxLines-20)
	for i := range lines {
		lines[i] = long[:200]
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for _, status := range []string{"101 x", "426 x", "302 x", "403 " + long} {
			for _, name := range []string{
				"Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions", "Location",
				protocolHeader(v), "Sec-WebSocket-Origin", "Sec-WebSocket-Location", "WebSocket-Origin", "WebSocket-Location", long[:200],
			} {
				for _, values := range [][]string{{long[:60000]}, lines} {
					m := responseOf(v).withLine("HTTP/1.1 " + status[:min(len(status), 2000)])
					_, err := newClient(t, v, nil).Feed([]byte(m.with(name, values...).String()))
					if err != nil && (len(err.Error()) > 600 || strings.Contains(err.Error(), "\n")) {
						t.Errorf("status %.10s, long %.30s: error of %d bytes: %.200q", status, name, len(err.Error()), err.Error())
					}
				}
			}
		}
	})
}

// The same for servers, which log refusals too.
func TestServerErrorsKeepSecrets(t *testing.T) {
	request := requestOf(websocket.RFC6455)
	for _, tt := range []struct {
		name    string
		request string
		check   http.Header // what Check sets
		says    string
	}{
		{"bad escape before the query", request.withLine("GET /%zz?token=secret HTTP/1.1").String(), nil, "invalid URL escape"},
		{"line break in a cookie", request.String(), http.Header{"Set-Cookie": {"session=secret\n"}}, "Set-Cookie has the control character '\\n' at byte 14"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, response, _, err := serve(&websocket.Upgrader{Check: checkGives(tt.check, nil)}, tt.request)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error()+response, "secret") {
				t.Errorf("%v, response %q; want an error with %s, and without the secret", err, response, tt.says)
			}
		})
	}
	r := httptest.NewRequest("GET", "/chat", nil)
	r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}
	r.RequestURI = "/chat?token=secret\x01"
	if _, err := new(websocket.Upgrader).Upgrade(httptest.NewRecorder(), r); err == nil || !strings.Contains(err.Error(), `"/chat"`) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v; want an error with the target, and without its query", err)
	}
}
