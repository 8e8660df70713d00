package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"unicode/utf8"
)

// maxStreamMessage is the largest message that a Write of a stream makes. The
// peer did not choose how long our writes are, and may have a limit: 32 KiB is
// the lowest that is in use, and what io.Copy writes anyway.
const maxStreamMessage = 32 << 10

// streamConn is a stream of bytes in messages.
type streamConn struct {
	*Conn
	typ    MessageType
	closed atomic.Bool

	readMu  parkMutex // held by whoever reads
	message io.Reader // the rest of it is to be read next; nil if none is begun

	writeMu parkMutex // held by whoever writes, so that writes do not mix
}

// Stream returns a [net.Conn] that carries a stream of bytes in messages of
// type t, for protocols that know nothing of messages. Type [Binary] needs a
// version that has it; what is written to a stream of [Text] must be UTF-8, and
// each Write must end at the end of a character. The Conn must not be read from
// or written to beside it.
//
// A Write is a message, or several if it is longer than 32 KiB. Read goes
// through the payloads of messages one after the other; a message of another
// type fails the connection with [StatusUnsupportedData]. The end of the
// stream, [io.EOF], is a Close by the peer with [StatusNormalClosure],
// [StatusGoingAway] or no status. Close does the closing handshake, which may
// take 5 seconds, and drops what arrives meanwhile.
//
// Deadlines work as on every net.Conn but for one thing: a Write that has sent
// half a frame when its deadline passes leaves a connection on which no other
// Write can succeed, as in [crypto/tls.Conn].
func Stream(c *Conn, t MessageType) net.Conn { return &streamConn{Conn: c, typ: t} }

// Read reads from the message at hand, or waits for the next.
func (s *streamConn) Read(p []byte) (int, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := s.readSome(p)
		if s.closed.Load() {
			return 0, errClosed
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// readSome reads what one read of a message yields, which may be nothing.
func (s *streamConn) readSome(p []byte) (int, error) {
	if s.message == nil {
		t, r, err := s.NextReader()
		switch {
		case closedNormally(err):
			return 0, io.EOF
		case err != nil:
			return 0, err
		case t != s.typ:
			return 0, s.refuse(t)
		}
		s.message = r
	}
	n, err := s.message.Read(p)
	if err == io.EOF { // of the message, not of the stream
		s.message, err = nil, nil
	}
	return n, err
}

func (s *streamConn) refuse(t MessageType) error {
	return s.rcv.refuse(&ProtocolError{
		Code: StatusUnsupportedData,
		Err:  fmt.Errorf("%v message in a stream of %v messages", t, s.typ),
	})
}

// Write writes p as messages.
func (s *streamConn) Write(p []byte) (n int, err error) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	for len(p)-n > maxStreamMessage {
		piece := p[n : n+maxStreamMessage]
		if s.typ == Text {
			piece = wholeRunes(piece)
		}
		if err := s.BufferMessage(s.typ, piece); err != nil {
			return n, writeError(err)
		}
		n += len(piece)
	}
	if err := s.WriteMessage(s.typ, p[n:]); err != nil {
		return n, writeError(err)
	}
	return len(p), nil
}

// writeError makes a [net.Error], which users of net.Conn look for, of that of
// a deadline that has cut off a frame.
func writeError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errWriteTimeout
	}
	return err
}

// wholeRunes leaves off what p has of a character that goes on behind it.
func wholeRunes(p []byte) []byte {
	for at := len(p) - 1; at > len(p)-utf8.UTFMax; at-- {
		if utf8.RuneStart(p[at]) && !utf8.FullRune(p[at:]) {
			return p[:at]
		}
	}
	return p
}

// Close does the closing handshake.
func (s *streamConn) Close() error {
	s.closed.Store(true)
	return s.Shutdown(context.Background(), StatusNormalClosure, "")
}
