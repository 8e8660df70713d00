//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// module writes a module to a new directory.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/m\n\ngo 1.26\n"
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var sample = map[string]string{
	"m.go": `package m

import "example.com/m/internal/in"

// Less is tested at its bound.
func Less(a, b int) bool { return a < b }

// Unnoticed is not tested.
func Unnoticed(a, b int) int { return a * b }

// Join cannot be changed: its operator needs strings.
func Join(a, b string) string { return a + b }

// Count would never end with its increment left out.
func Count(n int) (sum int) {
	for i := 0; i != n; {
		i++
	}
	return in.Same(n)
}
`,
	"m_test.go": `package m

import "testing"

func TestLess(t *testing.T) {
	if Less(1, 1) {
		t.Error("1 < 1")
	}
}

func TestCount(t *testing.T) {
	if Count(7) != 7 {
		t.Error("not 7")
	}
}
`,
	"internal/in/in.go": `package in

func Same(n int) int { return n - zero }

func Own(n int) int { return n / two() }

func two() int { return 2 }

var zero int
`,
	"internal/in/in_test.go": `package in

import "testing"

func TestOwn(t *testing.T) {
	if Own(6) != 3 {
		t.Error("not 3")
	}
}
`,
	"internal/bare/bare.go":   "package bare\n\nfunc f() int { return 3 }\n",
	"internal/testkit/kit.go": "package testkit\n\nfunc f() int { return 3 }\n",
	"other/other.go":          "package other\n\nfunc f() int { return 3 }\n",
}

func mutate(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(context.Background(), append([]string{"-root", dir}, args...), &out)
	return out.String(), err
}

// contains fails the test unless out has these lines one after the other.
func contains(t *testing.T, out string, lines ...string) {
	t.Helper()
	if want := strings.Join(lines, "\n"); !strings.Contains(out, want) {
		t.Errorf("output lacks\n%s", want)
	}
}

func TestRun(t *testing.T) {
	dir := module(t, sample)
	out, err := mutate(t, dir, "-n", "100", "-timeout", "2s")
	if err != nil {
		t.Error(err)
	}
	for _, block := range [][]string{
		{"m.go:6: operator: caught, by TestLess", "\t- func Less(a, b int) bool { return a < b }", "\t+ func Less(a, b int) bool { return a <= b }"},
		{"m.go:9: operator: survived", "\t- func Unnoticed(a, b int) int { return a * b }", "\t+ func Unnoticed(a, b int) int { return a / b }"},
		{"m.go:12: operator: does not compile (drawn again)"},
		{"m.go:17: statement: timeout (counts as caught), after 2s", "\t- i++", "\t+ {}"},
		{"internal/in/in.go:5: operator: caught, by TestOwn"},
		{"internal/in/in.go:3: operator: survived"}, // the root does not notice either
		{"internal/bare/bare.go:3: bound: survived"},
	} {
		contains(t, out, block...)
	}
	if strings.Contains(out, "kit.go") {
		t.Error("the kit of the tests was changed")
	}
	if strings.Contains(out, "other.go") {
		t.Error("a package outside of internal was changed")
	}
	if t.Failed() {
		t.Log(out)
	}
}

// The root's tests catch what those of a package below it do not.
func TestRunOfTheRoot(t *testing.T) {
	files := make(map[string]string)
	for name, text := range sample {
		files[name] = strings.Replace(text, "n - zero", "n - zero - 0", 1)
	}
	out, err := mutate(t, module(t, files), "-n", "100", "-files", `^internal/in/`, "-timeout", "2s")
	if err != nil {
		t.Error(err)
	}
	contains(t, out, "internal/in/in.go:3: bound: caught, by TestCount")
	if strings.Contains(out, "\nm.go") {
		t.Error("files that were not asked for were changed")
	}
	if t.Failed() {
		t.Log(out)
	}
}

