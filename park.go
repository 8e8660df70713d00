package websocket

import (
	"sync"
	"sync/atomic"
)

// parkMutex is a mutex for what takes as long as the peer likes. Goroutines that
// wait for it wait on a channel: testing/synctest counts that as idle and lets its
// clock go on, which it does not do for [sync.Mutex]. Its zero value is unlocked.
type parkMutex struct {
	state atomic.Int32
	mu    sync.Mutex
	wake  chan struct{} // closed to wake all who wait; nil if nobody does
}

const (
	parkFree   = iota
	parkTaken  // and nobody waits
	parkWaited // taken, and somebody may wait
)

// Lock locks t. If it is locked already, Lock waits until it is not.
func (t *parkMutex) Lock() {
	for !t.state.CompareAndSwap(parkFree, parkTaken) {
		t.mu.Lock()
		if t.state.Swap(parkWaited) == parkFree {
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

// Unlock unlocks t.
func (t *parkMutex) Unlock() {
	if t.state.CompareAndSwap(parkTaken, parkFree) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Store(parkFree)
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
}
