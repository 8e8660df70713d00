package websocket

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/protocol-websocket/websocket/internal/httphead"
)

// The proof of hixie-76 (= hybi-00), sections 1.3 and 5.2: the numbers hidden
// in two headers and the 8 bytes after the head, hashed, come back as 16 bytes.

const (
	key3Len      = 8
	challengeLen = md5.Size
)

// keyNumber reads the number hidden in Sec-WebSocket-Key1 or -Key2: its digits
// divided by how many spaces it has. Draft 76 leaves open what a quotient with
// a remainder means; servers that round it prove nothing.
func keyNumber(key string) (uint32, error) {
	var digits, spaces, count uint64
	for _, c := range []byte(key) {
		switch {
		case c == ' ':
			spaces++
		case c >= '0' && c <= '9':
			count++
			if digits = digits*10 + uint64(c-'0'); digits > math.MaxUint32*uint64(maxKeySpaces) {
				return 0, fmt.Errorf("its digits make a number that is too large")
			}
		}
	}
	switch {
	case count == 0:
		return 0, fmt.Errorf("it has no digits")
	case spaces == 0:
		return 0, fmt.Errorf("it has no spaces")
	case digits%spaces != 0:
		return 0, fmt.Errorf("its digits, %d, are not a multiple of its %d spaces", digits, spaces)
	case digits/spaces > math.MaxUint32:
		return 0, fmt.Errorf("its number %d does not fit in 32 bits", digits/spaces)
	}
	return uint32(digits / spaces), nil
}

// maxKeySpaces bounds the arithmetic of keyNumber: draft 76 section 5.1 has
// clients use 1 to 12 spaces, and no header could hold more than this.
const maxKeySpaces = httphead.MaxBytes

// challengeAnswer is what a server sends to show that it read all three keys.
func challengeAnswer(number1, number2 uint32, key3 [key3Len]byte) [challengeLen]byte {
	var b [challengeLen]byte
	binary.BigEndian.PutUint32(b[0:], number1)
	binary.BigEndian.PutUint32(b[4:], number2)
	copy(b[8:], key3[:])
	return md5.Sum(b[:])
}

// newHixieKey makes a Sec-WebSocket-Key1 or -Key2 and the number hidden in it,
// draft 76 section 5.1 items 16 to 23.
func newHixieKey() (key string, number uint32) {
	spaces := 1 + randomBelow(12)
	number = uint32(randomBelow(math.MaxUint32/spaces + 1))
	b := []byte(strconv.FormatUint(uint64(number)*spaces, 10))
	for range 1 + randomBelow(12) {
		at := int(randomBelow(uint64(len(b)) + 1))
		b = slices.Insert(b, at, noise[randomBelow(uint64(len(noise)))])
	}
	for range spaces { // never first or last: HTTP strips those
		at := 1 + int(randomBelow(uint64(len(b))-1))
		b = slices.Insert(b, at, ' ')
	}
	return string(b), number
}

// noise is what may stand between the digits: U+0021 to U+002F and U+003A to
// U+007E.
var noise = func() string {
	var b strings.Builder
	for c := byte(0x21); c < 0x7f; c++ {
		if c < '0' || c > '9' {
			b.WriteByte(c)
		}
	}
	return b.String()
}()

// randomBelow returns a number less than n, which is at most 1<<32: so what the
// remainder prefers it prefers by less than one in 1<<32.
func randomBelow(n uint64) uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:]) % n
}
