package websocket

import "time"

// flush writes what is queued. It also waits until everything that other
// goroutines wrote or queued before the call has left.
func (q *sendQueue) flush() error { return q.flushAll(true) }

// flushLast does what flush does after last was called. No deadline applies.
func (q *sendQueue) flushLast() error { return q.flushAll(false) }

func (q *sendQueue) flushAll(forProgram bool) error {
	q.lock()
	defer q.unlock()
	goal := q.taken
	if q.pending() {
		goal++
	}
	for !q.stopped && int32(goal-q.written) > 0 && (q.busy || q.pending()) {
		if err := q.flushSome(forProgram); err != nil {
			return err
		}
	}
	if q.stopped {
		return q.refused
	}
	return nil
}

// flushSome writes what is queued, or waits for the busy goroutine.
func (q *sendQueue) flushSome(forProgram bool) error {
	if forProgram && q.deadlinePassed() {
		return errWriteDeadline
	}
	if q.busy {
		wake := q.waiting().forFlush()
		if forProgram {
			q.setAlarm()
		}
		q.wait(wake, nil)
		return nil
	}
	q.beginWrite(forProgram)
	err := q.writeQueue()
	q.drain(maxRounds)
	return err
}

// flushSoon starts to write what is queued. It never waits for the peer,
// because the peer may itself be waiting for us to read. A new goroutine writes
// what the system does not take at once.
func (q *sendQueue) flushSoon() {
	if q.direct.Load() != directOff {
		return // nothing is queued
	}
	q.lock()
	defer q.unlock()
	if !q.busy && !q.stopped && q.pending() {
		q.startWrite()
	}
}

// startWrite starts to write what is queued, as flushSoon does. mu must be
// locked, and busy not set.
func (q *sendQueue) startWrite() {
	q.beginWrite(false)
	out := q.take(time.Time{})
	n := q.poll.write(out)
	if n < len(out.b) {
		go q.writeRest(out, n)
		return
	}
	q.afterWrite(out, nil)
	q.endWrite()
}
