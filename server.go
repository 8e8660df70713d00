package websocket

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/protocol-websocket/websocket/internal/netx"
)

// Server is an [http.Handler] that turns requests into connections and runs
// Handler on each. Its fields must not be changed while it is in use. Its
// methods may be called from any goroutine. For example, with options of the
// Upgrader and of [Config]:
//
//	s := &websocket.Server{
//		Upgrader: websocket.Upgrader{
//			Config:   websocket.Config{PingInterval: time.Minute},
//			Versions: []websocket.Version{websocket.RFC6455},
//			Origins:  []string{"https://app.example.com"},
//		},
//		Handler: serve,
//	}
type Server struct {
	// Upgrader holds options only. [Upgrader.Validate] tells, when the program
	// starts, whether they are right.
	Upgrader Upgrader

	// Handler is called once for each connection. Unless Detach is set, it runs
	// in the goroutine of [Server.ServeHTTP] or [Server.ServeConn], so to the
	// middlewares around a Server it is a handler like any other. It must not be
	// nil.
	//
	// The connection ends when Handler returns: with [StatusNormalClosure] if it
	// returns nil, with code and reason of a [CloseError] that it returns, and
	// with [StatusInternalError] after any other error and after a panic. An
	// error that comes after the peer has closed the connection, or the network
	// has failed, changes nothing, so handlers can return the errors of reads
	// and writes as they are. The closing handshake takes place in the
	// background.
	//
	// A panic is not recovered: it goes on to the middlewares and to net/http,
	// which logs it, or to the caller of ServeConn. The same holds for
	// [runtime.Goexit].
	//
	// ctx is a child of the request's context, or of the context that
	// [Upgrader].Check returned. It also ends when the handler returns, when the
	// connection ends, and, with the cause [http.ErrServerClosed], when Shutdown
	// or Close begins. Handlers that wait for something other than a read should
	// heed it. Only reads notice that the peer is gone, so a handler that does
	// not read calls [Conn.Discard].
	//
	// If the request's context ends first, for example at the timeout of a
	// middleware, the connection is closed with [StatusGoingAway], and a warning
	// with the cause is logged.
	Handler func(ctx context.Context, c *Conn) error

	// Detach, if not nil, makes ServeHTTP return as soon as the handshake is over,
	// while Handler runs on in a goroutine of its own. This frees the goroutine
	// and the buffers of net/http: an idle connection takes about 6 KB of memory
	// of the process, and about 15 KB without Detach. It is for servers with very
	// many idle connections.
	//
	// The price is that middlewares see a request that is over at once: limits
	// and access logs do not count the connection, timeouts and cancellation do
	// not end it, and what a middleware or router takes back when a handler
	// returns must not be used any more. Therefore Handler sees nothing of the
	// request's context. Its ctx, and that of [Conn.Request], is what Detach
	// returns for the accepted request, without cancellation and deadline; nil
	// stands for [context.Background]. What the request holds itself stays in
	// Conn.Request: URL, header, path values of [http.ServeMux]. Detach looks up
	// what else Handler needs and copies it:
	//
	//	Detach: func(r *http.Request) context.Context {
	//		return context.WithValue(context.Background(), roomKey, chi.URLParam(r, "room"))
	//	}
	//
	// Detach must not return r.Context() behind a router that reuses its contexts,
	// as chi, gin and echo do. A panic of Detach goes on to net/http, before the
	// client is answered. A panic of Handler is recovered and logged. ServeConn
	// does not call Detach.
	Detach func(r *http.Request) context.Context

	// Logger is told of handlers' errors, of panics after Detach, of requests
	// whose context ends before their connection, of a mistake in the options when
	// the first request is refused with 500 over it, and of each other request
	// refused with 500; at level debug of errors after the end of the connection
	// and of all other refused requests. Nil means [slog.Default].
	Logger *slog.Logger

	conns serverConns
}

// Handler returns a handler for use with net/http that runs f on each
// connection, a [Server] without options, in which therefore none can be wrong.
// It accepts every version, from pages of the same origin. It panics if f is nil.
func Handler(f func(ctx context.Context, c *Conn) error) http.Handler {
	if f == nil {
		panic("websocket: Handler of a nil function")
	}
	return &Server{Handler: f}
}

