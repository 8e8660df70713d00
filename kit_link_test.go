package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// pipeLink is an unbuffered connection to a server that serve plays. Inside a
// synctest bubble a goroutine that either side leaves behind fails the test.
type pipeLink struct {
	serve  func(net.Conn)
	client net.Conn
	addr   string // what was dialed
}

func (l *pipeLink) dial(_ context.Context, network, addr string) (net.Conn, error) {
	client, server := net.Pipe()
	l.client, l.addr = client, network+" "+addr
	go func() {
		defer server.Close()
		l.serve(server)
	}()
	return client, nil
}

// checkClosed fails the test unless the connection was closed.
func (l *pipeLink) checkClosed(t *testing.T) {
	t.Helper()
	if _, err := l.client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write after failure: %v; the connection was left open", err)
		l.client.Close()
	}
}

// dialNoProxy keeps the environment of the tests out of them.
func dialNoProxy(*http.Request) (*url.URL, error) { return nil, nil }

// dialPipe makes d connect to a server that serve plays on a pipe.
func dialPipe(d Dialer, link *pipeLink) *Dialer {
	d.DialContext = link.dial
	d.Proxy = dialNoProxy
	return &d
}

// readTestHead reads byte by byte, so that it takes nothing of what follows.
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
