package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"

	ours "github.com/protocol-websocket/websocket"
)

// conn is one end of a connection in the hands of one library. Its methods have
// their loops inside, so that calling them costs nothing.
type conn interface {
	// read reads n messages whole, the last of which must be p.
	read(n int, t ours.MessageType, p []byte) error
	// write writes p n times.
	write(n int, t ours.MessageType, p []byte) error
}

// Some libraries can also read and write a message piece by piece, and send one
// that was made before.
type (
	streamReader interface {
		readStream(int, ours.MessageType, []byte) error
	}
	streamWriter interface {
		writeStream(int, ours.MessageType, []byte) error
	}
	preparedWriter interface {
		writePrepared(int, ours.MessageType, []byte) error
	}
)

// piece is how much of a message is streamed at a time.
const piece = 4096

type library struct {
	name string
	// server and client make a connection of one on which nothing was sent yet.
	// A server has its request already; libraries that read it themselves are
	// spared it.
	server, client func(nc net.Conn) (conn, error)
	locks          bool // writes may be concurrent
	// broadcast writes one message to all; nil means a write to each.
	broadcast func(to []conn, p []byte) error
}

// libraries are all that are compared, in files of their own. "raw" moves the
// same bytes without any protocol.
var libraries = []library{
	{name: "raw", server: newRaw, client: newRawClient},
	{name: "ours", server: newOurs, client: newOursClient, locks: true, broadcast: broadcastOurs},
	{name: "gorilla", server: newGorilla, client: newGorillaClient, broadcast: broadcastGorilla},
	{name: "coder", server: newCoder, client: newCoderClient, locks: true},
	{name: "gobwas", server: newGobwas, client: newGobwasClient, broadcast: broadcastGobwas},
	{name: "wsutil", server: newWsutil, client: newWsutilClient, broadcast: broadcastWsutil},
	{name: "gws", server: newGws, client: newGwsClient, locks: true, broadcast: broadcastGws},
	{name: "xnet", server: newXnet, client: newXnetClient, locks: true},
}

func (l library) open(side ours.Side, nc net.Conn) (conn, error) {
	if side == ours.ClientSide {
		return l.client(nc)
	}
	return l.server(nc)
}

// same checks what was read last.
func same(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("read %d bytes that are not the %d bytes sent", len(got), len(want))
	}
	return nil
}

// drain reads r to its end in pieces.
func drain(r io.Reader, buf []byte) (n int, err error) {
	for {
		k, err := r.Read(buf)
		n += k
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// pour writes p in pieces and closes w.
func pour(w io.WriteCloser, p []byte) error {
	for len(p) > 0 {
		n, err := w.Write(p[:min(piece, len(p))])
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return w.Close()
}

// sameLength checks what was read last in pieces.
func sameLength(got int, want []byte) error {
	if got != len(want) {
		return fmt.Errorf("read %d bytes of %d", got, len(want))
	}
	return nil
}

// rawConn reads frames as bytes, through a bufio.Reader as a library would, and
// writes messages without a header.
type rawConn struct {
	net.Conn
	br    *bufio.Reader
	frame []byte
}

func newRaw(nc net.Conn) (conn, error) {
	c := &rawConn{Conn: nc, br: bufio.NewReader(nc)}
	if m, ok := nc.(*memConn); ok {
		c.frame = make([]byte, len(m.frame))
	}
	return c, nil
}

// newRawClient does without the handshake.
func newRawClient(nc net.Conn) (conn, error) {
	nc.(*memConn).ready = nil
	return newRaw(nc)
}

func (c *rawConn) read(n int, _ ours.MessageType, _ []byte) error {
	for range n {
		if _, err := io.ReadFull(c.br, c.frame); err != nil {
			return err
		}
	}
	return nil
}

func (c *rawConn) write(n int, _ ours.MessageType, p []byte) error {
	for range n {
		if _, err := c.Write(p); err != nil {
			return err
		}
	}
	return nil
}
