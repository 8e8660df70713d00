package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

// machine tells where and of what the results are. What cannot be found out is
// left out.
func machine() []harness.Setting {
	all := []harness.Setting{
		{Key: "date", Value: time.Now().UTC().Format(time.DateOnly)},
		{Key: "commit", Value: output("git", "describe", "--always", "--dirty")},
		{Key: "machine", Value: fmt.Sprintf("%s, %d cores, %s", cpuModel(), runtime.NumCPU(), runtime.GOARCH)},
		{Key: "kernel", Value: "Linux " + firstLine("/proc/sys/kernel/osrelease")},
		{Key: "load-before", Value: firstLine("/proc/loadavg")},
		{Key: "go", Value: runtime.Version()},
	}
	for line := range strings.SplitSeq(output("go", "list", "-m", "-f", "{{if not (or .Main .Indirect .Replace)}}{{.Path}} {{.Version}}{{end}}", "all"), "\n") {
		if path, version, ok := strings.Cut(line, " "); ok {
			all = append(all, harness.Setting{Key: path, Value: version})
		}
	}
	return all
}

func output(name string, args ...string) string {
	b, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.SplitSeq(string(b), "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
