package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"time"

	"github.com/protocol-websocket/websocket/internal/netx"
)

// Conn is a WebSocket connection, of either side and any version. It is made
// by [Upgrader], [Server], [Dialer] or one of their shorthands.
//
// Every method may be called from any goroutine at any time. Reads are done
// one after the other, and so are writes. A program should always have one
// read waiting, or call [Conn.Discard]: only reads answer Pings, notice the
// peer's Close and let Ping return.
type Conn struct {
	subprotocol string
	request     *keptRequest // nil on a client
	response    *http.Response

	rcv  receiver
	send sendQueue
	life lifetime
}

// newConn returns the connection for a finished handshake. rest holds the bytes
// that arrived after the handshake. They belong to the first frame.
func newConn(nc net.Conn, v Version, side Side, cfg *Config, rest []byte) *Conn {
	if len(rest) > largeBufferSize {
		nc = netx.NewPrefixedConn(nc, bytes.Clone(rest[largeBufferSize:]))
		rest = rest[:largeBufferSize]
	}
	c := new(Conn)
	c.send.nc = nc
	c.life.send, c.rcv.life = &c.send, &c.life
	c.send.enc = encoder{version: v, side: side}
	c.rcv.dec = newDecoder(v, side, cfg)
	c.rcv.store(rest)
	if cfg.PingInterval > 0 && v.traits().ping {
		c.rcv.keep = newKeepalive(cfg, &c.life, sharedPings(&c.rcv.pings))
		c.life.onClosing = c.rcv.keep.stop
	}
	if cfg.WriteTimeout > 0 {
		c.send.watch = watchWrites(cfg.WriteTimeout, &c.life)
	}
	if cfg.MessageTimeout > 0 {
		c.life.message = newMessageClock(cfg.MessageTimeout)
	}
	c.setTrace(cfg.Trace)
	if c.send.allowsDirect() {
		c.send.direct.Store(directIdle)
	}
	c.initPoll()
	return c
}

// compress turns on compression in both directions. p is nil if none was agreed
// on.
func (c *Conn) compress(p *pmdParams) {
	c.send.enc.useCompression(p)
	c.rcv.dec.useCompression(p)
}

// setTrace makes c call the hooks of t.
func (c *Conn) setTrace(t *Trace) {
	if t == nil {
		return
	}
	if t.FrameRead != nil {
		c.rcv.dec.trace = func(f FrameInfo) { t.FrameRead(c, f) }
	}
	if t.FrameWritten != nil {
		c.send.trace = func(f FrameInfo) { t.FrameWritten(c, f) }
	}
	if t.Closed != nil {
		c.life.onTrace = func(cause error) { t.Closed(c, cause) }
	}
}

// start starts the keepalive and calls the hook Opened of t. All fields of c
// must be set.
func (c *Conn) start(t *Trace) {
	c.rcv.keep.start()
	if t == nil || t.Opened == nil {
		return
	}
	returned := false
	defer func() {
		if !returned { // the hook panics, so nobody else has c
			c.Close()
		}
	}()
	t.Opened(c)
	returned = true
}

// Version returns the version that the connection speaks.
func (c *Conn) Version() Version { return c.send.enc.version }

// Subprotocol returns the subprotocol that was agreed on, or "" if none was,
// RFC 6455 section 1.9.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Request returns, on a server, the request that the connection was made of. It
// is nil on a client.
//
// Where [Server.ServeHTTP] waits for the Handler, it is the request that
// ServeHTTP was called with, and the same at each call; if [Upgrader].Check has
// returned a context, it has that one. In [Hybi00] it may be a copy without the
// body, because the handshake has read that. As in every handler it may be used
// until Handler returns: routers and middlewares may take back afterwards what
// it holds.
//
// After [Server].Detach, and from [Server.ServeConn], [Upgrader.Upgrade] and
// [Upgrader.Accept], the connection may outlive the request. Then it is a copy,
// made at each call, since the connection keeps the header in less memory. Its
// context carries values only, and its body is empty.
func (c *Conn) Request() *http.Request { return c.request.whole() }

