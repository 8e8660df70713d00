package websocket

import "time"

// sendUntil sends a message as one frame, as message does, but it does not wait
// for the peer in a write: a goroutine writes what the system does not take at
// once. So it can give up when giveUp is closed, and no frame is cut. queued
// reports whether the frame has left or will leave, also if the error is
// errWriteDeadline.
//
// No deadline is set on the connection below. Over TLS a deadline that passes
// during a write would break the connection.
func (q *sendQueue) sendUntil(t MessageType, p []byte, giveUp <-chan struct{}) (queued bool, err error) {
	q.lock()
	defer q.unlock()
	since, err := q.waitTurnUntil(giveUp, len(p))
	if err != nil {
		return false, err
	}
	q.queueMessage(t, p)
	q.noteLeft(since)
	goal := q.taken + 1 // the next write takes the frame
	if !q.busy {
		q.startWrite()
	}
	for int32(goal-q.written) > 0 {
		if q.stopped {
			return false, q.refused
		}
		if !q.wait(q.waiting().forFlush(), giveUp) {
			return true, errWriteDeadline
		}
	}
	return true, nil
}

// queueMessage queues a message as one frame. mu must be locked.
func (q *sendQueue) queueMessage(t MessageType, p []byte) {
	o := outgoing{header: header{fin: true, op: t}, payload: p, length: len(p)}
	if q.enc.compresses(len(p)) {
		o.rsv = rsvCompressed
		defer q.deflate(&o).recycle()
	}
	q.traceFrame(o.header, o.length)
	q.appendOutgoing(q.queued(), &o)
}

// waitTurnUntil waits until a message with n bytes of payload may be queued, as
// waitTurn does, or until giveUp is closed.
func (q *sendQueue) waitTurnUntil(giveUp <-chan struct{}, n int) (since time.Time, err error) {
	switch {
	case q.refused != nil:
		return since, q.refused
	case q.unblocked(nil, n) && q.mayOvertake():
		return since, nil
	}
	me := q.enterLine(nil)
	defer q.leaveLine(me)
	for q.wait(me.wake, giveUp) {
		switch {
		case q.refused != nil:
			return since, q.refused
		case q.first() == me && q.unblocked(nil, n):
			return me.since, nil
		}
	}
	return since, errWriteDeadline
}
