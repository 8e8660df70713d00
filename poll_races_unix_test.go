//go:build unix

package websocket

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// readyRaces is how often each race is usually run.
const readyRaces = 10_000

// Deadlines that pass while messages arrive lose none of them.
func TestReadyDeadlineRaces(t *testing.T) {
	server, client := connPair(t, RFC6455, connTCP, connOptions{})
	rounds := uint32(stressRounds(readyRaces))
	next := make(chan struct{})
	go func() {
		defer close(next)
		for i := uint32(0); i < rounds; {
			_, p, err := server.ReadMessage()
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				server.SetReadDeadline(time.Time{})
			case err != nil || binary.BigEndian.Uint32(p) != i:
				t.Errorf("message %d: read %x, %v", i, p, err)
				return
			default:
				i++
				next <- struct{}{}
			}
		}
	}()
	for i := range rounds {
		go server.SetReadDeadline(time.Unix(1, 0))
		if err := client.WriteMessage(Binary, binary.BigEndian.AppendUint32(nil, i)); err != nil {
			t.Fatal(err)
		}
		if _, ok := <-next; !ok {
			return
		}
	}
}

// readySocket returns the two ends of a connection without a listener, which
// would take most of the time.
func readySocket(t *testing.T) (*Conn, *net.UnixConn) {
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

// Whatever ends the connection while a read waits for it to be readable, or is
// about to, ends the read.
func TestReadyEndRaces(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c *Conn, peer *net.UnixConn) error
		want error
	}{
		{"Close", func(c *Conn, _ *net.UnixConn) error { return c.Close() }, net.ErrClosed},
		{"peer has closed half", func(_ *Conn, peer *net.UnixConn) error { return peer.CloseWrite() }, errEOF},
		{"peer has closed", func(_ *Conn, peer *net.UnixConn) error { return peer.Close() }, errEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range stressRounds(readyRaces) {
				c, peer := readySocket(t)
				read := make(chan error, 1)
				go func() {
					_, _, err := c.ReadMessage()
					read <- err
				}()
				if err := tt.end(c, peer); err != nil {
					t.Fatal(err)
				}
				if err := <-read; !errors.Is(err, tt.want) {
					t.Fatalf("ReadMessage: %v, want %v", err, tt.want)
				}
				c.Close()
				peer.Close()
			}
		})
	}
}
