package harness

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/echo"
)

// Talk is what a client says to an echo server on each connection.
type Talk interface {
	// Open connects to a server, by TLS if secure, and does the opening handshake.
	Open(addr string, secure bool) (net.Conn, error)
	// Echo has the server echo all that is said, and checks the answers.
	Echo(nc net.Conn) error
	// Close does the closing handshake and waits until the server has hung up.
	Close(nc net.Conn) error
}

// client begins and ends connections.
type client struct {
	raw     bool         // no protocol
	deflate echo.Deflate // what is agreed upon
	closing []byte
}

// newClient returns a client of a server, which speaks no protocol if its name
// begins with raw.
func newClient(server string, d echo.Deflate) (client, error) {
	if server == "raw" || server == "raw-small" {
		return client{raw: true}, nil
	}
	closing, err := ours.AppendClose(nil, ours.RFC6455, ours.ClientSide, ours.StatusNormalClosure, "")
	return client{deflate: d, closing: closing}, err
}

// Raw reports that there is no protocol: the server sends back what it is sent.
func (c client) Raw() bool { return c.raw }

// Exchange is a message to an echo server, as bytes on the wire, and the answer
// that it expects.
type Exchange struct {
	client
	Send, Expect []byte
}

// NewExchange returns the exchange of a message of n bytes with a server.
func NewExchange(server string, t ours.MessageType, n int) (Exchange, error) {
	p := bytes.Repeat([]byte("a"), n)
	c, err := newClient(server, echo.Plain)
	if err != nil || c.raw {
		return Exchange{client: c, Send: p, Expect: p}, err
	}
	send, err := ours.AppendMessage(nil, ours.RFC6455, ours.ClientSide, t, p)
	if err != nil {
		return Exchange{}, err
	}
	expect, err := ours.AppendMessage(nil, ours.RFC6455, ours.ServerSide, t, p)
	return Exchange{client: c, Send: send, Expect: expect}, err
}

// Open connects to a server, by TLS if secure, and does the opening handshake.
func (c client) Open(addr string, secure bool) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil || c.raw && !secure {
		return nc, err
	}
	if secure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // to this machine, with nothing to hide
	}
	if !c.raw {
		err = handshake(nc, addr, c.deflate)
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return nc, nil
}

// handshake needs no reader with a buffer: a server says nothing after it until
// it was sent something.
func handshake(nc net.Conn, addr string, d echo.Deflate) error {
	scheme := "http"
	if _, ok := nc.(*tls.Conn); ok {
		scheme = "https"
	}
	offer := ""
	if d != echo.Plain {
		offer = "Sec-WebSocket-Extensions: " + d.Offer() + "\r\n"
	}
	_, err := fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: %s://%[1]s\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%[3]s\r\n", addr, scheme, offer)
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
	if got := agreed(b[:n]); got != d {
		return fmt.Errorf("want compression %q, got %q: answered %q", d, got, b[:n])
	}
	return nil
}

// agreed is what the answer to a handshake says of what the server will send.
func agreed(answer []byte) echo.Deflate {
	switch {
	case !bytes.Contains(answer, []byte("permessage-deflate")):
		return echo.Plain
	case bytes.Contains(answer, []byte("server_no_context_takeover")):
		return echo.Alone
	}
	return echo.Takeover
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
func (c client) Close(nc net.Conn) error {
	defer nc.Close()
	if c.raw {
		if err := nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			return err
		}
	} else if _, err := nc.Write(c.closing); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, nc)
	return err
}
