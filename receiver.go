package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// payloadMin is the least number of missing payload bytes that are read straight
// into the message, past the buffer. If fewer are missing, a read into the
// buffer is better: it also brings the next frames.
const payloadMin = readBufferSize / 2

// receiver reads messages from one connection, for one goroutine at a time. It
// is the counterpart of sendQueue. Before it waits for the peer, it makes the
// sendQueue send what is queued. When a Ping arrives, it queues the Pong. It
// tells lifetime when the connection must end.
type receiver struct {
	life  *lifetime
	keep  *keepalive            // nil without keepalive
	pings atomic.Pointer[pings] // our Pings, whose Pongs arrive here; nil until needed

	mu  parkMutex // held during a read; guards the fields down to poll
	dec decoder
	err error // final: every later read returns it

	recvBuffer
	partial    *assembly      // what has arrived of a message whose read met its deadline
	stream     *messageReader // what NextReader returned last, unless it is at its end
	skip       bool           // the rest of the message in progress must be dropped
	pongQueued bool           // a Pong was queued and may not have been sent
	empty      uint8          // how many reads in a row have brought neither bytes nor an error
	ahead      *readAhead     // what a closing handshake has read; nil if it has not

	abandoned atomic.Bool // the program will not read any more; not guarded by mu

	poll readPoll
}

// checkEnded makes why the connection has ended the final error, if it has. What
// is still in the buffer is dropped.
func (r *receiver) checkEnded() {
	if r.life.ended.Load() && r.err == nil {
		r.stream = nil
		r.fail(r.life.explain(errClosed))
	}
}

// message appends the next message to b or, if exact is set, returns it in
// memory of its own.
//
// It waits for the first bytes of the message in this function, where the stack
// is not deep. A goroutine starts with 2 KiB of stack. If it never needs more,
// it waits with those. Once it has needed more, it keeps 4 KiB for good.
func (r *receiver) message(b []byte, exact bool) (MessageType, []byte, error) {
	r.lock()
	defer r.mu.Unlock()
	if r.ahead.any() {
		return r.takeKept(b, exact)
	}
	err := r.begin()
	for err == nil {
		var p []byte
		if p, err = r.takeMessage(b, exact); p != nil {
			return r.dec.typ, p, nil
		}
		if err == nil {
			err = r.fill()
		}
	}
	return 0, b, err
}

// lock locks mu for a read of the program. The reads of a closing handshake give
// way to it.
func (r *receiver) lock() {
	if r.mu.TryLock() {
		return
	}
	r.life.beginReadWait()
	r.mu.Lock()
	r.life.endReadWait()
}

// begin skips the rest of a message that the program no longer reads. It
// returns the final error if there is one.
func (r *receiver) begin() error {
	r.life.message.resume()
	if r.ahead.drops() {
		return errDropped
	}
	if r.ahead != nil {
		r.ahead.begun = false
		r.resumeDrain()
	}
	r.checkEnded()
	if r.err == nil && (r.stream != nil || r.skip) {
		return r.skipMessage()
	}
	return r.err
}

// takeMessage reads the message in progress to its end and appends it to b. It
// starts with what an earlier read has left in partial. If no message has
// begun, it returns nil and does not wait.
func (r *receiver) takeMessage(b []byte, exact bool) ([]byte, error) {
	var m assembly // a literal would take its size on the stack twice
	m.b, m.start, m.exact = b, len(b), exact
	m.resume(r.partial)
	r.partial = nil
	done, err := r.assemble(&m)
	if !done {
		m.giveBack()
		return nil, err
	}
	return m.take(b), nil
}

// assemble reads a message into m and reports whether it is complete. It waits
// for the rest of a message, but not for its beginning.
func (r *receiver) assemble(m *assembly) (done bool, err error) {
	for {
		ev, err := r.decode(&m.b)
		switch {
		case err != nil:
		case ev == gotMessage:
			return true, nil
		case r.ahead.tooLong(m):
			err = errNoRoom
		case ev == needRoom:
			m.grow(&r.dec, len(r.buffered()))
		case !r.dec.open:
			return false, nil
		case r.wantsPayload():
			err = r.readPayload(m)
		default:
			err = r.fill()
		}
		if err != nil {
			if r.err == nil && r.dec.open {
				r.partial = m.rest()
			}
			return false, err
		}
	}
}

