//go:build !unix

package websocket

// readiness is how an idle connection waits for its peer without a buffer.
type readiness struct {
	small [idleRead]byte
}

func (c *Conn) initReady() {}

func (r *readiness) able() bool { return false }

func (r *readiness) read(c *Conn) (int, error) { return r.readSmall(c) }

// nonblocking is how a reader sends without ever waiting for the peer; here
// another goroutine does it.
type nonblocking struct{}

func (c *Conn) writeSome([]byte) int { return 0 }
