//go:build unix

package websocket

import (
	"net"
	"os"
	"syscall"
	"testing"
)

// newSocketPair returns the two ends of a connection without a listener, which
// would take most of the time.
func newSocketPair(t *testing.T) (*Conn, *net.UnixConn) {
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
	c := newConn(ends[0], RFC6455, ServerSide, &Config{}, nil)
	if !c.rcv.poll.able() {
		t.Fatal("the system is not asked about the connection")
	}
	return c, ends[1]
}
