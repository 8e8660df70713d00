package websocket

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// hixieFraming is the framing of hixie-75 and hixie-76 (= hybi-00), section 4.2
// of the latter. A text frame is text between 0x00 and 0xFF. A frame whose type
// has the high bit set has a length in base 128, and receivers skip it. The
// type 0xFF with length 0 closes the connection.
type hixieFraming struct{}

const (
	hixieTextStart = 0x00
	hixieTextEnd   = 0xff // never occurs in UTF-8
	hixieClose     = 0xff // the type of a frame with length 0
	hixieLength    = 0x80 // the bit set in the types of frames that have a length
)

func (*hixieFraming) check(h header, payload []byte) error {
	switch {
	case h.op != Text && h.op != Close:
		return errHixie(fmt.Sprint(h.op))
	case !h.fin || h.rsv != 0 || h.masked:
		return errHixie("fragmented, masked or extended frame")
	case h.op == Close && len(payload) > 0:
		return errHixie("Close with code or reason")
	case !utf8.Valid(payload):
		return errNotUTF8
	}
	return nil
}

func (*hixieFraming) appendHeader(dst []byte, h header, _ int) []byte {
	if h.op == Close {
		return append(dst, hixieClose)
	}
	return append(dst, hixieTextStart)
}

func (*hixieFraming) appendTrailer(dst []byte, h header) []byte {
	if h.op == Close {
		return append(dst, 0x00)
	}
	return append(dst, hixieTextEnd)
}

func (*hixieFraming) parseFrame(src []byte) (Frame, int, error) {
	var f frameState
	payload := []byte{} // without capacity len(src): src may hold many more frames
	for n := 0; ; {
		out, k, ev, err := f.nextHixie(payload, src[n:], math.MaxInt64)
		payload = out
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
		case ev == needInput:
			return Frame{}, 0, io.ErrUnexpectedEOF
		}
	}
}

// hixieRoom returns how much room to make for the text at the start of rest.
// Other frames may follow the text, and need none. An invalid byte becomes
// U+FFFD, which is longer: UTFMax bytes are enough for one of them, and after
// that decoding stops with needRoom again.
func hixieRoom(rest []byte) int {
	if end := bytes.IndexByte(rest, hixieTextEnd); end >= 0 {
		return end + utf8.UTFMax
	}
	return len(rest) + utf8.UTFMax
}

// hixieState says what the next byte of the stream belongs to.
type hixieState uint8

const (
	hixieBetween   hixieState = iota // the next byte is the type of a frame
	hixieInText                      // a text frame, after the type
	hixieSkipText                    // a frame of unknown type that ends with 0xFF
	hixieSkipBytes                   // a frame that has a length; frameState.left bytes remain
)

// nextHixie decodes src until there is an event to report. It returns n, the
// number of bytes it has consumed. It appends text to dst, within the capacity
// of dst. limit bounds the length of a frame that is skipped.
func (f *frameState) nextHixie(dst, src []byte, limit int64) (out []byte, n int, ev event, err *ProtocolError) {
	for n < len(src) {
		switch f.hixie {
		case hixieBetween:
			if src[n] == hixieTextStart {
				f.hixie, f.open = hixieInText, true
				n++
				continue
			}
			k, ev, err := f.beginHixie(src[n:], limit)
			n += k
			if err != nil || k == 0 || ev != needInput {
				return dst, n, ev, err
			}
		case hixieInText:
			out, k, ev := hixieText(dst, src[n:])
			if ev == gotMessage {
				f.hixie, f.open = hixieBetween, false
			}
			return out, n + k, ev, nil
		case hixieSkipText:
			end := bytes.IndexByte(src[n:], hixieTextEnd)
			if end < 0 {
				return dst, len(src), needInput, nil
			}
			n += end + 1
			f.hixie = hixieBetween
		case hixieSkipBytes:
			k := int(min(f.left, int64(len(src)-n)))
			n += k
			if f.left -= int64(k); f.left == 0 {
				f.hixie = hixieBetween
			}
		}
	}
	return dst, n, needInput, nil
}

// beginHixie parses the type of a frame other than text, and its length if it
// has one. It returns how many bytes they take, or 0 if src does not hold all of them.
func (f *frameState) beginHixie(src []byte, limit int64) (n int, ev event, err *ProtocolError) {
	switch kind := src[0]; {
	case kind&hixieLength == 0:
		f.hixie = hixieSkipText
		return 1, needInput, nil
	default:
		length, n, err := parseHixieLength(src, limit)
		switch {
		case err != nil || n == 0:
			return 0, needInput, err
		case length > 0:
			f.hixie, f.left = hixieSkipBytes, length
		case kind == hixieClose:
			return n, gotControl, nil
		}
		return n, needInput, nil
	}
}

// maxHixieLength is the maximum number of bytes in a length. Eight bytes are
// enough for 64 PiB, but the draft also allows any number of leading zeros.
// Nine bytes hold 63 bits, so a length never overflows an int64.
const maxHixieLength = 9

// parseHixieLength parses the length that follows the type in src[0], 7 bits
// per byte. It returns n, the offset of its end in src, or 0 if src does not
// hold all of it. It checks the limit after each byte: frames that are skipped
// have a limit too.
func parseHixieLength(src []byte, limit int64) (length int64, n int, err *ProtocolError) {
	for i, b := range src[1:] {
		length = length<<7 | int64(b&0x7f)
		switch {
		case length > limit:
			return 0, 0, errTooBig("frame of at least %d bytes, to be skipped: limit is %d (Config.MaxMessageSize)", length, limit)
		case b&0x80 == 0:
			return length, i + 2, nil
		case i+1 == maxHixieLength:
			return 0, 0, protocolErrorf("frame length of more than %d bytes", maxHixieLength)
		}
	}
	return 0, 0, nil
}

// hixieText appends text from src to dst, up to the end of the frame and within
// the capacity of dst. Each byte that is not valid UTF-8 becomes U+FFFD,
// hixie-76 section 4.2. A character that has not arrived completely stays in
// src.
func hixieText(dst, src []byte) (out []byte, n int, ev event) {
	room := cap(dst) - len(dst)
	window := src[:min(len(src), room+1)] // one byte more, since 0xFF needs no room
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
	dst, n = appendValid(dst, text)
	switch {
	case n < len(text):
		return dst, n, needRoom
	case ev == gotMessage:
		n++
	}
	return dst, n, ev
}

// incompleteTail returns the number of bytes at the end of p that are the start
// of a UTF-8 sequence and that later bytes could complete.
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

// appendValid appends text to dst, within the capacity of dst, with U+FFFD for
// each byte that is not valid UTF-8. It returns how many bytes of text it has
// consumed. dst must have room for text that is valid.
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
