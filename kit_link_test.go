package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// pipeLink is a net.Pipe to a server that serve plays. In a bubble of synctest
// a goroutine that either side leaves behind fails the test.
type pipeLink struct {
	serve  func(net.Conn)
	client net.Conn
	addr   string // what was dialed
}

// dial makes the connection. It is for Dialer.DialContext.
func (l *pipeLink) dial(_ context.Context, network, addr string) (net.Conn, error) {
	client, server := net.Pipe()
	l.client, l.addr = client, network+" "+addr
	go func() {
		defer server.Close()
		l.serve(server)
	}()
	return client, nil
}

// checkClosed fails unless the client has closed the connection.
func (l *pipeLink) checkClosed(t *testing.T) {
	t.Helper()
	if _, err := l.client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write after failure: %v; the connection was left open", err)
		l.client.Close()
	}
}

// noProxy is for Dialers that must not look at the environment.
func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// dialerOver returns d with connections over link.
func dialerOver(d websocket.Dialer, link *pipeLink) *websocket.Dialer {
	d.DialContext = link.dial
	d.Proxy = noProxy
	return &d
}

// readRequest reads a request as a server of version v does.
func readRequest(nc net.Conn, v websocket.Version) string {
	request := readHead(nc)
	if v == websocket.Hybi00 {
		key3 := make([]byte, len(hixieKey3))
		io.ReadFull(nc, key3)
		request += string(key3)
	}
	return request
}

// answerWith returns a server of version v that sends its response and then
// more, in pieces of size, and reads to the end.
func answerWith(v websocket.Version, more string, size int) func(net.Conn) {
	return func(nc net.Conn) {
		_, response, _, err := serve(nil, readRequest(nc, v))
		if err != nil {
			response = err.Error()
		}
		for piece := range slices.Chunk([]byte(response+more), size) {
			nc.Write(piece)
		}
		io.Copy(io.Discard, nc)
	}
}

// checkEcho fails unless the peer of c echoes.
func checkEcho(t *testing.T, c *websocket.Conn) {
	t.Helper()
	if err := c.WriteMessage(websocket.Text, []byte("to and fro")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.ReadMessage(); err != nil || string(got) != "to and fro" {
		t.Fatalf("echo %q, %v", got, err)
	}
}

// readHead reads the head of a request or response, and nothing behind it.
func readHead(r io.Reader) string {
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

// sendStep returns a peer that sends s.
func sendStep(s string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, s) } }

// noDeadlines is a connection that only Close can interrupt.
type noDeadlines struct{ net.Conn }

func (noDeadlines) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (noDeadlines) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (noDeadlines) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// relayConnect is an HTTP proxy that does what CONNECT asks for.
func relayConnect(w http.ResponseWriter, r *http.Request) {
	up, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer up.Close()
	down, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer down.Close()
	io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(up, rw)
		up.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(down, up)
}
