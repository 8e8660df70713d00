package websocket

import (
	"errors"
	"fmt"
	"math"

	"github.com/protocol-websocket/websocket/internal/deflate"
	"github.com/protocol-websocket/websocket/internal/mask"
	"github.com/protocol-websocket/websocket/internal/utf8text"
)

// decoder is the state of the way from bytes to messages. It lives in the
// value that owns the bytes, a [Parser] or a [Conn], and not on a stack, so
// reading can stop at any byte and go on later. Not safe for concurrent use.
//
// Its owner calls codec.decode, which takes bytes and reports an event.
type decoder struct {
	codec        codec
	maxSize      int64
	maxFragments int
	inflater     *deflate.Decompressor // of messages that have RSV1 set; nil if there are none
	trace        func(FrameInfo)
	version      Version
	side         Side // the side that decodes
	allowRSV     byte // the reserved bits that an extension has given a meaning

	// The message that is being read.
	typ       MessageType
	open      bool // begun and not ended
	rsv       byte // of its first frame
	utf8      utf8text.Checker
	size      int64
	fragments int

	// The frame that is being read.
	left    int64 // bytes still to come
	key     uint32
	inFrame bool
	fin     bool
	masked  bool
	hixie   hixieState

	// The last control frame, valid until the bytes it came in are overwritten.
	control   []byte
	controlOp MessageType
}

// event is what decode stopped for.
type event uint8

const (
	needInput  event = iota // all that can be understood of src has been taken
	needRoom                // dst is full and more payload is there
	gotMessage              // dst holds the rest of a message of decoder.typ
	gotControl              // decoder.control holds a frame of decoder.controlOp
)

func newDecoder(v Version, side Side, cfg *Config) decoder {
	return decoder{
		codec: codecFor(v), version: v, side: side,
		maxSize: cfg.maxMessageSize(), maxFragments: cfg.maxFragments(),
	}
}

func errTooBig(format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: StatusMessageTooBig, Err: fmt.Errorf("%w: %s", ErrMessageTooBig, fmt.Sprintf(format, args...))}
}

// checkFrame holds a frame against what may come at this point, RFC 6455
// sections 5.1, 5.2 and 5.4, and against the limits.
func (d *decoder) checkFrame(h header, length int64) *ProtocolError {
	switch {
	case h.rsv&^d.allowRSV != 0:
		return protocolErrorf("%v frame with reserved bits %03b: no extension was negotiated that uses them", h.op, h.rsv)
	case h.rsv != 0 && (h.op.isControl() || h.op == Continuation):
		return protocolErrorf("%v frame with reserved bits %03b: allowed on the first frame of a message only", h.op, h.rsv)
	case h.masked != (d.side == ServerSide):
		if h.masked {
			return protocolErrorf("masked frame from a server")
		}
		return protocolErrorf("frame from a client that is not masked")
	case h.op.isControl():
		return nil
	case h.op == Continuation && !d.open:
		return protocolErrorf("Continuation frame without a message to continue")
	case h.op != Continuation && d.open:
		return protocolErrorf("%v frame inside a fragmented message: expected Continuation", h.op)
	}
	return d.checkLimits(h.rsv != 0, length)
}

// checkLimits holds the next frame of data against the limits. Compressed data
// may be a little longer than what it stands for.
func (d *decoder) checkLimits(compressed bool, length int64) *ProtocolError {
	size, fragments, limit := int64(0), 0, d.maxSize
	if d.open {
		size, fragments, compressed = d.size, d.fragments, d.rsv != 0
	}
	if more := limit/64 + 64; compressed && limit < math.MaxInt64-more {
		limit += more
	}
	switch {
	case length > limit-size:
		return d.errTooLong(size, length)
	case fragments >= d.maxFragments:
		return errTooBig("more than %d fragments", d.maxFragments)
	}
	return nil
}

// inflate appends what the message inflates to that was last decoded, RFC 7692
// section 7.2.2.
func (d *decoder) inflate(dst, payload []byte) ([]byte, *ProtocolError) {
	n := len(dst)
	dst, err := d.inflater.Append(dst, payload, d.maxSize)
	if err != nil {
		return dst, d.errInflate(err, len(payload))
	}
	return dst, d.checkInflated(dst[n:])
}

