package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// Close comes at the very moment at which the closing handshake gives up waiting
// for the program to read.
func TestCloseAsTheHandshakeGivesUpKeeping(t *testing.T) {
	for i := range stressRounds(50) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
			go io.Copy(io.Discard, peer)
			c.CloseWith(websocket.StatusNormalClosure, "")
			go func() {
				frame := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Binary, make([]byte, 1000)})
				peer.Write(bytes.Repeat(frame, 200))
			}()
			synctest.Wait() // no room is left
			go func() {
				time.Sleep(time.Second)
				readMessages(c)
			}()
			time.Sleep(time.Second + time.Duration(i%2)*time.Nanosecond)
			c.Close()
			<-websocket.Over(c)
		})
	}
}

// readError is a connection whose reads fail.
type readError struct {
	net.Conn
	err error
}

func (c readError) Read([]byte) (int, error) { return 0, c.err }

// A connection that the system gave up has ended. Its error is no timeout after
// which one could read again.
func TestReadsAfterTheSystemGaveUp(t *testing.T) {
	given := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
	for _, closing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := websocket.NetPipe()
			defer b.Close()
			c := newConn(readError{a, given}, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
			if closing {
				c.CloseWith(websocket.StatusNormalClosure, "")
			}
			for range 2 {
				_, _, err := c.ReadMessage()
				var timeout net.Error
				if !errors.Is(err, syscall.ETIMEDOUT) || errors.As(err, &timeout) && timeout.Timeout() {
					t.Errorf("closing %v: %v, want ETIMEDOUT that is no timeout", closing, err)
				}
			}
			<-websocket.Over(c)
		})
	}
}

// After Close no message is read, also if it has arrived before.
func TestCloseDropsWhatHasArrived(t *testing.T) {
	for _, v := range allVersions {
		for name, read := range map[string]func(c *websocket.Conn) error{
			"ReadMessage": func(c *websocket.Conn) error { _, _, err := c.ReadMessage(); return err },
			"NextReader":  func(c *websocket.Conn) error { _, _, err := c.NextReader(); return err },
			"Discard":     func(c *websocket.Conn) error { return websocket.DiscardMessage(c) },
		} {
			synctest.Test(t, func(t *testing.T) {
				c, peer := newPair(t, v, overMemory, pairOptions{})
				for i := range 3 {
					peer.WriteMessage(websocket.Text, numbered(i))
				}
				_, _, err := c.ReadMessage()
				_, r, err2 := c.NextReader()
				if err := errors.Join(err, err2, c.Close()); err != nil {
					t.Error(err)
				}
				if n, err := r.Read(make([]byte, 100)); n > 0 || !errors.Is(err, net.ErrClosed) {
					t.Errorf("%v: the reader of a message gave %d bytes, %v; want net.ErrClosed", v, n, err)
				}
				if err := read(c); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%v: %s: %v, want net.ErrClosed", v, name, err)
				}
			})
		}
	}
}

// What Close and CloseWith return after the peer has left does not depend on
// whether somebody looks on.
func TestCloseAfterThePeerHasLeft(t *testing.T) {
	for _, traced := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var cfg websocket.Config
			if traced {
				cfg.Trace = &websocket.Trace{Closed: func(*websocket.Conn, error) {}}
			}
			c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, cfg)
			peer.Close()
			if _, _, err := c.ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Error(err)
			}
			for range 2 {
				if err := c.CloseWith(websocket.StatusNormalClosure, ""); !errors.Is(err, net.ErrClosed) {
					t.Errorf("traced %v: CloseWith: %v, want net.ErrClosed", traced, err)
				}
				if err := c.Close(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("traced %v: Close: %v, want net.ErrClosed", traced, err)
				}
				<-websocket.Over(c)
			}
		})
	}
}

