package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"
)

// proxyLink is an unbuffered connection to a proxy that serve plays. Inside a
// synctest bubble a goroutine that either side leaves behind fails the test.
type proxyLink struct {
	serve  func(net.Conn)
	client net.Conn
	addr   string // what was dialed
}

func (l *proxyLink) dial(_ context.Context, network, addr string) (net.Conn, error) {
	client, server := net.Pipe()
	l.client, l.addr = client, network+" "+addr
	go func() {
		defer server.Close()
		l.serve(server)
	}()
	return client, nil
}

// checkClosed fails the test unless the connection to the proxy was closed.
func (l *proxyLink) checkClosed(t *testing.T) {
	t.Helper()
	if _, err := l.client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write after failure: %v; Dial left the connection open", err)
		l.client.Close()
	}
}

// connectProxy plays an HTTP proxy: it keeps the head of the request, sends
// the pieces of the answer one write each, and echoes the tunnel.
func connectProxy(request *string, answer ...string) func(net.Conn) {
	return func(c net.Conn) {
		*request = readTestHead(c)
		for _, piece := range answer {
			if _, err := io.WriteString(c, piece); err != nil {
				return
			}
		}
		io.Copy(c, c)
	}
}

// readTestHead reads byte by byte, so as to take nothing from the tunnel.
func readTestHead(r io.Reader) string {
	var head []byte
	b := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(r, b); err != nil {
			break
		}
		head = append(head, b...)
	}
	return string(head)
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
