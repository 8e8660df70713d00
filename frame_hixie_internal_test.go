package websocket

import (
	"testing"
)

func TestIncompleteTail(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
	}{
		{"", 0}, {"a", 0}, {"\xc3", 1}, {"a\xe2", 1}, {"a\xe2\x82", 2}, {"€", 0}, {"\xf0\x9f\x98", 3}, {"😀", 0},
		{"\xf0\x9f", 2}, {"a\x80", 0}, {"\x80\x80\x80\x80", 0}, {"\xe0\x80", 0}, {"\xed\xa0", 0}, {"\xff", 0}, {"€\xc3", 1},
		{"\xf4\x90", 0}, {"\xc0", 0},
	} {
		if got := incompleteTail([]byte(tt.text)); got != tt.want {
			t.Errorf("%q: %d bytes may be completed, want %d", tt.text, got, tt.want)
		}
	}
}
