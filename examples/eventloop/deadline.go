//go:build linux

package main

import (
	"container/list"
	"time"
)

// deadlines is a queue of connections that may all wait equally long. Whoever
// joins it last has the latest deadline, so it is always in order, and
// all it takes to find those whose time is up is to look at its front.
type deadlines struct {
	after time.Duration
	queue list.List // of *deadline
}

// deadline is a place in at most one queue.
type deadline struct {
	owner *conn
	at    time.Time
	in    *deadlines
	place *list.Element
}

// join gives d all of the time from now on, and takes it out of the queue in
// which it was.
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

// first returns the deadline that comes first, nil if there is none.
func (q *deadlines) first() *deadline {
	e := q.queue.Front()
	if e == nil {
		return nil
	}
	return e.Value.(*deadline)
}
