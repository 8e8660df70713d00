package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/netx"
)

// Upgrader turns HTTP requests into WebSocket connections. The zero Upgrader
// accepts every version, chooses no subprotocol and allows only pages of the
// same origin. It may be used by many goroutines at once and must not be
// changed while in use.
type Upgrader struct {
	Config

	// Versions are those that are accepted. None means all five. The README
	// says what the old ones cost in security.
	Versions []Version

	// Subprotocols are those that the program speaks, best first, each once, of
	// visible ASCII without comma and double quote. The first that the client also
	// offers is chosen. If there is none, the connection is made without a
	// subprotocol. What else the client offers, malformed or not, is passed over.
	// RFC 6455 section 1.9.
	Subprotocols []string

	// Origins are allowed beside the origin of the server itself: "https://host",
	// "https://host:port", "https://host:*" for any port, "https://*.name" for all
	// hosts below name, at any depth, but not name itself, "null", or "*" for
	// every origin. Here, and in what clients send, wss stands for https and ws
	// for http. RFC 6454 section 7; RFC 6455 section 10.2.
	Origins []string

	// CheckOrigin, if not nil, decides instead of Origins and the comparison with
	// the server's own origin. The origin is "" if the client sent none, or an
	// empty one; browsers always send one. An error refuses the request, as an
	// error of Check does.
	CheckOrigin func(r *http.Request, origin string) error

	// Check, if not nil, is asked about a request after its method, version, key
	// and origin were accepted, and before a subprotocol is chosen. It is the
	// place to authenticate a client, and to add headers to the response, such as
	// cookies. h holds what [Upgrader.Upgrade] and [Server.ServeHTTP] take from
	// the ResponseWriter; elsewhere it is empty. A header that belongs to the
	// handshake, or a value with a control character, is a mistake that is
	// answered with 500.
	//
	// An error refuses the request. If it is a [HandshakeError] with a Status from
	// 300 to 599, the client gets that status, otherwise 403. The client is not
	// told the text of the error; the error that Upgrade returns has it. The
	// headers are sent with a refusal too, for example WWW-Authenticate.
	//
	// The context, if not nil, replaces that of the request, for the Handler of a
	// [Server] and for [Conn.Request]. Where Conn.Request is a copy, its context
	// has only the values. [Server].Detach gets the request with this context, and
	// what it returns replaces it.
	Check func(r *http.Request, h http.Header) (context.Context, error)

	// Secure, if not nil, reports whether the client uses TLS although our end
	// of the connection does not, because a proxy ends it. It can tell by a
	// header that the proxy sets and clients cannot set, such as
	// X-Forwarded-Proto. Then the Location that [Hybi00] and [Hixie75] clients
	// compare says wss, and the server's own origin is https. Nil means that
	// only r.TLS counts.
	Secure func(r *http.Request) bool

	// MaxHeaderBytes is the size, in bytes, of the largest head of a request that
	// is accepted: its first line and its headers. A larger one, or one of more
	// than 256 lines, is refused with 431. 0 means 16 KiB. It also bounds what a
	// connection keeps of its request for [Conn.Request]: about twice this size, or
	// three times while [Server.ServeHTTP] waits.
	// net/http reads up to the MaxHeaderBytes of its own Server, by default 1
	// MiB, before Upgrade can refuse a request.
	MaxHeaderBytes int

	mistaken uint32 // 1 once a request was refused over the options; an atomic.Uint32 must not be copied, but options may be
}

// Upgrade answers a request that asks for a WebSocket and returns the
// connection. If it returns an error, it has answered the request, and the
// error is a [HandshakeError] unless the network failed.
//
// The response has what w.Header() has, as with any handler, except for headers
// that concern the framing of HTTP or only this hop, and those that begin with
// Content- or Sec-WebSocket-. [Upgrader].Check can add to it.
//
// [Config].HandshakeTimeout bounds the sending of the response. In [Hybi00] it
// bounds once more the wait for the 8 bytes that some proxies hold back until
// they have seen the response. Deadlines set by the http.Server are gone
// afterwards.
//
// w may be wrapped: [http.ResponseController] takes over the connection, which
// belongs to the Conn from then on. The handler may return. If a function of the
// program panics afterwards, the connection is closed and the panic goes on.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	c, err := u.upgrade(w, r)
	u.logMistake(err)
	u.Trace.handshakeFailed(r, err)
	return c, err
}

