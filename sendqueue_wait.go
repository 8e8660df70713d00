package websocket

import (
	"slices"
	"time"
)

// The values of sendQueue.direct.
//
// Most connections have one writer at a time. For a small message, locking mu
// twice per write was half the cost in memory. So a lone writer moves direct from
// directIdle to directBusy, writes, and moves it back, without the lock. Whoever
// locks the queue switches direct off. A writer that is in the middle of a direct
// write becomes the busy one then, so that all that is decided under the lock
// holds for it too. The last to unlock switches direct on again, if nothing is
// left to decide.
const (
	directOff  = iota // the lock must be taken
	directIdle        // nobody writes, and nothing prevents a write
	directBusy        // a goroutine writes that has not taken the lock
)

// lock locks the queue.
func (q *sendQueue) lock() {
	q.mu.Lock()
	if q.direct.Load() != directOff && q.direct.Swap(directOff) == directBusy {
		q.busy, q.forProgram = true, true
		q.taken++
	}
}

func (q *sendQueue) unlock() {
	if q.allowsDirect() {
		q.direct.Store(directIdle)
	}
	q.mu.Unlock()
}

// allowsDirect reports whether the next write has nothing to look at.
func (q *sendQueue) allowsDirect() bool {
	return !q.busy && !q.pending() && q.refused == nil && q.stream == nil &&
		len(q.line) == 0 && q.deadline.IsZero() && !q.deadlineOn
}

// tryDirect reports whether a write may go ahead without the lock. endDirect must
// follow that write.
func (q *sendQueue) tryDirect() bool { return q.direct.CompareAndSwap(directIdle, directBusy) }

// endDirect ends a direct write. It reports whether nobody has locked the queue
// since; if somebody has, the write must be ended as that of the busy goroutine.
func (q *sendQueue) endDirect() bool { return q.direct.CompareAndSwap(directBusy, directIdle) }

func (q *sendQueue) pending() bool { return q.queue != nil || q.owesPong || q.owesPing }

// maxOvertaken is how long writers that need not wait may overtake the first in
// line. If they never could, then once there is a line every message would stand
// in it, and cost two switches of goroutines: 8 writers of 120 bytes sent 0.7
// million messages a second that way, and send 3 million this way.
const maxOvertaken = 10 * time.Millisecond

// waiter is a writer that stands in line. A value in wake tells it to check again
// whether it is its turn.
type waiter struct {
	wake  chan struct{}
	since time.Time
}

// waitTurn waits until a frame of data with n bytes of payload may be written or
// queued. s, if not nil, is the message that the frame is a part of. It is
// called, and returns, with mu locked.
func (q *sendQueue) waitTurn(s *messageWriter, n int) error {
	switch {
	case q.refused != nil:
		return q.refused
	case q.deadlinePassed():
		return errWriteTimeout
	case q.unblocked(s, n) && (s != nil || q.mayOvertake()):
		return nil
	}
	me := &waiter{wake: make(chan struct{}, 1), since: time.Now()}
	if s != nil { // all others wait for the end of this message
		q.line = slices.Insert(q.line, 0, me)
	} else {
		q.line = append(q.line, me)
	}
	defer q.leaveLine(me)
	for {
		if err := q.wait(me.wake); err != nil {
			return err
		}
		switch {
		case q.refused != nil:
			return q.refused
		case q.deadlinePassed(): // both may have come
			return errWriteTimeout
		case q.line[0] == me && q.unblocked(s, n):
			return nil
		}
	}
}

func (q *sendQueue) mayOvertake() bool {
	return len(q.line) == 0 || time.Since(q.line[0].since) < maxOvertaken
}

// leaveLine removes a waiter from the line.
func (q *sendQueue) leaveLine(me *waiter) {
	i := slices.Index(q.line, me)
	q.line = slices.Delete(q.line, i, i+1)
	q.wakeNext()
}

// unblocked reports whether nothing but the line prevents a frame.
func (q *sendQueue) unblocked(s *messageWriter, n int) bool {
	return (q.stream == nil || q.stream == s) && (!q.busy || q.hasRoom(n))
}

// hasRoom reports whether a frame with n bytes of payload fits into the queue.
func (q *sendQueue) hasRoom(n int) bool {
	queued := 0
	if q.queue != nil {
		queued = len(q.queue.b)
	}
	return n <= maxQueue && queued+maxHeader+n <= maxQueue
}

// deadlinePassed reports whether the deadline has passed. A frame that has not
// begun by then is not sent, and the connection stays as good as it was.
func (q *sendQueue) deadlinePassed() bool {
	return !q.deadline.IsZero() && !time.Now().Before(q.deadline)
}

// wait waits to be woken, or for the deadline.
func (q *sendQueue) wait(wake <-chan struct{}) error {
	deadline := q.deadline
	q.unlock()
	defer q.lock()
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

// nudge makes the waiter check again.
func (me *waiter) nudge() {
	select {
	case me.wake <- struct{}{}:
	default: // it has not checked since the last time
	}
}

// wakeNext makes the first in line check whether it is its turn.
func (q *sendQueue) wakeNext() {
	if len(q.line) > 0 {
		q.line[0].nudge()
	}
}

func (q *sendQueue) wakeFlushers() {
	if q.flushed != nil {
		close(q.flushed)
		q.flushed = nil
	}
}

// wakeAll wakes every waiter to check its condition again.
func (q *sendQueue) wakeAll() {
	for _, waiting := range q.line {
		waiting.nudge()
	}
	q.wakeFlushers()
}
