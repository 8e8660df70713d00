package websocket

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
)

// "Errors say what was expected, what came and whose fault it is, prefixed
// websocket: ", and prefixed once.
func TestErrorTexts(t *testing.T) {
	tooBig := errTooBig("%d bytes", 7)
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"ErrMessageTooBig", ErrMessageTooBig, "websocket: message too big"},
		{"ErrIncomplete", ErrIncomplete, "websocket: message incomplete: append more bytes"},
		{"ErrPingTimeout", ErrPingTimeout, "websocket: peer did not answer the keepalive Ping in time"},
		{"closed", errClosed, "websocket: connection closed by this side: use of closed network connection"},
		{"write closed", errWriteClosed, "websocket: write after the Close frame: use of closed network connection"},
		{"end of stream", errEOF, "websocket: peer ended the connection without a Close frame: unexpected EOF"},
		{"read timeout", errReadDeadline, "websocket: read deadline exceeded"},
		{"write timeout", errWriteDeadline, "websocket: write deadline exceeded"},
		{"CloseError", &CloseError{Code: StatusGoingAway}, "websocket: peer closed the connection: 1001 (going away)"},
		{"CloseError with a reason", &CloseError{Code: 4000, Reason: "bye\n"}, `websocket: peer closed the connection: 4000: "bye\n"`},
		{"ProtocolError", protocolErrorf("frame with reserved opcode 3"), "websocket: peer broke the protocol (1002): frame with reserved opcode 3"},
		{"ProtocolError of a limit", tooBig, "websocket: peer exceeded a limit (1009): message too big: 7 bytes"},
		{"ProtocolError without a reason", &ProtocolError{Code: 1002}, "websocket: peer broke the protocol (1002): no reason given"},
		{"HandshakeError", refusef(403, "no"), "websocket: handshake failed with status 403: no"},
		{"HandshakeError of a prefixed one", &HandshakeError{Status: 500, Err: errClosed}, "websocket: handshake failed with status 500: connection closed by this side: use of closed network connection"},
		{"HandshakeError without a status", &HandshakeError{Err: io.EOF}, "websocket: handshake failed: EOF"},
		{"HandshakeError of a status only", &HandshakeError{Status: 401}, "websocket: handshake failed with status 401: no reason given"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("text is\n%s\nexpected\n%s", got, tt.want)
			}
		})
	}
}

// errors.Is and errors.As find in errors what programs look for.
func TestErrorChains(t *testing.T) {
	cause := errors.New("cause")
	for _, tt := range []struct {
		name   string
		err    error
		target error
	}{
		{"closed", errClosed, net.ErrClosed},
		{"write closed", errWriteClosed, net.ErrClosed},
		{"end of stream", errEOF, io.ErrUnexpectedEOF},
		{"read timeout", errReadDeadline, os.ErrDeadlineExceeded},
		{"write timeout", errWriteDeadline, os.ErrDeadlineExceeded},
		{"hixie", errHixie("Ping"), errors.ErrUnsupported},
		{"too big", errTooBig("%d bytes", 7), ErrMessageTooBig},
		{"ProtocolError", &ProtocolError{Code: 1002, Err: cause}, cause},
		{"HandshakeError", &HandshakeError{Err: cause}, cause},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !errors.Is(tt.err, tt.target) {
				t.Errorf("%v is not %v", tt.err, tt.target)
			}
			if !strings.HasPrefix(tt.err.Error(), "websocket: ") {
				t.Errorf("%q does not tell that it is this package's", tt.err)
			}
		})
	}
}
