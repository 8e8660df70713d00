// Command report runs all benchmarks of this module and writes what came out:
// RESULTS.md with the tables, cpu.svg and memory.svg, and results.txt with the
// measurements as lines for benchstat. With -from it only writes the first three
// anew, from the last. With -only and without -dir it writes no file: a part
// prints its tables, and leaves the report of the whole alone.
//
// It is run in the folder of the module, on Linux with two cores at least, and
// nothing else should be running: on a busy machine the figures mean little.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

var (
	quick = flag.Bool("quick", false, "measure less, in 4 minutes in place of 26")
	only  = flag.String("only", "", "run only the steps whose name contains this")
	dir   = flag.String("dir", "", "where to write, which is made if it is missing; empty means here, and with -only nowhere but standard output")
	from  = flag.String("from", "", "take the results from this file instead of measuring")
)

func main() {
	log.SetFlags(0)
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "report runs these steps: %s\n\n", names(steps("", false)))
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run measures, if it is to, and writes what came out. What has failed does not
// keep the rest from being written.
func run(stdout io.Writer) error {
	if *from != "" && *only != "" {
		return errors.New("-only chooses what is measured, and with -from nothing is")
	}
	bin, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	chosen, err := choose(steps(bin, *quick), *only)
	if err != nil {
		return err
	}
	if *only != "" && *dir == "" {
		return show(stdout, chosen)
	}
	if err := os.MkdirAll(cmp.Or(*dir, "."), 0o755); err != nil {
		return err
	}
	if *from != "" {
		return writeFrom(*from)
	}
	path := filepath.Join(*dir, "results.txt")
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	failed := measure(file, chosen)
	return errors.Join(failed, file.Close(), writeFrom(path))
}

// show measures and prints the report.
func show(w io.Writer, chosen []step) error {
	var lines bytes.Buffer
	failed := measure(&lines, chosen)
	settings, results, err := harness.ReadResults(&lines)
	_, printed := io.WriteString(w, report(settings, results))
	return errors.Join(failed, err, printed)
}

// measure runs steps, goes on when one fails, and copies what they print to w.
func measure(w io.Writer, all []step) error {
	for _, s := range machine() {
		fmt.Fprintf(w, "%s: %s\n", s.Key, s.Value)
	}
	begin := time.Now()
	var failed []error
	for i, s := range all {
		n := 0
		shown := func(name string) {
			n++
			harness.Progress("%v: step %d of %d, %s, %d: %s", time.Since(begin).Round(time.Second), i+1, len(all), s.name, n, name)
		}
		if err := s.run(w, shown); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	harness.Progress("")
	return errors.Join(failed...)
}

// run runs a step and copies its results to w.
func (s step) run(w io.Writer, shown func(name string)) error {
	shown("starting")
	var said bytes.Buffer
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Dir, cmd.Stderr = s.dir, &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if r, ok := harness.ParseResult(lines.Text()); ok {
			shown(strings.Fields(lines.Text())[0])
			fmt.Fprintln(w, r)
		} else if strings.Contains(lines.Text(), "FAIL") {
			fmt.Fprintln(&said, lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, said.Bytes())
	}
	return nil
}

// writeFrom makes the report of the results in a file.
func writeFrom(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	settings, results, err := harness.ReadResults(file)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(*dir, "RESULTS.md"), []byte(report(settings, results)), 0o644),
		os.WriteFile(filepath.Join(*dir, "cpu.svg"), []byte(cpuPlot(results)), 0o644),
		os.WriteFile(filepath.Join(*dir, "memory.svg"), []byte(memoryPlot(results)), 0o644),
	)
}