// Response returns, on a client, the response that made the connection; its
// body is empty. It is nil on a server.
func (c *Conn) Response() *http.Response { return c.response }

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.send.nc.LocalAddr() }

// RemoteAddr returns the address of the other end, which may be a proxy.
func (c *Conn) RemoteAddr() net.Addr { return c.send.nc.RemoteAddr() }

// NetConn returns the connection below, for its options. Reading, writing or
// closing it breaks the Conn.
func (c *Conn) NetConn() net.Conn { return c.send.nc }

// SetDeadline sets the deadlines of both reads and writes, as
// [Conn.SetReadDeadline] and [Conn.SetWriteDeadline] do.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets when reads, waiting ones too, give up with an error that
// wraps [os.ErrDeadlineExceeded]. The zero time means never. Such a read has
// lost nothing: the next goes on where it stopped, in the middle of a frame if
// need be.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.life.setReadDeadline(t) }

// SetWriteDeadline sets when writes give up with an error that wraps
// [os.ErrDeadlineExceeded]. The zero time means never. As on any [net.Conn] the
// deadline holds for the writes of all goroutines, those that wait and those to
// come: to bound what goroutines share, use [Config].WriteTimeout. A write that
// gave up while it was sending may have left half a frame behind, so no write
// after it succeeds, but reads go on; one that came too late, or was still
// waiting for others, has sent nothing, and one may go on.
//
// The deadline is for what the program writes: Pongs, Pings and what a read sends
// before it waits have none, unless a message of the program waits behind them
// while the deadline has not passed. A message that WriteMessage has left to
// another goroutine still has one. The Close frame has none, nor has what is
// queued before it.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.send.setDeadline(t) }

// keptRequest is the request that a connection came from. If the connection may
// outlive it, its header is packed into one string: a map, with a slice and a
// string for each line, takes three times as much memory, and few programs read
// the header again.
type keptRequest struct {
	*http.Request
	packed string // see packHeader; used if Request has no Header
}

// keepRequest returns what a connection keeps of r if it may outlive r. The
// context keeps its values but not its cancellation, because net/http cancels the
// context of r when ServeHTTP returns.
func keepRequest(r *http.Request) *keptRequest {
	k := &keptRequest{r.WithContext(context.WithoutCancel(r.Context())), packHeader(r.Header)}
	k.Header, k.Body = nil, http.NoBody
	return k
}

// whole returns the request with its header, or nil if k is nil.
func (k *keptRequest) whole() *http.Request {
	switch {
	case k == nil:
		return nil
	case k.Header != nil:
		return k.Request
	}
	r := k.WithContext(k.Context())
	r.Header = unpackHeader(k.packed)
	return r
}

// packHeader packs h into one string: for each name, the name, the number of
// its values, and the values. The length of each comes before it. A separator
// would not do, because a handler may have put any bytes into h.
func packHeader(h http.Header) string {
	out := scratches.Get().(*scratch)
	defer out.recycle()
	for name, values := range h {
		out.b = append(binary.AppendUvarint(out.b, uint64(len(name))), name...)
		out.b = binary.AppendUvarint(out.b, uint64(len(values)))
		for _, value := range values {
			out.b = append(binary.AppendUvarint(out.b, uint64(len(value))), value...)
		}
	}
	return string(out.b)
}

func unpackHeader(packed string) http.Header {
	h := make(http.Header)
	number := func() int {
		n, size := binary.Uvarint([]byte(packed[:min(len(packed), binary.MaxVarintLen64)]))
		packed = packed[size:]
		return int(n)
	}
	part := func() string {
		n := number()
		p := packed[:n]
		packed = packed[n:]
		return p
	}
	for packed != "" {
		name, values := part(), make([]string, number())
		for i := range values {
			values[i] = part()
		}
		h[name] = values
	}
	return h
}
