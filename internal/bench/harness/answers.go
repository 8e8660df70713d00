package harness

import (
	"encoding/binary"
	"fmt"
)

// Answers counts the compressed text messages that a server sends, whatever
// their length, without looking at what is in them. The zero value is ready to
// use.
type Answers struct {
	header [10]byte
	have   int    // bytes of the header
	left   uint64 // bytes of the payload
	inside bool   // of a message that goes on in the next frame
}

// Count takes what was read next and returns how many messages end in it.
func (a *Answers) Count(p []byte) (ended int, err error) {
	for len(p) > 0 {
		if a.have < a.size() {
			a.header[a.have] = p[0]
			a.have++
			p = p[1:]
			if a.have < a.size() {
				continue
			}
			if err := a.begin(); err != nil {
				return ended, err
			}
		}
		n := min(a.left, uint64(len(p)))
		p = p[n:]
		if a.left -= n; a.left == 0 {
			a.have = 0
			if !a.inside {
				ended++
			}
		}
	}
	return ended, nil
}

// size is how long the header is, as far as is known.
func (a *Answers) size() int {
	switch {
	case a.have < 2:
		return 2
	case a.header[1]&0x7f == 126:
		return 4
	case a.header[1]&0x7f == 127:
		return 10
	}
	return 2
}

// begin begins the frame whose header was read. Those that no answer has are
// errors: not compressed, masked, or no text.
func (a *Answers) begin() error {
	const fin, rsv1, text, masked = 0x80, 0x40, 1, 0x80
	h := a.header[:a.have]
	want := byte(rsv1 | text)
	if a.inside {
		want = 0
	}
	if h[0]&^fin != want || h[1]&masked != 0 {
		return fmt.Errorf("the header % x is none of a compressed answer", h)
	}
	a.inside = h[0]&fin == 0
	switch len(h) {
	case 2:
		a.left = uint64(h[1])
	case 4:
		a.left = uint64(binary.BigEndian.Uint16(h[2:]))
	default:
		a.left = binary.BigEndian.Uint64(h[2:])
	}
	return nil
}
