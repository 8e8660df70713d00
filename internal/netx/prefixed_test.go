package netx_test

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/protocol-websocket/websocket/internal/netx"
)

// Leftover bytes survive reads that are shorter than they are, and one read
// never mixes them with those of the connection.
func TestPrefixedConnReads(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		io.WriteString(server, "world")
		server.Close()
	}()
	conn := netx.NewPrefixedConn(client, []byte("hello "))
	want := []string{"hel", "lo ", "wor", "ld"}
	for i, piece := range want {
		b := make([]byte, 3)
		n, err := conn.Read(b)
		if err != nil || string(b[:n]) != piece {
			t.Fatalf("read %d gave %q, %v; want %q", i, b[:n], err, piece)
		}
	}
	if n, err := conn.Read(make([]byte, 3)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d bytes, %v; want none, EOF", n, err)
	}
}

func TestPrefixedConnWithoutRest(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go io.WriteString(server, "x")
	b := make([]byte, 1)
	if n, err := netx.NewPrefixedConn(client, nil).Read(b); n != 1 || err != nil || b[0] != 'x' {
		t.Errorf("read %q, %v; want x", b[:n], err)
	}
}

// Code that finds one of these on the wrapper would miss the leftover bytes.
func TestPrefixedConnHidesShortcuts(t *testing.T) {
	var conn net.Conn = netx.NewPrefixedConn(&net.TCPConn{}, []byte("x"))
	if _, ok := conn.(interface{ CloseWrite() error }); ok {
		t.Error("PrefixedConn has CloseWrite")
	}
	if _, ok := conn.(syscall.Conn); ok {
		t.Error("PrefixedConn has SyscallConn")
	}
	if _, ok := conn.(io.WriterTo); ok {
		t.Error("PrefixedConn has WriteTo")
	}
}
