package httphead_test

import (
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// gather feeds input in pieces of this size until the head is complete or
// refused, and reports how much was taken and the status of the refusal.
func gather(t *testing.T, h *httphead.Head, input string, size int) (took, status int) {
	t.Helper()
	for piece := range slices.Chunk([]byte(input), size) {
		n, err := h.Feed(piece)
		took += n
		var refused *httphead.Error
		switch {
		case errors.As(err, &refused):
			return took, refused.Status
		case err != nil:
			t.Fatalf("error %T (%v), want an *Error", err, err)
		}
	}
	return took, 0
}

var allModes = []httphead.Mode{httphead.Strict, httphead.Relaxed, httphead.Lenient}

func TestHeadInAnyPieces(t *testing.T) {
	lines := allModes[1:] // modes in which a line may end with LF
	for _, tt := range []struct {
		name  string
		modes []httphead.Mode
		head  string
		rest  string
	}{
		{"CR LF", allModes, "HTTP/1.1 200 OK\r\nVia: a\r\n\r\n", "\r\n\r\nrest"},
		{"empty lines only", allModes[:1], "\r\n\r\n", "rest"},
		{"bare LF", lines, "HTTP/1.1 200 OK\nVia: a\n\n", "\n\nrest"},
		{"bare LF, then CR LF", lines, "HTTP/1.1 200 OK\n\r\n", "\n\nrest"},
		{"CR LF, then bare LF", lines, "HTTP/1.1 200 OK\r\n\n", "\r\n\r\nrest"},
		{"line ends mixed", lines, "HTTP/1.1 200 OK\nA: b\r\nC: d\n\r\n", "\nrest"},
		{"LF, then CR alone", allModes[2:], "a\n\rb\r\n\r\n", "rest"},
		{"what only lenient heads accept", allModes[2:], "a\x00\r\n folded\r\n\r\n", "rest"},
	} {
		input := tt.head + tt.rest
		for _, mode := range tt.modes {
			for size := 1; size <= len(input); size++ {
				h := httphead.Head{Mode: mode}
				took, status := gather(t, &h, input, size)
				if status != 0 || !h.Done() || string(h.Bytes()) != tt.head || took != len(tt.head) {
					t.Errorf("%s, mode %d, pieces of %d bytes: status %d, took %d as %q, done %t; want the %d bytes up to the empty line",
						tt.name, mode, size, status, took, h.Bytes(), h.Done(), len(tt.head))
				}
			}
		}
	}
}

// "A header fed one byte at a time up to the limit: linear, bounded, timed."
func TestHeadLimit(t *testing.T) {
	const begin, end = "GET / HTTP/1.1\r\nX: ", "\r\n\r\n"
	fits := begin + strings.Repeat("x", httphead.MaxBytes-len(begin)-len(end)) + end
	tests := []struct {
		name, input string
		status      int
		lenient     int // the status of a lenient head
	}{
		{"exactly met", fits, 0, 0},
		{"one more", strings.Replace(fits, "x", "xx", 1), 431, 431},
		{"end never comes", strings.Repeat("x", 1<<20), 431, 431},
		{"lines exactly met", strings.Repeat("a:\r\n", httphead.MaxLines-1) + "\r\n", 0, 0},
		{"one line more", strings.Repeat("a:\r\n", httphead.MaxLines) + "\r\n", 431, 0},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 4096, len(tt.input)} {
			for _, mode := range allModes {
				want := tt.status
				if mode == httphead.Lenient {
					want = tt.lenient
				}
				h := httphead.Head{Mode: mode}
				_, got := gather(t, &h, tt.input, size)
				if got != want || want == 0 && !h.Done() {
					t.Errorf("%s, mode %d, pieces of %d bytes: status %d, done %t; want status %d", tt.name, mode, size, got, h.Done(), want)
				}
				if len(h.Bytes()) > httphead.MaxBytes+1 {
					t.Errorf("%s: %d bytes were kept, want no more than the limit and one", tt.name, len(h.Bytes()))
				}
				if n, _ := h.Feed([]byte("more")); n != 0 {
					t.Errorf("%s: %d bytes were taken after the end", tt.name, n)
				}
			}
		}
	}
}

