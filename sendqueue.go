package websocket

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxQueue is how many bytes of frames the queue holds. A writer that finds
	// no room for its frame waits. Control frames do not wait: queuePong,
	// queuePing and last bound how many there are.
	maxQueue = 64 << 10

	// maxPiece is how many bytes of a large payload are written at once. Each
	// piece that the system takes is a sign of life.
	maxPiece = 256 << 10

	// maxRounds is how many times a writer, after its own write, writes what
	// other goroutines have queued. Then a new goroutine writes the rest, so
	// that a call returns even if others never stop writing.
	maxRounds = 4
)

// sendQueue lets many goroutines send frames on one connection, one write(2) at
// a time. It knows neither Conn nor receiver.
//
// Only one goroutine at a time writes to the connection, and it does not hold
// mu while it waits for the peer. Either tryDirect has let it write without the
// lock, or it has locked the queue and set busy; then it is called the busy
// goroutine. Other goroutines append their frames to the queue and return. The
// busy goroutine writes the queue after its own frame, so concurrent writers
// share a write(2) instead of waiting for each other. Writers that find the
// queue full stand in line, so that none is overtaken forever.
type sendQueue struct {
	nc    net.Conn
	enc   encoder
	trace func(FrameInfo)

	mu         sync.Mutex    // use lock and unlock; never held while a write waits for the peer
	direct     atomic.Uint32 // directOff, directIdle or directBusy
	busy       bool          // there is a busy goroutine
	forProgram bool          // it writes for a call of the program, so deadline applies
	owesPong   bool          // a Pong with payload pong must still be queued
	owesPing   bool          // a Ping with payload ping must still be queued
	stopped    bool          // nothing is written any more, not even what was queued
	deadlineOn bool          // nc has the deadline; otherwise it has none

	hasDeadlines bool // nc is known to have deadlines
	carries      bool // queue holds frames of the program, not only Pongs and Pings

	ping [pingPayload]byte
	pong *controlPayload // nil until a Pong must wait

	queue  *sendBuffer    // nil if empty
	stream *messageWriter // the message of NextWriter in progress; other messages wait
	crowd  *crowd         // the goroutines that wait; nil until one had to

	// taken counts how often the queue was taken for a write, and written how
	// many of these writes are done. They may overflow: they are only compared
	// with each other.
	taken, written uint32

	refused  error     // why the queue accepts no more frames; nil if it does
	deadline time.Time // of calls of the program; zero if there is none

	watch *writeWatch // nil if frames may take any time
	signs *lifeSigns  // nil without keepalive

	poll writePoll
}

// controlPayload is the payload of a control frame.
type controlPayload struct {
	n int
	b [maxControlPayload]byte
}

// outgoing is a data frame to be sent.
type outgoing struct {
	header
	head    []byte // the beginning of the payload, if it is in two parts
	payload []byte
	framed  bool           // payload is the whole frame, header included
	deflate bool           // payload must be compressed first
	stream  *messageWriter // the message of NextWriter that the frame is part of, or nil
	length  int            // of the payload, for trace
	since   time.Time      // when its writer began to wait for its turn; zero if it did not
}

