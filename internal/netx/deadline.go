package netx

import (
	"sync"
	"time"
)

// Deadline is a deadline that can be waited for on a channel. The zero value
// never passes. Many goroutines may use it at once.
type Deadline struct {
	mu    sync.Mutex
	timer *time.Timer   // nil if the deadline is not in the future
	done  chan struct{} // closed once the deadline has passed; nil until needed
}

// Passed returns a channel that is closed once the deadline has passed.
func (d *Deadline) Passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		d.done = make(chan struct{})
	}
	return d.done
}

// Set sets the deadline. The zero time means never. Who waits for the old
// deadline waits for the new one too, if the old one has not passed.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.done // it is about to be closed, or was
	}
	d.timer = nil
	d.renew()
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		close(d.done)
	default:
		done := d.done
		d.timer = time.AfterFunc(left, func() { close(done) })
	}
}

// renew makes a new channel if there is none, or if the old one is closed.
func (d *Deadline) renew() {
	if d.done == nil {
		d.done = make(chan struct{})
	}
	select {
	case <-d.done:
		d.done = make(chan struct{})
	default:
	}
}
