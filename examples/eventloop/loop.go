//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/protocol-websocket/websocket"
)

// options are the options of a loop. newLoop has defaults for those that are
// zero.
type options struct {
	upgrader websocket.Upgrader // its HandshakeTimeout bounds the opening handshake

	idleTimeout  time.Duration // how long no byte may pass in either direction
	closeTimeout time.Duration // how long the peer may take to end a connection that we have closed
	maxConns     int
	maxOut       int // while so many bytes wait for a peer, the loop does not read from it
	log          *slog.Logger
}

var (
	errEOF      = errors.New("peer ended the connection")
	errTooSlow  = errors.New("peer took too long for its handshake")
	errIdle     = errors.New("nothing was sent or received for too long")
	errStopping = errors.New("server is shutting down")
)

// loop is a server in one goroutine. Other goroutines may call only stop.
type loop struct {
	upgrader websocket.Upgrader
	maxConns int
	maxOut   int
	log      *slog.Logger

	epoll     int
	events    [256]unix.EpollEvent
	listener  int
	accepting bool // epoll watches listener

	// stopped becomes readable when stop closes the other end.
	stopped           int
	stoppedR, stopper *os.File
	stopping          bool

	conns                  map[int]*conn // by descriptor
	opening, idle, closing deadlines
	now                    time.Time // read once in each turn, which is exact enough

	in, out []byte // buffers that all connections share
}

// newLoop returns a loop that accepts connections from ln. The caller must not
// use ln after that.
func newLoop(ln *net.TCPListener, o options) (*loop, error) {
	defer ln.Close() // the loop has a descriptor of its own
	l := &loop{
		upgrader: o.upgrader,
		maxConns: cmp.Or(o.maxConns, 10_000),
		maxOut:   cmp.Or(o.maxOut, 64<<10),
		log:      cmp.Or(o.log, slog.New(slog.DiscardHandler)),
		epoll:    -1, listener: -1,
		conns: make(map[int]*conn),
		in:    make([]byte, 64<<10),
	}
	l.opening.after = cmp.Or(o.upgrader.HandshakeTimeout, 10*time.Second)
	l.idle.after = cmp.Or(o.idleTimeout, time.Minute)
	l.closing.after = cmp.Or(o.closeTimeout, 5*time.Second)
	if err := l.open(ln); err != nil {
		l.release()
		return nil, fmt.Errorf("cannot begin to listen: %w", err)
	}
	return l, nil
}

// open opens the descriptors that the loop itself needs.
func (l *loop) open(ln *net.TCPListener) (err error) {
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if l.stoppedR, l.stopper, err = os.Pipe(); err != nil {
		return err
	}
	l.stopped = int(l.stoppedR.Fd())
	if err := l.control(unix.EPOLL_CTL_ADD, l.stopped, unix.EPOLLIN); err != nil {
		return err
	}
	if l.listener, err = duplicate(ln); err != nil {
		return err
	}
	l.accepting = true
	return l.control(unix.EPOLL_CTL_ADD, l.listener, unix.EPOLLIN)
}

