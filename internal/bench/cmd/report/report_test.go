package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/bench/echo"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

func TestReport(t *testing.T) {
	var results []harness.Result
	for i, lib := range []string{"raw", "ours", "gorilla"} {
		v := float64(1+i) * 1000
		metrics := map[string]float64{"cpu-ns/msg": v, "msg/s": v, "p50-ns": v, "p99-ns": v, "load-cores": 0.5}
		results = append(results,
			harness.NewResult("Echo", 1, metrics, "type", "binary", "size", 125, "conns", 50, "inflight", 1, "lib", lib),
			harness.NewResult("EchoCompressed", 1, map[string]float64{"cpu-ns/msg": v, "sent-B/msg": v}, "takeover", true, "size", 512, "conns", 50, "lib", lib),
			harness.NewResult("IdleCompressed", 1, map[string]float64{"heap-B/conn": v}, "over", "plain", "conns", 10, "lib", lib),
			harness.NewResult("Idle", 1, map[string]float64{"rss-B/conn": v}, "over", "tls", "conns", 10, "lib", lib))
	}
	md := report([]harness.Setting{{Key: "kernel", Value: "Linux 9"}}, results)
	for _, want := range []string{
		"- kernel: Linux 9\n",
		"\n## Echo on loopback\n",
		"| type binary, size 125, conns 50, inflight 1 |   1 |    2 |       3 |             0.67 |       2.00 |",
		"\n## Idle connections\n",
		"`go run ./cmd/idlebench`, measured once\n",
		"\n## Compressed echo on loopback\n",
		"| takeover true, size 512, conns 50 |   1 |    2 |       3 |             0.67 |       2.00 |",
		"| takeover true, size 512, conns 50 | 1000 | 2000 |    3000 |             0.67 |       2.00 |",
		"\n## Idle connections with compression\n",
		"| over plain, conns 10, heap  | 1000 | 2000 |    3000 |",
		"- **" + echo.Servers[0].Name + "**: ",
		"- **" + echo.Compressed[0].Name + "**: " + echo.Compressed[0].Note,
	} {
		if !strings.Contains(md, want) {
			t.Errorf("the report lacks %q:\n%s", want, md)
		}
	}
	if strings.Contains(md, "## Broadcast") {
		t.Error("the report has a section of what was not measured")
	}
	for name, plot := range map[string]string{"cpu": cpuPlot(results), "memory": memoryPlot(results)} {
		if !strings.Contains(plot, ">gorilla</text>") {
			t.Errorf("the plot %s lacks gorilla:\n%s", name, plot)
		}
	}
}

func TestMeasured(t *testing.T) {
	for want, times := range map[string][2]int{"measured once": {1, 1}, "medians of 3": {3, 3}, "medians of 1 to 3": {1, 3}} {
		if got := measured(times[0], times[1]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	all := []step{{name: "build"}, {name: "echo binary"}, {name: "echo text"}, {name: "idle"}}
	for part, want := range map[string]string{
		"": "echo binary, echo text, idle", "echo": "echo binary, echo text", "idle": "idle",
		"nosuch": "", "build": "",
	} {
		got, err := choose(all, part)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), "echo binary, echo text, idle") {
				t.Errorf("%q: got %v, %v, want an error that names the steps", part, got, err)
			}
			continue
		}
		if err != nil || got[0].name != "build" || names(got) != want {
			t.Errorf("%q: got %v, %v, want %s", part, got, err, want)
		}
	}
}

// TestRunWrites has results from a file written where there was no folder yet,
// and nothing written for a step that there is not.
func TestRunWrites(t *testing.T) {
	defer func(f, d, o string) { *from, *dir, *only = f, d, o }(*from, *dir, *only)
	tmp := t.TempDir()
	*from, *dir = filepath.Join(tmp, "in.txt"), filepath.Join(tmp, "new", "folder")
	if err := os.WriteFile(*from, []byte("BenchmarkBroadcast/conns=2/lib=ours 1 5 ns/op\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(io.Discard); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(*dir, "RESULTS.md"))
	if err != nil || !strings.Contains(string(b), "## Broadcast") {
		t.Errorf("wrote %q, %v", b, err)
	}
	*only, *dir = "broadcast", filepath.Join(tmp, "none")
	if err := run(io.Discard); err == nil {
		t.Error("took a choice of steps with results of before")
	}
	*from, *only = "", "nosuch"
	if err := run(io.Discard); err == nil {
		t.Error("took a step that there is not")
	}
	if _, err := os.Stat(*dir); err == nil {
		t.Error("made a folder for a step that there is not")
	}
}

// TestSteps keeps the quick form quick: it measures a part of the same.
func TestSteps(t *testing.T) {
	full, quick := steps("bin", false), steps("bin", true)
	if len(full) != len(quick) {
		t.Fatalf("%d steps, %d quick ones", len(full), len(quick))
	}
	for i := range full {
		if full[i].name != quick[i].name || full[i].dir != quick[i].dir {
			t.Errorf("step %d is %s in %s, quick it is %s in %s", i, full[i].name, full[i].dir, quick[i].name, quick[i].dir)
		}
		if full[i].name != "build" && slices.Equal(full[i].command, quick[i].command) {
			t.Errorf("%s is no quicker", full[i].name)
		}
	}
}
