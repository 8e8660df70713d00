package netx

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBuffer is how many bytes each direction of a pipe holds.
const pipeBuffer = 64 << 10

// Pipe returns the two ends of a connection in memory. Unlike [net.Pipe] it has
// a buffer of 64 KiB for each direction, as the sockets of a system have: a Write
// returns without waiting for the Read at the other end, as long as there is room.
// Deadlines work as on every [net.Conn], and each end has a method CloseWrite,
// which makes the other end read [io.EOF] after what was written before. All waits
// are on channels, so that a pipe works in testing/synctest.
func Pipe() (a, b net.Conn) {
	there, back := newPipeHalf(), newPipeHalf()
	return newPipeEnd(there, back), newPipeEnd(back, there)
}

// pipeHalf is one direction of a pipe.
type pipeHalf struct {
	mu      sync.Mutex
	buf     []byte // buf[r:] was written and not yet read
	r       int
	ended   bool          // nothing more is written
	broken  bool          // nothing more is read
	changed chan struct{} // closed and replaced when any of these changes
}

func newPipeHalf() *pipeHalf { return &pipeHalf{changed: make(chan struct{})} }

// update makes a change and wakes all who wait for one.
func (h *pipeHalf) update(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
	h.wake()
}

func (h *pipeHalf) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// read takes bytes. If there are none yet, it returns a channel that is closed
// when that may have changed.
func (h *pipeHalf) read(p []byte) (n int, change <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case len(h.buf) > h.r:
		n = copy(p, h.buf[h.r:])
		h.r += n
		h.wake()
		return n, nil, nil
	case h.ended:
		return 0, nil, io.EOF
	}
	return 0, h.changed, nil
}

// write adds as many bytes as there is room for. If there is none, it returns a
// channel that is closed when that may have changed.
func (h *pipeHalf) write(p []byte) (n int, change <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ended:
		return 0, nil, net.ErrClosed
	case h.broken:
		return 0, nil, io.ErrClosedPipe
	}
	if n = min(len(p), pipeBuffer-len(h.buf)+h.r); n == 0 && len(p) > 0 {
		return 0, h.changed, nil
	}
	if h.r >= pipeBuffer { // seldom, because moving takes time
		h.buf, h.r = append(h.buf[:0], h.buf[h.r:]...), 0
	}
	h.buf = append(h.buf, p[:n]...)
	h.wake()
	return n, nil, nil
}

// pipeEnd is one end of a pipe.
type pipeEnd struct {
	in, out *pipeHalf
	writing chan struct{} // holds a value while a Write is in progress, so that two do not mix
	closed  chan struct{}
	once    sync.Once // of Close

	readDeadline, writeDeadline Deadline
}

func newPipeEnd(in, out *pipeHalf) *pipeEnd {
	return &pipeEnd{in: in, out: out, writing: make(chan struct{}, 1), closed: make(chan struct{})}
}

// check returns why this end may not be used now, or nil.
func (e *pipeEnd) check(d *Deadline) error {
	select {
	case <-e.closed:
		return net.ErrClosed
	default:
	}
	select {
	case <-d.Passed():
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

// wait waits for a change of a half. It returns an error if this end was closed
// or the deadline has passed.
func (e *pipeEnd) wait(change <-chan struct{}, d *Deadline) error {
	select {
	case <-change:
	case <-e.closed:
	case <-d.Passed():
	}
	return e.check(d)
}

// Read reads what was written at the other end.
func (e *pipeEnd) Read(p []byte) (int, error) {
	err := e.check(&e.readDeadline)
	for err == nil {
		n, change, readErr := e.in.read(p)
		if change == nil || len(p) == 0 {
			return n, readErr
		}
		err = e.wait(change, &e.readDeadline)
	}
	return 0, err
}

// Write writes all of p, or returns an error and how much of p was written.
func (e *pipeEnd) Write(p []byte) (n int, err error) {
	select {
	case e.writing <- struct{}{}:
		defer func() { <-e.writing }()
	case <-e.closed:
		return 0, net.ErrClosed
	case <-e.writeDeadline.Passed():
		return 0, os.ErrDeadlineExceeded // even if the deadline has been moved since: it is not our turn
	}
	err = e.check(&e.writeDeadline)
	for err == nil {
		k, change, writeErr := e.out.write(p[n:])
		n += k
		switch {
		case writeErr != nil || n == len(p):
			return n, writeErr
		case change != nil:
			err = e.wait(change, &e.writeDeadline)
		default:
			err = e.check(&e.writeDeadline)
		}
	}
	return n, err
}

// Close ends both directions. The other end can still read what was written.
func (e *pipeEnd) Close() error {
	err := error(net.ErrClosed)
	e.once.Do(func() {
		close(e.closed)
		e.in.update(func() { e.in.broken, e.in.buf, e.in.r = true, nil, 0 })
		err = e.CloseWrite()
	})
	return err
}

// CloseWrite makes the other end read io.EOF after what was written.
func (e *pipeEnd) CloseWrite() error {
	e.out.update(func() { e.out.ended = true })
	return nil
}

func (e *pipeEnd) SetDeadline(t time.Time) error {
	if err := e.SetReadDeadline(t); err != nil {
		return err
	}
	return e.SetWriteDeadline(t)
}

func (e *pipeEnd) SetReadDeadline(t time.Time) error { return e.setDeadline(&e.readDeadline, t) }

func (e *pipeEnd) SetWriteDeadline(t time.Time) error { return e.setDeadline(&e.writeDeadline, t) }

func (e *pipeEnd) setDeadline(d *Deadline, t time.Time) error {
	select {
	case <-e.closed:
		return net.ErrClosed
	default:
		d.Set(t)
		return nil
	}
}

func (e *pipeEnd) LocalAddr() net.Addr  { return pipeAddr{} }
func (e *pipeEnd) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
