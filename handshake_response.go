package websocket

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/protocol-websocket/websocket/internal/origin"
)

// This file holds what a client requires of a response, and what it says about
// one that it does not accept.

// checkResponse compares the response with the request, RFC 6455 section 4.1
// from "Once the client's opening handshake has been sent".
func (h *ClientHandshake) checkResponse() error {
	if h.res.StatusCode != http.StatusSwitchingProtocols {
		return h.refusal()
	}
	if err := checkSwitch(h.res); err != nil {
		return err
	}
	check := h.checkOriginAndLocation
	if h.version.traits().proof == proofAccept {
		check = h.checkAccept
	}
	if err := check(); err != nil {
		return err
	}
	if err := h.takeExtensions(); err != nil {
		return err
	}
	return h.takeSubprotocol()
}

// checkSwitch checks what a 101 has in all versions. Upgrade must be one value,
// because a list leaves open what the server has switched to. Connection may be
// a list, also one with close.
func checkSwitch(res *http.Response) error {
	header := res.Header
	switch upgrade := header["Upgrade"]; {
	case res.Proto != "HTTP/1.1":
		return fmt.Errorf("server answered 101 in %s: expected HTTP/1.1: %s", res.Proto, adviseProxy)
	case len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket"):
		return fmt.Errorf("header Upgrade of the response is %s: expected websocket and nothing else: %s", came(upgrade), adviseProxy)
	case !hasToken(header, "Connection", "upgrade"):
		return fmt.Errorf("header Connection of the response is %s: expected Upgrade: %s", came(header["Connection"]), adviseProxy)
	}
	return nil
}

// came returns the values of a header as they came, for the text of an error.
func came(values []string) string {
	if len(values) == 0 {
		return "missing"
	}
	return fmt.Sprintf("%.80q", strings.Join(values, ", "))
}

func (h *ClientHandshake) checkAccept() error {
	const advice = "the server did not read this request: is it a WebSocket server, or did a cache answer?"
	accept, err := single(h.res.Header, "Sec-Websocket-Accept")
	if err != nil {
		return fmt.Errorf("response: %w: %s", err, advice)
	}
	if want := acceptFor(h.key); accept != string(want[:]) {
		return fmt.Errorf("Sec-WebSocket-Accept of the response is %.80q: expected %q: %s", accept, want, advice)
	}
	return nil
}

func (h *ClientHandshake) takeExtensions() (err error) {
	values := h.res.Header["Sec-Websocket-Extensions"]
	if !h.version.traits().extensions || isEmptyList(values) {
		return nil
	}
	compression := h.dialer.Compression
	if !h.version.traits().offersDeflate {
		compression = nil
	}
	h.agreed, err = compression.agreed(values)
	return err
}

// takeSubprotocol takes the subprotocol that the server chose. Some servers send
// an empty header for none, and some send the header twice. What counts is that
// there is no doubt about what was chosen.
func (h *ClientHandshake) takeSubprotocol() error {
	chosen := ""
	for element := range listElements(h.res.Header[h.version.traits().protocolHeader]) {
		switch {
		case chosen == "" && slices.Contains(h.dialer.Subprotocols, element):
			chosen = element
		case chosen == "":
			return fmt.Errorf("server chose the subprotocol %.80q: the client offered %q: is it in Dialer.Subprotocols, in the same case?", element, h.dialer.Subprotocols)
		case chosen != element:
			return fmt.Errorf("server chose the subprotocols %.80q and %.80q: expected one", chosen, element)
		}
	}
	h.subprotocol = chosen
	return nil
}

// refusal returns what is wrong with a status other than 101, and what to do.
func (h *ClientHandshake) refusal() error {
	status, header := h.res.Status, h.res.Header
	versions := header["Sec-Websocket-Version"]
	switch location := header.Get("Location"); {
	case !isEmptyList(versions) && !h.acceptedBy(versions):
		return fmt.Errorf("server answered %.80q: it does not accept version %v: it accepts %.80q: set Dialer.Version", status, h.version, strings.Join(versions, ", "))
	case location != "":
		return fmt.Errorf("server answered %.80q with Location %s: expected 101: redirects are not followed: dial that URL if you trust it", status, origin.Quote(location))
	case advice[h.res.StatusCode] != "":
		return fmt.Errorf("server answered %.80q: expected 101: %s", status, advice[h.res.StatusCode])
	}
	return fmt.Errorf("server answered %.80q: expected 101", status)
}

// acceptedBy reports whether the version is among those of a server's
// Sec-WebSocket-Version, which it may send with refusals for other reasons.
func (h *ClientHandshake) acceptedBy(versions []string) bool {
	for number := range listElements(versions) {
		if number == h.version.traits().number {
			return true
		}
	}
	return false
}

const (
	adviseProxy = "a proxy in between, if any, must use HTTP/1.1 and pass Upgrade and Connection (nginx: proxy_http_version 1.1)"
	adviseTLS   = "use wss or https in the URL"
)

// advice says, for statuses of refusals, where to look for the cause.
var advice = map[int]string{
	http.StatusOK:                      "is the path of the URL that of a WebSocket server? " + adviseProxy,
	http.StatusBadRequest:              "the server did not take the request for a handshake: if it expects TLS, " + adviseTLS + "; " + adviseProxy,
	http.StatusUnauthorized:            "set Authorization in Dialer.Header, or put user and password into the URL",
	http.StatusForbidden:               "is Origin, in Dialer.Header, one that the server allows? Does a proxy in between pass Host?",
	http.StatusNotFound:                "is the path of the URL right? " + adviseProxy,
	http.StatusMethodNotAllowed:        "is the path of the URL that of a WebSocket server?",
	http.StatusProxyAuthRequired:       "a proxy in between wants credentials: set Proxy-Authorization in Dialer.Header, or Dialer.Proxy",
	http.StatusUpgradeRequired:         "the server did not see Upgrade: " + adviseProxy,
	http.StatusTooManyRequests:         "try again later, see Retry-After",
	http.StatusInternalServerError:     "look at the server's log",
	http.StatusNotImplemented:          "is the path of the URL that of a WebSocket server?",
	http.StatusBadGateway:              "a proxy in between had no valid answer from the server: does the server run? " + adviseProxy,
	http.StatusServiceUnavailable:      "try again later, see Retry-After",
	http.StatusGatewayTimeout:          "a proxy in between had no answer from the server in time: does the server run?",
	http.StatusHTTPVersionNotSupported: adviseProxy,
}

// otherProtocol says what a peer speaks whose first bytes are b, if it is not
// HTTP/1, and returns "" if it may be HTTP/1. It needs few bytes, because most
// peers then wait, or end the connection.
func otherProtocol(b []byte) string {
	const http1 = "HTTP/"
	switch {
	case len(b) >= 2 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 3: // RFC 8446 section 5.1: alert or handshake
		return "server speaks TLS, and the client does not: " + adviseTLS
	case len(b) >= 4 && b[0] == 0 && (b[3] == 4 || b[3] == 7): // RFC 9113 section 4.1: SETTINGS or GOAWAY
		return "server speaks HTTP/2 alone: expected HTTP/1.1, which its address for WebSocket must accept"
	case len(b) >= 4 && string(b[:4]) == "SSH-":
		return "server speaks SSH: expected an HTTP response: is the port of the URL right?"
	case len(b) >= len(http1) && !bytes.HasPrefix(b, []byte(http1)):
		return fmt.Sprintf("server sent what is not an HTTP response, but begins with %.40q: expected HTTP/1.1: is the port of the URL right?", b)
	}
	return ""
}
