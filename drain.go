package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// This file holds the part of lifetime that decides who reads, and until when.

// drain says who reads during a closing handshake. A goroutine of the program
// that reads keeps reading. While none does, the closing handshake reads by
// itself, because it must find the peer's Close frame. The fields are guarded by
// lifetime.mu.
type drain struct {
	active bool          // the closing handshake is reading
	roused bool          // rouse was called, and awaitRouse has not returned since
	wake   chan struct{} // closed by rouse; nil if awaitRouse is not waiting
}

// rouse makes awaitRouse return. It does nothing if d is nil.
func (d *drain) rouse() {
	if d == nil {
		return
	}
	d.roused = true
	if d.wake != nil {
		close(d.wake)
		d.wake = nil
	}
}

// longAgo is a deadline that makes a call give up at once.
var longAgo = time.Unix(1, 0)

// setReadDeadline sets the deadline of reads.
func (l *lifetime) setReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readDeadline = t
	return l.applyReadDeadline()
}

// readDeadlinePassed reports whether the deadline of reads has passed on a
// connection that can still be read from.
func (l *lifetime) readDeadlinePassed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase < phaseLeaving && !l.readDeadline.IsZero() && !time.Now().Before(l.readDeadline)
}

// interruptReads adds n to the number of reasons why reads of the program must
// give up at once. While there are any, such reads fail as if their deadline had
// passed.
func (l *lifetime) interruptReads(n int32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupts += n
	return l.applyReadDeadline()
}

// canInterrupt returns an error if reads cannot be interrupted, because the
// connection below has no deadlines.
func (l *lifetime) canInterrupt() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.applyReadDeadline()
	if err != nil && l.phase == phaseOpen && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		return fmt.Errorf("websocket: a context cannot interrupt reads of a %T, whose SetReadDeadline fails: %w", l.send.nc, err)
	}
	return nil
}

// applyReadDeadline sets the read deadline of the connection below. mu must be
// locked.
func (l *lifetime) applyReadDeadline() error {
	switch d := l.drain; {
	case l.phase >= phaseLeaving:
		return nil
	case d != nil && d.active && l.readers == 0:
		return l.send.nc.SetReadDeadline(l.message.earlier(time.Time{}))
	case d != nil && d.active, l.interrupts > 0:
		return l.send.nc.SetReadDeadline(longAgo)
	}
	return l.send.nc.SetReadDeadline(l.message.earlier(l.readDeadline))
}

// setMessageDeadline sets the deadline of the message that a read waits for. The
// zero Time means none.
func (l *lifetime) setMessageDeadline(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.message.deadline != t {
		l.message.deadline = t
		_ = l.applyReadDeadline()
	}
}

// beginDrain lets the closing handshake read, without the deadline of the program. It reports
// false if a read of the program waits, which comes first. The receiver must be
// locked.
func (l *lifetime) beginDrain() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers > 0 {
		return false
	}
	l.drain.active = true
	_ = l.applyReadDeadline()
	return true
}

// endDrain restores the deadline of the program's reads. It reports whether one
// waits.
func (l *lifetime) endDrain() (wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drain.active = false
	_ = l.applyReadDeadline()
	return l.readers > 0
}

// beginReadWait is called by a read of the program that must wait for another read.
// Those of a closing handshake give way at once.
func (l *lifetime) beginReadWait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers++
	if l.drain != nil && l.drain.active {
		_ = l.applyReadDeadline()
	}
}

// endReadWait is called after beginReadWait, when the read's turn has come.
func (l *lifetime) endReadWait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers--; l.readers == 0 {
		l.drain.rouse()
	}
}

// rouseDrain makes the closing handshake look again whether it can read.
func (l *lifetime) rouseDrain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drain.rouse()
}

// awaitRouse waits until rouse is called, unless it was since the last time. It
// reports false if d has passed without that.
func (l *lifetime) awaitRouse(d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.drain.roused {
		wake := make(chan struct{})
		l.drain.wake = wake
		l.mu.Unlock()
		late := time.NewTimer(d)
		select {
		case <-wake:
		case <-late.C:
		}
		late.Stop()
		l.mu.Lock()
	}
	roused := l.drain.roused
	l.drain.roused, l.drain.wake = false, nil
	return roused
}
