package main

import "path/filepath"

// A step runs a program that prints results.
type step struct {
	name    string
	dir     string
	command []string
}

// steps returns what is run. Programs are built into the folder bin.
func steps(bin string, quick bool) []step {
	benchtime, count, duration, rounds, idle := "40ms", "3", "250ms", "3", "10000"
	opens, openCount, broadcasts := "100ms", "7", "50x" // an outlier is not a median of 7
	binary := []string{"-sizes", "16,125,1024,16384,65536,1048576", "-conns", "1,50,500"}
	text := []string{"-sizes", "125,1024,16384,65536", "-conns", "50"}
	if quick {
		benchtime, count, duration, rounds, idle = "5ms", "1", "150ms", "1", "2000"
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
		{"masks and UTF-8", "../..", goTest(benchtime, count, "-bench", "^Benchmark(MaskCopy|UTF8)$", ".")},
		{"echo binary", ".", with(echo, append(binary, "-types", "binary")...)},
		{"echo text", ".", with(echo, append(text, "-types", "text", "-inflight", "1")...)},
		{"connections", ".", with(echo, "-connect")},
		{"idle", ".", []string{idlebench, "-lines", "-conns", idle}},
	}
}

func with(command []string, args ...string) []string {
	return append(append([]string(nil), command...), args...)
}
