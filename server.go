package websocket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"sync"
)

// Server is an [http.Handler] that makes a connection of each request and runs
// Handler on it. Its fields must not be changed while it is in use. Its methods
// may be called from any goroutine. All options together:
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
	Upgrader Upgrader // options only

	// Handler is called once for each connection, in a goroutine of its own,
	// and the connection ends when it returns: with [StatusNormalClosure] if it
	// returns nil, with code and reason of a [CloseError] that it returns, and
	// with [StatusInternalError] after any other error and after a panic, which
	// is caught as in net/http. An error that comes after the peer has closed
	// the connection, or the network has failed, changes nothing, so handlers
	// can return the errors of reads and writes as they are. Must not be nil.
	//
	// ctx has the values of the request's context. It ends when the handler
	// returns, when the connection ends, and when Shutdown begins: for handlers
	// that read, Shutdown ends the reading; others should heed ctx. That the peer
	// has gone is noticed by reads only, so a handler that does not read calls
	// [Conn.Discard].
	Handler func(ctx context.Context, c *Conn) error

	// Logger is told of handlers' panics and errors, and of requests refused
	// with 500 over a mistake in the options; at level debug of errors after the
	// end of the connection and of all other refused requests. Nil means
	// [slog.Default].
	Logger *slog.Logger

	mu      sync.Mutex
	conns   map[*Conn]context.CancelFunc
	active  int // requests in ServeHTTP, and connections in conns
	closing bool
	open    context.Context // ends when closing begins, and then ends handshakes that wait for key3
	endOpen context.CancelFunc
	idle    chan struct{} // made when closing begins, closed when active becomes 0
}

// Handler returns a handler for use with net/http that runs f on each
// connection, a [Server] without options. It accepts every version, from pages
// of the same origin. It panics if f is nil.
func Handler(f func(ctx context.Context, c *Conn) error) http.Handler {
	if f == nil {
		panic("websocket: Handler of a nil function")
	}
	return &Server{Handler: f}
}

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.Default()
	}
	return s.Logger
}

// ServeHTTP upgrades the request and returns; the handler runs on. After
// Shutdown or Close it answers 503.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := s.begin()
	if ctx == nil {
		w.Header().Set("Connection", "close")
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer s.finish()
	c, err := s.upgradeFor(ctx, w, r)
	if err != nil {
		s.logRefusal(r, err)
		return
	}
	s.serve(c)
}

// upgradeFor upgrades the request. Without a Handler it refuses the request
// with 500.
func (s *Server) upgradeFor(ctx context.Context, w http.ResponseWriter, r *http.Request) (*Conn, error) {
	if s.Handler == nil {
		h := NewServerHandshake(&s.Upgrader)
		return nil, refuseHTTP(h, w, r, &HandshakeError{Status: http.StatusInternalServerError, Err: errors.New("websocket: Server.Handler is nil")})
	}
	return s.Upgrader.upgradeUntil(ctx, w, r)
}

// logRefusal logs a refused request. A mistake of the program is an error, so
// that it is noticed. Everything else has level debug: any client can cause it,
// and must not be able to fill the log.
func (s *Server) logRefusal(r *http.Request, err error) {
	level := slog.LevelDebug
	var refused *HandshakeError
	if errors.As(err, &refused) && refused.Status == http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.logger().Log(r.Context(), level, "websocket: request refused", "remote", r.RemoteAddr, "error", err)
}

// serve runs the handler in a goroutine of its own. In the goroutine of
// net/http, the request and its buffers would stay in memory as long as the
// connection is open.
func (s *Server) serve(c *Conn) {
	ctx, cancel := context.WithCancel(c.request.Context())
	late := s.add(c, cancel)
	c.life.onEnd(cancel)
	if late { // Shutdown or Close began before add, and does not know c
		go s.end(c, cancel, StatusGoingAway, "")
		return
	}
	go s.run(ctx, cancel, c)
}

// run calls the handler and ends the connection as verdict says. Its frame is
// the first on the stack of an idle connection, so it is small.
func (s *Server) run(ctx context.Context, cancel context.CancelFunc, c *Conn) {
	err, returned := error(nil), false
	defer func() {
		s.logPanic(c, recover())
		code, reason := StatusInternalError, ""
		if returned {
			code, reason = s.verdict(ctx, c, err)
		}
		s.end(c, cancel, code, reason)
	}()
	err = s.Handler(ctx, c)
	returned = true
}

