// Package bench compares this package with others in memory and on loopback:
//
//	go test -run '^$' -bench .
package bench

import (
	"flag"
	"testing"
)

// TestBenchmarks runs every benchmark once, so that none breaks unnoticed.
func TestBenchmarks(t *testing.T) {
	time := flag.Lookup("test.benchtime").Value
	defer func(old string) { _ = time.Set(old) }(time.String())
	if err := time.Set("1x"); err != nil {
		t.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		run  func(*testing.B)
	}{
		{"ServerRead", BenchmarkServerRead},
		{"ClientRead", BenchmarkClientRead},
		{"ServerWrite", BenchmarkServerWrite},
		{"ClientWrite", BenchmarkClientWrite},
		{"ServerReadStream", BenchmarkServerReadStream},
		{"ClientReadStream", BenchmarkClientReadStream},
		{"ServerWriteStream", BenchmarkServerWriteStream},
		{"ClientWriteStream", BenchmarkClientWriteStream},
		{"ServerWritePrepared", BenchmarkServerWritePrepared},
		{"ClientWritePrepared", BenchmarkClientWritePrepared},
		{"AppendFrame", BenchmarkAppendFrame},
		{"ParseFrame", BenchmarkParseFrame},
		{"Parser", BenchmarkParser},
		{"ServerHandshake", BenchmarkServerHandshake},
		{"BothHandshakes", BenchmarkBothHandshakes},
		{"Upgrade", BenchmarkUpgrade},
		{"UpgradeServer", BenchmarkUpgradeServer},
		{"ConcurrentWrite", BenchmarkConcurrentWrite},
		{"Broadcast", BenchmarkBroadcast},
		{"CompressedEcho", BenchmarkCompressedEcho},
		{"CompressedIdle", BenchmarkCompressedIdle},
	} {
		failed := false
		testing.Benchmark(func(b *testing.B) {
			defer func() { failed = failed || b.Failed() }()
			bench.run(b)
		})
		if failed {
			t.Errorf("failed; for the reason: go test -run '^$' -bench '^Benchmark%s$' -benchtime 1x", bench.name)
		}
	}
}
