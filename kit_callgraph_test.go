package websocket_test

import (
	"cmp"
	"fmt"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A callGraph says which files of one package call functions of which others.
//
// Naming a function or method of the package counts as a call, so a method
// value is one, and so is a function that is stored in a variable. A call
// through an interface of the package counts for every file that implements the
// method. Naming a type, a constant or a variable is not a call.
type callGraph struct {
	files      []string                       // sorted, without the directory
	calls      map[string]map[string]fileCall // the first call, by the caller's file and the callee's
	imports    map[string][]string            // by file
	connCalls  map[string][]fileCall          // calls of net.Conn's I/O methods, by file
	hooks      []string                       // unexported fields and variables that hold a function
	unresolved []fileCall                     // of an exported method, on a value whose type is unknown
}

// A fileCall is a call whose caller and callee are in different files.
type fileCall struct {
	at             token.Position
	caller, callee string // such as "func New", "method (*Conn).Close" or "var table"
}

// callees returns the files that a file calls, sorted.
func (g *callGraph) callees(file string) []string {
	return slices.Sorted(maps.Keys(g.calls[file]))
}

func (g *callGraph) edges() int {
	n := 0
	for _, callees := range g.calls {
		n += len(callees)
	}
	return n
}

// pairs returns the pairs of files that call each other.
func (g *callGraph) pairs() [][2]string {
	var pairs [][2]string
	for _, a := range g.files {
		for _, b := range g.callees(a) {
			if _, back := g.calls[b][a]; back && a < b {
				pairs = append(pairs, [2]string{a, b})
			}
		}
	}
	return pairs
}

// tangles returns the largest sets of files in which each can reach each other
// one, sets of one file left out. There is none if there is no cycle.
func (g *callGraph) tangles() [][]string {
	var tangles [][]string
	done := make(map[string]bool)
	for _, a := range g.files {
		if done[a] {
			continue
		}
		var tangle []string
		for b := range g.reach(a) {
			if g.reach(b)[a] {
				tangle = append(tangle, b)
				done[b] = true
			}
		}
		if len(tangle) > 1 {
			slices.Sort(tangle)
			tangles = append(tangles, tangle)
		}
	}
	slices.SortStableFunc(tangles, func(a, b []string) int { return cmp.Compare(len(b), len(a)) })
	return tangles
}

// reach returns the files that calls lead to from a file.
func (g *callGraph) reach(from string) map[string]bool {
	reached := make(map[string]bool)
	next := []string{from}
	for len(next) > 0 {
		file := next[0]
		next = next[1:]
		for callee := range g.calls[file] {
			if !reached[callee] {
				reached[callee] = true
				next = append(next, callee)
			}
		}
	}
	return reached
}

// cycle returns a shortest cycle of at least three of the files, which begins
// and ends with the same one, or nil if there is none.
func (g *callGraph) cycle(files []string) []string {
	var shortest []string
	for _, from := range files {
		for _, second := range g.callees(from) {
			way := g.way(second, from)
			if way != nil && (shortest == nil || len(way)+1 < len(shortest)) {
				shortest = append([]string{from}, way...)
			}
		}
	}
	return shortest
}

// way returns a shortest way from one file to another that is longer than one
// call, or nil.
func (g *callGraph) way(from, to string) []string {
	before := map[string]string{from: ""}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		for _, callee := range g.callees(next[0]) {
			if _, seen := before[callee]; seen || next[0] == from && callee == to {
				continue
			}
			before[callee] = next[0]
			if callee == to {
				return trace(before, to)
			}
			next = append(next, callee)
		}
	}
	return nil
}

func trace(before map[string]string, file string) []string {
	var way []string
	for ; file != ""; file = before[file] {
		way = append(way, file)
	}
	slices.Reverse(way)
	return way
}

// path describes a way along the calls, such as
//
//	a.go:12 (func F) → b.go:34 (func G … func H) → a.go (func K)
//
// where the call from F to G stands in line 12 of a.go.
func (g *callGraph) path(files ...string) string {
	var b strings.Builder
	entered := ""
	for i, file := range files[:len(files)-1] {
		call := g.calls[file][files[i+1]]
		within := call.caller
		if entered != "" && entered != within {
			within = entered + " … " + within
		}
		fmt.Fprintf(&b, "%s:%d (%s) → ", file, call.at.Line, within)
		entered = call.callee
	}
	fmt.Fprintf(&b, "%s (%s)", files[len(files)-1], entered)
	return b.String()
}

// circles describes every pair of files that call each other, and a cycle for
// each tangle that has a longer one.
func (g *callGraph) circles() []string {
	var found []string
	for _, pair := range g.pairs() {
		found = append(found, fmt.Sprintf("%s and %s call each other: %s", pair[0], pair[1], g.path(pair[0], pair[1], pair[0])))
	}
	for _, tangle := range g.tangles() {
		if cycle := g.cycle(tangle); cycle != nil {
			found = append(found, fmt.Sprintf("a cycle among %s: %s", strings.Join(tangle, " "), g.path(cycle...)))
		}
	}
	return found
}

// String returns all there is to see of the graph.
func (g *callGraph) String() string {
	var b strings.Builder
	tangles, pairs := g.tangles(), g.pairs()
	fmt.Fprintf(&b, "files %d, edges %d, strongly connected components of two files or more %d, pairs that call each other %d\n",
		len(g.files), g.edges(), len(tangles), len(pairs))
	for _, tangle := range tangles {
		fmt.Fprintf(&b, "component of %d: %s\n", len(tangle), strings.Join(tangle, " "))
	}
	for _, pair := range pairs {
		fmt.Fprintf(&b, "pair: %s ⇄ %s\n", pair[0], pair[1])
	}
	for _, circle := range g.circles() {
		fmt.Fprintf(&b, "circle: %s\n", circle)
	}
	for _, file := range g.files {
		fmt.Fprintf(&b, "%s → %s\n", file, cmp.Or(strings.Join(g.callees(file), " "), "nothing"))
	}
	for _, hook := range g.hooks {
		fmt.Fprintf(&b, "hook in %s\n", hook)
	}
	for _, call := range g.unresolved {
		fmt.Fprintf(&b, "taken for another package's: .%s in %s:%d (%s)\n", call.callee, filepath.Base(call.at.Filename), call.at.Line, call.caller)
	}
	return b.String()
}
