package websocket

import (
	"sync"

	"github.com/protocol-websocket/websocket/internal/deflate"
)

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

// prepare makes d understand what the peer compresses.
func (a *agreement) prepare(d *decoder) {
	if a == nil {
		return
	}
	d.allowRSV = rsvCompressed
	d.inflater = &deflate.Decompressor{WindowBits: a.clientBits, ContextTakeover: !a.clientNoTakeover}
	if d.side == ClientSide {
		d.inflater = &deflate.Decompressor{WindowBits: a.serverBits, ContextTakeover: !a.serverNoTakeover}
	}
}

// compressor is for what side sends. Without an agreement it compresses nothing.
func (a *agreement) compressor(v Version, side Side) *Compressor {
	z := &Compressor{version: v, side: side}
	if a == nil {
		return z
	}
	z.threshold = a.threshold
	z.deflater = deflate.Compressor{WindowBits: a.serverBits, ContextTakeover: !a.serverNoTakeover}
	if side == ClientSide {
		z.deflater = deflate.Compressor{WindowBits: a.clientBits, ContextTakeover: !a.clientNoTakeover}
	}
	return z
}

// rsvCompressed is the bit that says that a message is compressed, RFC 7692 section 6.
const rsvCompressed = 4

// Compressor makes messages for a peer, compressed if that was agreed on,
// without I/O: it is the counterpart of [Parser], and is made by a handshake. A
// message may refer to those before it, so all must be sent, in the order in
// which they were made. The zero value is that of a server of [RFC6455] that
// compresses nothing. Not safe for concurrent use.
type Compressor struct {
	mu        sync.Mutex // for a Conn; who holds it may not wait
	deflater  deflate.Compressor
	version   Version
	side      Side
	threshold int // in bytes; 0 if nothing is compressed
}

// AppendMessage appends a message as one frame to dst, as the function
// [AppendMessage] does: compressed, if compression was agreed on and the message
// is a [Text] or [Binary] as long as [Compression].Threshold. It errs, appending
// nothing, as that function does. p and dst must not overlap.
func (z *Compressor) AppendMessage(dst []byte, t MessageType, p []byte) ([]byte, error) {
	if !z.worth(len(p)) || t != Text && t != Binary {
		return AppendMessage(dst, z.version, z.side, t, p)
	}
	h := header{fin: true, op: t, rsv: rsvCompressed}
	out := z.message(h, p)
	defer recycle(out)
	if z.side == ClientSide {
		h.masked, h.key = true, out.keys.Next()
	}
	return appendHybi(dst, h, out.b), nil
}

// worth reports whether a message of n bytes is to be compressed.
func (z *Compressor) worth(n int) bool { return z != nil && z.threshold > 0 && n >= z.threshold }

// message compresses the payload of a frame into a buffer that is to be
// recycled. Only the last frame of a message goes without the four bytes that
// end what was flushed, RFC 7692 section 7.2.1.
func (z *Compressor) message(h header, p []byte) *outBuffer {
	out := outBuffers.Get().(*outBuffer)
	out.b = z.deflater.Append(out.b, p)
	if !h.fin {
		out.b = append(out.b, 0, 0, 0xff, 0xff)
	}
	return out
}
