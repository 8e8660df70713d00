package netx

import (
	"net"
	"sync"
)

// PrefixedConn is a connection whose reads first yield bytes that were read
// ahead of it. It has no CloseWrite and no SyscallConn: code that uses those to
// bypass Read would miss these bytes.
type PrefixedConn struct {
	net.Conn
	mu   sync.Mutex
	rest []byte // nil once read
}

// NewPrefixedConn returns a PrefixedConn that yields rest, which it keeps, and
// then what nc yields.
func NewPrefixedConn(nc net.Conn, rest []byte) *PrefixedConn {
	return &PrefixedConn{Conn: nc, rest: rest}
}

// Read reads from the bytes read ahead while there are any.
func (c *PrefixedConn) Read(p []byte) (int, error) {
	if n := c.readRest(p); n > 0 {
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *PrefixedConn) readRest(p []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n
}
