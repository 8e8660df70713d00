package websocket

// Trace is a set of hooks that are told what happens on connections, after
// net/http/httptrace.ClientTrace. Each hook may be nil. Hooks are called from
// the goroutine in which the thing happens, possibly several at once, and
// while locks are held: they must be quick, and of the connection's methods may
// call only those that return a property, such as Version and RemoteAddr.
type Trace struct {
	// Opened is told of a connection whose handshake succeeded.
	Opened func(c *Conn)

	// HandshakeFailed is told of a handshake that did not: as a server, of
	// requests that were refused; as a client, of dials that failed.
	HandshakeFailed func(err error)

	// FrameRead and FrameWritten are told of the header of each frame that was
	// received, and that was built to be sent.
	FrameRead, FrameWritten func(c *Conn, f FrameInfo)

	// Closed is told once that the connection is over, and why: a [CloseError]
	// after the peer's Close frame, which may have answered ours, a
	// [ProtocolError], an error that wraps [net.ErrClosed] after Close or
	// [context.DeadlineExceeded] after a Shutdown that was not answered in
	// time, [ErrPingTimeout], or what the network said.
	Closed func(c *Conn, err error)
}

// FrameInfo describes a frame to [Trace], RFC 6455 section 5.2.
type FrameInfo struct {
	Type   MessageType // Continuation for all frames of a message but the first
	Fin    bool        // last frame of its message
	RSV    byte        // the reserved bits: RSV1 is 4, RSV2 is 2, RSV3 is 1
	Length int64       // of the payload in bytes, compressed if RSV1 is set; -1 for a frame received in a version without lengths
}

func (t *Trace) handshakeFailed(err error) {
	if err != nil && t != nil && t.HandshakeFailed != nil {
		t.HandshakeFailed(err)
	}
}
