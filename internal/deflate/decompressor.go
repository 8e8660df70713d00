package deflate

import (
	"errors"
	"fmt"
)

// Decompressor decompresses the messages of one direction of one connection, as
// they arrive. Its state lives in the value, so that a message may come in pieces
// of any size, and leave in pieces of any size. The memory in which a message is
// decompressed is borrowed from its first byte to its last. It must not be used
// by two goroutines at once.
type Decompressor struct {
	WindowBits      int  // a distance longer than 1<<WindowBits bytes is an error; 8 to 15
	ContextTakeover bool // whether a message may refer to those before it

	// Tolerant is for a peer that was asked for a window of 1<<WindowBits bytes
	// and may not obey. Distances up to 32 KiB are then accepted within a message.
	// Of the messages before it 32 KiB are kept at first, as for any peer. If the
	// first 64 KiB have no distance longer than 1<<WindowBits, only that much is
	// kept, until there is one.
	Tolerant bool

	window  window
	message *decompression // the message in progress; nil if there is none
	taken   int64          // how many bytes the messages so far were decompressed to
	wide    bool           // a distance was longer than 1<<WindowBits
}

const (
	maxWindow = 1 << 15  // the longest distance that deflate has
	trial     = 64 << 10 // how many bytes show whether a peer obeys
)

// reach returns the longest distance that d expects.
func (d *Decompressor) reach() int {
	if d.wide {
		return maxWindow
	}
	return 1 << d.WindowBits
}

// farthest returns the longest distance that d takes within a message.
func (d *Decompressor) farthest() int {
	if d.Tolerant {
		return maxWindow
	}
	return d.reach()
}

// keeps returns how much d keeps of the messages so far.
func (d *Decompressor) keeps() int {
	if d.Tolerant && d.taken < trial {
		return maxWindow
	}
	return d.reach()
}

// ErrTooLarge is the error of a message that decompresses to more bytes than
// the limit.
var ErrTooLarge = errors.New("message decompresses to more than the limit")

// CorruptError is the error of a message that is not a valid deflate stream.
type CorruptError struct {
	Err    error // what is wrong
	Offset int   // the byte of the payload at which decompressing stopped
	Len    int   // the length of the payload; 0 if the rest of it has not arrived
}

func (e *CorruptError) Error() string {
	text := fmt.Sprintf("expected a message compressed as RFC 1951 has it: %v, at byte %d", e.Err, e.Offset)
	if e.Len > 0 {
		text += fmt.Sprintf(" of %d", e.Len)
	}
	return text
}

// Unwrap returns e.Err.
func (e *CorruptError) Unwrap() error { return e.Err }

// DistanceError is the error of a message that refers to more than there is. If
// Distance is greater than Window, the sender may have used a larger window
// than it was asked for.
type DistanceError struct {
	Distance int // in bytes
	Window   int // 1<<WindowBits
}

func (e DistanceError) Error() string {
	if e.Distance > e.Window {
		return fmt.Sprintf("distance of %d bytes, beyond the window of %d", e.Distance, e.Window)
	}
	return fmt.Sprintf("distance of %d bytes, beyond the first byte", e.Distance)
}

// Append decompresses src, which is the next part of a message, and appends the
// result to dst, within the capacity of dst. last tells that the message ends
// with src. It returns how many bytes of src it has consumed, and whether dst was
// too short for all that comes out: then call it again with the rest of src, and
// more room. Otherwise it has consumed all of src; if last is set, the message is
// complete. A message does not begin before there is room.
//
// limit is how many bytes the message may have. That of the first call for a
// message counts. Append returns ErrTooLarge as soon as there is a byte more, and a
// *CorruptError if the message is not a valid deflate stream. After an error d
// must not be used again.
func (d *Decompressor) Append(dst, src []byte, last bool, limit int64) (out []byte, n int, full bool, err error) {
	s := d.message
	switch {
	case s != nil:
	case len(src) > 0 && len(dst) == cap(dst):
		return dst, 0, true, nil
	case len(src) == 0 && !last:
		return dst, 0, false, nil
	default:
		s = beginDecompression(d, limit)
		d.message = s
	}
	s.in, s.at, s.last = src, 0, last
	if s.buf == nil && last {
		dst, err = s.whole(dst)
	} else {
		dst, err = s.piece(dst)
	}
	n, full = s.at, err == nil && s.given < len(s.out)
	switch {
	case err != nil:
		err = s.failed(err)
		d.Drop()
	case full || s.state != atEnd:
		s.before, s.in = s.before+n, nil
	default:
		s.keep()
		d.Drop()
	}
	return dst, n, full, err
}

// Drop gives back what is borrowed for the message in progress, of which nobody
// wants the rest. If there is context takeover, d must not be used again.
func (d *Decompressor) Drop() {
	if d.message != nil {
		d.message.giveBack()
		d.message = nil
	}
}

// InMessage reports whether a message is in progress, and memory borrowed for
// it.
func (d *Decompressor) InMessage() bool { return d.message != nil }