// The deadline of a write that is in progress holds although a closing handshake
// has begun, and can still be moved. The Close frame after it has none.
func TestWriteDeadlineWhileClosing(t *testing.T) {
	for name, tt := range map[string]struct {
		set  func(c *websocket.Conn)
		want time.Duration
	}{
		"set before":  {func(*websocket.Conn) {}, time.Second},
		"moved":       {func(c *websocket.Conn) { c.SetWriteDeadline(time.Now().Add(time.Second)) }, 1500 * time.Millisecond},
		"in the past": {func(c *websocket.Conn) { c.SetWriteDeadline(time.Now()) }, 500 * time.Millisecond},
	} {
		for call, write := range map[string]func(c *websocket.Conn) error{
			"WriteMessage": func(c *websocket.Conn) error { return c.WriteMessage(websocket.Text, []byte("hello")) },
			"Flush": func(c *websocket.Conn) error {
				go c.WriteMessage(websocket.Text, []byte("hello"))
				synctest.Wait()
				return c.Flush()
			},
		} {
			t.Run(name+"/"+call, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, _ := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
					start := time.Now()
					c.SetWriteDeadline(start.Add(time.Second))
					wrote := later(func() error { return write(c) })
					time.Sleep(500 * time.Millisecond)
					if err := c.CloseWith(websocket.StatusGoingAway, ""); err != nil {
						t.Error(err)
					}
					tt.set(c)
					if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != tt.want {
						t.Errorf("%v after %v, want the deadline after %v", err, time.Since(start), tt.want)
					}
				})
			})
		}
	}
}

// What has no deadlines says so, and is ended by timers.
func TestConnWithoutDeadlines(t *testing.T) {
	for _, side := range sides {
		synctest.Test(t, func(t *testing.T) {
			a, b := websocket.NetPipe()
			defer b.Close()
			go io.Copy(io.Discard, b)
			c := newConn(noDeadlines{Conn: a}, websocket.RFC6455, side, &websocket.Config{})
			for _, err := range []error{c.SetReadDeadline(time.Now()), c.SetWriteDeadline(time.Now()), c.SetDeadline(time.Now())} {
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("setting a deadline: %v, want errors.ErrUnsupported", err)
				}
			}
			read := later(func() error { _, _, err := c.ReadMessage(); return err })
			synctest.Wait()
			start := time.Now()
			if err := errors.Join(c.CloseWith(websocket.StatusGoingAway, ""), c.Close()); err != nil {
				t.Error(err)
			}
			if err := <-read; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ReadMessage: %v", err)
			}
			<-websocket.Over(c)
			if took := time.Since(start); took != websocket.CloseLinger {
				t.Errorf("%s: ended after %v, want %v", sideName(side), took, websocket.CloseLinger)
			}
		})
	}
}

// writeDeadlines is a connection that keeps its write deadline.
type writeDeadlines struct {
	net.Conn
	last time.Time
}

func (c *writeDeadlines) SetWriteDeadline(t time.Time) error {
	c.last = t
	return c.Conn.SetWriteDeadline(t)
}

// TLS may write inside a read. A deadline of the program must not cut that off,
// which would ruin the connection.
func TestWriteDeadlineIsTakenBack(t *testing.T) {
	a, b := websocket.NetPipe()
	defer b.Close()
	nc := &writeDeadlines{Conn: a}
	c := newConn(nc, websocket.RFC6455, websocket.ServerSide, &websocket.Config{})
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(time.Hour))
	for range 3 {
		if err := c.WriteMessage(websocket.Text, []byte("hello")); err != nil {
			t.Error(err)
		}
		if !nc.last.IsZero() {
			t.Errorf("after the write the connection below still has the deadline %v", nc.last)
		}
	}
}

// A Ping that waited for too long ends a connection; a later one does not look
// as if its own context had ended.
func TestPingAfterATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		go io.Copy(io.Discard, peer)
		pinged := later(func() error { _, err := c.Ping(context.Background()); return err })
		synctest.Wait()
		c.Shutdown(t.Context(), websocket.StatusGoingAway, "")
		_, again := c.Ping(t.Context())
		for _, err := range []error{<-pinged, again} {
			if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Ping: %v, want an error that is no timeout", err)
			}
		}
	})
}

