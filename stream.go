package websocket

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// streamConn is a stream of bytes in messages.
type streamConn struct {
	*Conn
	typ MessageType

	mu      sync.Mutex // held by whoever reads
	message io.Reader  // the rest of it is to be read next; nil if none is begun
}

// Stream returns a [net.Conn] that carries a stream of bytes in messages of
// type t, for protocols that know nothing of messages. Each Write is a message;
// Read goes through the payloads of messages one after the other. A message of
// another type fails the connection with [StatusUnsupportedData]. The end of
// the stream, [io.EOF], is a Close by the peer with [StatusNormalClosure],
// [StatusGoingAway] or no status. Close does the closing handshake, which may
// take 5 seconds. The Conn must not be read from or written to beside it. Type
// [Binary] needs a version that has it.
func Stream(c *Conn, t MessageType) net.Conn { return &streamConn{Conn: c, typ: t} }

// Read reads from the message at hand, or waits for the next.
func (s *streamConn) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if s.message == nil {
			if err := s.next(); err != nil {
				return 0, err
			}
		}
		n, err := s.message.Read(p)
		if err == io.EOF {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, endOfStream(err)
		}
	}
}

func (s *streamConn) next() error {
	t, r, err := s.NextReader()
	if err != nil {
		return endOfStream(err)
	}
	if t != s.typ {
		return s.refuse(t)
	}
	s.message = r
	return nil
}

func (s *streamConn) refuse(t MessageType) error {
	s.rd.mu.Lock()
	defer s.rd.mu.Unlock()
	if s.rd.err != nil {
		return s.rd.err
	}
	return s.failPeer(&ProtocolError{
		Code: StatusUnsupportedData,
		Err:  fmt.Errorf("%v message in a stream of %v messages", t, s.typ),
	})
}

func endOfStream(err error) error {
	if closedNormally(err) {
		return io.EOF
	}
	return err
}

// Write writes p as a message.
func (s *streamConn) Write(p []byte) (int, error) {
	if err := s.WriteMessage(s.typ, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close does the closing handshake.
func (s *streamConn) Close() error {
	return s.Shutdown(context.Background(), StatusNormalClosure, "")
}
