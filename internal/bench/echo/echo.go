// Package echo has the same echo server built on each of the packages that are
// compared, each as its documentation recommends for speed.
package echo

import (
	"fmt"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// maxMessage lets messages of 1 MiB pass in every package.
const maxMessage = 8 << 20

// Server serves connections of l until it is closed.
type Server struct {
	Name  string
	Note  string // how it is configured, and why
	Uses  Use
	Serve func(l net.Listener) error
}

// Use tells in which tables a server stands.
type Use int

// The tables.
const (
	Messages Use = 1 << iota
	Connections
	Idle
	CompressedMessages // each by itself
	TakeoverMessages   // with context takeover
	CompressedIdle     // with context takeover

	all = Messages | Connections | Idle

	// AnyCompressed are the tables of compression.
	AnyCompressed = CompressedMessages | TakeoverMessages | CompressedIdle
)

// Servers are all of them, the rooflines first.
var Servers = []Server{
	{"raw", "TCP echo without any protocol, 64 KiB of buffer a connection: the roofline of messages", Messages | CompressedMessages | TakeoverMessages, serveRaw(64 << 10)},
	{"raw-small", "TCP echo with 512 bytes of buffer a connection: the roofline of connections and memory", Connections | Idle | CompressedIdle, serveRaw(512)},
	{"ours", "Server through net/http; ReadAppend into one slice, BufferMessage: answers leave together, before the next read waits", all | AnyCompressed, serveHTTP(serveOurs(oursUpgrader, echoOurs))},
	{"ours-write", "the same with WriteMessage: each answer leaves at once", Messages, serveHTTP(serveOurs(oursUpgrader, echoOursAtOnce))},
	{"ours-detach", "as ours, with Server.Detach: ServeHTTP returns after the handshake, so that net/http's memory is freed", Connections | Idle, serveHTTP(serveOursDetached)},
	{"ours-accept", "as ours, by Upgrader.Accept on the listener, without net/http", all, serveOursAccept},
	{"gorilla", "Upgrader through net/http with its default buffers, which are those of net/http; NextReader into one bytes.Buffer, WriteMessage", all | CompressedMessages, serveHTTP(serveGorilla(websocket.Upgrader{}))},
	{"gorilla-lean", "the same with buffers of 1,024 bytes as in its documentation, which advises against larger ones than messages are, with a WriteBufferPool, which it recommends for many connections that write little, and in a goroutine as in its chat example, so that net/http's memory is freed", Idle, serveHTTP(serveGorillaLean)},
	{"coder", "Accept through net/http without compression, its default; Reader into one bytes.Buffer, Write", all | AnyCompressed, serveHTTP(serveCoder(nil))},
	{"coder-lean", "the same in a goroutine of its own after Accept, so that net/http's stack is freed", Idle, serveHTTP(serveCoderLean)},
	{"gobwas", "low level, ws.Upgrade on the listener: ws.ReadHeader, ws.Cipher, ws.WriteHeader through bufio of 4 KiB, flushed after each message", all, serveGobwas(false)},
	{"gobwas-flush", "the same, flushed when no input is buffered", Messages, serveGobwas(true)},
	{"gobwas-http", "as gobwas, by ws.UpgradeHTTP through net/http, in a goroutine as in its README", Connections | Idle, serveHTTP(serveGobwasHTTP)},
	{"wsutil", "ws.Upgrade on the listener; wsutil.ReadClientData and WriteServerMessage on the connection, without buffers", all, serveWsutil},
	{"gws", "Upgrader through net/http; event handler with WriteMessage, ReadLoop in a goroutine as in its README; UTF-8 is not checked by default", all | AnyCompressed, serveHTTP(serveGws(gws.PermessageDeflate{}))},
	{"gws-server", "the same by its own Server on the listener, without net/http, as in the quick start of its README", Connections | Idle, serveGwsServer},
	{"xnet", "golang.org/x/net/websocket through net/http; a Codec that keeps the type of a message", all, serveHTTP(serveXnet())},
}

// For returns the names of the servers that stand in a table.
func For(u Use) []string {
	var names []string
	for _, s := range Servers {
		if s.Uses&u != 0 {
			names = append(names, s.Name)
		}
	}
	return names
}

// Named returns the server of that name.
func Named(name string) (Server, error) {
	for _, s := range Servers {
		if s.Name == name {
			return s, nil
		}
	}
	return Server{}, fmt.Errorf("no server %q", name)
}

func serveHTTP(h http.HandlerFunc) func(net.Listener) error {
	return func(l net.Listener) error { return (&http.Server{Handler: h}).Serve(l) }
}

// accept serves each connection in a goroutine.
func accept(l net.Listener, serve func(net.Conn)) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			serve(nc)
		}()
	}
}

func serveRaw(buffer int) func(net.Listener) error {
	return func(l net.Listener) error {
		return accept(l, func(nc net.Conn) {
			b := make([]byte, buffer)
			for {
				n, err := nc.Read(b)
				if err != nil {
					return
				}
				if _, err := nc.Write(b[:n]); err != nil {
					return
				}
			}
		})
	}
}
