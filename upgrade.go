package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/netx"
	"github.com/protocol-websocket/websocket/internal/origin"
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

	// Secure, if not nil, reports that the client's end of the connection is
	// TLS although ours is not, because a proxy ends it: from a header that the
	// proxy sets, and that clients cannot, such as X-Forwarded-Proto. Then the
	// Location that [Hybi00] and [Hixie75] clients compare says wss, and the
	// server's own origin is https. Nil means that only r.TLS counts.
	Secure func(r *http.Request) bool
}

// secure reports whether the client uses TLS.
func (u *Upgrader) secure(r *http.Request) bool {
	return r.TLS != nil || u.Secure != nil && u.Secure(r)
}

func (u *Upgrader) versions() []Version {
	if len(u.Versions) == 0 {
		return allVersions
	}
	return u.Versions
}

// check finds mistakes in the options, which are answered with 500: they must
// not look like a fault of the client.
func (u *Upgrader) check() error {
	for _, v := range u.Versions {
		if err := v.check(); err != nil {
			return err
		}
	}
	if err := checkSubprotocols(u.Subprotocols); err != nil {
		return err
	}
	if err := u.Compression.validate(); err != nil {
		return err
	}
	if len(u.Origins) == 0 {
		return nil // nothing to be parsed for each request
	}
	if _, err := origin.Allowed(u.Origins, "null"); err != nil {
		return fmt.Errorf("websocket: %w", err)
	}
	return nil
}

func (u *Upgrader) checkOrigin(r *http.Request, from string) error {
	if u.CheckOrigin != nil {
		return u.CheckOrigin(r, from)
	}
	if from == "" { // no browser: those always send one
		return nil
	}
	err := origin.Same(from, r.Host, u.secure(r))
	if err == nil {
		return nil
	}
	if ok, _ := origin.Allowed(u.Origins, from); ok {
		return nil
	}
	return refusef(http.StatusForbidden, "%w", err)
}

// Upgrade answers a request that asks for a WebSocket and returns the
// connection. header, which may be nil, is added to the response; cookies go
// there too. If it errs it has answered the request, and the error is a
// [HandshakeError] unless the network failed.
//
// [Config].HandshakeTimeout bounds the sending of the response, and in [Hybi00]
// once more the wait for the 8 bytes that some proxies hold back until then.
// Deadlines set by the http.Server are gone afterwards.
//
// w may be wrapped: the connection is taken by [http.ResponseController]. It
// belongs to the Conn from then on; the handler may return.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	return u.upgradeUntil(context.Background(), w, r, header)
}

// upgradeUntil is Upgrade with a context whose end breaks off a handshake that
// waits for its client.
func (u *Upgrader) upgradeUntil(ctx context.Context, w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	c, err := u.upgrade(ctx, w, r, header)
	u.Trace.handshakeFailed(err)
	return c, err
}

func (u *Upgrader) upgrade(ctx context.Context, w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	h := NewServerHandshake(u)
	if err := h.beginHTTP(r, header); err != nil {
		return nil, h.refuseHTTP(w, r, err)
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err = fmt.Errorf("cannot take over the connection of the request: %w", err)
		return nil, h.refuseHTTP(w, r, &HandshakeError{Status: http.StatusInternalServerError, Err: err})
	}
	rest, err := h.finish(ctx, nc, buffered.Reader, header)
	if err != nil {
		netx.CloseNow(nc)
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	c := h.conn(nc, rest)
	c.start(u.Trace)
	return c, nil
}

// beginHTTP does all that can refuse a request, so that no response was begun
// when it does.
func (h *ServerHandshake) beginHTTP(r *http.Request, header http.Header) error {
	if err := checkExtraHeader(header); err != nil {
		return &HandshakeError{Status: http.StatusInternalServerError, Err: err}
	}
	if err := checkHeadSize(r); err != nil {
		return err
	}
	return h.begin(r)
}

// checkHeadSize holds a request that net/http has read to the limits of one
// that is read here: net/http's own is 1 MiB, and the connection keeps what is
// let pass.
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

func (h *ServerHandshake) refuseHTTP(w http.ResponseWriter, r *http.Request, err error) error {
	err = h.Refuse(err)
	if r.ProtoMajor == 1 { // later versions have no such headers, and would end all requests for one
		for name, values := range h.refusalHeader() {
			w.Header()[name] = values
		}
	}
	http.Error(w, h.refusalText(), h.err.Status)
	return err
}

// finish sends the response to a request that begin has accepted, and returns
// what was read behind the handshake. in has what net/http read beyond the
// request.
func (h *ServerHandshake) finish(ctx context.Context, nc net.Conn, in *bufio.Reader, header http.Header) (rest []byte, err error) {
	nc.SetDeadline(time.Now().Add(h.up.handshakeTimeout()))
	out := scratches.Get().(*scratch)
	out.b, err = h.AppendResponse(out.b, header)
	if err == nil {
		_, err = nc.Write(out.b)
	}
	out.recycle()
	if err == nil && h.wantsKey3() {
		err = h.answerKey3(ctx, nc, in)
	}
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Time{})
	return in.Peek(in.Buffered())
}

