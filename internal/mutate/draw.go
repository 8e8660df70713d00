package main

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
)

// A deck holds the mutations of one file, in the order in which they are drawn.
type deck struct {
	file  *sourceFile
	order []*mutation
	quota int // how many are still to be drawn
}

// A draw hands out mutations. Several goroutines may use it.
type draw struct {
	mu    sync.Mutex
	decks []*deck
}

// newDraw distributes n mutations over files: one for each, and the rest in
// proportion to their lines. If n is less than the number of files, chance
// decides which files get none. Everything depends on the seed.
func newDraw(files []*sourceFile, n int, seed uint64) *draw {
	d := new(draw)
	for _, f := range files {
		if len(f.mutations) > 0 {
			d.decks = append(d.decks, &deck{file: f, order: shuffle(f, seed)})
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for _, i := range random.Perm(len(d.decks)) {
		if n > 0 {
			d.decks[i].quota++
			n--
		}
	}
	for ; n > 0; n-- {
		d.raise()
	}
	return d
}

// raise gives one more mutation to the file that has the most lines for each of
// its mutations.
func (d *draw) raise() {
	var best *deck
	for _, deck := range d.decks {
		if deck.quota == len(deck.order) {
			continue
		}
		if best == nil || deck.file.lines*(best.quota+1) > best.file.lines*(deck.quota+1) {
			best = deck
		}
	}
	if best != nil {
		best.quota++
	}
}

// shuffle returns the mutations of a file in an order in which all kinds are
// equally frequent, until one runs out. Otherwise every other one would change
// an integer. The order depends on the file and the seed alone.
func shuffle(f *sourceFile, seed uint64) []*mutation {
	name := fnv.New64a()
	name.Write([]byte(f.name))
	random := rand.New(rand.NewPCG(seed, name.Sum64()))
	var kinds []kind
	left := make(map[kind][]*mutation)
	for _, m := range f.mutations {
		if left[m.kind] == nil {
			kinds = append(kinds, m.kind)
		}
		left[m.kind] = append(left[m.kind], m)
	}
	var order []*mutation
	for len(kinds) > 0 {
		k := random.IntN(len(kinds))
		rest := left[kinds[k]]
		i := random.IntN(len(rest))
		order = append(order, rest[i])
		left[kinds[k]] = slices.Delete(rest, i, i+1)
		if len(rest) == 1 {
			kinds = slices.Delete(kinds, k, k+1)
		}
	}
	return order
}

// next returns the next mutation, or nil if no more are to be drawn.
func (d *draw) next() *mutation {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, deck := range d.decks {
		if deck.quota > 0 && len(deck.order) > 0 {
			m := deck.order[0]
			deck.order = deck.order[1:]
			deck.quota--
			return m
		}
	}
	return nil
}

// again lets next return one more mutation of the file of m.
func (d *draw) again(m *mutation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, deck := range d.decks {
		if deck.file == m.file {
			deck.quota++
		}
	}
}
