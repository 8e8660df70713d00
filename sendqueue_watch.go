package websocket

import (
	"sync/atomic"
	"time"
)

// This file holds what others ask about the time that writes take.

// writeWatch records since when frames wait to be sent, and looks from time to
// time whether one of them is late. It exists only if [Config].WriteTimeout is
// set. Times are in nanoseconds since start, and never 0. sendQueue.mu guards it.
//
// A write only notes when it begins. The timer is set if it does not run
// already, so it costs nothing to write often, and nothing to be idle.
type writeWatch struct {
	timeout time.Duration
	start   time.Time
	timer   *time.Timer // looks for late frames
	armed   bool        // timer runs

	writing int64 // the call of the oldest frame in the write in progress; 0 if there is none
	queued  int64 // that of the oldest in the queue, if it is on its way; otherwise 0
}

func (w *writeWatch) now() int64 { return int64(time.Since(w.start)) + 1 }

// at turns t into the time of a call. The zero Time means now.
func (w *writeWatch) at(t time.Time) int64 {
	if t.IsZero() {
		return w.now()
	}
	return max(1, int64(t.Sub(w.start))+1)
}

// arm lets the timer look after d, if it does not run.
func (w *writeWatch) arm(d time.Duration) {
	if !w.armed {
		w.armed = true
		w.timer.Reset(d)
	}
}

// left notes that a frame whose call was at t waits in the queue for the busy
// goroutine.
func (w *writeWatch) left(t time.Time) {
	if at := w.at(t); w.queued == 0 || at < w.queued {
		w.queued = at
	}
}

// took notes that the busy goroutine has taken the queue, to write it and a
// frame whose call was at t.
func (w *writeWatch) took(t time.Time) {
	w.left(t)
	w.writing, w.queued = w.queued, 0
	w.arm(w.timeout)
}

// done notes that the write in progress is done.
func (w *writeWatch) done() { w.writing = 0 }

// oldest returns the time of the call of the oldest frame that the busy
// goroutine writes or will write, or the present if there is none.
func (w *writeWatch) oldest() int64 {
	at := w.now()
	for _, call := range [...]int64{w.writing, w.queued} {
		if call != 0 {
			at = min(at, call)
		}
	}
	return at
}

// lifeSigns tells the keepalive from when on the peer can answer its Ping. While
// the Ping waits behind other frames, what the system takes of them is a sign of
// life: the peer, or what is between, still takes bytes. Once the Ping has left,
// the peer can answer, and no longer shows life by taking bytes. A nil *lifeSigns
// does nothing.
type lifeSigns struct {
	start time.Time
	last  atomic.Int64 // the last sign, in nanoseconds since start
	ping  atomic.Int32 // pingLeft, pingOwed or pingTaken
}

// Where the last Ping of the keepalive is.
const (
	pingLeft  = iota // the system has taken it, or there was none
	pingOwed         // it waits behind what is being written
	pingTaken        // it is at the beginning of what is being written
)

// at returns the time of the last sign.
func (s *lifeSigns) at() time.Time { return s.start.Add(time.Duration(s.last.Load())) }

// pingTaken says that a Ping that was owed is now being written.
func (s *lifeSigns) pingTaken() {
	if s != nil {
		s.ping.CompareAndSwap(pingOwed, pingTaken)
	}
}

// sent says that the system has taken some of what is being written.
func (s *lifeSigns) sent() {
	if s == nil || s.ping.Load() == pingLeft {
		return
	}
	s.last.Store(int64(time.Since(s.start)))
	s.ping.CompareAndSwap(pingTaken, pingLeft)
}
