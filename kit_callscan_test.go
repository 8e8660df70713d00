package websocket_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// loadCallGraph computes the graph of the package in dir as it is compiled for
// a system.
func loadCallGraph(dir, goos, goarch string) (*callGraph, error) {
	fset, files, err := parsePackage(dir, goos, goarch)
	if err != nil {
		return nil, err
	}
	importer := &stubImporter{dir, goos, goarch, make(map[string]*types.Package)}
	return newCallGraph(fset, files, importer), nil
}

// parsePackage parses the files in dir, except tests, that are compiled for a
// system.
func parsePackage(dir, goos, goarch string) (*token.FileSet, []*ast.File, error) {
	context := build.Default
	context.GOOS, context.GOARCH = goos, goarch
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		match, err := context.MatchFile(dir, name)
		if err != nil {
			return nil, nil, err
		}
		if !match {
			continue
		}
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, file)
	}
	return fset, files, nil
}

func newCallGraph(fset *token.FileSet, files []*ast.File, importer types.Importer) *callGraph {
	s := callScanner{
		callGraph: &callGraph{
			calls:     make(map[string]map[string]fileCall),
			imports:   make(map[string][]string),
			connCalls: make(map[string][]fileCall),
		},
		fset: fset,
		info: types.Info{
			Defs:       make(map[*ast.Ident]types.Object),
			Uses:       make(map[*ast.Ident]types.Object),
			Selections: make(map[*ast.SelectorExpr]*types.Selection),
		},
		methods: make(map[string][]*types.Func),
	}
	s.pkg = checkLoosely("websocket", fset, files, importer, &s.info)
	for _, object := range s.info.Defs {
		s.define(object)
	}
	for _, file := range files {
		s.scan(file)
	}
	slices.Sort(s.files)
	slices.Sort(s.hooks)
	return s.callGraph
}

// stubs is what the type checker sees of other packages: net.Conn, and the types
// that hand back a value of this package.
var stubs = map[string]string{
	"net": `package net
		import "time"
		type Addr interface { Network() string; String() string }
		type Conn interface {
			Read(b []byte) (n int, err error)
			Write(b []byte) (n int, err error)
			Close() error
			LocalAddr() Addr
			RemoteAddr() Addr
			SetDeadline(t time.Time) error
			SetReadDeadline(t time.Time) error
			SetWriteDeadline(t time.Time) error
		}`,
	"context": `package context
		type Context interface { Done() <-chan struct{}; Err() error; Value(key any) any }`,
	"sync": `package sync
		type Mutex struct{}
		func (*Mutex) Lock() {}
		func (*Mutex) Unlock() {}
		type Pool struct { New func() any }
		func (*Pool) Get() any { return nil }`,
	"sync/atomic": `package atomic
		type Pointer[T any] struct { p *T }
		func (x *Pointer[T]) Load() *T { return x.p }
		func (x *Pointer[T]) Swap(p *T) *T { return x.p }`,
	"iter": `package iter
		type Seq[V any] func(yield func(V) bool)
		type Seq2[K, V any] func(yield func(K, V) bool)`,
}

// A stubImporter imports the packages of this module that are below dir, and
// stubs.
type stubImporter struct {
	dir, goos, goarch string
	imported          map[string]*types.Package
}

const modulePath = "github.com/protocol-websocket/websocket/"

func (s *stubImporter) Import(path string) (*types.Package, error) {
	if pkg := s.imported[path]; pkg != nil {
		return pkg, nil
	}
	fset, files, err := s.parse(path)
	if err != nil {
		return nil, err
	}
	pkg := checkLoosely(path, fset, files, s, nil)
	s.imported[path] = pkg
	return pkg, nil
}

func (s *stubImporter) parse(path string) (*token.FileSet, []*ast.File, error) {
	if dir, ok := strings.CutPrefix(path, modulePath); ok && s.dir != "" {
		return parsePackage(filepath.Join(s.dir, dir), s.goos, s.goarch)
	}
	source, ok := stubs[path]
	if !ok {
		return nil, nil, fmt.Errorf("no stub of %s", path)
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, source, parser.SkipObjectResolution)
	return fset, []*ast.File{file}, err
}

// checkLoosely checks the types of a package. What comes from a package that
// cannot be imported has an invalid type, so there are errors everywhere. They
// are ignored: the names of the package itself are resolved nevertheless.
func checkLoosely(path string, fset *token.FileSet, files []*ast.File, importer types.Importer, info *types.Info) *types.Package {
	config := types.Config{Importer: importer, Error: func(error) {}}
	pkg, _ := config.Check(path, fset, files, info)
	return pkg
}

// A callScanner fills a callGraph.
type callScanner struct {
	*callGraph
	fset     *token.FileSet
	pkg      *types.Package
	info     types.Info
	concrete []types.Type             // pointers to the types that may implement an interface
	methods  map[string][]*types.Func // of the package, by name
	caller   string                   // the declaration that is being scanned
}

