package websocket

import (
	"io"
	"slices"
)

// Parser turns the bytes that a peer sent after the handshake into messages,
// without I/O, for programs that have an event loop of their own. It joins
// fragments, delivers control frames that stand between them, and checks all
// that the protocol demands: see [ProtocolError]. It answers nothing; replies
// are made with [AppendMessage] and [AppendClose]. It is made by [NewParser] or
// a handshake; the zero value cannot be used. Not safe for concurrent use.
type Parser struct {
	dec  decoder
	in   []byte // what Append was given; in[pos:] is not yet decoded
	pos  int
	msg  assembly // the message in progress
	done bool     // the message was returned; the next may reuse its memory
	err  error
}

// keepBuffer is the largest buffer, in bytes, that a Parser keeps for the next
// message.
const keepBuffer = 64 << 10

// NewParser returns a Parser for the bytes that side receives. Of cfg only
// MaxMessageSize and MaxFragments matter. The parsers of [ServerHandshake] and
// [ClientHandshake] are made ready by them.
func NewParser(v Version, side Side, cfg Config) (*Parser, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	return &Parser{dec: newDecoder(v, side, &cfg)}, nil
}

// Append gives the parser bytes from the peer, in pieces of any size. It copies
// chunk. Call [Parser.Next] until [ErrIncomplete] before the next Append, or
// what was not taken adds up.
func (p *Parser) Append(chunk []byte) {
	if p.err != nil {
		return
	}
	if p.pos > 0 {
		p.in = p.in[:copy(p.in, p.in[p.pos:])]
		p.pos = 0
	}
	p.in = append(p.in, chunk...)
}

// Next returns the next message or control frame. Its Data is valid until the
// next call of Next or Append. The error is [ErrIncomplete] while more bytes
// are needed, [io.EOF] after a Close, and a [ProtocolError] if the peer broke
// the protocol: send [AppendClose] with its code and end the connection. Both
// of the latter are final.
func (p *Parser) Next() (Message, error) {
	if p.err != nil {
		return Message{}, p.err
	}
	if p.done {
		p.done = false
		p.msg.b = emptied(p.msg.b)
	}
	for {
		out, n, ev, err := p.dec.decode(p.msg.b, p.in[p.pos:])
		p.msg.b = out
		p.pos += n
		switch {
		case err != nil:
			return Message{}, p.fail(err)
		case ev == gotFragment:
		case ev == needRoom:
			p.grow()
		case ev == gotMessage:
			p.done = true
			return Message{Type: p.dec.typ, Data: p.msg.whole()}, nil
		case ev == gotControl:
			return p.control()
		default:
			p.release()
			return Message{}, ErrIncomplete
		}
	}
}

// emptied returns p[:0], so that its memory is reused, or nil if p is large.
func emptied(p []byte) []byte {
	if cap(p) > keepBuffer {
		return nil
	}
	return p[:0]
}

// grow makes room in the message. How much depends on the bytes that have
// arrived, never on a length that was only announced. It asks for no more than
// the current frame needs, because in may hold thousands of frames.
func (p *Parser) grow() {
	m, arrived, left := &p.msg, len(p.in)-p.pos, p.dec.payloadLeft()
	n := int(min(left, int64(max(arrived, len(m.b)))))
	switch {
	case p.dec.inflates() && cap(m.b) >= chunkSize:
		m.addChunk()
	case p.dec.inflates():
		m.b = slices.Grow(m.b, max(256, len(m.b)))
	case left == 0: // hixie text, whose length is unknown
		m.b = slices.Grow(m.b, hixieRoom(p.in[p.pos:]))
	case p.dec.frame.fin:
		m.b = append(make([]byte, 0, len(m.b)+n), m.b...)
	default: // slices.Grow adds more, so that many small fragments cause few copies
		m.b = slices.Grow(m.b, n)
	}
}

// release drops a large input buffer once everything in it is decoded.
func (p *Parser) release() {
	if p.pos == len(p.in) && cap(p.in) > keepBuffer {
		p.in, p.pos = nil, 0
	}
}

func (p *Parser) control() (Message, error) {
	m := Message{Type: p.dec.controlOp, Data: p.dec.control}
	if m.Type == Close {
		if _, err := parseClosePayload(p.dec.version, m.Data); err != nil {
			return Message{}, p.fail(err)
		}
		p.err = io.EOF // RFC 6455 section 5.5.1: what follows is ignored
		p.dec.giveBack()
	}
	return m, nil
}

// fail makes err the result of all later calls and drops what was received.
func (p *Parser) fail(err error) error {
	p.msg.giveBack()
	p.err, p.in, p.msg = err, nil, assembly{}
	p.dec.giveBack()
	return err
}
