package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Upgrader makes connections of requests. The zero Upgrader takes every
// version, chooses no subprotocol and allows only pages of the same origin. It
// may be used by many goroutines at once and must not be changed while in use.
type Upgrader struct {
	Config

	// Versions are those that are taken. Nil means all five. See the README on
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
	_, err := originAllowed(u.Origins, "null")
	return err
}

func (u *Upgrader) checkOrigin(r *http.Request, origin string) error {
	if u.CheckOrigin != nil {
		return u.CheckOrigin(r, origin)
	}
	if origin == "" { // no browser: those always send one
		return nil
	}
	err := sameOrigin(origin, r.Host, r.TLS != nil)
	if err == nil {
		return nil
	}
	if ok, _ := originAllowed(u.Origins, origin); ok {
		return nil
	}
	return refusef(http.StatusForbidden, "%w", err)
}

// Upgrade answers a request that asks for a WebSocket and returns the
// connection. header, which may be nil, is added to the response; cookies go
// there too. If it errs it has answered the request, and the error is a
// [HandshakeError] unless the network failed.
//
// w may be wrapped: the connection is taken by [http.ResponseController]. It
// belongs to the Conn from then on; the handler may return.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	c, err := u.upgrade(w, r, header)
	if err != nil && u.Trace != nil && u.Trace.HandshakeFailed != nil {
		u.Trace.HandshakeFailed(err)
	}
	return c, err
}

