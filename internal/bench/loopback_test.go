package bench

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	ours "github.com/protocol-websocket/websocket"
)

// pair returns the two ends of a TCP connection, which are closed at the end.
func pair(b *testing.B, l net.Listener) (server, client net.Conn) {
	b.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close() })
	if server, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Close() })
	return server, client
}

func listen(b *testing.B) net.Listener {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// upgraded returns a library's server on a new TCP connection, and the client's
// end, from which the handshake's answer was read.
func upgraded(b *testing.B, l library, listener net.Listener) (conn, net.Conn) {
	b.Helper()
	server, client := pair(b, listener)
	c, err := l.server(server)
	if err != nil {
		b.Fatal(err)
	}
	// Libraries that were spared the handshake answer nothing: look for a message.
	mark := []byte("the handshake is over")
	if err := c.write(1, ours.Binary, mark); err != nil {
		b.Fatal(err)
	}
	var got, one [4096]byte
	n := 0
	for !bytes.HasSuffix(got[:n], mark) {
		k, err := client.Read(one[:])
		if err != nil {
			b.Fatal(err)
		}
		n += copy(got[n:], one[:k])
	}
	return c, client
}

// onWire returns how long p is as a server sends it. All libraries have the same
// header, "raw" has none.
func onWire(l library, p []byte) int {
	if l.name == "raw" {
		return len(p)
	}
	return len(frameTo(ours.ClientSide, ours.Binary, p))
}

// BenchmarkConcurrentWrite has goroutines write messages of 120 bytes on one
// connection; an operation is a message that has arrived. Libraries that forbid
// it have a mutex around the write.
func BenchmarkConcurrentWrite(b *testing.B) {
	p := bytes.Repeat([]byte("a"), 120)
	for _, writers := range []int{1, 8, 64} {
		for _, l := range libraries {
			b.Run(fmt.Sprintf("writers=%d/lib=%s", writers, l.name), func(b *testing.B) {
				c, client := upgraded(b, l, listen(b))
				arrived := make(chan error, 1)
				want := b.N * onWire(l, p)
				b.ReportAllocs()
				b.ResetTimer()
				go func() { arrived <- discard(client, want) }()
				writeAtOnce(b, l, c, writers, p)
				if err := <-arrived; err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// writeAtOnce has writers write p, altogether b.N times.
func writeAtOnce(b *testing.B, l library, c conn, writers int, p []byte) {
	var mu sync.Mutex
	write := func() error { return c.write(1, ours.Binary, p) }
	if !l.locks {
		write = func() error {
			mu.Lock()
			defer mu.Unlock()
			return c.write(1, ours.Binary, p)
		}
	}
	var wait sync.WaitGroup
	for i := range writers {
		n := b.N / writers
		if i < b.N%writers {
			n++
		}
		wait.Go(func() {
			for range n {
				if err := write(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
}

// discard reads n bytes.
func discard(r io.Reader, n int) error {
	buf := make([]byte, 256<<10)
	for n > 0 {
		k, err := r.Read(buf[:min(n, len(buf))])
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// audience is to how many connections is broadcast.
const audience = 1000

// BenchmarkBroadcast sends one message of 125 bytes to 1,000 connections; an
// operation lasts until it has arrived at all of them.
func BenchmarkBroadcast(b *testing.B) {
	p := bytes.Repeat([]byte("a"), 125)
	for _, l := range libraries {
		b.Run(fmt.Sprintf("conns=%d/lib=%s", audience, l.name), func(b *testing.B) {
			listener := listen(b)
			servers, clients := make([]conn, audience), make([]net.Conn, audience)
			for i := range servers {
				servers[i], clients[i] = upgraded(b, l, listener)
			}
			frame := make([]byte, onWire(l, p))
			b.ReportAllocs()
			for b.Loop() {
				if err := toAll(l, servers, p); err != nil {
					b.Fatal(err)
				}
				for _, client := range clients {
					if _, err := io.ReadFull(client, frame); err != nil {
						b.Fatal(err)
					}
				}
			}
			if !bytes.HasSuffix(frame, p) {
				b.Fatalf("%q arrived", frame)
			}
		})
	}
}

func toAll(l library, to []conn, p []byte) error {
	if l.broadcast != nil {
		return l.broadcast(to, p)
	}
	for _, c := range to {
		if err := c.write(1, ours.Binary, p); err != nil {
			return err
		}
	}
	return nil
}
