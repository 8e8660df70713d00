package main

import (
	"os"
	"slices"
	"testing"
)

// TestMain lets the test program be the servers that it measures.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-serve") {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	defer func(l string, n int) { *libs, *conns = l, n }(*libs, *conns)
	*libs, *conns = "ours,ours-accept", 50
	results, err := run()
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 4 {
		t.Fatalf("%d results, want 2 servers over plain TCP and TLS: %v", len(results), results)
	}
	for _, r := range results {
		if r.Metrics["heap-B/conn"] < 100 {
			t.Errorf("a connection takes less memory than it can: %v", r)
		}
	}
}
