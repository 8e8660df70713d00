package websocket

import (
	"math"

	"github.com/protocol-websocket/websocket/internal/deflate"
	"github.com/protocol-websocket/websocket/internal/mask"
	"github.com/protocol-websocket/websocket/internal/utf8text"
)

// decoder holds the state of parsing: which message and which frame are in
// progress. It lives in the value that owns the bytes, a [Parser] or a [Conn],
// and not on a stack, so that reading can stop at any byte and go on later. It is
// the twin of encoder, and neither knows the other. Not safe for concurrent use.
type decoder struct {
	maxSize      int64
	maxFragments int
	decompressor *deflate.Decompressor // for messages that have RSV1 set; nil if none may
	trace        func(FrameInfo)
	version      Version
	side         Side // the side that decodes
	allowRSV     byte // the reserved bits to which an extension gives a meaning

	// The message that is being read.
	typ       MessageType
	open      bool // begun and not ended
	rsv       byte // of its first frame
	utf8      utf8text.Checker
	size      int64
	fragments int

	frame frameState

	// The last control frame. It is valid until the bytes it came in are
	// overwritten.
	control   []byte
	controlOp MessageType
}

// newDecoder returns a decoder for what side receives.
func newDecoder(v Version, side Side, cfg *Config) decoder {
	return decoder{version: v, side: side, maxSize: cfg.maxMessageSize(), maxFragments: cfg.maxFragments()}
}

// useCompression makes d accept compressed messages, if that was agreed on.
func (d *decoder) useCompression(p *pmdParams) {
	if p != nil {
		d.allowRSV, d.decompressor = rsvCompressed, p.inflate(d.side)
	}
}

// decode takes n bytes from src until there is something to report, and appends
// message payload to dst within its capacity. It may change the bytes it takes.
// After gotMessage the message is of type decoder.typ; after gotControl
// decoder.control holds a frame of decoder.controlOp.
func (d *decoder) decode(dst, src []byte) (out []byte, n int, ev event, err *ProtocolError) {
	if d.version.hixie() {
		return d.decodeHixie(dst, src)
	}
	for {
		if d.frame.open {
			at := len(dst)
			var k int
			dst, k = d.frame.payload(dst, src[n:])
			if err := d.checkText(dst[at:]); err != nil {
				return dst, n, needInput, err
			}
			n += k
			switch {
			case d.frame.left > 0 && n == len(src):
				return dst, n, needInput, nil
			case d.frame.left > 0:
				return dst, n, needRoom, nil
			}
			d.frame.open = false
			if d.frame.fin {
				return dst, n, gotMessage, d.endMessage()
			}
		}
		// The header is parsed here and not in beginFrame, where it would be the
		// deepest on the stack.
		h, length, k, err := parseHybiHeader(src[n:])
		if err == nil && k > 0 {
			err = d.checkFrame(h, length)
		}
		if err != nil || k == 0 {
			return dst, n, needInput, err
		}
		k, ev := d.beginFrame(h, length, src[n:], k)
		n += k
		if k == 0 || ev != needInput {
			return dst, n, ev, nil
		}
	}
}

// beginFrame takes the header of a data frame, n bytes, or the whole of a control
// frame. It takes nothing if src holds less than that.
func (d *decoder) beginFrame(h header, length int64, src []byte, n int) (int, event) {
	switch {
	case !h.op.isControl():
		d.beginData(h, length)
		return n, needInput
	case int64(len(src)-n) < length:
		return 0, needInput
	}
	p := src[n : n+int(length)]
	if h.masked {
		mask.Copy(p, p, h.key)
	}
	d.setControl(h.op, p)
	return n + len(p), gotControl
}

// decodeHixie is decode for the versions in which a frame is a message.
func (d *decoder) decodeHixie(dst, src []byte) ([]byte, int, event, *ProtocolError) {
	n := 0
	for {
		out, k, ev, err := decodeHixie(&d.frame, dst, src[n:], d.maxSize)
		n += k
		d.size += int64(len(out) - len(dst))
		dst = out
		switch {
		case err != nil:
			return dst, n, needInput, err
		case ev == gotStart:
			d.beginMessage(Text)
			d.traceFrame(FrameInfo{Opcode: Text, Fin: true, Length: -1})
			continue
		case d.open && d.size > d.maxSize:
			return dst, n, needInput, errTooBig("text of more than %d bytes", d.maxSize)
		case ev == gotMessage:
			return dst, n, gotMessage, d.endMessage()
		case ev == gotControl:
			d.setControl(Close, nil)
		}
		return dst, n, ev, nil
	}
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
	dst, err := d.decompressor.Append(dst, payload, d.maxSize)
	if err != nil {
		return dst, d.errInflate(err, len(payload))
	}
	return dst, d.checkInflated(dst[n:])
}

// errInflate returns the error for the peer after decompressing n bytes has failed
// with err. Inlined it would add 48 bytes to the stack of inflate, whose calls go
// deep.
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

// beginData takes note of the header of a data frame.
func (d *decoder) beginData(h header, length int64) {
	if h.op != Continuation {
		d.beginMessage(h.op)
		d.rsv = h.rsv
	}
	// A literal would be built elsewhere and copied, which takes 5 ns longer.
	f := &d.frame
	f.open, f.fin, f.masked, f.key, f.left = true, h.fin, h.masked, h.key, length
	d.size += length
	d.fragments++
	d.traceFrame(FrameInfo{Opcode: h.op, Fin: h.fin, RSV: h.rsv, Length: length})
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
	d.traceFrame(FrameInfo{Opcode: op, Fin: true, Length: int64(len(payload))})
}

func (d *decoder) traceFrame(f FrameInfo) {
	if d.trace != nil {
		d.trace(f)
	}
}

// direct returns how many bytes of payload of the current frame are still to
// come. Up to so many may be read straight into the message, past the decoder,
// if directRead is told.
func (d *decoder) direct() int64 {
	if !d.frame.open {
		return 0
	}
	return d.frame.left
}

func (d *decoder) directRead(p []byte) *ProtocolError {
	d.frame.took(p)
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
