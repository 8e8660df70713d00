package utf8text_test

import (
	"fmt"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/protocol-websocket/websocket/internal/utf8text"
)

// twin finds out slowly, with unicode/utf8, what a Checker must say about p:
// the index of the first impossible byte or -1, and whether the text may end
// there.
func twin(p []byte) (bad int, complete bool) {
	for i := 0; i < len(p); {
		if !utf8.FullRune(p[i:]) {
			return -1, false
		}
		r, size := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && size == 1 {
			// FullRune calls a wrong sequence full, so the shortest full one
			// ends with the byte that makes it wrong.
			n := 1
			for !utf8.FullRune(p[i : i+n]) {
				n++
			}
			return i + n - 1, false
		}
		i += size
	}
	return -1, true
}

// checkAgainstTwin feeds p in pieces that end at the cuts and at its end.
func checkAgainstTwin(t *testing.T, p []byte, cuts ...int) {
	t.Helper()
	wantBad, wantComplete := twin(p)
	var c utf8text.Checker
	bad, from := -1, 0
	for _, to := range append(cuts, len(p)) {
		// Without capacity behind it, a read past the end of the piece panics.
		if at := c.Check(p[from:to:to]); at >= 0 {
			bad = from + at
			break
		}
		from = to
	}
	if bad != wantBad || c.Complete() != wantComplete {
		t.Fatalf("% x (%d bytes) cut at %v: failed at %d, complete %v; want %d, %v", p[:min(len(p), 80)], len(p), cuts, bad, c.Complete(), wantBad, wantComplete)
	}
}

func TestChecker(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		bad      int
		complete bool
	}{
		{"empty", "", -1, true},
		{"ASCII with NUL", "a\x00\x7F", -1, true},
		{"two bytes, first and last", "\u0080\u07FF", -1, true},
		{"three bytes, first and last", "\u0800\uFFFF", -1, true},
		{"beside the surrogates", "\uD7FF\uE000", -1, true},
		{"four bytes, first and last", "\U00010000\U0010FFFF", -1, true},
		{"noncharacters are valid", "\uFFFE\uFDD0", -1, true},
		{"unfinished after 1 of 2", "a\xC3", -1, false},
		{"unfinished after 2 of 3", "\xE2\x82", -1, false},
		{"unfinished after 3 of 4", "\xF0\x9F\x98", -1, false},
		{"continuation first", "\x80", 0, false},
		{"overlong two bytes fails at once", "\xC0\x80", 0, false},
		{"C1 fails at once", "aC\xC1", 2, false},
		{"overlong three bytes", "\xE0\x9F\xBF", 1, false},
		{"surrogate", "\xED\xA0\x80", 1, false},
		{"overlong four bytes", "\xF0\x8F\xBF\xBF", 1, false},
		{"beyond U+10FFFF", "\xF4\x90\x80\x80", 1, false},
		{"F5 fails at once", "\xF5\x80", 0, false},
		{"FF fails at once", "é\xFF", 2, false},
		{"ASCII where the third byte belongs", "\xE2\x82a", 2, false},
		{"lead byte where the fourth belongs", "\xF0\x9F\x98\xC3", 3, false},
		{"surrogate between good words", "\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80edited", 12, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c utf8text.Checker
			if bad := c.Check([]byte(tt.in)); bad != tt.bad {
				t.Errorf("% x fails at %d, want %d", tt.in, bad, tt.bad)
			}
			if c.Complete() != tt.complete {
				t.Errorf("% x: complete is %v, want %v", tt.in, c.Complete(), tt.complete)
			}
		})
	}
}

// After a failure every further piece fails, until Reset.
func TestCheckerSticks(t *testing.T) {
	for _, next := range []string{"a", "\x80", strings.Repeat("a", 600), strings.Repeat("é", 600)} {
		var c utf8text.Checker
		c.Check([]byte("abc\xFF"))
		if bad := c.Check([]byte(next)); bad != 0 {
			t.Errorf("%d bytes after a failure fail at %d, want 0", len(next), bad)
		}
		if bad := c.Check(nil); bad != -1 {
			t.Errorf("nothing at all fails at %d", bad)
		}
		if c.Complete() {
			t.Error("a text that failed is complete")
		}
		c.Reset()
		if bad := c.Check([]byte("é")); bad != -1 || !c.Complete() {
			t.Errorf("after reset a good text fails at %d, complete %v", bad, c.Complete())
		}
	}
}

func TestCheckerSize(t *testing.T) {
	if size := reflect.TypeFor[utf8text.Checker]().Size(); size > 8 {
		t.Errorf("a checker takes %d bytes, and every connection has one: want 8 at most", size)
	}
}

// Every input of one, two and three bytes. The third byte goes to a copy of the
// Checker that had the first two. Otherwise this would take a minute.
func TestCheckerShortInputs(t *testing.T) {
	for a := range 256 {
		checkAgainstTwin(t, []byte{byte(a)})
		for b := range 256 {
			p := []byte{byte(a), byte(b), 0}
			checkAgainstTwin(t, p[:2])
			var two utf8text.Checker
			bad := two.Check(p[:2])
			for x := range 256 {
				p[2] = byte(x)
				three, at := two, bad
				if at < 0 && three.Check(p[2:]) == 0 {
					at = 2
				}
				if three.Complete() != utf8.Valid(p) {
					t.Fatalf("% x: complete is %v, unicode/utf8 says %v", p, three.Complete(), utf8.Valid(p))
				}
				if want, _ := twin(p); at != want {
					t.Fatalf("% x fails at %d, want %d", p, at, want)
				}
			}
		}
	}
}

