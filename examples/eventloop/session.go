package main

import (
	"errors"

	"github.com/protocol-websocket/websocket"
)

// session is a connection as the protocol sees it: bytes come in and bytes go
// out. It is all that this program has to do with WebSocket.
type session struct {
	handshake *websocket.ServerHandshake // nil once the connection is open
	parser    *websocket.Parser          // nil before
	version   websocket.Version          // valid once the connection is open

	// err is why the session is over. What was appended until then is still to
	// be sent, and what the peer sends no longer counts.
	err error
}

func newSession(up *websocket.Upgrader, remote string) session {
	h := websocket.NewServerHandshake(up)
	h.RemoteAddr = remote
	return session{handshake: h}
}

func (s *session) open() bool { return s.parser != nil }

// receive takes bytes from the peer, in pieces of any size, and appends to out
// what is to be sent for them.
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

// shakeHands feeds the opening handshake and returns what is left of in: the
// first frames may have come with it.
func (s *session) shakeHands(out, in []byte) (_, rest []byte) {
	n, err := s.handshake.Feed(in)
	out = s.handshake.AppendResponse(out) // a refusal, too
	switch {
	case err != nil:
		s.err = err
	case s.handshake.Done():
		s.version, s.parser = s.handshake.Version(), s.handshake.Parser()
		s.handshake = nil
	}
	return out, in[n:]
}

// answer appends what is to be said to a message, or to a control frame. Its
// error, a CloseError if the peer has closed the connection, ends the session.
func (s *session) answer(out []byte, m websocket.Message) ([]byte, error) {
	switch m.Type {
	case websocket.Text, websocket.Binary:
		return websocket.AppendMessage(out, s.version, websocket.ServerSide, m.Type, m.Data)
	case websocket.Ping:
		return websocket.AppendMessage(out, s.version, websocket.ServerSide, websocket.Pong, m.Data)
	case websocket.Close:
		return out, m.CloseError()
	}
	return out, nil // a Pong, for which nobody waits
}

// fail ends the session over err, and appends the Close frame that goes with
// it: the peer's own code if it has closed the connection, otherwise the one
// that says what it did wrong.
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
	if err != nil { // old versions may say 1004, which today nobody may
		closed, _ = websocket.AppendClose(out, s.version, websocket.ServerSide, websocket.StatusNormalClosure, "")
	}
	return closed
}

// end ends the session from this side over err: with code if it is open, and
// with an HTTP status if it is not.
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
