package websocket

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"time"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/netx"
	"github.com/protocol-websocket/websocket/internal/permessage"
)

// What the tests in package websocket_test use of the inside of the package.
// Tests that need more than a look are in package websocket.

const (
	CloseLinger   = closeLinger
	MaxAhead      = maxAhead
	CloseTimeout  = closeTimeout
	RefusalLinger = netx.LingerTime

	DefaultHandshakeTimeout = defaultHandshakeTimeout
	DefaultMaxFragments     = defaultMaxFragments
	DefaultMaxMessageSize   = defaultMaxMessageSize
	DefaultMaxHeaderBytes   = defaultMaxHeaderBytes

	ChunkSize         = chunkSize
	PayloadMin        = payloadMin
	FragmentSize      = fragmentSize
	IdleRead          = idleRead
	InflateWhole      = inflateWhole
	KeepBuffer        = keepBuffer
	MaxControlPayload = maxControlPayload
	MaxHeader         = maxHeader
	MaxLogged         = maxLogged
	MaxOvertaken      = maxOvertaken
	MaxQueue          = maxQueue
	MaxReason         = maxReason
	MaxRounds         = maxRounds
	MaxStreamMessage  = maxStreamMessage
	MinPeerWindowBits = minPeerWindowBits
	PingPayload       = pingPayload
	ReadBufferSize    = readBufferSize
	StayLarge         = stayLarge
	TailSize          = tailSize

	RSVCompressed = rsvCompressed

	DirectIdle = directIdle
	DirectBusy = directBusy
)

var (
	ErrEOF           = errEOF
	ErrStale         = errStale
	ErrWriteDeadline = errWriteDeadline
	ClosedNormally   = closedNormally
	KeyNumber        = keyNumber
)

// NewConn returns a connection after a handshake that did not happen. If cfg
// has compression, the peer has agreed to the same.
func NewConn(nc net.Conn, v Version, side Side, cfg *Config) *Conn {
	c := newConn(nc, v, side, cfg, nil)
	if z := cfg.Compression; z != nil {
		p, _ := z.agree([]string{z.offer()})
		c.compress(p)
	}
	c.start(cfg.Trace)
	return c
}

// Abandon says that c will not be read any more.
func Abandon(c *Conn) { c.rcv.abandon() }

// Over returns a channel that is closed once nothing of c is left.
func Over(c *Conn) <-chan struct{} { return c.life.over() }

// OnEnd calls f when c has ended.
func OnEnd(c *Conn, f func()) { c.life.onEnd(f) }

// Serve runs the handler of s on c, which r has made, as ServeHTTP does.
func Serve(s *Server, c *Conn, r *http.Request) {
	c.request = keepRequest(r)
	s.detach(c)
}

// HeldBuffer returns the size of the buffer that c holds to read into.
func HeldBuffer(c *Conn) int { return len(c.rcv.buf) }

// DiscardMessage skips a message, as Discard does.
func DiscardMessage(c *Conn) error { return c.rcv.discard() }

// PendingPings returns how many Pings of c somebody waits for.
func PendingPings(c *Conn) int {
	ps := sharedPings(&c.rcv.pings)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.waiting)
}

// StopKeepalive stops the timer of the keepalive and reports whether it was
// running.
func StopKeepalive(c *Conn) bool {
	c.rcv.keep.mu.Lock()
	defer c.rcv.keep.mu.Unlock()
	return c.rcv.keep.timer.Stop()
}

// WatchRests reports whether the timer of c for late frames does not run.
func WatchRests(c *Conn) bool {
	c.send.mu.Lock()
	defer c.send.mu.Unlock()
	return !c.send.watch.armed
}

// LooksLate looks for frames that are late, as the timer does.
func LooksLate(c *Conn) bool { return c.send.isLate() }

// Direct returns the state of the lock-free way to write: DirectIdle,
// DirectBusy, or another if the lock must be taken.
func Direct(c *Conn) uint32 { return c.send.direct.Load() }

// Queued returns how many bytes of frames wait in the queue.
func Queued(c *Conn) int {
	c.send.mu.Lock()
	defer c.send.mu.Unlock()
	if c.send.queue == nil {
		return 0
	}
	return len(c.send.queue.b)
}