// As on any net.Conn, a read deadline that has passed counts although bytes have
// arrived.
func TestStreamReadAfterItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPair(t, websocket.RFC6455, overMemory, pairOptions{})
		peer.WriteMessage(websocket.Binary, []byte("abc"))
		s := websocket.Stream(c, websocket.Binary)
		if n, err := s.Read(make([]byte, 2)); n != 2 || err != nil {
			t.Errorf("Read: %d, %v", n, err)
		}
		s.SetReadDeadline(time.Now())
		if n, err := s.Read(make([]byte, 2)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read after the deadline: %d, %v", n, err)
		}
		s.SetReadDeadline(time.Time{})
		if n, err := s.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("Read without a deadline: %d, %v", n, err)
		}
		s.SetReadDeadline(time.Now())
		c.Close()
		if n, err := s.Read(make([]byte, 2)); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after the end: %d, %v; want no deadline, after which a loop would go on", n, err)
		}
	})
}

// A message that is queued as a read finds the peer's end is either sent or
// refused.
func TestQueuedAsThePeerEnds(t *testing.T) {
	for range stressRounds(100) {
		c, peer := newPair(t, websocket.Hixie75, overUnix, pairOptions{})
		sent := make(chan int)
		go func() {
			n := 0
			for c.BufferMessage(websocket.Text, []byte("x")) == nil {
				n++
			}
			sent <- n
		}()
		go c.ReadMessage()
		go peer.CloseWith(websocket.StatusNormalClosure, "")
		got, _ := readMessages(peer)
		if n := <-sent; n != len(got) {
			t.Fatalf("%d messages arrived of %d", len(got), n)
		}
	}
}

// What the closing handshake has read for a reader of NextReader is read although
// the connection then ends within that message.
func TestReaderGetsWhatArrivedBeforeTheEnd(t *testing.T) {
	for _, closing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			nc, peer := websocket.NetPipe()
			c := connect(t, nc, peer, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
			wire := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Binary, make([]byte, 2000)})
			peer.Write(wire[:1000])
			_, r, err := c.NextReader()
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if closing {
				c.CloseWith(websocket.StatusNormalClosure, "")
			}
			synctest.Wait()
			peer.Close()
			synctest.Wait()
			got, err := io.ReadAll(r)
			if want := 1000 - (len(wire) - 2000); len(got) != want || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("closing %v: read %d bytes, %v; want %d", closing, len(got), err, want)
			}
		})
	}
}

// A call is not held for what others write behind it.
func TestWriteIsNotHeldForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{})
		start := time.Now()
		wrote := later(func() error { return c.WriteMessage(websocket.Text, []byte("mine")) })
		synctest.Wait()
		for range 2 {
			c.WriteMessage(websocket.Text, []byte("another's")) // is left to the first
		}
		time.Sleep(time.Second)
		readOneFrame(t, peer)
		synctest.Wait()
		others := later(func() error {
			for {
				c.WriteMessage(websocket.Text, []byte("one more"))
				time.Sleep(time.Second)
				if _, err := peer.Read(make([]byte, 100)); err != nil {
					return err
				}
			}
		})
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("held for %v; its own frame had left after 1s", took)
		}
		c.Close()
		peer.Close()
		<-others
	})
}

// A Stream's Write after WriteTimeout does not look as if one could go on.
func TestStreamWriteAfterWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newPipe(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{WriteTimeout: time.Second})
		s := websocket.Stream(c, websocket.Binary)
		for range 2 {
			n, err := s.Write([]byte("hello"))
			if n != 0 || !errors.Is(err, websocket.ErrWriteTimeout) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Write: %d, %v; want ErrWriteTimeout that is no timeout", n, err)
			}
		}
	})
}

// failingWrites is a connection whose writes fail.
type failingWrites struct{ net.Conn }

func (failingWrites) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// A Close frame that cannot be sent cannot be answered, so nothing waits for that.
func TestCloseFrameThatCannotBeSent(t *testing.T) {
	for _, side := range sides {
		synctest.Test(t, func(t *testing.T) {
			a, b := websocket.NetPipe()
			defer b.Close()
			c := newConn(failingWrites{a}, websocket.RFC6455, side, &websocket.Config{})
			start := time.Now()
			if err := c.Shutdown(t.Context(), websocket.StatusGoingAway, ""); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("Shutdown: %v, want the error of the write", err)
			}
			if took := time.Since(start); took > 0 {
				t.Errorf("Shutdown took %v", took)
			}
		})
	}
}
