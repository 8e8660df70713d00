package websocket

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version names one of the versions of the protocol that were deployed. The
// zero value is [RFC6455]. Later drafts of one wire format share a constant:
// what a version number does not tell apart, peers cannot tell apart either.
type Version uint8

const (
	// RFC6455 is the standard: RFC 6455 and draft-ietf-hybi-13 to -17, version
	// number 13. Every current browser speaks it.
	RFC6455 Version = iota
	// Hybi10 is draft-ietf-hybi-08 to -12, version number 8: Chrome 14,
	// Firefox 7 and libraries of their time.
	Hybi10
	// Hybi07 is draft-ietf-hybi-07, version number 7: Firefox 6.
	Hybi07
	// Hybi00 is draft-ietf-hybi-00, also known as hixie-76: Chrome 6 to 13,
	// Safari 5.0.1, iOS 5, Flash and embedded clients. Text only; no Ping.
	Hybi00
	// Hixie75 is draft-hixie-thewebsocketprotocol-75: Chrome 4 and 5, Safari
	// 5.0.0. Text only; no Ping, no closing handshake, no proof in the
	// handshake that the peer speaks WebSocket at all.
	Hixie75

	versions = 5
)

// allVersions are the versions that a server accepts by default, newest first.
// The numbers in a 426 response have the same order.
var allVersions = []Version{RFC6455, Hybi10, Hybi07, Hybi00, Hixie75}

// traits holds the facts in which versions differ, except those of framing,
// which are in frame.go and frame_hixie.go.
type traits struct {
	name           string
	number         string // the number in Sec-WebSocket-Version; "" before hybi-04
	reason         string // the reason phrase of the 101 response
	upgrade        string // value of the Upgrade header, in the letter case that every peer accepted
	originHeader   string // name of the header in the request
	protocolHeader string // name of the header in the request and in the response
	// headerPrefix begins the names of the Origin and Location headers in a
	// hixie response.
	headerPrefix    string
	proof           proof
	keyBytes        int  // required length of the nonce in Sec-WebSocket-Key; 0 for any
	originRequired  bool // a request must have an origin, because every client is a web page
	subprotocolList bool // a request may ask for several subprotocols, and a response leaves the header out if none is chosen
	extensions      bool // the handshake can negotiate extensions
	offersDeflate   bool // clients offer permessage-deflate

	masks      bool // clients mask their frames
	fragments  bool // a message may have several frames
	ping       bool // there are Ping and Pong
	closeFrame bool // there is a closing handshake
	closeCodes bool // a Close frame may have a code and a reason
	code1004   bool // peers may send 1004, which meant "too large" before it was reserved
	serverEnds bool // after the closing handshake the server closes TCP first
}

// proof says how a server shows that it has understood the request.
type proof uint8

const (
	proofAccept    proof = iota // with Sec-WebSocket-Accept, computed from Sec-WebSocket-Key
	proofRepeat                 // it repeats the origin and the URL of the request
	proofChallenge              // as proofRepeat, and it answers a challenge
)

var traitsOf = [versions]traits{
	RFC6455: {
		name: "rfc6455", number: "13", reason: "Switching Protocols", upgrade: "websocket",
		originHeader: "Origin", protocolHeader: "Sec-Websocket-Protocol",
		proof: proofAccept, keyBytes: 16, subprotocolList: true, extensions: true, offersDeflate: true,
		masks: true, fragments: true, ping: true, closeFrame: true, closeCodes: true, serverEnds: true,
	},
	Hybi10: {
		name: "draft-ietf-hybi-10", number: "8", reason: "Switching Protocols", upgrade: "websocket",
		originHeader: "Sec-Websocket-Origin", protocolHeader: "Sec-Websocket-Protocol",
		proof: proofAccept, subprotocolList: true, extensions: true,
		masks: true, fragments: true, ping: true, closeFrame: true, closeCodes: true, code1004: true, serverEnds: true,
	},
	Hybi07: {
		name: "draft-ietf-hybi-07", number: "7", reason: "Switching Protocols", upgrade: "websocket",
		originHeader: "Sec-Websocket-Origin", protocolHeader: "Sec-Websocket-Protocol",
		proof: proofAccept, subprotocolList: true, extensions: true,
		masks: true, fragments: true, ping: true, closeFrame: true, closeCodes: true, code1004: true, serverEnds: true,
	},
	Hybi00: {
		name: "draft-ietf-hybi-00", reason: "WebSocket Protocol Handshake", upgrade: "WebSocket",
		originHeader: "Origin", protocolHeader: "Sec-Websocket-Protocol",
		headerPrefix: "Sec-WebSocket-", proof: proofChallenge, originRequired: true,
		closeFrame: true,
	},
	Hixie75: {
		name: "draft-hixie-75", reason: "Web Socket Protocol Handshake", upgrade: "WebSocket",
		originHeader: "Origin", protocolHeader: "Websocket-Protocol",
		headerPrefix: "WebSocket-", proof: proofRepeat, originRequired: true,
	},
}

