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
	PeerWindowBits    int  // the window that the peer is asked to use; a client with 15 WindowBits does not ask
	NoContextTakeover bool // both sides forget their windows between messages
}

// Params are what both sides agreed on: how each of them compresses.
type Params struct {
	ServerNoContextTakeover, ClientNoContextTakeover bool
	ServerWindowBits, ClientWindowBits               int
}

// String returns p as an element of Sec-WebSocket-Extensions. It leaves out
// windows of 15 bits, which are the default.
func (p Params) String() string {
	b := make([]byte, 0, 160) // more than all parameters take
	b = append(b, deflateName...)
	if p.ServerNoContextTakeover {
		b = append(b, "; server_no_context_takeover"...)
	}
	if p.ClientNoContextTakeover {
		b = append(b, "; client_no_context_takeover"...)
	}
	if p.ServerWindowBits < MaxWindowBits {
		b = strconv.AppendInt(append(b, "; server_max_window_bits="...), int64(p.ServerWindowBits), 10)
	}
	if p.ClientWindowBits < MaxWindowBits {
		b = strconv.AppendInt(append(b, "; client_max_window_bits="...), int64(p.ClientWindowBits), 10)
	}
	return string(b)
}

// Offer returns what a client sends as Sec-WebSocket-Extensions, or "". The
// first offer has the windows of both sides. It does not ask for the server's
// window if that is forgotten between messages anyway, since then a small one
// saves nothing.
//
// The second offer has no numbers, as in the examples of RFC 7692 section
// 7.1.3. It is for servers that do not know server_max_window_bits or cannot
// obey it, which decline the first offer or ignore the parameter, and for
// servers that want to choose the client's window themselves. With 15 bits
// there is only the second offer. By default it is what Chrome sends.
//
// The server's window stands before the client's, because some servers split a
// list of offers only at semicolons, and for those the last number is garbage.
func (o *Options) Offer() string {
	if o == nil {
		return ""
	}
	first := Params{o.NoContextTakeover, o.NoContextTakeover, MaxWindowBits, MaxWindowBits}
	second := first.String() + "; client_max_window_bits"
	if o.WindowBits == MaxWindowBits {
		return second
	}
	first.ClientWindowBits = o.WindowBits
	if !o.NoContextTakeover {
		first.ServerWindowBits = o.PeerWindowBits
	}
	return first.String() + ", " + second
}

// Accept chooses from the offers in a client's Sec-WebSocket-Extensions, given
// line by line. It returns the agreed parameters, whose String is the response.
// ok is false if there is no offer to accept. Every valid offer can be
// accepted, since we obey every window, so Accept takes the first one.
//
// Nothing in the header makes a handshake fail. Accept ignores other extensions
// and declines invalid offers, RFC 7692 sections 5.1 and 7. It declines a
// malformed header as a whole, since two implementations may see different
// elements in it. RFC 6455 section 9.1 demands that the handshake fails then.
// But only servers with extensions can notice, and compression is not needed.
func (o *Options) Accept(lines []string) (p Params, ok bool) {
	if o == nil || len(lines) == 0 {
		return p, false
	}
	var first extension
	wellFormed := eachExtension(lines, func(e extension) {
		if !ok && e.name == deflateName && e.flaw == "" {
			first, ok = e, true
		}
	})
	if !wellFormed || !ok {
		return p, false
	}
	return o.answer(&first), true
}

// answer returns how a server answers an offer, RFC 7692 section 7.1. It grants
// everything that the client asks for, states what the server does besides, and
// bounds the memory of the connection: the window of each side is as small as
// we want it, or not kept between messages.
//
// What a client says about its own compressor is only a hint, unless the
// response repeats it. So the response does.
func (o *Options) answer(e *extension) Params {
	p := Params{
		ServerNoContextTakeover: o.NoContextTakeover || e.has(serverNoTakeover),
		ClientNoContextTakeover: o.NoContextTakeover || e.has(clientNoTakeover),
		ServerWindowBits:        min(o.WindowBits, e.bits(serverMaxBits)),
		ClientWindowBits:        e.bits(clientMaxBits),
	}
	switch {
	case p.ClientNoContextTakeover: // we keep no window, and a small one would only make messages larger
	case e.has(clientMaxBits):
		p.ClientWindowBits = min(p.ClientWindowBits, o.PeerWindowBits)
	case o.PeerWindowBits < MaxWindowBits:
		// The window of this client must not be limited, section 7.1.2.2, but
		// every client can be asked to forget it, section 7.1.1.2. Firefox and
		// Safari are such clients.
		p.ClientNoContextTakeover = true
	}
	return p
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

// objection returns what is wrong with a response, or "". It does not compare
// windows with the first offer: a larger one answers the second offer, which
// allows any.
func (o *Options) objection(e *extension, count int, wellFormed bool) string {
	switch {
	case o == nil:
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
		return paramNames[clientMaxBits] + ": expected a number"
	case o.NoContextTakeover && !e.has(serverNoTakeover):
		return "expected " + paramNames[serverNoTakeover] + ", without which nothing was offered"
	}
	return ""
}
