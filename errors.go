package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// ErrMessageTooBig is wrapped by the [ProtocolError] of a message that exceeds
// [Config].MaxMessageSize or MaxFragments. The peer is told 1009.
var ErrMessageTooBig = errors.New("websocket: message too big")

// ErrIncomplete is returned by [Parser.Next] when the bytes appended so far
// hold no further message. It is no failure: append more and call again.
var ErrIncomplete = errors.New("websocket: message incomplete: append more bytes")

// ErrPingTimeout is why a connection was given up whose peer sent nothing for
// [Config].PingTimeout after a keepalive Ping.
var ErrPingTimeout = errors.New("websocket: peer did not answer the keepalive Ping in time")

// ErrWriteTimeout is why a connection was given up on which a frame took longer
// than [Config].WriteTimeout. After it, errors.Is(err, ErrWriteTimeout) is true
// for the errors of all calls. Writes return it as a [net.Error] that wraps
// [os.ErrDeadlineExceeded]. Reads, [Conn.Ping] and the Write of a [Stream]
// return an error that does not, so that a loop that retries after a deadline
// ends.
var ErrWriteTimeout error = timeoutError("websocket: a frame was not sent within WriteTimeout")

// ErrMessageTimeout is wrapped by the [ProtocolError] that reads return after
// they have worked on one message for longer than [Config].MessageTimeout. The
// peer is told 1008. The error does not wrap [os.ErrDeadlineExceeded], because
// the connection is over: a loop that retries after a deadline ends.
var ErrMessageTimeout = errors.New("websocket: message not complete within MessageTimeout")

// errClosed is the error of reads and writes after Close.
var errClosed = fmt.Errorf("websocket: connection closed by this side: %w", net.ErrClosed)

// errCloseTimeout is why a connection was ended whose peer did not finish the
// closing handshake.
var errCloseTimeout = &overError{fmt.Sprintf("peer did not finish the closing handshake within %v", closeTimeout), context.DeadlineExceeded}

// endedError is the error of reads, Pings and Writes of a Stream after the
// connection has ended for a reason that is a timeout. It hides that: a program
// that tries again after a timeout would never stop.
type endedError struct{ cause error }

func (e *endedError) Error() string { return e.cause.Error() }

func (e *endedError) Is(target error) bool {
	return target != os.ErrDeadlineExceeded && target != context.DeadlineExceeded && errors.Is(e.cause, target)
}

// afterEnd returns the error of reads, Pings and Writes of a Stream after cause
// has ended the connection, or its writes. The system can be the one that has
// waited for too long: ETIMEDOUT is a timeout too.
func afterEnd(cause error) error {
	if isTimeout(cause) {
		return &endedError{cause}
	}
	return cause
}

func isTimeout(err error) bool {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return true
	}
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// errWriteClosed is the error of writes once this side has begun to close the
// connection.
var errWriteClosed = fmt.Errorf("websocket: write after the Close frame: %w", net.ErrClosed)

var (
	errReadDeadline  error = timeoutError("websocket: read deadline exceeded")
	errWriteDeadline error = timeoutError("websocket: write deadline exceeded")
)

// timeoutError implements [net.Error], for programs that test for it.
type timeoutError string

func (e timeoutError) Error() string   { return string(e) }
func (e timeoutError) Timeout() bool   { return true }
func (e timeoutError) Temporary() bool { return true }
func (e timeoutError) Unwrap() error   { return os.ErrDeadlineExceeded }

var _ net.Error = timeoutError("")

// handshakeTimeoutError says that HandshakeTimeout has passed, where err says
// only that some deadline has. A program that does not set the option would
// look for a deadline of its own.
type handshakeTimeoutError struct {
	limit time.Duration
	err   error
}

func (e *handshakeTimeoutError) Error() string {
	stage, cut := strings.CutSuffix(e.err.Error(), context.DeadlineExceeded.Error())
	if !cut {
		stage, cut = strings.CutSuffix(stage, os.ErrDeadlineExceeded.Error())
	}
	if !cut {
		stage += ": "
	}
	return fmt.Sprintf("%sHandshakeTimeout of %v has passed", stage, e.limit)
}

func (e *handshakeTimeoutError) Unwrap() error { return e.err }

// errEOF is returned by reads after the peer has ended the connection where the
// protocol does not allow it.
var errEOF = fmt.Errorf("websocket: peer ended the connection without a Close frame: %w", io.ErrUnexpectedEOF)

// CloseError is returned by reads after the peer's Close frame, RFC 6455
// section 5.5.1. On versions without codes, and where the frame had none, Code
// is [StatusNoStatusReceived]. On [Hybi00] and [Hixie75] reads return it also when
// the peer ends the connection between two messages: Hixie75 has no other end, and
// some peers of Hybi00 leave out the closing frame.
type CloseError struct {
	Code   StatusCode
	Reason string // at most 123 bytes of UTF-8, chosen by the peer
}