func (u *Upgrader) upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	h := ServerHandshake{up: u}
	if err := h.beginHTTP(r, header); err != nil {
		h.Refuse(err)
		for name, values := range h.refusalHeader() {
			w.Header()[name] = values
		}
		w.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
		w.Header()["X-Content-Type-Options"] = []string{"nosniff"}
		w.WriteHeader(h.err.Status)
		io.WriteString(w, h.refusalText())
		return nil, h.err
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err = fmt.Errorf("websocket: cannot take over the connection of the request: %w", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil, &HandshakeError{Status: http.StatusInternalServerError, Err: err}
	}
	c, err := interruptible(context.Background(), nc, func() (*Conn, error) {
		return h.finish(nc, buffered.Reader, header)
	})
	if err != nil {
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	c.start()
	return c, nil
}

// beginHTTP does all that can refuse a request, so that no response was begun
// when it does.
func (h *ServerHandshake) beginHTTP(r *http.Request, header http.Header) error {
	if err := errors.Join(h.up.check(), checkExtraHeader(header)); err != nil {
		return &HandshakeError{Status: http.StatusInternalServerError, Err: err}
	}
	return h.begin(r)
}

// bufferedReader is the part of bufio.Reader by which net/http gives back what
// it has read beyond the request.
type bufferedReader interface {
	io.Reader
	Buffered() int
	Peek(n int) ([]byte, error)
}

// finish sends the response to a request that begin has accepted.
func (h *ServerHandshake) finish(nc net.Conn, in bufferedReader, header http.Header) (*Conn, error) {
	timeout := h.up.handshakeTimeout()
	nc.SetDeadline(time.Now().Add(timeout))
	var space [512]byte
	out, err := h.AppendResponse(space[:0], header)
	if err == nil {
		_, err = nc.Write(out)
	}
	if err != nil {
		return nil, err
	}
	if h.wantsKey3() {
		nc.SetDeadline(time.Now().Add(timeout)) // of its own: the client waits for the head
		var key3 [key3Len]byte
		if _, err := io.ReadFull(in, key3[:]); err != nil {
			return nil, fmt.Errorf("no 8 bytes after the header: %w", err)
		}
		h.Feed(key3[:])
		out, _ = h.AppendResponse(space[:0], nil)
		if _, err := nc.Write(out); err != nil {
			return nil, err
		}
	}
	nc.SetDeadline(time.Time{})
	rest, err := in.Peek(in.Buffered())
	if err != nil {
		return nil, err
	}
	return h.conn(nc, rest), nil
}

// conn makes the connection after the handshake. rest was read behind it.
func (h *ServerHandshake) conn(nc net.Conn, rest []byte) *Conn {
	c := newConn(nc, h.version, ServerSide, &h.up.Config, rest)
	c.subprotocol = h.subprotocol
	// What a finished request still holds of its server is not kept alive.
	c.request = h.req.WithContext(context.WithoutCancel(h.req.Context()))
	c.request.Body = http.NoBody
	return c
}

// Accept reads a request from nc, which may be TLS, and answers it, without
// net/http's server. ctx bounds the handshake together with
// [Config].HandshakeTimeout and means nothing to the connection returned.
//
// check, which may be nil, is asked about a request that is otherwise
// accepted, and returns headers to add to the response. Its error refuses the
// request: with its Status if it is a [HandshakeError], otherwise with 403.
//
// If Accept errs, nc is closed; a refused client was answered.
func (u *Upgrader) Accept(ctx context.Context, nc net.Conn, check func(*http.Request) (http.Header, error)) (*Conn, error) {
	c, err := u.accept(ctx, nc, check)
	if err != nil && u.Trace != nil && u.Trace.HandshakeFailed != nil {
		u.Trace.HandshakeFailed(err)
	}
	return c, err
}

func (u *Upgrader) accept(ctx context.Context, nc net.Conn, check func(*http.Request) (http.Header, error)) (*Conn, error) {
	if err := u.check(); err != nil {
		nc.Close()
		return nil, err
	}
	timeout := u.handshakeTimeout()
	ctx, cancel := context.WithTimeout(ctx, 2*timeout) // key3 has a time of its own
	defer cancel()
	c, err := interruptible(ctx, nc, func() (*Conn, error) {
		h := NewServerHandshake(u)
		h.RemoteAddr = addrString(nc.RemoteAddr())
		nc.SetDeadline(earlier(ctx, timeout))
		if tc, ok := nc.(*tls.Conn); ok {
			if err := tc.HandshakeContext(ctx); err != nil {
				return nil, err
			}
			state := tc.ConnectionState()
			h.TLS = &state
		}
		return h.serve(ctx, nc, check)
	})
	var refused *HandshakeError
	switch {
	case errors.As(err, &refused):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	c.start()
	return c, nil
}

// earlier is the deadline that is timeout from now, or that of ctx.
func earlier(ctx context.Context, timeout time.Duration) time.Time {
	t := time.Now().Add(timeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(t) {
		return deadline
	}
	return t
}

func addrString(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// serve moves bytes between nc and the handshake.
func (h *ServerHandshake) serve(ctx context.Context, nc net.Conn, check func(*http.Request) (http.Header, error)) (*Conn, error) {
	var in [2048]byte
	var out []byte
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
		out, respErr := h.AppendResponse(out[:0], header)
		if feedErr == nil {
			feedErr = respErr
		}
		if len(out) > 0 {
			if _, err := nc.Write(out); err != nil && feedErr == nil {
				return nil, err
			}
			nc.SetDeadline(earlier(ctx, h.up.handshakeTimeout()))
		}
		switch {
		case feedErr != nil:
			linger(nc, refusalLinger)
			return nil, feedErr
		case h.Done():
			return h.conn(nc, in[took:n]), nil
		case err == io.EOF:
			return nil, fmt.Errorf("client hung up after %d bytes of header: %w", len(h.head.buf), io.ErrUnexpectedEOF)
		case err != nil:
			return nil, err
		}
	}
}

// refusalLinger is how long a refused client may take to read the answer, the
// same as net/http gives it.
const refusalLinger = 500 * time.Millisecond

// linger ends the sending side of nc and waits until the peer has ended its
// own, or for d: closing while the peer is still sending would make the system
// answer with a reset, which can destroy what was sent last.
func linger(nc net.Conn, d time.Duration) {
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	awaitEOF(nc, d)
}

func awaitEOF(nc net.Conn, d time.Duration) {
	nc.SetReadDeadline(time.Now().Add(d))
	io.Copy(io.Discard, nc)
}

