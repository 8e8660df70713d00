package websocket

import (
	"bytes"
	"fmt"
	"sync"
)

// Prepared is a message to be sent on many connections, framed once for each
// kind of framing that is met. It is made by [Prepare]; the zero value cannot be
// sent. It may be used by many goroutines at once.
type Prepared struct {
	typ     MessageType
	payload []byte
	framed  [2]framed // of hybi and hixie servers
}

type framed struct {
	once sync.Once
	b    []byte
	err  error
}

// Prepare returns a message of type [Text] or [Binary] with a copy of p. It
// errs on other types.
func Prepare(t MessageType, p []byte) (*Prepared, error) {
	if t != Text && t != Binary {
		return nil, fmt.Errorf("websocket: message of type %v: expected Text or Binary", t)
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

// WritePrepared sends m as [Conn.WriteMessage] would. On a server nothing is
// copied unless another goroutine is writing; a client masks m anew each time.
// Its errors are those of WriteMessage.
func (c *Conn) WritePrepared(m *Prepared) error {
	if c.side == ClientSide && !c.version.hixie() {
		return c.WriteMessage(m.typ, m.payload)
	}
	b, err := m.frame(c.version)
	if err != nil {
		return err
	}
	w := &c.wr
	h := header{fin: true, op: m.typ}
	if w.enter() {
		c.traceWritten(h, len(m.payload))
		_, err := c.nc.Write(b)
		return c.written(nil, err)
	}
	w.lock()
	defer w.unlock()
	if err := w.waitTurn(nil, len(b)); err != nil {
		return err
	}
	c.traceWritten(h, len(m.payload))
	if w.busy {
		out := w.queued()
		out.b = append(out.b, b...)
		return nil
	}
	return c.write(&outgoing{payload: b, framed: true})
}
