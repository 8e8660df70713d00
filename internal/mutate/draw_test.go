package main

import (
	"fmt"
	"slices"
	"testing"
)

func deckFile(name string, lines int, kinds map[kind]int) *sourceFile {
	f := &sourceFile{name: name, lines: lines}
	for _, k := range []kind{operator, bound, statement, condition, constant, exit} {
		for i := range kinds[k] {
			f.mutations = append(f.mutations, &mutation{file: f, kind: k, start: i})
		}
	}
	return f
}

func quotas(d *draw) (all []int) {
	for _, deck := range d.decks {
		all = append(all, deck.quota)
	}
	return all
}

func TestDrawIsSpread(t *testing.T) {
	many := map[kind]int{operator: 50, bound: 50}
	files := []*sourceFile{
		deckFile("small.go", 1, many),
		deckFile("none.go", 1000, nil),
		deckFile("few.go", 1000, map[kind]int{exit: 3}),
		deckFile("middle.go", 100, many),
		deckFile("large.go", 300, many),
	}
	for n, want := range map[int][]int{ // of all but none.go
		4:   {1, 1, 1, 1},
		24:  {1, 3, 5, 15},
		44:  {1, 3, 10, 30},
		400: {100, 3, 100, 100},
	} {
		if got := quotas(newDraw(files, n, 1)); !slices.Equal(got, want) {
			t.Errorf("%d are spread as %v, want %v", n, got, want)
		}
	}
	seen := make(map[string]bool)
	for seed := range 20 {
		got := quotas(newDraw(files, 1, uint64(seed)))
		seen[fmt.Sprint(got)] = true
	}
	if len(seen) != 4 {
		t.Errorf("one mutation of four files is spread in %d ways over 20 seeds: %v, want 4", len(seen), seen)
	}
}

func take(d *draw, n int) (all []*mutation) {
	for m := d.next(); m != nil && len(all) < n; m = d.next() {
		all = append(all, m)
	}
	return all
}

// The seed decides, and no other file does.
func TestDrawIsRepeatable(t *testing.T) {
	file := deckFile("a.go", 10, map[kind]int{operator: 100, bound: 100})
	other := deckFile("b.go", 1, map[kind]int{operator: 1})
	first := take(newDraw([]*sourceFile{file}, 10, 1), 10)
	if again := take(newDraw([]*sourceFile{file, other}, 11, 1), 10); !slices.Equal(first, again) {
		t.Error("with another file beside it, other mutations were drawn")
	}
	if other := take(newDraw([]*sourceFile{file}, 10, 2), 10); slices.Equal(first, other) {
		t.Error("another seed drew the same")
	}
}

// Rare kinds of mutations are drawn as often as frequent ones.
func TestDrawOfRareKinds(t *testing.T) {
	file := deckFile("a.go", 10, map[kind]int{bound: 10_000, exit: 30})
	counts := make(map[kind]int)
	for _, m := range take(newDraw([]*sourceFile{file}, 40, 1), 40) {
		counts[m.kind]++
	}
	if counts[exit] < 10 || counts[exit] > 30 {
		t.Errorf("drew %v, want about as many of each kind", counts)
	}
}

func TestDrawAgain(t *testing.T) {
	file := deckFile("a.go", 10, map[kind]int{operator: 3})
	d := newDraw([]*sourceFile{file}, 2, 1)
	seen := make(map[*mutation]bool)
	for m := d.next(); m != nil; m = d.next() {
		seen[m] = true
		if len(seen) < 5 {
			d.again(m)
		}
	}
	if len(seen) != 3 {
		t.Errorf("drew %d mutations where each was refused, want all 3", len(seen))
	}
}
