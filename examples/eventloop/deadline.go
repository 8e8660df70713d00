//go:build linux

package main

import (
	"container/list"
	"time"
)

// deadlines is a queue of connections that all have the same timeout. The
// connection that joined last has the latest deadline, so the queue is always
// in order, and connections whose deadline has passed are at its front.
type deadlines struct {
	after time.Duration
	queue list.List // of *deadline
}

// deadline is the deadline of a connection. It is in at most one queue.
type deadline struct {
	owner *conn
	at    time.Time
	in    *deadlines
	place *list.Element
}

// join restarts the time of d, and moves it from its queue to the end of q.
func (q *deadlines) join(d *deadline, now time.Time) {
	d.at = now.Add(q.after)
	if d.in == q {
		q.queue.MoveToBack(d.place)
		return
	}
	d.leave()
	d.in, d.place = q, q.queue.PushBack(d)
}

func (d *deadline) leave() {
	if d.in != nil {
		d.in.queue.Remove(d.place)
		d.in, d.place = nil, nil
	}
}

// first returns the earliest deadline, or nil if there is none.
func (q *deadlines) first() *deadline {
	e := q.queue.Front()
	if e == nil {
		return nil
	}
	return e.Value.(*deadline)
}
