package websocket

import (
	"slices"
	"time"
)

// maxOvertaken is how long the first in line can be overtaken by writers that
// need not wait. If it never could be, then once there is a line each message
// would stand in it, and cost two switches of goroutines: 8 writers of 120 bytes
// got 0.7 million messages a second through, and get 3.
const maxOvertaken = 10 * time.Millisecond

// waiter is a writer who stands in line. A value in wake tells it to look again
// whether it is its turn.
type waiter struct {
	wake  chan struct{}
	since time.Time
}

// waitTurn waits until a data frame with n bytes of payload, which s, if not
// nil, is a part of, may be written or queued. It is called, and returns, with
// w.mu locked.
func (w *writer) waitTurn(s *messageWriter, n int) error {
	err := w.refusal()
	switch {
	case err != nil:
		return err
	case w.late():
		return errWriteTimeout
	case w.free(s, n) && (s != nil || w.mayOvertake()):
		return nil
	}
	me := &waiter{wake: make(chan struct{}, 1), since: time.Now()}
	if s != nil { // all others wait for the end of its message
		w.line = slices.Insert(w.line, 0, me)
	} else {
		w.line = append(w.line, me)
	}
	defer w.leaveLine(me)
	for {
		if err := w.wait(me.wake); err != nil {
			return err
		}
		if err := w.refusal(); err != nil {
			return err
		}
		if w.late() { // both may have come
			return errWriteTimeout
		}
		if w.line[0] == me && w.free(s, n) {
			return nil
		}
	}
}

func (w *writer) mayOvertake() bool {
	return len(w.line) == 0 || time.Since(w.line[0].since) < maxOvertaken
}

// leaveLine takes somebody out of the line.
func (w *writer) leaveLine(me *waiter) {
	i := slices.Index(w.line, me)
	w.line = slices.Delete(w.line, i, i+1)
	w.wakeNext()
}

// free reports whether nothing but the line stands in the way of a frame.
func (w *writer) free(s *messageWriter, n int) bool {
	return (w.stream == nil || w.stream == s) && (!w.busy || w.fits(n))
}

func (w *writer) fits(n int) bool {
	queued := 0
	if w.queue != nil {
		queued = len(w.queue.b)
	}
	return n <= maxQueue && queued+maxHeader+n <= maxQueue
}

// late reports whether the deadline has passed: what has not begun then has
// sent nothing and does no harm.
func (w *writer) late() bool { return !w.deadline.IsZero() && !time.Now().Before(w.deadline) }

// wait waits to be woken, or for the deadline.
func (w *writer) wait(wake <-chan struct{}) error {
	deadline := w.deadline
	w.unlock()
	defer w.lock()
	var expired <-chan time.Time
	if !deadline.IsZero() {
		t := time.NewTimer(time.Until(deadline))
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-wake:
		return nil
	case <-expired:
		return errWriteTimeout
	}
}

func (me *waiter) look() {
	select {
	case me.wake <- struct{}{}:
	default: // it has not looked since the last time
	}
}

// wakeNext has the first in line look whether it is its turn.
func (w *writer) wakeNext() {
	if len(w.line) > 0 {
		w.line[0].look()
	}
}

func (w *writer) wakeFlushers() {
	if w.flushed != nil {
		close(w.flushed)
		w.flushed = nil
	}
}

// wakeAll tells everybody who waits that things are not what they were.
func (w *writer) wakeAll() {
	for _, waiting := range w.line {
		waiting.look()
	}
	w.wakeFlushers()
}
