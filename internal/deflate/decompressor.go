package deflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Decompressor decompresses the messages of one direction of one connection. It
// must not be used by two goroutines at once.
type Decompressor struct {
	WindowBits      int  // a distance longer than 1<<WindowBits bytes is an error; 8 to 15
	ContextTakeover bool // whether a message may refer to those before it

	// Tolerant is for a peer that was asked for a window of 1<<WindowBits bytes
	// and may not obey. Distances up to 32 KiB are then accepted within a message.
	// Of the messages before it 32 KiB are kept at first, as for any peer. If the
	// first 64 KiB have no distance longer than 1<<WindowBits, only that much is
	// kept from then on.
	Tolerant bool

	window window
	taken  int64 // how many bytes the messages so far were decompressed to
	wide   bool  // a distance was longer than 1<<WindowBits
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
	Len    int   // the length of the payload
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("expected a message compressed as RFC 1951 has it: %v, at byte %d of %d", e.Err, e.Offset, e.Len)
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

var decompressions = sync.Pool{New: func() any { return new(decompression) }}

// Append appends the decompressed payload to dst. It returns ErrTooLarge as
// soon as that is more than limit bytes, and a *CorruptError if payload is not
// a valid deflate stream. After an error the appended bytes mean nothing, and d
// must not be used again.
func (d *Decompressor) Append(dst, payload []byte, limit int64) ([]byte, error) {
	if len(payload) == 0 {
		return dst, nil // zlib compresses an empty message to nothing, not to the 0x00 of RFC 7692 section 7.2.3.6
	}
	s := decompressions.Get().(*decompression)
	s.begin(d, dst, payload, limit)
	err := s.message()
	n := len(dst)
	dst = s.finish()
	if err == nil && d.ContextTakeover {
		d.taken += int64(len(dst) - n)
		d.window.slide(dst[n:], d.keeps())
	}
	return dst, err
}

// decompression is the memory in which one message is decompressed.
type decompression struct {
	bitReader
	of     *Decompressor
	out    []byte
	start  int    // where the message begins in out
	end    int    // the limit for the length of out
	window []byte // the end of the messages before this one
	reach  int    // the longest distance that is expected

	lits, dists, lens prefixCode // the codes of a block that brings its own
	lengths           [maxLits + maxDists]uint8
}

// begin prepares s for a message that is appended to dst.
func (s *decompression) begin(d *Decompressor, dst, payload []byte, limit int64) {
	s.of, s.window, s.reach = d, d.window, d.reach()
	s.in, s.at, s.acc, s.n = payload, 0, 0, 0
	s.out, s.start, s.end = dst, len(dst), math.MaxInt
	if limit < int64(math.MaxInt-len(dst)) {
		s.end = len(dst) + int(limit)
	}
}

// finish puts s back into the pool and returns what was decompressed.
func (s *decompression) finish() []byte {
	out := s.out
	s.of, s.in, s.out, s.window = nil, nil, nil, nil
	decompressions.Put(s)
	return out
}

// maxTurn is how many bits a length and its distance take at most, with their
// extra bits.
const maxTurn = 15 + 5 + 15 + 13

var (
	errTruncated = errors.New("truncated")
	errStored    = errors.New("length of a stored block does not match its complement")
	errBlockType = errors.New("block of type 3, which there is not")
	errLengths   = errors.New("code lengths that do not make a code")
	errSymbol    = errors.New("bits that stand for nothing")
)

// message decompresses all blocks. The sender ends a message with a flush,
// which is an empty stored block, and removes the last four bytes of that, RFC
// 7692 section 7.2.1: the message is complete where those bytes would begin. It
// may also end with a final block, and even go on after one, section 7.2.3.4.
func (s *decompression) message() error {
	for {
		h, err := s.bits(3)
		if err == nil {
			if h>>1 == 0 && s.atEnd() { // the four bytes that were removed, final or not
				return nil
			}
			err = s.block(h >> 1)
		}
		switch {
		case err != nil:
			return s.failed(err)
		case h&1 == 1 && s.atEnd():
			return nil
		}
	}
}

// failed turns err into the error that Append returns. Inlined it would take 24
// bytes of stack from message, whose calls go deep.
//
//go:noinline
func (s *decompression) failed(err error) error {
	if err == ErrTooLarge {
		return err
	}
	return &CorruptError{Err: err, Offset: s.at - int(s.n>>3), Len: len(s.in)}
}

// atEnd skips the rest of the byte, and reports whether it was the last one.
func (s *decompression) atEnd() bool {
	s.align()
	return s.at == len(s.in)
}

// block decompresses the rest of a block after its header.
func (s *decompression) block(typ uint) error {
	switch typ {
	case 0:
		return s.stored()
	case 1:
		return s.compressed(&fixedLitCode, &fixedDistCode)
	case 2:
		if err := s.readCodes(); err != nil {
			return err
		}
		return s.compressed(&s.lits, &s.dists)
	}
	return errBlockType
}

// stored copies an uncompressed block, RFC 1951 section 3.2.4.
func (s *decompression) stored() error {
	s.align()
	p := s.in[s.at:]
	if len(p) < 4 {
		return errTruncated
	}
	n := int(binary.LittleEndian.Uint16(p))
	switch {
	case n^0xffff != int(binary.LittleEndian.Uint16(p[2:])):
		return errStored
	case n > len(p)-4:
		return errTruncated
	case n > s.end-len(s.out):
		return ErrTooLarge
	}
	s.out = append(s.out, p[4:4+n]...)
	s.at += 4 + n
	return nil
}

// compressed decompresses a block of literals, and of lengths with distances,
// RFC 1951 section 3.2.3. Its state is in local variables while it runs. Each
// turn of the loop begins with as many bits as a turn can take, or all that are
// left.
func (s *decompression) compressed(lits, dists *prefixCode) error {
	out, acc, n, err := s.out, s.acc, s.n, error(nil)
	room := min(s.end, cap(out))
	for err == nil {
		if n < maxTurn {
			s.acc, s.n = acc, n
			s.fill()
			acc, n = s.acc, s.n
		}
		e := lits.find(acc)
		used := e.bits()
		switch {
		case used > n:
			err = errTruncated
		case e.kind() == kindLiteral && len(out) < room:
			out = append(out, byte(e>>16))
			acc, n = acc>>used, n-used
		case e.kind() == kindLiteral:
			out, room, err = s.grow(out, 1)
		case e.kind() == kindBase:
			length, d := e.value(acc), dists.find(acc>>(used+e.extra()))
			used += e.extra()
			dist := d.value(acc >> used)
			used += d.bits() + d.extra()
			from := len(out) - dist
			switch {
			case d.kind() != kindBase:
				err = errSymbol
			case used > n:
				err = errTruncated
			case length > room-len(out):
				out, room, err = s.grow(out, length)
			case dist > s.reach:
				err = s.lengthen(dist)
			case from >= s.start && length <= dist:
				out = append(out, out[from:from+length]...)
				acc, n = acc>>used, n-used
			default:
				out, err = s.copyBack(out, length, dist)
				acc, n = acc>>used, n-used
			}
		case e.kind() == kindEnd:
			s.out, s.acc, s.n = out, acc>>used, n-used
			return nil
		default:
			err = errSymbol
		}
	}
	s.out, s.acc, s.n = out, acc, n
	return err
}

// grow makes room in out for n more bytes, and returns the length up to which
// out may grow. The room depends on how much came in and out so far: a message
// that grows a thousandfold takes at most twice as much memory as its
// decompressed bytes.
func (s *decompression) grow(out []byte, n int) ([]byte, int, error) {
	if n > s.end-len(out) {
		return out, 0, ErrTooLarge
	}
	if n > cap(out)-len(out) {
		step := max(n, 256, len(s.in), len(out)-s.start)
		out = slices.Grow(out, min(step, s.end-len(out)))
	}
	return out, min(s.end, cap(out)), nil
}

// lengthen makes a distance possible that is longer than any so far, or returns
// an error.
//
//go:noinline
func (s *decompression) lengthen(dist int) error {
	if !s.of.Tolerant {
		return s.tooFar(dist)
	}
	s.of.wide, s.reach = true, maxWindow
	return nil
}

func (s *decompression) tooFar(dist int) error {
	return DistanceError{Distance: dist, Window: 1 << s.of.WindowBits}
}

// copyBack copies bytes that begin before the message, in the window, or that
// overlap the place to which they are copied. out has room for them.
func (s *decompression) copyBack(out []byte, length, dist int) ([]byte, error) {
	if before := dist - (len(out) - s.start); before > 0 {
		if before > len(s.window) {
			return out, s.tooFar(dist)
		}
		w := s.window[len(s.window)-before:]
		w = w[:min(length, before)]
		out = append(out, w...)
		length -= len(w)
	}
	for from := len(out) - dist; length > 0; {
		p := out[from:]
		p = p[:min(length, len(p)-len(p)%dist)]
		out = append(out, p...)
		length -= len(p)
	}
	return out, nil
}

// readCodes reads the codes of a block that brings its own, RFC 1951 section
// 3.2.7.
func (s *decompression) readCodes() error {
	h, err := s.bits(14)
	if err != nil {
		return err
	}
	nlits, ndists, nlens := 257+h&31, 1+h>>5&31, 4+h>>10
	if nlits > maxLits || ndists > maxDists {
		return errLengths
	}
	lens := s.lengths[:len(lengthOrder)]
	clear(lens)
	for _, i := range lengthOrder[:nlens] {
		l, err := s.bits(3)
		if err != nil {
			return err
		}
		lens[i] = uint8(l)
	}
	if !s.lens.build(lens, litEntries[:], 7) {
		return errLengths
	}
	lengths := s.lengths[:nlits+ndists]
	if err := s.readLengths(lengths); err != nil {
		return err
	}
	if !s.lits.build(lengths[:nlits], litEntries[:], litBits) || !s.dists.build(lengths[nlits:], distEntries[:], distBits) {
		return errLengths
	}
	return nil
}

// readLengths reads the lengths of codes, which are written with a code
// themselves.
func (s *decompression) readLengths(lengths []uint8) error {
	for i := 0; i < len(lengths); {
		s.fill()
		e := s.lens.find(s.acc)
		switch {
		case e == 0:
			return errSymbol
		case e.bits() > s.n:
			return errTruncated
		}
		s.drop(e.bits())
		l, n := uint8(e>>16), uint(1)
		if l >= 16 { // a run
			extra, err := s.bits(lengthRuns[l-16].extra)
			if err != nil {
				return err
			}
			n = lengthRuns[l-16].base + extra
			switch {
			case l > 16:
				l = 0
			case i == 0:
				return errLengths
			default:
				l = lengths[i-1]
			}
		}
		if n > uint(len(lengths)-i) {
			return errLengths
		}
		for range n {
			lengths[i] = l
			i++
		}
	}
	return nil
}

// lengthRuns are the lengths of the runs that the symbols 16, 17 and 18 stand
// for: base plus the extra bits.
var lengthRuns = [3]struct{ extra, base uint }{{2, 3}, {3, 3}, {7, 11}}
