package main

import (
	"errors"

	"github.com/protocol-websocket/websocket"
)

// session is the protocol of one connection: it takes bytes from the peer and
// returns the bytes to send. It is the only part of this program that uses the
// WebSocket protocol.
type session struct {
	handshake *websocket.ServerHandshake // nil once the connection is open
	parser    *websocket.Parser          // nil until the connection is open
	version   websocket.Version          // valid once the connection is open

	// err says why the session is over; nil if it is not. The bytes returned
	// before must still be sent. What the peer sends after that is ignored.
	err error
}

func newSession(up *websocket.Upgrader, remote string) session {
	h := websocket.NewServerHandshake(up)
	h.RemoteAddr = remote
	return session{handshake: h}
}

func (s *session) open() bool { return s.parser != nil }

// receive takes bytes from the peer, in pieces of any size, and appends the
// answers to out.
func (s *session) receive(out, in []byte) []byte {
	if !s.open() {
		out, in = s.shakeHands(out, in)
	}
	if s.err != nil || !s.open() {
		return out
	}
	s.parser.Append(in)
	for {
		m, err := s.parser.Next()
		if err == nil {
			out, err = s.answer(out, m)
		}
		switch {
		case err == nil:
		case errors.Is(err, websocket.ErrIncomplete):
			return out
		default:
			return s.fail(out, err)
		}
	}
}

// shakeHands passes in to the opening handshake. It returns the rest of in,
// which may hold the first frames.
func (s *session) shakeHands(out, in []byte) (_, rest []byte) {
	n, err := s.handshake.Feed(in)
	out = s.handshake.AppendResponse(out) // also if it is a refusal
	switch {
	case err != nil:
		s.err = err
	case s.handshake.Done():
		s.version, s.parser = s.handshake.Version(), s.handshake.Parser()
		s.handshake = nil
	}
	return out, in[n:]
}

// answer appends the answer to a message or control frame. An error ends the
// session; it is a CloseError if the peer has closed the connection.
func (s *session) answer(out []byte, m websocket.Message) ([]byte, error) {
	switch m.Type {
	case websocket.Text, websocket.Binary:
		return websocket.AppendMessage(out, s.version, websocket.ServerSide, m.Type, m.Data)
	case websocket.Ping:
		return websocket.AppendMessage(out, s.version, websocket.ServerSide, websocket.Pong, m.Data)
	case websocket.Close:
		return out, m.CloseError()
	}
	return out, nil // a Pong needs no answer
}

// fail ends the session because of err, and appends a Close frame. The frame
// has the peer's own code if the peer has closed the connection. Otherwise its
// code says what was wrong.
func (s *session) fail(out []byte, err error) []byte {
	s.err = err
	code, reason := websocket.StatusInternalError, ""
	var closed *websocket.CloseError
	var broken *websocket.ProtocolError
	switch {
	case errors.As(err, &closed):
		code, reason = closed.Code, closed.Reason
	case errors.As(err, &broken):
		code = broken.Code
	}
	return s.appendClose(out, code, reason)
}

func (s *session) appendClose(out []byte, code websocket.StatusCode, reason string) []byte {
	closed, err := websocket.AppendClose(out, s.version, websocket.ServerSide, code, reason)
	if err != nil { // a peer of an old version may send 1004, which is not allowed today
		closed, _ = websocket.AppendClose(out, s.version, websocket.ServerSide, websocket.StatusNormalClosure, "")
	}
	return closed
}

// end ends the session from this side because of err: with code if the
// connection is open, and with an HTTP status if it is not.
func (s *session) end(out []byte, err error, code websocket.StatusCode, status int) []byte {
	if s.err != nil {
		return out
	}
	s.err = err
	if s.open() {
		return s.appendClose(out, code, "")
	}
	s.handshake.Refuse(&websocket.HandshakeError{Status: status, Err: err})
	return s.handshake.AppendResponse(out)
}
