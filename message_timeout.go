package websocket

import (
	"fmt"
	"time"
)

// messageClock measures how long reads have worked on the message in progress.
// It exists only if [Config].MessageTimeout is set. receiver.mu guards it, except
// for deadline.
//
// The time between two reads does not count, so a program may pause, and the
// clock needs no timer: the read deadline of the connection below ends a wait. All
// of the time of a read counts, not only what it waits: a peer that floods Pings
// within a message is never waited for.
type messageClock struct {
	limit  time.Duration
	left   time.Duration // what the message in progress may still take
	since  time.Time     // up to when left was counted
	counts bool          // whether the wait in progress counts

	deadline time.Time // of the wait in progress, or of the last one; guarded by lifetime.mu
}

func newMessageClock(limit time.Duration) *messageClock {
	return &messageClock{limit: limit, left: limit}
}

// resume is called when a read begins. Inlining it would enlarge the stack frames
// of reads that may wait for long.
//
//go:noinline
func (m *messageClock) resume() {
	if m != nil {
		m.since = time.Now()
	}
}

// reset is called when a message has ended, and where none has begun.
func (m *messageClock) reset() {
	if m != nil {
		m.left = m.limit
	}
}

// begin begins a wait. It counts if a message has begun. It returns when it must
// end, or the zero Time.
func (m *messageClock) begin(counts bool) (deadline time.Time) {
	m.counts = counts
	if !counts {
		return time.Time{}
	}
	m.elapse()
	return m.since.Add(m.left)
}

// end ends a wait, and returns an error if the message has taken too long.
func (m *messageClock) end() *ProtocolError {
	switch {
	case m == nil:
		return nil
	case !m.counts:
		m.left, m.since = m.limit, time.Now()
		return nil
	}
	if m.elapse(); m.left > 0 {
		return nil
	}
	return &ProtocolError{Code: StatusPolicyViolation, Err: fmt.Errorf("%w of %v", ErrMessageTimeout, m.limit)}
}

// elapse counts the time since it was counted last.
func (m *messageClock) elapse() {
	now := time.Now()
	m.left -= now.Sub(m.since)
	m.since = now
}

// earlier returns deadline, or that of the message in progress if that comes
// first. lifetime.mu must be locked.
func (m *messageClock) earlier(deadline time.Time) time.Time {
	if m == nil || m.deadline.IsZero() || !deadline.IsZero() && deadline.Before(m.deadline) {
		return deadline
	}
	return m.deadline
}
