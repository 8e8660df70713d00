package websocket

import (
	"fmt"

	"github.com/protocol-websocket/websocket/internal/deflate"
	"github.com/protocol-websocket/websocket/internal/permessage"
)

// Compression turns on permessage-deflate, RFC 7692, with which messages are
// compressed one by one. It is used only with peers that want it too; with all
// others the connection works as without. A client offers it in [RFC6455], a
// server accepts it also from clients of [Hybi10] and [Hybi07] that offer it.
// It must not be changed while in use.
//
// The zero value works with every peer that keeps what it has offered. One kind
// does not: Java clients and servers on Netty before April 2025 offer small
// windows and cannot make them unless JZlib is installed. For those, set
// PeerWindowBits to 15.
//
// Both sides refer to what was sent before, so each keeps the end of it, for
// each direction. How much a connection keeps of what it receives depends on
// the peer. Where the table has two sizes, the first is the most that is kept
// until the peer has sent 64 KiB of messages, counted as inflated, and the
// second is kept from then on:
//
//	PeerWindowBits                    0                        N, from 9 to 14
//	client offers
//	  client_no_context_takeover      nothing                  nothing
//	  client_max_window_bits          32 KiB; 1<<WindowBits    1<<N
//	  neither                         up to 32 KiB             no compression
//	server answers
//	  server_no_context_takeover      nothing                  nothing
//	  server_max_window_bits as asked 32 KiB; 1<<WindowBits    1<<N
//	  neither                         up to 32 KiB             handshake fails
//
// A server never answers with a parameter that the client did not offer, since
// many clients fail at that.
//
// Do not compress what holds both a secret and something that an attacker can
// choose: the length of the message then tells of the secret.
type Compression struct {
	// Threshold is the size, in bytes, from which on a message is compressed;
	// smaller ones are sent as they are. 0 means 512. A message that NextWriter
	// sends in several frames is compressed if what is written before the first
	// frame is sent reaches Threshold. That frame is sent when more than 36 KiB
	// are written, or more than Threshold bytes if that is more, but no later than
	// at 64 KiB; or at Flush.
	Threshold int

	// WindowBits bounds how far back a message that is sent may refer to what was
	// sent before, in this message and those before it: 1<<WindowBits bytes, which
	// the connection keeps in memory. It is from 8 to 15; 0 means 12, which is 4
	// KiB. If the peer wants to keep less, the smaller window is used.
	WindowBits int

	// PeerWindowBits bounds how much is kept of what the peer sends:
	// 1<<PeerWindowBits bytes. It is from 9 to 15, since zlib cannot compress with
	// 8; 0 leaves it to the peer.
	//
	// With 0 the peer is asked to compress with WindowBits, but at least 9. What
	// is kept grows, as it is used, up to 32 KiB. Once a peer that has agreed has
	// sent 64 KiB of messages and kept to it, 1<<WindowBits bytes are kept: 4 KiB
	// by default. A peer that has agreed and refers further back by then is served
	// all the same, and up to 32 KiB are kept of it. So they are of one that is
	// not to be asked, such as Firefox and Safari.
	//
	// With a number the peer is asked for that, and no more is kept. A peer that
	// agrees and refers further back fails the connection.
	//
	// 15 asks for nothing, keeps up to 32 KiB, and serves peers that refer further
	// back than they said after their first 64 KiB. A client then offers what
	// Chrome does, for the sake of servers that refuse a connection because of what
	// it asks for.
	PeerWindowBits int

	// NoContextTakeover makes each message that is sent refer to nothing before
	// it: no window is kept for it, and small messages become less small.
	//
	// A client wants the same of the server. If the server declines, there is no
	// compression; if it takes up compression but not this, the handshake fails.
	// A server tells the client nothing of it, and does not ask for the same, since
	// clients fail at what they did not offer. Of a client that does not offer
	// it, PeerWindowBits says how much is kept.
	NoContextTakeover bool
}

const (
	defaultThreshold  = 512
	defaultWindowBits = 12

	// minPeerWindowBits is the smallest window that a peer is asked to compress
	// with. RFC 7692 allows 8 bits, but zlib refuses them.
	minPeerWindowBits = 9
)

