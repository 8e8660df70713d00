package websocket

import (
	"errors"
	"io"
	"unicode/utf8"
)

// messageReader reads the payload of one message as it arrives.
type messageReader struct {
	r      *receiver
	prefix []byte            // payload that was read before NextReader returned
	small  [utf8.UTFMax]byte // for decode, if the caller's slice may be too short for a character
	rest   []byte            // the part of small that the next Read returns
	ended  bool
}

// errStale is the error of a reader whose message a later read has skipped.
var errStale = errors.New("websocket: read from a message that a later read has skipped")

// NextReader waits for the next message and returns a reader of its payload,
// for messages that need not be in memory whole. A compressed message is
// inflated as it is read; until its end the connection holds up to 64 KiB for
// that. Read returns [io.EOF] at the end of the message, otherwise the errors
// of [Conn.ReadMessage]. After a deadline, call Read of the same reader again.
// Text is checked as it is read, so what was read of a message may turn out to
// be part of an invalid one.
//
// A later read of a message on c skips what is left of this one; Read then
// returns an error.
func (c *Conn) NextReader() (MessageType, io.Reader, error) { return c.rcv.nextReader() }

func (r *receiver) nextReader() (MessageType, io.Reader, error) {
	r.lock()
	defer r.mu.Unlock()
	if r.ahead.any() {
		t, p, err := r.takeKept(nil, true)
		return t, &messageReader{r: r, prefix: p, ended: true}, err
	}
	if err := r.begin(); err != nil {
		return 0, nil, err
	}
	for !r.dec.open {
		var none []byte
		ev, err := r.decode(&none)
		if err == nil && ev == gotMessage { // an empty message
			return r.dec.typ, &messageReader{r: r, ended: true}, nil
		}
		if err == nil && !r.dec.open {
			err = r.fill()
		}
		if err != nil {
			return 0, nil, err
		}
	}
	r.flushPong()
	m := &messageReader{r: r}
	if r.partial != nil {
		m.prefix = r.partial.whole()
	}
	r.partial, r.stream = nil, m
	return r.dec.typ, m, nil
}

// Read reads a part of the message.
func (m *messageReader) Read(p []byte) (int, error) {
	r := m.r
	r.lock()
	defer r.mu.Unlock()
	r.life.message.resume()
	r.checkEnded()
	switch {
	case len(m.rest) > 0:
		n := copy(p, m.rest)
		m.rest = m.rest[n:]
		return n, nil
	case m.ended && len(m.prefix) > 0:
		return m.readPrefix(p), nil
	case m.ended:
		return 0, io.EOF
	case r.stream != m:
		return 0, r.whyNotStreamed()
	case len(m.prefix) > 0:
		return m.readPrefix(p), nil
	case r.err != nil:
		return 0, r.err
	case len(p) == 0:
		return 0, nil
	}
	return m.decode(p)
}

// whyNotStreamed returns the error of a reader whose message is no longer read.
func (r *receiver) whyNotStreamed() error {
	switch {
	case r.err != nil:
		return r.err
	case r.ahead.drops():
		return errDropped
	}
	return errStale
}

func (m *messageReader) readPrefix(p []byte) int {
	n := copy(p, m.prefix)
	m.prefix = m.prefix[n:]
	m.r.resumeDrain()
	return n
}

// decode decodes some of the message into p. It waits until there is something
// to decode.
func (m *messageReader) decode(p []byte) (int, error) {
	r := m.r
	a := assembly{b: p[:0:len(p)]}
	if len(p) < r.dec.minRoom() {
		a.b = m.small[:0] // a character may take UTFMax bytes
	}
	for {
		ev, err := r.decode(&a.b)
		if err != nil {
			return 0, err
		}
		if ev == gotMessage {
			m.ended, r.stream = true, nil
			break
		}
		if full := len(a.b) == cap(a.b); len(a.b) > 0 && (full || !r.isCut()) {
			break
		}
		if err := m.receive(&a); err != nil && len(a.b) == 0 {
			return 0, err
		} else if err != nil {
			break // it comes again
		}
	}
	r.flushPong()
	return m.deliver(p, a.b)
}

// deliver returns what was decoded, which is in p or in small.
func (m *messageReader) deliver(p, decoded []byte) (int, error) {
	if len(decoded) == 0 {
		return 0, io.EOF
	}
	n := copy(p, decoded)
	m.rest = decoded[n:] // in small
	return n, nil
}

// receive waits for more of the message. It reads straight into a if there is
// room for much.
func (m *messageReader) receive(a *assembly) error {
	if m.r.wantsPayload() && cap(a.b)-len(a.b) >= payloadMin {
		return m.r.readPayload(a)
	}
	return m.r.fill()
}
