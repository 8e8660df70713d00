package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// hixieCodec is the framing of hixie-75 and hixie-76 (= hybi-00), section 4.2
// of the latter: text stands between 0x00 and 0xFF, and a frame whose type has
// the high bit set has a length in base 128 and is skipped.
type hixieCodec struct{}

const (
	hixieTextStart = 0x00
	hixieTextEnd   = 0xff // never occurs in UTF-8
	hixieClose     = 0xff // as a type, with length 0
	hixieLength    = 0x80 // set in the types of frames that have a length
)

// errHixie is what is answered to a wish for what these versions lack.
func errHixie(what string) error {
	return fmt.Errorf("websocket: %s on draft-ietf-hybi-00 or draft-hixie-75, which have only text: %w", what, errors.ErrUnsupported)
}

func (*hixieCodec) check(h header, payload []byte) error {
	switch {
	case h.op != Text && h.op != Close:
		return errHixie(h.op.String())
	case !h.fin || h.rsv != 0 || h.masked:
		return errHixie("fragmented, masked or extended frame")
	case h.op == Close && len(payload) > 0:
		return errHixie("Close with code or reason")
	case !utf8.Valid(payload):
		return errNotUTF8
	}
	return nil
}

// errNotUTF8 is a writer's fault. It is checked on these versions only because
// only here a wrong byte, 0xFF, would change where the message ends.
var errNotUTF8 = errors.New("websocket: text message is not valid UTF-8, which draft-ietf-hybi-00 and draft-hixie-75 cannot carry")

func (*hixieCodec) appendHeader(dst []byte, h header, _ int) []byte {
	if h.op == Close {
		return append(dst, hixieClose)
	}
	return append(dst, hixieTextStart)
}

func (*hixieCodec) appendTrailer(dst []byte, h header) []byte {
	if h.op == Close {
		return append(dst, 0x00)
	}
	return append(dst, hixieTextEnd)
}

func (c *hixieCodec) parseFrame(src []byte) (Frame, int, error) {
	d := decoder{version: Hybi00, maxSize: math.MaxInt64}
	payload := []byte{} // not of len(src), which may hold many frames after this
	for n := 0; ; {
		var k int
		var ev event
		var err *ProtocolError
		payload, k, ev, err = c.decode(&d, payload, src[n:])
		n += k
		switch {
		case err != nil:
			return Frame{}, 0, err
		case ev == needRoom:
			payload = slices.Grow(payload, hixieRoom(src[n:]))
		case ev == gotMessage:
			return Frame{Fin: true, Opcode: Text, Payload: payload}, n, nil
		case ev == gotControl:
			return Frame{Fin: true, Opcode: Close}, n, nil
		default:
			return Frame{}, 0, io.ErrUnexpectedEOF
		}
	}
}

// hixieRoom is how much room text needs of which rest has arrived, with what
// may stand after it. What is broken gets longer still when it is replaced.
func hixieRoom(rest []byte) int {
	if end := bytes.IndexByte(rest, hixieTextEnd); end >= 0 {
		return end + utf8.UTFMax
	}
	return len(rest) + utf8.UTFMax
}

// hixieState is where in the stream a hixie decoder is.
type hixieState uint8

const (
	hixieBetween   hixieState = iota // the next byte is a frame's type
	hixieInText                      // between 0x00 and 0xFF
	hixieSkipText                    // the same behind a type without meaning
	hixieSkipBytes                   // in a frame with a length, decoder.left to go
)

func (*hixieCodec) decode(d *decoder, dst, src []byte) ([]byte, int, event, *ProtocolError) {
	n := 0
	for n < len(src) {
		switch d.hixie {
		case hixieBetween:
			k, err := d.beginHixie(src[n:])
			if err != nil || k == 0 {
				return dst, n, needInput, err
			}
			n += k
			if d.hixie == hixieBetween && d.controlOp == Close {
				return dst, n, gotControl, nil
			}
		case hixieInText:
			out, k, ev, err := d.hixieText(dst, src[n:])
			dst, n = out, n+k
			if err != nil || ev != gotMessage {
				return dst, n, ev, err
			}
			d.hixie = hixieBetween
			return dst, n, gotMessage, d.endMessage()
		case hixieSkipText:
			end := bytes.IndexByte(src[n:], hixieTextEnd)
			if end < 0 {
				return dst, len(src), needInput, nil
			}
			n += end + 1
			d.hixie = hixieBetween
		case hixieSkipBytes:
			k := int(min(d.left, int64(len(src)-n)))
			n += k
			if d.left -= int64(k); d.left == 0 {
				d.hixie = hixieBetween
			}
		}
	}
	return dst, n, needInput, nil
}

