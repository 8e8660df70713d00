package websocket_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// What this kit shares with those of other packages.
type (
	pipeLink    = testkit.PipeLink
	noDeadlines = testkit.NoDeadlines
)

var (
	readHead      = testkit.ReadHead
	sendStep      = testkit.SendStep
	relayConnect  = testkit.RelayConnect
	newTLSConfigs = testkit.NewTLSConfigs
	checkLinear   = testkit.CheckLinear
)

// noProxy is for Dialers that must not look at the environment.
func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// dialerOver returns d with connections over link.
func dialerOver(d websocket.Dialer, link *pipeLink) *websocket.Dialer {
	d.DialContext = link.Dial
	d.Proxy = noProxy
	return &d
}

// readRequest reads a request as a server of version v does.
func readRequest(nc net.Conn, v websocket.Version) string {
	request := readHead(nc)
	if v == websocket.Hybi00 {
		key3 := make([]byte, len(hixieKey3))
		io.ReadFull(nc, key3)
		request += string(key3)
	}
	return request
}

// answerWith returns a server of version v that sends its response and then
// more, in pieces of size, and reads to the end.
func answerWith(v websocket.Version, more string, size int) func(net.Conn) {
	return func(nc net.Conn) {
		_, response, _, err := serve(nil, readRequest(nc, v))
		if err != nil {
			response = err.Error()
		}
		for piece := range slices.Chunk([]byte(response+more), size) {
			nc.Write(piece)
		}
		io.Copy(io.Discard, nc)
	}
}

// checkEcho fails unless the peer of c echoes.
func checkEcho(t *testing.T, c *websocket.Conn) {
	t.Helper()
	if err := c.WriteMessage(websocket.Text, []byte("to and fro")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.ReadMessage(); err != nil || string(got) != "to and fro" {
		t.Fatalf("echo %q, %v", got, err)
	}
}
