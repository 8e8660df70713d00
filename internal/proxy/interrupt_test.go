package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket/internal/httphead"
	"github.com/protocol-websocket/websocket/internal/proxy"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// stalled plays a proxy that takes these steps and then says nothing more.
func stalled(steps ...func(net.Conn)) func(net.Conn, <-chan struct{}) {
	return func(c net.Conn, over <-chan struct{}) {
		for _, step := range steps {
			step(c)
		}
		<-over
	}
}

func recvStep(n int) func(net.Conn) { return func(c net.Conn) { io.ReadFull(c, make([]byte, n)) } }

func TestDialInterrupted(t *testing.T) {
	head := func(c net.Conn) { testkit.ReadHead(c) }
	stages := []struct {
		name  string
		proxy string
		serve func(net.Conn, <-chan struct{})
	}{
		{"request is not read", "http://p.test", stalled()},
		{"no answer", "http://p.test", stalled(head)},
		{"half an answer", "http://p.test", stalled(head, testkit.SendStep("HTTP/1.1 200 OK\r\n"))},
		{"TLS hello is not read", "https://p.test", stalled()},
		{"no TLS answer", "https://p.test", stalled(recvStep(5))},
		{"SOCKS greeting is not read", "socks5://p.test", stalled()},
		{"no SOCKS method", "socks5://p.test", stalled(recvStep(3))},
		{"no SOCKS login answer", "socks5://u:p@p.test", stalled(recvStep(4), testkit.SendStep("\x05\x02"), recvStep(5))},
		{"no SOCKS reply", "socks5://p.test", stalled(recvStep(3), testkit.SendStep("\x05\x00"), recvStep(13))},
		{"half a SOCKS reply", "socks5://p.test", stalled(recvStep(3), testkit.SendStep("\x05\x00"), recvStep(13), testkit.SendStep("\x05\x00\x00\x01"))},
	}
	withCancel := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Minute, cancel)
		return ctx, cancel
	}
	withDeadline := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Minute)
	}
	pipe := func(c net.Conn) net.Conn { return c }
	crude := func(c net.Conn) net.Conn { return testkit.NoDeadlines{Conn: c} }
	for _, stage := range stages {
		run := func(name string, newCtx func(context.Context) (context.Context, context.CancelFunc), wrap func(net.Conn) net.Conn, want error) {
			t.Run(stage.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := newCtx(t.Context())
					defer cancel()
					checkInterrupted(t, ctx, stage.proxy, stage.serve, wrap, want)
				})
			})
		}
		run("cancel", withCancel, pipe, context.Canceled)
		run("deadline", withDeadline, pipe, context.DeadlineExceeded)
		run("cancel without deadlines", withCancel, crude, context.Canceled)
		run("deadline without deadlines", withDeadline, crude, context.DeadlineExceeded)
	}
}

// checkInterrupted dials under a ctx that ends in a minute.
func checkInterrupted(t *testing.T, ctx context.Context, proxyURL string, serve func(net.Conn, <-chan struct{}), wrap func(net.Conn) net.Conn, want error) {
	over := make(chan struct{})
	defer close(over)
	link := &testkit.PipeLink{Serve: func(c net.Conn) { serve(c, over) }}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := link.Dial(ctx, network, addr)
		return wrap(c), err
	}
	start := time.Now()
	_, err := proxy.Dial(ctx, dial, mustURL(t, proxyURL), "a.test:80", proxy.Options{})
	if !errors.Is(err, want) {
		t.Errorf("error %v, want one that wraps %v", err, want)
	}
	if took := time.Since(start); took != time.Minute {
		t.Errorf("returned after %v, want 1m, when the context ended", took)
	}
	link.CheckClosed(t)
}

// A refusal that has arrived tells more than the end of the context, which
// only cut its body short.
func TestDialRefusalOutlivesContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var request string
		link := &testkit.PipeLink{Serve: connectProxy(&request, "HTTP/1.1 407 Nope\r\nContent-Length: 3\r\n\r\nw")}
		ctx, cancel := context.WithTimeout(t.Context(), httphead.BodyWait/2)
		defer cancel()
		_, err := proxy.Dial(ctx, link.Dial, mustURL(t, "http://p.test"), "a.test:80", proxy.Options{})
		var refusal *proxy.Refusal
		if !errors.As(err, &refusal) || refusal.Response.StatusCode != 407 {
			t.Errorf("error %v, want a *proxy.Refusal of status 407", err)
		}
		if ctx.Err() == nil {
			t.Error("context is still alive: the body was not waited for")
		}
	})
}

// The context is about dialing alone, as that of net.Dialer is.
func TestDialOutlivesContext(t *testing.T) {
	for _, scheme := range []string{"http", "socks5"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var request string
				link := &testkit.PipeLink{Serve: connectProxy(&request, "HTTP/1.1 200 OK\r\n\r\n")}
				if scheme == "socks5" {
					link.Serve = (&socksServer{}).serve
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				conn, err := proxy.Dial(ctx, link.Dial, mustURL(t, scheme+"://p.test"), "a.test:80", proxy.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				<-ctx.Done()
				synctest.Wait()
				checkEcho(t, conn)
			})
		})
	}
}