// validate returns an error if an option is out of range. A nil c is valid.
func (c *Compression) validate() error {
	switch {
	case c == nil:
		return nil
	case c.Threshold < 0:
		return fmt.Errorf("websocket: Compression.Threshold is %d: expected a number of bytes, or 0 for %d", c.Threshold, defaultThreshold)
	case c.WindowBits != 0 && (c.WindowBits < permessage.MinWindowBits || c.WindowBits > permessage.MaxWindowBits):
		return fmt.Errorf("websocket: Compression.WindowBits is %d: expected %d to %d, or 0 for %d",
			c.WindowBits, permessage.MinWindowBits, permessage.MaxWindowBits, defaultWindowBits)
	case c.PeerWindowBits != 0 && (c.PeerWindowBits < minPeerWindowBits || c.PeerWindowBits > permessage.MaxWindowBits):
		return fmt.Errorf("websocket: Compression.PeerWindowBits is %d: expected %d to %d, or 0 for what each peer needs",
			c.PeerWindowBits, minPeerWindowBits, permessage.MaxWindowBits)
	}
	return nil
}

// options returns what this side wants, with the defaults filled in. It returns
// nil if c is nil: no compression.
func (c *Compression) options() *permessage.Options {
	if c == nil {
		return nil
	}
	bits := c.WindowBits
	if bits == 0 {
		bits = defaultWindowBits
	}
	o := &permessage.Options{WindowBits: bits, PeerWindowBits: c.PeerWindowBits, Strict: true, NoContextTakeover: c.NoContextTakeover}
	if c.PeerWindowBits == 0 {
		o.PeerWindowBits, o.Strict = max(minPeerWindowBits, bits), false
	}
	return o
}

func (c *Compression) threshold() int {
	if c.Threshold == 0 {
		return defaultThreshold
	}
	return c.Threshold
}

// pmdParams holds what both sides agreed on for permessage-deflate, and what
// each side chooses for itself.
type pmdParams struct {
	permessage.Params
	threshold int
	peerBits  int // Compression.PeerWindowBits
}

// offer returns what a client offers, or "" if c is nil.
func (c *Compression) offer() string { return c.options().Offer() }

// agree chooses one of a client's offers. It returns what was agreed on and the
// value for the response. If it can accept none of the offers, it returns nil
// and "", and no message is compressed.
func (c *Compression) agree(offers []string) (*pmdParams, string) {
	p, response, ok := c.options().Accept(offers)
	if !ok {
		return nil, ""
	}
	return &pmdParams{p, c.threshold(), c.PeerWindowBits}, response
}

// agreed returns what a server's response has agreed to, or nil if that is
// nothing. c holds the options of the offer; it is nil if nothing was offered.
func (c *Compression) agreed(response []string) (*pmdParams, error) {
	p, ok, err := c.options().Check(response)
	if !ok || err != nil {
		return nil, err
	}
	return &pmdParams{p, c.threshold(), c.PeerWindowBits}, nil
}

// decompressor returns the decompressor for what side receives. If the program
// lets it keep the largest window, it does so whatever the peer says.
func (p *pmdParams) decompressor(side Side) *deflate.Decompressor {
	bits, forgets := p.ClientWindowBits, p.ClientNoContextTakeover
	if side == ClientSide {
		bits, forgets = p.ServerWindowBits, p.ServerNoContextTakeover
	}
	if p.peerBits == permessage.MaxWindowBits {
		bits = permessage.MaxWindowBits
	}
	return &deflate.Decompressor{WindowBits: bits, ContextTakeover: !forgets, Tolerant: p.peerBits == 0}
}

// compressor returns the compressor for what side sends.
func (p *pmdParams) compressor(side Side) deflate.Compressor {
	if side == ClientSide {
		return deflate.Compressor{WindowBits: p.ClientWindowBits, ContextTakeover: !p.ClientNoContextTakeover}
	}
	return deflate.Compressor{WindowBits: p.ServerWindowBits, ContextTakeover: !p.ServerNoContextTakeover}
}
