//go:build unix

package websocket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// readyCounter counts the reads that must not wait, and how many of them found
// nothing.
type readyCounter struct{ tries, waits int }

func (r *readyCounter) watch(c *websocket.Conn) bool {
	return websocket.WatchPoll(c, func(found bool) {
		r.tries++
		if !found {
			r.waits++
		}
	})
}

// Bytes are read whether they arrive before the read, or later, or in pieces,
// although the runtime reports readiness only once.
func TestReadyBeforeAndAfter(t *testing.T) {
	for _, transport := range []string{overTCP, overUnix} {
		t.Run(transport, func(t *testing.T) {
			server, client := newPair(t, websocket.RFC6455, transport, pairOptions{})
			var counter readyCounter
			if !counter.watch(server) {
				t.Fatal("the system is not asked about a connection that it knows")
			}
			frame := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, []byte("hello")})
			for i := range 20 {
				if _, err := client.NetConn().Write(frame[:i%len(frame)]); err != nil {
					t.Fatal(err)
				}
				server.SetReadDeadline(time.Now().Add(time.Millisecond))
				if _, _, err := server.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("ReadMessage of a part: %v, want the deadline", err)
				}
				server.SetReadDeadline(time.Now().Add(10 * time.Second))
				go client.NetConn().Write(frame[i%len(frame):])
				if _, p, err := server.ReadMessage(); err != nil || string(p) != "hello" {
					t.Fatalf("ReadMessage: %q, %v", p, err)
				}
			}
			if counter.tries == 0 || counter.waits == 0 {
				t.Errorf("%d tries, %d of them had to wait; want some of both", counter.tries, counter.waits)
			}
		})
	}
}

// Messages that fit into a buffer cost one read.
func TestReadyReadsBatches(t *testing.T) {
	server, client := newPair(t, websocket.RFC6455, overTCP, pairOptions{})
	var wire []byte
	const count = 100
	for range count {
		wire = append(wire, peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, []byte("hello")})...)
	}
	if _, err := client.NetConn().Write(wire); err != nil {
		t.Fatal(err)
	}
	var counter readyCounter
	if !counter.watch(server) {
		t.Fatal("the system is not asked about a TCP connection")
	}
	for i := range count {
		if _, p, err := server.ReadMessage(); err != nil || string(p) != "hello" {
			t.Fatalf("message %d: %q, %v", i, p, err)
		}
	}
	if got := counter.tries - counter.waits; got > 3 {
		t.Errorf("%d reads for %d messages that had come together, want about one", got, count)
	}
}

// Reads that wait without a buffer return the same errors as others.
func TestReadyErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		end func(server *websocket.Conn, client *net.TCPConn)
		is  error
	}{
		"end":   {func(_ *websocket.Conn, client *net.TCPConn) { client.Close() }, io.ErrUnexpectedEOF},
		"reset": {func(_ *websocket.Conn, client *net.TCPConn) { client.SetLinger(0); client.Close() }, nil},
		"Close": {func(server *websocket.Conn, _ *net.TCPConn) { server.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			server, client := newPair(t, websocket.RFC6455, overTCP, pairOptions{})
			var counter readyCounter
			counter.watch(server)
			result := make(chan error, 1)
			go func() { _, _, err := server.ReadMessage(); result <- err }()
			tt.end(server, client.NetConn().(*net.TCPConn))
			if err := <-result; err == nil || tt.is != nil && !errors.Is(err, tt.is) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("ReadMessage: %v, want an error that wraps %v", err, tt.is)
			}
			if websocket.HeldBuffer(server) > 0 {
				t.Error("a buffer is held after the end")
			}
		})
	}
}

// Where the system cannot be asked, a read waits for a few bytes, and then
// reads the rest of the message at once.
func TestReadySmall(t *testing.T) {
	an, bn := net.Pipe()
	counter := &readySizes{Conn: an}
	c := newConn(counter, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
	defer c.Close()
	defer bn.Close()
	p := payloadOf(websocket.Text, 5000)
	go bn.Write(peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, p}))
	if _, got, err := c.ReadMessage(); err != nil || !bytes.Equal(got, p) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if n := len(counter.sizes); n != 2 || counter.sizes[0] != websocket.IdleRead {
		t.Errorf("reads with room for %v bytes, want one with %d and one for the rest", counter.sizes, websocket.IdleRead)
	}
}

type readySizes struct {
	net.Conn
	sizes []int
}

func (r *readySizes) Read(p []byte) (int, error) {
	r.sizes = append(r.sizes, len(p))
	return r.Conn.Read(p)
}

// What a read sends is sent at once as far as the system takes it, and the rest
// when the system takes more.
func TestReadySendsWhatItCan(t *testing.T) {
	server, client := newPair(t, websocket.RFC6455, overTCP, pairOptions{})
	const count, size = 50, 60_000
	go func() {
		for range count {
			if client.WriteMessage(websocket.Binary, payloadOf(websocket.Binary, size)) != nil {
				return
			}
		}
	}()
	go func() {
		var buf []byte
		for {
			typ, p, err := server.ReadAppend(buf[:0])
			if err != nil || server.BufferMessage(typ, p) != nil {
				return
			}
			buf = p
		}
	}()
	want := payloadOf(websocket.Binary, size)
	for i := range count {
		if _, p, err := client.ReadMessage(); err != nil || !bytes.Equal(p, want) {
			t.Fatalf("echo %d: %d bytes, %v", i, len(p), err)
		}
	}
}

