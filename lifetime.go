package websocket

import (
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/protocol-websocket/websocket/internal/netx"
)

const (
	// closeTimeout bounds a closing handshake that has no other bound, from its
	// first frame to the end of the connection.
	closeTimeout = 5 * time.Second

	// closeLinger is how long the peer may take to end its side of the
	// connection after both Close frames.
	closeLinger = time.Second
)

// phase is how far the end of a connection has come. It only goes forward.
type phase uint8

const (
	phaseOpen    phase = iota
	phaseClosing       // nothing is sent after what is queued; the peer may still send
	phaseEnded         // the connection below is being closed
	phaseOver          // the connection below is closed
)

// lifetime leads a connection from phaseOpen to phaseOver, and knows why. It may
// be used by many goroutines at once.
type lifetime struct {
	send *sendQueue

	mu    sync.Mutex
	phase phase
	said  bool          // a Close frame was queued
	cause error         // why the connection is not open any more
	timer *time.Timer   // ends what finish has begun; nil if it was not called
	done  chan struct{} // closed in phaseOver; nil if nobody waits

	onClosing func()      // called once phaseOpen is over, with mu locked; may be nil
	onDone    func()      // called in phaseOver; may be nil
	onTrace   func(error) // the same, with the cause
}

// whileOpen calls f if the connection is open. After that one timer rules,
// whatever deadlines are set.
func (l *lifetime) whileOpen(f func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != phaseOpen {
		return nil
	}
	return f()
}

// beginClosing ends phaseOpen. A Close frame with payload p becomes the last that
// is sent, unless p is nil or the version has no such frame. It reports whether
// the connection has not ended, and nobody else sees to that.
func (l *lifetime) beginClosing(cause error, p []byte) (unattended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != phaseOpen {
		return l.phase == phaseClosing && !l.finishing()
	}
	l.leaveOpen(phaseClosing, cause)
	_ = l.send.nc.SetReadDeadline(time.Time{})
	l.said = l.send.last(p, refusal(cause, errWriteClosed))
	return true
}

// leaveOpen ends phaseOpen, with mu locked.
func (l *lifetime) leaveOpen(p phase, cause error) {
	l.phase, l.cause = p, cause
	if l.onClosing != nil {
		l.onClosing()
	}
}

// refusal is what writers get after cause has ended the connection. closed is for
// those that this side has closed.
func refusal(cause, closed error) error {
	if errors.Is(cause, net.ErrClosed) {
		return closed
	}
	return &overError{"write on a connection that is over", cause}
}

// finish ends a connection on which both sides have said everything, in the
// background: first the Close frame, then FIN, and no reset that could overtake
// them.
func (l *lifetime) finish(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finishing() || l.phase >= phaseEnded {
		return
	}
	l.timer = time.AfterFunc(closeTimeout, func() { l.end(cause) })
	go func() {
		if l.send.flush() == nil {
			l.linger(cause)
		}
		l.end(cause)
	}()
}

// finishing reports whether finish was called, with mu locked.
func (l *lifetime) finishing() bool { return l.timer != nil }

// isFinishing is finishing without mu locked.
func (l *lifetime) isFinishing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.finishing()
}

// linger lets the peer end the connection, or begins to: "the server MUST
// close first", RFC 6455 section 7.1.1. Clients of hixie-76 do not wait, because
// some servers never do that.
func (l *lifetime) linger(cause error) {
	nc, e := l.send.nc, &l.send.enc
	var peer *CloseError
	waits := e.side == ClientSide && e.version.traits().serverEnds
	if !waits && !netx.CloseWrite(nc) && errors.As(cause, &peer) {
		return // there is no other way to end our side, and nothing left to come
	}
	netx.AwaitEOF(nc, closeLinger)
}

// endIdle ends a connection whose peer has ended its side, if nothing is left to
// be written, and reports whether it did. The goroutine and the timer that finish
// needs were a fifth of the cost of accepting and closing a connection.
func (l *lifetime) endIdle(cause error) bool {
	// The hook for traces may read, and this is called by a read.
	if l.onTrace != nil || l.isFinishing() || !l.send.idle() {
		return false
	}
	l.end(cause)
	return true
}

// hangUp ends our side of a connection that has no Close frame, which says the
// same, and the rest soon after.
func (l *lifetime) hangUp() {
	time.AfterFunc(closeLinger, func() { l.end(errClosed) })
	if !netx.CloseWrite(l.send.nc) {
		l.end(errClosed)
	}
}

// end ends the connection, once. The first cause is kept, except that errClosed
// gives way to any other.
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

// setOver begins phaseOver and tells those who wait for it.
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

// onEnd makes the end of the connection call f, or calls it at once if the
// connection has ended.
func (l *lifetime) onEnd(f func()) {
	l.mu.Lock()
	over := l.phase == phaseOver
	l.onDone = f
	l.mu.Unlock()
	if over {
		f()
	}
}

// over returns a channel that is closed in phaseOver. It is not made before
// somebody waits, since each idle connection would keep one.
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

func (l *lifetime) saidClose() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said
}

// why returns why the connection is not open any more, or nil if it is open.
func (l *lifetime) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// failed reports whether the connection is not open any more, or cannot be
// written to.
func (l *lifetime) failed() bool { return l.why() != nil || l.send.whyRefused() != nil }

// explain returns what a read returns that ended with err: if that was our own
// doing, it tells why.
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

// answered returns what reads return after the peer has ended the connection,
// which may be its answer to us.
func (l *lifetime) answered(ce *CloseError) error {
	if l.why() == errClosed {
		return &overError{"connection closed by this side", ce}
	}
	return ce
}

// peerClosed answers the Close frame of the peer with its own payload p, RFC 6455
// section 5.5.1. It returns what reads return from now on.
func (l *lifetime) peerClosed(ce *CloseError, p []byte) error {
	result := l.answered(ce)
	l.beginClosing(ce, closeFrame(p))
	l.finish(ce)
	return result
}

// peerFailed tells the peer of its mistake, RFC 6455 section 7.1.7.
func (l *lifetime) peerFailed(err *ProtocolError) {
	p, _ := appendClosePayload(nil, err.Code, "")
	l.beginClosing(err, p)
	l.finish(err)
}

// lost ends a connection that the network has ended.
func (l *lifetime) lost(err error) {
	l.beginClosing(err, nil)
	if !l.endIdle(err) {
		l.finish(err)
	}
}

// closeFrame is the payload of a Close frame that is to be sent; nil is none.
func closeFrame(p []byte) []byte {
	if p == nil {
		return []byte{}
	}
	return p
}

// overError is what one side gets after the other side, or the network, has
// ended the connection, and why. It wraps [net.ErrClosed].
type overError struct {
	what  string
	cause error
}

func (e *overError) Error() string {
	return "websocket: " + e.what + ": " + strings.TrimPrefix(e.cause.Error(), "websocket: ")
}

func (e *overError) Unwrap() []error { return []error{net.ErrClosed, e.cause} }
