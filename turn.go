package websocket

import (
	"sync"
	"sync/atomic"
)

// turn is a mutex for what takes as long as the peer likes. Those who wait for
// it do so on a channel: testing/synctest counts that as idle, and lets its
// clock go on, which it does not for [sync.Mutex]. Its zero value is free.
type turn struct {
	state atomic.Int32
	mu    sync.Mutex
	wake  chan struct{} // closed to wake those who wait; nil if nobody does
}

const (
	turnFree   = iota
	turnTaken  // and nobody waits
	turnWaited // taken, and somebody may be waiting
)

// Lock waits for the turn and takes it.
func (t *turn) Lock() {
	for !t.state.CompareAndSwap(turnFree, turnTaken) {
		t.mu.Lock()
		if t.state.Swap(turnWaited) == turnFree {
			t.mu.Unlock()
			return
		}
		if t.wake == nil {
			t.wake = make(chan struct{})
		}
		wake := t.wake
		t.mu.Unlock()
		<-wake
	}
}

// Unlock gives the turn back.
func (t *turn) Unlock() {
	if t.state.CompareAndSwap(turnTaken, turnFree) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Store(turnFree)
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
}
