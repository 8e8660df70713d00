package permessage

import (
	"slices"

	"golang.org/x/net/http/httpguts"
)

// deflateName is the name of the only extension that we speak, RFC 7692 section
// 7. Its case matters, as in browsers. The drafts of permessage-deflate had
// other names and rules.
const deflateName = "permessage-deflate"

// The parameters of permessage-deflate, RFC 7692 section 7.1.
const (
	serverNoTakeover = iota
	clientNoTakeover
	serverMaxBits
	clientMaxBits
)

var paramNames = [...]string{
	serverNoTakeover: "server_no_context_takeover",
	clientNoTakeover: "client_no_context_takeover",
	serverMaxBits:    "server_max_window_bits",
	clientMaxBits:    "client_max_window_bits",
}

// extension is one element of Sec-WebSocket-Extensions, an offer or a response.
type extension struct {
	name string

	// For each parameter of permessage-deflate, given holds its number, noValue
	// if it has none, or 0 if it is missing. flaw says why the parameters are
	// invalid, or is "". For other extensions both mean nothing.
	given [len(paramNames)]int
	flaw  string
}

const noValue = -1

func (e *extension) has(param int) bool { return e.given[param] != 0 }

// bits returns the number of a parameter for window bits, or the default if the
// parameter or its number is missing.
func (e *extension) bits(param int) int {
	if e.given[param] <= 0 {
		return MaxWindowBits
	}
	return e.given[param]
}

// take adds a parameter. Only the first flaw is kept. Its text is a constant,
// since a client may send tens of thousands of flaws.
func (e *extension) take(p param) {
	if e.flaw != "" {
		return
	}
	i := slices.Index(paramNames[:], p.name)
	isBits := i == serverMaxBits || i == clientMaxBits
	bits := windowBits(p.value)
	switch {
	case i < 0:
		e.flaw = "a parameter is unknown"
	case e.has(i):
		e.flaw = "a parameter is given twice"
	case !isBits && p.hasValue:
		e.flaw = "a parameter of context takeover has a value, expected none"
	case isBits && p.hasValue && bits == 0, i == serverMaxBits && !p.hasValue:
		e.flaw = "a parameter of window bits is no number from 8 to 15"
	case p.hasValue:
		e.given[i] = bits
	default:
		e.given[i] = noValue
	}
}

var windowBitsValues = [...]string{"8", "9", "10", "11", "12", "13", "14", "15"}

// windowBits reads a number from 8 to 15 without leading zeros, RFC 7692
// section 7.1.2. For any other value it returns 0. In a quoted string
// backslashes may stand before the digits.
func windowBits(value string) int {
	var digits [2]byte
	n, escaped := 0, false
	for i := range len(value) {
		if value[i] == '\\' && !escaped {
			escaped = true
			continue
		}
		if n == len(digits) {
			return 0
		}
		digits[n] = value[i]
		n++
		escaped = false
	}
	if i := slices.Index(windowBitsValues[:], string(digits[:n])); i >= 0 {
		return MinWindowBits + i
	}
	return 0
}

// eachExtension calls f for each element of the header, which may have several
// lines, until an element is malformed, RFC 6455 section 9.1. It keeps no list,
// since a peer may send tens of thousands of elements.
func eachExtension(lines []string, f func(extension)) (wellFormed bool) {
	for _, line := range lines {
		for s := skipSpace(line); s != ""; s = skipSpace(s) {
			if s[0] == ',' { // empty elements do not count, RFC 9110 section 5.6.1.2
				s = s[1:]
				continue
			}
			e, rest, ok := cutExtension(s)
			if !ok {
				return false
			}
			f(e)
			s = rest
		}
	}
	return true
}

// WellFormed reports whether a Sec-WebSocket-Extensions header, given line by
// line, has the grammar of RFC 6455 section 9.1. It looks at no names: what it
// accepts may still hold nothing that we know.
func WellFormed(lines []string) bool { return eachExtension(lines, func(extension) {}) }

// cutExtension reads an element, up to the comma after it or the end of the
// line.
func cutExtension(s string) (e extension, rest string, ok bool) {
	e.name, s = cutToken(s)
	if e.name == "" {
		return e, s, false
	}
	for {
		s = skipSpace(s)
		switch {
		case s == "" || s[0] == ',':
			return e, s, true
		case s[0] != ';':
			return e, s, false
		}
		var p param
		if p, s, ok = cutParam(skipSpace(s[1:])); !ok {
			return e, s, false
		}
		e.take(p)
	}
}

// param is one parameter of an extension.
type param struct {
	name     string
	value    string // with the backslashes of a quoted string
	hasValue bool
}

// cutParam reads the name of a parameter, and the value if there is one. It
// allows space around the equals sign, as RFC 2616 does, to which RFC 6455
// refers.
func cutParam(s string) (p param, rest string, ok bool) {
	p.name, s = cutToken(s)
	s = skipSpace(s)
	if p.name == "" || s == "" || s[0] != '=' {
		return p, s, p.name != ""
	}
	p.hasValue = true
	s = skipSpace(s[1:])
	if s != "" && s[0] == '"' {
		p.value, s, ok = cutQuoted(s)
		return p, s, ok
	}
	p.value, s = cutToken(s)
	return p, s, p.value != ""
}

// cutQuoted reads the quoted string at the beginning of s and returns what is
// between its quotes.
func cutQuoted(s string) (inside, rest string, ok bool) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++ // the next byte is escaped
		case '"':
			return s[1:i], s[i+1:], true
		}
	}
	return "", "", false
}

func cutToken(s string) (token, rest string) {
	n := 0
	for n < len(s) && httpguts.IsTokenRune(rune(s[n])) {
		n++
	}
	return s[:n], s[n:]
}

func skipSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}
