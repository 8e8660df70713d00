package websocket

// While a connection has nothing but single writes, one after the other, two
// locks and two unlocks for each were half of what a small one cost in memory.
// The gate takes their place: a writer who finds it open closes it behind him,
// writes, and opens it. Whoever locks the writer shuts it, and makes the writer
// who is within, if there is one, the busy one that the lock knows of, so that
// all that is decided under the lock holds for him too. The last to unlock opens
// it if there is nothing left to decide.
const (
	gateShut  = iota // the lock is to be taken
	gateOpen         // nobody writes, and nothing stands in the way of who does
	gateTaken        // somebody writes who has not taken the lock
)

// lock locks what concerns writing.
func (w *writer) lock() {
	w.mu.Lock()
	if w.gate.Load() != gateShut && w.gate.Swap(gateShut) == gateTaken {
		w.busy, w.program = true, true
		w.taken++
	}
}

func (w *writer) unlock() {
	if w.plain() {
		w.gate.Store(gateOpen)
	}
	w.mu.Unlock()
}

// plain reports whether the next write need not look at anything.
func (w *writer) plain() bool {
	return !w.busy && !w.pending() && w.err == nil && !w.closing && !w.ended && w.stream == nil &&
		len(w.line) == 0 && w.deadline.IsZero() && w.applied.IsZero()
}

// enter reports whether nothing stands in the way of a write, in which case it
// must be followed by leave.
func (w *writer) enter() bool { return w.gate.CompareAndSwap(gateOpen, gateTaken) }

// leave ends a write that enter has let in. It reports whether nobody has
// locked the writer since; if somebody has, the write is to be ended as that of
// any busy goroutine.
func (w *writer) leave() bool { return w.gate.CompareAndSwap(gateTaken, gateOpen) }
