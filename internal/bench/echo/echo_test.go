package echo

import (
	"net"
	"testing"
	"time"
)

// TestServersEnd closes the listener of every server.
func TestServersEnd(t *testing.T) {
	for _, s := range Servers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(l) }()
		_ = l.Close()
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s: ended without an error", s.Name)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: still serves", s.Name)
		}
	}
}
