package websocket

import (
	"bytes"
	"sync"

	"github.com/protocol-websocket/websocket/internal/permessage"
)

// WriteMessage sends p as a message of one frame; t is [Text] or [Binary]. p is
// neither kept nor changed. Text must be valid UTF-8: RFC 6455 peers fail the
// connection otherwise, and the hixie versions, which have text only, cannot
// carry anything else and return an error. Binary there returns an error that
// wraps [errors.ErrUnsupported]; both send nothing.
//
// While another goroutine is writing to the network, WriteMessage leaves it the
// frame and returns. An error of the network that this misses is returned by
// all later writes.
func (c *Conn) WriteMessage(t MessageType, p []byte) error { return c.send.message(t, p, true) }

// BufferMessage queues p as [Conn.WriteMessage] would send it. The queue leaves
// when 64 KiB are full, with the next WriteMessage or Flush, and before a read
// begins to wait for input: a loop that reads and answers so makes one write(2)
// for all that one read(2) has brought. A goroutine that only writes must call
// Flush. Its errors are those of WriteMessage.
func (c *Conn) BufferMessage(t MessageType, p []byte) error { return c.send.message(t, p, false) }

// Flush writes what [Conn.BufferMessage] has queued, and waits until what other
// goroutines had written or queued before has left too.
func (c *Conn) Flush() error { return c.send.flush() }

// Prepared is a message to be sent on many connections, framed once for each
// kind of framing that is met. It is made by [Prepare]; the zero value cannot be
// sent. It may be used by many goroutines at once.
type Prepared struct {
	typ     MessageType
	payload []byte
	framed  [2]framed // as hybi servers send it, and as hixie servers do

	// compressed holds the frames of servers that compress without context
	// takeover, one for each size of the window.
	compressed [permessage.MaxWindowBits - permessage.MinWindowBits + 1]framed
}

type framed struct {
	once sync.Once
	b    []byte
	err  error
}

// Prepare returns a message of type [Text] or [Binary] with a copy of p. It
// returns an error for other types.
func Prepare(t MessageType, p []byte) (*Prepared, error) {
	if err := checkMessageType(t); err != nil {
		return nil, err
	}
	return &Prepared{typ: t, payload: bytes.Clone(p)}, nil
}

// frame returns the frame of m that a server of version v sends.
func (m *Prepared) frame(v Version) ([]byte, error) {
	f := &m.framed[0]
	if v.hixie() {
		f = &m.framed[1]
	}
	f.once.Do(func() { f.b, f.err = AppendMessage(nil, v, ServerSide, m.typ, m.payload) })
	return f.b, f.err
}

// compressedFrame returns the frame of m that a server with the encoder e
// sends. The encoder must compress without context takeover.
func (m *Prepared) compressedFrame(e encoder) []byte {
	f := &m.compressed[e.compressor.deflate.WindowBits-permessage.MinWindowBits]
	f.once.Do(func() { f.b, _ = (&Encoder{enc: e}).AppendMessage(nil, m.typ, m.payload) })
	return f.b
}

// WritePrepared sends m as [Conn.WriteMessage] would. On a server nothing is
// copied unless another goroutine is writing; a client masks m anew each time.
// Its errors are those of WriteMessage.
func (c *Conn) WritePrepared(m *Prepared) error {
	e := &c.send.enc
	compress := e.compresses(len(m.payload))
	if e.masks() || compress && e.compressor.deflate.ContextTakeover {
		return c.WriteMessage(m.typ, m.payload)
	}
	if compress {
		frame := m.compressedFrame(*e)
		_, n, _, _ := parseHybiHeader(frame)
		return c.send.prepared(header{fin: true, op: m.typ, rsv: rsvCompressed}, int(n), frame)
	}
	frame, err := m.frame(e.version)
	if err != nil {
		return err
	}
	return c.send.prepared(header{fin: true, op: m.typ}, len(m.payload), frame)
}
