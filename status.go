package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// StatusCode is the code of a Close frame, RFC 6455 section 7.4. Codes 3000 to
// 3999 are registered with IANA by libraries and frameworks, 4000 to 4999 are
// free for programs.
type StatusCode uint16

// The status codes of RFC 6455 section 7.4.1 and the IANA registry.
const (
	StatusNormalClosure      StatusCode = 1000 // done
	StatusGoingAway          StatusCode = 1001 // server shutting down, page left
	StatusProtocolError      StatusCode = 1002 // peer broke the protocol
	StatusUnsupportedData    StatusCode = 1003 // a type of message that is not taken
	StatusNoStatusReceived   StatusCode = 1005 // never sent: the Close frame had no code
	StatusAbnormalClosure    StatusCode = 1006 // never sent: there was no Close frame
	StatusInvalidPayloadData StatusCode = 1007 // text that is not UTF-8
	StatusPolicyViolation    StatusCode = 1008 // none of the others fits
	StatusMessageTooBig      StatusCode = 1009 // a limit was exceeded
	StatusMandatoryExtension StatusCode = 1010 // client: server refused an extension
	StatusInternalError      StatusCode = 1011 // server failed
	StatusServiceRestart     StatusCode = 1012 // server restarting
	StatusTryAgainLater      StatusCode = 1013 // server overloaded
	StatusBadGateway         StatusCode = 1014 // gateway got no valid answer
	StatusTLSHandshake       StatusCode = 1015 // never sent: TLS failed
)

var statusNames = map[StatusCode]string{
	StatusNormalClosure: "normal closure", StatusGoingAway: "going away",
	StatusProtocolError: "protocol error", StatusUnsupportedData: "unsupported data",
	StatusNoStatusReceived: "no status received", StatusAbnormalClosure: "abnormal closure",
	StatusInvalidPayloadData: "invalid payload data", StatusPolicyViolation: "policy violation",
	StatusMessageTooBig: "message too big", StatusMandatoryExtension: "mandatory extension",
	StatusInternalError: "internal error", StatusServiceRestart: "service restart",
	StatusTryAgainLater: "try again later", StatusBadGateway: "bad gateway",
	StatusTLSHandshake: "TLS handshake",
}

// String returns the number, and the name of codes that have one.
func (s StatusCode) String() string {
	name, ok := statusNames[s]
	if !ok {
		return strconv.Itoa(int(s))
	}
	return strconv.Itoa(int(s)) + " (" + name + ")"
}

// sendable reports whether a Close frame may have the code s, RFC 6455 section
// 7.4.2 and the registry. 1004 is reserved. Programs use 1005, 1006 and 1015 to
// report what happened, and never send them. Other codes below 3000 are not
// assigned.
func (s StatusCode) sendable() bool {
	switch {
	case s >= 1000 && s <= 1003, s >= 1007 && s <= 1014, s >= 3000 && s <= 4999:
		return true
	}
	return false
}

// maxControlPayload is the maximum payload of a control frame in bytes, RFC
// 6455 section 5.5. maxReason is what the code of a Close frame leaves for the
// reason.
const (
	maxControlPayload = 125
	maxReason         = maxControlPayload - 2
)

// appendClosePayload appends the payload of a Close frame, RFC 6455 section
// 5.5.1. With StatusNoStatusReceived and no reason the payload is empty.
func appendClosePayload(dst []byte, code StatusCode, reason string) ([]byte, error) {
	switch {
	case code == StatusNoStatusReceived && reason == "":
		return dst, nil
	case code == StatusNoStatusReceived:
		return dst, errors.New("websocket: close reason without a status code: expected a code before the reason, because 1005 means that there is none")
	case !code.sendable():
		return dst, fmt.Errorf("websocket: status code %d may not be sent: expected 1000-1003, 1007-1014 or 3000-4999", code)
	case len(reason) > maxReason:
		return dst, fmt.Errorf("websocket: close reason of %d bytes: expected at most %d", len(reason), maxReason)
	case !utf8.ValidString(reason):
		return dst, fmt.Errorf("websocket: close reason is not valid UTF-8: %q", reason)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...), nil
}

// parseClosePayload parses and checks the payload of a Close frame.
func parseClosePayload(v Version, p []byte) (*CloseError, *ProtocolError) {
	if len(p) == 0 {
		return &CloseError{Code: StatusNoStatusReceived}, nil
	}
	if len(p) == 1 {
		return nil, protocolErrorf("Close frame with a payload of 1 byte: expected none, or a status code of 2 bytes")
	}
	code := StatusCode(binary.BigEndian.Uint16(p))
	if !code.sendable() && !(code == 1004 && v.traits().code1004) {
		return nil, protocolErrorf("Close frame with status code %d: expected 1000-1003, 1007-1014 or 3000-4999", code)
	}
	if !utf8.Valid(p[2:]) {
		return nil, &ProtocolError{Code: StatusInvalidPayloadData, Err: fmt.Errorf("Close frame whose reason is not valid UTF-8: %q", p[2:])}
	}
	return &CloseError{Code: code, Reason: string(p[2:])}, nil
}
