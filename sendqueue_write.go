package websocket

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/protocol-websocket/websocket/internal/mask"
)

// This file holds what the busy goroutine does, and how frames get into the
// queue.

// take queues the control frames that are owed and empties the queue. The
// caller must write the result, and then the frame of a writer that has waited
// since then, if since is not zero.
func (q *sendQueue) take(since time.Time) *sendBuffer {
	if q.owesPing {
		q.signs.pingTaken()
	}
	q.queueOwed()
	out := q.queued()
	q.queue, q.carries = nil, false
	q.taken++
	if q.watch != nil {
		q.watch.took(since)
	}
	q.wakeNext()
	return out
}

// write writes what is queued, then o, and then what other goroutines have
// queued in the meantime. It must be called with mu locked and busy not set. It
// unlocks mu while it writes.
func (q *sendQueue) write(o *outgoing) error {
	q.beginWrite(true)
	out := q.take(o.since)
	q.traceFrame(o.header, o.length)
	q.unlock()
	err := q.writeBatch(out, o)
	q.lock()
	err = q.afterWrite(out, err)
	q.drain(maxRounds)
	return err
}

// beginWrite says that there is a busy goroutine, and whether it writes for the
// program. Only then the write deadline applies: even after the deadline, Pongs
// and the Close frame must leave.
func (q *sendQueue) beginWrite(forProgram bool) {
	q.busy, q.forProgram = true, forProgram && q.refused == nil
	q.applyDeadline(q.forProgram)
}

// applyDeadline sets the deadline on nc, or removes it, if that changes
// anything.
func (q *sendQueue) applyDeadline(on bool) {
	on = on && !q.deadline.IsZero()
	switch {
	case on == q.deadlineOn:
	case on:
		_ = q.nc.SetWriteDeadline(q.deadline)
	default:
		_ = q.nc.SetWriteDeadline(time.Time{})
	}
	q.deadlineOn = on
}

// writeBatch writes what is in out, and then o.
func (q *sendQueue) writeBatch(out *sendBuffer, o *outgoing) error {
	switch {
	case o.framed && len(out.b) == 0 && len(o.payload) <= maxPiece:
		return q.put(o.payload)
	case o.size() > maxQueue && q.enc.masks():
		return q.writeMasked(out, o)
	case o.size() > maxQueue:
		return q.writeParts(out, o)
	}
	q.appendOutgoing(out, o)
	return q.put(out.b)
}

// put writes p to nc.
func (q *sendQueue) put(p []byte) error {
	n, err := q.nc.Write(p)
	return wrote(n, p, err)
}

// wrote returns the error of a Write of p that returned n and err. A part of a
// frame must not be taken for the whole if nc does not return an error with it,
// as [io.Writer] requires.
func wrote(n int, p []byte, err error) error {
	if n < len(p) && err == nil {
		return io.ErrShortWrite
	}
	return err
}

// largeWrite holds the parts of a large write: what is queued, with the header
// after it, then a piece of the payload, and the trailer.
type largeWrite struct {
	parts   [3][]byte
	bufs    net.Buffers // the parts that are not empty, as writev takes them
	trailer [1]byte
}

var largeWrites = sync.Pool{New: func() any { return new(largeWrite) }}

// writeParts writes a frame piece by piece, without copying its payload, because
// the payload is large. The header leaves with the first piece, and the trailer
// with the last.
func (q *sendQueue) writeParts(out *sendBuffer, o *outgoing) error {
	w := largeWrites.Get().(*largeWrite)
	defer largeWrites.Put(w)
	trailer := w.trailer[:0]
	if !o.framed {
		out.b = append(q.enc.appendHeader(out.b, o.header, o.size()), o.head...)
		trailer = q.enc.appendTrailer(trailer, o.header)
	}
	head, p := out.b, o.payload
	for len(p) > maxPiece {
		if err := q.putAll(w, head, p[:maxPiece], nil); err != nil {
			return err
		}
		head, p = nil, p[maxPiece:]
	}
	return q.putAll(w, head, p, trailer)
}

// putAll writes three parts with one writev(2) if nc has that. If not,
// [net.Buffers] would not notice a short write. It leaves out empty parts,
// because some connections do not accept an empty write.
func (q *sendQueue) putAll(w *largeWrite, parts ...[]byte) (err error) {
	w.bufs = w.parts[:0]
	for _, part := range parts {
		if len(part) > 0 {
			w.bufs = append(w.bufs, part)
		}
	}
	switch q.nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		_, err = w.bufs.WriteTo(q.nc)
	default:
		for _, b := range w.bufs {
			if err == nil {
				err = q.put(b)
			}
		}
	}
	w.parts, w.bufs = [3][]byte{}, nil
	if err == nil {
		q.signs.sent()
	}
	return err
}

