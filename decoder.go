package websocket

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"unicode/utf8"

	"github.com/protocol-websocket/websocket/internal/deflate"
	"github.com/protocol-websocket/websocket/internal/mask"
	"github.com/protocol-websocket/websocket/internal/utf8text"
)

// decoder holds the state of parsing: which message and which frame are in
// progress. It lives in the value that owns the bytes, a [Parser] or a [Conn],
// and not on a stack, so that reading can stop at any byte and continue later.
// It is the twin of encoder, and neither uses the other. It is not safe for
// concurrent use.
type decoder struct {
	maxSize      int64
	maxFragments int
	decompressor *deflate.Decompressor // for messages with RSV1 set; nil if none are allowed
	trace        func(FrameInfo)
	version      Version
	side         Side // the side that decodes
	allowRSV     byte // the reserved bits that a negotiated extension uses

	// The message that is being decoded.
	typ       MessageType
	open      bool // its first frame has begun, its last has not ended
	rsv       byte // the reserved bits of its first frame
	unwanted  bool // it is compressed, and what is left of it is not inflated
	text      utf8text.Checker
	size      int64 // payload bytes of its frames so far
	fragments int   // frames so far

	frame frameState

	// The last control frame. It is valid until the memory it was decoded from
	// is overwritten.
	control   []byte
	controlOp MessageType
}

// newDecoder returns a decoder for the bytes that side receives.
func newDecoder(v Version, side Side, cfg *Config) decoder {
	return decoder{version: v, side: side, maxSize: cfg.maxMessageSize(), maxFragments: cfg.maxFragments()}
}

// useCompression lets d accept compressed messages if the handshake agreed on
// compression. If it did not, p is nil.
func (d *decoder) useCompression(p *pmdParams) {
	if p != nil {
		d.allowRSV, d.decompressor = rsvCompressed, p.decompressor(d.side)
	}
}

