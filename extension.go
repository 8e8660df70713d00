package websocket

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// deflateName is the one extension that is spoken, RFC 7692 section 7. As in
// browsers it must be written so; the drafts of it had other names and rules.
const deflateName = "permessage-deflate"

// The parameters of permessage-deflate, RFC 7692 section 7.1.
const (
	serverNoTakeover = iota
	clientNoTakeover
	serverMaxBits
	clientMaxBits
)

var deflateParamNames = [...]string{
	serverNoTakeover: "server_no_context_takeover",
	clientNoTakeover: "client_no_context_takeover",
	serverMaxBits:    "server_max_window_bits",
	clientMaxBits:    "client_max_window_bits",
}

// deflateParams is what both peers have agreed on: how each of them compresses.
type deflateParams struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             int // 8 to 15
}

// String is p as an element of Sec-WebSocket-Extensions. Windows of 15 bits are
// left out: they are what no parameter means.
func (p deflateParams) String() string {
	b := make([]byte, 0, 160) // more than all parameters take
	b = append(b, deflateName...)
	if p.serverNoTakeover {
		b = append(b, "; server_no_context_takeover"...)
	}
	if p.clientNoTakeover {
		b = append(b, "; client_no_context_takeover"...)
	}
	if p.serverBits < maxWindowBits {
		b = strconv.AppendInt(append(b, "; server_max_window_bits="...), int64(p.serverBits), 10)
	}
	if p.clientBits < maxWindowBits {
		b = strconv.AppendInt(append(b, "; client_max_window_bits="...), int64(p.clientBits), 10)
	}
	return string(b)
}

// offer is what a client sends as Sec-WebSocket-Extensions, or "". It says how
// far back we refer and asks the same of the server, unless no window is kept
// between messages, so that there is nothing to be gained.
//
// A second offer without numbers follows, as in the examples of RFC 7692 section
// 7.1.3, since servers that do not know server_max_window_bits, or cannot obey
// it, decline the first or answer as if it had not been there, and some want to
// name the client's window themselves. With 15 bits there is only that offer,
// which by default is what Chrome sends. The server's window comes first since
// there are servers that read only the semicolons of a list, to whom the last
// number is garbage.
func (c *Compression) offer() string {
	if c == nil {
		return ""
	}
	first := deflateParams{c.NoContextTakeover, c.NoContextTakeover, maxWindowBits, maxWindowBits}
	second := first.String() + "; client_max_window_bits"
	if c.windowBits() == maxWindowBits {
		return second
	}
	first.clientBits = c.windowBits()
	if !c.NoContextTakeover {
		first.serverBits = c.peerWindowBits()
	}
	return first.String() + ", " + second
}

// accept is given a client's Sec-WebSocket-Extensions, one string a line, and
// returns what is agreed on and the header that says so to the client. Of
// several offers the first is taken that can be, which is any that is correct:
// every window is obeyed.
//
// Nothing in the header fails a handshake. Offers that are not correct are
// declined, RFC 7692 sections 5.1 and 7, as are other extensions. A malformed
// header is declined as a whole: no two readers need agree where its elements
// begin. RFC 6455 section 9.1 would have the handshake fail, but only servers
// that use the header see what is wrong with it, and it is not needed.
func (c *Compression) accept(lines []string) (p deflateParams, response string, ok bool) {
	if c == nil || len(lines) == 0 {
		return p, "", false
	}
	var first extension
	wellFormed := eachExtension(lines, func(e extension) {
		if !ok && e.name == deflateName && e.flaw == "" {
			first, ok = e, true
		}
	})
	if !wellFormed || !ok {
		return p, "", false
	}
	p = c.answer(&first)
	return p, p.String(), true
}

// answer is what a server makes of an offer, RFC 7692 section 7.1. It gives the
// client all that it asks for, tells it what we do besides, and sees to it that
// the memory of the connection is bounded: each side has a window that is as
// small as we want, or none that is kept.
//
// What the client says of its own compressor is only a hint unless the response
// repeats it, which it therefore does.
func (c *Compression) answer(e *extension) deflateParams {
	p := deflateParams{
		serverNoTakeover: c.NoContextTakeover || e.has(serverNoTakeover),
		clientNoTakeover: c.NoContextTakeover || e.has(clientNoTakeover),
		serverBits:       min(c.windowBits(), e.bits(serverMaxBits)),
		clientBits:       e.bits(clientMaxBits),
	}
	switch {
	case p.clientNoTakeover: // a small window would make messages larger, for nothing
	case e.has(clientMaxBits):
		p.clientBits = min(p.clientBits, c.peerWindowBits())
	case c.peerWindowBits() < maxWindowBits:
		// The window of this client must not be limited, section 7.1.2.2, but
		// that it be forgotten may be asked of any, section 7.1.1.2. Firefox and
		// Safari are such clients.
		p.clientNoTakeover = true
	}
	return p
}

