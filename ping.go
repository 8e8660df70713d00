package websocket

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// pendingPing is a Ping that somebody waits for the Pong of.
type pendingPing struct {
	id     uint64
	answer chan struct{}
}

// Ping sends a Ping and returns how long the Pong took, RFC 6455 section 5.5.2.
// Pongs are noticed by reads: another goroutine must be in one. On [Hybi00] and
// [Hixie75] it returns an error that wraps [errors.ErrUnsupported] and sends
// nothing. If ctx ends first, its error is returned and the connection is as it
// was.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if !c.version.traits().control {
		return 0, errHixie("Ping")
	}
	start := time.Now()
	p, err := c.sendPing()
	if err != nil {
		return 0, err
	}
	defer c.forgetPing(p)
	select {
	case <-p.answer:
		return time.Since(start), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-c.done:
		return 0, c.cause()
	}
}

// sendPing queues a Ping with a payload of its own and begins to send it.
func (c *Conn) sendPing() (*pendingPing, error) {
	w := &c.wr
	w.mu.Lock()
	switch {
	case w.err != nil:
		defer w.mu.Unlock()
		return nil, w.err
	case w.ended:
		defer w.mu.Unlock()
		return nil, errClosed
	case w.closing:
		defer w.mu.Unlock()
		return nil, errWriteClosed
	}
	w.lastPing++
	p := &pendingPing{id: w.lastPing, answer: make(chan struct{})}
	w.pings = append(w.pings, p)
	var payload [8]byte
	binary.BigEndian.PutUint64(payload[:], p.id)
	c.queueControl(Ping, payload[:])
	w.mu.Unlock()
	c.flushSoon()
	return p, nil
}

func (c *Conn) forgetPing(p *pendingPing) {
	c.wr.mu.Lock()
	defer c.wr.mu.Unlock()
	c.wr.pings = slices.DeleteFunc(c.wr.pings, func(other *pendingPing) bool { return other == p })
}

// gotPong tells whoever waits. A Pong answers the Pings before its own too,
// since a peer may answer only the latest, RFC 6455 section 5.5.3; others were
// not asked for and mean nothing.
func (c *Conn) gotPong(payload []byte) {
	if len(payload) != 8 {
		return
	}
	id := binary.BigEndian.Uint64(payload)
	c.wr.mu.Lock()
	defer c.wr.mu.Unlock()
	if id > c.wr.lastPing {
		return
	}
	c.wr.pings = slices.DeleteFunc(c.wr.pings, func(p *pendingPing) bool {
		if p.id > id {
			return false
		}
		close(p.answer)
		return true
	})
}

// keepalive gives up on a peer that has gone without a word. It costs a timer
// and no goroutine. A nil keepalive does nothing.
type keepalive struct {
	interval, timeout time.Duration

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	silent  bool      // nothing was heard since the last tick
	pinged  bool      // and a Ping was sent at it
	waiting time.Time // since when a read waits for the peer; zero if none does
}

func (k *keepalive) start(c *Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.silent = true
	k.timer = time.AfterFunc(k.interval, func() { k.tick(c) })
}

func (k *keepalive) stop() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// waits is told when a read begins to wait for the peer, and waited when it is
// over and whether bytes came.
func (k *keepalive) waits() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = time.Now()
}

func (k *keepalive) waited(heard bool) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = time.Time{}
	if heard {
		k.silent = false
	}
}

// tick looks whether anything was heard since the last one.
func (k *keepalive) tick(c *Conn) {
	next, ping, dead := k.judge()
	if dead {
		c.end(ErrPingTimeout)
		return
	}
	if ping {
		if p, err := c.sendPing(); err == nil {
			c.forgetPing(p)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped {
		k.timer.Reset(next)
	}
}

// judge decides what a tick does, and when the next one is.
func (k *keepalive) judge() (next time.Duration, ping, dead bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.silent {
		k.silent, k.pinged = true, false
		return k.interval, false, false
	}
	if !k.pinged {
		k.pinged = true
		return k.timeout, true, false
	}
	// While nobody reads, an answer may have come and not been seen.
	if k.waiting.IsZero() {
		return k.timeout, false, false
	}
	if waited := time.Since(k.waiting); waited < k.timeout {
		return k.timeout - waited, false, false
	}
	return 0, false, true
}
