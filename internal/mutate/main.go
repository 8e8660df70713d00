//go:build unix

// Command mutate measures how many faults the tests of the root module find. It
// changes the source a little, such as < to <=, runs the tests on the changed
// source, and says whether one fails. Look at the changes that no test notices.
//
// The tree stays as it is: the compiler reads each changed file from an
// overlay. The seed decides which changes are made.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	n          int
	seed       uint64
	files      *regexp.Regexp
	min        float64
	jobs       int
	timeout    time.Duration
	root       string
	equivalent string
}

func parseOptions(args []string) (o options, err error) {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.IntVar(&o.n, "n", 200, "how many mutations to draw")
	flags.Uint64Var(&o.seed, "seed", 1, "decides which mutations are drawn")
	files := flags.String("files", "", "draw from files whose name, from the root on, matches this `regexp`")
	flags.Float64Var(&o.min, "min", 0, "fail if less than this `percentage` is caught")
	flags.IntVar(&o.jobs, "jobs", 2, "how many mutations to test at once")
	flags.DurationVar(&o.timeout, "timeout", 0, fmt.Sprintf("time limit for the tests of a package; 0 means %d times what they take without a mutation", slack))
	flags.StringVar(&o.root, "root", ".", "`directory` of the module")
	flags.StringVar(&o.equivalent, "equivalent", "", "`file` of mutations that change nothing (default internal/mutate/equivalent.txt in the root)")
	if err = flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q?", flags.Arg(0))
	}
	if o.equivalent == "" {
		o.equivalent = filepath.Join(o.root, "internal", "mutate", "equivalent.txt")
	}
	o.files, err = regexp.Compile(*files)
	return o, err
}

func run(ctx context.Context, args []string, w io.Writer) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	equivalents, err := loadEquivalents(o.equivalent)
	if err != nil {
		return err
	}
	pkgs, err := loadPackages(ctx, o.root)
	if err != nil {
		return err
	}
	all, chosen := choose(pkgs, o.files)
	tmp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	r := &runner{root: pkgs[0], tmp: tmp, timeout: o.timeout}
	if err := r.measure(ctx, testedFor(pkgs, chosen)); err != nil {
		return err
	}
	report := &report{w: w, runner: r, equivalents: equivalents, counts: make(map[verdict]int)}
	if err := report.tryAll(ctx, newDraw(chosen, o.n, o.seed), o.jobs); err != nil {
		return err
	}
	return report.finish(o.min, equivalents.stale(all))
}

// choose returns all files, and those of them that are mutated.
func choose(pkgs []*pkg, pattern *regexp.Regexp) (all, chosen []*sourceFile) {
	for _, p := range pkgs {
		for _, f := range p.files {
			all = append(all, f)
			if pattern.MatchString(f.name) {
				chosen = append(chosen, f)
			}
		}
	}
	return all, chosen
}

// testedFor returns the packages whose tests run for mutations of files: those
// of the files, and the root.
func testedFor(pkgs []*pkg, files []*sourceFile) []*pkg {
	needed := map[*pkg]bool{pkgs[0]: true}
	for _, f := range files {
		needed[f.pkg] = true
	}
	var tested []*pkg
	for _, p := range pkgs {
		if needed[p] {
			tested = append(tested, p)
		}
	}
	return tested
}

// A report prints the outcome of each mutation and counts them.
type report struct {
	w           io.Writer
	runner      *runner
	equivalents equivalents

	mu        sync.Mutex
	counts    map[verdict]int
	survivors []*mutation
	err       error
}

func (r *report) tryAll(ctx context.Context, d *draw, jobs int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for range jobs {
		group.Go(func() {
			if err := r.work(ctx, d); err != nil {
				cancel()
				r.mu.Lock()
				defer r.mu.Unlock()
				r.err = errors.Join(r.err, err)
			}
		})
	}
	group.Wait()
	return r.err
}

func (r *report) work(ctx context.Context, d *draw) error {
	for m := d.next(); m != nil; m = d.next() {
		result, err := r.try(ctx, m)
		if err != nil {
			return err
		}
		if result.verdict == noCompile {
			d.again(m)
		}
		r.add(m, result)
	}
	return nil
}

func (r *report) try(ctx context.Context, m *mutation) (result, error) {
	if reason := r.equivalents.reason(m); reason != "" {
		return result{verdict: equivalent, detail: reason}, nil
	}
	return r.runner.try(ctx, m)
}

func (r *report) add(m *mutation, result result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[result.verdict]++
	text := string(result.verdict)
	switch result.verdict {
	case survived:
		r.survivors = append(r.survivors, m)
	case timedOut:
		text += " (counts as caught)"
	case noCompile:
		text += " (drawn again)"
	}
	if result.detail != "" {
		text += ", " + result.detail
	}
	fmt.Fprintf(r.w, "%s:%d: %s: %s\n", m.file.name, m.line(), m.kind, text)
	r.printDiff(m)
}

func (r *report) printDiff(m *mutation) {
	before, after := m.diff()
	fmt.Fprintf(r.w, "\t- %s\n\t+ %s\n", shortened(before), shortened(after))
}

func shortened(line string) string {
	const most = 160
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + " …"
	}
	return line
}

// finish prints the survivors and the sums. It returns an error if too few
// mutations were caught, or if equivalent.txt lists mutations that no longer
// exist.
func (r *report) finish(least float64, stale []equivalentKey) error {
	if len(r.survivors) > 0 {
		fmt.Fprintf(r.w, "\nsurvivors, with what equivalent.txt needs if nothing can notice them:\n")
	}
	for _, m := range r.survivors {
		fmt.Fprintf(r.w, "%s:%d: %s: %s %s\n", m.file.name, m.line(), m.kind, m.file.name, m.fingerprint)
		r.printDiff(m)
	}
	for _, key := range stale {
		fmt.Fprintf(r.w, "listed as equivalent, but no longer there: %s %s\n", key.file, key.fingerprint)
	}
	caught, survived, equivalent := r.counts[caught]+r.counts[timedOut], r.counts[survived], r.counts[equivalent]
	percent := 100.0
	if caught+survived > 0 {
		percent = 100 * float64(caught) / float64(caught+survived)
	}
	fmt.Fprintf(r.w, "\nmutations: %d drawn, %d caught, %d survived, %d equivalent: %.1f %%\n",
		caught+survived+equivalent, caught, survived, equivalent, percent)
	switch {
	case len(stale) > 0:
		return fmt.Errorf("%d mutations listed as equivalent are no longer there", len(stale))
	case percent < least:
		return fmt.Errorf("%.1f %% were caught, at least %g %% are expected", percent, least)
	}
	return nil
}
