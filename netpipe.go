package websocket

import (
	"net"

	"github.com/protocol-websocket/websocket/internal/netx"
)

// NetPipe returns the two ends of a connection in memory, for tests of programs
// that use this package: one end is for [Server.ServeConn] or [Upgrader.Accept],
// the other for [Dialer.Handshake].
//
// Unlike [net.Pipe] it has a buffer of 64 KiB for each direction, as the sockets
// of a system have: a Write returns without waiting for a Read at the other end,
// as long as there is room. Deadlines work as on every [net.Conn]. Each end has a
// method CloseWrite, after which the other end reads [io.EOF]. It works in
// testing/synctest. Both ends may be used by many goroutines at once.
func NetPipe() (a, b net.Conn) { return netx.Pipe() }
