package websocket_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	readmeCode = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	readmeFile = regexp.MustCompile(`(?:\]\(|\./)(LICENSE|[A-Z]+\.md|examples/\w+)`)
	leading    = regexp.MustCompile(`(?m)^[ \t]+`)
)

func readmeRead(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What README.md shows compiles: its programs as they stand, and its other
// pieces of code because they are parts of the examples.
func TestReadmeCode(t *testing.T) {
	examples := readmeRead(t, "example_test.go") + readmeRead(t, "example_server_test.go") + readmeRead(t, "example_conn_test.go") + readmeRead(t, "example_noio_test.go")
	examples = leading.ReplaceAllString(examples, "")
	programs := 0
	for _, block := range readmeCode.FindAllStringSubmatch(readmeRead(t, "README.md"), -1) {
		code := block[1]
		if strings.HasPrefix(code, "package main\n") {
			programs++
			readmeVet(t, code)
		} else if !strings.Contains(examples, leading.ReplaceAllString(code, "")) {
			t.Errorf("in none of the examples:\n%s", code)
		}
	}
	if programs != 2 {
		t.Errorf("found %d programs in README.md; expected a server and a client", programs)
	}
}

func readmeVet(t *testing.T, program string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("go vet of a program in README.md: %v\n%s", err, out)
	}
}

// What README.md points to is there.
func TestReadmeLinks(t *testing.T) {
	links := readmeFile.FindAllStringSubmatch(readmeRead(t, "README.md"), -1)
	if len(links) < 4 {
		t.Fatalf("found %d links; expected more", len(links))
	}
	for _, link := range links {
		if _, err := os.Stat(link[1]); err != nil {
			t.Errorf("README.md points to %s: %v", link[1], err)
		}
	}
}
