package netx

import (
	"net"
	"sync"
)

// PrefixedConn is a connection whose reads first return bytes that were read
// ahead. It has no SyscallConn, because code that bypasses Read would miss
// these bytes. [CloseWrite] and [CloseNow] reach the connection below.
type PrefixedConn struct {
	net.Conn
	mu   sync.Mutex
	rest []byte // what is left of the bytes read ahead; nil if nothing
}

// NewPrefixedConn returns a PrefixedConn whose reads return rest, and then what
// nc receives. It keeps rest without copying it.
func NewPrefixedConn(nc net.Conn, rest []byte) *PrefixedConn {
	return &PrefixedConn{Conn: nc, rest: rest}
}

// Read returns the bytes read ahead while there are any. Then it reads from the
// connection.
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