// message sends a message as one frame. If flush is not set, the frame may stay
// in the queue.
func (q *sendQueue) message(t MessageType, p []byte, flush bool) error {
	if t != Text && t != Binary || q.enc.version.hixie() { // spares most messages the call
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

// compressDirect begins a direct write and compresses p for it. It returns nil
// if a direct write is not possible. A message may refer to earlier ones, so
// messages must be sent in the order in which they are compressed: a goroutine
// that locks the queue after tryDirect queues its message behind the direct
// write, and waits for z.mu before it compresses.
func (q *sendQueue) compressDirect(h header, p []byte) (out *scratch) {
	z := q.enc.compressor
	if z.mu.TryLock() {
		if q.tryDirect() {
			out = z.compress(h.fin, nil, p)
		}
		z.mu.Unlock()
	}
	return out
}

// prepared sends a message that is already framed. h is the header of its frame
// and n the length of the payload.
func (q *sendQueue) prepared(h header, n int, frame []byte) error {
	if !q.tryDirect() {
		return q.send(&outgoing{header: h, payload: frame, framed: true, length: n}, true)
	}
	if len(frame) > maxPiece {
		out := sendBuffers.Get().(*sendBuffer)
		return q.afterDirect(out, q.writeBatch(out, &outgoing{payload: frame, framed: true}))
	}
	n, err := q.nc.Write(frame)
	return q.afterDirect(nil, wrote(n, frame, err))
}

// writeDirect writes a frame after tryDirect has returned true.
func (q *sendQueue) writeDirect(h header, p []byte) error {
	out := sendBuffers.Get().(*sendBuffer)
	if len(p) > maxQueue {
		return q.afterDirect(out, q.writeBatch(out, &outgoing{header: h, payload: p}))
	}
	q.enc.appendFrame(out, h, p)
	n, err := q.nc.Write(out.b)
	return q.afterDirect(out, wrote(n, out.b, err))
}

// afterDirect ends a direct write. out is the buffer that it used, or nil.
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

// send sends a frame once its turn has come. It leaves the frame in the queue
// if another goroutine is writing, or if flush is not set and the queue has
// room.
func (q *sendQueue) send(o *outgoing, flush bool) error {
	q.lock()
	defer q.unlock()
	var err error
	if o.since, err = q.waitTurn(o.stream, o.size()); err != nil {
		return err
	}
	if o.deflate {
		defer q.deflate(o).recycle()
	}
	if q.busy || !flush && q.hasRoom(o.size()) {
		q.leave(o)
		return nil
	}
	return q.write(o)
}

// deflate compresses the payload of a frame, in the order in which frames are
// queued. mu must be locked. The result is the memory of the payload.
func (q *sendQueue) deflate(o *outgoing) *scratch {
	z := q.enc.compressor
	z.mu.Lock()
	defer z.mu.Unlock()
	compressed := z.compress(o.fin, o.head, o.payload)
	o.head, o.payload, o.length = nil, compressed.b, len(compressed.b)
	return compressed
}

// leave leaves a frame of the program in the queue. A write that is in progress
// becomes a write for the program, with its deadline, because the frame can leave
// only after it. If nobody writes, the frame stays until the program flushes it,
// and is not late before that.
func (q *sendQueue) leave(o *outgoing) {
	q.traceFrame(o.header, o.length)
	q.appendOutgoing(q.queued(), o)
	q.carries = true
	if q.busy {
		q.beginWrite(true)
		q.noteLeft(o.since)
	}
}

// noteLeft notes that a frame whose writer has waited since t, or not at all,
// waits in the queue and is on its way.
func (q *sendQueue) noteLeft(t time.Time) {
	if q.watch != nil {
		q.watch.left(t)
	}
}

// isLate reports whether a frame has waited for too long, and if so refuses
// everything from now on. If not, it sets the timer of the watch for the next
// frame that may be late.
func (q *sendQueue) isLate() bool {
	q.lock()
	defer q.unlock()
	q.watch.armed = false
	age, waits := q.oldest()
	switch {
	case q.stopped || !waits:
		return false
	case age < q.watch.timeout:
		q.watch.arm(q.watch.timeout - age)
		return false
	}
	q.stop(ErrWriteTimeout)
	return true
}

// oldest returns how long the oldest frame has waited to be sent. Writers in line
// are not always in the order of their calls.
func (q *sendQueue) oldest() (age time.Duration, waits bool) {
	w := q.watch
	at := w.now()
	first := q.first()
	if first == nil && !q.busy {
		return 0, false
	}
	if q.busy {
		at = w.oldest()
	}
	if first != nil {
		for _, me := range q.crowd.line {
			at = min(at, w.at(me.since))
		}
	}
	return time.Duration(w.now() - at), true
}

// setDeadline sets the write deadline. It applies to writes for the program only.
// The error is that of a connection without deadlines.
func (q *sendQueue) setDeadline(t time.Time) error {
	q.lock()
	defer q.unlock()
	if q.stopped {
		return nil
	}
	q.deadline = t
	q.setAlarm()
	switch {
	case q.busy && q.forProgram:
		q.deadlineOn = !t.IsZero()
		return q.nc.SetWriteDeadline(t)
	case !q.busy && !q.hasDeadlines:
		err := q.nc.SetWriteDeadline(time.Time{}) // which changes nothing
		q.deadlineOn, q.hasDeadlines = false, err == nil
		return err
	}
	return nil
}

// queuePong queues the answer to a Ping, RFC 6455 section 5.5.3. While the
// queue is full, or a goroutine is writing, only the latest Pong is kept. The
// section allows that, and so Pings cost no memory.
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
		q.noteLeft(time.Time{})
		return
	}
	q.queueControl(Pong, p)
}

