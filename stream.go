package websocket

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/protocol-websocket/websocket/internal/netx"
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

	writing       chan struct{} // holds a value during a Write, so that two do not mix
	writeDeadline netx.Deadline // passes at Close too
}

// Stream returns a [net.Conn] that carries a stream of bytes in messages of
// type t, for protocols that know nothing of messages, as MQTT, SSH, or a tunnel
// of TCP. Type [Binary] needs a version that has it; what is written to a stream
// of [Text] must be UTF-8, and each Write must end at the end of a character.
// The Conn must not be read from or written to beside it. Its methods may be
// called from many goroutines at once.
//
// Read goes through the payloads of messages one after the other, whatever
// their lengths. A message of another type fails the connection with
// [StatusUnsupportedData]. One of more than [Config].MaxMessageSize bytes, or
// of more than MaxFragments frames, fails it with [StatusMessageTooBig]: peers
// that send a packet of any size as one message, as MQTT clients do, need a
// larger MaxMessageSize, or a negative one, which means no limit. The end of
// the stream, [io.EOF], is a Close by the peer with [StatusNormalClosure],
// [StatusGoingAway] or no status.
//
// Write sends p as one message, or as several if p is longer than 32 KiB. It
// sends them at once and returns when the system has taken them. An empty Write
// sends nothing. Writes of several goroutines do not mix.
//
// Deadlines work as on every net.Conn, over TLS too: errors are of type
// [net.Error], and after one the stream can be used as before. A write deadline
// never cuts a frame. A Write that returns at its deadline has taken n bytes of
// p, which are sent nevertheless, and the program can go on with p[n:]. At most
// 64 KiB are taken so while the peer does not read. The deadlines of the stream
// are not those of the Conn. What ends a connection whose peer does not read is
// [Config].WriteTimeout.
//
// Close returns at once and wakes Read and Write, which return an error that
// wraps [net.ErrClosed], as do all later calls. What Write has taken is sent,
// and then a Close frame with StatusNormalClosure, in the background and within
// 5 seconds: a peer that reads more slowly may miss the end of it. What arrives
// after Close is dropped. There is no CloseWrite, because WebSocket does not
// have half-closed connections.
//
// A program that only writes should read too, or call Read in a goroutine:
// otherwise it does not notice that the peer has closed.
func Stream(c *Conn, t MessageType) net.Conn {
	return &streamConn{Conn: c, typ: t, writing: make(chan struct{}, 1)}
}

// Read reads from the message in progress, or waits for the next one.
func (s *streamConn) Read(p []byte) (int, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for !s.closed.Load() {
		if s.life.readDeadlinePassed() { // although something may have arrived
			return 0, errReadDeadline
		}
		n, err := s.readSome(p)
		if (n > 0 || err != nil) && !s.closed.Load() {
			return n, err
		}
	}
	return 0, errClosed
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
	giveUp := s.writeDeadline.Passed()
	if err := s.beginWrite(giveUp); err != nil {
		return 0, err
	}
	defer func() { <-s.writing }()
	if err := s.checkWrite(p); err != nil {
		return 0, err
	}
	for n < len(p) && err == nil {
		piece := p[n:min(len(p), n+maxStreamMessage)]
		if s.typ == Text && n+len(piece) < len(p) {
			piece = wholeRunes(piece)
		}
		var queued bool
		if queued, err = s.send.sendUntil(s.typ, piece, giveUp); queued {
			n += len(piece)
		}
	}
	return n, s.writeError(err)
}

// beginWrite waits until no other Write is in progress, or giveUp is closed.
func (s *streamConn) beginWrite(giveUp <-chan struct{}) error {
	select {
	case <-giveUp: // although nothing may be in progress
		return s.writeError(errWriteDeadline)
	default:
	}
	select {
	case s.writing <- struct{}{}:
		return nil
	case <-giveUp:
		return s.writeError(errWriteDeadline)
	}
}

// checkWrite returns an error if p cannot be written. The error for nothing is
// that of the connection, because sendUntil is not called for it.
func (s *streamConn) checkWrite(p []byte) error {
	switch {
	case s.closed.Load():
		return errClosed
	case len(p) == 0:
		return afterEnd(s.send.whyRefused())
	}
	return s.send.enc.check(s.typ, p)
}

// writeError returns the error of a Write that gave up. Close lets the deadline
// pass. After any other timeout no Write can go on.
func (s *streamConn) writeError(err error) error {
	switch {
	case err != errWriteDeadline:
		return afterEnd(err)
	case s.closed.Load():
		return errClosed
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

// SetDeadline sets the deadlines of Read and Write.
func (s *streamConn) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of Read.
func (s *streamConn) SetReadDeadline(t time.Time) error {
	if s.closed.Load() {
		return errClosed
	}
	return s.Conn.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of Write. The connection below has none.
func (s *streamConn) SetWriteDeadline(t time.Time) error {
	if s.closed.Load() {
		return errClosed
	}
	s.writeDeadline.Set(t)
	return nil
}

// Close begins the closing handshake. It wakes Read and Write.
func (s *streamConn) Close() error {
	if s.closed.Swap(true) {
		return errClosed
	}
	s.writeDeadline.Set(longAgo)
	_ = s.life.interruptReads(+1)
	_ = s.CloseWith(StatusNormalClosure, "") // if it fails the connection has ended
	s.rcv.abandon()
	return nil
}