// check holds a server's Sec-WebSocket-Extensions, one string a line, against
// offer and returns what is agreed on; ok is false if the server does not
// compress. An error means that the connection must fail, RFC 7692 section 7.
func (c *Compression) check(lines []string) (p deflateParams, ok bool, err error) {
	if len(lines) == 0 {
		return p, false, nil
	}
	var e extension
	count := 0
	wellFormed := eachExtension(lines, func(next extension) {
		e = next
		count++
	})
	if objection := c.objection(&e, count, wellFormed); objection != "" {
		return p, false, fmt.Errorf("server chose the extensions %.200q: %s", strings.Join(lines, ", "), objection)
	}
	return deflateParams{
		serverNoTakeover: e.has(serverNoTakeover),
		clientNoTakeover: c.NoContextTakeover || e.has(clientNoTakeover),
		serverBits:       e.bits(serverMaxBits),
		clientBits:       min(c.windowBits(), e.bits(clientMaxBits)),
	}, true, nil
}

// objection tells what is wrong with a response, or "". Windows need not be
// compared with the first offer: what exceeds it answers the second, to which
// any will do.
func (c *Compression) objection(e *extension, count int, wellFormed bool) string {
	switch {
	case c == nil:
		return "none was offered"
	case !wellFormed:
		return "malformed, expected " + deflateName + " and its parameters"
	case count != 1:
		return fmt.Sprintf("%d extensions, expected one", count)
	case e.name != deflateName:
		return "only " + deflateName + " was offered"
	case e.flaw != "":
		return e.flaw
	case e.given[clientMaxBits] == noValue:
		return deflateParamNames[clientMaxBits] + ": expected a number"
	case c.NoContextTakeover && !e.has(serverNoTakeover):
		return "expected " + deflateParamNames[serverNoTakeover] + ", without which nothing was offered"
	}
	return ""
}

// extension is one element of Sec-WebSocket-Extensions, an offer or a response.
type extension struct {
	name string

	// given holds for each parameter of permessage-deflate the number that came
	// with it, noValue, or 0 if it did not come. flaw is why they cannot be
	// taken, or "". Of other extensions they mean nothing.
	given [len(deflateParamNames)]int
	flaw  string
}

const noValue = -1

func (e *extension) has(param int) bool { return e.given[param] != 0 }

// bits is a window that may have been left out, or left to the other.
func (e *extension) bits(param int) int {
	if e.given[param] <= 0 {
		return maxWindowBits
	}
	return e.given[param]
}

// take notes a parameter. Only the first flaw counts. Its text is made of
// constants: a client may send tens of thousands of them.
func (e *extension) take(p extensionParam) {
	if e.flaw != "" {
		return
	}
	i := slices.Index(deflateParamNames[:], p.name)
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

// windowBits reads a value without a sign, zeros before it, or anything else,
// RFC 7692 section 7.1.2. For others it returns 0.
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
		return minWindowBits + i
	}
	return 0
}

// eachExtension calls f for each element of the header, RFC 6455 section 9.1,
// which may be in several lines, until one is malformed. It keeps no list: a
// peer may send tens of thousands.
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

// cutExtension reads up to the comma after an element, or to the end.
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
		var p extensionParam
		if p, s, ok = cutParam(skipSpace(s[1:])); !ok {
			return e, s, false
		}
		e.take(p)
	}
}

type extensionParam struct {
	name     string
	value    string // with the backslashes of a quoted string
	hasValue bool
}

// cutParam reads a name and perhaps a value. Space around the equals sign is
// let pass, as in the HTTP of RFC 6455.
func cutParam(s string) (p extensionParam, rest string, ok bool) {
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

// cutQuoted reads a quoted string, of which s has the first quote, and returns
// what is between its quotes.
func cutQuoted(s string) (inside, rest string, ok bool) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++ // the next byte is meant as it stands
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
