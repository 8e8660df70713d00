//go:build linux

// Eventloop is an echo server for every version of the WebSocket protocol that
// serves all its connections in one thread, by epoll: it shows how to use the
// package's core, which does no I/O, under an event loop of one's own.
//
//	cd examples/eventloop && go run . [-addr 127.0.0.1:8080]
//
// The protocol is in session.go, and knows nothing of sockets. The sockets are
// in loop.go and conn.go, and know nothing of the protocol. It runs on Linux.
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

// run serves until ctx ends, and then as long as closing all connections takes.
func run(ctx context.Context, addr string, idle time.Duration) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s, try another -addr: %w", addr, err)
	}
	l, err := newLoop(ln.(*net.TCPListener), options{idleTimeout: idle, log: slog.Default()})
	if err != nil {
		ln.Close()
		return err
	}
	fmt.Printf("Connect to ws://%s/. Ctrl-C ends.\n", ln.Addr())
	defer context.AfterFunc(ctx, l.stop)()
	return l.run()
}
