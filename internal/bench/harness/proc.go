package harness

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// CPU returns how long the threads of a process have run, in the kernel and
// outside. This is utime + stime of /proc/PID/stat, in nanoseconds where that
// has hundredths of a second.
func CPU(pid int) time.Duration {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	var total time.Duration
	for _, task := range tasks {
		b, err := os.ReadFile(dir + "/" + task.Name() + "/schedstat")
		if err != nil {
			continue // the thread has ended
		}
		field, _, _ := strings.Cut(string(b), " ")
		ns, _ := strconv.ParseInt(field, 10, 64)
		total += time.Duration(ns)
	}
	return total
}

// Memory is what a process has, in bytes.
type Memory struct{ RSS, Heap, Stack int64 }

// OwnMemory collects garbage and returns what this process still has.
func OwnMemory() (Memory, error) {
	for range 3 { // pools are emptied by the second collection
		runtime.GC()
	}
	debug.FreeOSMemory()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m := Memory{Heap: int64(s.HeapInuse), Stack: int64(s.StackInuse)}
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return m, err
	}
	var total, resident int64
	_, err = fmt.Sscan(string(b), &total, &resident)
	m.RSS = resident * int64(os.Getpagesize())
	return m, err
}