// writeMasked writes a large frame chunk by chunk, and masks each chunk in a
// copy.
func (q *sendQueue) writeMasked(out *sendBuffer, o *outgoing) error {
	o.masked, o.key = true, out.keys.Next()
	out.b = q.enc.appendHeader(out.b, o.header, o.size())
	at := len(out.b)
	out.b = append(out.b, o.head...)
	key := mask.Copy(out.b[at:], out.b[at:], o.key)
	for p := o.payload; len(p) > 0; {
		chunk := p[:min(len(p), maxQueue)]
		p = p[len(chunk):]
		at := len(out.b)
		out.b = append(out.b, chunk...)
		key = mask.Copy(out.b[at:], out.b[at:], key)
		if err := q.put(out.b); err != nil {
			return err
		}
		q.signs.sent()
		out.b = out.b[:0]
	}
	return nil
}

// afterWrite recycles out and records the result of a write. The busy goroutine
// calls it, with mu locked.
func (q *sendQueue) afterWrite(out *sendBuffer, err error) error {
	out.recycle()
	if err != nil {
		q.stop(fmt.Errorf("websocket: write: %w", err))
		return q.refused
	}
	q.written++
	if q.watch != nil {
		q.watch.done()
	}
	q.signs.sent()
	q.wakeFlushers()
	return nil
}

// endWrite lets another goroutine write. If nc may write by itself, as TLS does
// inside a read, the program's deadline must not cut that off.
func (q *sendQueue) endWrite() {
	q.busy = false
	if q.deadlineOn && !q.poll.writesPlainly() {
		q.applyDeadline(false)
	}
	q.wakeNext()
}

// maxHelp is how long a call may write what others have queued. Then it returns,
// because only its own frame bounds it.
const maxHelp = 5 * time.Millisecond

// drain writes until the queue is empty, and then lets another goroutine write.
// After the given number of rounds or maxHelp, or once the write deadline has
// passed or no longer applies, a new goroutine does the rest. The busy goroutine calls drain with mu locked. drain
// unlocks mu while it writes.
func (q *sendQueue) drain(rounds int) {
	var begun time.Time
	for ; !q.stopped && q.pending(); rounds-- {
		if begun.IsZero() {
			begun = time.Now()
		}
		if rounds == 0 || time.Since(begun) > maxHelp || q.deadlinePassed() || q.refused != nil && q.deadlineOn {
			go q.drainAll() // the new goroutine is the busy one now
			return
		}
		q.writeQueue()
	}
	q.endWrite()
}

// writeQueue writes what is queued. The busy goroutine calls it with mu locked.
// It unlocks mu while it writes.
func (q *sendQueue) writeQueue() error {
	out := q.take(time.Time{})
	q.unlock()
	err := q.put(out.b)
	q.lock()
	return q.afterWrite(out, err)
}

// drainAll does what drain does, in a goroutine of its own. No call of the program
// waits for it, so the deadline applies only to what holds frames of the program,
// and only if it has not passed before the write begins.
func (q *sendQueue) drainAll() {
	q.lock()
	defer q.unlock()
	for !q.stopped && q.pending() {
		q.beginWrite(q.carries && !q.deadlinePassed())
		q.writeQueue()
	}
	q.endWrite()
}

func (q *sendQueue) writeRest(out *sendBuffer, n int) {
	err := q.put(out.b[n:])
	q.lock()
	q.afterWrite(out, err)
	q.unlock()
	q.drainAll()
}

// stop refuses everything from now on with the error why, and drops what is
// queued. Nothing can follow a failed write, because it is unknown how much of
// its frame has left.
func (q *sendQueue) stop(why error) {
	if q.stopped {
		return
	}
	q.stopped, q.refused = true, why
	q.queue.recycle()
	q.queue = nil
	q.owesPong, q.owesPing = false, false
	q.wakeAll()
	if q.crowd != nil {
		q.crowd.dismiss()
	}
	if q.watch != nil {
		q.watch.timer.Stop()
	}
}

// traceFrame is called in the order in which frames leave, because mu is locked.
func (q *sendQueue) traceFrame(h header, n int) {
	if q.trace != nil {
		q.trace(FrameInfo{Opcode: h.op, Fin: h.fin, RSV: h.rsv, Length: int64(n)})
	}
}

// queued returns the buffer of the queue. It gets one if the queue is empty.
func (q *sendQueue) queued() *sendBuffer {
	if q.queue == nil {
		q.queue = sendBuffers.Get().(*sendBuffer)
	}
	return q.queue
}

// size returns the length of the payload or, if o is framed, of the frame.
func (o *outgoing) size() int { return len(o.head) + len(o.payload) }

func (q *sendQueue) appendOutgoing(out *sendBuffer, o *outgoing) {
	switch {
	case o.framed:
		out.b = append(out.b, o.payload...)
	case len(o.head) > 0:
		q.enc.appendJoined(out, o.header, o.head, o.payload)
	default:
		q.enc.appendFrame(out, o.header, o.payload)
	}
}

// queueControl queues a control frame. mu must be locked.
func (q *sendQueue) queueControl(op MessageType, p []byte) {
	h := header{fin: true, op: op}
	q.traceFrame(h, len(p))
	q.enc.appendFrame(q.queued(), h, p)
}

// queueOwed queues the control frames that are owed. mu must be locked.
func (q *sendQueue) queueOwed() {
	if q.owesPong {
		q.owesPong = false
		q.queueControl(Pong, q.pong.b[:q.pong.n])
	}
	if q.owesPing {
		q.owesPing = false
		q.queueControl(Ping, q.ping[:])
	}
}
