package websocket

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"
)

// pingPayload is how long the payload of our Pings is: their number.
const pingPayload = 8

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
		return 0, fmt.Errorf("websocket: no Pong, which only a read that is waiting can notice: %w", ctx.Err())
	case <-c.done():
		return 0, c.cause()
	}
}

// sendPing begins to send a Ping with a payload of its own. Of those that have
// not left yet only the latest is sent, whose Pong answers them all: Pings to a
// peer that does not read cost no memory.
func (c *Conn) sendPing() (*pendingPing, error) {
	p, err := c.owePing()
	if err == nil {
		c.flushSoon()
	}
	return p, err
}

func (c *Conn) owePing() (*pendingPing, error) {
	w := &c.wr
	w.lock()
	defer w.unlock()
	if err := w.refusal(); err != nil {
		return nil, err
	}
	w.lastPing++
	w.owesPing = true
	p := &pendingPing{id: w.lastPing, answer: make(chan struct{})}
	w.pings = append(w.pings, p)
	return p, nil
}

func (c *Conn) forgetPing(p *pendingPing) {
	c.wr.lock()
	defer c.wr.unlock()
	c.wr.pings = slices.DeleteFunc(c.wr.pings, func(other *pendingPing) bool { return other == p })
}

// gotPong tells whoever waits. A Pong answers the Pings before its own too,
// since a peer may answer only the latest, RFC 6455 section 5.5.3; others were
// not asked for and mean nothing.
func (c *Conn) gotPong(payload []byte) {
	if len(payload) != pingPayload {
		return
	}
	id := binary.BigEndian.Uint64(payload)
	c.wr.lock()
	defer c.wr.unlock()
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
	heard   time.Time // when something came last
	pinged  bool      // a Ping was sent since

	// Time counts against the peer while a read waits for it: since waiting,
	// which is zero if none does, and before that for waited after the Ping.
	waiting time.Time
	waited  time.Duration
}

func (k *keepalive) start(c *Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heard = time.Now()
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

// beginWait is told when a read begins to wait for the peer, and endWait when
// it is over and whether bytes came.
func (k *keepalive) beginWait() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = time.Now()
}

func (k *keepalive) endWait(heard bool) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if heard {
		k.heard, k.pinged = now, false
	}
	k.waited += now.Sub(k.waiting)
	k.waiting = time.Time{}
}

// tick sends a Ping or gives up, if it is time.
func (k *keepalive) tick(c *Conn) {
	next, ping, dead := k.judge(time.Now())
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
func (k *keepalive) judge(now time.Time) (next time.Duration, ping, dead bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.pinged {
		if left := k.interval - now.Sub(k.heard); left > 0 {
			return left, false, false
		}
		k.pinged, k.waited = true, 0
		if !k.waiting.IsZero() {
			k.waiting = now
		}
		return k.timeout, true, false
	}
	left := k.timeout - k.waited
	if !k.waiting.IsZero() {
		left -= now.Sub(k.waiting)
	}
	switch {
	case left <= 0:
		return 0, false, true
	case k.waiting.IsZero(): // nobody reads: an answer may have come and not been seen
		return k.timeout, false, false
	}
	return left, false, false
}
