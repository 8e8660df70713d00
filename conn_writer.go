package websocket

import (
	"errors"
	"io"

	"github.com/protocol-websocket/websocket/internal/utf8text"
)

// fragmentSize is how many bytes of a message a messageWriter gathers before it
// sends a frame.
const fragmentSize = 16 << 10

// messageWriter sends one message that is written piece by piece.
type messageWriter struct {
	queue *sendQueue
	typ   MessageType
	mu    parkMutex
	buf   *scratch // payload that was gathered and not sent
	begun bool     // a frame was sent
	ended bool
	text  utf8text.Checker // checks the text of hixie messages

	compressed bool // may change until begun
}

var errWriterClosed = errors.New("websocket: message has already been ended by Close")

// NextWriter begins a message of type [Text] or [Binary] that is written piece
// by piece and ended by Close. It is sent as one frame if it is short, and
// otherwise as fragments; the hixie versions have one frame of any length.
//
// Until Close, messages of other goroutines wait, as long as the write deadline
// lets them; Pings and Pongs go between. A writer that is never closed blocks
// all others until the connection ends.
//
// What the hixie versions lack is refused as by [Conn.WriteMessage]; there, a
// Write that is not UTF-8 fails and sends nothing, and Close fails if the text
// ends within a character.
//
// At the write deadline, Write has taken nothing and Close not ended the
// message: both may be called again, unless a part of a frame was sent.
func (c *Conn) NextWriter(t MessageType) (io.WriteCloser, error) {
	if err := c.send.enc.check(t, nil); err != nil {
		return nil, err
	}
	m := &messageWriter{queue: &c.send, typ: t}
	if err := c.send.beginStream(m); err != nil {
		return nil, err
	}
	return m, nil
}

// Write adds p to the message.
func (m *messageWriter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return 0, errWriterClosed
	}
	text := m.text
	if m.queue.enc.version.hixie() && text.Check(p) >= 0 {
		return 0, errNotUTF8
	}
	if err := m.gather(p); err != nil {
		return 0, err
	}
	m.text = text
	return len(p), nil
}

// gather adds p to the buffer. If p does not fit, gather first sends what is in
// the buffer, and if p is longer than a fragment, it sends p as well.
func (m *messageWriter) gather(p []byte) error {
	if m.buf == nil {
		m.buf = scratches.Get().(*scratch)
	}
	n := len(m.buf.b) + len(p)
	m.decide(n)
	if n > m.room() {
		if err := m.send(m.buf.b, false); err != nil {
			return err
		}
		m.buf.b = m.buf.b[:0]
		if len(p) > fragmentSize {
			return m.send(p, false)
		}
	}
	m.buf.b = append(m.buf.b, p...)
	return nil
}

// room returns how many bytes are gathered before a frame is sent. The first
// frame decides whether the message is compressed, so it waits for Threshold
// bytes. It does not wait for more than maxQueue, because that memory may be
// held for long.
func (m *messageWriter) room() int {
	if z := m.queue.enc.compressor; z != nil && !m.begun {
		return max(fragmentSize, min(z.threshold, maxQueue))
	}
	return fragmentSize
}

// decide decides whether the message is compressed, once n bytes of it are
// known. After the first frame the decision is final.
func (m *messageWriter) decide(n int) {
	if !m.begun {
		m.compressed = m.queue.enc.compresses(n)
	}
}

// Close sends the rest of the message and lets other messages be sent.
func (m *messageWriter) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return errWriterClosed
	}
	var err error
	if m.begun || m.text.Complete() {
		err = m.sendRest()
	}
	if err == errWriteTimeout {
		return err
	}
	m.ended = true
	m.queue.endStream(m)
	if m.buf != nil {
		m.buf.recycle()
		m.buf = nil
	}
	if err == nil && !m.text.Complete() {
		return errNotUTF8
	}
	return err
}

func (m *messageWriter) sendRest() error {
	var rest []byte
	if m.buf != nil {
		rest = m.buf.b
	}
	m.decide(len(rest))
	return m.send(rest, true)
}

func (m *messageWriter) send(p []byte, fin bool) error {
	if len(p) == 0 && !fin {
		return nil
	}
	h := header{fin: fin, op: m.typ}
	switch {
	case m.begun:
		h.op = Continuation
	case m.compressed:
		h.rsv = rsvCompressed
	}
	err := m.queue.send(&outgoing{header: h, payload: p, deflate: m.compressed, stream: m, length: len(p)}, true)
	if err != nil {
		return err
	}
	m.begun = true
	return nil
}
