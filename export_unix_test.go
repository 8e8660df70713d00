//go:build unix

package websocket

import "errors"

// CanPoll reports whether the system tells when c is readable.
func CanPoll(c *Conn) bool { return c.rcv.poll.canPoll() }

// WatchPoll calls f after each read(2) of c that must not wait, and says
// whether it found something. It reports whether there are such.
func WatchPoll(c *Conn, f func(found bool)) bool {
	try := c.rcv.poll.try
	if try == nil {
		return false
	}
	c.rcv.poll.try = func(fd uintptr) bool {
		found := try(fd)
		f(found)
		return found
	}
	return true
}

// LargeReads returns how many more reads of c use a large buffer.
func LargeReads(c *Conn) int { return int(c.rcv.large) }

// TryReads does n reads of c that find nothing, with a large buffer or a small
// one, whose size it returns. The error tells of one that found something, or
// kept its buffer.
func TryReads(c *Conn, n int, large bool) (size int, err error) {
	if c.rcv.large = 0; large {
		c.rcv.large = stayLarge
	}
	readErr := c.rcv.poll.raw.Read(func(fd uintptr) bool {
		for range n {
			if c.rcv.tryRead(fd) {
				err = errors.Join(errors.New("something was read, or the end"), c.rcv.poll.err)
			}
		}
		return true
	})
	if c.rcv.buf != nil {
		err = errors.Join(err, errors.New("a buffer is held"))
	}
	return len(borrowBuffer(large)), errors.Join(err, readErr)
}
