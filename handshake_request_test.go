package websocket_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// mistakes are options that are wrong, and words of what Validate says.
var mistakes = []struct {
	name  string
	up    websocket.Upgrader
	words string
}{
	{"unknown version", websocket.Upgrader{Versions: []websocket.Version{websocket.RFC6455, 99}}, "Version(99)"},
	{"subprotocol with a space", websocket.Upgrader{Subprotocols: []string{"chat", "a b"}}, `"a b"`},
	{"subprotocol with a comma", websocket.Upgrader{Subprotocols: []string{"a,b"}}, `"a,b"`},
	{"subprotocol with a quote", websocket.Upgrader{Subprotocols: []string{`"a"`}}, "double quote"},
	{"subprotocol with a line break", websocket.Upgrader{Subprotocols: []string{"a\r\nX: y"}}, "visible ASCII"},
	{"subprotocol beyond ASCII", websocket.Upgrader{Subprotocols: []string{"ü"}}, "visible ASCII"},
	{"empty subprotocol", websocket.Upgrader{Subprotocols: []string{""}}, `subprotocol ""`},
	{"subprotocol twice", websocket.Upgrader{Subprotocols: []string{"a", "b", "a"}}, "twice"},
	{"origin without scheme", websocket.Upgrader{Origins: []string{"*", "example.com"}}, `"example.com"`},
	{"origin with a path", websocket.Upgrader{Origins: []string{"https://example.com/"}}, "no path"},
	{"window too small", websocket.Upgrader{Config: websocket.Config{Compression: &websocket.Compression{WindowBits: 7}}}, "WindowBits is 7"},
	{"window too large", websocket.Upgrader{Config: websocket.Config{Compression: &websocket.Compression{WindowBits: 16}}}, "WindowBits is 16"},
	{"negative head", websocket.Upgrader{MaxHeaderBytes: -1}, "MaxHeaderBytes is -1"},
	{"negative threshold", websocket.Upgrader{Config: websocket.Config{Compression: &websocket.Compression{Threshold: -1}}}, "Threshold is -1"},
}

func TestValidate(t *testing.T) {
	for _, tt := range mistakes {
		if err := tt.up.Validate(); err == nil || !strings.HasPrefix(err.Error(), "websocket: ") || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %v; want an error with the prefix \"websocket: \" and the words %s", tt.name, err, tt.words)
		}
	}
	for name, up := range map[string]*websocket.Upgrader{
		"zero": {}, // that of Handler
		"all": {
			Versions: append(allVersions, websocket.Hybi10), Subprotocols: []string{"http://ocpp.org/1.6", "SPDY/3.1+portforward.k8s.io", "chat"},
			Origins: []string{"https://a.example", "wss://*.b.example:*", "http://localhost:*", "null", "*", "chrome-extension://abc"},
			Config:  websocket.Config{MaxMessageSize: -1, MaxFragments: -1, HandshakeTimeout: -1, PingInterval: -1, WriteTimeout: -1, Compression: &websocket.Compression{}},
		},
	} {
		if err := up.Validate(); err != nil {
			t.Errorf("%s: %v, want nil", name, err)
		}
	}
}

// What Validate would have told is answered with 500 each time, and logged once
// for each Upgrader.
func TestMistakesAreLoggedOnce(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	for _, tt := range mistakes {
		var log logBuffer
		slog.SetDefault(log.logger())
		one, other := tt.up, tt.up
		for range 3 {
			w := httptest.NewRecorder()
			if _, err := one.Upgrade(w, httptest.NewRequest("GET", "/", nil)); statusOf(err) != 500 || w.Code != 500 {
				t.Errorf("%s: Upgrade: %v, answered %d; want 500", tt.name, err, w.Code)
			}
			if answer, err := acceptAnswer(t, &one, requestOf(websocket.RFC6455)); statusOf(err) != 500 || !strings.HasPrefix(answer, "HTTP/1.1 500 ") {
				t.Errorf("%s: Accept: %v, answer %q; want 500", tt.name, err, answer)
			}
		}
		if logged := log.at(slog.LevelError); len(logged) != 1 || !strings.Contains(logged[0], strings.Trim(tt.words, `"`)) {
			t.Errorf("%s: logged %q, want one record with %s", tt.name, logged, tt.words)
		}
		acceptAnswer(t, &other, requestOf(websocket.RFC6455))
		if logged := log.at(slog.LevelError); len(logged) != 2 {
			t.Errorf("%s: logged %q, want one record for each of two Upgraders", tt.name, logged)
		}
		if all := strings.Count(log.String(), "\n"); all != 2 {
			t.Errorf("%s: %d records in all, want 2: what clients can cause must not fill the log", tt.name, all)
		}
	}
}

// A Server logs the first as an error, and the others with the other refusals.
func TestMistakesAreLoggedByServer(t *testing.T) {
	for _, tt := range mistakes {
		var log logBuffer
		s := &websocket.Server{Upgrader: tt.up, Logger: log.logger(), Handler: echoHandler}
		for range 3 {
			w := httptest.NewRecorder()
			if s.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Code != 500 {
				t.Errorf("%s: answered %d, want 500", tt.name, w.Code)
			}
		}
		if errs, others := log.at(slog.LevelError), log.at(slog.LevelDebug); len(errs) != 1 || len(others) != 2 || !strings.Contains(errs[0], "every request") {
			t.Errorf("%s: logged %q and %q, want the first of three as an error", tt.name, errs, others)
		}
	}
}

// A client's fault is no mistake in the options, whatever its status.
func TestRefusalsAreNotLoggedByUpgrader(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var log logBuffer
	slog.SetDefault(log.logger())
	up := &websocket.Upgrader{Check: checkGives(nil, &websocket.HandshakeError{Status: 500})}
	acceptAnswer(t, up, requestOf(websocket.RFC6455))
	acceptAnswer(t, up, requestOf(websocket.RFC6455).with("Connection"))
	if log.String() != "" {
		t.Errorf("logged %q, want nothing", log.String())
	}
}
