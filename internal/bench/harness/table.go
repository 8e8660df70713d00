package harness

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table says how results are shown: a column for each value of one parameter,
// a row for each combination of the others.
type Table struct {
	Bench  string // which results
	Title  string
	Note   string // below the title
	Column string // parameter; empty means "lib"
	Ours   string // column that is compared; empty means "ours"
	Floor  string // column of the roofline, if there is one
	Cells  []Cell // kinds of rows
	Alone  bool   // no column is a peer
	Apart  bool   // the roofline does other work, and nothing is compared with it
}

// Cell says what is shown of a result.
type Cell struct {
	Unit   string
	Label  string  // in each row, if there are several kinds
	Scale  float64 // is multiplied with; 0 means 1
	Higher bool    // higher is better
	Beside string  // unit of what is shown in brackets beside it, if any

	BesideScale float64

	Spread    bool // show in brackets from the least to the most, in percent of the median
	OverFloor bool // show by how much the others exceed the roofline, without ratios
}

// Markdown returns the table of those results that belong in it, medians where
// there are several, or "" if there are none.
func (t Table) Markdown(results []Result) string {
	g := t.group(results)
	if len(g.rows) == 0 {
		return ""
	}
	header := append([]string{""}, g.columns...)
	has := slices.Contains(g.columns, t.ours())
	peers, floor := has && g.hasPeers(t), has && slices.Contains(g.columns, t.Floor) && !t.Apart
	if peers {
		header = append(header, t.ours()+" / best peer")
	}
	if floor {
		header = append(header, t.ours()+" / "+t.Floor)
	}
	lines := [][]string{header}
	for _, cell := range t.Cells {
		for _, row := range g.rows {
			lines = append(lines, t.line(g, row, cell, peers, floor))
		}
	}
	title := ""
	if t.Title != "" {
		title = "**" + t.Title + "**\n\n"
	}
	if t.Note != "" {
		title += t.Note + "\n\n"
	}
	return title + align(lines)
}

func (t Table) line(g groups, row string, cell Cell, peers, floor bool) []string {
	line := []string{strings.Trim(row+", "+cell.Label, ", ")}
	value := func(column string) (float64, bool) {
		v, ok := g.value(row, column, cell.Unit)
		if cell.OverFloor {
			base, has := g.value(row, t.Floor, cell.Unit)
			v, ok = v-base, ok && has && column != t.Floor
		}
		return v * cmp.Or(cell.Scale, 1), ok
	}
	for _, column := range g.columns {
		text := "-"
		if v, ok := value(column); ok {
			text = Number(v) + g.beside(row, column, cell)
		}
		line = append(line, text)
	}
	ours, ok := value(t.ours())
	ok = ok && !cell.OverFloor
	if peers {
		line = append(line, ratio(ours, ok, t.best(g, value, cell.Higher)))
	}
	if floor {
		v, _ := value(t.Floor)
		line = append(line, ratio(ours, ok, v))
	}
	return line
}

// best is the value of the best peer, or 0.
func (t Table) best(g groups, value func(string) (float64, bool), higher bool) float64 {
	best := 0.0
	for _, column := range g.columns {
		v, ok := value(column)
		if ok && t.isPeer(column) && v > 0 && (best == 0 || (v > best) == higher) {
			best = v
		}
	}
	return best
}

func (t Table) column() string { return cmp.Or(t.Column, "lib") }
func (t Table) ours() string   { return cmp.Or(t.Ours, "ours") }

// isPeer reports whether a column is another package: neither the roofline nor
// this one in any of its forms.
func (t Table) isPeer(column string) bool {
	return !t.Alone && column != t.Floor && column != t.ours() && !strings.HasPrefix(column, t.ours()+"-")
}

func ratio(a float64, ok bool, b float64) string {
	if !ok || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// groups are results by row and column, both in the order of appearance.
type groups struct {
	rows, columns []string
	values        map[[3]string][]float64 // by row, column, unit
}

func (t Table) group(results []Result) groups {
	g := groups{values: map[[3]string][]float64{}}
	for _, r := range results {
		if r.Bench != t.Bench {
			continue
		}
		var row []string
		for _, p := range r.Params {
			if p.Key != t.column() {
				row = append(row, p.Key+" "+p.Value)
			}
		}
		at := [3]string{strings.Join(row, ", "), r.Param(t.column())}
		g.rows, g.columns = addNew(g.rows, at[0]), addNew(g.columns, at[1])
		for unit, v := range r.Metrics {
			at[2] = unit
			g.values[at] = append(g.values[at], v)
		}
	}
	return g
}

// Times returns how often what the table has was measured, at least and at most.
func (t Table) Times(results []Result) (least, most int) {
	times := map[string]int{}
	for _, r := range results {
		if r.Bench == t.Bench {
			times[fmt.Sprint(r.Params)]++
		}
	}
	for _, n := range times {
		if least == 0 || n < least {
			least = n
		}
		most = max(most, n)
	}
	return least, most
}

func addNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (g groups) hasPeers(t Table) bool { return slices.ContainsFunc(g.columns, t.isPeer) }

func (g groups) value(row, column, unit string) (float64, bool) {
	vs := g.values[[3]string{row, column, unit}]
	return Median(vs), len(vs) > 0
}

// beside is what a cell has in brackets.
func (g groups) beside(row, column string, cell Cell) string {
	if v, ok := g.value(row, column, cell.Beside); ok {
		return " (" + Number(v*cmp.Or(cell.BesideScale, 1)) + ")"
	}
	vs := g.values[[3]string{row, column, cell.Unit}]
	if median := Median(vs); cell.Spread && len(vs) > 1 && median > 0 {
		return fmt.Sprintf(" (%.0f..%.0f%%)", vs[0]/median*100, vs[len(vs)-1]/median*100)
	}
	return ""
}

// Number formats v with three digits that count.
func Number(v float64) string {
	a := math.Abs(v)
	switch {
	case a >= 99.95 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// align makes Markdown of lines, the first being the header, that can be read
// on a terminal as well.
func align(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, s := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(s))
		}
	}
	var b strings.Builder
	for n, line := range lines {
		for i, s := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(s))
			if i == 0 {
				b.WriteString("| " + s + pad + " |")
			} else {
				b.WriteString(" " + pad + s + " |")
			}
		}
		b.WriteByte('\n')
		if n == 0 {
			for i, w := range widths {
				b.WriteString("|" + strings.Repeat("-", w+1))
				b.WriteString(map[bool]string{true: "-", false: ":"}[i == 0])
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}
