package websocket

import (
	"crypto/fips140"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/origin"
)

// This file holds the parts of the handshake that only the two oldest versions
// have. The response has the headers Origin and Location in both. In hybi-00,
// which is also hixie-76, there is a challenge as well.

const (
	key3Len      = 8
	challengeLen = md5.Size
)

// challenge is what a hybi-00 server must answer to prove that it has read the
// request, sections 1.3 and 5.2. It consists of two numbers, each hidden in a
// header, and the 8 bytes of key3, which follow the head of the request. The
// answer is a hash of all three: 16 bytes after the head of the response. A
// client generates the challenge, and a server reads it.
type challenge struct {
	keys     [2]string // Sec-WebSocket-Key1 and -Key2; only on a client
	numbers  [2]uint32 // the numbers hidden in the two keys
	key3     [key3Len]byte
	received [challengeLen]byte // the server's answer; only on a client
	count    int                // how much has arrived: of key3 on a server, of received on a client
}

// newChallenge generates the challenge of a client.
func newChallenge() *challenge {
	c := new(challenge)
	for i := range c.keys {
		c.keys[i], c.numbers[i] = newHixieKey()
	}
	rand.Read(c.key3[:])
	return c
}

// readChallenge reads the two numbers of a client's challenge from its header.
// takeKey3 adds key3.
func readChallenge(h http.Header) (*challenge, error) {
	c := new(challenge)
	for i, name := range []string{"Sec-Websocket-Key1", "Sec-Websocket-Key2"} {
		key, err := single(h, name)
		if err != nil {
			return nil, err
		}
		if c.numbers[i], err = keyNumber(key); err != nil {
			return nil, fmt.Errorf("%s is %.80q: %w; expected digits, whose number its spaces divide (draft 76 section 5.2)", wireName(name), key, err)
		}
	}
	return c, nil
}

// takeKey3 takes the missing bytes of key3 from p, or as many of them as p has.
// It returns how many it took.
func (c *challenge) takeKey3(p []byte) int {
	n := copy(c.key3[c.count:], p)
	c.count += n
	return n
}

// missing returns how many bytes of key3 are missing. Behind HAProxy and nginx
// they arrive only after the head of the response was sent.
func (c *challenge) missing() int { return key3Len - c.count }

// takeAnswer takes the missing bytes of the server's answer from p, or as many
// of them as p has. It returns how many it took. It checks the answer once it
// is complete.
func (c *challenge) takeAnswer(p []byte) (n int, err error) {
	n = copy(c.received[c.count:], p)
	c.count += n
	if c.answered() && c.received != c.answer() {
		return n, fmt.Errorf("server's answer to the challenge is wrong: expected the MD5 of both keys and of the 8 bytes after the request's head: does a proxy in between pass these?")
	}
	return n, nil
}

// answered reports whether all of the server's answer has arrived.
func (c *challenge) answered() bool { return c.count == challengeLen }

// answer returns the hash of the two numbers and key3. MD5 is a checksum here, as
// SHA-1 is in acceptFor.
func (c *challenge) answer() (sum [challengeLen]byte) {
	var b [challengeLen]byte
	binary.BigEndian.PutUint32(b[0:], c.numbers[0])
	binary.BigEndian.PutUint32(b[4:], c.numbers[1])
	copy(b[8:], c.key3[:])
	fips140.WithoutEnforcement(func() { sum = md5.Sum(b[:]) })
	return sum
}

// keyNumber returns the number hidden in Sec-WebSocket-Key1 or -Key2: its
// digits, read as one number, divided by how many spaces it has. A remainder is
// an error, as draft 76 section 5.2 requires.
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

// maxKeySpaces is how many spaces in a key can matter. keyNumber derives from it how
// large the number of the digits may be, so that nothing overflows. Clients use 1
// to 12 spaces, draft 76 section 4.1.
const maxKeySpaces = httphead.MaxBytes

// newHixieKey returns a Sec-WebSocket-Key1 or -Key2 and the number hidden in
// it, draft 76 section 4.1 items 16 to 23.
func newHixieKey() (key string, number uint32) {
	spaces := 1 + randomBelow(12)
	number = uint32(randomBelow(math.MaxUint32/spaces + 1))
	b := []byte(strconv.FormatUint(uint64(number)*spaces, 10))
	for range 1 + randomBelow(12) {
		at := int(randomBelow(uint64(len(b)) + 1))
		b = slices.Insert(b, at, noise[randomBelow(uint64(len(noise)))])
	}
	for range spaces { // never first or last, where HTTP strips spaces
		at := 1 + int(randomBelow(uint64(len(b))-1))
		b = slices.Insert(b, at, ' ')
	}
	return string(b), number
}

