package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/protocol-websocket/websocket/internal/mask"
)

// MessageType is the type of a message, and of a control frame. The values are
// the opcodes of RFC 6455 section 5.2. The versions before hybi-04 have text
// only; [Close] stands for their closing frame.
type MessageType uint8

const (
	// Continuation is the opcode of all frames of a message but the first. It
	// occurs in a [Frame] only.
	Continuation MessageType = 0
	// Text is a message of UTF-8 text.
	Text MessageType = 1
	// Binary is a message of bytes.
	Binary MessageType = 2
	// Close is the control frame of the closing handshake.
	Close MessageType = 8
	// Ping asks for a Pong with the same payload.
	Ping MessageType = 9
	// Pong answers a Ping.
	Pong MessageType = 10
)

// String returns the name of the constant, or opcode N.
func (t MessageType) String() string {
	switch t {
	case Continuation:
		return "Continuation"
	case Text:
		return "Text"
	case Binary:
		return "Binary"
	case Close:
		return "Close"
	case Ping:
		return "Ping"
	case Pong:
		return "Pong"
	}
	return "opcode " + strconv.Itoa(int(t))
}

// checkMessageType refuses what is not the type of a message.
func checkMessageType(t MessageType) error {
	switch t {
	case Text, Binary:
		return nil
	case Ping:
		return errors.New("websocket: message of type Ping: expected Text or Binary; Conn.Ping sends a Ping")
	case Close:
		return errors.New("websocket: message of type Close: expected Text or Binary; Conn.Shutdown sends a Close")
	}
	return fmt.Errorf("websocket: message of type %v: expected Text or Binary", t)
}

func (t MessageType) isControl() bool { return t >= Close }

func (t MessageType) known() bool { return t <= Binary || t >= Close && t <= Pong }

// Side tells which end of a connection something belongs to: clients mask
// their frames and servers do not, RFC 6455 section 5.1.
type Side uint8

const (
	// ServerSide is the end that was connected to.
	ServerSide Side = iota
	// ClientSide is the end that connected.
	ClientSide
)

// Frame is one frame, RFC 6455 section 5.2. The hixie versions have only Text,
// with Fin set, and Close, without payload.
type Frame struct {
	Fin     bool        // last frame of its message
	RSV     byte        // the reserved bits: RSV1 is 4, RSV2 is 2, RSV3 is 1
	Opcode  MessageType // Continuation for all frames of a message but the first
	Masked  bool        // set on every frame of a client and none of a server
	MaskKey [4]byte     // from a cryptographic source, new for each frame
	Payload []byte      // as the program sees it, not masked
}

// AppendFrame appends the bytes of f on the wire to dst. It errs, appending
// nothing, on frames that no version allows: unknown opcodes, more than three
// reserved bits, control frames that are fragmented or longer than 125 bytes;
// on the hixie versions also on everything but Close without payload and
// unfragmented valid UTF-8 text, with an error that wraps
// [errors.ErrUnsupported] for what these versions lack. Payload and dst must
// not overlap. To send whole messages [AppendMessage] is simpler.
func AppendFrame(dst []byte, v Version, f Frame) ([]byte, error) {
	if err := v.check(); err != nil {
		return dst, err
	}
	h := header{
		fin: f.Fin, rsv: f.RSV, op: f.Opcode,
		masked: f.Masked, key: binary.LittleEndian.Uint32(f.MaskKey[:]),
	}
	if err := codecFor(v).check(h, f.Payload); err != nil {
		return dst, err
	}
	return appendFrame(dst, v, h, f.Payload), nil
}

// ParseFrame reads the first frame in src and reports its length n. If src
// holds less than a whole frame the error is [io.ErrUnexpectedEOF] and n is 0;
// bytes that cannot begin a frame are a [ProtocolError]. Frames that hixie
// receivers must skip are counted in n with the frame after them. Payload may be
// a part of src. Rules that concern more than one frame are left to [Parser].
func ParseFrame(src []byte, v Version) (f Frame, n int, err error) {
	if err := v.check(); err != nil {
		return Frame{}, 0, err
	}
	return codecFor(v).parseFrame(src)
}

// AppendMessage appends a whole message, or a Ping or Pong, as one frame to
// dst, masked with a new key if side is [ClientSide]. It errs, appending
// nothing, as [AppendFrame] does. p and dst must not overlap.
func AppendMessage(dst []byte, v Version, side Side, t MessageType, p []byte) ([]byte, error) {
	if err := v.check(); err != nil {
		return dst, err
	}
	h := header{fin: true, op: t, masked: side == ClientSide && !v.hixie()}
	if t == Close || t == Continuation {
		return dst, fmt.Errorf("websocket: AppendMessage of type %v: expected Text, Binary, Ping or Pong", t)
	}
	if err := codecFor(v).check(h, p); err != nil {
		return dst, err
	}
	if h.masked {
		h.key = mask.NewKey()
	}
	return appendFrame(dst, v, h, p), nil
}