// HasSent reports whether c is writing what was queued, or has done so.
func HasSent(c *Conn) bool {
	c.send.mu.Lock()
	defer c.send.mu.Unlock()
	return c.send.busy || c.send.taken > 0
}

// LineLength returns how many writers stand in line.
func LineLength(c *Conn) int {
	c.send.mu.Lock()
	defer c.send.mu.Unlock()
	if c.send.crowd == nil {
		return 0
	}
	return len(c.send.crowd.line)
}

// StandInLine makes a writer that writes nothing stand in line. leave ends
// that. A value on woken has told it to check its turn.
func StandInLine(c *Conn) (woken <-chan struct{}, leave func()) {
	w := &waiter{wake: make(chan struct{}, 1), since: time.Now()}
	c.send.lock()
	crowd := c.send.waiting()
	crowd.line = append(crowd.line, w)
	c.send.unlock()
	return w.wake, func() {
		c.send.lock()
		c.send.leaveLine(w)
		c.send.unlock()
	}
}

// StandInFlush makes a Flush wait that never happened. A write that ends or the
// deadline closes woken.
func StandInFlush(c *Conn) (woken <-chan struct{}) {
	c.send.lock()
	defer c.send.unlock()
	return c.send.waiting().forFlush()
}

// EndStreamAtDeadline ends the message that others wait for at the same moment
// as their deadline passes.
func EndStreamAtDeadline(c *Conn) {
	c.send.lock()
	c.send.stream = nil
	c.send.deadline = time.Now()
	c.send.wakeNext()
	c.send.unlock()
}

// LockCompressor keeps messages from being compressed until unlock is called.
func LockCompressor(c *Conn) (unlock func()) {
	c.send.enc.compressor.mu.Lock()
	return c.send.enc.compressor.mu.Unlock
}

// InterruptAt makes reads give up when ctx ends, until release is called.
func InterruptAt(c *Conn, ctx context.Context) (release func()) {
	release, _ = c.rcv.interruptAt(ctx)
	return release
}

// ParserWindow and EncoderWindow return how many bytes are kept of the messages
// so far, for compression: the memory, whether filled or not.
func ParserWindow(p *Parser) int { return windowOf(p.dec.decompressor) }

func EncoderWindow(e *Encoder) int { return windowOf(&e.enc.compressor.deflate) }

// ConnWindows return the same of a connection, for what it receives and sends.
func ConnWindows(c *Conn) (in, out int) {
	return windowOf(c.rcv.dec.decompressor), windowOf(&c.send.enc.compressor.deflate)
}

func windowOf(z any) int { return reflect.ValueOf(z).Elem().FieldByName("window").Cap() }

// CompressedFrame returns m as a server sends it that compresses each message
// alone, with a window of this size.
func CompressedFrame(m *Prepared, windowBits int) []byte {
	var e encoder
	e.useCompression(&pmdParams{Params: permessage.Params{ServerWindowBits: windowBits, ServerNoContextTakeover: true}, threshold: 1})
	return m.compressedFrame(e)
}

// ParserLimits returns the largest message that p takes, in bytes and in
// fragments.
func ParserLimits(p *Parser) (size int64, fragments int) { return p.dec.maxSize, p.dec.maxFragments }

// ParserMemory returns how large the buffers of p are: that of the input, and
// that of the message.
func ParserMemory(p *Parser) (in, msg int) { return cap(p.in), cap(p.msg.b) + p.msg.size }

// TraceParser makes p call f for each frame.
func TraceParser(p *Parser, f func(FrameInfo)) { p.dec.trace = f }

// ServerHead and ClientHead return what has arrived of the peer's head.
func ServerHead(h *ServerHandshake) *httphead.Head { return &h.head }
func ClientHead(h *ClientHandshake) *httphead.Head { return &h.head }

// SetKey gives a client's handshake the key of a recorded one.
func SetKey(h *ClientHandshake, key string) { h.key = key }