// logMistake logs err if it is a mistake in the options, the first time. Whoever
// serves requests with several Upgraders sees one line for each.
func (u *Upgrader) logMistake(err error) {
	if refused, ok := errors.AsType[*HandshakeError](err); ok && refused.inOptions && u.isFirstMistake() {
		slog.Error(allRefused, "error", err)
	}
}

// allRefused is logged of a mistake in the options.
const allRefused = "websocket: an option is wrong, so every request is refused"

// isFirstMistake reports whether no request was refused before over a mistake in
// the options.
func (u *Upgrader) isFirstMistake() bool { return atomic.CompareAndSwapUint32(&u.mistaken, 0, 1) }

func (u *Upgrader) upgrade(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	h := NewServerHandshake(u)
	if err := beginHTTP(h, w, r); err != nil {
		return nil, refuseHTTP(h, w, r, err)
	}
	return upgradeHTTP(h, w, r)
}

// upgradeHTTP takes over the connection of a request that beginHTTP has
// accepted and finishes the handshake.
func upgradeHTTP(h *ServerHandshake, w http.ResponseWriter, r *http.Request) (*Conn, error) {
	nc, buffered, err := hijack(w)
	if err != nil {
		return nil, refuseHTTP(h, w, r, &HandshakeError{Status: http.StatusInternalServerError, Err: err})
	}
	c, err := netx.OrClose(nc, func() (*Conn, error) {
		rest, err := serverRespond(h, nc, buffered)
		if err != nil {
			return nil, err
		}
		return serverConn(h, nc, rest), nil
	})
	if err != nil {
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	c.start(h.config.Trace)
	return c, nil
}

// hijack takes over the connection of a request. The reader has what was read
// beyond the request. Some servers and wrappers give none, because they read
// nothing ahead.
func hijack(w http.ResponseWriter) (net.Conn, *bufio.Reader, error) {
	nc, buffered, err := http.NewResponseController(w).Hijack()
	switch {
	case errors.Is(err, http.ErrNotSupported):
		return nil, nil, fmt.Errorf("cannot take over the connection: %T has no method Hijack, nor has what it wraps: "+
			"a middleware's ResponseWriter needs a method Unwrap, and http.TimeoutHandler allows no upgrade (%w)", w, err)
	case err != nil:
		return nil, nil, fmt.Errorf("cannot take over the connection: %w", err)
	case nc == nil:
		return nil, nil, fmt.Errorf("cannot take over the connection: the method Hijack of %T, or of what it wraps, has returned neither a connection nor an error", w)
	case buffered == nil || buffered.Reader == nil:
		return nc, bufio.NewReader(nc), nil
	}
	return nc, buffered.Reader, nil
}

// headerToKeep returns the headers of a ResponseWriter that go into a 101
// response.
func headerToKeep(given http.Header) http.Header {
	var kept http.Header
	for name, values := range given {
		if len(values) == 0 || cannotBeIn101(given, name) {
			continue
		}
		if kept == nil {
			kept = make(http.Header, len(given))
		}
		kept[name] = slices.Clone(values)
	}
	return kept
}

// cannotBeIn101 reports whether a program's header has no place in a 101
// response. Such headers describe the framing of a response, its body, or only
// this hop, RFC 9110 section 7.6.1, or the handshake sets them itself.
func cannotBeIn101(h http.Header, name string) bool {
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

// beginHTTP makes every check that can refuse a request that net/http has read.
// None of the response is sent before. It keeps what belongs into the response of
// the headers of w.
func beginHTTP(h *ServerHandshake, w http.ResponseWriter, r *http.Request) error {
	h.header = headerToKeep(w.Header())
	if err := checkHeadSize(r, h.up.maxHeaderBytes()); err != nil {
		return err
	}
	return h.begin(r)
}

// checkHeadSize applies the limits of a head to a request that net/http has read.
// It counts what the client must have sent, without spaces that have no meaning.
func checkHeadSize(r *http.Request, limit int) error {
	size := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\nHost: \r\n\r\n") + len(r.Host)
	lines := 3 // the first, Host and the empty one
	for name, values := range r.Header {
		lines += len(values)
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	switch {
	case size > limit:
		return refuseLargeHead(fmt.Errorf("header of %d bytes, more than %d", size, limit))
	case lines > httphead.MaxLines:
		return refuseLargeHead(fmt.Errorf("header of %d lines, more than %d", lines, httphead.MaxLines))
	}
	return nil
}

// refuseHTTP answers a request that net/http has read with a refusal. It
// returns the error that ended the handshake.
func refuseHTTP(h *ServerHandshake, w http.ResponseWriter, r *http.Request, err error) error {
	err = h.Refuse(err)
	for name := range w.Header() { // what surrounds the handler may have set it
		if describesBody(name) {
			delete(w.Header(), name)
		}
	}
	// In HTTP/2 these headers do not exist, or end all requests on the connection.
	// PRI begins HTTP/2, but what net/http passes on has come as HTTP/1.
	if r.ProtoMajor == 1 || r.Method == "PRI" {
		for name, values := range h.refusalHeader() {
			w.Header()[name] = values
		}
	}
	http.Error(w, h.refusalText(), h.err.Status)
	return err
}

// Accept reads a request from nc, which may be TLS, and answers it, without the
// server of net/http. ctx and [Config].HandshakeTimeout bound the handshake,
// that of TLS included; in [Hybi00] the timeout begins anew when the head of
// the response was sent. Neither has an effect on the connection returned.
//
// If Accept returns an error, or a function of the program panics, nc is closed.
// A refused client was answered.
func (u *Upgrader) Accept(ctx context.Context, nc net.Conn) (*Conn, error) {
	h := NewServerHandshake(u)
	c, err := u.accept(ctx, h, nc)
	u.logMistake(err)
	return c, err
}

func (u *Upgrader) accept(ctx context.Context, h *ServerHandshake, nc net.Conn) (*Conn, error) {
	h.RemoteAddr = addrString(nc.RemoteAddr())
	c, err := serverOpen(ctx, h, nc)
	u.Trace.handshakeFailed(h.received, err)
	return c, err
}

func addrString(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// serverOpen does the I/O of the whole handshake and returns the connection. If
// it fails, it closes nc.
//
// This function and those below have h and nc as separate parameters. In a
// struct with nc, h would be allocated on the heap for each upgrade.
func serverOpen(ctx context.Context, h *ServerHandshake, nc net.Conn) (*Conn, error) {
	rest, err := interruptible(ctx, h, nc, func(ctx context.Context) ([]byte, error) {
		if err := serverTLS(ctx, h, nc); err != nil {
			return nil, err
		}
		return serverExchange(h, nc)
	})
	if err == nil {
		err = answerKey3(ctx, h, nc, nc)
	}
	switch {
	case isHandshakeError(err):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	c, err := netx.OrClose(nc, func() (*Conn, error) { return serverConn(h, nc, rest), nil })
	if err == nil {
		c.start(h.config.Trace)
	}
	return c, err
}

// interruptible runs do, which does I/O on nc, and makes it fail when
// HandshakeTimeout has passed or ctx ends. If do fails, interruptible closes
// nc.
func interruptible(ctx context.Context, h *ServerHandshake, nc net.Conn, do func(context.Context) ([]byte, error)) ([]byte, error) {
	return withinTimeout(ctx, h.config.handshakeTimeout(), func(ctx context.Context) ([]byte, error) {
		rest, err := netx.Interruptible(ctx, nc, isHandshakeError, func() ([]byte, error) { return do(ctx) })
		if err == context.Canceled && context.Cause(ctx) == http.ErrServerClosed {
			err = http.ErrServerClosed
		}
		return rest, err
	})
}

// awaitClient runs wait, which waits for the client, and makes it fail when the
// Server begins closing. Only what waits for the client is interrupted: once the
// response is on its way, the client is told of the end by a Close frame.
func awaitClient(h *ServerHandshake, nc net.Conn, wait func() error) error {
	if h.opening == nil {
		return wait()
	}
	stop := context.AfterFunc(h.opening, func() { netx.CloseNow(nc) })
	defer stop() // a function of the program may panic in wait
	err := wait()
	if !stop() {
		return http.ErrServerClosed
	}
	return err
}

// serverTLS does the TLS handshake if nc is a tls.Conn. The request will
// describe the result in its field TLS.
func serverTLS(ctx context.Context, h *ServerHandshake, nc net.Conn) error {
	tc, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := awaitClient(h, nc, func() error { return netx.HandshakeTLS(ctx, tc) }); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	state := tc.ConnectionState()
	h.TLS = &state
	return nil
}

// serverExchange passes bytes between the client and the handshake until a
// response was sent, or its head in Hybi00. It returns the bytes that it has
// read beyond the handshake.
func serverExchange(h *ServerHandshake, nc net.Conn) ([]byte, error) {
	var in [2048]byte
	for {
		var n int
		err := awaitClient(h, nc, func() (err error) { n, err = nc.Read(in[:]); return err })
		took, refused := h.Feed(in[:n])
		out := h.AppendResponse(nil)
		if len(out) > 0 {
			_, err = nc.Write(out)
		}
		switch {
		case refused != nil:
			netx.Linger(nc, netx.LingerTime)
			return nil, refused
		case err == io.EOF:
			netx.LingerTLS(nc, netx.LingerTime)
			return nil, fmt.Errorf("client hung up after %d bytes of header: %w", len(h.head.Bytes()), io.ErrUnexpectedEOF)
		case err != nil:
			return nil, err
		case len(out) > 0:
			return in[took:n], nil
		}
	}
}

// serverRespond sends the response to an accepted request. It returns the bytes
// that were read beyond the handshake. in holds what net/http has read beyond
// the request.
func serverRespond(h *ServerHandshake, nc net.Conn, in *bufio.Reader) (rest []byte, err error) {
	nc.SetDeadline(time.Now().Add(h.config.handshakeTimeout()))
	out := scratches.Get().(*scratch)
	out.b = h.AppendResponse(out.b)
	_, err = nc.Write(out.b)
	out.recycle()
	if err != nil {
		return nil, blameTimeout(err, h.config.handshakeTimeout())
	}
	if err := answerKey3(context.Background(), h, nc, in); err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Time{})
	return in.Peek(in.Buffered())
}

// answerKey3 waits for the missing bytes of key3 and answers them. The wait has
// a timeout of its own, because some proxies hold key3 back until they have
// seen the head of the response. ctx must not be the context of the request:
// net/http cancels that when a read fails, and the reason would be lost.
func answerKey3(ctx context.Context, h *ServerHandshake, nc net.Conn, in io.Reader) error {
	if h.Done() {
		return nil
	}
	_, err := interruptible(ctx, h, nc, func(context.Context) ([]byte, error) {
		key3 := make([]byte, h.challenge.missing())
		var n int
		err := awaitClient(h, nc, func() (err error) { n, err = io.ReadFull(in, key3); return err })
		h.Feed(key3[:n])
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			netx.LingerTLS(nc, netx.LingerTime)
			return nil, fmt.Errorf("client hung up after %d of them: %w", h.challenge.count, io.ErrUnexpectedEOF)
		case err != nil:
			return nil, err
		}
		_, err = nc.Write(h.AppendResponse(nil))
		return nil, err
	})
	if err != nil {
		err = fmt.Errorf("waiting for the %d bytes that follow the header (does a proxy in between pass them?): %w", key3Len, err)
	}
	return err
}

// serverConn returns the connection of a finished handshake. rest holds the bytes
// that were read beyond the handshake.
func serverConn(h *ServerHandshake, nc net.Conn, rest []byte) *Conn {
	c := newConn(nc, h.version, ServerSide, h.config, rest)
	c.subprotocol = h.subprotocol
	c.compress(h.agreed)
	c.request = keptOf(h)
	return c
}

// keptOf returns what a connection keeps of its request.
func keptOf(h *ServerHandshake) *keptRequest {
	r := h.accepted
	if h.detached != nil {
		r = r.WithContext(h.detached)
	}
	if !h.inServe {
		return keepRequest(r)
	}
	if r.ContentLength != 0 { // key3, counted as a body: net/http would read it from the connection
		r = r.WithContext(r.Context())
		r.Body = http.NoBody
	}
	return &keptRequest{Request: r}
}
