package websocket

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/protocol-websocket/websocket/internal/netx"
)

const (
	// closeTimeout bounds a closing handshake, from its first frame to the end of
	// the connection.
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
	phaseClosing       // this side has closed: it sends what is queued and waits for the peer's Close frame
	phaseLeaving       // no message is read any more; the last frame leaves, and then FIN
	phaseEnded         // the connection below is being closed
	phaseOver          // the connection below is closed
)

// lifetime takes a connection from phaseOpen to phaseOver and records why. Many
// goroutines may use it at once.
type lifetime struct {
	send *sendQueue

	mu          sync.Mutex
	phase       phase
	handshake   bool          // a closing handshake was begun, by either side
	closeQueued bool          // a Close frame was queued
	interrupts  int32         // how many reasons there are for reads to give up
	readers     int32         // how many reads of the program wait for another read
	cause       error         // why the connection is no longer open; nil if it is
	timer       *time.Timer   // bounds the closing handshake
	done        chan struct{} // closed in phaseOver; nil until over is called
	ended       atomic.Bool   // phaseEnded has begun; for reads, which do not lock mu
	drain       *drain        // made at the beginning of phaseClosing

	readDeadline time.Time     // as the program has set it
	message      *messageClock // how long a message may take; nil without MessageTimeout

	onClosing func()      // called when phaseOpen ends, with mu locked; may be nil
	onDone    func()      // called in phaseOver; may be nil
	onTrace   func(error) // called in phaseOver with cause; may be nil
}

// beginClosing goes from phaseOpen to phaseClosing and queues a Close frame with
// payload p, if the version has one. It reports whether it did: then it is up to
// the caller to send what is queued, and to read where no goroutine does. The
// error says why nothing can be sent any more. It is nil if an end is already
// on its way.
func (l *lifetime) beginClosing(p []byte) (began bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.handshake && l.phase < phaseEnded:
		return false, nil
	case l.phase != phaseOpen:
		return false, &overError{"Close frame cannot be sent", l.cause}
	}
	if err := l.send.whyRefused(); err != nil { // a write has failed
		return false, err
	}
	l.drain = new(drain)
	l.phase = phaseClosing
	l.leaveOpen(errClosed, true, p)
	return true, nil
}

// leaveOpen ends phaseOpen; the caller sets the next phase. If say is set and the
// version has Close frames, the last frame that is sent is one with the given
// payload. mu must be locked.
func (l *lifetime) leaveOpen(cause error, say bool, payload []byte) {
	l.cause, l.handshake = cause, say
	if l.onClosing != nil {
		l.onClosing()
	}
	l.closeQueued = l.send.last(say, payload, refusal(cause, errWriteClosed))
	l.timer = time.AfterFunc(closeTimeout, func() { l.end(errCloseTimeout) })
}

// refusal returns the error that writers get after cause has ended the
// connection. If this side has ended it, refusal returns closed.
func refusal(cause, closed error) error {
	if errors.Is(cause, net.ErrClosed) {
		return closed
	}
	return &overError{"write after the end of the connection", cause}
}

// leave begins phaseLeaving, and ends the connection in the background. It is
// called once nothing more can be read. If say is set, and no Close frame was
// queued before, the last frame is one with payload p.
func (l *lifetime) leave(cause error, say bool, p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.enterLeaving(cause, say, p) {
		go l.depart(cause)
	}
}

// enterLeaving begins phaseLeaving and reports whether it did. mu must be
// locked.
func (l *lifetime) enterLeaving(cause error, say bool, p []byte) bool {
	switch {
	case l.phase >= phaseLeaving:
		return false
	case l.phase == phaseOpen:
		l.leaveOpen(cause, say, p)
	}
	l.phase = phaseLeaving
	l.replaceCause(cause)
	l.drain.rouse()
	return true
}

// replaceCause keeps the first cause, except that errClosed gives way to any
// other. mu must be locked.
func (l *lifetime) replaceCause(cause error) {
	if l.cause == errClosed {
		l.cause = cause
	}
}

