package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/netx"
)

// Upgrader makes connections of requests. The zero Upgrader takes every
// version, chooses no subprotocol and allows only pages of the same origin. It
// may be used by many goroutines at once and must not be changed while in use.
type Upgrader struct {
	Config

	// Versions are those that are taken. None means all five. See the README on
	// what the old ones cost in security.
	Versions []Version

	// Subprotocols are those that the program speaks, best first. The first
	// that the client also offers is chosen; without one there is none and the
	// connection is made all the same. RFC 6455 section 1.9.
	Subprotocols []string

	// Origins are allowed beside the origin of the server itself: "https://host",
	// "https://host:port", "https://*.host" for all hosts below it, "null", or
	// "*" for every origin. RFC 6454 section 7; RFC 6455 section 10.2.
	Origins []string

	// CheckOrigin, if not nil, decides in place of Origins and the comparison
	// with the server's own origin. The origin is "" if the client sent none,
	// as programs do that are no browsers. An error refuses the request: with
	// its Status if it is a [HandshakeError], otherwise with 403.
	CheckOrigin func(r *http.Request, origin string) error

	// Check, if not nil, is asked about a request after its method, version, key
	// and origin were accepted, and before a subprotocol is chosen. It is the place
	// to authenticate a client, and to set headers of the response, cookies among
	// them: it adds them to h, which is empty but for what [Upgrader.Upgrade]
	// takes from its ResponseWriter. Headers that belong to the handshake, and
	// values with control characters, are a mistake that is answered with 500.
	//
	// An error refuses the request: with its Status if it is a [HandshakeError],
	// otherwise with 403. The headers are sent with a refusal too, such as
	// WWW-Authenticate. The context returned, if not nil, takes the place of the
	// request's: its values are those of [Conn.Request] and of the context that
	// the Handler of a [Server] gets.
	Check func(r *http.Request, h http.Header) (context.Context, error)

	// Secure, if not nil, reports that the client's end of the connection is
	// TLS although ours is not, because a proxy ends it: from a header that the
	// proxy sets, and that clients cannot, such as X-Forwarded-Proto. Then the
	// Location that [Hybi00] and [Hixie75] clients compare says wss, and the
	// server's own origin is https. Nil means that only r.TLS counts.
	Secure func(r *http.Request) bool
}

// Upgrade answers a request that asks for a WebSocket and returns the
// connection. If it errs it has answered the request, and the error is a
// [HandshakeError] unless the network failed.
//
// The response has what w.Header() has, as with any handler, except for headers
// that concern the framing of HTTP or only this hop, and those that begin with
// Content- or Sec-WebSocket-. [Upgrader].Check can add to it.
//
// [Config].HandshakeTimeout bounds the sending of the response, and in [Hybi00]
// once more the wait for the 8 bytes that some proxies hold back until then.
// Deadlines set by the http.Server are gone afterwards.
//
// w may be wrapped: the connection is taken by [http.ResponseController]. It
// belongs to the Conn from then on; the handler may return.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	return u.upgradeUntil(context.Background(), w, r)
}

// upgradeUntil is Upgrade with a context that ends a handshake that waits for its
// client.
func (u *Upgrader) upgradeUntil(ctx context.Context, w http.ResponseWriter, r *http.Request) (*Conn, error) {
	c, err := u.upgrade(ctx, w, r)
	u.Trace.handshakeFailed(r, err)
	return c, err
}

