package websocket

import (
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// maxQueue is how many bytes of frames may wait to be written together.
	// Writers that find the queue full wait; control frames do not, since
	// their number is bounded by other means.
	maxQueue = 64 << 10

	// maxRounds is how often a writer goes on to write what others have queued
	// meanwhile, before it leaves that to a goroutine: it wants to return.
	maxRounds = 4
)

// outBuffer holds frames on their way out.
type outBuffer struct {
	b    []byte
	vec  [3][]byte   // of a large frame: what stands before, in and after it
	bufs net.Buffers // vec, as writev wants it
}

var outBuffers = sync.Pool{New: func() any { return new(outBuffer) }}

// writer is the sending half of a Conn.
//
// Only the goroutine that has set busy writes to the connection, and it does so
// without holding mu. Others append their frames to the queue and are done; the
// busy one takes the queue when it has written. So writers make each other's
// writes larger instead of waiting for each other.
type writer struct {
	mu    sync.Mutex
	busy  bool
	queue *outBuffer // nil if empty
	pong  []byte     // payload of the Pong to send next, of many the latest
	owes  bool       // pong is to be sent

	err     error // of the first write that failed; all later ones get it too
	closing bool  // the Close frame is queued: nothing may follow it
	ended   bool
	result  error // why the connection is closing or has ended

	stream *messageWriter // the message that others must not break into
	drain  bool           // somebody waits for the queue to become empty
	wake   chan struct{}  // closed to wake those who wait; nil if nobody does

	deadline, readDeadline time.Time
	finishing              bool
	closeTimer             *time.Timer
	pings                  []*pendingPing
	lastPing               uint64

	nonblocking
}

// WriteMessage sends p as a message of one frame; t is [Text] or [Binary]. p is
// neither kept nor changed. Text must be valid UTF-8: RFC 6455 peers fail the
// connection otherwise, and the hixie versions, which have text only, cannot
// carry anything else and return an error. Binary there returns an error that
// wraps [errors.ErrUnsupported]; both send nothing.
//
// While another goroutine is writing to the network, WriteMessage leaves it the
// frame and returns. An error of the network that this misses is returned by
// all later writes.
func (c *Conn) WriteMessage(t MessageType, p []byte) error { return c.sendMessage(t, p, true) }

// BufferMessage queues p as [Conn.WriteMessage] would send it. The queue leaves
// when 64 KiB are full, with the next WriteMessage or Flush, and before a read
// waits for input: a loop that reads and answers so makes one write(2) for all
// that one read(2) has brought.
func (c *Conn) BufferMessage(t MessageType, p []byte) error { return c.sendMessage(t, p, false) }

func (c *Conn) sendMessage(t MessageType, p []byte, now bool) error {
	h := header{fin: true, op: t}
	if t != Text && t != Binary {
		return fmt.Errorf("websocket: message of type %v: expected Text or Binary", t)
	}
	if c.version.hixie() {
		if err := c.codec.check(h, p); err != nil {
			return err
		}
	}
	return c.send(h, p, nil, now)
}

// send sends a frame of data, which s, if not nil, is a part of.
func (c *Conn) send(h header, p []byte, s *messageWriter, now bool) error {
	w := &c.wr
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.waitTurn(s, len(p)); err != nil {
		return err
	}
	c.maskAndTrace(&h, len(p))
	if w.busy || !now && w.fits(len(p)) {
		out := w.queued()
		out.b = appendFrame(out.b, c.codec, h, p)
		return nil
	}
	return c.write(h, p)
}

// maskAndTrace completes a frame's header.
func (c *Conn) maskAndTrace(h *header, n int) {
	if c.side == ClientSide && !c.version.hixie() {
		h.masked, h.key = true, newMaskKey()
	}
	if c.trace != nil && c.trace.FrameWritten != nil {
		c.trace.FrameWritten(c, FrameInfo{Type: h.op, Fin: h.fin, RSV: h.rsv, Length: int64(n)})
	}
}

// waitTurn waits until a data frame with n bytes of payload may be written or
// queued. It is called, and returns, with w.mu locked.
func (w *writer) waitTurn(s *messageWriter, n int) error {
	for {
		switch {
		case w.err != nil:
			return w.err
		case w.ended:
			return errClosed
		case w.closing:
			return errWriteClosed
		case w.stream != nil && w.stream != s:
		case !w.busy:
			return nil
		case !w.drain && w.fits(n):
			return nil
		default:
			// Frames that fit must wait now too, or this one might for ever.
			w.drain = true
		}
		if err := w.wait(); err != nil {
			return err
		}
	}
}

func (w *writer) fits(n int) bool {
	queued := 0
	if w.queue != nil {
		queued = len(w.queue.b)
	}
	return n <= maxQueue && queued+maxHeader+n <= maxQueue
}

// wait waits for a change of state, or the deadline.
func (w *writer) wait() error {
	if w.wake == nil {
		w.wake = make(chan struct{})
	}
	wake, deadline := w.wake, w.deadline
	w.mu.Unlock()
	defer w.mu.Lock()
	var expired <-chan time.Time
	if !deadline.IsZero() {
		t := time.NewTimer(time.Until(deadline))
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-wake:
		return nil
	case <-expired:
		return errWriteTimeout
	}
}

func (w *writer) wakeAll() {
	if w.wake != nil {
		close(w.wake)
		w.wake = nil
	}
}

// queued returns the queue to append to.
func (w *writer) queued() *outBuffer {
	if w.queue == nil {
		w.queue = outBuffers.Get().(*outBuffer)
	}
	return w.queue
}