// A Pong that the system does not take at all, because the peer has not read
// for long, arrives whole.
func TestReadySendsNothingYet(t *testing.T) {
	c, peer := newSocketPair(t)
	defer c.Close()
	defer peer.Close()
	fillBuffers(t, c)
	ping := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Ping, []byte("ping")}, message{websocket.Text, []byte("text")})
	if _, err := peer.Write(ping); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.ReadMessage(); err != nil || string(p) != "text" {
		t.Fatalf("ReadMessage: %q, %v", p, err)
	}
	peer.SetReadDeadline(time.Now().Add(10 * time.Second))
	var got []byte // what follows the zeros of fillBuffers
	for in := make([]byte, 64<<10); len(got) < len("\x8a\x04ping"); {
		n, err := peer.Read(in)
		if got = append(got, bytes.TrimLeft(in[:n], "\x00")...); err != nil {
			t.Fatalf("peer got % x, then %v; want a Pong", got, err)
		}
	}
	if string(got) != "\x8a\x04ping" {
		t.Errorf("peer got % x, want a Pong", got)
	}
}

// An idle connection holds no buffer where the system says when there is
// something to read.
func TestReadyIdleConnHoldsNothing(t *testing.T) {
	for _, transport := range []string{overTCP, overUnix} {
		for _, v := range allVersions {
			t.Run(v.String()+"/"+transport, func(t *testing.T) {
				server, client := newPair(t, v, transport, pairOptions{})
				held := make(chan bool, 100)
				websocket.WatchPoll(server, func(found bool) {
					if !found { // nothing there: it waits
						held <- websocket.HeldBuffer(server) > 0
					}
				})
				checkIdleHold(t, server, client, held)
			})
		}
	}
}

// Once a peer has sent more than a small buffer holds, it is read with large
// buffers, one read per burst, until it has sent little for a while. A wait for
// the rest of a frame does not hold a large buffer.
func TestReadyLargeBuffers(t *testing.T) {
	server, peer := newSocketPair(t)
	defer server.Close()
	defer peer.Close()
	var counter readyCounter
	counter.watch(server)
	frame := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Binary, payloadOf(websocket.Binary, 1024)})
	burst := func(n int) (reads int) {
		t.Helper()
		before := counter.tries - counter.waits
		if _, err := peer.Write(bytes.Repeat(frame, n)); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if _, p, err := server.ReadMessage(); err != nil || len(p) != 1024 {
				t.Fatalf("message %d: %d bytes, %v", i, len(p), err)
			}
		}
		return counter.tries - counter.waits - before
	}
	if n := burst(60); n < 2 {
		t.Errorf("%d reads for 60 KiB at first: want small buffers", n)
	}
	for range 3 {
		if n := burst(60); n != 1 {
			t.Errorf("%d reads for 60 KiB after a burst, want one", n)
		}
	}

	// The rest of a frame is missing: the wait holds a small buffer.
	if _, err := peer.Write(append(bytes.Repeat(frame, 40), frame[:5]...)); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		if _, _, err := server.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	server.SetReadDeadline(time.Unix(1, 0))
	if _, _, err := server.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("ReadMessage: %v, want the deadline", err)
	}
	if n := websocket.HeldBuffer(server); n > websocket.ReadBufferSize {
		t.Errorf("a buffer of %d bytes is held while the rest of a frame is waited for", n)
	}
	server.SetReadDeadline(time.Time{})
	if _, err := peer.Write(frame[5:]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.ReadMessage(); err != nil {
		t.Fatal(err)
	}

	for range websocket.StayLarge {
		burst(1)
	}
	if websocket.LargeReads(server) != 0 {
		t.Errorf("after %d reads of little the next %d are large still", websocket.StayLarge, websocket.LargeReads(server))
	}
	if n := burst(60); n < 2 {
		t.Errorf("%d reads for 60 KiB after little was sent: want small buffers", n)
	}
}

// A read that finds nothing gives its buffer back to the pool.
func TestReadyThatFindsNothingHoldsNothing(t *testing.T) {
	const tries = 2000
	c, peer := newSocketPair(t)
	defer peer.Close()
	defer c.Close()
	for _, large := range []bool{false, true} {
		var size int
		var err error
		memory := allocated(func() { size, err = websocket.TryReads(c, tries, large) })
		if err != nil {
			t.Error(err)
		}
		if memory > tries/2*uint64(size) { // the race detector has pools forget a quarter
			t.Errorf("%d bytes were allocated by %d reads that found nothing, with buffers of %d", memory, tries, size)
		}
	}
}

// Where the system tells when there is something to read, the first read has
// room for all that has come, so Read does not wait for more.
func TestNextReaderThatPolls(t *testing.T) {
	c, peer := newTCP(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
	if !websocket.CanPoll(c) {
		t.Fatal("the system is not asked about the connection")
	}
	wire := peerText(t, websocket.RFC6455, websocket.ServerSide, strings.Repeat("x", 100))
	peer.Write(wire[:websocket.IdleRead])
	_, r, err := c.NextReader()
	if err != nil {
		t.Fatal(err)
	}
	const patience = time.Second
	c.SetReadDeadline(time.Now().Add(patience))
	start := time.Now()
	if n, err := r.Read(make([]byte, 100)); n == 0 || err != nil || time.Since(start) >= patience {
		t.Errorf("Read: %d bytes, %v, after %v; want what has come, at once", n, err, time.Since(start))
	}
}
