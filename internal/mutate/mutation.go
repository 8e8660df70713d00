package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// A kind names what a mutation changes, and how.
type kind string

const (
	operator  kind = "operator"  // another operator
	bound     kind = "bound"     // an integer or a bound of a slice, one more or less
	statement kind = "statement" // an assignment, a call or the like, left out
	condition kind = "condition" // negated
	constant  kind = "constant"  // another constant of its type
	exit      kind = "return"    // a return, break or continue, left out
)

// A mutation is one change of one file.
type mutation struct {
	file        *sourceFile
	kind        kind
	start, end  int    // what is replaced: src[start:end]
	text        string // what replaces it
	decl        string // the declaration in which the change is
	fingerprint string
}

// apply returns the source of the changed file.
func (m *mutation) apply() []byte {
	return slices.Concat(m.file.src[:m.start], []byte(m.text), m.file.src[m.end:])
}

func (m *mutation) line() int { return 1 + bytes.Count(m.file.src[:m.start], []byte("\n")) }

// diff returns the lines that change, before and after. It joins several lines
// to one.
func (m *mutation) diff() (before, after string) {
	src := m.file.src
	from := bytes.LastIndexByte(src[:m.start], '\n') + 1
	to := len(src)
	if i := bytes.IndexByte(src[m.end:], '\n'); i >= 0 {
		to = m.end + i
	}
	before = oneLine(string(src[from:to]))
	after = oneLine(string(src[from:m.start]) + m.text + string(src[m.end:to]))
	return before, after
}

// oneLine replaces each run of white space by one space.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// setFingerprints sets the fingerprint of each mutation of a file. It is a hash
// of the declaration that the mutation is in and of the lines that change. It
// does not depend on where the lines are in the file. A number tells equal
// mutations apart.
func setFingerprints(all []*mutation) {
	seen := make(map[string]int)
	for _, m := range all {
		before, after := m.diff()
		id := m.decl + "\n" + before + "\n" + after
		seen[id]++
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d", id, seen[id]))
		m.fingerprint = fmt.Sprintf("%x", sum[:5])
	}
}
