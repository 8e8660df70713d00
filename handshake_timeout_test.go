package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// lateHandshakes are handshakes, over net.Pipe, whose peers are silent.
var lateHandshakes = []struct {
	name string
	do   func(ctx context.Context, cfg websocket.Config) error
	says string // before the reason
}{
	{"Dial, no answer to the dialing", func(ctx context.Context, cfg websocket.Config) error {
		d := websocket.Dialer{Config: cfg, Proxy: noProxy, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
		}}
		_, err := d.Dial(ctx, "ws://a.example/")
		return err
	}, "websocket: cannot reach server: dial tcp: "},
	{"Dial, an error that ends otherwise", func(ctx context.Context, cfg websocket.Config) error {
		d := websocket.Dialer{Config: cfg, Proxy: noProxy, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("%w on the way", os.ErrDeadlineExceeded)
		}}
		_, err := d.Dial(ctx, "ws://a.example/")
		return err
	}, "websocket: cannot reach server: i/o timeout on the way: "},
	{"Dial, silent proxy", func(ctx context.Context, cfg websocket.Config) error {
		return dialLate(ctx, cfg, "ws://a.example/", "http://p.example:81")
	}, "websocket: proxy p.example:81: "},
	{"Dial, silent proxy over TLS", func(ctx context.Context, cfg websocket.Config) error {
		return dialLate(ctx, cfg, "ws://a.example/", "https://p.example:81")
	}, "websocket: proxy p.example:81: "},
	{"Dial, TLS", func(ctx context.Context, cfg websocket.Config) error {
		return dialLate(ctx, cfg, "wss://a.example/", "")
	}, "websocket: TLS handshake with a.example: "},
	{"Dial, silent server", func(ctx context.Context, cfg websocket.Config) error {
		return dialLate(ctx, cfg, "ws://a.example/", "")
	}, "websocket: handshake with a.example: "},
	{"Handshake", func(ctx context.Context, cfg websocket.Config) error {
		nc, peer := net.Pipe()
		defer peer.Close()
		_, err := (&websocket.Dialer{Config: cfg}).Handshake(ctx, nc, "ws://a.example/")
		return err
	}, "websocket: handshake with a.example: "},
	{"Accept", func(ctx context.Context, cfg websocket.Config) error {
		nc, peer := net.Pipe()
		defer peer.Close()
		_, err := (&websocket.Upgrader{Config: cfg}).Accept(ctx, nc)
		return err
	}, "websocket: handshake: "},
	{"Accept, TLS", func(ctx context.Context, cfg websocket.Config) error {
		serverTLS, _ := loopbackTLS()
		nc, peer := net.Pipe()
		defer peer.Close()
		_, err := (&websocket.Upgrader{Config: cfg}).Accept(ctx, tls.Server(nc, serverTLS))
		return err
	}, "websocket: handshake: "},
	{"Accept, key3", func(ctx context.Context, cfg websocket.Config) error {
		nc, peer := net.Pipe()
		defer peer.Close()
		go func() {
			io.WriteString(peer, requestOf(websocket.Hybi00).head())
			io.Copy(io.Discard, peer)
		}()
		_, err := (&websocket.Upgrader{Config: cfg}).Accept(ctx, nc)
		return err
	}, "websocket: handshake: waiting for the 8 bytes that follow the header (does a proxy in between pass them?): "},
}

// dialLate dials a peer that is silent.
func dialLate(ctx context.Context, cfg websocket.Config, target, proxy string) error {
	link := &pipeLink{Serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }}
	d := dialerOver(websocket.Dialer{Config: cfg}, link)
	if proxy != "" {
		d.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy) }
	}
	_, err := d.Dial(ctx, target)
	return err
}

// checkLate wants err to be of a handshake that took too long, with this text.
func checkLate(t *testing.T, err error, want string) {
	t.Helper()
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v; want a net.Error that wraps context.DeadlineExceeded or os.ErrDeadlineExceeded", err)
	}
	if err == nil || err.Error() != want {
		t.Errorf("%v; want %q", err, want)
	}
}

