package websocket

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/protocol-websocket/websocket/internal/mask"
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

// writer is the sending half of a Conn.
//
// Only one goroutine at a time writes to the connection, and it does so without
// holding mu: one that the gate has let in, or the busy one, which has locked the
// writer. Others append their frames to the queue and are done; the busy one
// takes the queue when it has written. So writers make each other's writes larger
// instead of waiting for each other. Those who find the queue full stand in line,
// so that none is overtaken for ever.
type writer struct {
	mu      sync.Mutex    // taken by lock
	gate    atomic.Uint32 // gateShut, gateOpen or gateTaken
	busy    bool          // a goroutine writes that holds, or held, the lock
	program bool          // and does so for a call of the program, whose deadline counts

	owesPong bool       // pong is to be sent
	owesPing bool       // a Ping that bears lastPing is to be sent
	queue    *outBuffer // nil if empty
	line     []*waiter  // who waits to write or queue, in order

	// taken is how often the queue was taken to be written, written how often
	// that has been done; flushed is closed to wake those who wait for it, and
	// nil if nobody does.
	taken, written uint64
	flushed        chan struct{}

	pong     []byte // payload of the Pong to send next, of many the latest
	lastPing uint64
	pings    []*pendingPing

	err    error          // of the first write that failed; all later ones get it too
	stream *messageWriter // the message that others must not break into

	deadline, readDeadline time.Time // as the program has set them
	applied                time.Time // the write deadline that the connection below has
	interrupts             int32     // how many ends of contexts break off reads

	closing bool          // nothing may follow what is queued
	said    bool          // a Close frame was queued
	ended   bool          // nothing can be written any more
	over    bool          // and the connection below is closed
	result  error         // why it is closing or has ended
	timer   *time.Timer   // ends the end that is seen to in the background; nil if none is
	done    chan struct{} // closed when it is over; nil if nobody waits
	onDone  func()        // called then

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
// begins to wait for input: a loop that reads and answers so makes one write(2)
// for all that one read(2) has brought. A goroutine that only writes must call
// Flush. Its errors are those of WriteMessage.
func (c *Conn) BufferMessage(t MessageType, p []byte) error { return c.sendMessage(t, p, false) }

func (c *Conn) sendMessage(t MessageType, p []byte, now bool) error {
	h := header{fin: true, op: t}
	if err := checkMessageType(t); err != nil {
		return err
	}
	if c.version.hixie() {
		if err := c.rd.dec.codec.check(h, p); err != nil {
			return err
		}
	}
	if c.compressor.worth(len(p)) {
		return c.sendCompressed(h, p, now)
	}
	if now && c.wr.enter() {
		return c.writeAlone(h, p)
	}
	return c.send(h, p, nil, now)
}

// sendCompressed sends p as a compressed message.
func (c *Conn) sendCompressed(h header, p []byte, now bool) error {
	h.rsv = rsvCompressed
	if now {
		if z := c.compressAlone(h, p); z != nil {
			err := c.writeAlone(h, z.b)
			recycle(z)
			return err
		}
	}
	return c.send(h, p, nil, now)
}

// compressAlone compresses p and lets a write in by the gate, or returns nil.
// Messages that refer to each other must leave in the order in which they were
// compressed, and the gate does not keep others from the lock, who queue behind
// who is within: none of them can compress between the two.
func (c *Conn) compressAlone(h header, p []byte) (out *outBuffer) {
	z := c.compressor
	if z.mu.TryLock() {
		if c.wr.enter() {
			out = z.message(h, p)
		}
		z.mu.Unlock()
	}
	return out
}

// writeAlone writes a frame that was let in by the gate.
func (c *Conn) writeAlone(h header, p []byte) error {
	c.traceWritten(h, len(p))
	out := outBuffers.Get().(*outBuffer)
	if len(p) > maxQueue {
		return c.written(out, c.transmit(out, &outgoing{header: h, payload: p}))
	}
	c.appendFrame(out, h, p)
	_, err := c.nc.Write(out.b)
	return c.written(out, err)
}

// send sends a frame of data, which s, if not nil, is a part of.
func (c *Conn) send(h header, p []byte, s *messageWriter, now bool) error {
	w := &c.wr
	w.lock()
	defer w.unlock()
	if err := w.waitTurn(s, len(p)); err != nil {
		return err
	}
	if h.rsv != 0 || s != nil && s.compressed {
		c.compressor.mu.Lock()
		z := c.compressor.message(h, p)
		c.compressor.mu.Unlock()
		defer recycle(z)
		p = z.b
	}
	c.traceWritten(h, len(p))
	if w.busy || !now && w.fits(len(p)) {
		c.appendFrame(w.queued(), h, p)
		return nil
	}
	return c.write(&outgoing{header: h, payload: p})
}

// written ends a write that was let in by the gate, of out if it is not nil.
func (c *Conn) written(out *outBuffer, err error) error {
	w := &c.wr
	if err == nil && w.leave() {
		recycle(out)
		return nil
	}
	w.lock()
	defer w.unlock()
	err = w.sent(out, err)
	c.writeOn(maxRounds)
	return err
}

func (c *Conn) traceWritten(h header, n int) {
	if c.trace != nil && c.trace.FrameWritten != nil {
		c.trace.FrameWritten(c, FrameInfo{Type: h.op, Fin: h.fin, RSV: h.rsv, Length: int64(n)})
	}
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

// outgoing is what a goroutine that has set busy writes behind the queue: a
// frame in two parts or, if framed is set, a payload that is one already.
type outgoing struct {
	header
	payload []byte
	framed  bool
}

// write writes a frame, behind what is queued, and then what others queue
// meanwhile. It is called, and returns, with w.mu locked and w.busy not set.
func (c *Conn) write(o *outgoing) error {
	w := &c.wr
	c.begin(true)
	out := c.take()
	w.unlock()
	err := c.transmit(out, o)
	w.lock()
	err = w.sent(out, err)
	c.writeOn(maxRounds)
	return err
}

// begin makes this goroutine the busy one. The program's deadline is for what
// the program writes itself: once it has passed, Pongs must leave all the same.
func (c *Conn) begin(program bool) {
	c.wr.busy, c.wr.program = true, program
	var deadline time.Time
	if program {
		deadline = c.wr.deadline
	}
	c.applyWriteDeadline(deadline)
}

// applyWriteDeadline sets the deadline of the connection below, if it is not
// that already.
func (c *Conn) applyWriteDeadline(t time.Time) error {
	if t == c.wr.applied {
		return nil
	}
	c.wr.applied = t
	return c.nc.SetWriteDeadline(t)
}

// transmit writes out and o to the connection.
func (c *Conn) transmit(out *outBuffer, o *outgoing) (err error) {
	switch {
	case o.framed && len(out.b) == 0:
		_, err = c.nc.Write(o.payload)
		return err
	case len(o.payload) > maxQueue && c.masks():
		return c.writeMasked(out, o)
	case len(o.payload) > maxQueue:
		return c.writeParts(out, o)
	case o.framed:
		out.b = append(out.b, o.payload...)
	default:
		c.appendFrame(out, o.header, o.payload)
	}
	_, err = c.nc.Write(out.b)
	return err
}

// writeParts writes a frame whose payload is not worth copying. A part that is
// empty is left out: not every connection takes nothing for nothing.
func (c *Conn) writeParts(out *outBuffer, o *outgoing) error {
	trailer := out.trailer[:0]
	if !o.framed {
		out.b = c.appendHeader(out.b, o.header, len(o.payload))
		trailer = c.appendTrailer(trailer, o.header)
	}
	out.bufs = out.parts[:0]
	for _, part := range [...][]byte{out.b, o.payload, trailer} {
		if len(part) > 0 {
			out.bufs = append(out.bufs, part)
		}
	}
	_, err := out.bufs.WriteTo(c.nc)
	out.parts, out.bufs = [3][]byte{}, nil
	return err
}

// writeMasked writes a large frame, masked in pieces.
func (c *Conn) writeMasked(out *outBuffer, o *outgoing) error {
	o.masked, o.key = true, out.keys.Next()
	out.b = c.appendHeader(out.b, o.header, len(o.payload))
	key := o.key
	for p := o.payload; len(p) > 0; {
		piece := p[:min(len(p), maxQueue)]
		p = p[len(piece):]
		at := len(out.b)
		out.b = append(out.b, piece...)
		key = mask.Copy(out.b[at:], out.b[at:], key)
		if _, err := c.nc.Write(out.b); err != nil {
			return err
		}
		out.b = out.b[:0]
	}
	return nil
}

// sent sorts out what a write of out came to. It is called with w.mu locked by
// the goroutine that has set busy.
func (w *writer) sent(out *outBuffer, err error) error {
	recycle(out)
	if err != nil {
		w.fail(err)
		return w.err
	}
	w.written++
	w.wakeFlushers()
	return nil
}

// release lets others write.
func (w *writer) release() {
	w.busy = false
	w.wakeNext()
}

// writeOn writes what is queued, and what is queued meanwhile, and then lets
// others write. After some rounds it leaves that to a goroutine. It is called,
// and returns, with w.mu locked.
func (c *Conn) writeOn(rounds int) {
	w := &c.wr
	for ; w.err == nil && w.pending(); rounds-- {
		if rounds == 0 || w.program && w.late() {
			c.begin(false)
			go c.writeQueue() // which is the busy one now
			return
		}
		c.writeQueued()
	}
	w.release()
}

// writeQueued writes what is queued. It is called, and returns, with w.mu
// locked, by the goroutine that has set w.busy.
func (c *Conn) writeQueued() error {
	out := c.take()
	c.wr.unlock()
	_, err := c.nc.Write(out.b)
	c.wr.lock()
	return c.wr.sent(out, err)
}

func (c *Conn) writeQueue() {
	c.wr.lock()
	defer c.wr.unlock()
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

// masks reports whether this side masks its frames, RFC 6455 section 5.1.
func (c *Conn) masks() bool { return c.side == ClientSide && !c.version.hixie() }

// appendFrame, appendHeader and appendTrailer do what the codec does, and make
// one frame of the fragments of a message where the version has none.
func (c *Conn) appendFrame(out *outBuffer, h header, p []byte) {
	if c.version.hixie() {
		out.b = append(c.appendHeader(out.b, h, len(p)), p...)
		out.b = c.appendTrailer(out.b, h)
		return
	}
	if c.side == ClientSide {
		h.masked, h.key = true, out.keys.Next()
	}
	out.b = appendHybi(out.b, h, p)
}

func (c *Conn) appendHeader(dst []byte, h header, n int) []byte {
	if c.version.hixie() && h.op == Continuation {
		return dst
	}
	return c.rd.dec.codec.appendHeader(dst, h, n)
}

func (c *Conn) appendTrailer(dst []byte, h header) []byte {
	if c.version.hixie() && !h.fin {
		return dst
	}
	return c.rd.dec.codec.appendTrailer(dst, h)
}
