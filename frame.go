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
	// occurs in [Frame] and [FrameInfo] only.
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

// checkMessageType returns an error unless t is Text or Binary.
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

// AppendFrame appends the bytes of f on the wire to dst. For frames that no
// version allows it returns an error and appends nothing: unknown opcodes, more
// than three reserved bits, control frames that are fragmented or longer than
// 125 bytes. On the hixie versions it does so for everything but Close without
// payload and unfragmented valid UTF-8 text; the error for what these versions
// lack wraps [errors.ErrUnsupported]. Payload and dst must not overlap. To send
// whole messages [AppendMessage] is simpler.
func AppendFrame(dst []byte, v Version, f Frame) ([]byte, error) {
	if err := v.check(); err != nil {
		return dst, err
	}
	h := header{
		fin: f.Fin, rsv: f.RSV, op: f.Opcode,
		masked: f.Masked, key: binary.LittleEndian.Uint32(f.MaskKey[:]),
	}
	if err := framingOf(v).check(h, f.Payload); err != nil {
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
	return framingOf(v).parseFrame(src)
}

// framing encodes and decodes single frames of one family of versions. It has
// no state and knows nothing about messages. The implementations have methods
// with pointer receivers, because an interface calls value methods through
// wrappers, which use stack.
type framing interface {
	// check returns an error if the frame cannot be sent.
	check(h header, payload []byte) error
	// appendHeader appends the bytes before a payload of n bytes, and
	// appendTrailer those after it.
	appendHeader(dst []byte, h header, n int) []byte
	appendTrailer(dst []byte, h header) []byte
	// parseFrame implements ParseFrame.
	parseFrame(src []byte) (Frame, int, error)
}

func framingOf(v Version) framing {
	switch v {
	case Hybi00, Hixie75:
		return &hixieFraming{}
	default:
		return &hybiFraming{}
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

// maxHeader is the largest number of bytes that a frame needs besides its
// payload: 2, then 8 for the length and 4 for the masking key.
const maxHeader = 14

// rsvCompressed is RSV1, which marks a compressed message, RFC 7692 section 6.
const rsvCompressed = 4

func appendFrame(dst []byte, v Version, h header, payload []byte) []byte {
	if !v.hixie() {
		return appendHybi(dst, h, payload)
	}
	f := &hixieFraming{}
	return f.appendTrailer(append(f.appendHeader(dst, h, len(payload)), payload...), h)
}

// appendHybi is appendFrame for the versions from hybi-07 on.
func appendHybi(dst []byte, h header, payload []byte) []byte {
	dst = (&hybiFraming{}).appendHeader(dst, h, len(payload))
	if !h.masked {
		return append(dst, payload...)
	}
	at := len(dst)
	dst = slices.Grow(dst, len(payload))[:at+len(payload)]
	mask.Copy(dst[at:], payload, h.key)
	return dst
}

// event says why decoding has stopped.
type event uint8

const (
	needInput   event = iota // decoding needs more bytes than src holds
	needRoom                 // dst is full, and src has more payload
	gotFragment              // a frame of a compressed message is complete, and more follow; decoding can go on
	gotMessage               // a message is complete, and the rest of its payload is in dst
	gotControl               // a control frame is complete
)

// frameState holds the state of the frame that is being decoded.
type frameState struct {
	left   int64  // bytes of payload still to come
	key    uint32 // the masking key, rotated for the next byte of payload
	open   bool   // the header is decoded, the payload is not complete
	fin    bool
	masked bool
	hixie  hixieState
}

// payload appends payload from src to dst and unmasks it. It stops at the end
// of the frame, of src or of the capacity of dst, and returns the number of
// bytes.
func (f *frameState) payload(dst, src []byte) ([]byte, int) {
	n := int(min(f.left, int64(min(len(src), cap(dst)-len(dst)))))
	at := len(dst)
	dst = dst[:at+n]
	if f.masked {
		f.key = mask.Copy(dst[at:], src[:n], f.key)
	} else {
		copy(dst[at:], src[:n])
	}
	f.left -= int64(n)
	return dst, n
}

// inPlace unmasks p, payload that was read directly into the message, and counts
// it.
func (f *frameState) inPlace(p []byte) {
	if f.masked {
		f.key = mask.Copy(p, p, f.key)
	}
	f.left -= int64(len(p))
}

// hybiFraming is the framing of RFC 6455 section 5.2 and of the drafts from
// hybi-07 on.
type hybiFraming struct{}

func (*hybiFraming) check(h header, payload []byte) error {
	switch {
	case !h.op.known():
		return fmt.Errorf("websocket: frame of %v: expected Continuation, Text, Binary, Close, Ping or Pong", h.op)
	case h.rsv > 7:
		return fmt.Errorf("websocket: frame with RSV %#x: expected 0 to 7", h.rsv)
	case h.op.isControl() && len(payload) > maxControlPayload:
		return fmt.Errorf("websocket: %v frame of %d bytes: expected at most %d", h.op, len(payload), maxControlPayload)
	case h.op.isControl() && !h.fin:
		return fmt.Errorf("websocket: fragmented %v frame: expected Fin", h.op)
	}
	return nil
}

func (*hybiFraming) appendHeader(dst []byte, h header, n int) []byte {
	b0 := byte(h.op) | h.rsv<<4
	if h.fin {
		b0 |= 0x80
	}
	var b1 byte
	if h.masked {
		b1 = 0x80
	}
	switch {
	case n < 126:
		dst = append(dst, b0, b1|byte(n))
	case n < 1<<16:
		dst = append(dst, b0, b1|126, byte(n>>8), byte(n))
	default:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	if h.masked {
		dst = binary.LittleEndian.AppendUint32(dst, h.key)
	}
	return dst
}

func (*hybiFraming) appendTrailer(dst []byte, _ header) []byte { return dst }

func (*hybiFraming) parseFrame(src []byte) (Frame, int, error) {
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

// parseHybiHeader parses the frame header at the start of src. It returns the
// length of the payload, and n, the length of the header, which is 0 if src
// does not hold all of it. It checks the rules that hold for every frame. The
// decoder checks those that depend on the side and on earlier frames. Opcode
// and length are checked before the rest of the header has arrived, so that a
// peer cannot keep the receiver waiting for a frame that will be refused.
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
		return h, 0, 0, protocolErrorf("%v frame of more than %d bytes, the most that is allowed", h.op, maxControlPayload)
	case h.op.isControl() && !h.fin:
		return h, 0, 0, protocolErrorf("fragmented %v frame: expected it in one piece", h.op)
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

// parseHybiLength parses a length of 16 or 64 bits. It returns n, the offset of
// its end in src, or 0 if src does not hold all of it. RFC 6455 section 5.2:
// "the minimal number of bytes MUST be used", "the most significant bit MUST be
// 0".
func parseHybiLength(src []byte) (length int64, n int, err *ProtocolError) {
	if src[1]&0x7f == 126 {
		if len(src) < 4 {
			return 0, 0, nil
		}
		length = int64(binary.BigEndian.Uint16(src[2:]))
		if length < 126 {
			return 0, 0, protocolErrorf("frame length %d written in 16 bits: expected 7 bits", length)
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
		return 0, 0, protocolErrorf("frame length %d written in 64 bits: expected 7 or 16 bits", u)
	}
	return int64(u), 10, nil
}
