package websocket

import (
	"sync"
	"sync/atomic"
)

// parkMutex is a mutex that may be held for as long as the peer likes. A
// goroutine that waits for it waits on a channel: testing/synctest regards that
// as durably blocked and advances its clock, which it does not do for a
// [sync.Mutex]. The zero value is unlocked.
type parkMutex struct {
	state atomic.Int32
	mu    sync.Mutex
	wake  chan struct{} // closed to wake all that wait; nil if none does
}

const (
	parkFree   = iota
	parkTaken  // locked, and no goroutine waits
	parkWaited // locked, and a goroutine may wait
)

// TryLock locks t if it is not locked, and reports whether it did.
func (t *parkMutex) TryLock() bool { return t.state.CompareAndSwap(parkFree, parkTaken) }

// Lock locks t. If t is locked already, Lock waits until it is unlocked.
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
