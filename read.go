package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

const (
	// stayLarge is how many reads in a row must bring less than a small buffer
	// holds before there are small ones again.
	stayLarge = 8

	// directMin is the least rest of a payload that is read past the buffer
	// into the message. With less, the next frames should come along.
	directMin = readBufferSize / 2
)

// chooseBuffer chooses the size of the next buffer by what a read has brought.
// One that brought little may have been for the end of what came before it.
func (rd *reader) chooseBuffer() {
	switch {
	case rd.w >= readBufferSize:
		rd.large = stayLarge
	case rd.large > 0:
		rd.large--
	}
}

// reader is the receiving half of a Conn.
type reader struct {
	mu  turn // held by whoever reads
	dec decoder
	err error // of the first read that cannot be repeated; all later ones get it too

	// What was received and not yet decoded is buf[r:w]. buf is borrowed, and nil
	// while there is nothing.
	buf   []byte
	r, w  int
	large int8 // how many more are to be a largeBuffer, where the system can be asked

	partial []byte         // of a message that a read gave up on at its deadline
	stream  *messageReader // the last that NextReader returned, if not at its end
	skip    bool           // the rest of the message at hand is for nobody
	owed    bool           // a Pong was queued and not yet sent

	ready readiness
}

// keep takes bytes that were received before there was a buffer.
func (rd *reader) keep(p []byte) {
	if len(p) > 0 {
		rd.buf = borrowBuffer(false)
		rd.w = copy(rd.buf, p)
	}
}

func (rd *reader) buffered() []byte {
	if rd.buf == nil {
		return nil
	}
	return rd.buf[rd.r:rd.w]
}

// release gives the buffer back if it is empty.
func (rd *reader) release() {
	if rd.buf != nil && rd.r == rd.w {
		returnBuffer(rd.buf)
		rd.buf, rd.r, rd.w = nil, 0, 0
	}
}

// ReadMessage returns the next message, in memory that is the caller's to
// keep. Control frames are dealt with on the way.
//
// The error is a [CloseError] if the peer closed the connection, a
// [ProtocolError] if it broke the protocol or a limit, wraps
// [os.ErrDeadlineExceeded] at the deadline, after which one may go on, wraps
// [io.ErrUnexpectedEOF] if the peer left without a Close, is [ErrPingTimeout] if
// keepalive gave it up, and wraps [net.ErrClosed] after Close or Shutdown, and
// after the latter the CloseError that the peer answered.
func (c *Conn) ReadMessage() (MessageType, []byte, error) { return c.nextMessage(nil, true) }

// AppendMessage is [Conn.ReadMessage] into b: it appends the next message and
// does not allocate if there is room. If it errs it returns b as it was,
// although memory behind it may have changed.
func (c *Conn) AppendMessage(b []byte) (MessageType, []byte, error) { return c.nextMessage(b, false) }

// nextMessage appends the next message to b or, if exact is set, returns it in
// memory of its own. It waits for the beginning of the message here, where few
// frames are on the stack: a goroutine that has never needed more than the 2 KiB
// it is born with waits with those, and one that has keeps 4 KiB for good.
func (c *Conn) nextMessage(b []byte, exact bool) (MessageType, []byte, error) {
	c.rd.mu.Lock()
	defer c.rd.mu.Unlock()
	err := c.beginRead()
	for err == nil {
		var p []byte
		if p, err = c.takeMessage(b, exact); p != nil {
			return c.rd.dec.typ, p, nil
		}
		if err == nil {
			err = c.fill()
		}
	}
	return 0, b, err
}

// takeMessage appends the message that has begun to arrive, or was given up on
// by a read before. It returns nil if there is none.
func (c *Conn) takeMessage(b []byte, exact bool) ([]byte, error) {
	var m messageBuffer // of which a literal would take a second on the stack
	m.b, m.start, m.exact = b, len(b), exact
	m.resume(&c.rd)
	done, err := c.decodeMessage(&m)
	if !done {
		m.giveBack()
		return nil, err
	}
	if c.rd.dec.rsv != 0 {
		return c.inflate(b, &m)
	}
	return m.take(b), nil
}

