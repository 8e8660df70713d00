// Package permessage negotiates the extension permessage-deflate, RFC 7692
// section 7: what a client offers, how a server answers, and what a client
// accepts. It reads and writes the header field Sec-WebSocket-Extensions, and
// neither compresses nor knows of connections.
//
// It is our own because the rules are ours: how much memory a connection may
// cost decides which windows are offered, asked for and agreed on.
package permessage

import (
	"fmt"
	"strconv"
	"strings"
)

// MinWindowBits and MaxWindowBits bound the size of a window, which is 1<<bits
// bytes.
const (
	MinWindowBits = 8
	MaxWindowBits = 15
)

// Options say what one side wants. A nil *Options means no compression.
type Options struct {
	WindowBits        int  // the largest window with which this side compresses
	PeerWindowBits    int  // the window that the peer is asked to use; 15 asks for nothing
	Strict            bool // no more than PeerWindowBits is kept of a peer; without that, what the peer needs
	NoContextTakeover bool // this side forgets its window between messages, and a client wants a server that does too
}

// Params say how each side compresses after the handshake. A server may do with
// less than it has told the client.
type Params struct {
	ServerNoContextTakeover, ClientNoContextTakeover bool
	ServerWindowBits, ClientWindowBits               int
}

// Offer returns what a client sends as Sec-WebSocket-Extensions, or "". The
// first offer has the windows of both sides. It does not ask for the server's
// window if that is forgotten between messages anyway, since then a small one
// saves nothing.
//
// The second offer has no numbers, as in the examples of RFC 7692 section
// 7.1.3. It is for servers that do not know server_max_window_bits or cannot
// obey it, which decline the first offer or ignore the parameter, and for
// servers that want to choose the client's window themselves. If the client is
// strict, such a server must forget its window. A client that asks for nothing
// makes only the second offer. By default it is what Chrome sends.
//
// The server's window stands before the client's, because some servers split a
// list of offers only at semicolons, and for those the last number is garbage.
func (o *Options) Offer() string {
	if o == nil {
		return ""
	}
	first := deflateName
	if o.NoContextTakeover {
		first = withFlag(withFlag(first, serverNoTakeover), clientNoTakeover)
	}
	second := withFlag(first, clientMaxBits)
	if o.PeerWindowBits == MaxWindowBits {
		return second
	}
	if !o.NoContextTakeover {
		first = withBits(first, serverMaxBits, o.PeerWindowBits)
		if o.Strict {
			second = withFlag(withFlag(deflateName, serverNoTakeover), clientMaxBits)
		}
	}
	if o.WindowBits < MaxWindowBits {
		first = withBits(first, clientMaxBits, o.WindowBits)
	} else {
		first = withFlag(first, clientMaxBits)
	}
	if first == second {
		return first
	}
	return first + ", " + second
}

func withFlag(element string, param int) string { return element + "; " + paramNames[param] }

func withBits(element string, param, bits int) string {
	return withFlag(element, param) + "=" + strconv.Itoa(bits)
}

// Accept chooses from the offers in a client's Sec-WebSocket-Extensions, given
// line by line: the first one that o can accept. It returns how both sides
// compress, and the response. ok is false if there is no such offer. Every
// valid offer can be accepted, since we obey every window, unless o is strict
// and the client does not let the server choose its window.
//
// Accept ignores other extensions and declines invalid offers, RFC 7692 sections
// 5.1 and 7. It declines a malformed header as a whole, since two
// implementations may see different elements in it. Whether the handshake then
// fails, RFC 6455 section 9.1, is up to the caller.
func (o *Options) Accept(lines []string) (p Params, response string, ok bool) {
	if o == nil || len(lines) == 0 {
		return p, "", false
	}
	var first extension
	wellFormed := eachExtension(lines, func(e extension) {
		if !ok && e.name == deflateName && e.flaw == "" && o.canAccept(&e) {
			first, ok = e, true
		}
	})
	if !wellFormed || !ok {
		return p, "", false
	}
	p = o.answer(&first)
	return p, p.response(&first), true
}

// canAccept reports whether the window of a client that makes this offer can be
// bounded as o demands. A server must not limit a window if the client did not
// offer client_max_window_bits, section 7.1.2.2. It may ask every client to
// forget its window, section 7.1.1.2, but clients fail at parameters that they
// did not offer.
func (o *Options) canAccept(e *extension) bool {
	return !o.Strict || o.PeerWindowBits == MaxWindowBits || e.has(clientMaxBits) || e.has(clientNoTakeover)
}

