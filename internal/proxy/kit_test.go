package proxy_test

import (
	"io"
	"net"
	"net/url"
	"testing"

	"github.com/protocol-websocket/websocket/internal/testkit"
)

// connectProxy plays an HTTP proxy: it keeps the head of the request, sends
// the pieces of the answer one write each, and echoes the tunnel.
func connectProxy(request *string, answer ...string) func(net.Conn) {
	return func(c net.Conn) {
		*request = testkit.ReadHead(c)
		for _, piece := range answer {
			if _, err := io.WriteString(c, piece); err != nil {
				return
			}
		}
		io.Copy(c, c)
	}
}

// checkEcho fails the test unless conn leads to something that echoes.
func checkEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	const ping = "through the tunnel"
	if _, err := io.WriteString(conn, ping); err != nil {
		t.Fatalf("writing to the tunnel: %v", err)
	}
	got := make([]byte, len(ping))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != ping {
		t.Fatalf("tunnel echoed %q, %v; want %q", got, err, ping)
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
