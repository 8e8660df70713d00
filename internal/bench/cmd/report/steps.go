package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A step runs a program that prints results.
type step struct {
	name    string
	dir     string
	command []string
}

// steps returns what is run. Programs are built into the folder bin.
func steps(bin string, quick bool) []step {
	benchtime, count, duration, rounds, idle, compressed := "40ms", "3", "250ms", "3", "10000", "2000"
	opens, openCount, broadcasts := "100ms", "7", "50x" // an outlier is not a median of 7
	binary := []string{"-sizes", "16,125,1024,16384,65536,1048576", "-conns", "1,50,500"}
	text := []string{"-sizes", "125,1024,16384,65536", "-conns", "50"}
	if quick {
		benchtime, count, duration, rounds, idle, compressed = "5ms", "1", "150ms", "1", "2000", "500"
		opens, openCount, broadcasts = "20ms", "3", "10x"
		binary = []string{"-sizes", "125,65536", "-conns", "50"}
		text = []string{"-sizes", "65536", "-conns", "50"}
	}
	echobench, idlebench := filepath.Join(bin, "echobench"), filepath.Join(bin, "idlebench")
	goTest := func(benchtime, count string, args ...string) []string {
		return append([]string{"go", "test", "-run", "^$", "-timeout", "30m", "-benchtime", benchtime, "-count", count}, args...)
	}
	const open, broadcast = "Handshake|Upgrade", "Broadcast"
	echo := []string{echobench, "-lines", "-duration", duration, "-rounds", rounds}
	return []step{
		{"build", ".", []string{"go", "build", "-o", bin + "/", "./cmd/echobench", "./cmd/idlebench"}},
		{"in memory and on loopback", ".", goTest(benchtime, count, "-bench", ".", "-skip", open+"|"+broadcast, ".")},
		{"handshakes and upgrades", ".", goTest(opens, openCount, "-bench", open, ".")},
		{"broadcast", ".", goTest(broadcasts, count, "-bench", broadcast, ".")},
		{"masks and UTF-8", "../..", goTest(benchtime, count, "-bench", "^Benchmark(Copy|UTF8)$", "./internal/mask", "./internal/utf8text")},
		{"echo binary", ".", with(echo, append(binary, "-types", "binary")...)},
		{"echo text", ".", with(echo, append(text, "-types", "text", "-inflight", "1")...)},
		{"echo compressed", ".", with(echo, "-compress")},
		{"connections", ".", with(echo, "-connect")},
		{"idle", ".", []string{idlebench, "-lines", "-conns", idle}},
		{"idle compressed", ".", []string{idlebench, "-lines", "-compress", "-conns", compressed}},
	}
}

// choose returns those of all whose name contains part, and before them the
// first, which builds the programs.
func choose(all []step, part string) ([]step, error) {
	chosen := all[:1:1]
	for _, s := range all[1:] {
		if strings.Contains(s.name, part) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 1 {
		return nil, fmt.Errorf("no step has %q in its name; there are: %s", part, names(all))
	}
	return chosen, nil
}

// names returns the names of the steps that can be chosen.
func names(all []step) string {
	var list []string
	for _, s := range all[1:] {
		list = append(list, s.name)
	}
	return strings.Join(list, ", ")
}

func with(command []string, args ...string) []string {
	return append(append([]string(nil), command...), args...)
}
