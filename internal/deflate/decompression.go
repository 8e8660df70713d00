package deflate

import (
	"errors"
	"math"
	"sync"
)

// decompression is the memory in which one message is decompressed. It can stop
// at any byte that comes in or goes out.
//
// A message that comes in one piece is decompressed straight into the memory of
// the caller, as long as there is room. Otherwise it is decompressed into buf and
// copied, because the caller may take away what it was given: what a distance may
// refer to must stay.
type decompression struct {
	bitReader
	last   bool // in is the end of the message
	before int  // how many bytes of the message came before in

	of     *Decompressor
	window []byte // the end of the messages before this one
	reach  int    // the longest distance that is expected
	limit  int64  // how many bytes the message may have

	buf   *outBuffer // nil if out is memory of the caller
	out   []byte
	start int   // where the message begins in out, or what is left of it
	end   int   // the limit for the length of out
	given int   // how much of out the caller has
	gone  int64 // how many bytes of the message are not in out any more

	state blockState
	final bool // the block says that it is the last one
	left  int  // how many bytes of a stored block are to come

	nlits, ndists, nlens int // how many codes a block describes
	known                int // how many of their lengths were read

	// The codes of a block that brings its own. Until their lengths are known,
	// dists is the code with which these are written.
	lits, dists prefixCode
	lengths     [maxLits + maxDists]uint8
}

// step is how many bytes are decompressed into an outBuffer before the caller
// must take them.
const step = 16 << 10

// outBuffer has room for all that a distance may refer to, and for a step.
type outBuffer [maxWindow + step]byte

var (
	decompressions = sync.Pool{New: func() any { return new(decompression) }}
	outBuffers     = sync.Pool{New: func() any { return new(outBuffer) }}
)

// beginDecompression borrows memory for a message of at most limit bytes.
func beginDecompression(d *Decompressor, limit int64) *decompression {
	s := decompressions.Get().(*decompression)
	s.acc, s.n, s.before = 0, 0, 0
	s.of, s.window, s.reach, s.limit = d, d.window, d.reach(), limit
	s.given, s.gone = 0, 0
	s.state, s.final = atStart, false
	return s
}

// giveBack gives s and its buffer back to their pools.
func (s *decompression) giveBack() {
	if s.buf != nil {
		outBuffers.Put(s.buf)
	}
	s.of, s.window, s.in, s.out, s.buf = nil, nil, nil, nil, nil
	decompressions.Put(s)
}

// keep keeps what the next message may refer to.
func (s *decompression) keep() {
	if d := s.of; d.ContextTakeover {
		p := s.out[s.start:]
		d.taken += s.gone + int64(len(p))
		d.window.slide(p, d.keeps())
	}
}

// whole decompresses a message that is in s.in from its first byte to its last.
// If dst has no room for all of it, the rest goes through a buffer.
func (s *decompression) whole(dst []byte) ([]byte, error) {
	s.out, s.start = dst, len(dst)
	err := s.run()
	dst = s.out
	if err != errFull {
		s.given = len(dst)
		return dst, err
	}
	s.useBuffer(dst[s.start:])
	return s.piece(dst)
}

// piece decompresses s.in into the buffer, and moves what comes out to dst.
func (s *decompression) piece(dst []byte) ([]byte, error) {
	if s.buf == nil {
		s.useBuffer(nil)
	}
	for starved := false; ; {
		k := copy(dst[len(dst):cap(dst)], s.out[s.given:])
		dst = dst[:len(dst)+k]
		s.given += k
		if s.given < len(s.out) || starved || s.state == atEnd {
			return dst, nil
		}
		if cap(s.out)-len(s.out) < maxLength {
			s.moveTail(s.out)
		}
		err := s.run()
		starved = err == errTruncated && !s.last
		if err != nil && err != errFull && !starved {
			return dst, err
		}
	}
}

// useBuffer borrows a buffer for a message that has begun with p.
func (s *decompression) useBuffer(p []byte) {
	s.buf = outBuffers.Get().(*outBuffer)
	s.moveTail(p)
}

// moveTail moves to the beginning of the buffer what a distance may refer to in
// p, which the caller has.
func (s *decompression) moveTail(p []byte) {
	tail := p[max(0, len(p)-s.of.farthest()):]
	s.gone += int64(len(p) - len(tail))
	s.out, s.start = append(s.buf[:0:s.of.farthest()+step], tail...), 0
	s.given = len(s.out)
}

// maxTurn is how many bits a length and its distance take at most, with their
// extra bits. maxLength is the longest length.
const (
	maxTurn   = 15 + 5 + 15 + 13
	maxLength = 258
)

var (
	errFull      = errors.New("no room for what comes out")
	errTruncated = errors.New("truncated")
	errStored    = errors.New("length of a stored block does not match its complement")
	errBlockType = errors.New("block of type 3, which there is not")
	errLengths   = errors.New("code lengths that do not make a code")
	errSymbol    = errors.New("bits that stand for nothing")
)

// failed turns err into the error that Append returns.
func (s *decompression) failed(err error) error {
	if err == ErrTooLarge {
		return err
	}
	e := &CorruptError{Err: err, Offset: s.before + s.at - int(s.n>>3)}
	if s.last {
		e.Len = s.before + len(s.in)
	}
	return e
}

