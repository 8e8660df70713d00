package websocket

import (
	"errors"
	"io"

	"github.com/protocol-websocket/websocket/internal/utf8text"
)

const (
	// fragmentSize is how long a fragment of a message at least is, if the
	// program does not flush it and it is not the last. It is what io.Copy writes
	// at once.
	fragmentSize = 32 << 10

	// tailSize is how many of the bytes that were written last a messageWriter
	// holds back when it sends a fragment, so that the last fragment is not empty.
	// A message of fragmentSize bytes with a short header before them is one
	// frame.
	tailSize = 4 << 10
)

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
// by piece and ended by Close. It gathers what is written. It sends a message of
// up to 36 KiB as one frame, and a longer one as fragments of at least 32 KiB,
// of which the last may be shorter. The hixie versions have one frame of any
// length.
//
// The writer also has a method Flush() error. It sends what was gathered as a
// fragment and waits until the system has taken it, as [Conn.Flush] does. It is
// for messages whose parts the peer should get soon. A Close that has nothing
// left to send after a Flush sends an empty last fragment.
//
// Some peers do not join fragments: golang.org/x/net/websocket gives its program
// each as a message of its own, and the developer tools of browsers show them
// apart. [Conn.WriteMessage] sends one frame whatever the length.
//
// Until Close, messages of other goroutines wait, as long as the write deadline
// lets them; Pings and Pongs go between. A writer that is never closed blocks
// all others until the connection ends.
//
// What the hixie versions lack is refused as by [Conn.WriteMessage]; there, a
// Write that is not UTF-8 fails and sends nothing, and Close fails if the text
// ends within a character.
//
// At the write deadline, Write has taken nothing, Flush has lost nothing and
// Close has not ended the message: they may be called again, unless a part of a
// frame was sent.
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

// gather adds p to the buffer. If it would hold too much, gather first sends a
// frame of all but the end of p. It sends no more than one, so that p is taken
// as a whole or not at all.
func (m *messageWriter) gather(p []byte) error {
	if m.buf == nil {
		m.buf = scratches.Get().(*scratch)
	}
	n := len(m.buf.b) + len(p)
	m.decide(n)
	if n > m.room() {
		sent := len(p) - min(len(p), tailSize)
		if err := m.send(m.buf.b, p[:sent], false); err != nil {
			return err
		}
		m.buf.b, p = m.buf.b[:0], p[sent:]
	}
	m.buf.b = append(m.buf.b, p...)
	return nil
}

// room returns how many bytes are gathered before a frame is sent. The first
// frame decides whether the message is compressed, so it waits for Threshold
// bytes. It does not wait for more than maxQueue, because that memory may be
// held for long.
func (m *messageWriter) room() int {
	const room = fragmentSize + tailSize
	if z := m.queue.enc.compressor; z != nil && !m.begun {
		return max(room, min(z.threshold, maxQueue))
	}
	return room
}

// decide decides whether the message is compressed, once n bytes of it are
// known. After the first frame the decision is final.
func (m *messageWriter) decide(n int) {
	if !m.begun {
		m.compressed = m.queue.enc.compresses(n)
	}
}

// Flush sends what was gathered, and waits until it has left.
func (m *messageWriter) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return errWriterClosed
	}
	if p := m.gathered(); len(p) > 0 {
		m.decide(len(p))
		if err := m.send(nil, p, false); err != nil {
			return err
		}
	}
	m.release() // the next Write may come late
	return m.queue.flush()
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
		m.decide(len(m.gathered()))
		err = m.send(nil, m.gathered(), true)
	}
	if err == errWriteDeadline {
		return err
	}
	m.ended = true
	m.queue.endStream(m)
	m.release()
	if err == nil && !m.text.Complete() {
		return errNotUTF8
	}
	return err
}

// gathered returns what was written and not sent.
func (m *messageWriter) gathered() []byte {
	if m.buf == nil {
		return nil
	}
	return m.buf.b
}

// release gives the buffer back.
func (m *messageWriter) release() {
	if m.buf != nil {
		m.buf.recycle()
		m.buf = nil
	}
}

// send sends head and p as one frame.
func (m *messageWriter) send(head, p []byte, fin bool) error {
	if len(p) == 0 {
		head, p = nil, head
	}
	h := header{fin: fin, op: m.typ}
	switch {
	case m.begun:
		h.op = Continuation
	case m.compressed:
		h.rsv = rsvCompressed
	}
	o := outgoing{header: h, head: head, payload: p, deflate: m.compressed, stream: m}
	o.length = o.size()
	if err := m.queue.send(&o, true); err != nil {
		return err
	}
	m.begun = true
	return nil
}
