package netx_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/protocol-websocket/websocket/internal/netx"
)

func TestPipeIsAConn(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		a, b = netx.Pipe()
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

// A pipe takes 64 KiB that nobody reads, and then a Write waits.
func TestPipeHolds64KiB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := netx.Pipe()
		defer a.Close()
		want := bytes.Repeat([]byte("0123456789abcdef"), 5000)
		a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write(want)
		if n != 64<<10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %d, %v; want 65536 and the deadline", n, err)
		}
		a.SetWriteDeadline(time.Time{})
		go func() { a.Write(want[n:]); a.Close() }()
		got, err := io.ReadAll(b)
		if !bytes.Equal(got, want) || err != nil {
			t.Errorf("read %d bytes, %v; want the %d that were written", len(got), err, len(want))
		}
	})
}

// After CloseWrite one direction has ended, and the other has not.
func TestPipeCloseWrite(t *testing.T) {
	a, b := netx.Pipe()
	defer b.Close()
	a.Write([]byte("last"))
	if !netx.CloseWrite(a) {
		t.Fatal("a pipe has no CloseWrite")
	}
	if got, err := io.ReadAll(b); string(got) != "last" || err != nil {
		t.Errorf("read %q, %v; want what was written before CloseWrite", got, err)
	}
	if _, err := a.Write([]byte("x")); err == nil {
		t.Error("Write after CloseWrite succeeds")
	}
	b.Write([]byte("still"))
	got := make([]byte, 5)
	if _, err := io.ReadFull(a, got); string(got) != "still" || err != nil {
		t.Errorf("the other direction: %q, %v", got, err)
	}
}

// A peer that has gone is noticed by writes, and does not take back what it wrote.
func TestPipeClose(t *testing.T) {
	a, b := netx.Pipe()
	a.Write([]byte("before"))
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := a.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v, want net.ErrClosed", err)
	}
	if got, err := io.ReadAll(b); string(got) != "before" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write to a peer that has gone: %v, want io.ErrClosedPipe", err)
	}
	for name, f := range map[string]func() error{
		"Read":             func() error { _, err := a.Read(make([]byte, 1)); return err },
		"Write":            func() error { _, err := a.Write([]byte("x")); return err },
		"SetDeadline":      func() error { return a.SetDeadline(time.Now()) },
		"SetWriteDeadline": func() error { return a.SetWriteDeadline(time.Now()) },
	} {
		if err := f(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v, want net.ErrClosed", name, err)
		}
	}
}

// A Write that waits for another gives up at the deadline, also if that is moved
// at once. It must not go on beside the other.
func TestPipeWritesDoNotMix(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			a, b := netx.Pipe()
			const size = 100 << 10
			results := make(chan error, 2)
			for i := range 2 {
				go func() { _, err := a.Write(bytes.Repeat([]byte{byte(i)}, size)); results <- err }()
			}
			synctest.Wait()
			a.SetWriteDeadline(time.Now())
			a.SetWriteDeadline(time.Time{})
			go func() { <-results; <-results; a.Close() }()
			got, err := io.ReadAll(b)
			if n := bytes.Count(got, []byte{got[0]}); err != nil || n != size && n != len(got) || bytes.LastIndexByte(got, got[0]) != n-1 {
				t.Errorf("%d bytes of the first Write among %d, %v", n, len(got), err)
			}
		})
	}
}