// beginHixie reads the type of a frame, and its length if it has one, and
// reports how long they were, 0 if not all of it is in src.
func (d *decoder) beginHixie(src []byte) (int, *ProtocolError) {
	switch kind := src[0]; {
	case kind == hixieTextStart:
		d.hixie = hixieInText
		d.beginMessage(Text)
		d.traceFrame(FrameInfo{Type: Text, Fin: true, Length: -1})
		return 1, nil
	case kind&hixieLength == 0:
		d.hixie = hixieSkipText
		return 1, nil
	default:
		length, n, err := parseHixieLength(src, d.maxSize)
		switch {
		case err != nil || n == 0:
			return 0, err
		case length > 0:
			d.hixie, d.left = hixieSkipBytes, length
		case kind == hixieClose:
			d.setControl(Close, nil)
		}
		return n, nil
	}
}

// maxHixieLength is how many bytes a length may have. Eight would do for any
// length; zeros may stand before it, but not for ever.
const maxHixieLength = 9

// parseHixieLength reads the length behind the type in src[0], 7 bits a byte,
// and reports where it ends, 0 if not in src. The limit is held byte by byte:
// the length of a frame that is to be skipped may still not be anything.
func parseHixieLength(src []byte, limit int64) (length int64, n int, err *ProtocolError) {
	for i, b := range src[1:] {
		length = length<<7 | int64(b&0x7f)
		switch {
		case length > limit:
			return 0, 0, errTooBig("frame of at least %d bytes, to be skipped: limit is %d", length, limit)
		case b&0x80 == 0:
			return length, i + 2, nil
		case i+1 == maxHixieLength:
			return 0, 0, protocolErrorf("frame length of more than %d bytes", maxHixieLength)
		}
	}
	return 0, 0, nil
}

// hixieText moves text from src to dst up to the end of the frame, as far as
// dst has room. What is not UTF-8 becomes U+FFFD, hixie-76 section 4.2; a
// sequence of which the end has not arrived stays in src.
func (d *decoder) hixieText(dst, src []byte) (out []byte, n int, ev event, err *ProtocolError) {
	room := cap(dst) - len(dst)
	window := src[:min(len(src), room+1)] // one more: the end needs no room
	end := bytes.IndexByte(window, hixieTextEnd)
	text := window[:min(len(window), room)]
	ev = needInput
	switch {
	case end >= 0:
		text, ev = window[:end], gotMessage
	case len(window) < len(src) || len(text) < len(window):
		ev = needRoom
	}
	if ev != gotMessage {
		text = text[:len(text)-incompleteTail(text)]
	}
	before := len(dst)
	dst, n = appendValid(dst, text)
	if d.size += int64(len(dst) - before); d.size > d.maxSize {
		return dst, n, needInput, errTooBig("text of more than %d bytes", d.maxSize)
	}
	switch {
	case n < len(text):
		return dst, n, needRoom, nil
	case ev == gotMessage:
		n++
	}
	return dst, n, ev, nil
}

// incompleteTail reports how many bytes at the end of p begin a sequence that
// more bytes could complete.
func incompleteTail(p []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if tail := p[len(p)-i:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return i
		}
	}
	return 0
}

// appendValid appends text to dst within its capacity, with U+FFFD for each
// byte that is not UTF-8, and reports how much of text that took.
func appendValid(dst, text []byte) ([]byte, int) {
	if utf8.Valid(text) {
		return append(dst, text...), len(text)
	}
	n := 0
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		if cap(dst)-len(dst) < utf8.RuneLen(r) {
			break
		}
		dst = utf8.AppendRune(dst, r)
		n += size
	}
	return dst, n
}