// Error tells the code and the reason.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("websocket: peer closed the connection: %v", e.Code)
	}
	return fmt.Sprintf("websocket: peer closed the connection: %v: %q", e.Code, e.Reason)
}

// ProtocolError is returned by reads after the peer broke the protocol, or a
// limit. The connection has failed and the peer was told Code, RFC 6455
// section 7.1.7. Err says what was expected and what came.
type ProtocolError struct {
	Code StatusCode
	Err  error
}

// Error tells what was expected and what came, and the code sent to the peer.
func (e *ProtocolError) Error() string {
	if e.Code == StatusMessageTooBig || e.Code == StatusPolicyViolation {
		return fmt.Sprintf("websocket: peer exceeded a limit (%d): %s", e.Code, inner(e.Err))
	}
	return fmt.Sprintf("websocket: peer broke the protocol (%d): %s", e.Code, inner(e.Err))
}

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }

func protocolErrorf(format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: StatusProtocolError, Err: fmt.Errorf(format, args...)}
}

func errTooBig(format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: StatusMessageTooBig, Err: fmt.Errorf("%w: %s", ErrMessageTooBig, fmt.Sprintf(format, args...))}
}

func errTextEnds() *ProtocolError {
	return &ProtocolError{Code: StatusInvalidPayloadData, Err: errors.New("text message ends within a UTF-8 sequence")}
}

func errBadText(b byte) *ProtocolError {
	return &ProtocolError{
		Code: StatusInvalidPayloadData,
		Err:  fmt.Errorf("text message is not valid UTF-8: unexpected byte %#02x", b),
	}
}

// HandshakeError is a failed opening handshake, on either side.
//
// On a server Status is the HTTP status of the refusal that the client was
// sent, and Response is nil. An error of this type returned by [Upgrader].Check
// or CheckOrigin chooses the status, from 300 to 599; any other becomes 403.
//
// On a client Status and Response are those of the server's answer; both are
// zero if there was none that could be read. [Dialer.Dial] and
// [Dialer.Handshake] add up to the first KiB of the body of a refusal;
// [ClientHandshake.Feed] leaves it empty. Status is 101 if the server accepted
// and its response was wrong. If FromProxy is true, Status and Response are
// those of a proxy that refused CONNECT, RFC 9110 section 9.3.6, and the server
// was not asked.
type HandshakeError struct {
	Status    int
	Response  *http.Response
	FromProxy bool
	Err       error

	public    bool // this package made Err, so its text may be sent to the peer
	inOptions bool // the program's options are wrong, so every request is refused
	ofVersion bool // the refusal concerns the version, so it names those that are accepted
}

// Error tells what was expected and what came, and the status of the refusal.
func (e *HandshakeError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("websocket: handshake failed: %s", inner(e.Err))
	}
	return fmt.Sprintf("websocket: handshake failed with status %d: %s", e.Status, inner(e.Err))
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// isHandshakeError reports whether err is or wraps a HandshakeError.
func isHandshakeError(err error) bool {
	_, ok := errors.AsType[*HandshakeError](err)
	return ok
}

// refusef returns the error for a request that the server refuses with status.
func refusef(status int, format string, args ...any) *HandshakeError {
	return &HandshakeError{Status: status, Err: fmt.Errorf(format, args...), public: true}
}

// inner returns the text of err for use inside the text of another error. It
// cuts off the package's prefix, which the other text already has. err is nil
// if a program made an error and left out Err.
func inner(err error) string {
	if err == nil {
		return "no reason given"
	}
	return strings.TrimPrefix(err.Error(), "websocket: ")
}

// errHixie returns the error for sending what the hixie versions do not have.
func errHixie(what string) error {
	return fmt.Errorf("websocket: %s on draft-ietf-hybi-00 or draft-hixie-75, which have only text: %w", what, errors.ErrUnsupported)
}

// errNotUTF8 is returned to a program that sends invalid UTF-8. The package
// checks this only in the hixie versions, where the invalid byte 0xFF ends the
// message.
var errNotUTF8 = errors.New("websocket: text message is not valid UTF-8, which draft-ietf-hybi-00 and draft-hixie-75 cannot carry")

// overError says what failed because the connection is over, and why that is
// so. It wraps [net.ErrClosed].
type overError struct {
	what  string
	cause error
}

func (e *overError) Error() string {
	return "websocket: " + e.what + ": " + strings.TrimPrefix(e.cause.Error(), "websocket: ")
}

func (e *overError) Unwrap() []error { return []error{net.ErrClosed, e.cause} }
