// Command report runs all benchmarks of this module and writes what came out:
// RESULTS.md with the tables, cpu.svg and memory.svg, and results.txt with the
// measurements as lines for benchstat. With -from it only writes the first three
// anew, from the last.
//
// It is run in the folder of the module, on Linux with two cores at least, and
// nothing else should be running: on a busy machine the figures mean little.
package main

import (
	"bufio"
	"bytes"
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
	quick = flag.Bool("quick", false, "measure less, in 4 minutes in place of 25")
	only  = flag.String("only", "", "run only the steps whose name contains this")
	dir   = flag.String("dir", ".", "where to write")
	from  = flag.String("from", "", "take the results from this file instead of measuring")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	failed := error(nil)
	if *from == "" {
		*from = filepath.Join(*dir, "results.txt")
		failed = measure(*from)
	}
	if err := errors.Join(failed, write(*from)); err != nil {
		log.Fatal(err)
	}
}

// measure runs all steps, goes on when one fails, and saves what they print.
func measure(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	for _, s := range machine() {
		fmt.Fprintf(file, "%s: %s\n", s.Key, s.Value)
	}
	bin, err := os.MkdirTemp("", "bench")
	if err != nil {
		return errors.Join(err, file.Close())
	}
	defer os.RemoveAll(bin)
	all, begin := steps(bin, *quick), time.Now()
	var failed []error
	for i, s := range all {
		if i > 0 && !strings.Contains(s.name, *only) { // the first builds the programs
			continue
		}
		n := 0
		shown := func(name string) {
			n++
			harness.Progress("%v: step %d of %d, %s, %d: %s", time.Since(begin).Round(time.Second), i+1, len(all), s.name, n, name)
		}
		if err := s.run(file, shown); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	harness.Progress("")
	return errors.Join(append(failed, file.Close())...)
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

// write makes the report of the results in a file.
func write(path string) error {
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