// answer returns how both sides compress after an offer. The server grants all
// that the client asks for and bounds the client's window, if the client lets
// it. No window is kept of a client that forgets it. A small one would only
// make the client's messages larger.
func (o *Options) answer(e *extension) Params {
	p := Params{
		ServerNoContextTakeover: o.NoContextTakeover || e.has(serverNoTakeover),
		ClientNoContextTakeover: e.has(clientNoTakeover),
		ServerWindowBits:        min(o.WindowBits, e.bits(serverMaxBits)),
		ClientWindowBits:        e.bits(clientMaxBits),
	}
	if e.has(clientMaxBits) && !p.ClientNoContextTakeover {
		p.ClientWindowBits = min(p.ClientWindowBits, o.PeerWindowBits)
	}
	return p
}

// response returns the answer to e, which has no parameter that e lacks: many
// clients fail the connection over such a parameter, others ignore it. What the
// server asks of itself needs no telling. A client that is not told keeps more
// memory than it needs, and that is all.
//
// What a client says about its own compressor is only a hint, unless the
// response repeats it. So the response does.
func (p Params) response(e *extension) string {
	s := deflateName
	for _, param := range []int{serverNoTakeover, clientNoTakeover} {
		if e.has(param) {
			s = withFlag(s, param)
		}
	}
	if e.has(serverMaxBits) { // must be repeated, section 7.1.2.1, even if it is 15
		s = withBits(s, serverMaxBits, p.ServerWindowBits)
	}
	if p.ClientWindowBits < MaxWindowBits { // then e has client_max_window_bits
		s = withBits(s, clientMaxBits, p.ClientWindowBits)
	}
	return s
}

// Check checks a server's Sec-WebSocket-Extensions, given line by line, against
// Offer, and returns the agreed parameters. ok is false if the server does not
// compress. After an error the client must fail the connection, RFC 7692
// section 7.
func (o *Options) Check(lines []string) (p Params, ok bool, err error) {
	if len(lines) == 0 {
		return p, false, nil
	}
	var e extension
	count := 0
	wellFormed := eachExtension(lines, func(next extension) {
		e = next
		count++
	})
	if objection := o.objection(&e, count, wellFormed); objection != "" {
		return p, false, fmt.Errorf("server chose the extensions %.200q: %s", strings.Join(lines, ", "), objection)
	}
	return Params{
		ServerNoContextTakeover: e.has(serverNoTakeover),
		ClientNoContextTakeover: o.NoContextTakeover || e.has(clientNoTakeover),
		ServerWindowBits:        e.bits(serverMaxBits),
		ClientWindowBits:        min(o.WindowBits, e.bits(clientMaxBits)),
	}, true, nil
}

// offerNothing says what to do about a server that cannot be talked to.
const offerNothing = "; the server is at fault, and a client without Compression offers it nothing"

// objection returns what is wrong with a response, or "". Unless o is strict, it
// does not compare windows with the first offer: a larger one answers the
// second offer, which allows any.
func (o *Options) objection(e *extension, count int, wellFormed bool) string {
	switch {
	case o == nil:
		return "none was offered; the server is at fault"
	case !wellFormed:
		return "malformed, expected " + deflateName + " and its parameters" + offerNothing
	case count != 1:
		return fmt.Sprintf("%d extensions, expected one", count) + offerNothing
	case e.name != deflateName:
		return "only " + deflateName + " was offered" + offerNothing
	case e.flaw != "":
		return e.flaw + offerNothing
	case e.given[clientMaxBits] == noValue:
		return paramNames[clientMaxBits] + ": expected a number" + offerNothing
	case o.NoContextTakeover && !e.has(serverNoTakeover):
		return "expected " + paramNames[serverNoTakeover] + "; a server that keeps its window is accepted without NoContextTakeover"
	case o.Strict && !e.has(serverNoTakeover) && e.bits(serverMaxBits) > o.PeerWindowBits:
		return fmt.Sprintf("expected %s of at most %d, or %s; any window is accepted if PeerWindowBits is 0",
			paramNames[serverMaxBits], o.PeerWindowBits, paramNames[serverNoTakeover])
	}
	return ""
}