func (s *Server) end(c *Conn, cancel context.CancelFunc, code StatusCode, reason string) {
	cancel() // what the handler has started stops before the closing handshake
	c.rcv.abandon()
	c.Shutdown(context.Background(), code, reason)
	c.Close()
	s.remove(c)
}

// verdict returns the code and the reason with which a connection ends after
// its handler has returned err. It logs err, unless that is a CloseError to be
// sent.
func (s *Server) verdict(ctx context.Context, c *Conn, err error) (StatusCode, string) {
	over := ctx.Err() != nil || c.life.failed()
	var chosen *CloseError
	switch {
	case over:
		if err != nil && s.logger().Enabled(ctx, slog.LevelDebug) {
			s.logger().Debug("websocket: connection over", "remote", addrString(c.RemoteAddr()), "error", brief(err))
		}
		return StatusGoingAway, "" // reaches the peer only if Shutdown was about to send the same
	case err == nil:
		return StatusNormalClosure, ""
	case errors.As(err, &chosen):
		_, bad := appendClosePayload(nil, chosen.Code, chosen.Reason)
		if bad == nil {
			return chosen.Code, chosen.Reason
		}
		err = fmt.Errorf("a CloseError with code %d and reason %q cannot be sent: %s", chosen.Code, chosen.Reason, inner(bad))
	}
	s.logger().Error("websocket: handler failed", "remote", addrString(c.RemoteAddr()), "error", brief(err))
	return StatusInternalError, ""
}

// brief returns the text of err for the log. It cuts a long text, because err
// may quote a whole message.
func brief(err error) string {
	s := err.Error()
	if len(s) > maxLogged {
		return s[:maxLogged] + " (cut off)"
	}
	return s
}

// maxLogged is how many bytes of an error's text are logged.
const maxLogged = 1 << 10

func (s *Server) logPanic(c *Conn, v any) {
	if v != nil && v != http.ErrAbortHandler {
		s.logger().Error("websocket: handler panicked", "remote", addrString(c.RemoteAddr()),
			"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

// begin counts a request. It returns the context that ends when closing begins,
// or nil if closing has begun.
func (s *Server) begin() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil
	}
	if s.open == nil {
		s.open, s.endOpen = context.WithCancel(context.Background())
	}
	s.active++
	return s.open
}

// finish undoes what begin or add has counted.
func (s *Server) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	if s.idle != nil && s.active == 0 {
		close(s.idle)
		s.idle = nil
	}
}

// add counts a connection. It reports whether the connection is too late to be
// served, because closing has begun.
func (s *Server) add(c *Conn, cancel context.CancelFunc) (late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = make(map[*Conn]context.CancelFunc)
	}
	s.conns[c] = cancel
	s.active++
	return s.closing
}

func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.finish()
}

// beginClosing makes the Server refuse new requests. It returns the connections
// that are open, and a channel that is closed when no request and no connection
// is left.
func (s *Server) beginClosing() (map[*Conn]context.CancelFunc, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	if s.endOpen != nil {
		s.endOpen()
	}
	if s.active == 0 {
		none := make(chan struct{})
		close(none)
		return nil, none
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	return maps.Clone(s.conns), s.idle
}

// Shutdown answers new requests with 503, closes every connection with
// [StatusGoingAway], as [Conn.Shutdown] does, and waits until their handlers have
// returned; a peer that does not answer is no error. If ctx ends
// first it closes what is left as by Close, without waiting for handlers, and
// returns the error of ctx. net/http's Server does not know of these
// connections: call its Shutdown too, first.
func (s *Server) Shutdown(ctx context.Context) error {
	conns, idle := s.beginClosing()
	for c, cancel := range conns {
		cancel()
		go c.Shutdown(ctx, StatusGoingAway, "")
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		s.Close()
		return ctx.Err()
	}
}

// Close answers new requests with 503 and ends every connection at once, as
// [Conn.Close] does. It does not wait for handlers. The error is always nil.
func (s *Server) Close() error {
	conns, _ := s.beginClosing()
	for c := range conns {
		c.life.end(errClosed)
	}
	return nil
}
