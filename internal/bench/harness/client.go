package harness

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"

	ours "github.com/protocol-websocket/websocket"
)

// Exchange is a message to an echo server, as bytes on the wire, and the answer
// that it expects.
type Exchange struct {
	raw          bool // no protocol
	Send, Expect []byte
	closing      []byte
}

// NewExchange returns the exchange of a message of n bytes with a server, which
// speaks no protocol if its name begins with raw.
func NewExchange(server string, t ours.MessageType, n int) (Exchange, error) {
	p := bytes.Repeat([]byte("a"), n)
	if server == "raw" || server == "raw-small" {
		return Exchange{raw: true, Send: p, Expect: p}, nil
	}
	send, err := ours.AppendMessage(nil, ours.RFC6455, ours.ClientSide, t, p)
	if err != nil {
		return Exchange{}, err
	}
	expect, err := ours.AppendMessage(nil, ours.RFC6455, ours.ServerSide, t, p)
	if err != nil {
		return Exchange{}, err
	}
	closing, err := ours.AppendClose(nil, ours.RFC6455, ours.ClientSide, ours.StatusNormalClosure, "")
	return Exchange{Send: send, Expect: expect, closing: closing}, err
}

// Open connects to a server, by TLS if secure, and does the opening handshake.
func (e Exchange) Open(addr string, secure bool) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil || e.raw && !secure {
		return nc, err
	}
	if secure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // to this machine, with nothing to hide
	}
	if !e.raw {
		err = handshake(nc, addr)
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return nc, nil
}

// handshake needs no reader with a buffer: a server says nothing after it until
// it was sent something.
func handshake(nc net.Conn, addr string) error {
	scheme := "http"
	if _, ok := nc.(*tls.Conn); ok {
		scheme = "https"
	}
	_, err := fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: %s://%[1]s\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr, scheme)
	if err != nil {
		return err
	}
	var b [2048]byte
	n := 0
	for !bytes.HasSuffix(b[:n], []byte("\r\n\r\n")) {
		k, err := nc.Read(b[n:])
		if err != nil {
			return fmt.Errorf("%w after the answer %q", err, b[:n])
		}
		n += k
	}
	if !bytes.HasPrefix(b[:n], []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("answered %q", b[:n])
	}
	return nil
}

// Echo has the server echo the message, and checks the answer. It writes and
// reads at once: neither side needs to hold a large message.
func (e Exchange) Echo(nc net.Conn) error {
	wrote := make(chan error, 1)
	go func() {
		_, err := nc.Write(e.Send)
		wrote <- err
	}()
	got := make([]byte, len(e.Expect))
	if _, err := io.ReadFull(nc, got); err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	if !bytes.Equal(got, e.Expect) {
		return fmt.Errorf("echo: the answer begins with %.16q, want %.16q", got, e.Expect)
	}
	return <-wrote
}

// Close does the closing handshake and waits until the server has hung up.
func (e Exchange) Close(nc net.Conn) error {
	defer nc.Close()
	if e.raw {
		if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			return err
		}
	} else if _, err := nc.Write(e.closing); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, nc)
	return err
}