// decode runs the decoder over what is buffered, appends payload to *dst and
// handles control frames. It returns gotMessage, needRoom or needInput.
func (r *receiver) decode(dst *[]byte) (event, error) {
	for {
		out, n, ev, err := r.dec.decode(*dst, r.buffered())
		*dst = out
		r.r += n
		if err != nil {
			return needInput, r.failPeer(err)
		}
		if ev == gotControl {
			if err := r.control(r.dec.controlOp, r.dec.control); err != nil {
				return needInput, err
			}
			if !r.dec.midMessage() {
				r.life.message.reset()
			}
			continue
		}
		if ev == gotFragment {
			continue
		}
		if ev == gotMessage {
			r.life.message.reset()
			r.flushPong()
			r.release()
		}
		return ev, nil
	}
}

// control handles a control frame, RFC 6455 section 5.5.
func (r *receiver) control(op MessageType, p []byte) error {
	switch op {
	case Ping:
		r.pongQueued = true
		r.life.send.queuePong(p)
	case Pong:
		r.pings.Load().gotPong(p)
	case Close:
		ce, err := parseClosePayload(r.dec.version, p)
		if err != nil {
			return r.failPeer(err)
		}
		r.fail(r.life.peerClosed(ce, p)) // p is in the buffer, which fail drops
		return r.err
	}
	return nil
}

// flushPong sends a queued Pong before the program gets a message, because the
// program may take a long time to handle it.
func (r *receiver) flushPong() {
	if r.pongQueued {
		r.pongQueued = false
		r.life.send.flushSoon()
	}
}

// skipMessage drops the rest of the message in progress or, if there is none,
// the next message. If a deadline stops it within a message, the next read
// continues to skip that message.
func (r *receiver) skipMessage() error {
	r.stream = nil
	r.dropPartial()
	r.resumeDrain()
	for {
		r.dec.skip(r.ahead.drops())
		ev, err := r.decodeWaste()
		if err == nil && ev == needInput {
			err = r.fill()
		}
		switch {
		case err != nil:
			r.skip = r.dec.open
			return err
		case ev == gotMessage:
			r.skip = false
			return nil
		}
	}
}

// resumeDrain makes the closing handshake read on after the program has made
// room.
func (r *receiver) resumeDrain() {
	if r.ahead != nil && r.ahead.full {
		r.ahead.full = false
		r.life.rouseDrain()
	}
}

// takeKept returns the next message that a closing handshake has kept, appended
// to b or, if exact is set, in memory of its own. Inlining it would enlarge the
// stack frame in which an idle connection waits.
//
//go:noinline
func (r *receiver) takeKept(b []byte, exact bool) (MessageType, []byte, error) {
	m := r.ahead.take()
	r.resumeDrain()
	if exact {
		return m.Type, m.Data, nil
	}
	return m.Type, append(b, m.Data...), nil
}

// decodeWaste decodes payload and drops it. It borrows memory for that and
// gives it back at once, because the next wait may be long.
func (r *receiver) decodeWaste() (event, error) {
	waste := chunks.Get().(*chunk)
	defer chunks.Put(waste)
	p := waste.b[:0]
	if !r.dec.open {
		p = nil // a message that begins now may be compressed, and need not be inflated
	}
	return r.decode(&p)
}

