//go:build unix

package websocket_test

import (
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// newSocketPair returns a connection and its peer's end without a listener and
// a handshake, which would take most of the time.
func newSocketPair(t *testing.T) (*websocket.Conn, *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		nc, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = nc.(*net.UnixConn)
	}
	c := newConn(ends[0], websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
	if !websocket.CanPoll(c) {
		t.Fatal("the system is not asked about the connection")
	}
	return c, ends[1]
}
