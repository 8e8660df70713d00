package deflate

import "testing"

func TestSlide(t *testing.T) {
	for _, c := range []struct {
		window, p string
		size      int
		want      string
	}{
		{"", "", 4, ""}, {"", "ab", 4, "ab"}, {"ab", "cd", 4, "abcd"}, {"abc", "de", 4, "bcde"}, {"abcd", "", 4, "abcd"},
		{"abcd", "e", 4, "bcde"}, {"abcd", "efghi", 4, "fghi"}, {"", "abcdef", 4, "cdef"},
	} {
		for _, room := range []int{len(c.window), 4} {
			got := window(append(make([]byte, 0, room), c.window...))
			got.slide([]byte(c.p), c.size)
			if string(got) != c.want || cap(got) > c.size {
				t.Errorf("slide(%q, %q, %d) = %q with room for %d, want %q", c.window, c.p, c.size, got, cap(got), c.want)
			}
		}
	}
}
