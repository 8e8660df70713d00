package websocket

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Ping sends a Ping and returns how long the Pong took, RFC 6455 section 5.5.2.
// Pongs are noticed by reads: another goroutine must be in one. On [Hybi00] and
// [Hixie75] it returns an error that wraps [errors.ErrUnsupported] and sends
// nothing. If ctx ends first, its error is returned and the connection is as it
// was.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if !c.send.enc.version.traits().ping {
		return 0, errHixie("Ping")
	}
	start := time.Now()
	pings := sharedPings(&c.rcv.pings)
	p, err := pings.send(&c.send, true)
	if err != nil {
		return 0, err
	}
	defer pings.forget(p)
	select {
	case <-p.answer:
		return time.Since(start), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("websocket: no Pong, which only a read that is waiting can notice: %w", ctx.Err())
	case <-c.life.over():
		return 0, c.life.why()
	}
}

// pingPayload is the length of the payload of our Pings: their number.
const pingPayload = 8

// pings are the Pings of a connection, by number.
type pings struct {
	mu      sync.Mutex
	last    uint64         // number of the Ping that was sent last
	waiting []*pendingPing // whose Pong somebody waits for
}

// pendingPing is a Ping whose Pong somebody waits for.
type pendingPing struct {
	number uint64
	answer chan struct{} // closed when the Pong has come
}

// sharedPings returns the pings that p points to. It makes them when they are
// first needed: most programs leave Pings to the keepalive, or send none.
func sharedPings(p *atomic.Pointer[pings]) *pings {
	if p.Load() == nil {
		p.CompareAndSwap(nil, new(pings))
	}
	return p.Load()
}

// send begins to send a Ping with a payload of its own. The result is for
// somebody who waits for the Pong, if wait is set.
func (ps *pings) send(q *sendQueue, wait bool) (*pendingPing, error) {
	p, err := ps.queue(q, wait)
	if err == nil {
		q.flushSoon()
	}
	return p, err
}

// queue keeps mu locked until the Ping is known to gotPong, and so that a later
// Ping, whose Pong answers the earlier ones too, is queued later.
func (ps *pings) queue(q *sendQueue, wait bool) (*pendingPing, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var payload [pingPayload]byte
	binary.BigEndian.PutUint64(payload[:], ps.last+1)
	if err := q.queuePing(payload); err != nil {
		return nil, err
	}
	ps.last++
	if !wait {
		return nil, nil
	}
	p := &pendingPing{number: ps.last, answer: make(chan struct{})}
	ps.waiting = append(ps.waiting, p)
	return p, nil
}

func (ps *pings) forget(p *pendingPing) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.waiting = slices.DeleteFunc(ps.waiting, func(other *pendingPing) bool { return other == p })
}

// gotPong tells whoever waits. A Pong answers the Pings before its own too,
// because a peer may answer only the latest, RFC 6455 section 5.5.3. Pongs that
// answer no Ping of ours mean nothing. A nil pings has sent none.
func (ps *pings) gotPong(payload []byte) {
	if ps == nil || len(payload) != pingPayload {
		return
	}
	number := binary.BigEndian.Uint64(payload)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if number > ps.last {
		return
	}
	ps.waiting = slices.DeleteFunc(ps.waiting, func(p *pendingPing) bool {
		if p.number > number {
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
	life              *lifetime
	pings             *pings

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

func newKeepalive(cfg *Config, life *lifetime, ps *pings) *keepalive {
	return &keepalive{interval: cfg.PingInterval, timeout: cfg.pingTimeout(), life: life, pings: ps}
}

func (k *keepalive) start() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heard = time.Now()
	k.timer = time.AfterFunc(k.interval, k.tick)
}

func (k *keepalive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// A read calls beginWait when it begins to wait for the peer, and endWait when the
// wait is over. heard says whether bytes came.
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
func (k *keepalive) tick() {
	next, ping, dead := k.judge(time.Now())
	if dead {
		k.life.end(ErrPingTimeout)
		return
	}
	if ping {
		_, _ = k.pings.send(k.life.send, false) // an error means that the end is near
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
