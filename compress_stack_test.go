//go:build !race

// The race detector takes more stack, and makes pools forget.

package websocket

import (
	"net"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

// A goroutine is born with 2 KiB of stack. To echo compressed messages, from a
// handler that has little on it, takes no more.
func TestCompressedStack(t *testing.T) {
	for _, alone := range []bool{false, true} {
		const conns = 200
		var servers, clients []*Conn
		for range conns {
			s, c := zipTCP(t, &Config{Compression: &Compression{NoContextTakeover: alone}})
			servers, clients = append(servers, s), append(clients, c)
		}
		runtime.GC() // stacks that are free would be taken and not counted
		gc := debug.SetGCPercent(-1)
		before := stackBytes()
		for _, s := range servers {
			go zipEcho(s)
		}
		r, buf := deflateRand(13), make([]byte, 0, 8<<10)
		for range 20 {
			p := deflateJSON(r, 1000)
			for _, c := range clients {
				if err := c.WriteMessage(Text, p); err != nil {
					t.Fatal(err)
				}
				if _, got, err := c.AppendMessage(buf); err != nil || string(got) != string(p) {
					t.Fatalf("the echo of %d bytes is %d, %v", len(p), len(got), err)
				}
			}
		}
		if n := (stackBytes() - before) / conns; n > 3<<10 { // a few miss a pool, or allocate in a new span
			t.Errorf("alone %v: an idle connection has %d bytes of stack, want about 2048", alone, n)
		}
		debug.SetGCPercent(gc)
	}
}

func zipEcho(c *Conn) {
	b := make([]byte, 0, 8<<10)
	for {
		t, p, err := c.AppendMessage(b)
		if err != nil || c.WriteMessage(t, p) != nil {
			return
		}
	}
}

// zipTCP is zipPair with sockets.
func zipTCP(t *testing.T, cfg *Config) (s, c *Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			s, err = (&Upgrader{Config: *cfg}).Accept(t.Context(), nc, nil)
		}
		accepted <- err
	}()
	c, err = (&Dialer{Config: *cfg}).Dial(t.Context(), "ws://"+l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); c.Close() })
	return s, c
}

func stackBytes() int {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}
