//go:build unix

package websocket

import (
	"io"
	"net"
	"syscall"
)

// readiness is how an idle connection waits for its peer without a buffer.
type readiness struct {
	// raw is set if the system can be asked. Its Read is given try, which is
	// stored because a new closure each time would be garbage.
	raw syscall.RawConn
	try func(fd uintptr) bool
	err error // of try

	small [idleRead]byte
}

// initReady finds out whether the system can be asked. Only the net package's
// own types count: another that embeds one of them may read differently.
func (c *Conn) initReady() {
	switch nc := c.nc.(type) {
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
	c.rd.ready.raw = raw
	c.rd.ready.try = c.rd.tryRead
	c.wr.try = c.wr.tryWrite
}

// able reports whether the system can be asked.
func (r *readiness) able() bool { return r.raw != nil }

// read waits until there is something to read and reads it into a buffer that
// is borrowed only then.
func (r *readiness) read(c *Conn) (int, error) {
	if r.raw == nil {
		return r.readSmall(c)
	}
	if err := r.raw.Read(r.try); err != nil {
		return 0, err
	}
	if r.err != nil {
		return 0, r.err
	}
	return c.rd.w, nil
}

// tryRead reads if that does not block, and reports whether it need not be
// called again. It must try first and be sorry later: the runtime tells of
// readiness once, and what came before it was asked would be waited for again.
func (rd *reader) tryRead(fd uintptr) bool {
	buf := borrowBuffer(rd.large > 0)
	n, err := ignoringEINTR(syscall.Read, int(fd), buf)
	if n > 0 {
		rd.buf, rd.r, rd.w, rd.ready.err = buf, 0, n, nil
		return true
	}
	returnBuffer(buf)
	if err == syscall.EAGAIN {
		return false
	}
	if rd.ready.err = err; err == nil {
		rd.ready.err = io.EOF
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

// nonblocking is how a reader sends without ever waiting for the peer.
type nonblocking struct {
	try  func(fd uintptr) bool // nil if the system cannot be asked
	left []byte
}

// tryWrite writes what the system takes at once.
func (w *writer) tryWrite(fd uintptr) bool {
	if n, _ := ignoringEINTR(syscall.Write, int(fd), w.left); n > 0 {
		w.left = w.left[n:]
	}
	return true // an error comes again with the rest
}

// writeSome writes as much of p as the system takes at once. Only the
// goroutine that has set busy may call it.
func (c *Conn) writeSome(p []byte) int {
	if c.wr.try == nil {
		return 0
	}
	c.wr.left = p
	c.rd.ready.raw.Write(c.wr.try) // an error comes again with the rest
	left := len(c.wr.left)
	c.wr.left = nil
	return len(p) - left
}
