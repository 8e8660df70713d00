package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// inflater inflates the messages of one direction of one connection for
// permessage-deflate, RFC 7692. Between messages it holds nothing but the
// window that the next message may refer to, and not even that without context
// takeover: the memory to inflate with is shared by all connections. Not safe
// for concurrent use.
//
// It is our own because what comes in and what goes out are whole slices here.
// compress/flate reads byte by byte through an interface, into a window of its
// own from which everything is copied once more, and allocates. For JSON that
// takes 1.3 times as long at 512 bytes and 1.7 times at 64 KiB. Nor can it tell
// a distance that was not negotiated, or stop at the byte that is too many.
type inflater struct {
	bits     int    // the peer refers back 1<<bits bytes at most, 8 to 15
	takeover bool   // whether a message may refer to those before it
	window   window // the end of all that was inflated
}

var inflations = sync.Pool{New: func() any { return new(inflation) }}

// append appends what the message of this payload inflates to. An error is a
// *ProtocolError: 1009 as soon as it is more than limit bytes, 1007 if payload
// is no proper deflate stream. What is appended then means nothing, and the
// inflater is not to be used again.
func (f *inflater) append(dst, payload []byte, limit int64) ([]byte, error) {
	if len(payload) == 0 {
		return dst, nil // what zlib gives for nothing, in place of section 7.2.3.6's 0x00
	}
	s := inflations.Get().(*inflation)
	s.begin(f, dst, payload, limit)
	err := s.message()
	n := len(dst)
	dst = s.finish()
	if err == nil && f.takeover {
		f.window.slide(dst[n:], 1<<f.bits)
	}
	return dst, err
}

// inflation is what it takes to inflate one message.
type inflation struct {
	bitReader
	out    []byte
	start  int    // of the message in out
	end    int    // of out: the message may not get farther
	window []byte // what came before the message
	reach  int    // the longest distance that was negotiated

	lits, dists, lens prefixCode // of a block that brings its own codes
	lengths           [maxLits + maxDists]uint8
}

// begin is for a message that goes on where dst ends.
func (s *inflation) begin(f *inflater, dst, payload []byte, limit int64) {
	s.window, s.reach = f.window, 1<<f.bits
	s.in, s.at, s.acc, s.n = payload, 0, 0, 0
	s.out, s.start, s.end = dst, len(dst), math.MaxInt
	if limit < int64(math.MaxInt-len(dst)) {
		s.end = len(dst) + int(limit)
	}
}

// finish returns what was inflated.
func (s *inflation) finish() []byte {
	out := s.out
	s.in, s.out, s.window = nil, nil, nil
	inflations.Put(s)
	return out
}

// maxTurn is how many bits a length and its distance take at most.
const maxTurn = 15 + 5 + 15 + 13

var (
	errTruncated = errors.New("truncated")
	errStored    = errors.New("length of a stored block does not match its complement")
	errBlockType = errors.New("block of type 3, which there is not")
	errLengths   = errors.New("code lengths that do not make a code")
	errSymbol    = errors.New("bits that stand for nothing")
	errDistance  = errors.New("distance that goes beyond the window or the first byte")
)

// message inflates all blocks. The sender has flushed, which adds an empty
// stored block, and has taken off its last four bytes, section 7.2.1: the
// message is complete where they would begin. It may also end with a final
// block, and even go on after one, section 7.2.3.4.
func (s *inflation) message() error {
	for {
		h, err := s.bits(3)
		if err == nil {
			if h>>1 == 0 && s.atEnd() { // final or not: it is what was taken off
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

// failed makes an error of inflating what append returns. Inlined it would take
// 100 bytes of stack from message, which goes deep.
//
//go:noinline
func (s *inflation) failed(err error) error {
	if errors.Is(err, ErrMessageTooBig) {
		return err
	}
	return &ProtocolError{
		Code: StatusInvalidPayloadData,
		Err:  fmt.Errorf("expected a message compressed as RFC 1951 has it: %w, at byte %d of %d", err, s.at-int(s.n>>3), len(s.in)),
	}
}

// atEnd goes on at a whole byte, and reports whether there is none.
func (s *inflation) atEnd() bool {
	s.align()
	return s.at == len(s.in)
}

func (s *inflation) block(typ uint) error {
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

// stored copies an uncompressed block, section 3.2.4 of RFC 1951.
func (s *inflation) stored() error {
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
		return s.tooBig()
	}
	s.out = append(s.out, p[4:4+n]...)
	s.at += 4 + n
	return nil
}

func (s *inflation) tooBig() error {
	return errTooBig("%d compressed bytes inflate to more: limit is %d", len(s.in), s.end-s.start)
}

// compressed inflates the rest of a block of literals, and of lengths with
// distances, section 3.2.3. Its state is in variables while it runs, and each
// turn begins with bits for all that a turn can take, if so many are left.
func (s *inflation) compressed(lits, dists *prefixCode) error {
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
				err = errDistance
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

// grow makes room in out for n bytes more, and returns how far it reaches. It
// goes by what has come in and out: a message that inflates a thousandfold
// takes no more than twice of what it has really inflated to.
func (s *inflation) grow(out []byte, n int) ([]byte, int, error) {
	if n > s.end-len(out) {
		return out, 0, s.tooBig()
	}
	if n > cap(out)-len(out) {
		step := max(n, 256, len(s.in), len(out)-s.start)
		out = slices.Grow(out, min(step, s.end-len(out)))
	}
	return out, min(s.end, cap(out)), nil
}

// copyBack copies what starts before the message, in the window, or overlaps
// with where it is copied to. There is room.
func (s *inflation) copyBack(out []byte, length, dist int) ([]byte, error) {
	if before := dist - (len(out) - s.start); before > 0 {
		if before > len(s.window) {
			return out, errDistance
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

// readCodes reads the codes of a block that brings its own, section 3.2.7.
func (s *inflation) readCodes() error {
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

// readLengths reads lengths of codes, which are coded themselves.
func (s *inflation) readLengths(lengths []uint8) error {
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

// lengthRuns are what the symbols 16, 17 and 18 of section 3.2.7 stand for.
var lengthRuns = [3]struct{ extra, base uint }{{2, 3}, {3, 3}, {7, 11}}