func TestRunWithEquivalents(t *testing.T) {
	dir := module(t, sample)
	args := []string{"-n", "3", "-files", `^internal/bare`}
	out, err := mutate(t, dir, append(args, "-min", "90")...)
	if err == nil || err.Error() != "0.0 % were caught, at least 90 % are expected" {
		t.Errorf("error %v", err)
	}
	contains(t, out, "mutations: 2 drawn, 0 caught, 2 survived, 0 equivalent: 0.0 %")

	known := regexp.MustCompile(`internal/bare/bare.go [0-9a-f]{10}\n`).FindAllString(out, -1)
	if len(known) != 2 {
		t.Fatalf("no fingerprints in\n%s", out)
	}
	list := "# comment\n\n"
	for _, line := range known {
		list += strings.TrimSpace(line) + " nobody calls it\n"
	}
	writeList(t, dir, list)
	out, err = mutate(t, dir, append(args, "-min", "90")...)
	if err != nil {
		t.Error(err)
	}
	contains(t, out, "internal/bare/bare.go:3: bound: equivalent, nobody calls it")
	contains(t, out, "mutations: 2 drawn, 0 caught, 0 survived, 2 equivalent: 100.0 %")

	writeList(t, dir, list+"m.go 0123456789 for no reason\n")
	out, err = mutate(t, dir, args...)
	if err == nil || err.Error() != "1 mutations listed as equivalent are no longer there" {
		t.Errorf("error %v", err)
	}
	contains(t, out, "listed as equivalent, but no longer there: m.go 0123456789")

	for list, want := range map[string]string{
		"m.go 0123456789\n":                      ":1: want a file, a fingerprint and a reason",
		"m.go 0123456789 a\nm.go 0123456789 b\n": ":2: m.go 0123456789 is there twice",
	} {
		writeList(t, dir, list)
		if _, err := mutate(t, dir, args...); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("error %v, want one that ends in %s", err, want)
		}
	}
}

func writeList(t *testing.T, dir, text string) {
	t.Helper()
	name := filepath.Join(dir, "internal", "mutate", "equivalent.txt")
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
}

func TestRunFails(t *testing.T) {
	broken := module(t, map[string]string{
		"m.go":      "package m\n\nvar x = 1\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Error(\"always\") }\n",
	})
	uncompiled := module(t, map[string]string{"m.go": "package m\n", "m_test.go": "package m\n\nvar x = y\n"})
	for _, test := range []struct {
		dir, want string
		args      []string
	}{
		{broken, "the tests of example.com/m fail without a mutation: by TestX", nil},
		{uncompiled, "the tests of example.com/m do not compile", nil},
		{filepath.Join(broken, "none"), "no such file", nil},
		{broken, `what is "x"?`, []string{"x"}},
		{broken, "missing closing", []string{"-files", "("}},
	} {
		if _, err := mutate(t, test.dir, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
	}
	if _, err := mutate(t, broken, "-h"); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error %v, want that of -h", err)
	}
}

func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, []string{"-root", module(t, sample)}, new(bytes.Buffer)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// What a test has started does not outlive it, and endless output and memory are
// bounded.
func TestRunOfWildTests(t *testing.T) {
	dir := module(t, map[string]string{
		"m.go": "package m\n\nfunc start() string {\n\treturn \"0\" + \"\"\n}\n\nfunc grow() bool { return true }\n",
		"m_test.go": `package m

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

func TestStart(t *testing.T) {
	sleep := exec.Command("sleep", "1000")
	sleep.Start()
	os.WriteFile("pid", fmt.Append(nil, sleep.Process.Pid), 0o666)
	var all [][]byte
	for !grow() {
		p := make([]byte, 1<<28)
		all = append(all, p)
		fmt.Println(len(all), string(p[:1<<16]))
	}
}
`,
	})
	out, err := mutate(t, dir, "-files", "m.go", "-timeout", "30s")
	if err != nil {
		t.Error(err)
	}
	contains(t, out, "m.go:7: constant: caught, by fatal error: ")
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if state, err := os.ReadFile("/proc/" + string(pid) + "/stat"); err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("what the test started still runs: %s", state)
	}
	if t.Failed() {
		t.Log(out)
	}
}
