package websocket

import (
	"fmt"
	"sync"

	"github.com/protocol-websocket/websocket/internal/deflate"
	"github.com/protocol-websocket/websocket/internal/mask"
)

// encoder turns messages into frames: it knows the version, the side, whether
// to mask and how to compress. It is the twin of decoder, and neither uses the
// other. The zero value encodes for a server of RFC6455 and compresses nothing.
type encoder struct {
	version    Version
	side       Side
	compressor *compressor // nil if messages are sent as they are
}

// compressor compresses the messages of one direction.
type compressor struct {
	mu        sync.Mutex // locked by sendQueue; the holder must not block
	deflate   deflate.Compressor
	threshold int // in bytes; shorter messages are sent as they are
}

// useCompression lets e compress messages if the handshake agreed on
// compression. If it did not, p is nil.
func (e *encoder) useCompression(p *pmdParams) {
	if p != nil {
		e.compressor = &compressor{deflate: p.compressor(e.side), threshold: p.threshold}
	}
}

// masks reports whether this side masks its frames, RFC 6455 section 5.1.
func (e *encoder) masks() bool { return e.side == ClientSide && e.version.traits().masks }

// check returns an error if a message cannot be sent.
func (e *encoder) check(t MessageType, p []byte) error {
	if err := checkMessageType(t); err != nil {
		return err
	}
	if e.version.hixie() { // the other versions can send any message
		return (&hixieFraming{}).check(header{fin: true, op: t}, p)
	}
	return nil
}

// appendFrame appends a frame to out, masked with a new key if this side masks.
func (e *encoder) appendFrame(out *sendBuffer, h header, p []byte) {
	if e.version.hixie() {
		out.b = append(e.appendHeader(out.b, h, len(p)), p...)
		out.b = e.appendTrailer(out.b, h)
		return
	}
	if e.side == ClientSide {
		h.masked, h.key = true, out.keys.Next()
	}
	out.b = appendHybi(out.b, h, p)
}

// appendJoined appends a frame as appendFrame does. Its payload is head and p.
func (e *encoder) appendJoined(out *sendBuffer, h header, head, p []byte) {
	if e.masks() {
		h.masked, h.key = true, out.keys.Next()
	}
	out.b = e.appendHeader(out.b, h, len(head)+len(p))
	at := len(out.b)
	out.b = append(append(out.b, head...), p...)
	if h.masked {
		mask.Copy(out.b[at:], out.b[at:], h.key)
	}
	out.b = e.appendTrailer(out.b, h)
}

// appendHeader appends the bytes before a payload of n bytes, and appendTrailer
// those after it. In versions without fragments, all fragments of a message are
// sent as one frame: only the first has a header, and only the last a trailer.
func (e *encoder) appendHeader(dst []byte, h header, n int) []byte {
	if h.op == Continuation && !e.version.traits().fragments {
		return dst
	}
	return framingOf(e.version).appendHeader(dst, h, n)
}

func (e *encoder) appendTrailer(dst []byte, h header) []byte {
	if !h.fin && !e.version.traits().fragments {
		return dst
	}
	return framingOf(e.version).appendTrailer(dst, h)
}

// compresses reports whether e compresses messages of n bytes.
func (e *encoder) compresses(n int) bool {
	return e.compressor != nil && n >= e.compressor.threshold
}

// compress compresses the payload of a frame, which is head and p. It must be called in the order in
// which the frames are sent; on a Conn, the caller holds z.mu. Append leaves
// out the four bytes 00 00 FF FF at the end of its output. Only the last frame
// of a message is sent without them, RFC 7692 section 7.2.1. The result must be
// recycled.
func (z *compressor) compress(fin bool, head, p []byte) *scratch {
	out := scratches.Get().(*scratch)
	if len(head) > 0 {
		out.b = append(z.deflate.Append(out.b, head), 0, 0, 0xff, 0xff)
	}
	out.b = z.deflate.Append(out.b, p)
	if !fin {
		out.b = append(out.b, 0, 0, 0xff, 0xff)
	}
	return out
}

