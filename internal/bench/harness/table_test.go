package harness

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// some returns results of one benchmark, the median of which is v.
func some(lib string, size int, v float64) []Result {
	var all []Result
	for _, v := range []float64{v / 2, v, v * 10} {
		all = append(all, NewResult("Echo", 1, map[string]float64{"ns": v, "allocs": 2}, "size", size, "lib", lib))
	}
	return all
}

func examples() (all []Result) {
	for _, lib := range []struct {
		name string
		v    float64
	}{{"raw", 1000}, {"ours", 2000}, {"ours-slow", 500}, {"a", 4000}, {"b", 8000}} {
		all = append(all, some(lib.name, 16, lib.v)...)
	}
	return append(all, some("ours", 125, 3000)...)
}

func TestTableMarkdown(t *testing.T) {
	for _, tt := range []struct {
		name  string
		table Table
		want  []string // cells of each line
	}{
		{"ratios", Table{Bench: "Echo", Floor: "raw", Cells: []Cell{{Unit: "ns", Scale: 1e-3}}}, []string{
			"  raw ours ours-slow a b ours / best peer ours / raw",
			"size 16 1 2 0.50 4 8 0.50 2.00",
			"size 125 - 3 - - - - -",
		}},
		{"higher is better", Table{Bench: "Echo", Cells: []Cell{{Unit: "ns", Higher: true}}}, []string{
			"  raw ours ours-slow a b ours / best peer",
			"size 16 1000 2000 500 4000 8000 0.25",
			"size 125 - 3000 - - - -",
		}},
		{"two kinds of rows", Table{Bench: "Echo", Alone: true, Cells: []Cell{{Unit: "ns", Label: "time", Beside: "allocs"}, {Unit: "allocs"}}}, []string{
			"  raw ours ours-slow a b",
			"size 16, time 1000 (2) 2000 (2) 500 (2) 4000 (2) 8000 (2)",
			"size 125, time - 3000 (2) - - -",
			"size 16 2 2 2 2 2",
			"size 125 - 2 - - -",
		}},
		{"over the floor", Table{Bench: "Echo", Floor: "raw", Cells: []Cell{{Unit: "ns"}, {Unit: "ns", Label: "over", OverFloor: true, Beside: "allocs"}}}, []string{
			"  raw ours ours-slow a b ours / best peer ours / raw",
			"size 16 1000 2000 500 4000 8000 0.50 2.00",
			"size 125 - 3000 - - - - -",
			"size 16, over - 1000 (2) -500 (2) 3000 (2) 7000 (2) - -",
			"size 125, over - - - - - - -",
		}},
		{"apart from the floor", Table{Bench: "Echo", Floor: "raw", Apart: true, Cells: []Cell{{Unit: "ns", Spread: true}}}, []string{
			"  raw ours ours-slow a b ours / best peer",
			"size 16 1000 (50..1000%) 2000 (50..1000%) 500 (50..1000%) 4000 (50..1000%) 8000 (50..1000%) 0.50",
			"size 125 - 3000 (50..1000%) - - - -",
		}},
		{"ours is missing", Table{Bench: "Echo", Column: "size", Cells: []Cell{{Unit: "allocs"}}}, []string{
			"  16 125", "lib raw 2 -", "lib ours 2 2", "lib ours-slow 2 -", "lib a 2 -", "lib b 2 -",
		}},
		{"other benchmark", Table{Bench: "Other", Cells: []Cell{{Unit: "ns"}}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := cellsOf(tt.table.Markdown(examples()))
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// cellsOf drops the lines and the padding of a table in Markdown.
func cellsOf(table string) (lines []string) {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "|-") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|\n"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if cells[0] == "" {
			cells[0] = " "
		}
		lines = append(lines, strings.Join(cells, " "))
	}
	return lines
}

func TestTableAligned(t *testing.T) {
	s := Table{Bench: "Echo", Title: "µs", Note: "of a message", Cells: []Cell{{Unit: "ns"}}}.Markdown(examples())
	parts := strings.Split(s, "\n\n")
	table := parts[len(parts)-1]
	if strings.Join(parts[:len(parts)-1], "|") != "**µs**|of a message" {
		t.Errorf("before the table: %q", parts)
	}
	lines := strings.Split(strings.TrimSpace(table), "\n")
	for _, line := range lines {
		if len(line) != len(lines[0]) {
			t.Errorf("lines differ in length:\n%s", table)
			break
		}
	}
}

func TestTimes(t *testing.T) {
	table := Table{Bench: "Echo"}
	all := append(examples(), NewResult("Echo", 1, nil, "size", 125, "lib", "a"), NewResult("Other", 1, nil))
	if least, most := table.Times(all); least != 1 || most != 3 {
		t.Errorf("measured %d to %d times, want 1 to 3", least, most)
	}
	if least, most := table.Times(nil); least != 0 || most != 0 {
		t.Errorf("nothing was measured %d to %d times", least, most)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 3: "3", 0.123: "0.12", 9.994: "9.99", 12.34: "12.3", 99.94: "99.9", 123.4: "123", -1842.3: "-1842"} {
		if got := Number(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

func TestSVG(t *testing.T) {
	table := Table{Bench: "Echo", Floor: "raw", Cells: []Cell{{Unit: "ns", Scale: 1e-3}}}
	p := table.Panel("16 bytes", examples(), Param{"size", "16"})
	kinds := map[string]BarKind{"raw": Floor, "ours": Ours, "ours-slow": Ours, "a": Peer, "b": Peer}
	for _, bar := range p.Bars {
		if kinds[bar.Label] != bar.Kind {
			t.Errorf("%s is of kind %d", bar.Label, bar.Kind)
		}
	}
	if len(p.Bars) != len(kinds) || p.Bars[1].Value != 2 {
		t.Errorf("bars: %v", p.Bars)
	}
	s := SVG("a < b", "µs & more", []Panel{p, table.Panel("none", nil)})
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, s)
		}
	}
	// The longest bar fills the width, the others are in proportion.
	for _, want := range []string{`width="530.0"`, `width="132.5"`, ">8</text>", "a &lt; b"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %s in\n%s", want, s)
		}
	}
}

func TestRotate(t *testing.T) {
	list := strings.Split("abcdefghijklmn", "")
	for length := range list {
		pairs := map[string]bool{}
		for n := range 3 {
			got := Rotate(list[:length], n)
			if sorted := slices.Sorted(slices.Values(got)); !slices.Equal(sorted, list[:length]) {
				t.Errorf("round %d of %d is %v", n, length, got)
			}
			for i := range max(length-1, 0) {
				// 6 and fewer than 5 have no three orders.
				if pair := got[i] + got[i+1]; pairs[pair] && length > 6 {
					t.Errorf("%s stands in two rounds of %d, now %v", pair, length, got)
				}
				pairs[got[i]+got[i+1]] = true
			}
		}
	}
}