func TestHeadRefuses(t *testing.T) {
	tests := []struct {
		name, input string
		early       bool // before the head is complete
		want        string
	}{
		{"bare LF", "GET / HTTP/1.1\nHost: a", true, "ends with LF"},
		{"LF first", "\nGET", true, "ends with LF"},
		{"LF in the last line", "GET / HTTP/1.1\r\nHost: a\n\r\n\r\n", true, "ends with LF"},
		{"CR alone", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", true, "CR not followed by LF"},
		{"two CR", "GET / HTTP/1.1\r\r\nHost: a\r\r\n\r\r\n", true, "CR not followed by LF"},
		{"folded with a space", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", false, "folded"},
		{"folded with a tab", "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", false, "folded"},
		{"NUL", "GET / HTTP/1.1\r\nA: \x00\r\n\r\n", false, "control character 0x0"},
		{"ESC", "GET / HTTP/1.1\r\nA: \x1b\r\n\r\n", false, "control character 0x1b"},
		{"DEL", "GET / HTTP/1.1\r\nA: \x7f\r\n\r\n", false, "control character 0x7f"},
	}
	for _, tt := range tests {
		for size := 1; size <= len(tt.input); size++ {
			var h httphead.Head
			var err error
			for piece := range slices.Chunk([]byte(tt.input), size) {
				if _, err = h.Feed(piece); err != nil {
					break
				}
			}
			var refused *httphead.Error
			if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, pieces of %d bytes: error %v, want one of status 400 with %q", tt.name, size, err, tt.want)
			}
			if early := !h.Done(); size == 1 && early != tt.early {
				t.Errorf("%s: refused before the head was complete: %t, want %t", tt.name, early, tt.early)
			}
		}
	}
}

// A relaxed head has all rules of a strict one but those on line ends and folded
// lines.
func TestRelaxedHeadRefuses(t *testing.T) {
	for input, want := range map[string]string{
		"HTTP/1.1 101 x\nA: b\rc\n\n":                            "CR not followed by LF",
		"HTTP/1.1 101 x\nA: b\r\r\n\n":                           "CR not followed by LF",
		"HTTP/1.1 101 x\nA: \x00\n\n":                            "control character 0x0",
		"HTTP/1.1 101 x\nA: \x7f\n\n":                            "control character 0x7f",
		"a\n" + strings.Repeat("a:\n", httphead.MaxLines) + "\n": "lines",
	} {
		for _, size := range []int{1, 3, len(input)} {
			h := httphead.Head{Mode: httphead.Relaxed}
			var err error
			for piece := range slices.Chunk([]byte(input), size) {
				if _, err = h.Feed(piece); err != nil {
					break
				}
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.40q, pieces of %d bytes: error %v, want one with %q", input, size, err, want)
			}
		}
	}
}

func TestHeadTakesAllElse(t *testing.T) {
	for _, input := range []string{"GET / HTTP/1.1\r\nA: b\tc\r\n\r\n", "\r\n\r\n", "GET /\xff\xfe é\r\n\r\n"} {
		var h httphead.Head
		if took, status := gather(t, &h, input, len(input)); status != 0 || took != len(input) || !h.Done() {
			t.Errorf("%q: took %d, status %d, done %t", input, took, status, h.Done())
		}
	}
}

func TestHeadFedBytewiseIsLinear(t *testing.T) {
	for mode, filler := range map[httphead.Mode]string{httphead.Strict: "\r\nx", httphead.Relaxed: "\nxy", httphead.Lenient: "\n\rx"} {
		head := []byte("GET / HTTP/1.1\r\nX: " + strings.Repeat(filler, httphead.MaxBytes/3))
		feed := func(n int) {
			h := httphead.Head{Mode: mode}
			for i := range n {
				h.Feed(head[i : i+1])
			}
		}
		testkit.CheckLinear(t, feed)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		feed(httphead.MaxBytes)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 8*httphead.MaxBytes {
			t.Errorf("mode %d: a head of %d bytes fed byte by byte allocated %d, want a small multiple; look at how Head grows", mode, httphead.MaxBytes, used)
		}
	}
}

// However a head is cut, the same bytes are taken. A head that one mode accepts
// is the same in the modes that accept more.
func FuzzHead(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", "a\n\nb", "a\n\r\nb\r\n\r\n", "\r\n\r\n", "a\r\n b\r\n\r\n", "a\x00\r\n\r\n"} {
		f.Add(s, 1)
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, input string, size int) {
		if size < 1 || input == "" {
			return
		}
		accepted := ""
		for _, mode := range allModes {
			cut, whole := httphead.Head{Mode: mode}, httphead.Head{Mode: mode}
			tookCut, cutStatus := gather(t, &cut, input, size)
			took, status := gather(t, &whole, input, len(input))
			if (cutStatus == 0) != (status == 0) || status == 0 && (tookCut != took || cut.Done() != whole.Done() || string(cut.Bytes()) != string(whole.Bytes())) {
				t.Fatalf("mode %d: in pieces of %d: %d bytes, status %d, done %t; whole: %d bytes, status %d, done %t",
					mode, size, tookCut, cutStatus, cut.Done(), took, status, whole.Done())
			}
			head := ""
			if status == 0 && whole.Done() {
				head = string(whole.Bytes())
			}
			if accepted != "" && head != accepted {
				t.Fatalf("head %q, in mode %d %q", accepted, mode, head)
			}
			accepted = head
		}
	})
}
