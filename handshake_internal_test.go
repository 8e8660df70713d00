package websocket

import (
	"net/http"
	"slices"
	"testing"
)

func TestEachToken(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   []string
		ok     bool
	}{
		{"none", nil, nil, true},
		{"empty", []string{""}, nil, true},
		{"one", []string{"chat"}, []string{"chat"}, true},
		{"list", []string{"chat, superchat"}, []string{"chat", "superchat"}, true},
		{"list without spaces", []string{"a,b"}, []string{"a", "b"}, true},
		{"two headers", []string{"a, b", "c"}, []string{"a", "b", "c"}, true},
		{"empty elements", []string{",, a ,\t,b,"}, []string{"a", "b"}, true},
		{"case counts", []string{"Chat"}, []string{"Chat"}, true},
		{"dots and slashes", []string{"v1.2+json"}, []string{"v1.2+json"}, true},
		{"space inside", []string{"a b"}, nil, false},
		{"quoted", []string{`"a"`}, nil, false},
		{"parameter", []string{"a;b=c"}, nil, false},
		{"not ASCII", []string{"\xff"}, nil, false},
		{"slash", []string{"a/b"}, nil, false},
	}
	for _, tt := range tests {
		var got []string
		err := eachToken(tt.values, func(token string) { got = append(got, token) })
		if (err == nil) != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q has %q, %v; want %q, ok %t", tt.name, tt.values, got, err, tt.want, tt.ok)
		}
	}
}

func TestExtraHeaderOrder(t *testing.T) {
	header := http.Header{"X-B": {"2"}, "A": {" 1 ", ""}, "x-c": {"\t3"}}
	const want = "A: 1\r\nA: \r\nX-B: 2\r\nx-c: 3\r\n"
	if got := string(appendExtraHeader(nil, header)); got != want {
		t.Errorf("got %q, want %q: ordered by name, so that a handshake is the same each time", got, want)
	}
}
