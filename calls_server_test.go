package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// withServer returns a cell whose connection is that of a Server with a handler
// that reads to the end. served has the result of ServeConn.
func withServer(call, column string, run func(e *callEnv, s *websocket.Server, served <-chan error)) callCell {
	return callCell{call: call, column: column, bubble: true, run: func(e *callEnv) {
		if e.side == websocket.ClientSide {
			return // a Server has the other side
		}
		nc, peer := hostileWire(e.T, e.transport, e.side)
		started := make(chan *websocket.Conn, 1)
		s := &websocket.Server{Handler: func(_ context.Context, c *websocket.Conn) error {
			started <- c
			return readToEnd(c)
		}}
		served := later(func() error { return s.ServeConn(context.Background(), nc) })
		if err := playClient(peer, &websocket.Dialer{}, "ws://127.0.0.1/chat"); err != nil {
			e.Fatal(err)
		}
		e.c.Close() // the one without a server
		closeRaw(e.peer)
		e.c, e.nc, e.peer = <-started, nc, peer
		run(e, s, served)
	}}
}

// What the table Closing says of Server.
func TestClosingByServer(t *testing.T) {
	testCells(t, []callCell{
		withServer("Server.Shutdown", "handlers and handshakes", func(e *callEnv, s *websocket.Server, served <-chan error) {
			e.hear()
			e.after(func() { e.out <- rawFrames(e.side, rawClose(1001, "")) })
			start := time.Now()
			if err := s.Shutdown(context.Background()); err != nil {
				e.Error(err)
			}
			if took := time.Since(start); took < e.unit || took > e.unit+websocket.CloseLinger {
				e.Errorf("took %v", took)
			}
			<-served
			e.wantHeard(closeFrame(1001, ""))
		}),
		withServer("Server.Shutdown", "5 seconds", func(e *callEnv, s *websocket.Server, served <-chan error) {
			if err := e.takes(5, func() error { return s.Shutdown(context.Background()) }); err != nil {
				e.Error(err)
			}
			<-served
		}),
		withServer("Server.Shutdown", "ctx", func(e *callEnv, s *websocket.Server, served <-chan error) {
			start := time.Now()
			e.wantIs(e.takes(1, func() error { return s.Shutdown(e.unitContext()) }), context.DeadlineExceeded)
			e.overAfter(start, 1)
			<-served
		}),
		withServer("Server.Shutdown", "Server.Close", func(e *callEnv, s *websocket.Server, served <-chan error) {
			e.after(func() { s.Close() })
			if err := e.takes(1, func() error { return s.Shutdown(context.Background()) }); err != nil {
				e.Error(err)
			}
			<-served
		}),
		withServer("Server.Close", "waits for nothing", func(e *callEnv, s *websocket.Server, served <-chan error) {
			e.hear()
			start := time.Now()
			if err := e.takes(0, s.Close); err != nil {
				e.Error(err)
			}
			e.overAfter(start, 0)
			<-served
			e.wantHeard()
		}),
	})
}