// discard reads the next message and drops it.
func (r *receiver) discard() error {
	r.lock()
	defer r.mu.Unlock()
	if r.ahead.any() {
		_, _, err := r.takeKept(nil, true)
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	return r.skipMessage()
}

// fill waits for bytes from the peer and reads them into the buffer.
func (r *receiver) fill() error {
	r.beforeWait()
	var n int
	var err error
	r.release()
	if r.buf == nil && r.dec.open && !r.poll.canPoll() {
		r.buf = borrowBuffer(false) // the rest of the message will come soon
	}
	if r.buf == nil {
		n, err = r.waitRead()
		r.full = n == idleRead && !r.poll.canPoll()
	} else {
		r.makeRoom()
		n, err = r.life.send.nc.Read(r.buf[r.w:])
		r.w += n
	}
	if n > 0 {
		r.chooseSize()
	}
	return r.received(n, err)
}

// isCut reports whether the rest of a frame is about to come, because the last
// read had too little room for it. A program that gets only what that read has
// brought may answer it, and over a connection without buffers a peer that is
// still writing the frame does not read the answer.
func (r *receiver) isCut() bool {
	return r.full && (r.dec.frameLeft() > 0 || r.dec.inHixieText())
}

// wantsPayload reports whether the next read should go straight into the
// message, past the buffer.
func (r *receiver) wantsPayload() bool {
	return r.dec.payloadLeft() >= payloadMin && len(r.buffered()) == 0
}

func (r *receiver) readPayload(m *assembly) error {
	r.beforeWait()
	r.release()
	left := r.dec.payloadLeft()
	if free := int64(cap(m.b) - len(m.b)); free < min(left, payloadMin) {
		m.grow(&r.dec, 0)
	}
	p := m.b[len(m.b):cap(m.b)]
	n, err := r.life.send.nc.Read(p[:min(left, int64(len(p)))])
	m.b = m.b[:len(m.b)+n]
	if n > 0 {
		if perr := r.dec.payloadInPlace(p[:n]); perr != nil {
			r.keep.endWait(true)
			return r.failPeer(perr)
		}
	}
	return r.received(n, err)
}

// beforeWait is called before a read waits for the peer. It sends what is
// queued, because the peer may be waiting for that.
func (r *receiver) beforeWait() {
	r.pongQueued, r.full = false, false
	r.life.send.flushSoon()
	r.keep.beginWait()
	if m := r.life.message; m != nil {
		r.life.setMessageDeadline(m.begin(r.dec.midMessage() || len(r.buffered()) > 0))
	}
}

// received turns the result of a read from nc into an error for the caller. The
// error is final unless the read can be repeated.
func (r *receiver) received(n int, err error) error {
	r.keep.endWait(n > 0)
	if late := r.life.message.end(); late != nil {
		return r.failPeer(late)
	}
	if n > 0 { // an error that came with bytes comes again
		r.empty = 0
		return nil
	}
	if err == nil {
		return r.receivedNothing()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		if r.life.isLeaving() { // Close has interrupted the read, or the deadline came with the end
			r.fail(r.life.explain(err))
			return r.err
		}
		return errReadDeadline
	case err == io.EOF && r.endsWithoutClose():
		return r.lost(r.life.answered(&CloseError{Code: StatusNoStatusReceived}))
	case err == io.EOF:
		return r.lost(r.life.explain(errEOF))
	}
	return r.lost(r.life.explain(afterEnd(fmt.Errorf("websocket: read: %w", err))))
}

// maxEmptyReads is how many reads in a row may bring neither bytes nor an error.
// Package bufio allows as many.
const maxEmptyReads = 100

// receivedNothing is called after a read that has brought neither bytes nor an
// error. [io.Reader] discourages that. A connection that always does it would
// keep a read busy forever.
func (r *receiver) receivedNothing() error {
	if r.empty++; r.empty < maxEmptyReads {
		return nil
	}
	return r.lost(fmt.Errorf("websocket: read: %d reads of %T brought neither bytes nor an error: %w", maxEmptyReads, r.life.send.nc, io.ErrNoProgress))
}

// endsWithoutClose reports whether the peer may end the connection at this
// point without a Close frame. hixie-75 has no other end, and some clients of
// hixie-76 omit the closing frame.
func (r *receiver) endsWithoutClose() bool {
	return r.dec.betweenHixieFrames() && len(r.buffered()) == 0
}

// lost makes err the final error, because nothing more can be read from nc.
func (r *receiver) lost(err error) error {
	r.fail(err)
	r.life.lost(err)
	return err
}

// failPeer fails the connection because the peer broke the protocol or a limit,
// RFC 6455 section 7.1.7.
func (r *receiver) failPeer(err *ProtocolError) error {
	r.fail(err)
	r.life.peerFailed(err)
	return err
}

// fail makes err the final error, unless there is one already. It drops what
// was received, because no read will return it.
func (r *receiver) fail(err error) {
	if r.err != nil {
		return
	}
	r.err = err
	r.dropPartial() // but what NextReader's reader has is still read
	r.dec.giveBack()
	r.drop()
}

// dropPartial drops what has arrived of a message that a read has begun.
func (r *receiver) dropPartial() {
	if r.partial != nil {
		r.partial.giveBack()
		r.partial = nil
	}
}

// stop makes err the final error, once a read that is in progress has given up.
// What was kept for later reads is dropped.
func (r *receiver) stop(err error) {
	r.lock()
	defer r.mu.Unlock()
	r.ahead, r.stream = nil, nil
	r.fail(err)
}

// refuse fails the connection because the program cannot use a message.
func (r *receiver) refuse(err *ProtocolError) error {
	r.lock()
	defer r.mu.Unlock()
	return r.failPeer(err)
}

// finalError returns the error that every later read returns, or nil if there
// is none yet.
func (r *receiver) finalError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// interruptAt makes reads fail once ctx has ended, as if a deadline had passed.
// release must be called after the last read. It restores the deadline.
func (r *receiver) interruptAt(ctx context.Context) (release func(), err error) {
	if ctx.Done() == nil {
		return func() {}, nil
	}
	if err := r.life.canInterrupt(); err != nil {
		return nil, err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = r.life.interruptReads(+1)
	})
	return func() {
		if !stop() {
			<-interrupted // no deadline of ours is set after release
			_ = r.life.interruptReads(-1)
		}
	}, nil
}
