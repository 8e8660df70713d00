package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
)

// swappedOperators maps each operator to the one that replaces it.
var swappedOperators = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS,
	token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL,
	token.ADD: token.SUB, token.SUB: token.ADD,
	token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.QUO,
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.AND: token.OR, token.OR: token.AND, token.XOR: token.OR, token.AND_NOT: token.AND,
	token.SHL: token.SHR, token.SHR: token.SHL,
	token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN,
	token.MUL_ASSIGN: token.QUO_ASSIGN, token.QUO_ASSIGN: token.MUL_ASSIGN, token.REM_ASSIGN: token.QUO_ASSIGN,
	token.AND_ASSIGN: token.OR_ASSIGN, token.OR_ASSIGN: token.AND_ASSIGN, token.XOR_ASSIGN: token.OR_ASSIGN,
	token.AND_NOT_ASSIGN: token.AND_ASSIGN,
	token.SHL_ASSIGN:     token.SHR_ASSIGN, token.SHR_ASSIGN: token.SHL_ASSIGN,
	token.INC: token.DEC, token.DEC: token.INC,
}

// constantSwaps maps each constant of a package to the one that replaces it:
// the next one of the same type or, if the type is not written, of the same
// group. The first one replaces the last.
func constantSwaps(files []*ast.File) map[string]string {
	groups := make(map[string][]string)
	for _, file := range files {
		for _, decl := range file.Decls {
			decl, ok := decl.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				continue
			}
			group := ""
			for _, spec := range decl.Specs {
				spec := spec.(*ast.ValueSpec)
				if spec.Values != nil { // otherwise the spec repeats the one above, with its type
					group = fmt.Sprintf("%p", decl)
				}
				if t, ok := spec.Type.(*ast.Ident); ok {
					group = t.Name
				}
				for _, name := range spec.Names {
					if name.Name != "_" {
						groups[group] = append(groups[group], name.Name)
					}
				}
			}
		}
	}
	swaps := map[string]string{"true": "false", "false": "true"}
	for _, names := range groups {
		for i, name := range names {
			if len(names) > 1 {
				swaps[name] = names[(i+1)%len(names)]
			}
		}
	}
	return swaps
}

// A finder collects the mutations of a file.
type finder struct {
	*sourceFile
	swaps map[string]string
	decl  string
	skip  map[ast.Node]bool
	found []*mutation
}

// findMutations returns all mutations of a file, in the order of the source.
// Some of them do not compile. To leave those out, findMutations would have to
// know types.
func findMutations(f *sourceFile, swaps map[string]string) []*mutation {
	finder := finder{sourceFile: f, swaps: swaps, skip: make(map[ast.Node]bool)}
	for _, decl := range f.ast.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			finder.decl = decl.Name.Name
			if decl.Recv != nil {
				finder.decl = f.text(decl.Recv.List[0].Type) + "." + decl.Name.Name
			}
			ast.Inspect(decl, finder.visit)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				finder.decl = declared(spec)
				ast.Inspect(spec, finder.visit)
			}
		}
	}
	slices.SortStableFunc(finder.found, func(a, b *mutation) int { return cmp.Compare(a.start, b.start) })
	setFingerprints(finder.found)
	return finder.found
}

func declared(spec ast.Spec) string {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		return spec.Names[0].Name
	case *ast.TypeSpec:
		return spec.Name.Name
	}
	return "import"
}

func (f *finder) add(k kind, from, to token.Pos, text string) {
	f.found = append(f.found, &mutation{file: f.sourceFile, kind: k, start: f.offset(from), end: f.offset(to), text: text, decl: f.decl})
}

func (f *finder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		f.swapOperator(n.OpPos, n.Op)
	case *ast.AssignStmt:
		f.swapOperator(n.TokPos, n.Tok)
	case *ast.IncDecStmt:
		f.swapOperator(n.TokPos, n.Tok)
	case *ast.UnaryExpr:
		f.dropOperator(n)
	case *ast.BasicLit:
		f.shiftInteger(n)
	case *ast.SliceExpr:
		f.shiftBounds(n)
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.ForStmt:
		f.negate(n.Cond)
	case *ast.SwitchStmt:
		if n.Tag == nil {
			f.negateCases(n.Body)
		}
	case *ast.Ident:
		if to, ok := f.swaps[n.Name]; ok && !f.skip[n] {
			f.add(constant, n.Pos(), n.End(), to)
		}
	default:
		f.visitNames(n)
		f.visitBlock(n)
	}
	return true
}

