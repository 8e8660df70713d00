// Echo is a WebSocket server that sends every message back, over whichever
// version of the protocol the client speaks, and serves a page to try it with.
//
//	go run ./examples/echo [-addr 127.0.0.1:8080] [-versions rfc6455,hixie-76,...]
//
// Open the URL that it prints, or connect to any path with a client of your
// own. Ctrl-C closes the open connections properly and ends the program.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/protocol-websocket/websocket"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &usage): // already printed
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run serves until ctx ends, and then shuts down. It prints to stdout where the
// server is, and logs to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	addr, versions, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s, try another -addr: %w", addr, err)
	}
	host := openableHost(ln.Addr())
	fmt.Fprintf(stdout, "Open http://%s/ in a browser, or connect to ws://%[1]s/. Ctrl-C ends.\n", host)
	return newServer(versions, slog.New(slog.NewTextHandler(stderr, nil))).serve(ctx, ln)
}

func parseFlags(args []string, stderr io.Writer) (addr string, versions []websocket.Version, err error) {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&addr, "addr", "127.0.0.1:8080", "`host:port` to listen on")
	flags.Func("versions", "`list` of the versions to take, separated by commas: rfc6455, hybi-10, hybi-07, hixie-76, hixie-75 (default all)",
		func(list string) error {
			versions = nil
			for name := range strings.SplitSeq(list, ",") {
				v, err := websocket.ParseVersion(strings.TrimSpace(name))
				if err != nil {
					return err
				}
				versions = append(versions, v)
			}
			return nil
		})
	if err := flags.Parse(args); err != nil {
		return "", nil, usageError{err}
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q: there are only flags", flags.Arg(0))
		fmt.Fprintln(stderr, err)
		flags.Usage()
		return "", nil, usageError{err}
	}
	return addr, versions, nil
}

// openableHost returns addr in a form that a browser on this machine can open.
// For a server that listens on all addresses, that is localhost.
func openableHost(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return addr.String()
}

// server serves the page and echoes messages.
type server struct {
	ws  websocket.Server
	log *slog.Logger
}

func newServer(versions []websocket.Version, log *slog.Logger) *server {
	s := &server{log: log}
	up := &s.ws.Upgrader
	up.Versions = versions
	up.PingInterval = 30 * time.Second // detects clients that have vanished
	up.Trace = &websocket.Trace{HandshakeFailed: func(_ *http.Request, err error) { log.Warn("refused", "reason", err) }}
	s.ws.Handler = s.handle
	s.ws.Logger = log
	return s
}

//go:embed page.html
var page []byte

// ServeHTTP serves the page, and upgrades requests for any path.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" && r.URL.Path == "/" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
		return
	}
	s.ws.ServeHTTP(w, r) // refuses requests that do not ask for a WebSocket
}

// handle is called for each connection, which ends when it returns.
func (s *server) handle(_ context.Context, c *websocket.Conn) error {
	log := s.log.With("remote", c.RemoteAddr(), "version", c.Version(), "target", c.Request().RequestURI)
	log.Info("open")
	err := announce(c)
	if err == nil {
		err = echo(c)
	}
	log.Info("closed", "reason", err)
	return err
}

// announce sends the name of the version as the first message, if the client
// asks for it with ?version in the URL. A script in a page cannot find out the
// version in any other way.
func announce(c *websocket.Conn) error {
	if !c.Request().URL.Query().Has("version") {
		return nil
	}
	return c.WriteMessage(websocket.Text, []byte(c.Version().String()))
}

// keepBuffer is the largest buffer, in bytes, that a connection keeps after a
// message. One large message should not cost memory until the connection ends.
const keepBuffer = 4 << 10

// writeTimeout is how long an answer may wait for a client that does not read.
const writeTimeout = 30 * time.Second

// echo sends back what it receives, and returns the error that ended the
// connection: a *websocket.CloseError if the client closed it.
//
// This is the fast way to answer. ReadAppend reads all messages into the same
// memory. BufferMessage puts the answer into a queue, which is sent before a
// read waits: if a client sends many messages at once, one system call sends
// all answers. ReadMessage and WriteMessage would work too, but they cost an
// allocation and a system call for each message.
func echo(c *websocket.Conn) error {
	var buf []byte
	for {
		t, p, err := c.ReadAppend(buf[:0])
		if err != nil {
			return err
		}
		// The keepalive detects clients that are gone. This deadline detects
		// clients that do not read.
		c.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err := c.BufferMessage(t, p); err != nil {
			return err
		}
		if buf = p; cap(buf) > keepBuffer {
			buf = nil
		}
	}
}

const (
	// shutdownTimeout is how long clients may take to answer the Close frame.
	shutdownTimeout = 5 * time.Second

	// pageTimeout is how long the shutdown waits for pages that are being sent.
	// Browsers open connections in reserve, and net/http would wait 5 seconds
	// for a first request on each.
	pageTimeout = time.Second
)

// serve serves on ln until ctx ends, and returns after all connections are
// closed.
func (s *server) serve(ctx context.Context, ln net.Listener) error {
	hs := &http.Server{
		Handler:           s,
		MaxHeaderBytes:    64 << 10,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(ln) }()
	select {
	case err := <-failed:
		s.ws.Close()
		return fmt.Errorf("cannot accept connections any more: %w", err)
	case <-ctx.Done():
	}
	s.log.Info("shutting down")
	s.shutdown(hs)
	return nil
}

// shutdown ends both servers at the same time. Neither knows the connections of
// the other.
func (s *server) shutdown(hs *http.Server) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), pageTimeout)
		defer cancel()
		if hs.Shutdown(ctx) != nil {
			hs.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := s.ws.Shutdown(ctx); err != nil {
		s.log.Warn("clients did not answer the Close frame and were cut off", "error", err)
	}
	<-done
}
