//go:build unix

package websocket

import (
	"io"
	"net"
	"syscall"
)

// readPoll lets an idle connection wait for its peer without holding a buffer.
type readPoll struct {
	// raw is nil if the system cannot poll the connection. raw.Read calls try,
	// which is stored because each call would allocate a new closure.
	raw syscall.RawConn
	try func(fd uintptr) bool
	err error // of the last call of try

	small [idleRead]byte // waitRead reads into it if raw is nil
}

// writePoll lets a read send what is queued without waiting for the peer.
type writePoll struct {
	raw syscall.RawConn // nil if the system cannot poll the connection
	try func(fd uintptr) bool
	out *sendBuffer // what try writes
	n   int         // how many bytes of it try has written
}

// initPoll finds out whether the system can poll the connection. It accepts
// only types of package net: a type that embeds one of them may have a Read and
// Write of its own.
func (c *Conn) initPoll() {
	switch nc := c.send.nc.(type) {
	case *net.TCPConn:
		c.useRaw(nc)
	case *net.UnixConn:
		if nc.LocalAddr().Network() == "unix" {
			c.useRaw(nc)
		}
	}
}

func (c *Conn) useRaw(nc syscall.Conn) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return
	}
	c.rcv.poll.raw, c.rcv.poll.try = raw, c.rcv.tryRead
	c.send.poll.raw, c.send.poll.try = raw, c.send.poll.tryWrite
}

// canPoll reports whether the system can poll the connection.
func (p *readPoll) canPoll() bool { return p.raw != nil }

// waitRead waits until there is something to read. Only then it borrows a
// buffer and reads into it.
func (r *receiver) waitRead() (int, error) {
	p := &r.poll
	if p.raw == nil {
		n, err := r.life.send.nc.Read(p.small[:])
		r.store(p.small[:n])
		return n, err
	}
	if err := p.raw.Read(p.try); err != nil {
		return 0, err
	}
	if p.err != nil {
		return 0, p.err
	}
	return r.w, nil
}

// tryRead reads if that does not block, and reports whether it is done. If it
// is not, it is called again when there is something to read. It must read
// before it reports false: the poller reports readiness only once, so data that
// arrived earlier would never be announced again.
func (r *receiver) tryRead(fd uintptr) bool {
	buf := borrowBuffer(r.large > 0 && !r.dec.inflating())
	n, err := ignoringEINTR(syscall.Read, int(fd), buf)
	if n > 0 {
		r.buf, r.r, r.w, r.poll.err = buf, 0, n, nil
		return true
	}
	returnBuffer(buf)
	if err == syscall.EAGAIN {
		return false
	}
	if r.poll.err = err; err == nil {
		r.poll.err = io.EOF
	}
	return true
}

func ignoringEINTR(f func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		if n, err := f(fd, p); err != syscall.EINTR {
			return n, err
		}
	}
}

// writesPlainly reports whether the connection is known to write nothing but what
// it is given.
func (w *writePoll) writesPlainly() bool { return w.raw != nil }

// tryWrite writes what the system takes at once. It never asks to be called
// again.
func (w *writePoll) tryWrite(fd uintptr) bool {
	n, _ := ignoringEINTR(syscall.Write, int(fd), w.out.b)
	w.n = max(n, 0)
	return true // the write of the rest returns the error again
}

// write writes as much of out as the system takes at once, and returns how much
// that was. Only the busy goroutine of the sendQueue may call it.
func (w *writePoll) write(out *sendBuffer) int {
	if w.raw == nil {
		return 0
	}
	w.out, w.n = out, 0
	_ = w.raw.Write(w.try) // the write of the rest returns the error again
	w.out = nil
	return w.n
}
