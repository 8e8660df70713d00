package websocket

import (
	"slices"
	"time"
	"unicode/utf8"
)

// keepTime is how long a closing handshake that has no room waits for the
// program to read.
const keepTime = time.Second

// drain reads until the peer's Close frame, wherever no goroutine of the program
// does.
func (r *receiver) drain() {
	for {
		switch r.drainOnce() {
		case drainDone:
			return
		case drainPaused:
			r.life.awaitRouse(closeTimeout)
		case drainFull:
			if !r.life.awaitRouse(keepTime) {
				r.dropAhead()
			}
		}
	}
}

// drainResult says what drain does next.
type drainResult uint8

const (
	drainGoesOn drainResult = iota
	drainPaused             // it waits for a read of the program
	drainFull               // it waits until the program has made room
	drainDone
)

func (r *receiver) drainOnce() drainResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || r.life.isLeaving() {
		return drainDone
	}
	if !r.life.beginDrain() {
		return drainPaused
	}
	if r.ahead == nil {
		r.ahead = new(readAhead)
	}
	r.life.message.resume()
	err := r.keepNext()
	wanted := r.life.endDrain()
	switch {
	case r.err != nil:
		return drainDone
	case r.ahead.full:
		return drainFull
	case wanted:
		return drainPaused
	case err != nil && err != errReadDeadline: // a timeout was meant for an earlier read
		return drainDone
	}
	return drainGoesOn
}

// keepNext reads some of what comes next, and keeps it if there is room. It
// never drops what a read of the program has begun, unless the program will not
// read any more.
func (r *receiver) keepNext() error {
	a := r.ahead
	switch {
	case r.abandoned.Load():
		*a = readAhead{dropping: true}
		return r.skipMessage()
	case a.dropping || r.skip:
		return r.skipMessage()
	case r.stream != nil:
		return r.keepRest(r.stream)
	case a.size >= maxAhead:
		a.full = true
		return nil
	}
	begun := r.partial != nil && !a.begun
	if !begun { // otherwise the limits on all messages suffice
		a.limit = maxAhead - a.size
	}
	p, err := r.takeMessage(nil, true)
	a.limit, a.begun = 0, !begun && r.partial != nil
	switch {
	case err == errNoRoom:
		a.full = true
		return nil
	case err == nil && p == nil:
		return r.fill()
	case err == nil:
		a.keep(Message{r.dec.typ, p}, begun)
	}
	return err
}

// dropAhead makes room by dropping everything from here on.
func (r *receiver) dropAhead() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.ahead; a != nil && a.full && r.stream == nil { // Close may have dropped everything
		a.full, a.dropping = false, true
		r.skip = r.dec.open
		r.dropPartial()
	}
}

// keepRest keeps some of the message that m reads, for m.
func (r *receiver) keepRest(m *messageReader) error {
	if len(m.prefix) >= maxAhead {
		r.ahead.full = true
		return nil
	}
	m.prefix = slices.Grow(m.prefix, utf8.UTFMax)
	ev, err := r.decode(&m.prefix)
	switch {
	case err == nil && ev == needInput:
		return r.fill()
	case ev == gotMessage:
		m.ended, r.stream = true, nil
	}
	return err
}

// abandon says that the program will not read any more, so a closing handshake
// need not keep anything.
func (r *receiver) abandon() {
	r.abandoned.Store(true)
	r.life.rouseDrain()
}
