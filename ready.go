package websocket

// idleRead is how many bytes a connection that cannot say when it is readable
// waits with, in place of a buffer.
const idleRead = 16

// readSmall waits for bytes with a few of its own, and takes a buffer then.
func (r *readiness) readSmall(c *Conn) (int, error) {
	n, err := c.nc.Read(r.small[:])
	c.rd.keep(r.small[:n])
	return n, err
}