// answerKey3 waits for the 8 bytes, in a time of its own since proxies give
// them only for the head, and answers them. The context of the request is of no
// use: net/http cancels it when a read fails, which would hide why.
func (h *ServerHandshake) answerKey3(ctx context.Context, nc net.Conn, in io.Reader) error {
	_, err := h.timed(ctx, nc, func(context.Context) ([]byte, error) {
		var key3 [key3Len]byte
		if _, err := io.ReadFull(in, key3[:]); err != nil {
			return nil, fmt.Errorf("no 8 bytes after the header: %w", err)
		}
		h.Feed(key3[:])
		out, _ := h.AppendResponse(nil, nil)
		_, err := nc.Write(out)
		return nil, err
	})
	return err
}

// timed gives do, which does I/O on nc, the time that a handshake has. An error
// closes nc.
func (h *ServerHandshake) timed(ctx context.Context, nc net.Conn, do func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, h.up.handshakeTimeout())
	defer cancel()
	return netx.Interruptible(ctx, nc, isHandshakeError, func() ([]byte, error) { return do(ctx) })
}

// conn makes the connection after the handshake. rest was read behind it.
func (h *ServerHandshake) conn(nc net.Conn, rest []byte) *Conn {
	c := newConn(nc, h.version, ServerSide, &h.up.Config, rest)
	c.subprotocol = h.subprotocol
	c.compress(h.agreed)
	c.request = keepRequest(h.req)
	return c
}

// Accept reads a request from nc, which may be TLS, and answers it, without
// net/http's server. ctx bounds the handshake, that of TLS included, together
// with [Config].HandshakeTimeout, which in [Hybi00] begins anew when the head
// of the response was sent. Both mean nothing to the connection returned.
//
// check, which may be nil, is asked about a request that is otherwise
// accepted, and returns headers to add to the response. Its error refuses the
// request: with its Status if it is a [HandshakeError], otherwise with 403.
//
// If Accept errs, nc is closed; a refused client was answered.
func (u *Upgrader) Accept(ctx context.Context, nc net.Conn, check func(*http.Request) (http.Header, error)) (*Conn, error) {
	c, err := u.accept(ctx, nc, check)
	u.Trace.handshakeFailed(err)
	return c, err
}

func (u *Upgrader) accept(ctx context.Context, nc net.Conn, check func(*http.Request) (http.Header, error)) (*Conn, error) {
	h := NewServerHandshake(u)
	h.RemoteAddr = addrString(nc.RemoteAddr())
	rest, err := h.timed(ctx, nc, func(ctx context.Context) ([]byte, error) {
		if err := h.secure(ctx, nc); err != nil {
			return nil, err
		}
		return h.serve(nc, check)
	})
	if err == nil && !h.Done() {
		rest, err = h.timed(ctx, nc, func(context.Context) ([]byte, error) { return h.serve(nc, nil) })
	}
	switch {
	case isHandshakeError(err):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	c := h.conn(nc, rest)
	c.start(u.Trace)
	return c, nil
}

// secure does the handshake of TLS, if nc is that, where it can be interrupted.
func (h *ServerHandshake) secure(ctx context.Context, nc net.Conn) error {
	tc, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := tc.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	state := tc.ConnectionState()
	h.TLS = &state
	return nil
}

func addrString(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// serve moves bytes between nc and the handshake until something was answered,
// and returns what was read behind that.
func (h *ServerHandshake) serve(nc net.Conn, check func(*http.Request) (http.Header, error)) ([]byte, error) {
	var in [2048]byte
	var header http.Header
	for {
		n, err := nc.Read(in[:])
		took, feedErr := h.Feed(in[:n])
		if h.Request() != nil && check != nil {
			if header, feedErr = check(h.Request()); feedErr != nil {
				feedErr = h.Refuse(feedErr)
			}
			check = nil
		}
		out, respErr := h.AppendResponse(nil, header)
		if feedErr == nil {
			feedErr = respErr
		}
		if len(out) > 0 {
			_, err = nc.Write(out)
		}
		switch {
		case feedErr != nil:
			drainRefused(nc, refusalLinger)
			return nil, feedErr
		case err == io.EOF:
			return nil, h.hungUp()
		case err != nil:
			return nil, err
		case len(out) > 0:
			return in[took:n], nil
		}
	}
}

func (h *ServerHandshake) hungUp() error {
	if h.req != nil {
		return fmt.Errorf("client hung up after %d of the %d bytes that follow the header: %w", h.challenge.count, key3Len, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("client hung up after %d bytes of header: %w", len(h.head.Bytes()), io.ErrUnexpectedEOF)
}

// refusalLinger is how long a refused client may take to read the answer, the
// same as net/http gives it.
const refusalLinger = 500 * time.Millisecond

// drainRefused ends the sending side of nc and waits until the peer has ended its
// own, or for d: closing while the peer is still sending would make the system
// answer with a reset, which can destroy what was sent last.
func drainRefused(nc net.Conn, d time.Duration) {
	// A tls.Conn says that it ends, and waits 5 seconds for a peer that does
	// not read.
	defer time.AfterFunc(d, func() { netx.CloseNow(nc) }).Stop()
	netx.CloseWrite(nc)
	netx.AwaitEOF(nc, d)
}
