package harness

import (
	"strings"
	"testing"
)

func TestParseResult(t *testing.T) {
	for _, tt := range []struct {
		name, line, want string // want is the result as a line
	}{
		{"go test", "BenchmarkRead/size=16/lib=ours-8   \t 100\t 12.5 ns/op\t 0 allocs/op", "BenchmarkRead/size=16/lib=ours 100 0 allocs/op 12.5 ns/op"},
		{"one processor", "BenchmarkRead/lib=ours-write 100 12.5 ns/op", "BenchmarkRead/lib=ours-write 100 12.5 ns/op"},
		{"plain word", "BenchmarkMask/size=16/copy-2 100 12 MB/s", "BenchmarkMask/size=16/case=copy 100 12 MB/s"},
		{"no parameters", "BenchmarkMask-2 100 12 MB/s", "BenchmarkMask 100 12 MB/s"},
		{"name alone", "BenchmarkMask/size=16/copy-2", ""},
		{"no number", "BenchmarkMask was not run today", ""},
		{"no value", "BenchmarkMask 100 fast ns/op", ""},
		{"other line", "ok github.com/x/y 1.2 s more", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParseResult(tt.line)
			if ok != (tt.want != "") {
				t.Fatalf("is a result: %v", ok)
			}
			if ok && got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestReadResults(t *testing.T) {
	first := NewResult("Echo", 7, map[string]float64{"ns/op": 1.5}, "size", 16, "lib", "ours")
	text := "machine: two cores: slow\nPASS\n" + first.String() + "\nnot a key: value\n"
	settings, results, err := ReadResults(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(settings) != 1 || settings[0] != (Setting{"machine", "two cores: slow"}) {
		t.Errorf("settings: %v", settings)
	}
	if len(results) != 1 || results[0].String() != first.String() {
		t.Errorf("got %v, want what was written: %v", results, first)
	}
	if got := results[0].Param("lib"); got != "ours" || results[0].Param("none") != "" {
		t.Errorf("lib is %q", got)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		name string
		vs   []float64
		want float64
	}{
		{"none", nil, 0},
		{"one", []float64{3}, 3},
		{"even", []float64{9, 1, 2, 4}, 3},
		{"odd", []float64{9, 1, 4}, 4},
	} {
		if got := Median(tt.vs); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
