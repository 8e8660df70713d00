package harness

import (
	"cmp"
	"fmt"
	"html"
	"strings"
)

// Panel is a group of bars with a scale of its own.
type Panel struct {
	Title string
	Bars  []Bar
}

// Bar is one value. Its kind decides the colour.
type Bar struct {
	Label string
	Value float64
	Kind  BarKind
}

// BarKind tells this package and the roofline from the peers.
type BarKind int

// The kinds of bars.
const (
	Peer BarKind = iota
	Ours
	Floor
)

var barColours = [...]string{Peer: "#7f9bb8", Ours: "#c8500a", Floor: "#9a9a9a"}

const (
	plotWidth  = 720
	labelWidth = 120
	valueWidth = 70
	barHeight  = 18
)

// SVG draws panels of horizontal bars below each other.
func SVG(title, unit string, panels []Panel) string {
	var body strings.Builder
	y := 52
	for _, p := range panels {
		y = p.draw(&body, y)
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="#ffffff"/>
<text x="12" y="24" font-size="16" font-weight="bold">%s</text>
<text x="12" y="42" fill="#555555">%s; shorter is better</text>
%s</svg>
`, plotWidth, y+8, html.EscapeString(title), html.EscapeString(unit), body.String())
}

// draw draws p from y down and returns where it ends.
func (p Panel) draw(b *strings.Builder, y int) int {
	y += 20
	fmt.Fprintf(b, "<text x=\"12\" y=\"%d\" font-weight=\"bold\">%s</text>\n", y, html.EscapeString(p.Title))
	y += 8
	longest := 0.0
	for _, bar := range p.Bars {
		longest = max(longest, bar.Value)
	}
	for _, bar := range p.Bars {
		width := 0.0
		if longest > 0 {
			width = max(bar.Value, 0) / longest * (plotWidth - labelWidth - valueWidth)
		}
		fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", labelWidth-8, y+13, html.EscapeString(bar.Label))
		fmt.Fprintf(b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", labelWidth, y+1, width, barHeight-3, barColours[bar.Kind])
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", labelWidth+width+6, y+13, Number(bar.Value))
		y += barHeight
	}
	return y + 6
}

// Panel returns the bars of one row of the table: the results that have all the
// parameters given.
func (t Table) Panel(title string, results []Result, params ...Param) Panel {
	var row []Result
	for _, r := range results {
		if r.matches(params) {
			row = append(row, r)
		}
	}
	p, cell, g := Panel{Title: title}, t.Cells[0], t.group(row)
	if len(g.rows) == 0 {
		return p
	}
	for _, column := range g.columns {
		bar := Bar{Label: column}
		switch v, _ := g.value(g.rows[0], column, cell.Unit); {
		case column == t.Floor:
			bar.Value, bar.Kind = v, Floor
		case t.isPeer(column):
			bar.Value = v
		default:
			bar.Value, bar.Kind = v, Ours
		}
		bar.Value *= cmp.Or(cell.Scale, 1)
		p.Bars = append(p.Bars, bar)
	}
	return p
}

func (r Result) matches(params []Param) bool {
	for _, p := range params {
		if r.Param(p.Key) != p.Value {
			return false
		}
	}
	return true
}
