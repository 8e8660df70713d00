package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A pkg is a package whose files are mutated.
type pkg struct {
	path  string // its import path
	dir   string // absolute
	files []*sourceFile
}

// A sourceFile is a parsed file of a package. Tests are not among them.
type sourceFile struct {
	pkg       *pkg
	name      string // relative to the root
	path      string // absolute
	src       []byte
	fset      *token.FileSet
	ast       *ast.File
	lines     int // how many lines hold code
	mutations []*mutation
}

// loadPackages returns the package in the directory root and the packages of
// its module below internal/, except testkit, which only tests use. The one in
// root comes first. Each has the files that are compiled on this machine.
func loadPackages(ctx context.Context, root string) ([]*pkg, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-json=ImportPath,Dir,GoFiles", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &stderr)
	}
	var pkgs []*pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var listed struct {
			ImportPath, Dir string
			GoFiles         []string
		}
		if err := decoder.Decode(&listed); err != nil {
			return nil, err
		}
		if len(pkgs) > 0 {
			inner, ok := strings.CutPrefix(listed.ImportPath, pkgs[0].path+"/internal/")
			if !ok || inner == "testkit" {
				continue
			}
		}
		p := &pkg{path: listed.ImportPath, dir: listed.Dir}
		pkgs = append(pkgs, p)
		if err := p.load(pkgs[0].dir, listed.GoFiles); err != nil {
			return nil, err
		}
	}
	return pkgs, nil
}

// load parses the files of p and finds their mutations.
func (p *pkg) load(root string, names []string) error {
	var parsed []*ast.File
	for _, name := range names {
		path := filepath.Join(p.dir, name)
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parseSource(p, filepath.ToSlash(relative), src)
		if err != nil {
			return err
		}
		f.path = path
		p.files = append(p.files, f)
		parsed = append(parsed, f.ast)
	}
	swaps := constantSwaps(parsed)
	for _, f := range p.files {
		f.mutations = findMutations(f, swaps)
	}
	return nil
}

func parseSource(p *pkg, name string, src []byte) (*sourceFile, error) {
	f := &sourceFile{pkg: p, name: name, src: src, fset: token.NewFileSet(), lines: codeLines(src)}
	var err error
	f.ast, err = parser.ParseFile(f.fset, name, src, parser.SkipObjectResolution)
	return f, err
}

// codeLines counts the lines that hold more than comments and white space.
func codeLines(src []byte) int {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(src))
	s.Init(file, src, nil, 0)
	lines, last := 0, 0
	for {
		pos, tok, _ := s.Scan()
		if tok == token.EOF {
			return lines
		}
		if line := file.Line(pos); line != last {
			lines, last = lines+1, line
		}
	}
}

func (f *sourceFile) offset(pos token.Pos) int { return f.fset.Position(pos).Offset }

func (f *sourceFile) text(n ast.Node) string {
	return string(f.src[f.offset(n.Pos()):f.offset(n.End())])
}
