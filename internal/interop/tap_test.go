package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// end names one end of a connection.
type end string

const (
	us   end = "us  "
	peer end = "peer"
)

// tap is a relay between the two ends that notes what passes, so that a
// failure can be judged by the bytes and not by what either end says of them.
type tap struct {
	addr   string
	dialer end // who connects to addr
	closed chan struct{}

	mu     sync.Mutex
	began  time.Time
	events []tapEvent
	ended  map[end]error // how each end ended its direction; nil is FIN
}

type tapEvent struct {
	at   time.Duration
	from end
	size int
	data []byte // the beginning
	note string // of an event without data
}

const (
	tapKeepEvents = 200
	tapKeepBytes  = 600
	tapShowFirst  = 4 // events in reports
	tapShowEvents = 24
)

// newTap returns a tap for one connection, to be made by dialer, to target.
func newTap(t testing.TB, dialer end, target string) *tap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("tap: %v", err)
	}
	p := &tap{addr: ln.Addr().String(), dialer: dialer, closed: make(chan struct{}), ended: map[end]error{}}
	t.Cleanup(func() { ln.Close() })
	go func() {
		defer close(p.closed)
		in, err := ln.Accept()
		ln.Close()
		if err != nil {
			return
		}
		defer in.Close()
		p.began = time.Now()
		out, err := net.Dial("tcp", target)
		if err != nil {
			p.note(dialer.other(), fmt.Sprintf("not reached: %v", err))
			return
		}
		defer out.Close()
		var both sync.WaitGroup
		both.Go(func() { p.relay(dialer, in.(*net.TCPConn), out.(*net.TCPConn)) })
		both.Go(func() { p.relay(dialer.other(), out.(*net.TCPConn), in.(*net.TCPConn)) })
		both.Wait()
	}()
	return p
}

func (e end) other() end {
	if e == us {
		return peer
	}
	return us
}

func (p *tap) relay(from end, src, dst *net.TCPConn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			p.add(tapEvent{from: from, size: n, data: append([]byte(nil), buf[:min(n, tapKeepBytes)]...)})
			if _, err := dst.Write(buf[:n]); err != nil {
				p.note(from.other(), fmt.Sprintf("took nothing more: %v", err))
			}
		}
		if err == nil {
			continue
		}
		p.finish(from, err)
		if errors.Is(err, syscall.ECONNRESET) {
			dst.SetLinger(0)
			dst.Close()
			return
		}
		dst.CloseWrite()
		return
	}
}

func (p *tap) finish(from end, err error) {
	what := "FIN"
	switch {
	case err == io.EOF:
		err = nil
	case errors.Is(err, net.ErrClosed): // by the relay, since the other end reset the connection
		err, what = nil, "cut off"
	default:
		what = err.Error()
	}
	p.note(from, what)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended[from] = err
}

func (p *tap) note(from end, what string) { p.add(tapEvent{from: from, note: what}) }

func (p *tap) add(e tapEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.at = time.Since(p.began)
	if len(p.events) >= tapKeepEvents { // the middle is the least telling
		copy(p.events[tapKeepEvents/2:], p.events[tapKeepEvents/2+1:])
		p.events = p.events[:tapKeepEvents-1]
	}
	p.events = append(p.events, e)
}

// sent returns the beginning of what from sent.
func (p *tap) sent(from end) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b []byte
	for _, e := range p.events {
		if e.from == from {
			b = append(b, e.data...)
		}
	}
	return b
}

var errPeerReset = errors.New("TCP was not ended by FIN from the peer")

// awaitEnd waits until both ends have ended the connection, and errs unless
// both did so with FIN.
func (p *tap) awaitEnd(ctx context.Context) error {
	select {
	case <-p.closed:
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		var open []string
		for _, e := range []end{us, peer} {
			if _, ok := p.ended[e]; !ok {
				open = append(open, strings.TrimSpace(string(e)))
			}
		}
		return fmt.Errorf("TCP was not ended by: %s", strings.Join(open, ", "))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended[us] != nil:
		return fmt.Errorf("TCP was ended by us with: %w", p.ended[us])
	case p.ended[peer] != nil:
		return fmt.Errorf("%w: %w", errPeerReset, p.ended[peer])
	}
	return nil
}

// String lists what passed, with the times in milliseconds.
func (p *tap) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s strings.Builder
	for i, e := range p.events {
		if omitted := len(p.events) - tapShowEvents; i >= tapShowFirst && i < omitted {
			if i == tapShowFirst {
				fmt.Fprintf(&s, "%20d more\n", omitted-i)
			}
			continue
		}
		fmt.Fprintf(&s, "%8.1f ms  %s ", float64(e.at)/float64(time.Millisecond), e.from)
		switch {
		case e.note != "":
			s.WriteString(e.note)
		case e.data[0] == 'G' || e.data[0] == 'H':
			fmt.Fprintf(&s, "%6d  %q", e.size, e.data)
		case e.size > 48:
			fmt.Fprintf(&s, "%6d  % x … % x", e.size, e.data[:32], e.data[len(e.data)-8:])
		default:
			fmt.Fprintf(&s, "%6d  % x  %q", e.size, e.data, e.data)
		}
		s.WriteByte('\n')
	}
	return s.String()
}
