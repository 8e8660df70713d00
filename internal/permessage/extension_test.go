package permessage_test

import (
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/permessage"
)

// The grammar is that of RFC 6455 section 9.1, with the empty elements of RFC
// 9110 section 5.6.1.2. What the parameters mean does not count.
func TestWellFormed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  bool
	}{
		{"missing", nil, true},
		{"empty", []string{""}, true},
		{"empty elements", []string{" , ,x,,"}, true},
		{"as a browser sends", []string{"permessage-deflate; client_max_window_bits"}, true},
		{"unknown", []string{"x-webkit-deflate-frame"}, true},
		{"invalid number", []string{"permessage-deflate; server_max_window_bits=99"}, true},
		{"unknown parameter", []string{"permessage-deflate; a; b=c; d=\"e\\\"f,;\""}, true},
		{"two lines", []string{"a", "b; c"}, true},
		{"space around the signs", []string{"a\t; b = c ,d"}, true},

		{"two names", []string{"a b"}, false},
		{"no name", []string{"; a"}, false},
		{"semicolon at the end", []string{"permessage-deflate;"}, false},
		{"no parameter between semicolons", []string{"a;;b"}, false},
		{"no value", []string{"a; b="}, false},
		{"no parameter name", []string{"a; =b"}, false},
		{"value after the name", []string{"a=b"}, false},
		{"open quote", []string{`a; b="c`}, false},
		{"escape at the end", []string{`a; b="c\`}, false},
		{"text after a quote", []string{`a; b="c"d`}, false},
		{"quoted name", []string{`"a"`}, false},
		{"slash", []string{"a/b"}, false},
		{"not ASCII", []string{"\xff"}, false},
		{"second line", []string{"a", "b;"}, false},
		{"after a valid offer", []string{"permessage-deflate, a b"}, false},
	} {
		if got := permessage.WellFormed(tt.lines); got != tt.want {
			t.Errorf("%s: WellFormed(%q) = %t, want %t", tt.name, tt.lines, got, tt.want)
		}
	}
	long := []string{strings.Repeat("a; b=\"\\\"\",", 1<<13)}
	if n := testing.AllocsPerRun(10, func() { permessage.WellFormed(long) }); n != 0 {
		t.Errorf("%v allocations for %d elements, want none", n, 1<<13)
	}
}