// traits returns the traits of v. For an unknown Version it returns those of
// RFC6455, so that no number can index past the table. Entry points refuse
// unknown versions with check.
func (v Version) traits() *traits {
	if !v.valid() {
		v = RFC6455
	}
	return &traitsOf[v]
}

func (v Version) valid() bool { return v < versions }

// hixie reports whether v has the framing of the first drafts: text between
// 0x00 and 0xFF, without lengths or masks.
func (v Version) hixie() bool { return v == Hybi00 || v == Hixie75 }

// check returns an error if v is unknown. Every entry point that takes a
// Version calls it first.
func (v Version) check() error {
	if v.valid() {
		return nil
	}
	return fmt.Errorf("websocket: unknown %v: expected RFC6455, Hybi10, Hybi07, Hybi00 or Hixie75", v)
}

// String returns rfc6455, draft-ietf-hybi-10, draft-ietf-hybi-07,
// draft-ietf-hybi-00 or draft-hixie-75, which [ParseVersion] reads back, and
// Version(N) for a value that is none of the constants.
func (v Version) String() string {
	if !v.valid() {
		return "Version(" + strconv.Itoa(int(v)) + ")"
	}
	return traitsOf[v].name
}

// ParseVersion returns the Version of a name: those of [Version.String], the
// names that the Perl module Protocol::WebSocket and others use
// (draft-ietf-hybi-17, hybi-17, hybi17, hixie-75, hixie-76, ...), and the
// numbers of Sec-WebSocket-Version (13, 8, 7). Case does not matter. The
// drafts hybi-01 to hybi-06 were never deployed and are refused.
func ParseVersion(s string) (Version, error) {
	name := strings.ToLower(s)
	for _, v := range allVersions {
		if t := v.traits(); name == t.name || t.number != "" && name == t.number {
			return v, nil
		}
	}
	name = strings.TrimPrefix(name, "draft-")
	name = strings.TrimPrefix(name, "ietf-")
	switch name {
	case "hixie-75", "hixie75", "hixie-thewebsocketprotocol-75":
		return Hixie75, nil
	case "hixie-76", "hixie76", "hixie-thewebsocketprotocol-76":
		return Hybi00, nil
	}
	name, ok := strings.CutPrefix(name, "hybi")
	name = strings.TrimPrefix(name, "-thewebsocketprotocol")
	name = strings.TrimPrefix(name, "-")
	draft, err := strconv.ParseUint(name, 10, 8)
	switch {
	case !ok || err != nil || len(name) > 2:
	case draft == 0:
		return Hybi00, nil
	case draft == 7:
		return Hybi07, nil
	case draft >= 8 && draft <= 12:
		return Hybi10, nil
	case draft >= 13 && draft <= 17:
		return RFC6455, nil
	}
	return 0, unknownVersion(s)
}

func unknownVersion(s string) error {
	return fmt.Errorf("websocket: unknown version %q: expected rfc6455, draft-ietf-hybi-17, -10, -07 or -00, hixie-76, hixie-75, 13, 8 or 7", s)
}

// MarshalText returns the name that [Version.String] gives, and an error for a
// value that is none of the constants.
func (v Version) MarshalText() ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	return []byte(v.String()), nil
}

// UnmarshalText sets v as [ParseVersion] reads text, which lets versions be
// given by flag.TextVar and in JSON.
func (v *Version) UnmarshalText(text []byte) error {
	parsed, err := ParseVersion(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}

// versionNumbers returns a value of Sec-WebSocket-Version: the numbers of the
// versions in list, in the order of allVersions. The hixie versions have none.
func versionNumbers(list []Version) string {
	var numbers []string
	for _, v := range allVersions {
		if n := v.traits().number; n != "" && slices.Contains(list, v) {
			numbers = append(numbers, n)
		}
	}
	return strings.Join(numbers, ", ")
}
