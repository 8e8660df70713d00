package websocket

import (
	"bytes"
	"sync"
)

// Prepared is a message to be sent on many connections, framed once for each
// kind of framing that is met. It is made by [Prepare]; the zero value cannot be
// sent. It may be used by many goroutines at once.
type Prepared struct {
	typ     MessageType
	payload []byte
	framed  [2]framed // of hybi and hixie servers

	// compressed has it as servers send it without context takeover, for each
	// size of window.
	compressed [maxWindowBits - minWindowBits + 1]framed
}

type framed struct {
	once sync.Once
	b    []byte
	err  error
}

// Prepare returns a message of type [Text] or [Binary] with a copy of p. It
// errs on other types.
func Prepare(t MessageType, p []byte) (*Prepared, error) {
	if err := checkMessageType(t); err != nil {
		return nil, err
	}
	return &Prepared{typ: t, payload: bytes.Clone(p)}, nil
}

// frame returns m as a server of version v sends it.
func (m *Prepared) frame(v Version) ([]byte, error) {
	f := &m.framed[0]
	if v.hixie() {
		f = &m.framed[1]
	}
	f.once.Do(func() { f.b, f.err = AppendMessage(nil, v, ServerSide, m.typ, m.payload) })
	return f.b, f.err
}

// compressedFrame returns m as a server sends it that compresses as z does.
func (m *Prepared) compressedFrame(z *Compressor) []byte {
	f := &m.compressed[z.deflater.WindowBits-minWindowBits]
	f.once.Do(func() { f.b, _ = z.AppendMessage(nil, m.typ, m.payload) })
	return f.b
}

// WritePrepared sends m as [Conn.WriteMessage] would. On a server nothing is
// copied unless another goroutine is writing; a client masks m anew each time.
// Its errors are those of WriteMessage.
func (c *Conn) WritePrepared(m *Prepared) error {
	if c.masks() || c.compressor.worth(len(m.payload)) && c.compressor.deflater.ContextTakeover {
		return c.WriteMessage(m.typ, m.payload)
	}
	h, n := header{fin: true, op: m.typ}, len(m.payload)
	var b []byte
	var err error
	if c.compressor.worth(len(m.payload)) {
		b = m.compressedFrame(c.compressor)
		_, length, _, _ := parseHybiHeader(b)
		h.rsv, n = rsvCompressed, int(length)
	} else if b, err = m.frame(c.version); err != nil {
		return err
	}
	w := &c.wr
	if w.enter() {
		c.traceWritten(h, n)
		_, err := c.nc.Write(b)
		return c.written(nil, err)
	}
	w.lock()
	defer w.unlock()
	if err := w.waitTurn(nil, len(b)); err != nil {
		return err
	}
	c.traceWritten(h, n)
	if w.busy {
		out := w.queued()
		out.b = append(out.b, b...)
		return nil
	}
	return c.write(&outgoing{payload: b, framed: true})
}
