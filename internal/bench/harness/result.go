// Package harness is what the programs that measure have in common: starting
// servers as processes of their own, speaking to them, and results, tables and
// plots.
package harness

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Result is one measurement. On paper it is a line in the format of go test
// -bench, which benchstat reads too.
type Result struct {
	Bench   string // without the word Benchmark
	Params  []Param
	N       int
	Metrics map[string]float64 // by unit
}

// Param is a part of the name of a benchmark: key=value, or a plain word, whose
// key is "case".
type Param struct{ Key, Value string }

// NewResult makes a Result of keys and values in turn. Values are formatted as
// by fmt.Print.
func NewResult(bench string, n int, metrics map[string]float64, params ...any) Result {
	r := Result{Bench: bench, N: n, Metrics: metrics}
	for i := 0; i+1 < len(params); i += 2 {
		r.Params = append(r.Params, Param{fmt.Sprint(params[i]), fmt.Sprint(params[i+1])})
	}
	return r
}

// Param returns the value of a key, or "".
func (r Result) Param(key string) string {
	for _, p := range r.Params {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// String returns the line.
func (r Result) String() string {
	var b strings.Builder
	b.WriteString("Benchmark" + r.Bench)
	for _, p := range r.Params {
		fmt.Fprintf(&b, "/%s=%s", p.Key, p.Value)
	}
	fmt.Fprintf(&b, " %d", r.N)
	for _, unit := range slices.Sorted(maps.Keys(r.Metrics)) {
		fmt.Fprintf(&b, " %s %s", strconv.FormatFloat(r.Metrics[unit], 'g', 6, 64), unit)
	}
	return b.String()
}

// ParseResult reads a line of go test -bench. It reports false for all others.
func ParseResult(line string) (Result, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
		return Result{}, false
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		return Result{}, false
	}
	parts := strings.Split(strings.TrimPrefix(withoutProcs(fields[0]), "Benchmark"), "/")
	r := Result{Bench: parts[0], N: n, Metrics: map[string]float64{}}
	for _, part := range parts[1:] {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			key, value = "case", part
		}
		r.Params = append(r.Params, Param{key, value})
	}
	for i := 2; i < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return Result{}, false
		}
		r.Metrics[fields[i+1]] = v
	}
	return r, true
}

// withoutProcs drops GOMAXPROCS, which go test appends to a name.
func withoutProcs(name string) string {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name
	}
	if _, err := strconv.Atoi(name[i+1:]); err != nil {
		return name
	}
	return name[:i]
}

// Setting is a line "key: value" before results: the machine, a version.
type Setting struct{ Key, Value string }

// ReadResults reads what go test -bench prints, and what programs of this
// module print after it.
func ReadResults(r io.Reader) (settings []Setting, results []Result, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if result, ok := ParseResult(lines.Text()); ok {
			results = append(results, result)
		} else if key, value, ok := strings.Cut(lines.Text(), ": "); ok && !strings.Contains(key, " ") {
			settings = append(settings, Setting{key, value})
		}
	}
	return settings, results, lines.Err()
}

// Median returns the middle of vs, the mean of both if there are two, and 0 if
// there are none. It sorts vs.
func Median(vs []float64) float64 {
	slices.Sort(vs)
	n := len(vs)
	if n == 0 {
		return 0
	}
	return (vs[(n-1)/2] + vs[n/2]) / 2
}