// appendMessage appends a message, a Ping or a Pong as one frame to dst,
// compressed if it is to be.
func (e *encoder) appendMessage(dst []byte, t MessageType, p []byte) ([]byte, error) {
	if t == Close || t == Continuation {
		return dst, fmt.Errorf("websocket: AppendMessage of type %v: expected Text, Binary, Ping or Pong", t)
	}
	h := header{fin: true, op: t}
	if err := framingOf(e.version).check(h, p); err != nil {
		return dst, err
	}
	if e.compresses(len(p)) && !t.isControl() {
		out := e.compressor.compress(true, nil, p)
		defer out.recycle()
		h.rsv, p = rsvCompressed, out.b
	}
	return appendFrame(dst, e.version, e.withKey(h), p), nil
}

// appendClose appends a Close frame to dst, if the version has one.
func (e *encoder) appendClose(dst []byte, code StatusCode, reason string) ([]byte, error) {
	var payload [maxControlPayload]byte
	p, err := appendClosePayload(payload[:0], code, reason)
	p, ok := e.closePayload(p)
	if err != nil || !ok {
		return dst, err
	}
	return appendFrame(dst, e.version, e.withKey(header{fin: true, op: Close}), p), nil
}

// closePayload returns what a Close frame carries of the payload p in this
// version. ok is false if the version has no Close frame.
func (e *encoder) closePayload(p []byte) (payload []byte, ok bool) {
	t := e.version.traits()
	if !t.closeCodes {
		p = nil
	}
	return p, t.closeFrame
}

// withKey adds a new masking key to h if this side masks.
func (e *encoder) withKey(h header) header {
	if e.masks() {
		h.masked, h.key = true, mask.NewKey()
	}
	return h
}

// Encoder turns messages into frames, without I/O. It compresses messages if the
// handshake agreed on that. It is the counterpart of [Parser]; a
// [ServerHandshake] or [ClientHandshake] makes it. A compressed message may
// refer to earlier ones, so all messages must be sent, in the order in which they
// were encoded. The zero value encodes for a server of [RFC6455] and compresses
// nothing. Not safe for concurrent use.
type Encoder struct{ enc encoder }

// AppendMessage appends a message, or a Ping or Pong, as one frame to dst, as the
// function [AppendMessage] does. It compresses the message if compression was
// agreed on, and the message is a [Text] or [Binary] of at least
// [Compression].Threshold bytes. If it returns an error, it has appended nothing.
// p and dst must not overlap.
func (e *Encoder) AppendMessage(dst []byte, t MessageType, p []byte) ([]byte, error) {
	return e.enc.appendMessage(dst, t, p)
}

// AppendClose appends the frame that begins or answers the closing handshake, as
// the function [AppendClose] does. Nothing may be sent after it.
func (e *Encoder) AppendClose(dst []byte, code StatusCode, reason string) ([]byte, error) {
	return e.enc.appendClose(dst, code, reason)
}

// AppendMessage appends a whole message, or a Ping or Pong, as one frame to
// dst, masked with a new key if side is [ClientSide]. If it fails, as
// [AppendFrame] does, it appends nothing. p and dst must not overlap.
func AppendMessage(dst []byte, v Version, side Side, t MessageType, p []byte) ([]byte, error) {
	if err := v.check(); err != nil {
		return dst, err
	}
	return (&encoder{version: v, side: side}).appendMessage(dst, t, p)
}

// AppendClose appends the frame that begins or answers the closing handshake.
// Code [StatusNoStatusReceived] with no reason makes a frame without a code.
// [Hybi00] has a closing frame without code and reason, [Hixie75] has none:
// there nothing is appended and the connection is simply ended. It returns
// an error for codes that may not be sent and for reasons over 123 bytes or not
// UTF-8.
func AppendClose(dst []byte, v Version, side Side, code StatusCode, reason string) ([]byte, error) {
	if err := v.check(); err != nil {
		return dst, err
	}
	return (&encoder{version: v, side: side}).appendClose(dst, code, reason)
}