// hurry makes a closing handshake wait no longer for the peer's Close frame. It
// interrupts the reads that do. It reports whether the caller must see to the
// end: call depart once no goroutine reads. Outside of a closing handshake it
// ends the connection, and the error is that of end.
func (l *lifetime) hurry() (depart bool, err error) {
	l.mu.Lock()
	switch {
	case l.phase == phaseOpen:
		l.mu.Unlock()
		return false, l.end(errClosed)
	case l.phase == phaseClosing:
		_ = l.send.nc.SetReadDeadline(longAgo)
		depart = l.enterLeaving(errClosed, false, nil)
	case !l.handshake:
		err = errClosed
	}
	l.mu.Unlock()
	return depart, err
}

// depart ends a connection in phaseLeaving. The last frame leaves first, then
// FIN. This avoids a reset, with which the peer could lose the frame.
func (l *lifetime) depart(cause error) {
	if l.send.flushLast() == nil {
		l.linger(cause)
	}
	l.end(cause)
}

// linger ends this side of the connection and waits for the peer to end the
// other. A client does not end its side first, because the server must do that,
// RFC 6455 section 7.1.1. A client of hixie-76 does, because some servers of
// that version never end the connection.
func (l *lifetime) linger(cause error) {
	nc, e := l.send.nc, &l.send.enc
	if e.side == ClientSide && e.version.traits().serverEnds {
		netx.LingerForEnd(nc, closeLinger)
		return
	}
	if _, closed := errors.AsType[*CloseError](cause); closed && !netx.CanCloseWrite(nc) {
		return // only closing nc can end our side, and the peer sends no more
	}
	netx.Linger(nc, closeLinger)
}

// endIdle ends a connection whose peer has ended its side, if nothing is left
// to be written, and reports whether it did. It saves the goroutine and the
// timer of leave, which were a fifth of the cost of accepting and closing a
// connection.
func (l *lifetime) endIdle(cause error) bool {
	l.mu.Lock()
	// endIdle is called during a read, and the hook of Trace may read too.
	idle := l.onTrace == nil && l.phase < phaseLeaving && l.send.lastIfIdle(refusal(cause, errWriteClosed))
	l.mu.Unlock()
	if idle {
		l.end(cause)
	}
	return idle
}

// hangUp ends this side of a connection on which no Close frame was sent, which
// tells the peer the same. The peer's end is its answer, for which reads wait. If
// this side cannot be ended alone, hangUp ends the connection.
func (l *lifetime) hangUp() {
	if !netx.CloseWrite(l.send.nc) {
		l.end(errClosed)
	}
}

// end ends the connection, once. The error is that of closing nc, or errClosed
// if the connection had ended before.
func (l *lifetime) end(cause error) error {
	l.mu.Lock()
	if l.phase >= phaseEnded {
		l.mu.Unlock()
		return errClosed
	}
	if l.phase == phaseOpen {
		l.cause = cause
		if l.onClosing != nil {
			l.onClosing()
		}
	}
	l.phase = phaseEnded
	l.ended.Store(true)
	l.replaceCause(cause)
	if l.timer != nil {
		l.timer.Stop()
	}
	l.send.end(refusal(l.cause, errClosed))
	l.drain.rouse()
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

func (l *lifetime) isOver() bool { return l.phaseNow() == phaseOver }

// isLeaving reports whether no message is read any more.
func (l *lifetime) isLeaving() bool { return l.phaseNow() >= phaseLeaving }

func (l *lifetime) phaseNow() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase
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
	return afterEnd(l.cause)
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
	l.leave(ce, true, p)
	return result
}

// peerFailed ends the connection because the peer broke the protocol, and tells
// the peer, RFC 6455 section 7.1.7.
func (l *lifetime) peerFailed(err *ProtocolError) {
	p, _ := appendClosePayload(nil, err.Code, "")
	l.leave(err, true, p)
}

// lost ends a connection from which nothing more can be read.
func (l *lifetime) lost(err error) {
	if !l.endIdle(err) {
		l.leave(err, false, nil)
	}
}
