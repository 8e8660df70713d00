package testkit

import (
	"bytes"
	"net"
	"sync"
)

// PipeListener is a listener whose connections are in memory. So in a bubble of
// synctest everything that waits, waits in the time of the bubble, and goroutines
// that are left at the end fail the test.
type PipeListener struct {
	pipe   func() (a, b net.Conn)
	conns  chan net.Conn
	closed chan struct{}
}

// NewPipeListener returns a listener whose connections pipe makes.
func NewPipeListener(pipe func() (a, b net.Conn)) *PipeListener {
	return &PipeListener{pipe, make(chan net.Conn), make(chan struct{})}
}

// Connect returns the client's end of a new connection, once the other is
// accepted.
func (l *PipeListener) Connect() net.Conn {
	client, server := l.pipe()
	l.conns <- server
	return client
}

func (l *PipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *PipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *PipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "bubble", Net: "unix"} }

// LogBuffer keeps what is logged. Many goroutines may write to it.
type LogBuffer struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// String returns all that was logged.
func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}
