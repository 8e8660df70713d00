package websocket

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxQueue is how many bytes of frames may wait to be written together.
	// Writers that find the queue full wait. Control frames do not wait, because
	// other rules bound their number.
	maxQueue = 64 << 10

	// maxRounds is how many times a writer writes what others have queued
	// meanwhile, before it leaves the rest to a goroutine: it wants to return.
	maxRounds = 4
)

// sendQueue lets many goroutines send frames on one connection, one write(2) at
// a time. It does not know Conn, nor the reader.
//
// Only one goroutine at a time writes to the connection, and it does not hold mu
// meanwhile. Either it has come by tryDirect, or it is the busy one, which has
// locked the queue before. Others append their frames to the queue and return;
// the busy one sends the queue after its own write. So writers make each other's
// writes larger instead of waiting for each other. Writers that find the queue
// full stand in line, so that none is overtaken forever.
type sendQueue struct {
	nc    net.Conn
	enc   encoder
	trace func(FrameInfo)

	mu         sync.Mutex    // taken by lock; never held during a system call
	direct     atomic.Uint32 // directOff, directIdle or directBusy
	busy       bool          // a goroutine is writing
	forProgram bool          // it writes for a call of the program, whose deadline applies
	owesPong   bool          // a Pong with the payload pong is to be sent
	owesPing   bool          // a Ping with the payload ping is to be sent
	stopped    bool          // nothing can be written any more
	deadlineOn bool          // deadline is set on nc; otherwise nc has none

	ping [pingPayload]byte
	pong *controlPayload // nil before the first that had to wait

	queue  *sendBuffer    // nil if empty
	line   []*waiter      // who waits to write or to queue, in order
	stream *messageWriter // the message that others must not break into

	// taken counts how often the queue was taken to be written, written how often
	// that is done. flushed is closed to wake those who wait for it; it is nil if
	// nobody does.
	taken, written uint64
	flushed        chan struct{}

	refused  error     // why nothing more may be sent; nil while the connection is open
	deadline time.Time // for what the program writes

	poll writePoll
}

// controlPayload is the payload of a control frame.
type controlPayload struct {
	n int
	b [maxControlPayload]byte
}

// outgoing is a frame of data to be sent.
type outgoing struct {
	header
	payload []byte
	framed  bool           // payload is a whole frame, made before
	deflate bool           // payload is to be compressed first
	stream  *messageWriter // the message that the frame is a part of, if others must wait for its end
	length  int            // of the payload, as traced
}

// message sends a message as one frame. If flush is not set, the frame may stay
// in the queue.
func (q *sendQueue) message(t MessageType, p []byte, flush bool) error {
	if t != Text && t != Binary || q.enc.version.hixie() { // most messages need no call
		if err := q.enc.check(t, p); err != nil {
			return err
		}
	}
	h := header{fin: true, op: t}
	if q.enc.compresses(len(p)) {
		return q.compressedMessage(h, p, flush)
	}
	if flush && q.tryDirect() {
		return q.writeDirect(h, p)
	}
	return q.send(&outgoing{header: h, payload: p, length: len(p)}, flush)
}

func (q *sendQueue) compressedMessage(h header, p []byte, flush bool) error {
	h.rsv = rsvCompressed
	if flush {
		if z := q.compressDirect(h, p); z != nil {
			defer z.recycle()
			return q.writeDirect(h, z.b)
		}
	}
	return q.send(&outgoing{header: h, payload: p, deflate: true}, flush)
}

// compressDirect compresses p and begins a direct write, or returns nil.
// Messages that refer to each other must be sent in the order in which they were
// compressed. Whoever locks the queue meanwhile queues behind the direct write,
// and cannot compress before the compressor is unlocked.
func (q *sendQueue) compressDirect(h header, p []byte) (out *scratch) {
	z := q.enc.compressor
	if z.mu.TryLock() {
		if q.tryDirect() {
			out = z.compress(h.fin, p)
		}
		z.mu.Unlock()
	}
	return out
}

// prepared sends a message that is one frame already. h is its header and n the
// length of its payload.
func (q *sendQueue) prepared(h header, n int, frame []byte) error {
	if !q.tryDirect() {
		return q.send(&outgoing{header: h, payload: frame, framed: true, length: n}, true)
	}
	q.traceFrame(h, n)
	_, err := q.nc.Write(frame)
	return q.afterDirect(nil, err)
}

// writeDirect writes a frame after tryDirect has returned true.
func (q *sendQueue) writeDirect(h header, p []byte) error {
	if q.trace != nil { // copying h for the call would take 3 ns of every write
		q.traceFrame(h, len(p))
	}
	out := sendBuffers.Get().(*sendBuffer)
	if len(p) > maxQueue {
		return q.afterDirect(out, q.writeBatch(out, &outgoing{header: h, payload: p}))
	}
	q.enc.appendFrame(out, h, p)
	_, err := q.nc.Write(out.b)
	return q.afterDirect(out, err)
}

// afterDirect ends a direct write. out, if not nil, is what was written.
func (q *sendQueue) afterDirect(out *sendBuffer, err error) error {
	if err == nil && q.endDirect() {
		out.recycle()
		return nil
	}
	q.lock()
	defer q.unlock()
	err = q.afterWrite(out, err)
	q.drain(maxRounds)
	return err
}