// ServeHTTP upgrades the request, runs Handler and returns when Handler has; or
// at once, if Detach is set. After Shutdown or Close it answers 503.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	opening, _, counted := s.conns.enter()
	if counted {
		defer s.conns.leave()
	}
	c, request, err := s.upgrade(opening, w, r)
	if err != nil {
		s.Upgrader.Trace.handshakeFailed(r, err)
		s.logRefusal(r.Context(), r.RemoteAddr, err)
		return
	}
	if s.Detach != nil {
		s.detach(c)
		return
	}
	_ = s.run(c, request) // it is logged
}

// upgrade does the handshake of a request that net/http has read. It returns
// the connection and the context of the accepted request.
//
// The handshake has a stack frame of its own, which is gone while the handler
// runs.
func (s *Server) upgrade(opening context.Context, w http.ResponseWriter, r *http.Request) (*Conn, context.Context, error) {
	h := NewServerHandshake(&s.Upgrader)
	h.opening, h.refusal, h.inServe = opening, s.mistake(), s.Detach == nil
	err := beginHTTP(h, w, r)
	if err == nil && s.Detach != nil {
		if h.detached = s.Detach(h.accepted); h.detached == nil {
			h.detached = context.Background()
		}
		h.detached.Done()   // a context that panics does so here, where nothing is taken over yet
		err = h.unwilling() // closing may have begun meanwhile
	}
	if err != nil {
		return nil, nil, refuseHTTP(h, w, r, err)
	}
	c, err := upgradeHTTP(h, w, r)
	if err != nil {
		return nil, nil, err
	}
	return c, h.accepted.Context(), nil
}

// mistake returns the error with which every request is refused because the
// program has made a mistake, or nil if it has not.
func (s *Server) mistake() error {
	if s.Handler != nil {
		return nil
	}
	return mistaken(errors.New("websocket: Server.Handler is nil: expected a function"))
}

// ServeConn reads a request from nc, which may be TLS, upgrades it as
// [Upgrader.Accept] does, and runs Handler in this goroutine, without the server
// of net/http. nc is closed when it returns: after Handler has returned,
// ServeConn waits for the closing handshake.
//
// ctx bounds the handshake and is the context of the request, and so the parent
// of the handler's: when it ends, the connection is closed with
// [StatusGoingAway].
//
// The error is that of the handshake, or that of Handler as it is. After Shutdown
// or Close it is [http.ErrServerClosed], and nc is closed without an answer; a
// handshake that they end returns an error that wraps it.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	opening, untilHard, counted := s.conns.enter()
	if !counted {
		netx.CloseNow(nc)
		return http.ErrServerClosed
	}
	defer s.conns.leave()
	c, request, err := s.accept(ctx, opening, untilHard, nc)
	if err != nil {
		s.logRefusal(ctx, addrString(nc.RemoteAddr()), err)
		return err
	}
	err = s.run(c, request)
	<-c.life.over()
	return err
}

// accept does the handshake on nc. It returns the connection and the context of
// the accepted request.
func (s *Server) accept(ctx, opening, untilHard context.Context, nc net.Conn) (*Conn, context.Context, error) {
	h := NewServerHandshake(&s.Upgrader)
	h.base, h.opening, h.refusal = ctx, opening, s.mistake()
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(untilHard, func() { cancel(http.ErrServerClosed) })
	defer stop()
	c, err := s.Upgrader.accept(bounded, h, nc)
	if err != nil {
		return nil, nil, err
	}
	return c, h.accepted.Context(), nil
}

// Shutdown answers new requests with 503, ends handshakes in progress, closes
// every connection with [StatusGoingAway], as [Conn.CloseWith] does, ends the
// contexts of handlers with the cause [http.ErrServerClosed], and waits until all
// handlers have returned and all connections are over. A peer that does not
// answer within 5 seconds is no error.
//
// If ctx ends first, Shutdown ends what is left as [Server.Close] does, without
// waiting for handlers, and returns the error of ctx.
//
// Shutdown of an [http.Server] knows nothing of these connections and does not
// wait for their handlers. A program calls both at once, see the example.
func (s *Server) Shutdown(ctx context.Context) error {
	idle := s.conns.shutdown()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	select {
	case <-idle: // also if both came at once
		return nil
	default:
	}
	s.conns.close()
	return ctx.Err()
}

// Close answers new requests with 503 and ends at once every connection and every
// handshake, also those for which a Close frame is on its way. The contexts of
// handlers end with the cause [http.ErrServerClosed]. It does not wait for
// handlers, nor for a response of ServeHTTP that is being sent, which
// HandshakeTimeout bounds. The error is always nil.
func (s *Server) Close() error {
	s.conns.close()
	return nil
}
