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

// maxStreamMessage is the size of the largest message that a stream sends. The
// peer may limit the size of messages, and the user of a stream cannot heed
// that limit. 32 KiB is the lowest limit in use, and io.Copy writes no more at
// once anyway.
const maxStreamMessage = 32 << 10

// streamConn carries a stream of bytes in messages.
type streamConn struct {
	*Conn
	typ    MessageType
	closed atomic.Bool

	readMu  parkMutex // held during a Read
	message io.Reader // what Read reads next; nil if no message has begun

	writeMu parkMutex // held during a Write, so that two do not mix
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

// Read reads from the message in progress, or waits for the next one.
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

// readSome reads once from a message. It may return no bytes and no error.
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

// Write writes p as one or more messages.
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

// writeError replaces the error of a deadline that has cut off a frame by a
// [net.Error], because users of a net.Conn look for one.
func writeError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errWriteTimeout
	}
	return err
}

// wholeRunes returns p without the character at its end if p holds only a part
// of it.
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
