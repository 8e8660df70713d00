package websocket

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/protocol-websocket/websocket/internal/netx"
)

const (
	// closeTimeout bounds a closing handshake that nothing else bounds, from
	// its first frame to the end of the connection.
	closeTimeout = 5 * time.Second

	// closeLinger is how long the peer may take to end its side of the
	// connection once no more frames will be sent.
	closeLinger = time.Second
)

// phase is how far a connection has come towards its end. It only moves
// forward.
type phase uint8

const (
	phaseOpen    phase = iota
	phaseClosing       // what is queued is sent, and nothing more; the peer may still send
	phaseEnded         // the connection below is being closed
	phaseOver          // the connection below is closed
)

// lifetime takes a connection from phaseOpen to phaseOver and records why. Many
// goroutines may use it at once.
type lifetime struct {
	send *sendQueue

	mu          sync.Mutex
	phase       phase
	closeQueued bool          // a Close frame was queued
	attended    bool          // finish was called
	interrupts  int32         // how many reasons there are for reads to give up
	cause       error         // why the connection is no longer open; nil if it is
	timer       *time.Timer   // bounds what finish does
	done        chan struct{} // closed in phaseOver; nil until over is called

	readDeadline time.Time // as the program has set it

	onClosing func()      // called when phaseOpen ends, with mu locked; may be nil
	onDone    func()      // called in phaseOver; may be nil
	onTrace   func(error) // called in phaseOver with cause; may be nil
}

// setReadDeadline sets the deadline of reads. After phaseOpen deadlines of the
// program have no effect, and timers bound the closing handshake.
func (l *lifetime) setReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readDeadline = t
	return l.applyReadDeadline()
}

// interruptReads adds n to the number of reasons why reads must give up at once.
// While there are any, reads fail as if their deadline had passed.
func (l *lifetime) interruptReads(n int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupts += n
	_ = l.applyReadDeadline()
}

// applyReadDeadline sets the read deadline of the connection below. mu must be
// locked.
func (l *lifetime) applyReadDeadline() error {
	switch {
	case l.phase != phaseOpen:
		return nil
	case l.interrupts > 0:
		return l.send.nc.SetReadDeadline(time.Unix(1, 0))
	}
	return l.send.nc.SetReadDeadline(l.readDeadline)
}

// beginClosing ends phaseOpen. If say is set and the version has Close frames,
// the last frame that is sent is one with payload p. It reports whether the
// connection is in phaseClosing and finish was not called: then it is up to the
// caller to end the connection.
func (l *lifetime) beginClosing(cause error, say bool, p []byte) (unattended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != phaseOpen {
		return l.phase == phaseClosing && !l.attended
	}
	l.leaveOpen(phaseClosing, cause)
	_ = l.send.nc.SetReadDeadline(time.Time{})
	l.closeQueued = l.send.last(say, p, refusal(cause, errWriteClosed))
	return true
}

// leaveOpen goes from phaseOpen to p. mu must be locked.
func (l *lifetime) leaveOpen(p phase, cause error) {
	l.phase, l.cause = p, cause
	if l.onClosing != nil {
		l.onClosing()
	}
}

// refusal returns the error that writers get after cause has ended the
// connection. If this side has ended it, refusal returns closed.
func refusal(cause, closed error) error {
	if errors.Is(cause, net.ErrClosed) {
		return closed
	}
	return &overError{"write after the end of the connection", cause}
}

// finish ends a connection in the background, after its last frame was queued.
// That frame leaves first, then FIN. finish avoids a reset, with which the peer
// could lose the frame.
func (l *lifetime) finish(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.attended || l.phase >= phaseEnded {
		return
	}
	l.attended = true
	l.timer = time.AfterFunc(closeTimeout, func() { l.end(cause) })
	go func() {
		if l.send.flush() == nil {
			l.linger(cause)
		}
		l.end(cause)
	}()
}

// isAttended reports whether finish was called, and so sees to the end.
func (l *lifetime) isAttended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attended
}

// linger ends this side of the connection and waits for the peer to end the
// other. A client does not end its side, because the server must do that first,
// RFC 6455 section 5.5.1. A client of hixie-76 does, because some servers of
// that version never end the connection.
func (l *lifetime) linger(cause error) {
	nc, e := l.send.nc, &l.send.enc
	var peer *CloseError
	waits := e.side == ClientSide && e.version.traits().serverEnds
	if !waits && !netx.CloseWrite(nc) && errors.As(cause, &peer) {
		return // only closing nc can end our side, and the peer sends no more
	}
	netx.AwaitEOF(nc, closeLinger)
}

