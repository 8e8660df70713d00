package websocket_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var (
	printGraph = flag.Bool("graph", false, "print the graph of calls between files (with -run TestCallGraph -v)")
	tree       = flag.String("tree", ".", "directory of the package whose calls TestCallGraph and TestLayers look at")
)

// filesBelow are the files that do no I/O. Every other one is above them.
var filesBelow = []string{
	"compression.go",
	"config.go",
	"decoder.go",
	"encoder.go",
	"errors.go",
	"frame.go",
	"frame_hixie.go",
	"handshake.go",
	"handshake_client.go",
	"handshake_hixie.go",
	"handshake_request.go",
	"handshake_response.go",
	"handshake_server.go",
	"message_buffer.go",
	"parser.go",
	"pools.go",
	"status.go",
	"url.go",
	"version.go",
}

// importsAbove are packages that do I/O. Files that do none do not import them.
var importsAbove = []string{"net", modulePath + "internal/netx", modulePath + "internal/proxy"}

// netUsers do no I/O, but need from net its errors or its IP addresses.
var netUsers = []string{"errors.go", "url.go"}

// httpNames are what files without I/O use of net/http: values, and no code that
// reads, writes or answers.
var httpNames = []string{"CanonicalHeaderKey", "CookieJar", "ErrServerClosed", "Header", "MethodGet", "NoBody", "Request", "Response", "StatusText"}

// hooks are all unexported fields and variables that hold a function. A call
// through one may go up without being seen in the graph, so each needs a reason.
var hooks = []string{
	"decoder.go: trace", "sendqueue.go: trace", "lifetime.go: onTrace", // of the application
	"lifetime.go: onClosing", // stops the keepalive
	"lifetime.go: onDone",    // ends the context of a handler, and tells the Server
	"poll_unix.go: try",      // called by the poller, in the same file
}

// layerFaults says what is wrong with the files that do no I/O.
func layerFaults(g *callGraph, below []string) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for _, file := range below {
		if !slices.Contains(g.files, file) {
			fault("%s is listed as a file without I/O, but does not exist", file)
		}
		for _, callee := range g.callees(file) {
			if !slices.Contains(below, callee) {
				fault("a file without I/O calls one that does some: %s", g.path(file, callee))
			}
		}
		for _, path := range g.imports[file] {
			if slices.Contains(importsAbove, path) && !(path == "net" && slices.Contains(netUsers, file)) {
				fault("%s does no I/O, but it imports %s", file, path)
			}
		}
		for _, call := range g.connCalls[file] {
			fault("%s does no I/O, but calls it: %s in line %d (%s)", file, call.callee, call.at.Line, call.caller)
		}
	}
	return faults
}

// A file that does no I/O uses nothing of net/http that does some.
func TestLayersUseValuesOfHTTP(t *testing.T) {
	for _, name := range filesBelow {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(*tree, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := selector.X.(*ast.Ident); !ok || x.Name != "http" {
				return true
			}
			if used := selector.Sel.Name; !slices.Contains(httpNames, used) && !strings.HasPrefix(used, "Status") {
				t.Errorf("%s does no I/O, but it uses http.%s", name, used)
			}
			return true
		})
	}
}

// forEachSystem runs a test on the graph of each of two systems that have
// different files.
func forEachSystem(t *testing.T, f func(t *testing.T, g *callGraph)) {
	for _, goos := range []string{"linux", "windows"} {
		t.Run(goos, func(t *testing.T) {
			g, err := loadCallGraph(*tree, goos, "amd64")
			if err != nil {
				t.Fatal(err)
			}
			f(t, g)
		})
	}
}

// Calls between files form no cycle.
func TestCallGraph(t *testing.T) {
	forEachSystem(t, func(t *testing.T, g *callGraph) {
		if *printGraph {
			t.Logf("\n%s", g)
		}
		for _, circle := range g.circles() {
			t.Error(circle)
		}
		for _, hook := range g.hooks {
			if !slices.Contains(hooks, hook) {
				t.Errorf("%s holds a function: a call through it may go up unseen", hook)
			}
		}
	})
}

// A file that does no I/O calls no file that does some.
func TestLayers(t *testing.T) {
	forEachSystem(t, func(t *testing.T, g *callGraph) {
		for _, fault := range layerFaults(g, filesBelow) {
			t.Error(fault)
		}
	})
}

func TestFilesAreShort(t *testing.T) {
	const most = 500
	names, err := filepath.Glob(filepath.Join(*tree, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("found %d files, %v", len(names), err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(source, []byte("\n")); lines > most {
			t.Errorf("%s has %d lines, want at most %d: a longer file is two concepts", name, lines, most)
		}
	}
}
