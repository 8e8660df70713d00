package deflate

// codesHeader reads how many codes a block describes, RFC 1951 section 3.2.7.
func (s *decompression) codesHeader() error {
	h, err := s.bits(14)
	if err != nil {
		return err
	}
	s.nlits, s.ndists, s.nlens = int(257+h&31), int(1+h>>5&31), int(4+h>>10)
	if s.nlits > maxLits || s.ndists > maxDists {
		return errLengths
	}
	clear(s.lengths[:len(lengthOrder)])
	s.known, s.state = 0, atLengths
	return nil
}

// readCodeLengths reads the lengths of the codes with which the lengths of codes
// are written.
func (s *decompression) readCodeLengths() error {
	for ; s.known < s.nlens; s.known++ {
		l, err := s.bits(3)
		if err != nil {
			return err
		}
		s.lengths[lengthOrder[s.known]] = uint8(l)
	}
	if !s.dists.build(s.lengths[:len(lengthOrder)], litEntries[:], 7) {
		return errLengths
	}
	s.known, s.state = 0, inLengths
	return nil
}

// readLengths reads the lengths of codes, and makes the codes.
func (s *decompression) readLengths() error {
	lengths := s.lengths[:s.nlits+s.ndists]
	for s.known < len(lengths) {
		if s.n < maxRun {
			s.fill()
		}
		e := s.dists.find(s.acc)
		l := uint8(e >> 16)
		switch {
		case e == 0:
			return errSymbol
		case l >= 16:
			if err := s.readRun(lengths, e); err != nil {
				return err
			}
		case e.bits() > s.n:
			return errTruncated
		default:
			s.drop(e.bits())
			lengths[s.known] = l
			s.known++
		}
	}
	if !s.lits.build(lengths[:s.nlits], litEntries[:], litBits) || !s.dists.build(lengths[s.nlits:], distEntries[:], distBits) {
		return errLengths
	}
	s.state = inOwn
	return nil
}

// readRun reads a symbol that stands for several lengths.
func (s *decompression) readRun(lengths []uint8, e prefixEntry) error {
	l := uint8(e >> 16)
	extra := uint(runExtra[l])
	n, used := runBase[l-16]+uint(s.acc>>e.bits())&(1<<extra-1), e.bits()+extra
	switch {
	case used > s.n:
		return errTruncated
	case l == 16 && s.known == 0, n > uint(len(lengths)-s.known):
		return errLengths
	case l == 16:
		l = lengths[s.known-1]
	default:
		l = 0
	}
	s.drop(used)
	for range n {
		lengths[s.known] = l
		s.known++
	}
	return nil
}

// maxRun is how many bits a symbol for lengths takes at most, with its extra
// bits.
const maxRun = 7 + 7

// runBase is the length of the shortest run that each of the symbols 16, 17 and 18
// stands for. The bits after the symbol are added to it.
var runBase = [3]uint{3, 3, 11}
