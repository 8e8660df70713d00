package websocket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
)

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.Default()
	}
	return s.Logger
}

// logRefusal logs a refused request. A mistake of the program is an error, so
// that it is noticed; one in the options, which refuses every request, only once.
// Everything else has level debug: any client can cause it, and must not be able
// to fill the log.
func (s *Server) logRefusal(ctx context.Context, remote string, err error) {
	level, message := slog.LevelDebug, "websocket: request refused"
	var refused *HandshakeError
	switch {
	case !errors.As(err, &refused) || refused.Status != http.StatusInternalServerError:
	case !refused.inOptions:
		level = slog.LevelError
	case s.Upgrader.isFirstMistake():
		level, message = slog.LevelError, allRefused
	}
	s.logger().Log(ctx, level, message, "remote", remote, "error", err)
}

// brief returns the text of err for the log. It cuts a long text, because err
// may quote a whole message. A nil pointer in err, whose method Error may panic,
// is printed as such.
func brief(err error) string {
	s := fmt.Sprint(err)
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
