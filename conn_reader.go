package websocket

import (
	"errors"
	"io"
	"unicode/utf8"
)

// messageReader reads one message as it arrives.
type messageReader struct {
	r      *receiver
	prefix []byte            // what was read before there was a messageReader
	small  [utf8.UTFMax]byte // for hixie text that is longer than the caller's slice
	rest   []byte            // of small, for the next Read
	ended  bool
}

// errStale is returned by a reader after another message was read.
var errStale = errors.New("websocket: read from a message that another read has moved past")

// NextReader waits for the next message and returns a reader of its payload,
// for messages that need not be in memory whole; a compressed one is, and is
// waited for whole. Its Read returns [io.EOF] at
// the end of the message, otherwise the errors of [Conn.ReadMessage]; like
// there, after a deadline one may go on. Text is checked as it is read, so
// what was read of a message may turn out to be part of an invalid one.
//
// The next read of a message on c skips what is left of this one.
func (c *Conn) NextReader() (MessageType, io.Reader, error) { return c.rcv.nextReader() }

func (r *receiver) nextReader() (MessageType, io.Reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.begin(); err != nil {
		return 0, nil, err
	}
	for !r.dec.open {
		var none []byte
		ev, err := r.decode(&none)
		if err == nil && ev == gotMessage { // an empty one
			return r.dec.typ, &messageReader{r: r, ended: true}, nil
		}
		if err == nil && !r.dec.open {
			err = r.fill()
		}
		if err != nil {
			return 0, nil, err
		}
	}
	r.flushOwed()
	if r.dec.rsv != 0 { // it is inflated as a whole
		p, err := r.takeMessage(nil, true)
		if err != nil {
			return 0, nil, err
		}
		return r.dec.typ, &messageReader{r: r, prefix: p, ended: true}, nil
	}
	m := &messageReader{r: r, prefix: r.partial}
	r.partial, r.stream = nil, m
	return r.dec.typ, m, nil
}

// Read reads a part of the message.
func (m *messageReader) Read(p []byte) (int, error) {
	r := m.r
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(m.rest) > 0:
		n := copy(p, m.rest)
		m.rest = m.rest[n:]
		return n, nil
	case m.ended && len(m.prefix) > 0:
		return m.readPrefix(p), nil
	case m.ended:
		return 0, io.EOF
	case r.err != nil:
		return 0, r.err
	case r.stream != m:
		return 0, errStale
	case len(p) == 0:
		return 0, nil
	case len(m.prefix) > 0:
		return m.readPrefix(p), nil
	}
	return m.decode(p)
}

func (m *messageReader) readPrefix(p []byte) int {
	n := copy(p, m.prefix)
	m.prefix = m.prefix[n:]
	return n
}

// decode decodes some of the message into p. It waits if nothing of it is there.
func (m *messageReader) decode(p []byte) (int, error) {
	r := m.r
	a := assembly{b: p[:0:len(p)]}
	if r.dec.version.hixie() && len(p) < utf8.UTFMax {
		a.b = m.small[:0] // a character that is completed here may need all of it
	}
	for len(a.b) == 0 {
		ev, err := r.decode(&a.b)
		switch {
		case err != nil:
		case ev == gotMessage:
			m.ended, r.stream = true, nil
			if len(a.b) == 0 {
				return 0, io.EOF
			}
		case len(a.b) > 0:
		case r.wantsDirect() && len(p) >= directMin:
			err = r.readDirect(&a)
		default:
			err = r.fill()
		}
		if err != nil {
			return 0, err
		}
	}
	r.flushOwed()
	n := copy(p, a.b)
	if n < len(a.b) { // it is in small
		m.rest = a.b[n:]
	}
	return n, nil
}
