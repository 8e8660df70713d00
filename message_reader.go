package websocket

import (
	"errors"
	"io"
	"unicode/utf8"
)

// messageReader reads one message as it arrives.
type messageReader struct {
	c      *Conn
	prefix []byte            // read before there was a messageReader
	small  [utf8.UTFMax]byte // where hixie text goes that is longer than p
	rest   []byte            // of small
	ended  bool
}

// errStale is what a reader gives after a read of another message.
var errStale = errors.New("websocket: read from a message that another read has moved past")

// NextReader waits for the next message and returns a reader of its payload,
// for messages that need not be in memory whole; a compressed one is, and is
// waited for whole. Its Read returns [io.EOF] at
// the end of the message, otherwise the errors of [Conn.ReadMessage]; like
// there, after a deadline one may go on. Text is checked as it is read, so
// what was read of a message may turn out to be part of an invalid one.
//
// The next read of a message on c skips what is left of this one.
func (c *Conn) NextReader() (MessageType, io.Reader, error) {
	c.rd.mu.Lock()
	defer c.rd.mu.Unlock()
	if err := c.beginRead(); err != nil {
		return 0, nil, err
	}
	for !c.rd.dec.open {
		var none []byte
		ev, err := c.decode(&none)
		if err == nil && ev == gotMessage { // an empty one
			return c.rd.dec.typ, &messageReader{c: c, ended: true}, nil
		}
		if err == nil && !c.rd.dec.open {
			err = c.fill()
		}
		if err != nil {
			return 0, nil, err
		}
	}
	c.flushOwed()
	if c.rd.dec.rsv != 0 { // it is inflated as a whole
		p, err := c.takeMessage(nil, true)
		if err != nil {
			return 0, nil, err
		}
		return c.rd.dec.typ, &messageReader{c: c, prefix: p, ended: true}, nil
	}
	r := &messageReader{c: c, prefix: c.rd.partial}
	c.rd.partial, c.rd.stream = nil, r
	return c.rd.dec.typ, r, nil
}

// Read reads a part of the message.
func (r *messageReader) Read(p []byte) (int, error) {
	c := r.c
	c.rd.mu.Lock()
	defer c.rd.mu.Unlock()
	switch {
	case len(r.rest) > 0:
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	case r.ended && len(r.prefix) > 0:
		return r.readPrefix(p), nil
	case r.ended:
		return 0, io.EOF
	case c.rd.err != nil:
		return 0, c.rd.err
	case c.rd.stream != r:
		return 0, errStale
	case len(p) == 0:
		return 0, nil
	case len(r.prefix) > 0:
		return r.readPrefix(p), nil
	}
	return r.decode(p)
}

func (r *messageReader) readPrefix(p []byte) int {
	n := copy(p, r.prefix)
	r.prefix = r.prefix[n:]
	return n
}

// decode decodes some of the message into p, waiting for it if need be.
func (r *messageReader) decode(p []byte) (int, error) {
	c := r.c
	m := messageBuffer{b: p[:0:len(p)]}
	if c.version.hixie() && len(p) < utf8.UTFMax {
		m.b = r.small[:0] // a character that is made whole here may need it all
	}
	for len(m.b) == 0 {
		ev, err := c.decode(&m.b)
		switch {
		case err != nil:
		case ev == gotMessage:
			r.ended, c.rd.stream = true, nil
			if len(m.b) == 0 {
				return 0, io.EOF
			}
		case len(m.b) > 0:
		case c.rd.dec.direct() >= directMin && len(c.rd.buffered()) == 0 && len(p) >= directMin:
			err = c.readDirect(&m)
		default:
			err = c.fill()
		}
		if err != nil {
			return 0, err
		}
	}
	c.flushOwed()
	n := copy(p, m.b)
	if n < len(m.b) { // it is in small
		r.rest = m.b[n:]
	}
	return n, nil
}