// noise holds the characters that a key may have between its digits: U+0021 to
// U+002F and U+003A to U+007E.
var noise = func() string {
	var b strings.Builder
	for c := byte(0x21); c < 0x7f; c++ {
		if c < '0' || c > '9' {
			b.WriteByte(c)
		}
	}
	return b.String()
}()

// randomBelow returns a random number less than n. n is at most 1<<32. The
// remainder makes some numbers more likely than others, but by less than one
// part in 1<<32.
func randomBelow(n uint64) uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:]) % n
}

// checkHixie75 returns an error if a request without a version number is a
// broken request of a later version, and not one of hixie-75. HAProxy adds a
// Sec-WebSocket-Key to hixie-75 requests. Then only the old spelling of
// WebSocket in Upgrade tells them apart.
func checkHixie75(h http.Header) error {
	for _, name := range []string{"Sec-Websocket-Protocol", "Sec-Websocket-Extensions", "Sec-Websocket-Origin"} {
		if h[name] != nil {
			return fmt.Errorf("header %s without Sec-WebSocket-Version: expected both, or neither; did a proxy remove one?", wireName(name))
		}
	}
	if h["Sec-Websocket-Key"] != nil && !slices.Contains(h["Upgrade"], Hixie75.traits().upgrade) {
		return errors.New("header Sec-WebSocket-Key without Sec-WebSocket-Version: expected both, or neither; did a proxy remove one?")
	}
	return nil
}

// appendOriginAndLocation appends the two headers that repeat the origin and
// the URL of the request. A client compares them with what it sent, to make
// sure that the server has read the request.
func appendOriginAndLocation(dst []byte, t *traits, origin, location string) []byte {
	dst = append(dst, t.headerPrefix...)
	dst = appendHeaderLine(dst, "Origin", origin)
	dst = append(dst, t.headerPrefix...)
	return appendHeaderLine(dst, "Location", location)
}

// locationOf returns the URL of a request as the client wrote it. checkUpgrade
// has checked Host and target.
func locationOf(r *http.Request, secure bool) string {
	scheme := "ws://"
	if secure {
		scheme = "wss://"
	}
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") {
		target = r.URL.RequestURI()
	}
	return scheme + r.Host + target
}

// checkOriginAndLocation checks that the response repeats the origin and the
// URL of the request. A hixie-75 server proves no more than that. A hixie-76
// server also answers the challenge.
func (h *ClientHandshake) checkOriginAndLocation() error {
	prefix := http.CanonicalHeaderKey(h.version.traits().headerPrefix + "x")
	prefix = strings.TrimSuffix(prefix, "X")
	from, err := single(h.res.Header, prefix+"Origin")
	if err != nil {
		return fmt.Errorf("response: %w: a server of %v must repeat the request's", err, h.version)
	}
	if !strings.EqualFold(from, h.origin) {
		return fmt.Errorf("%s of the response is %.80q: expected %q: the server must repeat the request's", wireName(prefix+"Origin"), from, h.origin)
	}
	location, err := single(h.res.Header, prefix+"Location")
	if err != nil {
		return fmt.Errorf("response: %w: a server of %v must repeat the URL of the request", err, h.version)
	}
	if !h.isLocation(location) {
		return fmt.Errorf("%s of the response is %s: expected host %q and resource %s: does a proxy in between pass Host?",
			wireName(prefix+"Location"), origin.Quote(location), h.host, origin.Quote(h.url.ResourceName()))
	}
	return nil
}

// isLocation reports whether location, which the server sent, is the URL of the
// request. Either scheme is accepted, because a server behind a proxy that ends
// TLS does not know which one the client uses. The port may be missing if it is
// the default port of the client's scheme or of the server's.
func (h *ClientHandshake) isLocation(location string) bool {
	scheme, rest, ok := strings.Cut(location, "://")
	secure := strings.EqualFold(scheme, "wss")
	slash := strings.IndexByte(rest, '/')
	switch {
	case !ok || slash < 0 || !secure && !strings.EqualFold(scheme, "ws"):
		return false
	case rest[slash:] != h.url.ResourceName():
		return false
	case strings.EqualFold(rest[:slash], h.host):
		return true
	}
	theirs, err := origin.ParseHostHeader(rest[:slash])
	ours, ourErr := origin.ParseHostHeader(h.host)
	if err != nil || ourErr != nil || !theirs.SameHost(ours) {
		return false
	}
	if ours.Port == 0 {
		ours.Port = origin.DefaultPort(h.url.Secure)
	}
	if theirs.Port == 0 {
		return ours.Port == origin.DefaultPort(h.url.Secure) || ours.Port == origin.DefaultPort(secure)
	}
	return theirs.Port == ours.Port
}
