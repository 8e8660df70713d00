//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// A verdict is the outcome of a mutation.
type verdict string

const (
	caught     verdict = "caught"
	survived   verdict = "survived"
	timedOut   verdict = "timeout"
	noCompile  verdict = "does not compile"
	equivalent verdict = "equivalent"
)

// A runner runs the tests of packages, with a mutation or without.
type runner struct {
	root    *pkg
	tmp     string
	timeout time.Duration            // of the tests of a package; 0 means slack times what they take without a mutation
	limits  map[string]time.Duration // by import path; packages without tests have none
}

const (
	slack       = 5
	leastLimit  = 10 * time.Second
	memoryLimit = 4 << 20 // of a test, in KiB: a mutation may make an allocating loop endless
)

// measure runs the tests of the packages without a mutation, which must pass.
// It sets limits from the time they take.
func (r *runner) measure(ctx context.Context, pkgs []*pkg) error {
	dir, err := os.MkdirTemp(r.tmp, "clean")
	if err != nil {
		return err
	}
	r.limits = make(map[string]time.Duration)
	for _, p := range pkgs {
		binary, log, err := r.build(ctx, p, dir, "")
		if err != nil {
			return fmt.Errorf("the tests of %s do not compile: %w\n%s", p.path, err, log)
		}
		if binary == "" {
			continue
		}
		start := time.Now()
		if result := r.test(ctx, p, binary, dir, 10*time.Minute); result.verdict != survived {
			return fmt.Errorf("the tests of %s fail without a mutation: %s\n%s", p.path, result.detail, result.log)
		}
		r.limits[p.path] = max(slack*time.Since(start), leastLimit)
		if r.timeout > 0 {
			r.limits[p.path] = r.timeout
		}
	}
	return nil
}

// A result is a verdict and the output of the tests.
type result struct {
	verdict verdict
	detail  string // such as the test that failed
	log     []byte
}

// try runs the tests of the mutated package. If all pass, it runs those of the
// root, which uses that package.
func (r *runner) try(ctx context.Context, m *mutation) (result, error) {
	dir, err := os.MkdirTemp(r.tmp, "mutant")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, m)
	if err != nil {
		return result{}, err
	}
	pkgs := []*pkg{m.file.pkg}
	if m.file.pkg != r.root {
		pkgs = append(pkgs, r.root)
	}
	for _, p := range pkgs {
		limit, tested := r.limits[p.path]
		if !tested {
			continue
		}
		binary, _, err := r.build(ctx, p, dir, overlay)
		if ctx.Err() != nil {
			return result{}, ctx.Err()
		}
		if err != nil {
			return result{verdict: noCompile}, nil
		}
		result := r.test(ctx, p, binary, dir, limit)
		if result.verdict != survived || ctx.Err() != nil {
			return result, ctx.Err()
		}
	}
	return result{verdict: survived}, nil
}

// writeOverlay writes the changed file, and the file that makes go build use it
// instead of the original. It returns the name of the second.
func writeOverlay(dir string, m *mutation) (string, error) {
	changed := filepath.Join(dir, "changed.go")
	overlay := filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {m.file.path: changed}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(changed, m.apply(), 0o666), os.WriteFile(overlay, replace, 0o666))
}

// build compiles the tests of p. If p has no tests, binary is "".
func (r *runner) build(ctx context.Context, p *pkg, dir, overlay string) (binary string, log []byte, err error) {
	binary = filepath.Join(dir, "test")
	_ = os.Remove(binary) // the binary of another package
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-o", binary, "-overlay", overlay, p.path)
	cmd.Dir = r.root.dir
	if log, err = cmd.CombinedOutput(); err != nil {
		return "", log, err
	}
	if _, err := os.Stat(binary); errors.Is(err, fs.ErrNotExist) {
		return "", log, nil
	}
	return binary, log, nil
}

// test runs the tests of p until one fails. It runs them in a process group of
// their own, so that no process that they start outlives them.
func (r *runner) test(ctx context.Context, p *pkg, binary, dir string, limit time.Duration) result {
	ctx, cancel := context.WithTimeout(ctx, limit+10*time.Second) // the tests stop at limit, unless the mutation breaks that
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -v "$0"; exec "$@"`, strconv.Itoa(memoryLimit),
		binary, "-test.failfast", "-test.paniconexit0", "-test.timeout", limit.String())
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	cmd.WaitDelay = time.Second
	out := new(tail)
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if cmd.Process != nil {
		_ = kill() // what is left of the group
	}
	switch {
	case err == nil:
		return result{verdict: survived, log: out.b}
	case ctx.Err() != nil || bytes.Contains(out.b, []byte("panic: test timed out")):
		return result{timedOut, "after " + limit.Round(time.Second).String(), out.b}
	}
	return result{caught, failure(out.b, err), out.b}
}

// A tail keeps the end of what is written to it, because a broken test may
// write without end.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 1 << 20
	t.b = append(t.b, p...)
	if extra := len(t.b) - most; extra > 0 {
		t.b = append(t.b[:0], t.b[extra:]...)
	}
	return len(p), nil
}

var failures = regexp.MustCompile(`(?m)^(?:--- FAIL: (\S+)|(panic: .*)|(fatal error: .*))`)

// failure returns the name of the test that failed or the message of the panic,
// and err if the log has neither.
func failure(log []byte, err error) string {
	match := failures.FindSubmatch(log)
	if match == nil {
		return err.Error()
	}
	return "by " + string(bytes.Join(match[1:], nil))
}