func (u *Upgrader) upgrade(ctx context.Context, w http.ResponseWriter, r *http.Request) (*Conn, error) {
	h := NewServerHandshake(u)
	h.header = headerToKeep(w.Header())
	if err := beginHTTP(h, r); err != nil {
		return nil, refuseHTTP(h, w, r, err)
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err = fmt.Errorf("cannot take over the connection of the request: %w", err)
		return nil, refuseHTTP(h, w, r, &HandshakeError{Status: http.StatusInternalServerError, Err: err})
	}
	d := serverDriver{h, nc}
	rest, err := d.respond(ctx, buffered.Reader)
	if err != nil {
		netx.CloseNow(nc)
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	return d.conn(rest), nil
}

// headerToKeep returns what goes into a 101 of the header that a handler, and
// what stands around it, have set for the response.
func headerToKeep(given http.Header) http.Header {
	var kept http.Header
	for name, values := range given {
		if len(values) == 0 || isHopByHop(given, name) {
			continue
		}
		if kept == nil {
			kept = make(http.Header, len(given))
		}
		kept[name] = slices.Clone(values)
	}
	return kept
}

// isHopByHop reports whether a header concerns the framing of a response, only
// this hop, RFC 9110 section 7.6.1, its body, or the handshake.
func isHopByHop(h http.Header, name string) bool {
	canonical := http.CanonicalHeaderKey(name)
	switch canonical {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	for _, prefix := range []string{"Content-", "Sec-Websocket-", "Websocket-", http.TrailerPrefix} {
		if strings.HasPrefix(canonical, prefix) {
			return true
		}
	}
	return hasToken(h, "Connection", name)
}

// beginHTTP does all that can refuse a request, before any of the response is
// sent.
func beginHTTP(h *ServerHandshake, r *http.Request) error {
	if err := checkHeadSize(r); err != nil {
		return err
	}
	return h.begin(r)
}

// checkHeadSize holds a request that net/http has read to the limits of one that
// is read here. Those of net/http are 1 MiB, and the connection keeps what is
// accepted.
func checkHeadSize(r *http.Request) error {
	size, lines := len(r.RequestURI)+len(r.Host), 0
	for name, values := range r.Header {
		lines += len(values)
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	if size > httphead.MaxBytes || lines > httphead.MaxLines {
		return refusef(http.StatusRequestHeaderFieldsTooLarge, "header of %d lines, %d bytes: limits are %d and %d", lines, size, httphead.MaxLines, httphead.MaxBytes)
	}
	return nil
}

// refuseHTTP answers a request that net/http has read with a refusal, and returns
// why it is refused.
func refuseHTTP(h *ServerHandshake, w http.ResponseWriter, r *http.Request, err error) error {
	err = h.Refuse(err)
	if r.ProtoMajor == 1 { // later versions have no such headers, and would end all requests for one
		for name, values := range h.refusalHeader() {
			w.Header()[name] = values
		}
	}
	http.Error(w, h.refusalText(), h.err.Status)
	return err
}

// Accept reads a request from nc, which may be TLS, and answers it, without
// net/http's server. ctx bounds the handshake, that of TLS included, together
// with [Config].HandshakeTimeout, which in [Hybi00] begins anew when the head
// of the response was sent. Both mean nothing to the connection returned.
//
// If Accept errs, nc is closed; a refused client was answered.
func (u *Upgrader) Accept(ctx context.Context, nc net.Conn) (*Conn, error) {
	h := NewServerHandshake(u)
	h.RemoteAddr = addrString(nc.RemoteAddr())
	c, err := serverDriver{h, nc}.accept(ctx)
	u.Trace.handshakeFailed(h.read, err)
	return c, err
}

func addrString(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// serverDriver does the I/O of a server's handshake.
type serverDriver struct {
	h  *ServerHandshake
	nc net.Conn
}

// accept does the whole handshake. An error closes the connection.
func (d serverDriver) accept(ctx context.Context) (*Conn, error) {
	rest, err := d.timed(ctx, func(ctx context.Context) ([]byte, error) {
		if err := d.secure(ctx); err != nil {
			return nil, err
		}
		return d.exchange()
	})
	if err == nil {
		err = d.answerKey3(ctx, d.nc)
	}
	switch {
	case isHandshakeError(err):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	return d.conn(rest), nil
}

// timed gives do, which does I/O, the time that a handshake has. An error closes
// the connection.
func (d serverDriver) timed(ctx context.Context, do func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, d.h.config.handshakeTimeout())
	defer cancel()
	return netx.Interruptible(ctx, d.nc, isHandshakeError, func() ([]byte, error) { return do(ctx) })
}

// secure does the handshake of TLS, if the connection is that, where it can be
// interrupted.
func (d serverDriver) secure(ctx context.Context) error {
	tc, ok := d.nc.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := tc.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	state := tc.ConnectionState()
	d.h.TLS = &state
	return nil
}

// exchange moves bytes between the client and the handshake until a response, or
// its head, was sent. It returns what was read after the handshake.
func (d serverDriver) exchange() ([]byte, error) {
	var in [2048]byte
	for {
		n, err := d.nc.Read(in[:])
		took, refused := d.h.Feed(in[:n])
		out := d.h.AppendResponse(nil)
		if len(out) > 0 {
			_, err = d.nc.Write(out)
		}
		switch {
		case refused != nil:
			netx.Linger(d.nc, refusalLinger)
			return nil, refused
		case err == io.EOF:
			return nil, fmt.Errorf("client hung up after %d bytes of header: %w", len(d.h.head.Bytes()), io.ErrUnexpectedEOF)
		case err != nil:
			return nil, err
		case len(out) > 0:
			return in[took:n], nil
		}
	}
}

// refusalLinger is how long a refused client may take to read the answer, the
// same as net/http gives it.
const refusalLinger = 500 * time.Millisecond

// respond sends the response to a request that was accepted, and returns what was
// read after the handshake. in holds what net/http has read beyond the request.
func (d serverDriver) respond(ctx context.Context, in *bufio.Reader) (rest []byte, err error) {
	d.nc.SetDeadline(time.Now().Add(d.h.config.handshakeTimeout()))
	out := scratches.Get().(*scratch)
	out.b = d.h.AppendResponse(out.b)
	_, err = d.nc.Write(out.b)
	out.recycle()
	if err == nil {
		err = d.answerKey3(ctx, in)
	}
	if err != nil {
		return nil, err
	}
	d.nc.SetDeadline(time.Time{})
	return in.Peek(in.Buffered())
}

// answerKey3 waits for what is missing of key3, and answers it. That has a time
// of its own, since proxies let key3 pass only for the head of the response. The
// context of a request is of no use here: net/http cancels it when a read fails,
// which would hide why.
func (d serverDriver) answerKey3(ctx context.Context, in io.Reader) error {
	if d.h.Done() {
		return nil
	}
	_, err := d.timed(ctx, func(context.Context) ([]byte, error) {
		key3 := make([]byte, d.h.challenge.missing())
		n, err := io.ReadFull(in, key3)
		d.h.Feed(key3[:n])
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return nil, fmt.Errorf("client hung up after %d of the %d bytes that follow the header: %w", d.h.challenge.count, key3Len, io.ErrUnexpectedEOF)
		case err != nil:
			return nil, err
		}
		_, err = d.nc.Write(d.h.AppendResponse(nil))
		return nil, err
	})
	return err
}

// conn returns the connection after the handshake. rest was read after it.
func (d serverDriver) conn(rest []byte) *Conn {
	c := newConn(d.nc, d.h.version, ServerSide, d.h.config, rest)
	c.subprotocol = d.h.subprotocol
	c.compress(d.h.agreed)
	c.request = keepRequest(d.h.req)
	c.start(d.h.config.Trace)
	return c
}
