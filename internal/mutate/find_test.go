package main

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

func parse(t *testing.T, src string) *sourceFile {
	t.Helper()
	f, err := parseSource(&pkg{path: "p"}, "p.go", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	f.mutations = findMutations(f, constantSwaps([]*ast.File{f.ast}))
	return f
}

// changes lists what the mutations make of a source, kind by kind.
func changes(f *sourceFile) []string {
	var all []string
	for _, m := range f.mutations {
		before, after := m.diff()
		all = append(all, string(m.kind)+": "+before+" → "+after)
	}
	return all
}

func TestFindMutations(t *testing.T) {
	for name, test := range map[string]struct {
		line string // of a function
		want []string
	}{
		"comparison": {"return x < y", []string{"operator: return x < y → return x <= y"}},
		"arithmetic": {"return x*y + z", []string{"operator: return x*y + z → return x/y + z", "operator: return x*y + z → return x*y - z"}},
		"bits":       {"return x<<y &^ z", []string{"operator: return x<<y &^ z → return x>>y &^ z", "operator: return x<<y &^ z → return x<<y & z"}},
		"logic":      {"return x && y", []string{"operator: return x && y → return x || y"}},
		"minus":      {"return -x", []string{"operator: return -x → return x"}},
		"not":        {"return !x", []string{"condition: return !x → return x"}},
		"address":    {"return &x", nil},
		"integer":    {"return 10", []string{"bound: return 10 → return 11", "bound: return 10 → return 9"}},
		"hex":        {"return 0x80", []string{"bound: return 0x80 → return 0x81", "bound: return 0x80 → return 0x7f"}},
		"zero":       {"return 0", []string{"bound: return 0 → return 1"}},
		"separated":  {"return 1_000", []string{"bound: return 1_000 → return 1001", "bound: return 1_000 → return 999"}},
		"too large":  {"return 0xFFFFFFFFFFFFFFFF", nil},
		"float":      {"return 1.5", nil},
		"slice": {"return x[f(y):]", []string{
			"bound: return x[f(y):] → return x[(f(y))+1:]", "bound: return x[f(y):] → return x[(f(y))-1:]"}},
		"slice by a literal": {"return x[:0]", []string{"bound: return x[:0] → return x[:1]"}},
		"assignment": {"x = y; return", []string{
			"statement: x = y; return → {}; return"}},
		"addition":       {"x += y; return", []string{"statement: x += y; return → {}; return", "operator: x += y; return → x -= y; return"}},
		"increment":      {"x++; return", []string{"statement: x++; return → {}; return", "operator: x++; return → x--; return"}},
		"declaration":    {"x := y; return x", nil},
		"discarded":      {"_ = y; return", nil},
		"discarded call": {"_ = f(); return", []string{"statement: _ = f(); return → {}; return"}},
		"call":           {"f(); return", []string{"statement: f(); return → {}; return"}},
		"defer, go, send": {"defer f(); go f(); c <- x; return", []string{
			"statement: defer f(); go f(); c <- x; return → {}; go f(); c <- x; return",
			"statement: defer f(); go f(); c <- x; return → defer f(); {}; c <- x; return",
			"statement: defer f(); go f(); c <- x; return → defer f(); go f(); {}; return"}},
		"if": {"if f() { return x }; return y", []string{
			"condition: if f() { return x }; return y → if !(f()) { return x }; return y",
			"return: if f() { return x }; return y → if f() { {} }; return y"}},
		"if not": {"if !f() { g() }", []string{
			"condition: if !f() { g() } → if f() { g() }", "statement: if !f() { g() } → if !f() { {} }"}},
		"if equal": {"if (x == y) { x := z }", []string{"operator: if (x == y) { x := z } → if (x != y) { x := z }"}},
		"for": {"for x < y { break }", []string{
			"condition: for x < y { break } → for !(x < y) { break }",
			"operator: for x < y { break } → for x <= y { break }",
			"return: for x < y { break } → for x < y { {} }"}},
		"for ever": {"for { continue }", []string{"return: for { continue } → for { {} }"}},
		"switch": {"switch { case f(), x == y: f() }", []string{
			"condition: switch { case f(), x == y: f() } → switch { case !(f()), x == y: f() }",
			"operator: switch { case f(), x == y: f() } → switch { case f(), x != y: f() }",
			"statement: switch { case f(), x == y: f() } → switch { case f(), x == y: {} }"}},
		"switch on a value": {"switch x { case y: }", nil},
		"select":            {"select { case <-c: f() }", []string{"statement: select { case <-c: f() } → select { case <-c: {} }"}},
		"last return":       {"func() { return }(); return", []string{"statement: func() { return }(); return → {}; return"}},
		"true":              {"return true", []string{"constant: return true → return false"}},
		"constant":          {"return first", []string{"constant: return first → return second"}},
		"last constant":     {"return second", []string{"constant: return second → return first"}},
		"lonely constant":   {"return lonely", nil},
		"other's constant":  {"return x.first", nil},
		"parameter":         {"return func(first int) {}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, "package p\nconst (\nfirst kind = iota\nsecond\n)\nconst lonely = iota\nfunc f() {\n"+test.line+"\n}\n")
			if got := changes(f); !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

func TestConstantSwaps(t *testing.T) {
	f := parse(t, `package p
const (
	a kind = iota
	_
	b
	c other = iota + 1
	d
	e = c
)
const f kind = 7
const (
	g = 1
	h = 2
)
const i = 3
`)
	got := constantSwaps([]*ast.File{f.ast})
	want := map[string]string{"true": "false", "false": "true",
		"a": "b", "b": "f", "f": "a", "c": "d", "d": "c", "g": "h", "h": "g"}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s becomes %q, want %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMutationInSeveralLines(t *testing.T) {
	f := parse(t, "package p\n\nfunc f() {\n\tg(a,\n\t\tb)\n\th()\n}\n")
	m := f.mutations[0]
	before, after := m.diff()
	if before != "g(a, b)" || after != "{}" || m.line() != 4 {
		t.Errorf("line %d: %q becomes %q, want line 4: g(a, b) becomes {}", m.line(), before, after)
	}
	if got, want := string(m.apply()), "package p\n\nfunc f() {\n\t{}\n\th()\n}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A fingerprint tells apart what is changed, and where lines alone do not tell,
// but does not change when other lines do.
func TestFingerprints(t *testing.T) {
	body := "func f() {\n\tx(a < b)\n}\nfunc (t *T) g() {\n\tx(a < b)\n\tx(a < b)\n}\n"
	fingerprints := func(f *sourceFile) (all []string) {
		for _, m := range f.mutations {
			all = append(all, m.fingerprint)
		}
		return all
	}
	first := fingerprints(parse(t, "package p\n"+body))
	sorted := slices.Clone(first)
	slices.Sort(sorted)
	if len(sorted) != 6 || len(slices.Compact(sorted)) != 6 {
		t.Errorf("fingerprints %q, want 6 that differ", first)
	}
	moved := strings.ReplaceAll(body, "\tx(a < b)", "\n// comment\n\t\tx(a  <  b)")
	if again := fingerprints(parse(t, "package p\nvar y int\n"+moved)); !slices.Equal(first, again) {
		t.Errorf("%q became %q when lines were moved", first, again)
	}
}

func TestCodeLines(t *testing.T) {
	f := parse(t, "// Package p\npackage p\n\n/* more\ncomment */\nvar x = []int{ // here\n\t1,\n}\n")
	if f.lines != 4 {
		t.Errorf("%d lines of code, want 4", f.lines)
	}
}