// visitNames marks names that do not refer to a constant of the package.
func (f *finder) visitNames(n ast.Node) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		f.skip[n.Sel] = true
	case *ast.ValueSpec:
		for _, name := range n.Names {
			f.skip[name] = true
		}
	case *ast.Field:
		for _, name := range n.Names {
			f.skip[name] = true
		}
	}
}

func (f *finder) visitBlock(n ast.Node) {
	switch n := n.(type) {
	case *ast.FuncDecl:
		f.skip[n.Name] = true
		f.skipLastReturn(n.Body)
	case *ast.FuncLit:
		f.skipLastReturn(n.Body)
	case *ast.BlockStmt:
		f.dropStatements(n.List)
	case *ast.CaseClause:
		f.dropStatements(n.Body)
	case *ast.CommClause:
		f.dropStatements(n.Body)
	}
}

// skipLastReturn marks the return at the end of a function, so that it is not
// left out: only early returns are.
func (f *finder) skipLastReturn(body *ast.BlockStmt) {
	if body != nil && len(body.List) > 0 {
		f.skip[body.List[len(body.List)-1]] = true
	}
}

func (f *finder) swapOperator(pos token.Pos, op token.Token) {
	if to, ok := swappedOperators[op]; ok {
		f.add(operator, pos, pos+token.Pos(len(op.String())), to.String())
	}
}

func (f *finder) dropOperator(n *ast.UnaryExpr) {
	switch n.Op {
	case token.NOT:
		f.add(condition, n.OpPos, n.X.Pos(), "")
	case token.SUB, token.XOR:
		f.add(operator, n.OpPos, n.X.Pos(), "")
	}
}

func (f *finder) shiftInteger(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	value, err := strconv.ParseUint(n.Value, 0, 63)
	if err != nil {
		return
	}
	format := "%d"
	if len(n.Value) > 1 && n.Value[0] == '0' {
		format = "%#x"
	}
	f.add(bound, n.Pos(), n.End(), fmt.Sprintf(format, value+1))
	if value > 0 {
		f.add(bound, n.Pos(), n.End(), fmt.Sprintf(format, value-1))
	}
}

// shiftBounds changes bounds of a slice. It leaves literals to shiftInteger.
func (f *finder) shiftBounds(n *ast.SliceExpr) {
	for _, x := range []ast.Expr{n.Low, n.High, n.Max} {
		if _, literal := x.(*ast.BasicLit); x != nil && !literal {
			f.add(bound, x.Pos(), x.End(), "("+f.text(x)+")+1")
			f.add(bound, x.Pos(), x.End(), "("+f.text(x)+")-1")
		}
	}
}

// negate negates a condition. It leaves alone a condition that is one
// comparison with == or !=, or that begins with !. swapOperator and
// dropOperator negate those.
func (f *finder) negate(x ast.Expr) {
	switch x := ast.Unparen(x).(type) {
	case nil:
		return
	case *ast.UnaryExpr:
		if x.Op == token.NOT {
			return
		}
	case *ast.BinaryExpr:
		if x.Op == token.EQL || x.Op == token.NEQ {
			return
		}
	}
	f.add(condition, x.Pos(), x.End(), "!("+f.text(x)+")")
}

func (f *finder) negateCases(body *ast.BlockStmt) {
	for _, clause := range body.List {
		for _, x := range clause.(*ast.CaseClause).List {
			f.negate(x)
		}
	}
}

// dropStatements adds a mutation for each statement of a list, which leaves
// that statement out. It keeps declarations, because nothing would compile
// without them.
func (f *finder) dropStatements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE && !isDiscard(s) {
				f.add(statement, s.Pos(), s.End(), "{}")
			}
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
			f.add(statement, s.Pos(), s.End(), "{}")
		case *ast.ReturnStmt:
			if !f.skip[s] {
				f.add(exit, s.Pos(), s.End(), "{}")
			}
		case *ast.BranchStmt:
			if s.Tok == token.BREAK || s.Tok == token.CONTINUE {
				f.add(exit, s.Pos(), s.End(), "{}")
			}
		}
	}
}

// isDiscard reports whether s assigns only to blank identifiers and calls
// nothing.
func isDiscard(s *ast.AssignStmt) bool {
	discard := true
	for _, x := range s.Lhs {
		id, ok := x.(*ast.Ident)
		discard = discard && ok && id.Name == "_"
	}
	for _, x := range s.Rhs {
		ast.Inspect(x, func(n ast.Node) bool {
			if _, ok := n.(*ast.CallExpr); ok {
				discard = false
			}
			return discard
		})
	}
	return discard
}
