package websocket

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// newWholePipe returns both ends of a connection in memory that never takes
// half of a Write: it takes all of it or, at the deadline, nothing.
func newWholePipe() (net.Conn, net.Conn) {
	p := &wholePipe{changed: make(chan struct{})}
	return &wholeEnd{p: p, in: 0, out: 1}, &wholeEnd{p: p, in: 1, out: 0}
}

type wholePipe struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, at every change
	data    [2][]byte     // on its way to either end
	closed  bool
}

type wholeEnd struct {
	p       *wholePipe
	in, out int

	readDeadline, writeDeadline time.Time // guarded by p.mu
}

// wholeRoom is how much may be on its way before writers wait.
const wholeRoom = 64 << 10

// change wakes all who wait. It is called with mu locked.
func (p *wholePipe) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits, with mu locked, until ready or the deadline, which may change.
func (p *wholePipe) await(deadline *time.Time, ready func() bool) error {
	for {
		switch {
		case !deadline.IsZero() && !time.Now().Before(*deadline):
			return os.ErrDeadlineExceeded
		case ready(), p.closed:
			return nil
		}
		var expired <-chan time.Time
		if !deadline.IsZero() {
			expired = time.After(time.Until(*deadline))
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-expired:
		}
		p.mu.Lock()
	}
}

func (e *wholeEnd) Read(b []byte) (int, error) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	if err := e.p.await(&e.readDeadline, func() bool { return len(e.p.data[e.in]) > 0 }); err != nil {
		return 0, err
	}
	n := copy(b, e.p.data[e.in])
	if n == 0 && e.p.closed {
		return 0, io.EOF
	}
	e.p.data[e.in] = e.p.data[e.in][n:]
	e.p.change()
	return n, nil
}

func (e *wholeEnd) Write(b []byte) (int, error) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	if err := e.p.await(&e.writeDeadline, func() bool { return len(e.p.data[e.out]) < wholeRoom }); err != nil {
		return 0, err
	}
	if e.p.closed {
		return 0, io.ErrClosedPipe
	}
	e.p.data[e.out] = append(e.p.data[e.out], b...)
	e.p.change()
	return len(b), nil
}

func (e *wholeEnd) Close() error {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	e.p.closed = true
	e.p.change()
	return nil
}

func (e *wholeEnd) set(read, write *time.Time) error {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	if read != nil {
		e.readDeadline = *read
	}
	if write != nil {
		e.writeDeadline = *write
	}
	e.p.change()
	return nil
}

func (e *wholeEnd) SetDeadline(t time.Time) error      { return e.set(&t, &t) }
func (e *wholeEnd) SetReadDeadline(t time.Time) error  { return e.set(&t, nil) }
func (e *wholeEnd) SetWriteDeadline(t time.Time) error { return e.set(nil, &t) }
func (e *wholeEnd) LocalAddr() net.Addr                { return &net.UnixAddr{Name: "whole", Net: "unix"} }
func (e *wholeEnd) RemoteAddr() net.Addr               { return e.LocalAddr() }
