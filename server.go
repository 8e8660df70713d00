package websocket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
)

// Server is an [http.Handler] that makes a connection of each request and runs
// Handler on it. Its fields must not be changed while it is in use. Its methods
// may be called from any goroutine.
type Server struct {
	Upgrader

	// Handler is called once for each connection, in a goroutine of its own,
	// and the connection ends when it returns: with [StatusNormalClosure] if
	// it returns nil, and otherwise, unless the peer has closed the connection
	// or the network failed, with [StatusInternalError], or the code of a
	// [CloseError] that it returns. A panic is logged, as in net/http, and ends
	// that connection with [StatusInternalError].
	//
	// ctx has the values of the request's context. It ends with the connection,
	// and when Shutdown begins: for handlers that read, Shutdown ends the
	// reading; others should heed ctx.
	Handler func(ctx context.Context, c *Conn) error

	// Logger is told of handlers' errors and panics, and of refused requests
	// at level debug. Nil means [slog.Default].
	Logger *slog.Logger

	mu      sync.Mutex
	conns   map[*Conn]context.CancelFunc
	closing bool
	idle    chan struct{} // closed when closing and conns is empty; nil before anybody waits
}

// Handler returns a handler for use with net/http that runs f on each
// connection, a [Server] without options. It accepts every version, from pages
// of the same origin.
func Handler(f func(ctx context.Context, c *Conn) error) http.Handler { return &Server{Handler: f} }

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.Default()
	}
	return s.Logger
}

// ServeHTTP upgrades the request and returns; the handler runs on. After
// Shutdown or Close it answers 503.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.isClosing() {
		w.Header().Set("Connection", "close")
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	c, err := s.Upgrade(w, r, nil)
	if err != nil {
		s.logger().Debug("websocket: request refused", "remote", r.RemoteAddr, "error", err)
		return
	}
	s.serve(c)
}

// serve runs the handler in a goroutine of its own: that of net/http would hold
// the request and its buffers as long as the connection lives.
func (s *Server) serve(c *Conn) {
	ctx, cancel := context.WithCancel(c.request.Context())
	if !s.add(c, cancel) {
		cancel()
		go s.shutdownConn(context.Background(), c)
		return
	}
	c.onEnd(cancel)
	go func() {
		defer s.remove(c)
		s.run(ctx, c)
	}()
}

// run calls the handler and ends the connection as it demands.
func (s *Server) run(ctx context.Context, c *Conn) {
	defer c.Close()
	code, reason := StatusInternalError, ""
	defer func() { c.Shutdown(context.Background(), code, reason) }()
	defer s.recover(c)
	err := s.Handler(ctx, c)
	var chosen *CloseError
	switch {
	case err == nil:
		code = StatusNormalClosure
	case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
		code = StatusGoingAway
	case c.cause() != nil: // the peer's or the network's doing, which the handler passes on
	case errors.As(err, &chosen) && chosen.Code.sendable():
		code, reason = chosen.Code, chosen.Reason
	default:
		s.logger().Error("websocket: handler failed", "remote", addrString(c.RemoteAddr()), "error", err)
	}
}

func (s *Server) recover(c *Conn) {
	if v := recover(); v != nil && v != http.ErrAbortHandler {
		s.logger().Error("websocket: handler panicked", "remote", addrString(c.RemoteAddr()),
			"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

func (s *Server) add(c *Conn, cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[*Conn]context.CancelFunc)
	}
	s.conns[c] = cancel
	return true
}

func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c]()
	delete(s.conns, c)
	if s.idle != nil && len(s.conns) == 0 {
		close(s.idle)
		s.idle = nil
	}
}

// beginClosing refuses new connections and returns those there are, and a
// channel that is closed when their handlers have returned.
func (s *Server) beginClosing() ([]*Conn, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	conns := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	if len(conns) == 0 {
		done := make(chan struct{})
		close(done)
		return nil, done
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	return conns, s.idle
}

// Shutdown answers new requests with 503, closes every connection with
// [StatusGoingAway] and waits until their handlers have returned. If ctx ends
// first it closes what is left as by Close, without waiting for handlers, and
// returns the error of ctx. net/http's Server does not know of these
// connections: call its Shutdown too, first.
func (s *Server) Shutdown(ctx context.Context) error {
	conns, idle := s.beginClosing()
	for _, c := range conns {
		go s.shutdownConn(ctx, c)
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		for _, c := range conns {
			c.Close()
		}
		return ctx.Err()
	}
}

// shutdownConn ends a connection, and with it the context of its handler. A
// handler that goes on is not waited for by the peer.
func (s *Server) shutdownConn(ctx context.Context, c *Conn) {
	s.mu.Lock()
	cancel := s.conns[c]
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	c.Shutdown(ctx, StatusGoingAway, "")
}

// Close answers new requests with 503 and ends every connection at once, as
// [Conn.Close] does. It does not wait for handlers.
func (s *Server) Close() error {
	conns, _ := s.beginClosing()
	for _, c := range conns {
		c.Close()
	}
	return nil
}
