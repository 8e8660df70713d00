package websocket

import (
	"errors"
	"fmt"
	"net"
)

// maxAhead bounds what a closing handshake keeps for later reads of the program,
// in bytes, inflated.
const maxAhead = 64 << 10

// aheadCost is how much of maxAhead a message takes besides its payload.
const aheadCost = 64

// readAhead holds what a closing handshake has read while no goroutine of the
// program was reading. A program that reads in a loop is not reading while it
// handles a message, and must not miss what arrives meanwhile.
type readAhead struct {
	messages []keptMessage
	size     int  // what messages cost, in bytes
	limit    int  // how long the next message may be; 0 if it is not limited
	begun    bool // the message in progress was begun by the closing handshake, and not by the program
	full     bool // there is no room; the closing handshake waits for the program to read
	dropping bool // it has waited for too long; from here on everything is dropped
}

// keptMessage is a message that is kept.
type keptMessage struct {
	Message
	cost int // 0 if a read of the program has begun it
}

// errDropped is returned by reads from where on messages were dropped.
var errDropped = fmt.Errorf("websocket: connection closed by this side, and messages that nobody read were dropped: %w", net.ErrClosed)

// errNoRoom is returned by takeMessage for a message that is too long to keep.
var errNoRoom = errors.New("no room to keep a message")

// keep keeps a message. For one that a read of the program has begun there is
// always room.
func (a *readAhead) keep(m Message, begun bool) {
	kept := keptMessage{Message: m}
	if !begun {
		kept.cost = len(m.Data) + aheadCost
	}
	a.size += kept.cost
	a.messages = append(a.messages, kept)
}

// take returns the next message. There must be one.
func (a *readAhead) take() Message {
	m := a.messages[0]
	a.messages[0] = keptMessage{}
	a.messages = a.messages[1:]
	a.size -= m.cost
	return m.Message
}

// any reports whether there is a message.
func (a *readAhead) any() bool { return a != nil && len(a.messages) > 0 }

// drops reports whether no message is kept any more.
func (a *readAhead) drops() bool { return a != nil && a.dropping }

// tooLong reports whether the message in m must not become longer.
func (a *readAhead) tooLong(m *assembly) bool {
	return a != nil && a.limit > 0 && m.length() > a.limit
}