// inflate appends what the message in m inflates to, RFC 7692 section 7.2.2.
func (c *Conn) inflate(b []byte, m *messageBuffer) ([]byte, error) {
	in := m.move()
	defer recycle(in)
	d, fresh := &c.rd.dec, m.exact || b == nil
	if fresh {
		out := outBuffers.Get().(*outBuffer)
		defer recycle(out)
		p, err := d.inflate(out.b, in.b)
		if out.b = p; err != nil {
			return nil, c.failPeer(err)
		}
		return append([]byte{}, p...), nil
	}
	if !m.owned {
		b = m.b[:m.start] // which may have grown
	}
	p, err := d.inflate(b, in.b)
	if err != nil {
		return nil, c.failPeer(err)
	}
	return p, nil
}

// beginRead makes the decoder ready for a new message.
func (c *Conn) beginRead() error {
	rd := &c.rd
	if rd.err == nil && (rd.stream != nil || rd.skip) {
		return c.skipMessage()
	}
	return rd.err
}

// decodeMessage decodes a message, unless there is nothing of it yet. It waits
// for the rest of one.
func (c *Conn) decodeMessage(m *messageBuffer) (done bool, err error) {
	rd := &c.rd
	for {
		ev, err := c.decode(&m.b)
		switch {
		case err != nil:
		case ev == gotMessage:
			return true, nil
		case ev == needRoom:
			m.grow(rd)
		case !rd.dec.open:
			return false, nil
		case rd.dec.direct() >= directMin && len(rd.buffered()) == 0:
			err = c.readDirect(m)
		default:
			err = c.fill()
		}
		if err != nil {
			if rd.err == nil && rd.dec.open {
				rd.partial = m.rest()
			}
			return false, err
		}
	}
}

// decode runs the decoder over what is buffered, appending to *dst, and deals
// with control frames. It returns gotMessage, needRoom or needInput.
func (c *Conn) decode(dst *[]byte) (event, error) {
	rd := &c.rd
	for {
		out, n, ev, err := c.rd.dec.codec.decode(&rd.dec, *dst, rd.buffered())
		*dst = out
		rd.r += n
		if err != nil {
			return needInput, c.failPeer(err)
		}
		if ev == gotControl {
			if err := c.control(rd.dec.controlOp, rd.dec.control); err != nil {
				return needInput, err
			}
			continue
		}
		if ev == gotMessage {
			c.flushOwed()
			rd.release()
		}
		return ev, nil
	}
}

// flushOwed sends the Pong that is queued, before the program is given
// something that it may take its time with.
func (c *Conn) flushOwed() {
	if c.rd.owed {
		c.rd.owed = false
		c.flushSoon()
	}
}

// fail makes err the answer to all later reads and lets go of what was
// received, of which nothing counts any more.
func (rd *reader) fail(err error) {
	if rd.err != nil {
		return
	}
	rd.err = err
	rd.partial, rd.stream = nil, nil
	rd.r = rd.w
	rd.release()
}

// failPeer fails the connection over the peer's mistake, RFC 6455 section 7.1.7.
func (c *Conn) failPeer(err *ProtocolError) error {
	c.rd.fail(err)
	p, _ := appendClosePayload(nil, err.Code, "")
	c.beginClosing(err, p)
	c.finishSoon(err)
	return err
}

// beforeWait is done before the peer is waited for. What is queued for it leaves
// first: it may be what the peer waits for.
func (c *Conn) beforeWait() {
	c.rd.owed = false
	c.flushSoon()
	c.keep.beginWait()
}

