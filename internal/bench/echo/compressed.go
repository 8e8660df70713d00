package echo

import (
	"net"
	"net/http"

	coder "github.com/coder/websocket"
	"github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	ours "github.com/protocol-websocket/websocket"
)

// Deflate is how a server uses permessage-deflate.
type Deflate string

// The ways to compress.
const (
	Plain    Deflate = ""         // not at all
	Alone    Deflate = "alone"    // each message by itself
	Takeover Deflate = "takeover" // with references to earlier messages
)

// Offer is what a client offers in Sec-WebSocket-Extensions. With takeover it is
// what browsers offer.
func (d Deflate) Offer() string {
	switch d {
	case Alone:
		return "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	case Takeover:
		return "permessage-deflate; client_max_window_bits"
	}
	return ""
}

// Messages is the table of messages that are answered so.
func (d Deflate) Messages() Use {
	switch d {
	case Alone:
		return CompressedMessages
	case Takeover:
		return TakeoverMessages
	}
	return Messages
}

// CompressedServer is the server of that name in Servers with compression.
type CompressedServer struct {
	Name string
	Note string // how it is configured, and why
	// Handler returns a new handler. What a package shares between connections,
	// those of one handler share.
	Handler func(takeover bool) http.HandlerFunc
}

// Compressed are the servers that can compress. They compress all that they
// send, however short, at the level that is their default.
var Compressed = []CompressedServer{
	{"ours", "WriteMessage, since nothing else is in flight that could leave together; Config.Compression with Threshold 1, and NoContextTakeover without takeover; the window is the default, 12 bits", compressedOurs},
	{"gorilla", "EnableCompression; it has no context takeover", compressedGorilla},
	{"coder", "CompressionContextTakeover or CompressionNoContextTakeover, CompressionThreshold 1; its windows are of 15 bits", compressedCoder},
	{"gws", "PermessageDeflate with Threshold 1 and windows of 12 bits, its default with takeover; a handler has 32 compressors, its default, which connections share", compressedGws},
}

// Compressing returns s with compression. A server that cannot compress is
// returned as it is, which its clients will notice.
func (s Server) Compressing(d Deflate) Server {
	for _, c := range Compressed {
		if d != Plain && c.Name == s.Name {
			s.Serve = func(l net.Listener) error { return serveHTTP(c.Handler(d == Takeover))(l) }
		}
	}
	return s
}

func compressedOurs(takeover bool) http.HandlerFunc {
	u := oursUpgrader
	u.Compression = &ours.Compression{NoContextTakeover: !takeover, Threshold: 1}
	return serveOurs(u, echoOursAtOnce)
}

func compressedGorilla(bool) http.HandlerFunc {
	return serveGorilla(websocket.Upgrader{EnableCompression: true})
}

func compressedCoder(takeover bool) http.HandlerFunc {
	mode := coder.CompressionNoContextTakeover
	if takeover {
		mode = coder.CompressionContextTakeover
	}
	return serveCoder(&coder.AcceptOptions{CompressionMode: mode, CompressionThreshold: 1})
}

func compressedGws(takeover bool) http.HandlerFunc {
	return serveGws(gws.PermessageDeflate{
		Enabled: true, Threshold: 1, ServerContextTakeover: takeover, ClientContextTakeover: takeover,
		ServerMaxWindowBits: 12, ClientMaxWindowBits: 12,
	})
}