// queuePing queues a Ping. It replaces an earlier Ping that has not left yet,
// so that Pings to a peer that does not read cost no memory. If watched is set,
// signs tell when it leaves.
func (q *sendQueue) queuePing(p [pingPayload]byte, watched bool) error {
	q.lock()
	defer q.unlock()
	if q.refused != nil {
		return q.refused
	}
	q.ping, q.owesPing = p, true
	if watched {
		q.signs.ping.Store(pingOwed)
	}
	q.noteLeft(time.Time{})
	return nil
}

// last refuses every frame from now on, with the error why. Before that, if say is
// set, it queues a Close frame with payload p, and reports whether it did. It
// queues none if the version has no Close frame, or in the middle of a hixie
// message, which no other frame can interrupt. A write deadline applies only to
// the write that is in progress, and not to what is written after it.
func (q *sendQueue) last(say bool, p []byte, why error) (said bool) {
	q.lock()
	defer q.unlock()
	if q.stopped {
		return false
	}
	q.refused = why
	if !q.busy {
		q.applyDeadline(false)
	}
	q.wakeAll()
	p, ok := q.enc.closePayload(p)
	inFrame := q.stream != nil && !q.enc.version.traits().fragments // the message is one frame
	if !say || !ok || inFrame {
		return false
	}
	q.queueOwed()
	q.queueControl(Close, p)
	q.noteLeft(time.Time{})
	return true
}

// end refuses everything from now on with the error why, because nc is being
// closed. What is queued is lost.
func (q *sendQueue) end(why error) {
	q.lock()
	defer q.unlock()
	q.stop(why)
}

// lastIfIdle refuses every frame from now on, with the error why, if nothing is
// queued or being written. It reports whether that is so.
func (q *sendQueue) lastIfIdle(why error) bool {
	q.lock()
	defer q.unlock()
	if q.busy || q.pending() {
		return false
	}
	if q.refused == nil {
		q.refused = why
		q.wakeAll()
	}
	return true
}

// idle reports whether nothing is queued or being written.
func (q *sendQueue) idle() bool {
	q.lock()
	defer q.unlock()
	return !q.busy && !q.pending()
}

// whyRefused returns why the queue accepts no more frames, or nil if it does.
func (q *sendQueue) whyRefused() error {
	q.lock()
	defer q.unlock()
	return q.refused
}

// failure returns why the queue has stopped, or nil if it has not. It has not if
// only the Close frame may still be sent.
func (q *sendQueue) failure() error {
	q.lock()
	defer q.unlock()
	if q.stopped {
		return q.refused
	}
	return nil
}

// failed returns a channel that is closed once the queue has stopped.
func (q *sendQueue) failed() <-chan struct{} {
	q.lock()
	defer q.unlock()
	w := q.waiting()
	if w.failed == nil {
		w.failed = make(chan struct{})
		if q.stopped {
			close(w.failed)
		}
	}
	return w.failed
}

// beginStream waits until m may begin, and then keeps other messages out until
// endStream.
func (q *sendQueue) beginStream(m *messageWriter) error {
	q.lock()
	defer q.unlock()
	if _, err := q.waitTurn(nil, 0); err != nil {
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
