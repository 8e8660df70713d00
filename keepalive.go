package websocket

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pingPayload is the length of the payload of our Pings, which is their number.
const pingPayload = 8

// pings holds the Pings of a connection. Each has a number.
type pings struct {
	mu      sync.Mutex
	last    uint64         // number of the last Ping that was queued
	waiting []*pendingPing // those whose Pong a call of Conn.Ping waits for
}

// pendingPing is a Ping whose Pong a call of Conn.Ping waits for.
type pendingPing struct {
	number uint64
	answer chan struct{} // closed when the Pong arrives
}

// sharedPings returns the pings that p points to. The first call makes them,
// because many connections never send a Ping.
func sharedPings(p *atomic.Pointer[pings]) *pings {
	if p.Load() == nil {
		p.CompareAndSwap(nil, new(pings))
	}
	return p.Load()
}

// send sends a Ping with a number of its own. It does not wait for the peer. If
// wait is set, the result tells when the Pong arrives. If not, it is the Ping of
// the keepalive.
func (ps *pings) send(q *sendQueue, wait bool) (*pendingPing, error) {
	p, err := ps.queue(q, wait)
	if err == nil {
		q.flushSoon()
	}
	return p, err
}

// queue queues a Ping. It holds mu until gotPong can find the Ping. That also
// keeps the order: a Pong answers all earlier Pings, so Pings must be queued in
// the order of their numbers.
func (ps *pings) queue(q *sendQueue, wait bool) (*pendingPing, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var payload [pingPayload]byte
	binary.BigEndian.PutUint64(payload[:], ps.last+1)
	if err := q.queuePing(payload, !wait); err != nil {
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

// gotPong wakes those who wait for a Pong. It also answers the Pings before its
// own, because a peer may answer only the latest, RFC 6455 section 5.5.3. Pongs
// that answer none of our Pings are ignored. If ps is nil, no Ping was sent.
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

// keepalive ends a connection whose peer has vanished without ending it. It
// needs a timer and no goroutine. start, beginWait and endWait do nothing if k
// is nil.
type keepalive struct {
	interval, timeout time.Duration
	life              *lifetime
	pings             *pings

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	heard   time.Time // when bytes arrived last
	pinged  bool      // a Ping was sent since heard

	// The peer's time to answer a Ping runs only while a read waits. waiting is
	// when the present wait began, or zero if no read waits. waited is how long
	// earlier reads have waited since the Ping. Both begin again with each sign of
	// life that writes tell of, the last of which is that the Ping has left.
	waiting time.Time
	waited  time.Duration
	signs   lifeSigns
	counted time.Time // the last sign that has made them begin again
}

func newKeepalive(cfg *Config, life *lifetime, ps *pings) *keepalive {
	k := &keepalive{interval: cfg.PingInterval, timeout: cfg.pingTimeout(), life: life, pings: ps}
	k.signs.start = time.Now()
	life.send.signs = &k.signs
	return k
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

// A read calls beginWait before it waits for the peer, and endWait after that.
// heard says whether bytes arrived.
func (k *keepalive) beginWait() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.countSigns()
	k.waiting = time.Now()
}

// countSigns makes the peer's time to answer begin again if there was a sign of
// life since it was called last. It must be called before waiting and waited are
// used. mu must be locked.
func (k *keepalive) countSigns() {
	at := k.signs.at()
	if !at.After(k.counted) {
		return
	}
	k.counted, k.waited = at, 0
	if k.waiting.Before(at) && !k.waiting.IsZero() {
		k.waiting = at
	}
}

func (k *keepalive) endWait(heard bool) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.countSigns()
	now := time.Now()
	if heard {
		k.heard, k.pinged = now, false
	}
	k.waited += now.Sub(k.waiting)
	k.waiting = time.Time{}
}

// tick sends a Ping, or ends the connection, if it is time for that. If a write has
// failed, the peer cannot answer what it did not get, and is not to blame.
func (k *keepalive) tick() {
	next, ping, dead := k.judge(time.Now())
	if ping {
		_, _ = k.pings.send(k.life.send, false) // an error means that a write has failed or the connection is closing
	}
	if ping || dead {
		if err := k.life.send.failure(); err != nil {
			k.life.end(err)
			return
		}
	}
	if dead {
		k.life.end(ErrPingTimeout)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped {
		k.timer.Reset(next)
	}
}

// judge decides what tick does now, and when the next tick is.
func (k *keepalive) judge(now time.Time) (next time.Duration, ping, dead bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped { // after the timer had fired
		return 0, false, false
	}
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
	k.countSigns()
	left := k.timeout - k.waited
	if !k.waiting.IsZero() {
		left -= now.Sub(k.waiting)
	}
	switch {
	case left <= 0:
		return 0, false, true
	case k.waiting.IsZero(): // no read waits: the Pong may have arrived unread
		return k.timeout, false, false
	}
	return left, false, false
}

// watchWrites returns a watch that ends the connection once a frame is late.
func watchWrites(timeout time.Duration, life *lifetime) *writeWatch {
	w := &writeWatch{timeout: timeout, start: time.Now()}
	w.timer = time.AfterFunc(math.MaxInt64, func() {
		if life.send.isLate() {
			life.end(ErrWriteTimeout)
		}
	})
	w.timer.Stop() // until something is written
	return w
}
