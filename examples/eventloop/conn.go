//go:build linux

package main

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// conn is a session on a socket. It belongs to its loop and is used in no other
// goroutine.
type conn struct {
	fd     int
	remote string
	ws     session
	due    deadline

	out      []byte // not sent yet; nil while there is nothing
	interest uint32 // what epoll watches for
	eof      bool   // the peer sends no more
	finSent  bool   // nor do we
}

// read moves what has arrived through the session and sends what comes of it.
// One read for each event, however much there is, treats all connections alike.
func (l *loop) read(c *conn) {
	n, err := unix.Read(c.fd, l.in)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err != nil:
		l.drop(c, err)
		return
	case n == 0:
		c.eof = true
		if c.ws.err == nil { // hixie-75 has no other end
			c.ws.err = errEOF
		}
	}
	if c.ws.err != nil { // nothing counts any more, but it must be read lest the system answer it with a reset
		l.settle(c)
		return
	}
	wasOpen := c.ws.open()
	out := c.ws.receive(append(l.out[:0], c.out...), l.in[:n])
	if !wasOpen && c.ws.open() {
		l.log.Info("open", "remote", c.remote, "version", c.ws.version)
	}
	l.send(c, out)
	l.reclaim(out)
}

// reclaim keeps the memory of out for the next connection, unless one large
// message has blown it up.
func (l *loop) reclaim(out []byte) {
	if cap(out) <= l.maxOut {
		l.out = out
		return
	}
	l.out = nil
}

// send sends as much of out as the system takes, and keeps a copy of the rest.
func (l *loop) send(c *conn, out []byte) {
	n := 0
	if len(out) > 0 {
		var err error
		if n, err = unix.Write(c.fd, out); err == unix.EAGAIN || err == unix.EINTR {
			n = 0
		} else if err != nil {
			l.drop(c, err)
			return
		}
	}
	if n < len(out) {
		c.out = append(c.out[:0], out[n:]...)
	} else {
		c.out = nil
	}
	l.settle(c)
}

// settle decides what is to be done next about c after something has happened,
// and until when it has to.
func (l *loop) settle(c *conn) {
	switch {
	case c.ws.err == nil && !c.ws.open(): // its time began when it was accepted
	case c.ws.err == nil:
		l.idle.join(&c.due, l.now)
	case c.due.in != &l.closing:
		l.closing.join(&c.due, l.now)
	}
	if c.ws.err != nil && len(c.out) == 0 {
		if c.eof {
			l.drop(c, nil)
			return
		}
		if !c.finSent {
			// Closing at once could destroy the Close frame on its way: the
			// system answers what arrives later with a reset.
			unix.Shutdown(c.fd, unix.SHUT_WR)
			c.finSent = true
		}
	}
	l.watch(c)
}

// watch tells epoll what c waits for. A peer that does not read what it is
// sent is not read from either: this is what bounds c.out.
func (l *loop) watch(c *conn) {
	var want uint32
	if !c.eof && (c.ws.err != nil || len(c.out) < l.maxOut) {
		want |= unix.EPOLLIN
	}
	if len(c.out) > 0 {
		want |= unix.EPOLLOUT
	}
	if want == c.interest {
		return
	}
	c.interest = want
	if err := l.control(unix.EPOLL_CTL_MOD, c.fd, want); err != nil {
		l.drop(c, err)
	}
}

// remoteAddr is the address of a peer as package net would write it.
func remoteAddr(sa unix.Sockaddr) string {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)).String()
	}
	return ""
}