// duplicate returns a second descriptor of ln. It is non-blocking, as the first
// is, and the Go runtime does not know it.
func duplicate(ln *net.TCPListener) (fd int, err error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(first uintptr) {
		fd, err = unix.FcntlInt(first, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, cmp.Or(err, controlErr)
}

func (l *loop) control(op, fd int, events uint32) error {
	return unix.EpollCtl(l.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// stop begins the shutdown: run refuses new connections, closes the existing
// ones and returns. Any goroutine may call it, and more than once.
func (l *loop) stop() { l.stopper.Close() }

// run serves until stop is called, and returns after all connections have
// ended.
func (l *loop) run() error {
	defer l.release()
	for !l.stopping || len(l.conns) > 0 {
		if _, err := l.step(l.untilDeadline()); err != nil {
			return err
		}
	}
	return nil
}

// step waits for events, at most so many milliseconds, and handles them. It
// returns the number of events. Less than 0 milliseconds means no limit.
func (l *loop) step(milliseconds int) (int, error) {
	n, err := unix.EpollWait(l.epoll, l.events[:], milliseconds)
	if err != nil && err != unix.EINTR {
		return 0, fmt.Errorf("cannot wait for events: %w", err)
	}
	n = max(n, 0)
	l.now = time.Now()
	return n, l.turn(l.events[:n])
}

// turn handles events. It accepts new connections last: a new one may get the
// descriptor of a connection that has just ended, and events may still hold one
// for that descriptor.
func (l *loop) turn(events []unix.EpollEvent) error {
	incoming := false
	for _, ev := range events {
		switch fd := int(ev.Fd); fd {
		case l.stopped:
			l.shutdown()
		case l.listener:
			incoming = true
		default:
			if c := l.conns[fd]; c != nil {
				l.ready(c, ev.Events)
			}
		}
	}
	l.expire()
	if incoming && !l.stopping {
		return l.accept()
	}
	return nil
}

// ready handles the events of a connection. EPOLLHUP means that both directions
// have ended, so nothing can be sent any more.
func (l *loop) ready(c *conn, events uint32) {
	switch {
	case events&(unix.EPOLLERR|unix.EPOLLHUP) != 0:
		l.drop(c, unix.ECONNRESET)
	case events&unix.EPOLLOUT != 0:
		l.send(c, c.out) // reading can wait: epoll reports the input again
	case events&unix.EPOLLIN != 0:
		l.read(c)
	}
}

// acceptBatch is how many connections are accepted before the loop handles
// other events.
const acceptBatch = 64

func (l *loop) accept() error {
	for range acceptBatch {
		if len(l.conns) >= l.maxConns {
			return l.listenNoMore(fmt.Errorf("there are %d connections", len(l.conns)))
		}
		fd, sa, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			l.begin(fd, remoteAddr(sa))
		case unix.EAGAIN:
			return nil
		case unix.EINTR, unix.ECONNABORTED:
		default: // usually, no descriptors are left
			return l.listenNoMore(err)
		}
	}
	return nil
}

// listenNoMore stops accepting connections until one ends. New ones wait in the
// system's queue. epoll stops watching the listener, because it would report
// them again and again.
func (l *loop) listenNoMore(why error) error {
	if len(l.conns) == 0 {
		return fmt.Errorf("cannot accept connections: %w", why)
	}
	l.log.Warn("accepting no more connections until one ends", "reason", why)
	l.accepting = false
	return l.control(unix.EPOLL_CTL_DEL, l.listener, 0)
}

func (l *loop) listenAgain() {
	if !l.accepting && !l.stopping {
		l.accepting = l.control(unix.EPOLL_CTL_ADD, l.listener, unix.EPOLLIN) == nil
	}
}

// begin adds the connection whose descriptor is fd.
func (l *loop) begin(fd int, remote string) {
	c := &conn{fd: fd, remote: remote, ws: newSession(&l.upgrader, remote), interest: unix.EPOLLIN}
	c.due.owner = c
	l.conns[fd] = c
	l.opening.join(&c.due, l.now)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // each answer is written as a whole
	if err := l.control(unix.EPOLL_CTL_ADD, fd, c.interest); err != nil {
		l.drop(c, err)
	}
}

// drop closes a connection at once. err says why, if the session is not over.
func (l *loop) drop(c *conn, err error) {
	if c.ws.err == nil {
		c.ws.err = err
	}
	c.due.leave()
	delete(l.conns, c.fd)
	unix.Close(c.fd) // this removes it from epoll too
	l.log.Info("closed", "remote", c.remote, "reason", c.ws.err)
	l.listenAgain()
}

// untilDeadline returns the milliseconds until the next deadline, or -1 if
// there is none. It rounds up, so that the loop does not wake before the
// deadline.
func (l *loop) untilDeadline() int {
	next := time.Duration(math.MaxInt64)
	for _, q := range []*deadlines{&l.opening, &l.idle, &l.closing} {
		if d := q.first(); d != nil {
			next = min(next, time.Until(d.at))
		}
	}
	if next == math.MaxInt64 {
		return -1
	}
	return int(min(max(next+time.Millisecond-1, 0)/time.Millisecond, math.MaxInt32))
}

// expire ends the connections whose deadline has passed.
func (l *loop) expire() {
	l.expired(&l.opening, func(c *conn) {
		l.end(c, errTooSlow, http.StatusRequestTimeout)
	})
	l.expired(&l.idle, func(c *conn) {
		if len(c.out) > 0 { // it would not read a Close frame either
			l.drop(c, errIdle)
			return
		}
		l.end(c, errIdle, 0)
	})
	l.expired(&l.closing, func(c *conn) { l.drop(c, nil) })
}

func (l *loop) expired(q *deadlines, f func(*conn)) {
	for d := q.first(); d != nil && !d.at.After(l.now); d = q.first() {
		f(d.owner)
	}
}

// end begins to close a connection from this side.
func (l *loop) end(c *conn, err error, status int) {
	l.send(c, c.ws.end(c.out, err, websocket.StatusGoingAway, status))
}

// shutdown begins to close all connections.
func (l *loop) shutdown() {
	l.log.Info("shutting down")
	l.stopping = true
	l.control(unix.EPOLL_CTL_DEL, l.stopped, 0)
	unix.Close(l.listener)
	l.listener = -1
	for _, c := range l.conns {
		l.end(c, errStopping, http.StatusServiceUnavailable)
	}
}

// release closes all descriptors of the loop, those of connections included.
func (l *loop) release() {
	for _, c := range l.conns {
		l.drop(c, errStopping)
	}
	l.stoppedR.Close() // both files may be nil
	l.stopper.Close()
	for _, fd := range []int{l.listener, l.epoll} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