// AppendClose appends the frame that begins or answers the closing handshake.
// Code [StatusNoStatusReceived] with no reason makes a frame without a code.
// [Hybi00] has a closing frame without code and reason, [Hixie75] has none:
// there nothing is appended and the connection is simply ended. It errs on
// codes that may not be sent and on reasons over 123 bytes or not UTF-8.
func AppendClose(dst []byte, v Version, side Side, code StatusCode, reason string) ([]byte, error) {
	if err := v.check(); err != nil {
		return dst, err
	}
	var payload [maxControlPayload]byte
	p, err := appendClosePayload(payload[:0], code, reason)
	if err != nil || !v.traits().closeFrame {
		return dst, err
	}
	h := header{fin: true, op: Close, masked: side == ClientSide && !v.hixie()}
	if h.masked {
		h.key = mask.NewKey()
	}
	if v.hixie() {
		p = nil
	}
	return appendFrame(dst, v, h, p), nil
}

// codec is the framing of one family of versions. It holds no state: what
// lasts from one call to the next is in the decoder. Its methods are those of
// pointers, since values would be called through wrappers that take stack.
type codec interface {
	// check reports why a frame cannot be sent.
	check(h header, payload []byte) error
	// appendHeader and appendTrailer append what stands before and after a
	// payload of n bytes.
	appendHeader(dst []byte, h header, n int) []byte
	appendTrailer(dst []byte, h header) []byte
	parseFrame(src []byte) (Frame, int, error)
	// decode takes bytes from src, n of them, until something is to be told,
	// and appends message payload to dst within its capacity. It may change
	// the bytes it takes.
	decode(d *decoder, dst, src []byte) (out []byte, n int, ev event, err *ProtocolError)
}

func codecFor(v Version) codec {
	switch v {
	case Hybi00, Hixie75:
		return &hixieCodec{}
	default:
		return &hybiCodec{}
	}
}

// header is a frame without its payload.
type header struct {
	fin    bool
	rsv    byte
	op     MessageType
	masked bool
	key    uint32 // its lowest byte masks the first byte of the payload
}

// maxHeader is the most that stands around a payload: 2 bytes, 8 of length, 4
// of mask.
const maxHeader = 14

func appendFrame(dst []byte, v Version, h header, payload []byte) []byte {
	if !v.hixie() {
		return appendHybi(dst, h, payload)
	}
	dst = append((&hixieCodec{}).appendHeader(dst, h, len(payload)), payload...)
	return (&hixieCodec{}).appendTrailer(dst, h)
}

func appendHybi(dst []byte, h header, payload []byte) []byte {
	dst = (&hybiCodec{}).appendHeader(dst, h, len(payload))
	if !h.masked {
		return append(dst, payload...)
	}
	at := len(dst)
	dst = slices.Grow(dst, len(payload))[:at+len(payload)]
	mask.Copy(dst[at:], payload, h.key)
	return dst
}

// hybiCodec is the framing of hybi-07 to RFC 6455, section 5.2.
type hybiCodec struct{}

func (*hybiCodec) check(h header, payload []byte) error {
	switch {
	case !h.op.known():
		return fmt.Errorf("websocket: frame of %v: expected Continuation, Text, Binary, Close, Ping or Pong", h.op)
	case h.rsv > 7:
		return fmt.Errorf("websocket: frame with RSV %#x: expected three bits", h.rsv)
	case h.op.isControl() && len(payload) > maxControlPayload:
		return fmt.Errorf("websocket: %v frame of %d bytes: expected at most %d", h.op, len(payload), maxControlPayload)
	case h.op.isControl() && !h.fin:
		return fmt.Errorf("websocket: fragmented %v frame: expected Fin", h.op)
	}
	return nil
}

