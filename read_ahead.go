package websocket

import (
	"errors"
	"fmt"
	"net"
)

// maxAhead bounds what a closing handshake keeps for later reads of the program,
// in bytes.
const maxAhead = 64 << 10

// aheadCost is how much of maxAhead a message takes besides its payload.
const aheadCost = 64

// readAhead holds what a closing handshake has read while no goroutine of the
// program was reading. A program that reads in a loop is not reading while it
// handles a message, and must not miss what arrives meanwhile.
type readAhead struct {
	messages []Message
	size     int  // of messages, in bytes
	dropping bool // there was no room; from here on everything is dropped
	paused   bool // a message that NextReader has begun needs the program to read
	limit    int  // how long the next message may be; 0 if it is not limited
}

// errDropped is returned by reads from where on messages were dropped.
var errDropped = fmt.Errorf("websocket: connection closed by this side, and messages that nobody read were dropped: %w", net.ErrClosed)

// errNoRoom is returned by takeMessage for a message that is too long to keep.
var errNoRoom = errors.New("no room to keep a message")

// keep keeps a message. If it has no room for more, it drops it and all that
// follow, except that there is always room for a message that a read has begun.
func (a *readAhead) keep(m Message, begun bool) {
	if len(a.messages) == 0 {
		a.size = 0
	}
	if !begun {
		a.size += len(m.Data) + aheadCost
	}
	if a.dropping = a.size > maxAhead; !a.dropping {
		a.messages = append(a.messages, m)
	}
}

// take returns the next message, appended to b or, if exact is set, in memory of
// its own. There must be one. Inlining it would enlarge the stack frame in which
// an idle connection waits.
//
//go:noinline
func (a *readAhead) take(b []byte, exact bool) (MessageType, []byte, error) {
	m := a.messages[0]
	a.messages[0] = Message{}
	a.messages = a.messages[1:]
	if exact {
		return m.Type, m.Data, nil
	}
	return m.Type, append(b, m.Data...), nil
}

// any reports whether there is a message.
func (a *readAhead) any() bool { return a != nil && len(a.messages) > 0 }

// drops reports whether no message is kept any more.
func (a *readAhead) drops() bool { return a != nil && a.dropping }

// tooLong reports whether the message in m must not become longer.
func (a *readAhead) tooLong(m *assembly) bool {
	return a != nil && a.limit > 0 && m.size+len(m.b)-m.start > a.limit
}