// What the tables say of the methods of a Stream.
func TestDeadlinesOfStreams(t *testing.T) {
	stream := func(e *callEnv) net.Conn { return websocket.Stream(e.c, websocket.Text) }
	read := func(s net.Conn) func() error {
		return func() error { _, err := s.Read(make([]byte, 10)); return err }
	}
	cells := []callCell{
		{call: "Stream.Read", column: "read deadline", run: func(e *callEnv) {
			s := stream(e)
			s.SetReadDeadline(e.in(1))
			e.wantTimeout(e.takes(1, read(s)))
			s.SetReadDeadline(time.Time{})
			e.out <- peerText(e.T, websocket.RFC6455, e.side, "on")
			if err := read(s)(); err != nil {
				e.Errorf("afterwards: %v", err)
			}
		}},
		{call: "Stream.Read", column: "deadline in the past", run: func(e *callEnv) {
			s := stream(e)
			e.after(func() { s.SetReadDeadline(time.Unix(1, 0)) })
			e.wantTimeout(e.takes(1, read(s)))
		}},
		{call: "Stream.Read", column: "Close", run: func(e *callEnv) {
			s := stream(e)
			e.hear()
			e.after(func() { s.Close() })
			e.wantIs(e.takes(1, read(s)), net.ErrClosed)
		}},
		{call: "Stream.Write", column: "write deadline", run: func(e *callEnv) {
			s, p := stream(e), large[:200_000]
			if e.transport == overTCP {
				p = p[:80_000] // more takes seconds with small buffers
			}
			s.SetWriteDeadline(e.in(1))
			var n int
			e.wantTimeout(e.takes(1, func() (err error) { n, err = s.Write(p); return err }))
			s.SetWriteDeadline(time.Time{})
			got := e.payloads()
			if m, err := s.Write(p[n:]); err != nil || n+m != len(p) {
				e.Errorf("afterwards: %d and %d bytes, %v", n, m, err)
			}
			s.Close()
			if sent := <-got; sent != len(p) {
				e.Errorf("the peer got %d bytes of %d", sent, len(p))
			}
		}},
		{call: "Stream.Write", column: "deadline in the past", run: func(e *callEnv) {
			s := stream(e)
			e.after(func() { s.SetWriteDeadline(time.Unix(1, 0)) })
			e.wantTimeout(e.takes(1, func() error { _, err := s.Write(large); return err }))
		}},
		{call: "Stream.Write", column: "Close", bubble: true, run: func(e *callEnv) {
			s := stream(e)
			e.after(func() { s.Close() })
			e.wantIs(e.takes(1, func() error { _, err := s.Write(large); return err }), net.ErrClosed)
		}},
		{call: "Stream.Write", column: "WriteTimeout", timeout: true, run: func(e *callEnv) {
			s := stream(e)
			e.wantIs(e.takes(1, func() error { _, err := s.Write(large); return err }), websocket.ErrWriteTimeout)
		}},
		{call: "Stream.Close", column: "waits for nothing", bubble: true, run: func(e *callEnv) {
			s := stream(e)
			start := time.Now()
			if err := e.takes(0, s.Close); err != nil {
				e.Error(err)
			}
			e.wantIs(e.takes(0, s.Close), net.ErrClosed)
			e.overAfter(start, 5)
		}},
		{call: "Stream.Close", column: "what the peer sees", run: func(e *callEnv) {
			s := stream(e)
			e.hear()
			if _, err := io.WriteString(s, "before"); err != nil {
				e.Error(err)
			}
			s.Close()
			e.wantHeard(`Text "before"`, closeFrame(1000, ""))
		}},
	}
	for _, code := range []uint16{1000, 1001, 0, 1011} {
		cells = append(cells, callCell{call: "Stream.Read", column: "Close frame " + websocket.StatusCode(code).String(), run: func(e *callEnv) {
			e.hear()
			frame := rawFrame{b0: finClose}
			if code != 0 {
				frame = rawClose(code, "")
			}
			e.out <- rawFrames(e.side, frame)
			err := read(stream(e))()
			var ce *websocket.CloseError
			if end := err == io.EOF; end == (code == 1011) || !end && !errors.As(err, &ce) {
				e.Errorf("%v", err)
			}
		}})
	}
	testCells(t, cells)
}

// payloads lets the peer read, and returns how many bytes of payload it gets
// until our Close frame.
func (e *callEnv) payloads() <-chan int {
	resize(e.nc, 1<<20)
	resize(e.peer, 1<<20)
	total := make(chan int, 1)
	e.done.Go(func() {
		n := 0
		readFramesUntil(e.peer, func(f websocket.Frame) bool {
			if f.Opcode != websocket.Close {
				n += len(f.Payload)
			}
			return f.Opcode == websocket.Close
		})
		closeRaw(e.peer)
		total <- n
	})
	return total
}
