package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
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
	b []byte

	// Of a large frame: what stands before, in and after it.
	trailer [1]byte
	parts   [3][]byte
	bufs    net.Buffers // parts, as writev wants them
}

var outBuffers = sync.Pool{New: func() any { return new(outBuffer) }}

// writer is the sending half of a Conn.
//
// Only the goroutine that has set busy writes to the connection, and it does so
// without holding mu. Others append their frames to the queue and are done; the
// busy one takes the queue when it has written. So writers make each other's
// writes larger instead of waiting for each other. Those who find the queue
// full stand in line, so that none is overtaken for ever.
type writer struct {
	mu    sync.Mutex
	busy  bool
	queue *outBuffer // nil if empty
	line  []*waiter  // who waits to write or queue, in order

	// taken is how often the queue was taken to be written, written how often
	// that has been done; flushed is closed to wake those who wait for it, and
	// nil if nobody does.
	taken, written uint64
	flushed        chan struct{}

	pong     []byte // payload of the Pong to send next, of many the latest
	owesPong bool   // pong is to be sent
	owesPing bool   // a Ping that bears lastPing is to be sent
	lastPing uint64
	pings    []*pendingPing

	err     error // of the first write that failed; all later ones get it too
	closing bool  // nothing may follow what is queued
	said    bool  // a Close frame was queued
	ended   bool
	result  error // why the connection is closing or has ended

	stream *messageWriter // the message that others must not break into

	deadline, readDeadline time.Time
	interrupts             int // how many ends of contexts break off reads
	finishing              bool
	closeTimer             *time.Timer

	nonblocking
}

// waiter is a writer who stands in line. A value in wake tells it to look again
// whether it is its turn.
type waiter struct{ wake chan struct{} }

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
		out.b = c.appendFrame(out.b, h, p)
		return nil
	}
	return c.write(outgoing{header: h, payload: p})
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

// waitTurn waits until a data frame with n bytes of payload, which s, if not
// nil, is a part of, may be written or queued. It is called, and returns, with
// w.mu locked.
func (w *writer) waitTurn(s *messageWriter, n int) error {
	err := w.refusal()
	if err != nil || w.free(s, n) && (len(w.line) == 0 || s != nil) {
		return err
	}
	me := &waiter{wake: make(chan struct{}, 1)}
	if s != nil { // all others wait for the end of its message
		w.line = slices.Insert(w.line, 0, me)
	} else {
		w.line = append(w.line, me)
	}
	defer w.leave(me)
	for {
		if err := w.wait(me.wake); err != nil {
			return err
		}
		if err := w.refusal(); err != nil {
			return err
		}
		if w.line[0] == me && w.free(s, n) {
			return nil
		}
	}
}

// leave takes somebody out of the line.
func (w *writer) leave(me *waiter) {
	i := slices.Index(w.line, me)
	w.line = slices.Delete(w.line, i, i+1)
	w.wakeNext()
}

// refusal is why nothing can be written any more, or nil.
func (w *writer) refusal() error {
	switch {
	case w.err != nil:
		return w.err
	case !w.ended && !w.closing:
		return nil
	case w.result != nil && !errors.Is(w.result, net.ErrClosed):
		return &overError{"write on a connection that is over", w.result}
	case w.ended:
		return errClosed
	}
	return errWriteClosed
}

// free reports whether nothing but the line stands in the way of a frame.
func (w *writer) free(s *messageWriter, n int) bool {
	return (w.stream == nil || w.stream == s) && (!w.busy || w.fits(n))
}

func (w *writer) fits(n int) bool {
	queued := 0
	if w.queue != nil {
		queued = len(w.queue.b)
	}
	return n <= maxQueue && queued+maxHeader+n <= maxQueue
}

