package websocket_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// "Origin matrix: version × {Origin, Sec-WebSocket-Origin, both, conflicting,
// null, missing, upper case, port, userinfo, trailing dot}." An empty header
// counts as a missing one, and never hides the other. wss stands for https, and ws
// for http.
func TestOriginMatrix(t *testing.T) {
	const good, evil = "http://lab.example:8080", "http://evil.example"
	type status [4]int // of rfc6455, hybi10 and hybi07, hybi00, hixie75
	tests := []struct {
		name          string
		origin, draft []string // Origin, Sec-WebSocket-Origin
		want          status
	}{
		{"missing", nil, nil, status{0, 0, 403, 403}},
		{"Origin", []string{good}, nil, status{0, 0, 0, 0}},
		{"Sec-WebSocket-Origin", nil, []string{good}, status{403, 0, 403, 400}},
		{"both", []string{good}, []string{good}, status{0, 0, 0, 400}},
		{"both foreign", []string{evil}, []string{evil}, status{403, 403, 403, 400}},
		{"foreign Origin", []string{evil}, nil, status{403, 403, 403, 403}},
		{"foreign Sec-WebSocket-Origin", nil, []string{evil}, status{403, 403, 403, 400}},
		{"conflicting, Origin good", []string{good}, []string{evil}, status{403, 403, 403, 400}},
		{"conflicting, Sec-WebSocket-Origin good", []string{evil}, []string{good}, status{403, 403, 403, 400}},
		{"differing in case", []string{"http://LAB.example:8080"}, []string{good}, status{403, 403, 403, 400}},
		{"Origin of ws 0.4, its Host", []string{"lab.example:8080"}, []string{good}, status{403, 0, 403, 400}},
		{"like ws 0.4, but another host", []string{"evil.example:8080"}, []string{good}, status{403, 403, 403, 400}},
		{"like ws 0.4, foreign", []string{"lab.example:8080"}, []string{evil}, status{403, 403, 403, 400}},
		{"like ws 0.4, alone", []string{"lab.example:8080"}, nil, status{403, 403, 403, 403}},
		{"Host as Sec-WebSocket-Origin", []string{good}, []string{"lab.example:8080"}, status{403, 403, 403, 400}},
		{"empty Origin", []string{""}, nil, status{0, 0, 403, 403}},
		{"empty Sec-WebSocket-Origin", nil, []string{""}, status{0, 0, 403, 400}},
		{"both empty", []string{""}, []string{""}, status{0, 0, 403, 400}},
		{"empty Origin beside", []string{""}, []string{good}, status{403, 0, 403, 400}},
		{"empty Origin beside a foreign one", []string{""}, []string{evil}, status{403, 403, 403, 400}},
		{"empty Origin beside null", []string{""}, []string{"null"}, status{403, 403, 403, 400}},
		{"empty Origin beside Host", []string{""}, []string{"lab.example:8080"}, status{403, 403, 403, 400}},
		{"empty Sec-WebSocket-Origin beside", []string{good}, []string{""}, status{0, 0, 0, 400}},
		{"empty Sec-WebSocket-Origin beside a foreign one", []string{evil}, []string{""}, status{403, 403, 403, 400}},
		{"empty Sec-WebSocket-Origin beside null", []string{"null"}, []string{""}, status{403, 403, 403, 400}},
		{"empty Sec-WebSocket-Origin beside Host", []string{"lab.example:8080"}, []string{""}, status{403, 403, 403, 400}},
		{"empty Origin twice", []string{"", ""}, nil, status{403, 403, 403, 403}},
		{"empty Origin and a good one", []string{"", good}, nil, status{403, 403, 403, 403}},
		{"empty Origin and a foreign one", []string{evil, ""}, nil, status{403, 403, 403, 403}},
		{"empty Sec-WebSocket-Origin and a foreign one", nil, []string{"", evil}, status{403, 403, 403, 400}},
		{"ws", []string{"ws://lab.example:8080"}, nil, status{0, 0, 0, 0}},
		{"wss, as behind a proxy", []string{"WSS://lab.example:8080"}, nil, status{0, 0, 0, 0}},
		{"ws, foreign", []string{"ws://evil.example"}, nil, status{403, 403, 403, 403}},
		{"ws, other port", []string{"ws://lab.example"}, nil, status{403, 403, 403, 403}},
		{"wss, a path", []string{"wss://lab.example:8080/chat"}, nil, status{403, 403, 403, 403}},
		{"ws beside http", []string{"ws://lab.example:8080"}, []string{good}, status{403, 403, 403, 400}},
		{"Origin twice", []string{good, good}, nil, status{403, 403, 403, 403}},
		{"Sec-WebSocket-Origin twice", nil, []string{good, good}, status{403, 403, 403, 400}},
		{"Origin good and foreign", []string{good, evil}, nil, status{403, 403, 403, 403}},
		{"null", []string{"null"}, nil, status{403, 403, 403, 403}},
		{"file", []string{"file://"}, nil, status{403, 403, 403, 403}},
		{"upper case", []string{"HTTP://LAB.EXAMPLE:8080"}, nil, status{0, 0, 0, 0}},
		{"https, as behind a proxy", []string{"https://lab.example:8080"}, nil, status{0, 0, 0, 0}},
		{"port missing", []string{"http://lab.example"}, nil, status{403, 403, 403, 403}},
		{"other port", []string{"http://lab.example:8081"}, nil, status{403, 403, 403, 403}},
		{"userinfo", []string{"http://u@lab.example:8080"}, nil, status{403, 403, 403, 403}},
		{"Host as userinfo", []string{"http://lab.example:8080@evil.example"}, nil, status{403, 403, 403, 403}},
		{"trailing dot", []string{"http://lab.example.:8080"}, nil, status{403, 403, 403, 403}},
		{"trailing slash", []string{"http://lab.example:8080/"}, nil, status{403, 403, 403, 403}},
		{"begins like Host", []string{"http://lab.example:8080.evil.example"}, nil, status{403, 403, 403, 403}},
		{"list", []string{good + " " + evil}, nil, status{403, 403, 403, 403}},
		{"15 KiB", []string{"http://" + strings.Repeat("a", 15<<10)}, nil, status{403, 403, 403, 403}},
	}
	for _, tt := range tests {
		for _, v := range allVersions {
			t.Run(tt.name+"/"+v.String(), func(t *testing.T) {
				request := requestOf(v).with("Origin", tt.origin...).with("Sec-WebSocket-Origin", tt.draft...)
				_, response, _, err := serve(nil, request.String())
				want := tt.want[map[websocket.Version]int{websocket.RFC6455: 0, websocket.Hybi10: 1, websocket.Hybi07: 1, websocket.Hybi00: 2, websocket.Hixie75: 3}[v]]
				if got := statusOf(err); got != want {
					t.Errorf("status %d (%v), want %d", got, err, want)
				}
				if strings.HasPrefix(response, "HTTP/1.1 101 ") != (want == 0) || len(response) > 1000 {
					t.Errorf("response %.1000q does not fit to status %d", response, want)
				}
			})
		}
	}
}