// send sends a frame when it is its turn. If flush is not set, or another
// goroutine is writing, it leaves the frame in the queue.
func (q *sendQueue) send(o *outgoing, flush bool) error {
	q.lock()
	defer q.unlock()
	if err := q.waitTurn(o.stream, len(o.payload)); err != nil {
		return err
	}
	if o.deflate {
		z := q.enc.compressor
		z.mu.Lock()
		compressed := z.compress(o.fin, o.payload)
		z.mu.Unlock()
		defer compressed.recycle()
		o.payload, o.length = compressed.b, len(compressed.b)
	}
	q.traceFrame(o.header, o.length)
	if q.busy || !flush && q.hasRoom(len(o.payload)) {
		q.appendOutgoing(q.queued(), o)
		return nil
	}
	return q.write(o)
}

// setDeadline sets the deadline of what the program writes.
func (q *sendQueue) setDeadline(t time.Time) error {
	q.lock()
	defer q.unlock()
	if q.refused != nil {
		return nil
	}
	q.deadline = t
	q.wakeAll()
	if q.deadlineOn || q.busy && q.forProgram {
		q.deadlineOn = !t.IsZero()
		return q.nc.SetWriteDeadline(t)
	}
	return nil
}

// flush writes what is queued, and waits until what other goroutines have
// written or queued before has left too.
func (q *sendQueue) flush() error {
	q.lock()
	defer q.unlock()
	goal := q.taken
	if q.pending() {
		goal++
	}
	for !q.stopped && q.written < goal && (q.busy || q.pending()) {
		if err := q.flushSome(); err != nil {
			return err
		}
	}
	if q.stopped {
		return q.refused
	}
	return nil
}

// flushSome writes what is queued, or waits for the goroutine that writes.
func (q *sendQueue) flushSome() error {
	if q.busy {
		if q.flushed == nil {
			q.flushed = make(chan struct{})
		}
		return q.wait(q.flushed)
	}
	if q.deadlinePassed() {
		return errWriteTimeout
	}
	q.beginWrite(true)
	err := q.writeQueue()
	q.drain(maxRounds)
	return err
}

// flushSoon starts to write what is queued. It never waits for the peer, which
// may be waiting for us to read: what the system does not take at once is left to
// a goroutine.
func (q *sendQueue) flushSoon() {
	if q.direct.Load() != directOff {
		return // nothing is queued
	}
	q.lock()
	defer q.unlock()
	if q.busy || q.stopped || !q.pending() {
		return
	}
	q.beginWrite(false)
	out := q.take()
	n := q.poll.write(out)
	if n < len(out.b) {
		go q.writeRest(out, n)
		return
	}
	q.afterWrite(out, nil)
	q.endWrite()
}

// queuePong queues the answer to a Ping, RFC 6455 section 5.5.3. While the queue
// is full or being written, it keeps only the latest of many Pongs, which the
// section allows, so that Pings cost no memory.
func (q *sendQueue) queuePong(p []byte) {
	q.lock()
	defer q.unlock()
	if q.refused != nil {
		return
	}
	if q.owesPong || q.busy || !q.hasRoom(len(p)) {
		if q.pong == nil {
			q.pong = new(controlPayload)
		}
		q.pong.n = copy(q.pong.b[:], p)
		q.owesPong = true
		return
	}
	q.queueControl(Pong, p)
}

// queuePing queues a Ping. Of the Pings that have not left yet it keeps only the
// latest, so that Pings to a peer that does not read cost no memory.
func (q *sendQueue) queuePing(p [pingPayload]byte) error {
	q.lock()
	defer q.unlock()
	if q.refused != nil {
		return q.refused
	}
	q.ping, q.owesPing = p, true
	return nil
}

// last refuses everything that is sent from now on, for the reason why. Before
// that it queues a Close frame with payload p, unless p is nil or the version has
// none, and reports whether it did. From here on no write has a deadline.
func (q *sendQueue) last(p []byte, why error) (said bool) {
	q.lock()
	defer q.unlock()
	if q.stopped {
		return false
	}
	q.refused = why
	q.deadline, q.deadlineOn = time.Time{}, false
	_ = q.nc.SetWriteDeadline(time.Time{})
	q.wakeAll()
	t := q.enc.version.traits()
	inFrame := q.stream != nil && !t.fragments // where there can be no other frame
	if p == nil || !t.closeFrame || inFrame {
		return false
	}
	if !t.closeCodes {
		p = nil
	}
	q.queueOwed()
	q.queueControl(Close, p)
	return true
}

// end refuses everything from now on, for the reason why, because nc is being
// closed.
func (q *sendQueue) end(why error) {
	q.lock()
	defer q.unlock()
	q.stop(why)
}

// idle reports whether nothing is being written or left to be written.
func (q *sendQueue) idle() bool {
	q.lock()
	defer q.unlock()
	return !q.busy && !q.pending()
}

// whyRefused returns why nothing more may be sent, or nil.
func (q *sendQueue) whyRefused() error {
	q.lock()
	defer q.unlock()
	return q.refused
}

// beginStream waits for its turn and keeps other messages out until endStream.
func (q *sendQueue) beginStream(m *messageWriter) error {
	q.lock()
	defer q.unlock()
	if err := q.waitTurn(nil, 0); err != nil {
		return err
	}
	q.stream = m
	return nil
}

func (q *sendQueue) endStream(m *messageWriter) {
	q.lock()
	defer q.unlock()
	if q.stream == m {
		q.stream = nil
		q.wakeNext()
	}
}
