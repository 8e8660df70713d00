package deflate_test

import "errors"

// strictDecompressor follows the text of RFC 1951 bit by bit, with no code of
// this package. It notes the longest distance.
type strictDecompressor struct {
	out      []byte // all messages so far
	in       []byte
	bit      int
	farthest int
}

var errStrict = errors.New("not a deflate stream")

// message decompresses a message. Whatever is wrong panics, and makes it return
// errStrict.
func (s *strictDecompressor) message(payload []byte) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, errStrict
		}
	}()
	begin := len(s.out)
	s.in, s.bit = append(payload[:len(payload):len(payload)], 0, 0, 0xff, 0xff), 0
	for s.bit < 8*len(s.in) {
		final, typ := s.bits(1), s.bits(2)
		switch typ {
		case 0:
			s.stored()
		case 1:
			s.block(strictFixed())
		case 2:
			s.block(s.codes())
		default:
			panic(errStrict)
		}
		if final == 1 {
			s.bit = (s.bit + 7) &^ 7
		}
	}
	return s.out[begin:], nil
}

func (s *strictDecompressor) bits(n int) (v int) {
	for i := range n {
		v |= int(s.in[s.bit/8]>>(s.bit%8)&1) << i
		s.bit++
	}
	return v
}

func (s *strictDecompressor) stored() {
	s.bit = (s.bit + 7) &^ 7
	n := s.bits(16)
	if s.bits(16) != n^0xffff {
		panic(errStrict)
	}
	at := s.bit / 8
	s.out = append(s.out, s.in[at:at+n]...)
	s.bit += 8 * n
}

// strictCode has the symbol of each code, which is written as a 1 and then its
// bits.
type strictCode map[int]int

func newStrictCode(lengths []int) strictCode {
	c, code := strictCode{}, 0
	for l := 1; l <= 15; l++ {
		code <<= 1
		for symbol, length := range lengths {
			if length == l {
				c[1<<l|code] = symbol
				code++
			}
		}
		if code > 1<<l {
			panic(errStrict)
		}
	}
	return c
}

func strictFixed() (lits, dists strictCode) {
	var l []int
	for i := range 288 {
		switch {
		case i <= 143:
			l = append(l, 8)
		case i <= 255:
			l = append(l, 9)
		case i <= 279:
			l = append(l, 7)
		default:
			l = append(l, 8)
		}
	}
	return newStrictCode(l), newStrictCode([]int{
		5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
	})
}

func (s *strictDecompressor) symbol(c strictCode) int {
	for code := 1; code < 1<<16; {
		code = code<<1 | s.bits(1)
		if symbol, ok := c[code]; ok {
			return symbol
		}
	}
	panic(errStrict)
}

func (s *strictDecompressor) codes() (lits, dists strictCode) {
	nlits, ndists, nlens := s.bits(5)+257, s.bits(5)+1, s.bits(4)+4
	lens := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:nlens] {
		lens[i] = s.bits(3)
	}
	code, l := newStrictCode(lens), []int{}
	for len(l) < nlits+ndists {
		switch v := s.symbol(code); v {
		case 16:
			v = l[len(l)-1]
			for range s.bits(2) + 3 {
				l = append(l, v)
			}
		case 17:
			l = append(l, make([]int, s.bits(3)+3)...)
		case 18:
			l = append(l, make([]int, s.bits(7)+11)...)
		default:
			l = append(l, v)
		}
	}
	if len(l) > nlits+ndists || nlits > 286 || ndists > 30 {
		panic(errStrict)
	}
	return newStrictCode(l[:nlits]), newStrictCode(l[nlits:])
}

// The tables of RFC 1951 section 3.2.5.
var (
	strictLengths = []int{
		3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
	}
	strictLengthBits = []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	strictDists      = []int{
		1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769,
		1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
	}
)

func (s *strictDecompressor) block(lits, dists strictCode) {
	for {
		v := s.symbol(lits)
		switch {
		case v == 256:
			return
		case v < 256:
			s.out = append(s.out, byte(v))
			continue
		}
		n := strictLengths[v-257] + s.bits(strictLengthBits[v-257])
		v = s.symbol(dists)
		d := strictDists[v] + s.bits(max(0, v/2-1))
		s.farthest = max(s.farthest, d)
		for range n {
			s.out = append(s.out, s.out[len(s.out)-d])
		}
	}
}