// fill waits for bytes from the peer.
func (c *Conn) fill() error {
	rd := &c.rd
	c.beforeWait()
	var n int
	var err error
	rd.release()
	if rd.buf == nil && rd.dec.open && !rd.ready.able() {
		rd.buf = borrowBuffer(false) // the rest of the message is near
	}
	if rd.buf == nil {
		n, err = rd.ready.read(c)
	} else {
		rd.makeRoom()
		n, err = c.nc.Read(rd.buf[rd.w:])
		rd.w += n
	}
	if n > 0 {
		rd.chooseBuffer()
	}
	return c.received(n, err)
}

// makeRoom moves what is left in the buffer to its beginning. It may be waited
// for long, so that a large buffer is given back.
func (rd *reader) makeRoom() {
	rest, old := rd.buffered(), rd.buf
	if len(old) > readBufferSize && len(rest) < readBufferSize {
		rd.buf = borrowBuffer(false)
		defer returnBuffer(old)
	}
	rd.r, rd.w = 0, copy(rd.buf, rest)
}

// readDirect reads payload into the message without the detour of the buffer.
func (c *Conn) readDirect(m *messageBuffer) error {
	c.beforeWait()
	c.rd.release()
	left := c.rd.dec.direct()
	if free := int64(cap(m.b) - len(m.b)); free < min(left, directMin) {
		m.grow(&c.rd)
	}
	p := m.b[len(m.b):cap(m.b)]
	n, err := c.nc.Read(p[:min(left, int64(len(p)))])
	m.b = m.b[:len(m.b)+n]
	if n > 0 {
		if perr := c.rd.dec.directRead(p[:n]); perr != nil {
			c.keep.endWait(true)
			return c.failPeer(perr)
		}
	}
	return c.received(n, err)
}

// received sorts out what a read of the connection came to.
func (c *Conn) received(n int, err error) error {
	c.keep.endWait(n > 0)
	if n > 0 { // what came counts; an error that came with it comes again
		return nil
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errReadTimeout
	case err == io.EOF && c.version.hixie() && c.rd.dec.hixie == hixieBetween && len(c.rd.buffered()) == 0:
		// hixie-75 has no other end, and clients of hixie-76 were seen to
		// leave its closing frame out.
		return c.lost(c.answered(&CloseError{Code: StatusNoStatusReceived}))
	case err == io.EOF:
		return c.lost(c.explain(errEOF))
	}
	return c.lost(c.explain(fmt.Errorf("websocket: read: %w", err)))
}

// lost makes err final after the connection is no more.
func (c *Conn) lost(err error) error {
	c.rd.fail(err)
	c.beginClosing(err, nil)
	if !c.endIdle(err) {
		c.finishSoon(err)
	}
	return err
}

// explain tells why reading ended with err if that was our own doing.
func (c *Conn) explain(err error) error {
	w := &c.wr
	w.lock()
	defer w.unlock()
	switch {
	case w.ended:
		return w.result
	case w.closing:
		return &overError{"peer did not finish the closing handshake", err}
	}
	return err
}

// Messages returns an iterator over the messages to come. It ends without an
// error when the peer closes the connection with [StatusNormalClosure],
// [StatusGoingAway] or no status, and otherwise after one error: that of
// [Conn.ReadMessage], or that of ctx, whose end stops the loop and leaves the
// connection as it was. The Data of each message is the caller's to keep. While
// the loop waits no other goroutine should read: the end of ctx may interrupt
// that read too, as a deadline would.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		defer c.interruptReads(ctx)()
		for ctx.Err() == nil {
			t, p, err := c.ReadMessage()
			if err != nil {
				if ended := contextError(ctx, err); !closedNormally(ended) {
					yield(Message{}, ended)
				}
				return
			}
			if !yield(Message{Type: t, Data: p}, nil) {
				return
			}
		}
		yield(Message{}, ctx.Err())
	}
}

// contextError is ctx's error in place of the timeout that its end has caused.
func contextError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return err
}

func closedNormally(err error) bool {
	var ce *CloseError
	if !errors.As(err, &ce) {
		return false
	}
	return ce.Code == StatusNormalClosure || ce.Code == StatusGoingAway || ce.Code == StatusNoStatusReceived
}