// Every lead and second byte of four-byte sequences, with the bytes at the
// edges of the ranges behind them.
func TestCheckerFourBytes(t *testing.T) {
	edges := []byte{0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xF4, 0xFF}
	for lead := 0xE0; lead < 256; lead++ {
		for second := range 256 {
			for _, third := range edges {
				for _, fourth := range edges {
					checkAgainstTwin(t, []byte{byte(lead), byte(second), third, fourth})
				}
			}
		}
	}
}

// Every pair of cuts in texts good and bad.
func TestCheckerSplits(t *testing.T) {
	for _, s := range []string{
		"aé€😀z",
		"ASCII that fills words and then é",
		"\U0010FFFF\U00010000\uD7FF\uE000\u0800",
		"a\xF0\x9F\x98",
		"€\xED\xA0\x80",
		"😀\xF4\x90\x80\x80",
		"ab\xC0\x80",
		"é\xE2\x82\xE2\x82\xAC",
	} {
		p := []byte(s)
		for i := range len(p) + 1 {
			for j := i; j <= len(p); j++ {
				checkAgainstTwin(t, p, i, j)
			}
		}
	}
}

// texts are texts that take each of the fast paths, made the same in every run.
var texts = []struct{ name, words string }{
	{"ascii", "the quick brown fox jumps over a lazy dog while frames of text go by"},
	{"rare", strings.Repeat("plain words of a long and patient english letter ", 6) + "naïve"},
	{"latin", "où être déjà à côté français élève naïf garçon même le chat dans la maison noël"},
	{"cyrillic", "привет мир сообщение сеть протокол сервер клиент"},
	{"cjk", "世界 你好 中文 网络 套接字 数据 消息 协议 服务器 客户端"},
	{"emoji", "😀 🎉 🚀 ok 👍"},
	{"mixed", "hello 世界 où message 你好 déjà protocol payload 数据 the привет 😀 json frame"},
}

// makeText draws words until it has size bytes, and ends with a whole
// character.
func makeText(words string, size int) []byte {
	random := rand.New(rand.NewSource(int64(size)))
	list := strings.Fields(words)
	var p []byte
	for len(p) < size {
		p = append(p, list[random.Intn(len(list))]...)
		p = append(p, ' ')
	}
	for p = p[:size]; !utf8.Valid(p); {
		p = p[:len(p)-1]
	}
	return p
}

// One wrong byte at each place of a text that is long enough for two lanes, in
// one piece and in two.
func TestCheckerLongTexts(t *testing.T) {
	for _, text := range texts {
		t.Run(text.name, func(t *testing.T) {
			random := rand.New(rand.NewSource(1))
			p := makeText(text.words, 2*utf8text.Lane+utf8text.Slack+300)
			for i := range p {
				checkAgainstTwin(t, p[:i])
				checkAgainstTwin(t, p[i:])
				right := p[i]
				for _, wrong := range []byte{'a', 0x80, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xFF} {
					p[i] = wrong
					checkAgainstTwin(t, p)
					checkAgainstTwin(t, p, random.Intn(len(p)))
				}
				p[i] = right
			}
		})
	}
}

// The place where the second lane begins, with each number of continuation
// bytes around it.
func TestCheckerLaneBoundary(t *testing.T) {
	for _, s := range []string{"é", "€", "😀", "\x80\x80\x80\x80\x80", "\xF0\x9F\x98", "\xE2\x82", "\xF0\x9F\x98\x80\x80"} {
		for size := 2*utf8text.Step + utf8text.Slack; size < 2*utf8text.Lane+40; size++ {
			half := min(utf8text.Lane, (size-utf8text.Slack)/2&^7)
			for at := half - len(s) - 1; at < half+utf8text.Slack; at++ {
				// é before it keeps the text from being taken for ASCII.
				p := []byte("é" + strings.Repeat("a", size-2))
				copy(p[max(at, 2):], s)
				checkAgainstTwin(t, p)
			}
		}
	}
}

func FuzzUTF8(f *testing.F) {
	for _, text := range texts {
		f.Add(makeText(text.words, 300), uint16(100), uint16(7))
	}
	f.Add([]byte("\xED\xA0\x80"), uint16(1), uint16(1))
	f.Add([]byte("\xF4\x90"), uint16(0), uint16(1))
	f.Fuzz(func(t *testing.T, p []byte, first, second uint16) {
		i := int(first) % (len(p) + 1)
		j := i + int(second)%(len(p)-i+1)
		checkAgainstTwin(t, p)
		checkAgainstTwin(t, p, i, j)
		if _, complete := twin(p); complete != utf8.Valid(p) {
			t.Fatalf("% x: the slow twin itself says %v, utf8.Valid does not", p, complete)
		}
	})
}

func TestCheckerAllocs(t *testing.T) {
	p := makeText(texts[len(texts)-1].words, 4096)
	var c utf8text.Checker
	if n := testing.AllocsPerRun(100, func() { c.Check(p); c.Reset() }); n != 0 {
		t.Errorf("%v allocations per check, want 0", n)
	}
}

func BenchmarkUTF8(b *testing.B) {
	for _, size := range []int{125, 1024, 65536} {
		for _, text := range texts {
			p := makeText(text.words, size)
			run := func(name string, f func() bool) {
				b.Run(fmt.Sprintf("size=%d/text=%s/%s", size, text.name, name), func(b *testing.B) {
					b.SetBytes(int64(len(p)))
					for b.Loop() {
						if !f() {
							b.Fatal("the text is valid")
						}
					}
				})
			}
			run("checker", func() bool {
				var c utf8text.Checker
				return c.Check(p) < 0 && c.Complete()
			})
			run("Valid", func() bool { return utf8.Valid(p) })
		}
	}
}
