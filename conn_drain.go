package websocket

import (
	"slices"
	"unicode/utf8"
)

// drain reads until the peer's Close frame, wherever no goroutine of the program
// does.
func (r *receiver) drain() {
	for {
		switch r.drainOnce() {
		case drainDone:
			return
		case drainPaused:
			r.life.awaitRouse()
		}
	}
}

// drainResult says what drain does next.
type drainResult uint8

const (
	drainGoesOn drainResult = iota
	drainPaused             // it waits until rouse is called
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
	err := r.keepNext()
	wanted := r.life.endDrain()
	switch {
	case r.err != nil:
		return drainDone
	case wanted || r.ahead.paused:
		return drainPaused
	case err != nil && err != errReadTimeout: // a timeout was meant for an earlier read
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
	}
	begun := r.partial != nil
	if !begun { // otherwise the limits on all messages suffice
		a.limit = max(1, maxAhead-a.size)
	}
	p, err := r.takeMessage(nil, true)
	a.limit = 0
	switch {
	case err == errNoRoom:
		a.dropping, r.partial, r.skip = true, nil, r.dec.open
		return nil
	case err == nil && p == nil:
		return r.fill()
	case err == nil:
		a.keep(Message{r.dec.typ, p}, begun)
	}
	return err
}

// keepRest keeps some of the message that m reads, for m.
func (r *receiver) keepRest(m *messageReader) error {
	if len(m.prefix) >= maxAhead {
		r.ahead.paused = true
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
