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
// The zero value is ready to use. It must not be changed while in use.
//
// Do not compress what holds both a secret and something that an attacker can
// choose: the length of the message then tells of the secret.
type Compression struct {
	// Threshold is the size, in bytes, from which on a message is compressed;
	// smaller ones are sent as they are. 0 means 512. Of a message that is written
	// piece by piece only what is written before the first frame leaves counts:
	// 16 KiB, or Threshold if that is more, but no more than 64 KiB.
	Threshold int

	// WindowBits bounds how far back a message may refer to what was sent
	// before, in this message and those before it: 1<<WindowBits bytes, which a
	// connection must keep in memory for each direction. It is from 8 to 15; 0
	// means 12, which is 4 KiB.
	//
	// It holds for what is sent, and the peer is asked to do the same, with at
	// least 9 bits, since zlib cannot compress with 8. Some clients, Firefox
	// among them, do not let a server choose; unless WindowBits is 15 they are
	// told to do without context takeover. Many servers do not let a client
	// choose; it accepts that they use 15 bits, and keeps 32 KiB. A client with
	// WindowBits 15 asks for nothing, for the sake of old servers that refuse a
	// connection because of what it asks for.
	WindowBits int

	// NoContextTakeover makes each message refer to nothing before it, in both
	// directions: a connection keeps no window, and small messages become less
	// small. If a server declines, a client does without compression; if one takes
	// up compression but not this, the handshake fails.
	NoContextTakeover bool
}

const (
	defaultThreshold  = 512
	defaultWindowBits = 12

	// minPeerWindowBits is the smallest window that a peer is asked to compress
	// with. The extension allows 8 bits, but zlib refuses them.
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
	return &permessage.Options{
		WindowBits: bits, PeerWindowBits: max(minPeerWindowBits, bits),
		NoContextTakeover: c.NoContextTakeover,
	}
}

func (c *Compression) threshold() int {
	if c.Threshold == 0 {
		return defaultThreshold
	}
	return c.Threshold
}

// pmdParams holds what both sides agreed on for permessage-deflate, and the
// threshold, which each side chooses for itself.
type pmdParams struct {
	permessage.Params
	threshold int
}

// offer returns what a client offers, or "" if c is nil.
func (c *Compression) offer() string { return c.options().Offer() }

// agree chooses one of a client's offers. It returns what was agreed on and the
// value for the response. If it can accept none of the offers, it returns nil
// and "", and no message is compressed.
func (c *Compression) agree(offers []string) (*pmdParams, string) {
	p, ok := c.options().Accept(offers)
	if !ok {
		return nil, ""
	}
	return &pmdParams{p, c.threshold()}, p.String()
}

// agreed returns what a server's response has agreed to, or nil if that is
// nothing. c holds the options of the offer; it is nil if nothing was offered.
func (c *Compression) agreed(response []string) (*pmdParams, error) {
	p, ok, err := c.options().Check(response)
	if !ok || err != nil {
		return nil, err
	}
	return &pmdParams{p, c.threshold()}, nil
}

// decompressor returns the decompressor for what side receives.
func (p *pmdParams) decompressor(side Side) *deflate.Decompressor {
	if side == ClientSide {
		return &deflate.Decompressor{WindowBits: p.ServerWindowBits, ContextTakeover: !p.ServerNoContextTakeover}
	}
	return &deflate.Decompressor{WindowBits: p.ClientWindowBits, ContextTakeover: !p.ClientNoContextTakeover}
}

// compressor returns the compressor for what side sends.
func (p *pmdParams) compressor(side Side) deflate.Compressor {
	if side == ClientSide {
		return deflate.Compressor{WindowBits: p.ClientWindowBits, ContextTakeover: !p.ClientNoContextTakeover}
	}
	return deflate.Compressor{WindowBits: p.ServerWindowBits, ContextTakeover: !p.ServerNoContextTakeover}
}
