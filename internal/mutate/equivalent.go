package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// equivalents are the mutations that no test can notice, with reasons.
type equivalents map[equivalentKey]string

type equivalentKey struct{ file, fingerprint string }

// loadEquivalents reads a file in which each line has the name of a source
// file, a fingerprint and a reason. It skips empty lines and lines that begin
// with #.
func loadEquivalents(name string) (equivalents, error) {
	e := make(equivalents)
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 3 {
			return nil, fmt.Errorf("%s:%d: want a file, a fingerprint and a reason", name, n)
		}
		key := equivalentKey{fields[0], fields[1]}
		if e[key] != "" {
			return nil, fmt.Errorf("%s:%d: %s %s is there twice", name, n, key.file, key.fingerprint)
		}
		e[key] = strings.Join(fields[2:], " ")
	}
	return e, lines.Err()
}

func (e equivalents) reason(m *mutation) string {
	return e[equivalentKey{m.file.name, m.fingerprint}]
}

// stale returns the entries that no mutation of the files has any more.
func (e equivalents) stale(files []*sourceFile) []equivalentKey {
	known := make(map[equivalentKey]bool)
	for _, f := range files {
		for _, m := range f.mutations {
			known[equivalentKey{f.name, m.fingerprint}] = true
		}
	}
	var stale []equivalentKey
	for key := range e {
		if !known[key] {
			stale = append(stale, key)
		}
	}
	slices.SortFunc(stale, func(a, b equivalentKey) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.fingerprint, b.fingerprint))
	})
	return stale
}
