package routers

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"
	"github.com/protocol-websocket/websocket"
)

// options are the middlewares of a router, by the means of the router.
type options struct {
	timeout  time.Duration            // ends the request's context; 0 for none
	panicked func(v any)              // is told of a panic that was recovered; may be nil
	logged   func(took time.Duration) // is told by the access log; may be nil
}

// router makes a handler that routes /rooms/ROOM to a Server, and
// /plain/ROOM to a handler that says its room.
type router struct {
	name string
	make func(s *websocket.Server, o options) http.Handler

	// room returns the parameter of the route as the router's own context says,
	// which is in ctx, and "" if the context is not there.
	room func(ctx context.Context) string
}

// The keys under which the contexts of gin and echo are in the request's. chi
// does this by itself.
type (
	ginKey  struct{}
	echoKey struct{}
)

var routers = []router{
	{"chi", newChi, func(ctx context.Context) string {
		if chi.RouteContext(ctx) == nil {
			return ""
		}
		return chi.URLParamFromCtx(ctx, "room")
	}},
	{"gin", newGin, func(ctx context.Context) string {
		if c, ok := ctx.Value(ginKey{}).(*gin.Context); ok {
			return c.Param("room")
		}
		return ""
	}},
	{"echo", newEcho, func(ctx context.Context) string {
		if c, ok := ctx.Value(echoKey{}).(echo.Context); ok {
			return c.Param("room")
		}
		return ""
	}},
}

func newChi(s *websocket.Server, o options) http.Handler {
	r := chi.NewRouter()
	if o.logged != nil || o.panicked != nil {
		r.Use(chimiddleware.RequestLogger(chiLog{o}))
	}
	if o.panicked != nil {
		r.Use(chimiddleware.Recoverer)
	}
	if o.timeout > 0 {
		r.Use(chimiddleware.Timeout(o.timeout))
	}
	r.Handle("/rooms/{room}", s)
	r.Get("/plain/{room}", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(chi.URLParam(r, "room"))) })
	return r
}

// chiLog is chi's access log, which is also told of recovered panics.
type chiLog struct{ o options }

func (l chiLog) NewLogEntry(*http.Request) chimiddleware.LogEntry { return l }

func (l chiLog) Write(_, _ int, _ http.Header, took time.Duration, _ any) {
	if l.o.logged != nil {
		l.o.logged(took)
	}
}

func (l chiLog) Panic(v any, _ []byte) {
	if l.o.panicked != nil {
		l.o.panicked(v)
	}
}

func newGin(s *websocket.Server, o options) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	if o.logged != nil {
		r.Use(gin.LoggerWithConfig(gin.LoggerConfig{Output: discard{}, Formatter: func(p gin.LogFormatterParams) string {
			o.logged(p.Latency)
			return ""
		}}))
	}
	if o.panicked != nil {
		r.Use(gin.CustomRecoveryWithWriter(nil, func(_ *gin.Context, v any) { o.panicked(v) }))
	}
	if o.timeout > 0 {
		r.Use(func(c *gin.Context) {
			ctx, cancel := context.WithTimeout(c.Request.Context(), o.timeout)
			defer cancel()
			c.Request = c.Request.WithContext(ctx)
			c.Next()
		})
	}
	r.GET("/rooms/:room", func(c *gin.Context) {
		s.ServeHTTP(c.Writer, c.Request.WithContext(context.WithValue(c.Request.Context(), ginKey{}, c)))
	})
	r.GET("/plain/:room", func(c *gin.Context) { c.String(http.StatusOK, c.Param("room")) })
	return r
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func newEcho(s *websocket.Server, o options) http.Handler {
	e := echo.New()
	if o.logged != nil {
		e.Use(echomiddleware.RequestLoggerWithConfig(echomiddleware.RequestLoggerConfig{
			LogLatency: true,
			LogValuesFunc: func(_ echo.Context, v echomiddleware.RequestLoggerValues) error {
				o.logged(v.Latency)
				return nil
			},
		}))
	}
	if o.panicked != nil {
		e.Use(echomiddleware.RecoverWithConfig(echomiddleware.RecoverConfig{LogErrorFunc: func(_ echo.Context, err error, _ []byte) error {
			o.panicked(err)
			return nil
		}}))
	}
	if o.timeout > 0 {
		e.Use(echomiddleware.ContextTimeout(o.timeout))
	}
	e.GET("/rooms/:room", func(c echo.Context) error {
		s.ServeHTTP(c.Response(), c.Request().WithContext(context.WithValue(c.Request().Context(), echoKey{}, c)))
		return nil
	})
	e.GET("/plain/:room", func(c echo.Context) error { return c.String(http.StatusOK, c.Param("room")) })
	return e
}

var silent = slog.New(slog.DiscardHandler)