// endIdle ends a connection whose peer has ended its side, if nothing is left
// to be written, and reports whether it did. It saves the goroutine and the
// timer of finish, which were a fifth of the cost of accepting and closing a
// connection.
func (l *lifetime) endIdle(cause error) bool {
	// endIdle is called during a read, and the hook of Trace may read too.
	if l.onTrace != nil || l.isAttended() || !l.send.idle() {
		return false
	}
	l.end(cause)
	return true
}

// hangUp ends a connection without a Close frame. It ends this side at once,
// which tells the peer the same, and the rest after closeLinger.
func (l *lifetime) hangUp() {
	time.AfterFunc(closeLinger, func() { l.end(errClosed) })
	if !netx.CloseWrite(l.send.nc) {
		l.end(errClosed)
	}
}

// end ends the connection, once. The first cause is kept, except that errClosed
// gives way to any other. The error is that of closing nc, or errClosed if the
// connection had ended before.
func (l *lifetime) end(cause error) error {
	l.mu.Lock()
	if l.phase >= phaseEnded {
		l.mu.Unlock()
		return errClosed
	}
	if l.phase == phaseOpen {
		l.leaveOpen(phaseEnded, cause)
	}
	l.phase = phaseEnded
	if l.cause == errClosed {
		l.cause = cause
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.send.end(refusal(l.cause, errClosed))
	l.mu.Unlock()
	err := netx.CloseNow(l.send.nc)
	l.setOver()
	return err
}

// setOver begins phaseOver, wakes those who wait for it and calls the hooks.
func (l *lifetime) setOver() {
	l.mu.Lock()
	l.phase = phaseOver
	if l.done != nil {
		close(l.done)
	}
	cause, onTrace, onDone := l.cause, l.onTrace, l.onDone
	l.mu.Unlock()
	if onTrace != nil {
		onTrace(cause)
	}
	if onDone != nil {
		onDone()
	}
}

// onEnd makes f the function that is called in phaseOver. If the connection is
// over already, onEnd calls f at once.
func (l *lifetime) onEnd(f func()) {
	l.mu.Lock()
	over := l.phase == phaseOver
	l.onDone = f
	l.mu.Unlock()
	if over {
		f()
	}
}

// over returns a channel that is closed in phaseOver. The first call makes the
// channel: otherwise each idle connection would hold one.
func (l *lifetime) over() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.phase == phaseOver {
			close(l.done)
		}
	}
	return l.done
}

func (l *lifetime) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase == phaseOver
}

func (l *lifetime) closeWasQueued() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closeQueued
}

// why returns why the connection is no longer open, or nil if it is.
func (l *lifetime) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// failed reports whether the connection is no longer open, or cannot be written
// to.
func (l *lifetime) failed() bool { return l.why() != nil || l.send.whyRefused() != nil }

// explain returns the error for a read from nc that failed with err. Once the
// connection is closing, the error says so, and once it has ended, the error
// says why.
func (l *lifetime) explain(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.phase {
	case phaseOpen:
		return err
	case phaseClosing:
		return &overError{"peer did not finish the closing handshake", err}
	}
	return l.cause
}

// answered returns the error of reads after the peer has ended the connection
// with ce. If this side has closed it before, ce is the answer to that.
func (l *lifetime) answered(ce *CloseError) error {
	if l.why() == errClosed {
		return &overError{"connection closed by this side", ce}
	}
	return ce
}

// peerClosed answers the peer's Close frame with a Close frame that has the
// same payload p, RFC 6455 section 5.5.1. It returns the error of all later
// reads.
func (l *lifetime) peerClosed(ce *CloseError, p []byte) error {
	result := l.answered(ce)
	l.beginClosing(ce, true, p)
	l.finish(ce)
	return result
}

// peerFailed ends the connection because the peer broke the protocol, and tells
// the peer, RFC 6455 section 7.1.7.
func (l *lifetime) peerFailed(err *ProtocolError) {
	p, _ := appendClosePayload(nil, err.Code, "")
	l.beginClosing(err, true, p)
	l.finish(err)
}

// lost ends a connection from which nothing more can be read.
func (l *lifetime) lost(err error) {
	l.beginClosing(err, false, nil)
	if !l.endIdle(err) {
		l.finish(err)
	}
}
