//go:build linux

// Eventloop is an echo server for every version of the WebSocket protocol. It
// serves all connections in one goroutine, with epoll. It shows how to use the
// core of the package, which does no I/O, in an event loop of your own.
//
//	cd examples/eventloop && go run . [-addr 127.0.0.1:8080]
//
// session.go has the protocol and uses no sockets. loop.go and conn.go have the
// sockets and do not know the protocol. The program runs on Linux only.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	idle := flag.Duration("idle", time.Minute, "`time` after which a silent connection is closed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr, *idle); err != nil {
		fmt.Fprintln(os.Stderr, "eventloop:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and returns after all connections are closed.
func run(ctx context.Context, addr string, idle time.Duration) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s, try another -addr: %w", addr, err)
	}
	l, err := newLoop(ln.(*net.TCPListener), options{idleTimeout: idle, log: slog.Default()})
	if err != nil {
		return err
	}
	fmt.Printf("Connect to ws://%s/. Ctrl-C ends.\n", ln.Addr())
	defer context.AfterFunc(ctx, l.stop)()
	return l.run()
}
