package websocket

import (
	"fmt"
	"time"
)

// messageClock measures how long reads have waited for the message in progress.
// It exists only if [Config].MessageTimeout is set. receiver.mu guards it, except
// for deadline.
//
// Only waiting counts, so a program may take its time between two reads, and it
// needs no timer: the read deadline of the connection below ends the wait.
type messageClock struct {
	limit time.Duration
	left  time.Duration // how long the message in progress may still be waited for
	since time.Time     // when the wait in progress has begun; zero if it does not count

	deadline time.Time // of the wait in progress, or of the last one; guarded by lifetime.mu
}

func newMessageClock(limit time.Duration) *messageClock {
	return &messageClock{limit: limit, left: limit}
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
	if !counts {
		m.reset()
		return time.Time{}
	}
	m.since = time.Now()
	return m.since.Add(m.left)
}

// end ends a wait, and returns an error if the message has taken too long.
func (m *messageClock) end() *ProtocolError {
	if m == nil || m.since.IsZero() {
		return nil
	}
	m.left -= time.Since(m.since)
	m.since = time.Time{}
	if m.left > 0 {
		return nil
	}
	return &ProtocolError{Code: StatusPolicyViolation, Err: fmt.Errorf("%w of %v", ErrMessageTimeout, m.limit)}
}

// earlier returns deadline, or that of the message in progress if that comes
// first. lifetime.mu must be locked.
func (m *messageClock) earlier(deadline time.Time) time.Time {
	if m == nil || m.deadline.IsZero() || !deadline.IsZero() && deadline.Before(m.deadline) {
		return deadline
	}
	return m.deadline
}
