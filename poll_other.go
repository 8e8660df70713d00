//go:build !unix

package websocket

// readPoll lets an idle connection wait for its peer without holding a buffer.
type readPoll struct{ small [idleRead]byte }

// writePoll lets a read send what is queued without waiting for the peer. Here
// it writes nothing, and a new goroutine writes everything.
type writePoll struct{}

func (c *Conn) initPoll() {}

func (p *readPoll) canPoll() bool { return false }

// waitRead waits with room for a few bytes, and borrows a buffer once they have
// arrived.
func (r *receiver) waitRead() (int, error) {
	n, err := r.life.send.nc.Read(r.poll.small[:])
	r.store(r.poll.small[:n])
	return n, err
}

func (w *writePoll) write(*sendBuffer) int { return 0 }

// writesPlainly reports whether the connection is known to write nothing but what
// it is given.
func (w *writePoll) writesPlainly() bool { return false }
