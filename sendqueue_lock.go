package websocket

import (
	"slices"
	"time"
)

// The values of sendQueue.direct.
//
// Most connections have one writer at a time. For a small message, locking mu
// twice per write was half the cost, measured without a network. So a lone
// writer does not lock mu: it moves direct from directIdle to directBusy,
// writes, and moves it back.
//
// A goroutine that locks the queue sets direct to directOff. If a direct write
// is in progress, its goroutine becomes the busy one, so that every decision
// under the lock takes that write into account. Unlocking sets direct to
// directIdle again if allowsDirect reports true.
const (
	directOff  = iota // a writer must lock the queue
	directIdle        // no goroutine is writing, and nothing prevents a write
	directBusy        // a goroutine is writing and has not locked the queue
)

// lock locks mu. A goroutine that is writing directly becomes the busy one.
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

// allowsDirect reports whether the next write can ignore everything that mu
// guards.
func (q *sendQueue) allowsDirect() bool {
	return !q.busy && !q.pending() && q.refused == nil && q.stream == nil &&
		len(q.line) == 0 && q.deadline.IsZero() && !q.deadlineOn
}

// tryDirect begins a direct write, if that is possible, and reports whether it
// did. afterDirect must end the write.
func (q *sendQueue) tryDirect() bool { return q.direct.CompareAndSwap(directIdle, directBusy) }

// endDirect ends a direct write and reports whether it could. It cannot if the
// queue was locked since the write began: then the caller is the busy goroutine
// and must end its write as such.
func (q *sendQueue) endDirect() bool { return q.direct.CompareAndSwap(directBusy, directIdle) }

func (q *sendQueue) pending() bool { return q.queue != nil || q.owesPong || q.owesPing }

// maxOvertaken is how long the first in line may be overtaken by writers that
// need not wait. Without overtaking, every writer that meets a line must stand
// in it, and each message costs two switches between goroutines: 8 writers of
// 120 bytes sent 0.7 million messages a second that way, and send 3 million
// with overtaking.
const maxOvertaken = 10 * time.Millisecond

// waiter is a writer that stands in line. A value sent to wake makes it check
// again whether its turn has come.
type waiter struct {
	wake  chan struct{}
	since time.Time
}

// waitTurn waits until a data frame with n bytes of payload may be written or
// queued. s is the message of NextWriter that the frame is part of, or nil. mu
// must be locked. waitTurn unlocks it while it waits.
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
	if s != nil { // every other writer waits for the end of this message
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
		case q.deadlinePassed(): // wake and the deadline came together
			return errWriteTimeout
		case q.line[0] == me && q.unblocked(s, n):
			return nil
		}
	}
}

func (q *sendQueue) mayOvertake() bool {
	return len(q.line) == 0 || time.Since(q.line[0].since) < maxOvertaken
}

// leaveLine removes a waiter from the line and wakes the one that is first now.
func (q *sendQueue) leaveLine(me *waiter) {
	i := slices.Index(q.line, me)
	q.line = slices.Delete(q.line, i, i+1)
	q.wakeNext()
}

// unblocked reports whether a frame of the message s, with n bytes of payload,
// may be written or queued if no writer is in line before it.
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
// begun by then is not sent, and the connection stays usable.
func (q *sendQueue) deadlinePassed() bool {
	return !q.deadline.IsZero() && !time.Now().Before(q.deadline)
}

// wait waits for wake or for the deadline. It unlocks mu while it waits.
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

// nudge makes the waiter check its turn again.
func (me *waiter) nudge() {
	select {
	case me.wake <- struct{}{}:
	default: // it has yet to check after the last nudge
	}
}

// wakeNext makes the first in line check whether its turn has come.
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

// wakeAll makes every waiter check its condition again.
func (q *sendQueue) wakeAll() {
	for _, waiting := range q.line {
		waiting.nudge()
	}
	q.wakeFlushers()
}