// define takes note of what the package declares.
func (s *callScanner) define(object types.Object) {
	switch object := object.(type) {
	case *types.TypeName:
		if named, ok := object.Type().(*types.Named); ok && !types.IsInterface(named) {
			s.concrete = append(s.concrete, types.NewPointer(named))
		}
	case *types.Func:
		if object.Signature().Recv() != nil {
			s.methods[object.Name()] = append(s.methods[object.Name()], object)
		}
	case *types.Var:
		_, isFunc := object.Type().Underlying().(*types.Signature)
		if isFunc && !object.Exported() && (object.IsField() || object.Parent() == s.pkg.Scope()) {
			s.hooks = append(s.hooks, fmt.Sprintf("%s: %s", s.file(object.Pos()), object.Name()))
		}
	}
}

func (s *callScanner) scan(file *ast.File) {
	name := s.file(file.Pos())
	s.files = append(s.files, name)
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			s.imports[name] = append(s.imports[name], path)
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			s.caller = describeFunc(s.info.Defs[decl.Name].(*types.Func))
			ast.Inspect(decl, s.visit)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if spec, ok := spec.(*ast.ValueSpec); ok {
					s.caller = "var " + spec.Names[0].Name
					ast.Inspect(spec, s.visit)
				}
			}
		}
	}
}

func (s *callScanner) visit(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.SelectorExpr:
		if selection := s.info.Selections[node]; selection != nil {
			s.throughInterface(node, selection)
		} else if s.info.Uses[node.Sel] == nil && !s.isPackage(node.X) {
			s.onUnknownType(node)
		}
	case *ast.Ident:
		if callee, ok := s.info.Uses[node].(*types.Func); ok {
			s.call(node.Pos(), callee.Origin())
		}
	}
	return true
}

// onUnknownType adds a call of every method that may be the selected one of an
// unknown type. A name that is not exported can only be of this package.
// An exported one is taken for another package's.
func (s *callScanner) onUnknownType(node *ast.SelectorExpr) {
	if node.Sel.IsExported() {
		if s.methods[node.Sel.Name] != nil {
			s.unresolved = append(s.unresolved, fileCall{s.fset.Position(node.Sel.Pos()), s.caller, node.Sel.Name})
		}
		return
	}
	for _, callee := range s.methods[node.Sel.Name] {
		s.call(node.Sel.Pos(), callee)
	}
}

func (s *callScanner) isPackage(x ast.Expr) bool {
	id, ok := x.(*ast.Ident)
	if !ok {
		return false
	}
	_, ok = s.info.Uses[id].(*types.PkgName)
	return ok
}

// throughInterface adds a call for each method that the selected method of an
// interface may stand for.
func (s *callScanner) throughInterface(node *ast.SelectorExpr, selection *types.Selection) {
	method, ok := selection.Obj().(*types.Func)
	if !ok || method.Pkg() != s.pkg || !types.IsInterface(method.Signature().Recv().Type()) {
		return
	}
	receiver := selection.Recv()
	if !types.IsInterface(receiver) { // a struct that embeds the interface
		receiver = method.Signature().Recv().Type()
	}
	iface := receiver.Underlying().(*types.Interface)
	for _, t := range s.concrete {
		if !types.Implements(t, iface) {
			continue
		}
		object, _, _ := types.LookupFieldOrMethod(t, false, s.pkg, method.Name())
		if callee, ok := object.(*types.Func); ok {
			s.call(node.Sel.Pos(), callee.Origin())
		}
	}
}

func (s *callScanner) call(pos token.Pos, callee *types.Func) {
	call := fileCall{s.fset.Position(pos), s.caller, describeFunc(callee)}
	if isConnIO(callee) {
		from := s.file(pos)
		s.connCalls[from] = append(s.connCalls[from], call)
	}
	if callee.Pkg() != s.pkg || isAbstract(callee) {
		return
	}
	from, to := s.file(pos), s.file(callee.Pos())
	if from == to {
		return
	}
	if s.calls[from] == nil {
		s.calls[from] = make(map[string]fileCall)
	}
	if first, ok := s.calls[from][to]; !ok || call.at.Offset < first.at.Offset {
		s.calls[from][to] = call
	}
}

func isAbstract(f *types.Func) bool {
	receiver := f.Signature().Recv()
	return receiver != nil && types.IsInterface(receiver.Type())
}

func isConnIO(f *types.Func) bool {
	if f.Pkg() == nil || f.Pkg().Path() != "net" {
		return false
	}
	switch f.Name() {
	case "Read", "Write", "Close", "SetDeadline", "SetReadDeadline", "SetWriteDeadline":
		return true
	}
	return false
}

func (s *callScanner) file(pos token.Pos) string { return filepath.Base(s.fset.Position(pos).Filename) }

func describeFunc(f *types.Func) string {
	receiver := f.Signature().Recv()
	if receiver == nil {
		return "func " + f.Name()
	}
	t, star := receiver.Type(), ""
	if pointer, ok := t.(*types.Pointer); ok {
		t, star = pointer.Elem(), "*"
	}
	name := "interface"
	if named, ok := t.(*types.Named); ok {
		name = named.Obj().Name()
	}
	if star != "" {
		name = "(*" + name + ")"
	}
	return "method " + name + "." + f.Name()
}
