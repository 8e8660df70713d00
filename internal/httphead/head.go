// Package httphead reads the heads of HTTP requests and responses that arrive
// piece by piece on connections which net/http does not manage. A [Head]
// gathers the bytes up to the empty line, within limits and without I/O. The
// parsers of net/http parse what it has gathered. They are not enough alone:
// they block until a head is complete, and accept heads that two parsers could
// read in two ways.
package httphead

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
)

const (
	// MaxBytes is the size of the largest head that is accepted, unless
	// Head.Limit says otherwise. MaxLines is the largest number of its lines: a
	// map of many small headers takes far more memory than their bytes.
	MaxBytes = 64 << 10
	MaxLines = 256
)

// Error says why a head is refused.
type Error struct {
	Status int // the status of a server's answer to such a request
	text   string
}

// Error returns what was expected or what came.
func (e *Error) Error() string { return e.text }

func tooLarge(format string, limit int) *Error {
	return &Error{http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf(format, limit)}
}

func malformed(text string) *Error { return &Error{http.StatusBadRequest, text} }

// Mode says what a [Head] accepts.
type Mode uint8

const (
	// Strict is for servers. It accepts nothing that another parser, in a proxy
	// that has checked the request before, could read in another way.
	Strict Mode = iota

	// Relaxed is for clients. It accepts lines that end with LF alone, RFC 9112
	// section 2.2, and folded lines, section 5.2, which small servers in devices
	// send.
	Relaxed

	// Lenient accepts what net/http's parsers accept: lines that end with LF
	// alone, folded lines, control characters and any number of lines. It is for
	// answers of proxies, where nothing depends on how another parser would read
	// the head.
	Lenient
)

// Head gathers a head. The zero Head is strict and ready to use.
type Head struct {
	Mode Mode

	// Limit is the size of the largest head that is accepted, in bytes. 0 means
	// MaxBytes.
	Limit int

	buf  []byte
	done bool
}

// Feed takes bytes up to the empty line that ends the head, and returns how
// many. It looks at each byte a bounded number of times, however small the
// pieces are. The error is an [Error]. After an error the Head cannot be used.
func (h *Head) Feed(p []byte) (n int, err error) {
	if h.done {
		return 0, nil
	}
	before, limit := len(h.buf), cmp.Or(h.Limit, MaxBytes)
	if room := limit - before; len(p) > room {
		p = p[:room+1] // one byte more shows that the head is too large
	}
	h.buf = append(h.buf, p...)
	if end := h.end(before); end >= 0 {
		h.buf, h.done = h.buf[:end], true
	}
	n = len(h.buf) - before
	switch {
	case len(h.buf) > limit:
		return n, tooLarge("header of more than %d bytes", limit)
	case h.Mode != Lenient:
		err = h.checkLineEnds(before)
	}
	if err == nil && h.done && h.Mode != Lenient {
		err = h.check()
	}
	return n, err
}

// Done reports whether the head is complete.
func (h *Head) Done() bool { return h.done }

// Bytes returns what Feed has taken.
func (h *Head) Bytes() []byte { return h.buf }

// end returns the index after the empty line, or -1 if there is none. No empty
// line ends in the first before bytes.
func (h *Head) end(before int) int {
	if h.Mode != Strict {
		return lenientEnd(h.buf, max(0, before-len("\n\r")))
	}
	from := max(0, before-len("\r\n\r"))
	if i := bytes.Index(h.buf[from:], []byte("\r\n\r\n")); i >= 0 {
		return from + i + len("\r\n\r\n")
	}
	return -1
}

// lenientEnd returns the index after the first empty line of b, or -1. It looks
// at the line ends from index from on. Each may be a bare LF.
func lenientEnd(b []byte, from int) int {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1
		}
		from += i + 1
		switch next := b[from:]; {
		case bytes.HasPrefix(next, []byte("\n")):
			return from + 1
		case bytes.HasPrefix(next, []byte("\r\n")):
			return from + 2
		}
	}
}

// checkLineEnds returns an error for a line end that h does not accept, as soon as
// it arrives. A peer with other line ends may never send what ends the head.
func (h *Head) checkLineEnds(from int) error {
	b := h.buf
	for i := from; i < len(b); i++ {
		switch afterCR := i > 0 && b[i-1] == '\r'; {
		case h.Mode == Strict && b[i] == '\n' && !afterCR:
			return malformed("header line that ends with LF: expected CR LF")
		case b[i] != '\n' && afterCR:
			return malformed("header with CR not followed by LF: expected CR LF")
		}
	}
	return nil
}

// check returns an error for what two parsers could read in two ways, apart from
// line ends: control characters and, in a strict head, folded lines, RFC 9112
// section 5.2.
func (h *Head) check() error {
	b := h.buf
	lines := 0
	for i, c := range b {
		switch {
		case c == '\n':
			lines++
		case h.Mode == Strict && (c == ' ' || c == '\t') && i > 0 && b[i-1] == '\n':
			return malformed("folded header line: expected each header on one line")
		case c < ' ' && c != '\t' && c != '\r', c == 0x7f:
			return malformed(fmt.Sprintf("header with the control character %#02x: expected none", c))
		}
	}
	if lines > MaxLines {
		return tooLarge("header of more than %d lines", MaxLines)
	}
	return nil
}