// wait waits to be woken, or for the deadline.
func (w *writer) wait(wake <-chan struct{}) error {
	deadline := w.deadline
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

func (me *waiter) look() {
	select {
	case me.wake <- struct{}{}:
	default: // it has not looked since the last time
	}
}

// wakeNext has the first in line look whether it is its turn.
func (w *writer) wakeNext() {
	if len(w.line) > 0 {
		w.line[0].look()
	}
}

func (w *writer) wakeFlushers() {
	if w.flushed != nil {
		close(w.flushed)
		w.flushed = nil
	}
}

// wakeAll tells everybody who waits that things are not what they were.
func (w *writer) wakeAll() {
	for _, waiting := range w.line {
		waiting.look()
	}
	w.wakeFlushers()
}

// queued returns the queue to append to.
func (w *writer) queued() *outBuffer {
	if w.queue == nil {
		w.queue = outBuffers.Get().(*outBuffer)
	}
	return w.queue
}

// take takes the queue away to be written, with the control frames that are
// owed.
func (c *Conn) take() *outBuffer {
	w := &c.wr
	c.queueOwed()
	out := w.queued()
	w.queue = nil
	w.taken++
	w.wakeNext()
	return out
}

func (w *writer) pending() bool { return w.queue != nil || w.owesPong || w.owesPing }

func recycle(out *outBuffer) {
	if cap(out.b) > 3*maxQueue { // a queue, a frame, and what append adds of its own
		out.b = nil
	}
	out.b = out.b[:0]
	outBuffers.Put(out)
}

// outgoing is what a goroutine that has set busy writes behind the queue: a
// frame in two parts or, if framed is set, a payload that is one already.
type outgoing struct {
	header
	payload []byte
	framed  bool
}

// write writes a frame, behind what is queued, and then what others queue
// meanwhile. It is called, and returns, with w.mu locked and w.busy not set.
func (c *Conn) write(o outgoing) error {
	w := &c.wr
	w.busy = true
	out := c.take()
	others := len(out.b)
	w.mu.Unlock()
	n, err := c.transmit(out, o)
	w.mu.Lock()
	if err = w.sent(out, others, n, err); err != nil {
		w.release()
		return err
	}
	c.writeOn(maxRounds)
	return nil
}

// transmit writes out and o to the connection.
func (c *Conn) transmit(out *outBuffer, o outgoing) (int, error) {
	switch {
	case o.framed && len(out.b) == 0:
		return c.nc.Write(o.payload)
	case len(o.payload) > maxQueue && o.masked:
		return c.writeMasked(out, o)
	case len(o.payload) > maxQueue:
		return c.writeParts(out, o)
	case o.framed:
		out.b = append(out.b, o.payload...)
	default:
		out.b = c.appendFrame(out.b, o.header, o.payload)
	}
	return c.nc.Write(out.b)
}

// writeParts writes a frame whose payload is not worth copying. A part that is
// empty is left out: not every connection takes nothing for nothing.
func (c *Conn) writeParts(out *outBuffer, o outgoing) (int, error) {
	trailer := out.trailer[:0]
	if !o.framed {
		out.b = c.appendHeader(out.b, o.header, len(o.payload))
		trailer = c.appendTrailer(trailer, o.header)
	}
	out.bufs = append(out.parts[:0], out.b, o.payload)
	if len(trailer) > 0 {
		out.bufs = append(out.bufs, trailer)
	}
	n, err := out.bufs.WriteTo(c.nc)
	out.parts, out.bufs = [3][]byte{}, nil
	return int(n), err
}

// writeMasked writes a large frame, masked in pieces.
func (c *Conn) writeMasked(out *outBuffer, o outgoing) (n int, err error) {
	out.b = c.appendHeader(out.b, o.header, len(o.payload))
	key := o.key
	for p := o.payload; len(p) > 0 && err == nil; {
		piece := p[:min(len(p), maxQueue)]
		p = p[len(piece):]
		at := len(out.b)
		out.b = append(out.b, piece...)
		key = maskCopy(out.b[at:], out.b[at:], key)
		var k int
		k, err = c.nc.Write(out.b)
		if n += k; err == nil {
			out.b = out.b[:0]
		}
	}
	return n, err
}

// sent sorts out what a write of out came to, of which n bytes have left. The
// first others bytes of it are frames of those who were told that all is well:
// if nothing at all has left by the deadline they go back into the queue, and
// one may go on. It is called with w.mu locked by the goroutine that has set
// busy.
func (w *writer) sent(out *outBuffer, others, n int, err error) error {
	switch {
	case err == nil:
		w.written++
		w.wakeFlushers()
	case n == 0 && repeatable(err):
		out.b = out.b[:others]
		w.putBack(out)
		return errWriteTimeout
	default:
		w.fail(err)
		err = w.err
	}
	recycle(out)
	return err
}

// repeatable reports whether a write that has sent nothing can be done again.
// TLS can not go on after any error, and says so by Temporary.
func repeatable(err error) bool {
	var temporary interface{ Temporary() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &temporary) && temporary.Temporary()
}

// putBack puts frames at the head of the queue.
func (w *writer) putBack(out *outBuffer) {
	w.taken--
	switch {
	case len(out.b) == 0:
		recycle(out)
		return
	case w.queue != nil:
		out.b = append(out.b, w.queue.b...)
		recycle(w.queue)
	}
	w.queue = out
}

// release lets others write.
func (w *writer) release() {
	w.busy = false
	w.wakeNext()
	w.wakeFlushers()
}

// writeOn writes what is queued, and what is queued meanwhile, and then lets
// others write. After some rounds it leaves that to a goroutine. It is called,
// and returns, with w.mu locked.
func (c *Conn) writeOn(rounds int) {
	w := &c.wr
	for ; w.err == nil && w.pending(); rounds-- {
		if rounds == 0 {
			go c.writeQueue() // busy is handed over to it
			return
		}
		if c.writeQueued() != nil {
			break
		}
	}
	w.release()
}

// writeQueued writes what is queued. It is called, and returns, with w.mu
// locked, by the goroutine that has set w.busy.
func (c *Conn) writeQueued() error {
	out := c.take()
	c.wr.mu.Unlock()
	n, err := c.nc.Write(out.b)
	c.wr.mu.Lock()
	return c.wr.sent(out, len(out.b), n, err)
}

func (c *Conn) writeQueue() {
	c.wr.mu.Lock()
	defer c.wr.mu.Unlock()
	c.writeOn(-1)
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
	w.owesPong, w.owesPing = false, false
	w.wakeAll()
}

// appendFrame, appendHeader and appendTrailer do what the codec does, and make
// one frame of the fragments of a message where the version has none.
func (c *Conn) appendFrame(dst []byte, h header, p []byte) []byte {
	if !c.version.hixie() {
		return appendFrame(dst, c.codec, h, p)
	}
	dst = append(c.appendHeader(dst, h, len(p)), p...)
	return c.appendTrailer(dst, h)
}

func (c *Conn) appendHeader(dst []byte, h header, n int) []byte {
	if c.version.hixie() && h.op == Continuation {
		return dst
	}
	return c.codec.appendHeader(dst, h, n)
}

func (c *Conn) appendTrailer(dst []byte, h header) []byte {
	if c.version.hixie() && !h.fin {
		return dst
	}
	return c.codec.appendTrailer(dst, h)
}

// Flush writes what [Conn.BufferMessage] has queued, and waits until what other
// goroutines had written or queued before has left too.
func (c *Conn) Flush() error {
	w := &c.wr
	w.mu.Lock()
	defer w.mu.Unlock()
	goal := w.taken
	if w.pending() {
		goal++
	}
	for w.err == nil && w.written < goal && (w.busy || w.pending()) {
		if err := c.flushSome(); err != nil {
			return err
		}
	}
	switch {
	case w.err != nil:
		return w.err
	case w.ended:
		return errClosed
	}
	return nil
}

// flushSome writes what is queued, or waits for the goroutine that writes.
func (c *Conn) flushSome() error {
	w := &c.wr
	if w.busy {
		if w.flushed == nil {
			w.flushed = make(chan struct{})
		}
		return w.wait(w.flushed)
	}
	w.busy = true
	err := c.writeQueued()
	if err == nil {
		c.writeOn(maxRounds)
		return nil
	}
	w.release()
	return err
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
	w.sent(out, n, n, nil)
	w.release()
}

func (c *Conn) writeRest(out *outBuffer, n int) {
	k, err := c.nc.Write(out.b[n:])
	c.wr.mu.Lock()
	defer c.wr.mu.Unlock()
	if c.wr.sent(out, len(out.b), n+k, err) != nil {
		c.wr.release()
		return
	}
	c.writeOn(-1)
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
	if w.owesPong || w.busy || !w.fits(len(p)) {
		w.pong = append(w.pong[:0], p...)
		w.owesPong = true
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

// queueOwed queues the control frames that were parked, with w.mu locked.
func (c *Conn) queueOwed() {
	w := &c.wr
	if w.owesPong {
		w.owesPong = false
		c.queueControl(Pong, w.pong)
	}
	if w.owesPing {
		w.owesPing = false
		var id [pingPayload]byte
		binary.BigEndian.PutUint64(id[:], w.lastPing)
		c.queueControl(Ping, id[:])
	}
}
