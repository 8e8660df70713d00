//go:build linux

package main

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// conn is a session on a socket. Only the goroutine of its loop uses it.
type conn struct {
	fd     int
	remote string
	ws     session
	due    deadline

	out      []byte // bytes not sent yet; nil if there are none
	interest uint32 // the events that epoll watches for
	eof      bool   // the peer has ended its side of the connection
	finSent  bool   // we have ended ours
}

// read reads what has arrived, passes it to the session and sends the answers.
// It reads once for each event, even if more has arrived, so that one
// connection does not delay the others.
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
		if c.ws.err == nil { // in hixie-75, connections end only this way
			c.ws.err = errEOF
		}
	}
	if c.ws.err != nil { // the input is ignored, but closing with unread input would send a reset
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

// reclaim keeps the memory of out for the next read of any connection, unless a
// large message has made it large.
func (l *loop) reclaim(out []byte) {
	if cap(out) <= l.maxOut {
		l.out = out
		return
	}
	l.out = nil
}

// send sends as much of out as the system accepts, and keeps a copy of the
// rest.
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

// settle is called after c has changed. It sets the deadline of c, ends the
// connection or our side of it if nothing is left to do, and otherwise chooses
// the events to wait for.
func (l *loop) settle(c *conn) {
	switch {
	case c.ws.err == nil && !c.ws.open(): // begin has set the deadline of the handshake
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
			// Closing the socket now could destroy the Close frame on its way:
			// the system answers later input with a reset.
			unix.Shutdown(c.fd, unix.SHUT_WR)
			c.finSent = true
		}
	}
	l.watch(c)
}

// watch tells epoll which events c waits for. While maxOut bytes wait for the
// peer, the loop does not read from it. That bounds c.out.
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

// remoteAddr returns the address of a peer in the format of package net.
func remoteAddr(sa unix.Sockaddr) string {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)).String()
	}
	return ""
}