// take takes the queue away to be written, with the Pong that is owed.
func (c *Conn) take() *outBuffer {
	w := &c.wr
	out := w.queued()
	w.queue = nil
	if w.owes {
		w.owes = false
		h := header{fin: true, op: Pong}
		c.maskAndTrace(&h, len(w.pong))
		out.b = appendFrame(out.b, c.codec, h, w.pong)
	}
	return out
}

func (w *writer) pending() bool { return w.queue != nil || w.owes }

func recycle(out *outBuffer) {
	if cap(out.b) > keepBuffer+maxHeader {
		out.b = nil
	}
	out.b = out.b[:0]
	outBuffers.Put(out)
}

// write writes a frame, behind what is queued, and then what others queue
// meanwhile. It is called, and returns, with w.mu locked and w.busy not set.
func (c *Conn) write(h header, p []byte) error {
	w := &c.wr
	w.busy = true
	out := c.take()
	w.mu.Unlock()
	var err error
	if len(p) <= maxQueue {
		out.b = appendFrame(out.b, c.codec, h, p)
		_, err = c.nc.Write(out.b)
	} else {
		err = c.writeLarge(out, h, p)
	}
	recycle(out)
	w.mu.Lock()
	return c.wrote(err)
}

// wrote ends the time of the busy goroutine after a write of its own, once
// everything queued is written. It is called, and returns, with w.mu locked.
func (c *Conn) wrote(err error) error {
	w := &c.wr
	if err != nil {
		w.fail(err)
	}
	for rounds := 0; w.err == nil && w.pending(); rounds++ {
		if rounds == maxRounds {
			go c.writeQueue() // busy is handed over to it
			return nil
		}
		c.writeQueued()
	}
	w.busy, w.drain = false, false
	w.wakeAll()
	if err != nil {
		return w.err
	}
	return nil
}

// writeQueued writes what is queued. It is called, and returns, with w.mu
// locked, by the goroutine that has set w.busy.
func (c *Conn) writeQueued() {
	out := c.take()
	c.wr.mu.Unlock()
	_, err := c.nc.Write(out.b)
	recycle(out)
	c.wr.mu.Lock()
	if err != nil {
		c.wr.fail(err)
	}
}

func (c *Conn) writeQueue() {
	c.wr.mu.Lock()
	defer c.wr.mu.Unlock()
	for c.wr.err == nil && c.wr.pending() {
		c.writeQueued()
	}
	c.wrote(nil)
}

// fail makes err the answer to all later writes: how much of a frame has left
// is not known, so nothing can follow.
func (w *writer) fail(err error) {
	if w.err != nil {
		return
	}
	w.err = errClosed
	if !w.ended {
		w.err = fmt.Errorf("websocket: write: %w", err)
	}
	if w.queue != nil {
		recycle(w.queue)
		w.queue = nil
	}
	w.owes = false
}

// writeLarge writes a frame whose payload is not worth copying: as it is if it
// is not masked, and otherwise masked in pieces.
func (c *Conn) writeLarge(out *outBuffer, h header, p []byte) error {
	out.b = c.codec.appendHeader(out.b, h, len(p))
	if !h.masked {
		var trailer [1]byte
		out.vec = [3][]byte{out.b, p, c.codec.appendTrailer(trailer[:0], h)}
		out.bufs = out.vec[:]
		_, err := out.bufs.WriteTo(c.nc)
		out.vec, out.bufs = [3][]byte{}, nil
		return err
	}
	for len(p) > 0 {
		n := min(len(p), maxQueue)
		at := len(out.b)
		out.b = append(out.b, p[:n]...)
		h.key = maskCopy(out.b[at:], out.b[at:], h.key)
		if _, err := c.nc.Write(out.b); err != nil {
			return err
		}
		out.b, p = out.b[:0], p[n:]
	}
	return nil
}

// Flush writes what [Conn.BufferMessage] has queued, and waits until what other
// goroutines were writing has left too.
func (c *Conn) Flush() error {
	w := &c.wr
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case w.err != nil:
			return w.err
		case !w.busy && !w.pending():
			if w.ended {
				return errClosed
			}
			return nil
		case !w.busy:
			w.busy = true
			c.writeQueued()
			c.wrote(nil)
		default:
			if err := w.wait(); err != nil {
				return err
			}
		}
	}
}

// flushSoon starts to write what is queued without ever waiting for the peer,
// who may be waiting for us to read: what the system does not take at once is
// left to a goroutine.
func (c *Conn) flushSoon() {
	w := &c.wr
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy || w.err != nil || !w.pending() {
		return
	}
	w.busy = true
	out := c.take()
	n := w.writeSome(out.b)
	if n < len(out.b) {
		go c.writeRest(out, n)
		return
	}
	recycle(out)
	w.busy, w.drain = false, false
	w.wakeAll()
}

func (c *Conn) writeRest(out *outBuffer, n int) {
	_, err := c.nc.Write(out.b[n:])
	recycle(out)
	c.wr.mu.Lock()
	if err != nil {
		c.wr.fail(err)
	}
	c.wr.mu.Unlock()
	c.writeQueue()
}

// queuePong answers a Ping, RFC 6455 section 5.5.3. While the queue is full or
// being written only the last of many is remembered, which the section allows,
// so that Pings cost no memory.
func (c *Conn) queuePong(p []byte) {
	w := &c.wr
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing || w.err != nil {
		return
	}
	if w.owes || w.busy || !w.fits(len(p)) {
		w.pong = append(w.pong[:0], p...)
		w.owes = true
		return
	}
	c.queueControl(Pong, p)
}

// queueControl queues a control frame, with w.mu locked.
func (c *Conn) queueControl(op MessageType, p []byte) {
	h := header{fin: true, op: op}
	c.maskAndTrace(&h, len(p))
	out := c.wr.queued()
	out.b = appendFrame(out.b, c.codec, h, p)
}