// blockState says what comes next.
type blockState uint8

const (
	atStart   blockState = iota // a block, or the end of the message
	atBlock                     // a block
	atStored                    // the length of a stored block, or the end of the message
	inStored                    // a stored block
	atCodes                     // how many codes a block describes
	atLengths                   // the lengths of the codes for lengths
	inLengths                   // the lengths of codes
	inFixed                     // a block with fixed codes
	inOwn                       // a block with codes of its own
	atEnd                       // nothing
)

// run decompresses as much as there is input and room for. It returns nil at the
// end of the message, errTruncated if it needs more input, and errFull if it needs
// more room. Then it can go on.
func (s *decompression) run() error {
	s.end = math.MaxInt
	if left := s.limit - s.gone - int64(len(s.out)-s.start); left < int64(math.MaxInt-len(s.out)) {
		s.end = len(s.out) + int(left)
	}
	for s.state != atEnd {
		if err := s.advance(); err != nil {
			return err
		}
	}
	return nil
}

// advance goes on to the next state. The sender ends a message with a flush,
// which is an empty stored block, and removes the last four bytes of that, RFC
// 7692 section 7.2.1: the message is complete where those bytes would begin. It
// may also end with a final block, and even go on after one, section 7.2.3.4.
// zlib compresses an empty message to nothing, not to the 0x00 of section
// 7.2.3.6.
func (s *decompression) advance() error {
	switch s.state {
	case atStart:
		s.fill()
		return s.beginBlock()
	case atBlock:
		return s.blockHeader()
	case atStored:
		return s.storedHeader()
	case inStored:
		return s.stored()
	case atCodes:
		return s.codesHeader()
	case atLengths:
		return s.readCodeLengths()
	case inLengths:
		return s.readLengths()
	case inFixed:
		return s.compressed(&fixedLitCode, &fixedDistCode)
	}
	return s.compressed(&s.lits, &s.dists)
}

// beginBlock begins a block if anything is left of the message, and otherwise ends
// the message.
func (s *decompression) beginBlock() error {
	switch {
	case s.n > 0:
		s.state = atBlock
	case s.last:
		s.state = atEnd
	default:
		return errTruncated
	}
	return nil
}

// blockHeader reads the header of a block, RFC 1951 section 3.2.3.
func (s *decompression) blockHeader() error {
	h, err := s.bits(3)
	if err != nil {
		return err
	}
	s.final = h&1 == 1
	switch h >> 1 {
	case 0:
		s.align()
		s.state = atStored
	case 1:
		s.state = inFixed
	case 2:
		s.state = atCodes
	default:
		return errBlockType
	}
	return nil
}

// endBlock ends a block. What follows a final one begins with a new byte.
func (s *decompression) endBlock() {
	s.state = atBlock
	if s.final {
		s.align()
		s.state = atStart
	}
}

// storedHeader reads the length of an uncompressed block, RFC 1951 section 3.2.4.
func (s *decompression) storedHeader() error {
	s.fill()
	switch {
	case s.n == 0 && s.last:
		s.state = atEnd
		return nil
	case s.n < 32:
		return errTruncated
	}
	n := uint16(s.acc)
	if n^0xffff != uint16(s.acc>>16) {
		return errStored
	}
	s.drop(32)
	s.left, s.state = int(n), inStored
	return nil
}

// stored copies an uncompressed block. Its first bytes may have been loaded as
// bits.
func (s *decompression) stored() error {
	for s.left > 0 {
		room := min(s.end, cap(s.out)) - len(s.out)
		switch {
		case s.n == 0 && s.at == len(s.in):
			return errTruncated
		case room == 0:
			return s.noRoom(s.out, 1)
		case s.n > 0:
			s.out = append(s.out, byte(s.acc))
			s.drop(8)
			s.left--
		default:
			s.acc = 0 // it may hold more bits than count
			k := min(s.left, room, len(s.in)-s.at)
			s.out = append(s.out, s.in[s.at:s.at+k]...)
			s.at += k
			s.left -= k
		}
	}
	s.endBlock()
	return nil
}

// compressed decompresses a block of literals, and of lengths with distances,
// RFC 1951 section 3.2.3. Its state is in local variables while it runs. Each
// turn of the loop begins with as many bits as a turn can take, or all that have
// arrived. A turn that lacks bits takes none.
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
			err = s.noRoom(out, 1)
		case e.kind() == kindBase:
			length, d := e.value(acc), dists.find(acc>>(used+e.extra()))
			used += e.extra()
			dist := d.value(acc >> used)
			used += d.bits() + d.extra()
			from := len(out) - dist
			switch {
			case used > n:
				err = errTruncated
			case d.kind() != kindBase:
				err = errSymbol
			case length > room-len(out):
				err = s.noRoom(out, length)
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
			s.endBlock()
			return nil
		default:
			err = errSymbol
		}
	}
	s.out, s.acc, s.n = out, acc, n
	return err
}

// noRoom returns the error for n bytes for which out has no room.
func (s *decompression) noRoom(out []byte, n int) error {
	if n > s.end-len(out) {
		return ErrTooLarge
	}
	return errFull
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
