package websocket

import (
	"bytes"
	"context"
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
	nc          net.Conn
	version     Version
	side        Side
	trace       *Trace
	subprotocol string
	request     *keptRequest // nil on a client
	response    *http.Response

	rd   reader
	wr   writer
	keep *keepalive // nil if there is none

	compressor *Compressor // nil if messages are sent as they are
}

// newConn makes the connection of a finished handshake. rest are the bytes
// that arrived behind it; they belong to the first frame.
func newConn(nc net.Conn, v Version, side Side, cfg *Config, rest []byte) *Conn {
	if len(rest) > readBufferSize {
		nc = netx.NewPrefixedConn(nc, bytes.Clone(rest[readBufferSize:]))
		rest = rest[:readBufferSize]
	}
	c := &Conn{nc: nc, version: v, side: side, trace: cfg.Trace}
	c.wr.gate.Store(gateOpen)
	c.rd.dec = newDecoder(v, side, cfg)
	c.rd.keep(rest)
	if t := cfg.Trace; t != nil && t.FrameRead != nil {
		c.rd.dec.trace = func(f FrameInfo) { t.FrameRead(c, f) }
	}
	if cfg.PingInterval > 0 && v.traits().control {
		c.keep = &keepalive{interval: cfg.PingInterval, timeout: cfg.pingTimeout()}
	}
	c.initReady()
	return c
}

// compress makes c compress its messages, if that was agreed on.
func (c *Conn) compress(p *agreement) {
	if p != nil {
		c.compressor = p.compressor(c.version, c.side)
		p.prepare(&c.rd.dec)
	}
}

// start lets things happen by themselves, after all fields are set.
func (c *Conn) start() {
	if c.keep != nil {
		c.keep.start(c)
	}
	if c.trace != nil && c.trace.Opened != nil {
		c.trace.Opened(c)
	}
}

// Version returns the version that the connection speaks.
func (c *Conn) Version() Version { return c.version }

// Subprotocol returns the subprotocol that was agreed on, or "" if none was,
// RFC 6455 section 1.9.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Request returns, on a server, the request that the connection was made of;
// its context carries values only and its body is empty. It is a copy, made at
// each call, since the connection keeps its header in less memory. It is nil on
// a client.
func (c *Conn) Request() *http.Request { return c.request.unpacked() }

// Response returns, on a client, the response that made the connection; its
// body is empty. It is nil on a server.
func (c *Conn) Response() *http.Response { return c.response }

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the address of the other end, which may be a proxy.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn returns the connection below, for its options. Reading, writing or
// closing it breaks the Conn.
func (c *Conn) NetConn() net.Conn { return c.nc }

// SetDeadline sets the deadlines of both reads and writes. Once a closing
// handshake has begun it has a deadline of its own, and this has no effect.
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
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.wr.lock()
	defer c.wr.unlock()
	c.wr.readDeadline = t
	if c.wr.closing || c.wr.interrupts > 0 {
		return nil
	}
	return c.nc.SetReadDeadline(t)
}

// SetWriteDeadline sets when writes, waiting ones too, give up with an error
// that wraps [os.ErrDeadlineExceeded]. The zero time means never. A write that
// gave up while it was sending may have left half a frame behind, so no write
// after it succeeds; one that came too late, or was still waiting for others,
// has sent nothing, and one may go on. The deadline is for what the program
// writes: Pongs, Pings and what a read sends before it waits have none.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.wr.lock()
	defer c.wr.unlock()
	if c.wr.closing {
		return nil
	}
	c.wr.deadline = t
	c.wr.wakeAll()
	if c.wr.busy && c.wr.program {
		return c.applyWriteDeadline(t)
	}
	return nil
}

// interruptReads makes reads give up when ctx ends, as if a deadline had
// passed. release must be called after the last read; it restores the deadline.
func (c *Conn) interruptReads(ctx context.Context) (release func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		c.wr.lock()
		defer c.wr.unlock()
		c.wr.interrupts++
		if !c.wr.closing {
			c.nc.SetReadDeadline(time.Unix(1, 0))
		}
	})
	return func() {
		if stop() {
			return
		}
		<-interrupted
		c.wr.lock()
		defer c.wr.unlock()
		c.wr.interrupts--
		if !c.wr.closing && c.wr.interrupts == 0 {
			c.nc.SetReadDeadline(c.wr.readDeadline)
		}
	}
}
