//go:build !unix

package websocket

// readPoll is how an idle connection waits for its peer without a buffer.
type readPoll struct{ small [idleRead]byte }

// writePoll is how a reader sends without ever waiting for the peer. Here another
// goroutine does that.
type writePoll struct{}

func (c *Conn) initPoll() {}

func (p *readPoll) able() bool { return false }

// waitRead waits with a few bytes, and takes a buffer then.
func (r *receiver) waitRead() (int, error) {
	n, err := r.nc.Read(r.poll.small[:])
	r.store(r.poll.small[:n])
	return n, err
}

func (w *writePoll) write(*sendBuffer) int { return 0 }
