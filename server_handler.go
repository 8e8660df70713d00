package websocket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
)

// run runs the handler on c in this goroutine, with a child of request as its
// context, and closes the connection as verdict says. It returns the error of
// the handler.
//
// It does not recover a panic, which would lose where the panic came from, but
// closes the connection while the panic goes by.
func (s *Server) run(c *Conn, request context.Context) error {
	ctx, cancel := context.WithCancelCause(request)
	if !s.conns.add(c, cancel) {
		return http.ErrServerClosed
	}
	unwatch := s.watch(c, request)
	code, reason := StatusInternalError, "" // unless the handler returns
	defer func() {
		unwatch()
		handlerEnded(c, cancel, code, reason)
	}()
	err := s.Handler(ctx, c)
	code, reason = s.verdict(ctx, c, err)
	return err
}

// detach starts the handler on c in a goroutine of its own, with nothing of the
// request but what c keeps.
func (s *Server) detach(c *Conn) {
	ctx, cancel := context.WithCancelCause(c.request.Context())
	if !s.conns.add(c, cancel) {
		return
	}
	s.conns.enterHandler()
	go s.runDetached(ctx, cancel, c)
}

// runDetached is run for a goroutine in which nothing else recovers panics. Its
// frame is the first on the stack of an idle connection, so it is small.
func (s *Server) runDetached(ctx context.Context, cancel context.CancelCauseFunc, c *Conn) {
	code, reason := StatusInternalError, ""
	defer func() {
		v := recover()
		handlerEnded(c, cancel, code, reason)
		s.logPanic(c, v)
		s.conns.leave()
	}()
	code, reason = s.verdict(ctx, c, s.Handler(ctx, c))
}

// handlerEnded closes a connection whose handler has ended. It first stops what
// the handler has started.
func handlerEnded(c *Conn, cancel context.CancelCauseFunc, code StatusCode, reason string) {
	cancel(nil)
	c.rcv.abandon()
	_ = c.CloseWith(code, reason) // of what went wrong verdict has told
}

// watch closes the connection when the context of its request ends. unwatch must
// be called when the handler has returned. If the context has ended by then, the
// connection is closed and the end is logged when unwatch returns.
func (s *Server) watch(c *Conn, request context.Context) (unwatch func()) {
	if request.Done() == nil {
		return func() {}
	}
	ended := sync.OnceFunc(func() { s.requestEnded(c, request) })
	stop := context.AfterFunc(request, ended)
	return func() {
		stop()
		if request.Err() != nil {
			ended()
		}
	}
}

func (s *Server) requestEnded(c *Conn, request context.Context) {
	if c.life.why() == nil {
		s.logger().LogAttrs(request, slog.LevelWarn, "websocket: request context ended",
			slog.String("remote", addrString(c.RemoteAddr())), slog.Any("cause", context.Cause(request)))
	}
	_ = c.CloseWith(StatusGoingAway, "")
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
	case isNilPointer(err):
		err = fmt.Errorf("handler returned a nil %T as its error: return nil", err)
	case errors.As(err, &chosen) && chosen != nil:
		_, bad := appendClosePayload(nil, chosen.Code, chosen.Reason)
		if bad == nil {
			return chosen.Code, chosen.Reason
		}
		err = fmt.Errorf("a CloseError with code %d and reason %q cannot be sent: %s", chosen.Code, chosen.Reason, inner(bad))
	}
	s.logger().Error("websocket: handler failed", "remote", addrString(c.RemoteAddr()), "error", brief(err))
	return StatusInternalError, ""
}

// isNilPointer reports whether err is not nil, but holds a nil pointer, whose
// methods may panic.
func isNilPointer(err error) bool {
	v := reflect.ValueOf(err)
	return v.Kind() == reflect.Pointer && v.IsNil()
}