// "context deadline exceeded" would have people look for a deadline in their
// program, although it is the option that has ended the handshake.
func TestHandshakeTimeoutIsNamed(t *testing.T) {
	for _, tt := range lateHandshakes {
		t.Run(tt.name, func(t *testing.T) {
			for _, timeout := range []time.Duration{0, 2 * time.Second} {
				synctest.Test(t, func(t *testing.T) {
					err := tt.do(t.Context(), websocket.Config{HandshakeTimeout: timeout})
					if timeout == 0 {
						timeout = 10 * time.Second
					}
					checkLate(t, err, tt.says+"HandshakeTimeout of "+timeout.String()+" has passed")
				})
			}
		})
	}
}

// The caller's own context is not the option.
func TestHandshakeContextIsNotHandshakeTimeout(t *testing.T) {
	for _, tt := range lateHandshakes {
		t.Run(tt.name, func(t *testing.T) {
			for _, cancelled := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					stage := strings.TrimSuffix(tt.says, ": ")
					if cancelled { // before the first stage
						cancel()
						stage = "websocket: "
					}
					err := tt.do(ctx, websocket.Config{HandshakeTimeout: time.Minute})
					if err == nil || strings.Contains(err.Error(), "HandshakeTimeout") || !strings.HasPrefix(err.Error(), stage) {
						t.Errorf("%v; want the end of the caller's context", err)
					}
				})
			}
		})
	}
}

// The same behind net/http, where a client does not read the response, or
// does not send key3.
func TestUpgradeTimeoutIsNamed(t *testing.T) {
	for _, tt := range []struct {
		v    websocket.Version
		peer func(net.Conn)
		want string
	}{
		{websocket.RFC6455, func(net.Conn) {}, "websocket: handshake: write pipe: HandshakeTimeout of 2s has passed"},
		{websocket.Hybi00, func(nc net.Conn) { io.Copy(io.Discard, nc) }, "websocket: handshake: waiting for the 8 bytes that follow the header (does a proxy in between pass them?): HandshakeTimeout of 2s has passed"},
	} {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := net.Pipe()
			defer peer.Close()
			go tt.peer(peer)
			r, err := http.ReadRequest(bufReader(requestOf(tt.v).head()))
			if err != nil {
				t.Fatal(err)
			}
			up := &websocket.Upgrader{Config: websocket.Config{HandshakeTimeout: 2 * time.Second}}
			_, err = up.Upgrade(hijacker{httptest.NewRecorder(), nc}, r)
			checkLate(t, err, tt.want)
		})
	}
}

// A timeout of the dialer's own is not the option.
func TestEarlierTimeoutIsNotHandshakeTimeout(t *testing.T) {
	d := websocket.Dialer{Proxy: noProxy, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, os.ErrDeadlineExceeded
	}}
	const want = "websocket: cannot reach server: i/o timeout"
	if _, err := d.Dial(t.Context(), "ws://a.example/"); err == nil || err.Error() != want {
		t.Errorf("%v; want %q", err, want)
	}
}

// A Check that was too late has refused the request. Its error is not blamed on
// the option.
func TestLateCheckIsNotHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer peer.Close()
		go io.WriteString(peer, requestOf(websocket.RFC6455).String())
		up := &websocket.Upgrader{
			Config: websocket.Config{HandshakeTimeout: time.Second},
			Check: func(*http.Request, http.Header) (context.Context, error) {
				time.Sleep(time.Minute) // of the bubble
				return nil, context.DeadlineExceeded
			},
		}
		if _, err := up.Accept(t.Context(), nc); statusOf(err) != 403 || strings.Contains(err.Error(), "HandshakeTimeout") {
			t.Errorf("%v; want the error of Check", err)
		}
	})
}
