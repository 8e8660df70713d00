package harness

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/echo"
)

// TestServers has every server echo both types in all forms of length, and hang up
// after the closing handshake, over TCP and TLS.
func TestServers(t *testing.T) {
	config, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range echo.Servers {
		for _, secure := range []bool{false, true} {
			name := s.Name + map[bool]string{false: "/plain", true: "/tls"}[secure]
			t.Run(name, func(t *testing.T) {
				l := listen(t)
				addr := l.Addr().String()
				if secure {
					l = tls.NewListener(l, config)
				}
				go s.Serve(l)
				for _, message := range []ours.MessageType{ours.Binary, ours.Text} {
					for _, n := range []int{1, 126, 1 << 16} {
						visit(t, s.Name, addr, secure, message, n)
					}
				}
			})
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func visit(t *testing.T, name, addr string, secure bool, message ours.MessageType, n int) {
	t.Helper()
	e, err := NewExchange(name, message, n)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := e.Open(addr, secure)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Echo(nc); err != nil {
			t.Fatalf("%d bytes of %v: %v", n, message, err)
		}
	}
	if err := e.Close(nc); err != nil {
		t.Fatalf("closing after %d bytes of %v: %v", n, message, err)
	}
}

func TestNames(t *testing.T) {
	if got, err := Names("ours,raw", echo.Idle); err != nil || len(got) != 2 || got[0] != "ours" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := Names("ours,theirs", echo.Idle); err == nil {
		t.Errorf("got %v of a list with an unknown name", got)
	}
	if got, err := Names("ours,gorilla,gobwas", echo.TakeoverMessages); err != nil || len(got) != 1 || got[0] != "ours" {
		t.Errorf("got %v, %v of those that have context takeover", got, err)
	}
	for _, use := range []echo.Use{echo.Messages, echo.Connections, echo.Idle, echo.CompressedMessages, echo.TakeoverMessages, echo.CompressedIdle} {
		got, err := Names("", use)
		if err != nil || len(got) == 0 || len(got) == len(echo.Servers) {
			t.Errorf("table %d: got %v, %v", use, got, err)
		}
	}
}