func (*hybiCodec) appendHeader(dst []byte, h header, n int) []byte {
	b0 := byte(h.op) | h.rsv<<4
	if h.fin {
		b0 |= 0x80
	}
	var maskBit byte
	if h.masked {
		maskBit = 0x80
	}
	switch {
	case n < 126:
		dst = append(dst, b0, maskBit|byte(n))
	case n < 1<<16:
		dst = append(dst, b0, maskBit|126, byte(n>>8), byte(n))
	default:
		dst = append(dst, b0, maskBit|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	if h.masked {
		dst = binary.LittleEndian.AppendUint32(dst, h.key)
	}
	return dst
}

func (*hybiCodec) appendTrailer(dst []byte, _ header) []byte { return dst }

func (*hybiCodec) parseFrame(src []byte) (Frame, int, error) {
	h, length, n, perr := parseHybiHeader(src)
	if perr != nil {
		return Frame{}, 0, perr
	}
	if n == 0 || length > int64(len(src)-n) {
		return Frame{}, 0, io.ErrUnexpectedEOF
	}
	f := Frame{Fin: h.fin, RSV: h.rsv, Opcode: h.op, Masked: h.masked}
	end := n + int(length)
	f.Payload = src[n:end:end]
	if h.masked {
		binary.LittleEndian.PutUint32(f.MaskKey[:], h.key)
		f.Payload = make([]byte, length)
		mask.Copy(f.Payload, src[n:end], h.key)
	}
	return f, end, nil
}

// parseHybiHeader reads the header at the start of src and its length n, which
// is 0 if there is not all of it. It refuses what no frame may be; what this
// frame may not be at this point is the decoder's business. The length is
// checked before the rest has arrived, so that a peer cannot keep us waiting
// for a frame that will be refused.
func parseHybiHeader(src []byte) (h header, length int64, n int, err *ProtocolError) {
	if len(src) < 2 {
		return header{}, 0, 0, nil
	}
	h = header{
		fin: src[0]&0x80 != 0, rsv: src[0] >> 4 & 7,
		op: MessageType(src[0] & 0x0f), masked: src[1]&0x80 != 0,
	}
	length, n = int64(src[1]&0x7f), 2
	switch {
	case !h.op.known():
		return h, 0, 0, protocolErrorf("frame with reserved %v", h.op)
	case h.op.isControl() && length > maxControlPayload:
		return h, 0, 0, protocolErrorf("%v frame of more than %d bytes", h.op, maxControlPayload)
	case h.op.isControl() && !h.fin:
		return h, 0, 0, protocolErrorf("fragmented %v frame", h.op)
	}
	if length >= 126 {
		if length, n, err = parseHybiLength(src); n == 0 {
			return h, 0, 0, err
		}
	}
	if h.masked {
		if len(src) < n+4 {
			return h, 0, 0, nil
		}
		h.key = binary.LittleEndian.Uint32(src[n:])
		n += 4
	}
	return h, length, n, nil
}

// parseHybiLength reads the two long forms of the length and reports where
// they end, RFC 6455 section 5.2: "the minimal number of bytes MUST be used",
// "the most significant bit MUST be 0".
func parseHybiLength(src []byte) (length int64, n int, err *ProtocolError) {
	if src[1]&0x7f == 126 {
		if len(src) < 4 {
			return 0, 0, nil
		}
		length = int64(binary.BigEndian.Uint16(src[2:]))
		if length < 126 {
			return 0, 0, protocolErrorf("frame length %d written in 16 bits: expected 7", length)
		}
		return length, 4, nil
	}
	if len(src) < 10 {
		return 0, 0, nil
	}
	u := binary.BigEndian.Uint64(src[2:])
	switch {
	case u>>63 != 0:
		return 0, 0, protocolErrorf("frame length %d with the top bit set", u)
	case u < 1<<16:
		return 0, 0, protocolErrorf("frame length %d written in 64 bits: expected 16 or 7", u)
	}
	return int64(u), 10, nil
}

func (*hybiCodec) decode(d *decoder, dst, src []byte) ([]byte, int, event, *ProtocolError) {
	n := 0
	for {
		if d.inFrame {
			at := len(dst)
			var k int
			dst, k = d.payload(dst, src[n:])
			if err := d.checkText(dst[at:]); err != nil {
				return dst, n, needInput, err
			}
			n += k
			switch {
			case d.left > 0 && n == len(src):
				return dst, n, needInput, nil
			case d.left > 0:
				return dst, n, needRoom, nil
			}
			d.inFrame = false
			if d.fin {
				return dst, n, gotMessage, d.endMessage()
			}
		}
		// Here and not in beginHybi, where it would be the deepest on the stack.
		h, length, k, err := parseHybiHeader(src[n:])
		if err == nil && k > 0 {
			err = d.checkFrame(h, length)
		}
		if err != nil || k == 0 {
			return dst, n, needInput, err
		}
		k, ev := d.beginHybi(h, length, src[n:], k)
		n += k
		if k == 0 || ev != needInput {
			return dst, n, ev, nil
		}
	}
}

// beginHybi takes the header of a data frame, which has n bytes, or the whole of
// a control frame. It takes nothing if less is there.
func (d *decoder) beginHybi(h header, length int64, src []byte, n int) (int, event) {
	switch {
	case !h.op.isControl():
		d.beginFrame(h, length)
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
