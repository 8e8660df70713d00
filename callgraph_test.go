package websocket_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// graphOf returns the graph of a package p whose files have these bodies, by
// name without .go.
func graphOf(t *testing.T, bodies map[string]string) *callGraph {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for name, body := range bodies {
		file, err := parser.ParseFile(fset, "/p/"+name+".go", "package p\n"+body, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return newCallGraph(fset, files, &stubImporter{imported: make(map[string]*types.Package)})
}

// What counts as a call from a.go to b.go.
func TestCallGraphEdges(t *testing.T) {
	for name, test := range map[string]struct {
		a, b string
		want string // what the call is said to be; empty if there is none
	}{
		"function":                 {"func f() { g() }", "func g() {}", "func f → func g"},
		"method":                   {"func f(x T) { x.m() }", "type T int; func (T) m() {}", "func f → method T.m"},
		"pointer's method":         {"func (x *T) f() { x.m() }", "type T int; func (*T) m() {}", "method (*T).f → method (*T).m"},
		"method value":             {"func f(x *T) func() { return x.m }", "type T int; func (*T) m() {}", "func f → method (*T).m"},
		"method expression":        {"var f = (*T).m", "type T int; func (*T) m() {}", "var f → method (*T).m"},
		"function value":           {"var table = []func(){g}", "func g() {}", "var table → func g"},
		"promoted method":          {"type S struct{ *T }; func f(s S) { s.m() }", "type T int; func (*T) m() {}", "func f → method (*T).m"},
		"within a closure":         {"func f() { func() { go g() }() }", "func g() {}", "func f → func g"},
		"generic function":         {"func f() { g(1) }", "func g[T any](T) {}", "func f → func g"},
		"generic type":             {"func f(x *T[int]) { x.m() }", "type T[P any] struct{}; func (*T[P]) m() {}", "func f → method (*T).m"},
		"interface":                {"type I interface { m() }; func f(i I) { i.m() }", "type T int; func (*T) m() {}", "func f → method (*T).m"},
		"interface's method value": {"type I interface { m() }; func f(i I) func() { return i.m }", "type T int; func (T) m() {}", "func f → method T.m"},
		"interface without a name": {"func f(i interface { m() }) { i.m() }", "type T int; func (T) m() {}", "func f → method T.m"},
		"embedded interface":       {"type I interface { m() }; type S struct { I }; func f(s S) { s.m() }", "type T int; func (T) m() {}", "func f → method T.m"},
		"interface by embedding":   {"type I interface { m() }; func f(i I) { i.m() }", "type base int; func (base) m() {}; type T struct { base }", "func f → method base.m"},
		"constraint":               {"type I interface { m() }; func f[P I](p P) { p.m() }", "type T int; func (T) m() {}", "func f → method T.m"},
		"interface with imported types": {`import "time"; type I interface { m(time.Time) error }; func f(i I) { i.m(x()) }; func x() time.Time`,
			`import "time"; type T int; func (T) m(time.Time) error { return nil }`, "func f → method T.m"},
		"with imported arguments":            {`import "os"; func f() { g(os.Args) }`, "func g([]string) {}", "func f → func g"},
		"as an imported function's argument": {`import "sync"; var f = sync.OnceFunc(g)`, "func g() {}", "var f → func g"},
		"on what sync/atomic returns":        {`import "sync/atomic"; func f(p *atomic.Pointer[T]) { p.Load().M() }`, "type T int; func (*T) M() {}", "func f → method (*T).M"},
		"on what sync.Pool returns":          {`import "sync"; var p sync.Pool; func f() { p.Get().(*T).M() }`, "type T int; func (*T) M() {}", "func f → method (*T).M"},
		"on what nobody knows":               {`import "os"; func f() { os.Unknown().m() }`, "type T int; func (*T) m() {}", "func f → method (*T).m"},
		"of init":                            {"func init() { g() }", "func g() {}", "func init → func g"},

		"a type":                 {"func f(x T) T { return T(x) }", "type T int; func (T) m() {}", ""},
		"a constant":             {"const f = c", "const c = 1", ""},
		"a variable":             {"func f() { v() }", "var v func()", ""},
		"a field that is a func": {"func f(t T) { t.hook() }", "type T struct { hook func() }", ""},
		"another package's":      {`import "os"; func f() { os.Exit(1) }`, "type T int; func (T) Exit(int) {}", ""},
		"on another package's":   {`import "os"; func f() { os.Stdout.Close() }`, "type T int; func (T) Close() error { return nil }", ""},
		"another method":         {"type I interface { m(); n() }; func f(i I) { i.m() }", "type T int; func (T) m() {}", ""},
		"a local that hides it":  {"func f() { g := func() {}; g() }", "func g() {}", ""},
		"back only":              {"func f() {}", "func g() { f() }", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := graphOf(t, map[string]string{"a": test.a, "b": test.b})
			got := ""
			if call, ok := g.calls["a.go"]["b.go"]; ok {
				got = call.caller + " → " + call.callee
			}
			if got != test.want {
				t.Errorf("a.go %s\nb.go %s\ngot  %q\nwant %q", test.a, test.b, got, test.want)
			}
		})
	}
}

func TestCallGraphCircles(t *testing.T) {
	for name, test := range map[string]struct {
		bodies map[string]string
		want   []string
	}{
		"none": {map[string]string{
			"a": "func a() { b(); c(); a() }",
			"b": "func b() { c(); d() }",
			"c": "func c() { d() }",
			"d": "func d() {}",
		}, nil},
		"one file": {map[string]string{"a": "func a() { b() }; func b() { a() }"}, nil},
		"pair": {map[string]string{
			"a": "func a() { b() }",
			"b": "func b() {\n\ta2() }",
			"c": "func a2() {}\nfunc c() { b() }",
		}, []string{"b.go and c.go call each other: b.go:3 (func b) → c.go:3 (func a2 … func c) → b.go (func b)"}},
		"cycle": {map[string]string{
			"a": "func a() { b() }",
			"b": "func b() { c() }",
			"c": "func c() { d() }",
			"d": "\nfunc d() { b() }",
		}, []string{"a cycle among b.go c.go d.go: b.go:2 (func b) → c.go:2 (func c) → d.go:3 (func d) → b.go (func b)"}},
		"cycle and pair": {map[string]string{
			"a": "func a() { b() }",
			"b": "func b() { c(); a() }",
			"c": "func c() { a() }",
		}, []string{
			"a.go and b.go call each other: a.go:2 (func a) → b.go:2 (func b) → a.go (func a)",
			"a cycle among a.go b.go c.go: a.go:2 (func a) → b.go:2 (func b) → c.go:2 (func c) → a.go (func a)",
		}},
		"pairs in a row": {map[string]string{
			"a": "func a() { b() }",
			"b": "func b() { c(); a() }",
			"c": "func c() { b() }",
		}, []string{
			"a.go and b.go call each other: a.go:2 (func a) → b.go:2 (func b) → a.go (func a)",
			"b.go and c.go call each other: b.go:2 (func b) → c.go:2 (func c) → b.go (func b)",
		}},
		"two cycles": {map[string]string{
			"a": "func a() { b() }",
			"b": "func b() { c() }",
			"c": "func c() { a(); x() }",
			"x": "func x() { y() }",
			"y": "func y() { z() }",
			"z": "func z() { x() }",
		}, []string{
			"a cycle among a.go b.go c.go: a.go:2 (func a) → b.go:2 (func b) → c.go:2 (func c) → a.go (func a)",
			"a cycle among x.go y.go z.go: x.go:2 (func x) → y.go:2 (func y) → z.go:2 (func z) → x.go (func x)",
		}},
		"through an interface": {map[string]string{
			"a": "type I interface { m() }; func a(i I) { i.m() }",
			"b": "type T int; func (T) m() { a(nil) }",
		}, []string{"a.go and b.go call each other: a.go:2 (func a) → b.go:2 (method T.m) → a.go (func a)"}},
		"through a method value": {map[string]string{
			"a": "func a(t T) func() { return t.m }",
			"b": "type T int; func (t T) m() { a(t) }",
		}, []string{"a.go and b.go call each other: a.go:2 (func a) → b.go:2 (method T.m) → a.go (func a)"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := graphOf(t, test.bodies).circles(); !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

func TestLayerFaults(t *testing.T) {
	below := []string{"b.go", "c.go", "url.go"}
	clean := map[string]string{
		"a":   `import "net"; func a(nc net.Conn) { nc.Close(); b() }`,
		"b":   `import "io"; func b() { c(); io.EOF.Error() }`,
		"c":   `func c() { s.Write(nil) }; var s sink; type sink int; func (sink) Write([]byte) {}`,
		"url": `import "net"; var addr = net.ParseIP("::1")`,
	}
	for name, test := range map[string]struct{ file, body, want string }{
		"clean":    {"b", clean["b"], ""},
		"call":     {"b", "func b() { a(nil) }", "a file without I/O calls one that does some: b.go:2 (func b) → a.go (func a)"},
		"import":   {"b", `import "net"; func b() { net.ParseIP("::1") }`, "b.go does no I/O, but it imports net"},
		"internal": {"b", `import "` + modulePath + `internal/netx"; func b() { netx.X() }`, "b.go does no I/O, but it imports " + modulePath + "internal/netx"},
		"conn": {"url", `import "net"; type T struct { net.Conn }; func f(t T) { t.SetDeadline(t.x) }`,
			"url.go does no I/O, but calls it: method Conn.SetDeadline in line 2 (func f)"},
		"missing": {"c", "", "c.go is listed as a file without I/O, but does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			bodies := make(map[string]string)
			for file, body := range clean {
				bodies[file] = body
			}
			bodies[test.file] = test.body
			if test.body == "" {
				delete(bodies, test.file)
			}
			if got := strings.Join(layerFaults(graphOf(t, bodies), below), "\n"); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// Files of one system are not in the graph of another, nor are tests, and a
// package below the directory is imported.
func TestLoadCallGraph(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{
		"a.go":                 "package p; func a() { b() }",
		"b_linux.go":           "package p; func b() {}",
		"b_windows.go":         "package p; func b() { c() }",
		"c.go":                 "//go:build !windows\n\npackage p; func c() {}",
		"c_test.go":            "package p; func d() {}",
		"x.go":                 fmt.Sprintf("package p; import %q; type T int; func (*T) M() {}\nfunc x() { inner.Same(new(T)).M() }", modulePath+"internal/inner"),
		"y.go":                 fmt.Sprintf("package p; import %q\nfunc y(t *T) { inner.Same(t).M() }", modulePath+"internal/inner"),
		"internal/inner/in.go": "package inner; func Same[T any](x T) T { return x }",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(body), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for goos, want := range map[string]string{
		"linux":   "a.go → b_linux.go; b_linux.go → ; c.go → ; x.go → ; y.go → x.go",
		"windows": "a.go → b_windows.go; b_windows.go → ; x.go → ; y.go → x.go",
	} {
		g, err := loadCallGraph(dir, goos, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, file := range g.files {
			got = append(got, file+" → "+strings.Join(g.callees(file), " "))
		}
		if got := strings.Join(got, "; "); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", goos, got, want)
		}
	}
}

func TestCallGraphString(t *testing.T) {
	g := graphOf(t, map[string]string{
		"a": "import \"os\"; type t struct { hook func() }; func a(x t) { b(); os.Stdin.M() }",
		"b": "func b() { a(t{}) }; func (t) M() {}",
	})
	want := `files 2, edges 2, strongly connected components of two files or more 1, pairs that call each other 1
component of 2: a.go b.go
pair: a.go ⇄ b.go
circle: a.go and b.go call each other: a.go:2 (func a) → b.go:2 (func b) → a.go (func a)
a.go → b.go
b.go → a.go
hook in a.go: hook
taken for another package's: .M in a.go:2 (func a)
`
	if got := g.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
