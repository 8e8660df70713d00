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
// guards. With a hook that is told of frames no write can, because it is told of
// them in order, nor with a watch, which notes when each begins.
func (q *sendQueue) allowsDirect() bool {
	return q.trace == nil && q.watch == nil && !q.busy && !q.pending() && q.refused == nil && q.stream == nil &&
		q.first() == nil && q.deadline.IsZero() && !q.deadlineOn
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

// crowd holds the goroutines that wait in a sendQueue. They wait on channels
// only. One timer wakes them all at the deadline: a program may move the deadline
// before each write, and that must not cost more if many wait.
type crowd struct {
	line    []*waiter     // writers that wait for their turn; the first is next
	flushed chan struct{} // closed to wake those who wait in flush; nil if none does
	failed  chan struct{} // closed when the queue has stopped; nil if nobody has asked

	alarm   *time.Timer // calls ring; nil until somebody waits while there is a deadline
	alarmAt time.Time   // the deadline that alarm is set to; zero if none
}

// waiting returns the crowd. The first call makes it, because on most
// connections nobody ever waits.
func (q *sendQueue) waiting() *crowd {
	if q.crowd == nil {
		q.crowd = new(crowd)
	}
	return q.crowd
}

// first returns the first in line, or nil if nobody waits.
func (q *sendQueue) first() *waiter {
	if q.crowd == nil || len(q.crowd.line) == 0 {
		return nil
	}
	return q.crowd.line[0]
}

// forFlush returns the channel that is closed when a write has ended.
func (w *crowd) forFlush() <-chan struct{} {
	if w.flushed == nil {
		w.flushed = make(chan struct{})
	}
	return w.flushed
}

// dismiss tells everybody that the queue has stopped.
func (w *crowd) dismiss() {
	if w.alarm != nil {
		w.alarm.Stop()
	}
	if w.failed != nil {
		close(w.failed)
	}
}

// empty reports whether nobody waits.
func (w *crowd) empty() bool { return len(w.line) == 0 && w.flushed == nil }

// waitTurn waits until a data frame with n bytes of payload may be written or
// queued. It returns when the wait began, or zero if there was none. s is the
// message of NextWriter that the frame is part of, or nil. mu must be locked.
// waitTurn unlocks it while it waits.
func (q *sendQueue) waitTurn(s *messageWriter, n int) (since time.Time, err error) {
	switch {
	case q.refused != nil:
		return since, q.refused
	case q.deadlinePassed():
		return since, errWriteDeadline
	case q.unblocked(s, n) && (s != nil || q.mayOvertake()):
		return since, nil
	}
	me := q.enterLine(s)
	defer q.leaveLine(me)
	for {
		q.setAlarm()
		q.wait(me.wake, nil)
		switch {
		case q.refused != nil:
			return since, q.refused
		case q.deadlinePassed():
			return since, errWriteDeadline
		case q.first() == me && q.unblocked(s, n):
			return me.since, nil
		}
	}
}

func (q *sendQueue) mayOvertake() bool {
	first := q.first()
	return first == nil || time.Since(first.since) < maxOvertaken
}

// enterLine makes a writer of the message s stand in line.
func (q *sendQueue) enterLine(s *messageWriter) *waiter {
	me := &waiter{wake: make(chan struct{}, 1), since: time.Now()}
	w := q.waiting()
	if s != nil { // every other writer waits for the end of this message
		w.line = slices.Insert(w.line, 0, me)
	} else {
		w.line = append(w.line, me)
	}
	if q.watch != nil {
		q.watch.arm(q.watch.timeout)
	}
	return me
}

// leaveLine removes a waiter from the line and wakes the one that is first now.
func (q *sendQueue) leaveLine(me *waiter) {
	w := q.crowd
	i := slices.Index(w.line, me)
	w.line = slices.Delete(w.line, i, i+1)
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

// wait waits for wake or giveUp, which may be nil, and reports whether wake came.
// If setAlarm was called, wake comes at the deadline too. wait unlocks mu while it
// waits.
func (q *sendQueue) wait(wake, giveUp <-chan struct{}) bool {
	q.unlock()
	defer q.lock()
	select {
	case <-wake:
		return true
	case <-giveUp:
		return false
	}
}

// setAlarm makes the alarm ring at the deadline, if somebody waits.
func (q *sendQueue) setAlarm() {
	w := q.crowd
	if w == nil || w.empty() || w.alarmAt.Equal(q.deadline) {
		return
	}
	w.alarmAt = q.deadline
	switch left := time.Until(q.deadline); {
	case q.deadline.IsZero():
		w.alarm.Stop()
	case w.alarm == nil:
		w.alarm = time.AfterFunc(left, q.ring)
	default:
		w.alarm.Reset(left)
	}
}

// ring wakes every waiter if the deadline has passed. It may come too early, if
// the deadline was moved as the alarm rang.
func (q *sendQueue) ring() {
	q.lock()
	defer q.unlock()
	q.crowd.alarmAt = time.Time{}
	if q.deadlinePassed() {
		q.wakeAll()
	} else {
		q.setAlarm()
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
	if first := q.first(); first != nil {
		first.nudge()
	}
}

func (q *sendQueue) wakeFlushers() {
	if w := q.crowd; w != nil && w.flushed != nil {
		close(w.flushed)
		w.flushed = nil
	}
}

// wakeAll makes every waiter check its condition again.
func (q *sendQueue) wakeAll() {
	if q.crowd == nil {
		return
	}
	for _, me := range q.crowd.line {
		me.nudge()
	}
	q.wakeFlushers()
}
