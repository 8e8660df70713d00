package websocket

import (
	"fmt"

	"github.com/protocol-websocket/websocket/internal/deflate"
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
	minWindowBits     = 8
	maxWindowBits     = 15
	defaultWindowBits = 12

	// minPeerWindowBits is the smallest window that peers can be expected to
	// compress with: zlib refuses 8, although the extension has it.
	minPeerWindowBits = 9

	defaultThreshold = 512
)

// validate is called by all that are given a Compression, of which nil is no
// mistake, before they use it.
func (c *Compression) validate() error {
	switch {
	case c == nil:
		return nil
	case c.Threshold < 0:
		return fmt.Errorf("websocket: Compression.Threshold is %d: expected a number of bytes, or 0 for %d", c.Threshold, defaultThreshold)
	case c.WindowBits != 0 && (c.WindowBits < minWindowBits || c.WindowBits > maxWindowBits):
		return fmt.Errorf("websocket: Compression.WindowBits is %d: expected %d to %d, or 0 for %d",
			c.WindowBits, minWindowBits, maxWindowBits, defaultWindowBits)
	}
	return nil
}

func (c *Compression) threshold() int {
	if c.Threshold == 0 {
		return defaultThreshold
	}
	return c.Threshold
}

func (c *Compression) windowBits() int {
	if c.WindowBits == 0 {
		return defaultWindowBits
	}
	return c.WindowBits
}

// peerWindowBits is the window that the peer is asked to use.
func (c *Compression) peerWindowBits() int { return max(minPeerWindowBits, c.windowBits()) }

// agreement is what two peers have agreed on, RFC 7692 section 7.1, with what
// this side has decided for itself.
type agreement struct {
	deflateParams
	threshold int
}

// agree answers a client's offers, if there is one that can be accepted. Its
// nil agreement means no compression.
func (c *Compression) agree(offers []string) (*agreement, string) {
	p, response, ok := c.accept(offers)
	if !ok {
		return nil, ""
	}
	return &agreement{p, c.threshold()}, response
}

// agreed is what a server has answered to the offer of c, which was not made if
// c is nil.
func (c *Compression) agreed(response []string) (*agreement, error) {
	p, ok, err := c.check(response)
	if !ok || err != nil {
		return nil, err
	}
	return &agreement{p, c.threshold()}, nil
}

// inflate returns the decompressor for what side receives.
func (a *agreement) inflate(side Side) *deflate.Decompressor {
	if side == ClientSide {
		return &deflate.Decompressor{WindowBits: a.serverBits, ContextTakeover: !a.serverNoTakeover}
	}
	return &deflate.Decompressor{WindowBits: a.clientBits, ContextTakeover: !a.clientNoTakeover}
}

// deflate returns the compressor for what side sends.
func (a *agreement) deflate(side Side) deflate.Compressor {
	if side == ClientSide {
		return deflate.Compressor{WindowBits: a.clientBits, ContextTakeover: !a.clientNoTakeover}
	}
	return deflate.Compressor{WindowBits: a.serverBits, ContextTakeover: !a.serverNoTakeover}
}