func TestOriginsAllowed(t *testing.T) {
	tests := []struct {
		name     string
		patterns []string
		origin   string
		want     int
	}{
		{"same origin needs no pattern", []string{"https://other.example"}, "http://lab.example:8080", 0},
		{"listed", []string{"https://a.example", "https://b.example"}, "https://b.example", 0},
		{"wildcard", []string{"https://*.b.example"}, "https://a.b.example", 0},
		{"not listed", []string{"https://a.example"}, "https://b.example", 403},
		{"other scheme", []string{"https://a.example"}, "http://a.example", 403},
		{"null listed", []string{"null"}, "null", 0},
		{"any port", []string{"http://localhost:*"}, "http://localhost:3000", 0},
		{"any port, other host", []string{"http://localhost:*"}, "http://evil.example:3000", 403},
		{"https for wss", []string{"wss://b.example"}, "https://b.example", 0},
		{"wss for https", []string{"https://b.example"}, "wss://b.example", 0},
		{"ws for https", []string{"https://b.example"}, "ws://b.example", 403},
		{"all", []string{"*"}, "http://evil.example", 0},
		{"all, and null", []string{"*"}, "null", 0},
		{"all, and no web page", []string{"*"}, "file://", 0},
	}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		for _, tt := range tests {
			request := requestOf(v).with(originHeader(v), tt.origin)
			if _, _, _, err := serve(&websocket.Upgrader{Origins: tt.patterns}, request.String()); statusOf(err) != tt.want {
				t.Errorf("%s: %v, want status %d", tt.name, err, tt.want)
			}
		}
	})
}

// "Refusal by CheckOrigin runs before 101 in every version."
func TestCheckOriginRefusesBefore101(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		reason := errors.New("not on a Sunday")
		for _, tt := range []struct {
			err    error
			status int
		}{{reason, 403}, {&websocket.HandshakeError{Status: 429, Err: reason}, 429}} {
			up := &websocket.Upgrader{CheckOrigin: func(*http.Request, string) error { return tt.err }}
			h, response, _, err := serve(up, requestOf(v).String())
			if statusOf(err) != tt.status || !errors.Is(err, reason) || h.Done() {
				t.Errorf("%v, done %t; want status %d and the program's reason", err, h.Done(), tt.status)
			}
			if strings.Contains(response, "101") || strings.Contains(response, "Sunday") {
				t.Errorf("response %q, want a refusal that does not tell the reason", response)
			}
		}
	})
}

// CheckOrigin decides alone, and is called last: for requests that are accepted
// otherwise.
func TestCheckOriginIsAsked(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		var asked []string
		up := &websocket.Upgrader{Origins: []string{"https://ignored.example"}, CheckOrigin: func(r *http.Request, origin string) error {
			asked = append(asked, r.URL.Path+" "+origin)
			return nil
		}}
		name := originHeader(v)
		for _, origin := range []string{"http://evil.example", "null", "file://"} {
			if _, _, _, err := serve(up, requestOf(v).with(name, origin).String()); err != nil {
				t.Errorf("origin %s: %v; want the answer of CheckOrigin, which allowed it", origin, err)
			}
		}
		serve(up, requestOf(v).with(name).String())
		serve(up, requestOf(v).with(name, "").String())
		serve(up, requestOf(v).with(name, "a", "b").String())
		serve(up, requestOf(v).with("Connection").String())
		want := []string{"/chat http://evil.example", "/chat null", "/chat file://", "/chat ", "/chat "}
		if isHixie(v) {
			want = want[:3] // which require an origin
		}
		if !slices.Equal(asked, want) {
			t.Errorf("asked about %q, want %q", asked, want)
		}
	})
}

// The page must have been loaded over TLS if the connection uses TLS.
func TestOriginOverTLS(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		name := originHeader(v)
		for origin, want := range map[string]int{
			"https://lab.example:8080": 0, "http://lab.example:8080": 403, "wss://lab.example:8080": 0, "ws://lab.example:8080": 403,
		} {
			h := websocket.NewServerHandshake(nil)
			h.TLS = &tls.ConnectionState{}
			if _, err := h.Feed([]byte(requestOf(v).with(name, origin).String())); statusOf(err) != want {
				t.Errorf("%s: %v, want status %d", origin, err, want)
			}
		}
	})
}