// errInflate turns err, with which decompressing n bytes failed, into the error for the peer. Inlined it would take 48 bytes
// of stack from inflate, whose calls go deep.
//
//go:noinline
func (d *decoder) errInflate(err error, n int) *ProtocolError {
	if err == deflate.ErrTooLarge {
		return errTooBig("%d compressed bytes inflate to more: limit is %d", n, d.maxSize)
	}
	return &ProtocolError{Code: StatusInvalidPayloadData, Err: err}
}

func (d *decoder) checkInflated(p []byte) *ProtocolError {
	if d.typ != Text {
		return nil
	}
	d.utf8.Reset()
	if bad := d.utf8.Check(p); bad >= 0 {
		return errBadText(p[bad])
	}
	if !d.utf8.Complete() {
		return errTextEnds()
	}
	return nil
}

func (d *decoder) errTooLong(size, length int64) *ProtocolError {
	if size == 0 {
		return errTooBig("%d bytes: limit is %d", length, d.maxSize)
	}
	return errTooBig("%d bytes, and a frame of %d more: limit is %d", size, length, d.maxSize)
}

func (d *decoder) beginFrame(h header, length int64) {
	if h.op != Continuation {
		d.beginMessage(h.op)
		d.rsv = h.rsv
	}
	d.inFrame, d.fin, d.masked, d.key, d.left = true, h.fin, h.masked, h.key, length
	d.size += length
	d.fragments++
	d.traceFrame(FrameInfo{Type: h.op, Fin: h.fin, RSV: h.rsv, Length: length})
}

func (d *decoder) beginMessage(t MessageType) {
	d.typ, d.open, d.rsv, d.size, d.fragments = t, true, 0, 0, 0
	d.utf8.Reset()
}

func (d *decoder) endMessage() *ProtocolError {
	d.open = false
	if d.checksText() && !d.utf8.Complete() {
		return errTextEnds()
	}
	return nil
}

func (d *decoder) setControl(op MessageType, payload []byte) {
	d.controlOp, d.control = op, payload
	d.traceFrame(FrameInfo{Type: op, Fin: true, Length: int64(len(payload))})
}

func (d *decoder) traceFrame(f FrameInfo) {
	if d.trace != nil {
		d.trace(f)
	}
}

// payload moves what it can of the current frame's payload from src to dst,
// unmasking on the way.
func (d *decoder) payload(dst, src []byte) ([]byte, int) {
	n := int(min(d.left, int64(min(len(src), cap(dst)-len(dst)))))
	at := len(dst)
	dst = dst[:at+n]
	if d.masked {
		d.key = mask.Copy(dst[at:], src[:n], d.key)
	} else {
		copy(dst[at:], src[:n])
	}
	d.left -= int64(n)
	return dst, n
}

// direct reports how many bytes of the current frame's payload are to come:
// so many may be read past the decoder into the message, if directRead is told.
func (d *decoder) direct() int64 {
	if !d.inFrame {
		return 0
	}
	return d.left
}

func (d *decoder) directRead(p []byte) *ProtocolError {
	if d.masked {
		d.key = mask.Copy(p, p, d.key)
	}
	d.left -= int64(len(p))
	return d.checkText(p)
}

func (d *decoder) checksText() bool { return d.typ == Text && d.rsv == 0 && !d.version.hixie() }

// checkText fails at the first byte that cannot be UTF-8, RFC 6455 section
// 8.1, without waiting for the end of the message.
func (d *decoder) checkText(p []byte) *ProtocolError {
	if !d.checksText() {
		return nil
	}
	if bad := d.utf8.Check(p); bad >= 0 {
		return errBadText(p[bad])
	}
	return nil
}

func errTextEnds() *ProtocolError {
	return &ProtocolError{Code: StatusInvalidPayloadData, Err: errors.New("text message ends within a UTF-8 sequence")}
}

func errBadText(b byte) *ProtocolError {
	return &ProtocolError{
		Code: StatusInvalidPayloadData,
		Err:  fmt.Errorf("text message is not valid UTF-8: unexpected byte %#02x", b),
	}
}