// SetChallenge gives a client's handshake of hybi-00 the keys of a recorded
// one.
func SetChallenge(h *ClientHandshake, key1, key2 string, key3 []byte) error {
	h.challenge.keys = [2]string{key1, key2}
	for i, key := range h.challenge.keys {
		n, err := keyNumber(key)
		if err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		h.challenge.numbers[i] = n
	}
	copy(h.challenge.key3[:], key3)
	return nil
}

// AnswerChallenge returns the answer to the numbers of two keys, and a third.
func AnswerChallenge(number1, number2 uint32, key3 []byte) []byte {
	answer := (&challenge{numbers: [2]uint32{number1, number2}, key3: [key3Len]byte(key3)}).answer()
	return answer[:]
}

// AcceptKey returns the answer to a Sec-WebSocket-Key.
func AcceptKey(key string) string {
	accept := acceptFor(key)
	return string(accept[:])
}

// DecodeInSteps decodes one message for a client, with room for so many bytes
// of it at a time.
func DecodeInSteps(v Version, wire []byte, room int) (text string, err error) {
	d := newDecoder(v, ClientSide, &Config{})
	for range 10 * len(wire) {
		out, n, ev, err := d.decode(make([]byte, 0, room), wire)
		if err != nil {
			return text, err
		}
		if cap(out) != room {
			return text, fmt.Errorf("decode has moved the message from room for %d to room for %d", room, cap(out))
		}
		if text, wire = text+string(out), wire[n:]; ev == gotMessage {
			return text, nil
		}
		if ev == needInput {
			return text, fmt.Errorf("decode wants more input before the end")
		}
	}
	return text, fmt.Errorf("decode does not come to an end")
}

// PoisonPools fills what the pools hold with the bytes of bad.
func PoisonPools(bad []byte) {
	for range 4 {
		b, p, out := new(readBuffer), new(chunk), &sendBuffer{b: append([]byte(nil), bad...)[:0]}
		copy(b[:], bad)
		copy(p.b[:], bad)
		readBuffers.Put(b)
		chunks.Put(p)
		sendBuffers.Put(out)
	}
}

// OverwritePools overwrites with bad what has come back to the pools.
func OverwritePools(bad []byte) {
	var bs []*readBuffer
	var ps []*chunk
	for range 4 {
		b, p := readBuffers.Get().(*readBuffer), chunks.Get().(*chunk)
		copy(b[:], bad)
		copy(p.b[:], bad)
		bs, ps = append(bs, b), append(ps, p)
	}
	for i := range bs {
		readBuffers.Put(bs[i])
		chunks.Put(ps[i])
	}
}

// Counted returns how many requests, handlers and connections s counts.
func Counted(s *Server) int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.active + len(s.conns.all)
}

// BorrowsInflater reports whether c holds the memory in which a message is
// inflated.
func BorrowsInflater(c *Conn) bool { return c.rcv.dec.inflating() }

// KeptAhead returns how many bytes of messages a closing handshake of c has kept,
// and how many of the message in progress.
func KeptAhead(c *Conn) (n int) {
	c.rcv.mu.Lock()
	defer c.rcv.mu.Unlock()
	if c.rcv.ahead != nil {
		for _, m := range c.rcv.ahead.messages {
			n += len(m.Data)
		}
	}
	if c.rcv.partial != nil {
		n += c.rcv.partial.length()
	}
	if c.rcv.stream != nil {
		n += len(c.rcv.stream.prefix)
	}
	return n
}

// ParserBorrowsInflater is BorrowsInflater for a Parser.
func ParserBorrowsInflater(p *Parser) bool { return p.dec.inflating() }

// Cause returns why c is no longer open.
func Cause(c *Conn) error { return c.life.why() }

// PartialMemory returns how much memory c holds of a message whose read met its
// deadline.
func PartialMemory(c *Conn) (n int) {
	c.rcv.mu.Lock()
	defer c.rcv.mu.Unlock()
	if p := c.rcv.partial; p != nil {
		n = cap(p.b) + cap(p.head)
		for q := p.first; q != nil && q != p.last; q = q.next {
			n += chunkSize
		}
	}
	return n
}
