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

func TestHeadInAnyPieces(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lenient bool
		head    string
		rest    string
	}{
		{"strict", false, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nrest"},
		{"strict, empty lines only", false, "\r\n\r\n", "rest"},
		{"lenient", true, "HTTP/1.1 200 OK\r\nVia: a\r\n\r\n", "\r\n\r\nrest"},
		{"bare LF", true, "HTTP/1.1 200 OK\nVia: a\n\n", "\n\nrest"},
		{"bare LF, then CR LF", true, "HTTP/1.1 200 OK\n\r\n", "\n\nrest"},
		{"CR LF, then bare LF", true, "HTTP/1.1 200 OK\r\n\n", "\r\n\r\nrest"},
		{"LF, then CR alone", true, "a\n\rb\r\n\r\n", "rest"},
		{"what only strict heads refuse", true, "a\x00\r\n folded\r\n\r\n", "rest"},
	} {
		input := tt.head + tt.rest
		for size := 1; size <= len(input); size++ {
			h := httphead.Head{Lenient: tt.lenient}
			took, status := gather(t, &h, input, size)
			if status != 0 || !h.Done() || string(h.Bytes()) != tt.head || took != len(tt.head) {
				t.Errorf("%s, pieces of %d bytes: status %d, took %d as %q, done %t; want the %d bytes up to the empty line",
					tt.name, size, status, took, h.Bytes(), h.Done(), len(tt.head))
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
		status      int // of a strict head
		lenient     int // of a lenient one
	}{
		{"exactly met", fits, 0, 0},
		{"one more", strings.Replace(fits, "x", "xx", 1), 431, 431},
		{"end never comes", strings.Repeat("x", 1<<20), 431, 431},
		{"lines exactly met", strings.Repeat("a:\r\n", httphead.MaxLines-1) + "\r\n", 0, 0},
		{"one line more", strings.Repeat("a:\r\n", httphead.MaxLines) + "\r\n", 431, 0},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 4096, len(tt.input)} {
			for lenient, want := range map[bool]int{false: tt.status, true: tt.lenient} {
				h := httphead.Head{Lenient: lenient}
				_, got := gather(t, &h, tt.input, size)
				if got != want || want == 0 && !h.Done() {
					t.Errorf("%s, lenient %t, pieces of %d bytes: status %d, done %t; want status %d", tt.name, lenient, size, got, h.Done(), want)
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
		{"CR alone", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", false, "CR not followed by LF"},
		{"two CR", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", false, "CR not followed by LF"},
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

func TestHeadTakesAllElse(t *testing.T) {
	for _, input := range []string{"GET / HTTP/1.1\r\nA: b\tc\r\n\r\n", "\r\n\r\n", "GET /\xff\xfe é\r\n\r\n"} {
		var h httphead.Head
		if took, status := gather(t, &h, input, len(input)); status != 0 || took != len(input) || !h.Done() {
			t.Errorf("%q: took %d, status %d, done %t", input, took, status, h.Done())
		}
	}
}

func TestHeadFedBytewiseIsLinear(t *testing.T) {
	for name, filler := range map[string]string{"strict": "\r\r\r", "lenient": "\n\rx"} {
		head := []byte("GET / HTTP/1.1\r\nX: " + strings.Repeat(filler, httphead.MaxBytes/3))
		feed := func(n int) {
			h := httphead.Head{Lenient: name == "lenient"}
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
			t.Errorf("a %s head of %d bytes fed byte by byte allocated %d, want a small multiple; look at how Head grows", name, httphead.MaxBytes, used)
		}
	}
}

// However a head is cut, the same bytes are taken, and a strict head that is
// accepted is also the head that a lenient one finds.
func FuzzHead(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", "a\n\nb", "a\n\r\nb\r\n\r\n", "\r\n\r\n", "a\r\n b\r\n\r\n", "a\x00\r\n\r\n"} {
		f.Add(s, 1)
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, input string, size int) {
		if size < 1 || input == "" {
			return
		}
		heads := map[bool]string{}
		for _, lenient := range []bool{false, true} {
			cut, whole := httphead.Head{Lenient: lenient}, httphead.Head{Lenient: lenient}
			tookCut, cutStatus := gather(t, &cut, input, size)
			took, status := gather(t, &whole, input, len(input))
			if (cutStatus == 0) != (status == 0) || status == 0 && (tookCut != took || cut.Done() != whole.Done() || string(cut.Bytes()) != string(whole.Bytes())) {
				t.Fatalf("lenient %t: in pieces of %d: %d bytes, status %d, done %t; whole: %d bytes, status %d, done %t",
					lenient, size, tookCut, cutStatus, cut.Done(), took, status, whole.Done())
			}
			if status == 0 && whole.Done() {
				heads[lenient] = string(whole.Bytes())
			}
		}
		if strict, ok := heads[false]; ok && strict != heads[true] {
			t.Fatalf("strict head %q, lenient head %q", strict, heads[true])
		}
	})
}
