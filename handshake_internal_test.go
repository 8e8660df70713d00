package websocket

import (
	"net/http"
	"slices"
	"testing"
)

func TestEachSubprotocol(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   []string
	}{
		{"none", nil, nil},
		{"empty", []string{""}, nil},
		{"one", []string{"chat"}, []string{"chat"}},
		{"list", []string{"chat, superchat"}, []string{"chat", "superchat"}},
		{"list without spaces", []string{"a,b"}, []string{"a", "b"}},
		{"two headers", []string{"a, b", "c"}, []string{"a", "b", "c"}},
		{"empty elements", []string{",, a ,\t,b,"}, []string{"a", "b"}},
		{"case counts", []string{"Chat"}, []string{"Chat"}},
		{"of Kubernetes", []string{"SPDY/3.1+portforward.k8s.io, v4.channel.k8s.io"}, []string{"SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io"}},
		{"of chargers", []string{"http://ocpp.org/1.6"}, []string{"http://ocpp.org/1.6"}},
		{"base64", []string{"base64url.bearer.a+/=="}, []string{"base64url.bearer.a+/=="}},
		{"first and last of what passes", []string{"!, ~, (a;b=c)"}, []string{"!", "~", "(a;b=c)"}},
		{"space inside", []string{"a b, c"}, []string{"c"}},
		{"quoted", []string{`"a", c`}, []string{"c"}},
		{"tab and other controls", []string{"a\tb, a\x00, a\x7f, c"}, []string{"c"}},
		{"not ASCII", []string{"\xff, \u00fc, c"}, []string{"c"}},
	}
	for _, tt := range tests {
		var got []string
		eachSubprotocol(tt.values, func(name string) { got = append(got, name) })
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q has %q, want %q", tt.name, tt.values, got, tt.want)
		}
		for _, name := range got {
			if err := checkSubprotocols([]string{name}); err != nil {
				t.Errorf("%s: %v; want a program to be able to list what a peer may send", tt.name, err)
			}
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
