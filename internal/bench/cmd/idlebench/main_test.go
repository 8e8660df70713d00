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
	defer func(old string) { *libs = old }(*libs)
	for _, tt := range []struct {
		name    string
		libs    string
		kind    kind
		results int
		heap    float64 // at least
	}{
		{"plain TCP and TLS", "ours,ours-detach,ours-accept", plain, 6, 100},
		{"a window for each direction", "ours,gws,gorilla", compressed, 2, 2 << 12}, // gorilla has none
	} {
		t.Run(tt.name, func(t *testing.T) {
			*libs, tt.kind.conns = tt.libs, 50
			results, err := tt.kind.run()
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != tt.results {
				t.Fatalf("%d results, want %d: %v", len(results), tt.results, results)
			}
			for _, r := range results {
				if r.Metrics["heap-B/conn"] < tt.heap {
					t.Errorf("a connection takes less memory than it can: %v", r)
				}
			}
		})
	}
}