// decode decodes src until there is an event to report. It returns n, the
// number of bytes it has consumed, and may overwrite them. It appends the
// payload of messages to dst, inflated, within the capacity of dst. After gotMessage,
// decoder.typ is the type of the message. After gotControl, decoder.controlOp
// and decoder.control are the opcode and the payload of a control frame.
func (d *decoder) decode(dst, src []byte) (out []byte, n int, ev event, err *ProtocolError) {
	if d.version.hixie() {
		return d.decodeHixie(dst, src)
	}
	for {
		if d.frame.open {
			if d.inflates() {
				return d.inflate(dst, src, n)
			}
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
		// Parsing the header is the deepest call. beginFrame does not do it,
		// because that would be one level deeper.
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

// beginFrame consumes a data frame's header, the first n bytes of src, or a
// whole control frame. If src holds only part of a control frame, it consumes
// nothing.
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

// decodeHixie is decode for the hixie versions, in which each frame is a
// message.
func (d *decoder) decodeHixie(dst, src []byte) (out []byte, n int, ev event, err *ProtocolError) {
	out, n, ev, err = d.frame.nextHixie(dst, src, d.maxSize)
	if !d.open && (d.frame.open || ev == gotMessage) {
		d.beginMessage(Text)
		d.traceFrame(FrameInfo{Opcode: Text, Fin: true, Length: -1})
	}
	d.size += int64(len(out) - len(dst))
	switch {
	case err != nil:
	case d.open && d.size > d.maxSize:
		return out, n, needInput, errTooBig("text of more than %d bytes, the limit (Config.MaxMessageSize)", d.maxSize)
	case ev == gotMessage:
		err = d.endMessage()
	case ev == gotControl:
		d.setControl(Close, nil)
	}
	return out, n, ev, err
}

// checkFrame checks whether a frame may come at this point, RFC 6455 sections
// 5.1, 5.2 and 5.4, and whether the message stays within the limits.
func (d *decoder) checkFrame(h header, length int64) *ProtocolError {
	switch {
	case h.rsv&^d.allowRSV != 0:
		return protocolErrorf("%v frame with reserved bits %03b: no negotiated extension uses them", h.op, h.rsv)
	case h.rsv != 0 && (h.op.isControl() || h.op == Continuation):
		return protocolErrorf("%v frame with reserved bits %03b: allowed on the first frame of a message only", h.op, h.rsv)
	case h.masked != (d.side == ServerSide):
		if h.masked {
			return protocolErrorf("masked frame from a server: expected no mask")
		}
		return protocolErrorf("unmasked frame from a client: expected a mask")
	case h.op.isControl():
		return nil
	case h.op == Continuation && !d.open:
		return protocolErrorf("Continuation frame without a message to continue")
	case h.op != Continuation && d.open:
		return protocolErrorf("%v frame inside a fragmented message: expected Continuation", h.op)
	}
	return d.checkLimits(h.rsv != 0, length)
}

// checkLimits checks whether the message stays within the limits with the next
// data frame. A compressed message may be a little longer than the limit,
// because data that cannot be compressed becomes longer.
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
		return errTooBig("more than %d fragments, the limit (Config.MaxFragments)", d.maxFragments)
	}
	return nil
}

const (
	// inflatePiece is how many bytes of payload are inflated at a time, unless a
	// message lies whole in the buffer.
	inflatePiece = 4 << 10

	// inflateWhole is the longest message in one frame whose end is waited for,
	// so that it lies whole in the buffer. The rest of a short frame will come
	// soon, and inflating it in pieces takes longer and more memory.
	inflateWhole = readBufferSize / 2
)

// inflates reports whether the payload of the message in progress is to be
// inflated.
func (d *decoder) inflates() bool { return d.rsv != 0 && !d.unwanted }

// inflating reports whether memory is borrowed for a message that is inflated.
func (d *decoder) inflating() bool { return d.decompressor != nil && d.decompressor.InMessage() }

// inflate is decode for the payload of a compressed frame, which begins in
// src[n:], RFC 7692 section 7.2.2. At the end of a frame that is not the last, it
// returns gotFragment: decode itself would need more stack to go on.
func (d *decoder) inflate(dst, src []byte, n int) (out []byte, _ int, ev event, err *ProtocolError) {
	f, at := &d.frame, len(dst)
	src = src[:n+int(min(f.left, int64(len(src)-n)))]
	if at == cap(dst) && n < len(src) {
		return dst, n, needRoom, nil
	}
	piece := min(len(src)-n, inflatePiece)
	if d.fragments == 1 && f.fin && f.left == d.size {
		switch {
		case int64(len(src)-n) == f.left:
			piece = len(src) - n
		case f.left <= inflateWhole:
			return dst, n, needInput, nil
		}
	}
	for more := true; more; more = ev != needRoom && n < len(src) {
		var k int
		dst, k, ev, err = d.inflatePart(dst, src[n:min(n+piece, len(src))])
		if n += k; err != nil {
			return dst, n, needInput, err
		}
	}
	if err = d.checkText(dst[at:]); err != nil || ev == needRoom || f.left > 0 {
		return dst, n, ev, err
	}
	f.open = false
	if f.fin {
		return dst, n, gotMessage, d.endMessage()
	}
	return dst, n, gotFragment, nil
}

// inflatePart inflates p, the next bytes of payload. What is not taken of them
// is left as it was.
func (d *decoder) inflatePart(dst, p []byte) (out []byte, n int, ev event, err *ProtocolError) {
	f := &d.frame
	last := f.fin && int64(len(p)) == f.left
	if f.masked {
		mask.Copy(p, p, f.key)
	}
	out, n, full, inflateErr := d.decompressor.Append(dst, p, last, d.maxSize)
	f.left -= int64(n)
	if inflateErr != nil {
		return out, n, needInput, d.errInflate(inflateErr)
	}
	if f.masked {
		f.key = bits.RotateLeft32(f.key, -8*(n&3))
		mask.Copy(p[n:], p[n:], f.key)
	}
	if full {
		ev = needRoom
	}
	return out, n, ev, nil
}

// skip says that nobody wants the rest of the message in progress and, if forever
// is set, any later message. A compressed message is then not inflated, unless
// a later one that is wanted may refer to it.
func (d *decoder) skip(forever bool) {
	if d.open && d.inflates() && (forever || !d.decompressor.ContextTakeover) {
		d.decompressor.Drop()
		d.unwanted = true
	}
}

// giveBack gives back what is borrowed. Nothing is decoded any more.
func (d *decoder) giveBack() {
	if d.decompressor != nil {
		d.decompressor.Drop()
	}
}

// errInflate returns the ProtocolError for err, which the decompressor has
// returned. Inlining it would enlarge the stack frame of inflatePart, whose other
// calls go deep.
//
//go:noinline
func (d *decoder) errInflate(err error) *ProtocolError {
	if err == deflate.ErrTooLarge {
		return errTooBig("%d compressed bytes inflate to more than the limit of %d (Config.MaxMessageSize)", d.size-d.frame.left, d.maxSize)
	}
	e, ok := errors.AsType[deflate.DistanceError](err)
	switch {
	case !ok:
	case e.Distance > e.Window:
		err = fmt.Errorf("%w (%s_max_window_bits=%d; with Compression.PeerWindowBits 15 any distance is accepted)", err, peerOf(d.side), d.decompressor.WindowBits)
	case !d.decompressor.ContextTakeover:
		err = fmt.Errorf("%w of the message (%s_no_context_takeover: expected no reference to earlier ones)", err, peerOf(d.side))
	}
	return &ProtocolError{Code: StatusInvalidPayloadData, Err: err}
}

// peerOf returns who sends what side receives, as the parameters of RFC 7692
// section 7.1 call it.
func peerOf(side Side) string {
	if side == ServerSide {
		return "client"
	}
	return "server"
}

func (d *decoder) errTooLong(size, length int64) *ProtocolError {
	if size == 0 {
		return errTooBig("%d bytes: limit is %d (Config.MaxMessageSize)", length, d.maxSize)
	}
	return errTooBig("%d bytes, and a frame of %d more: limit is %d (Config.MaxMessageSize)", size, length, d.maxSize)
}

// beginData records the header of a data frame.
func (d *decoder) beginData(h header, length int64) {
	if h.op != Continuation {
		d.beginMessage(h.op)
		d.rsv = h.rsv
	}
	// A struct literal would be built elsewhere and copied. That takes 5 ns more.
	f := &d.frame
	f.open, f.fin, f.masked, f.key, f.left = true, h.fin, h.masked, h.key, length
	d.size += length
	d.fragments++
	d.traceFrame(FrameInfo{Opcode: h.op, Fin: h.fin, RSV: h.rsv, Length: length})
}

func (d *decoder) beginMessage(t MessageType) {
	d.typ, d.open, d.rsv, d.unwanted, d.size, d.fragments = t, true, 0, false, 0, 0
	d.text.Reset()
}

func (d *decoder) endMessage() *ProtocolError {
	d.open = false
	if d.checksText() && !d.text.Complete() {
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

// frameLeft returns how many bytes of the current frame are still to be decoded.
func (d *decoder) frameLeft() int64 {
	if !d.frame.open {
		return 0
	}
	return d.frame.left
}

// payloadLeft is frameLeft for payload that is not compressed, and 0 otherwise.
// The caller may read up to that many bytes directly into the message. It must
// then pass them to payloadInPlace and not to decode.
func (d *decoder) payloadLeft() int64 {
	if d.inflates() {
		return 0
	}
	return d.frameLeft()
}

func (d *decoder) payloadInPlace(p []byte) *ProtocolError {
	d.frame.inPlace(p)
	return d.checkText(p)
}

// checksText reports whether decode checks the message in progress. Text of the
// hixie versions is valid once it is decoded.
func (d *decoder) checksText() bool { return d.typ == Text && !d.unwanted && !d.version.hixie() }

// checkText fails at the first byte that is not valid UTF-8, RFC 6455 section
// 8.1, without waiting for the end of the message.
func (d *decoder) checkText(p []byte) *ProtocolError {
	if !d.checksText() {
		return nil
	}
	if bad := d.text.Check(p); bad >= 0 {
		return errBadText(p[bad])
	}
	return nil
}

// betweenHixieFrames reports whether the version is one of hixie's and no frame
// is in progress.
func (d *decoder) betweenHixieFrames() bool {
	return d.version.hixie() && d.frame.hixie == hixieBetween
}

// midMessage reports whether a message has begun and not ended, or a frame that
// is to be skipped.
func (d *decoder) midMessage() bool {
	return d.open || d.version.hixie() && d.frame.hixie != hixieBetween
}

// inHixieText reports whether a text of the hixie versions, whose length is
// unknown, has begun and not ended.
func (d *decoder) inHixieText() bool { return d.version.hixie() && d.open }

// minRoom returns how much room dst must have for decode to take a byte. In the
// hixie versions a character that is completed may need all of it.
func (d *decoder) minRoom() int {
	if d.version.hixie() {
		return utf8.UTFMax
	}
	return 1
}
