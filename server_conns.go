package websocket

import (
	"context"
	"maps"
	"net/http"
	"sync"
)

// serverConns knows the requests and connections of a Server, and ends them. A
// connection counts until it is over, and so longer than its handler runs. The
// zero value is ready to use. mu is not held while a connection is ended.
type serverConns struct {
	mu      sync.Mutex
	active  int // requests, handlers that have outlived theirs, and connections in all
	all     map[*Conn]context.CancelCauseFunc
	closing bool          // nothing new is accepted
	hard    bool          // connections are ended without a Close frame
	idle    chan struct{} // made when closing begins, closed when active is 0

	// They end when closing begins, and when hard is set; made when needed.
	opening, untilHard       context.Context
	endOpening, endUntilHard context.CancelFunc
}

// enter counts a request until leave, unless closing has begun. It returns two
// contexts: one that ends when closing begins, and one that ends when even what
// is being sent must end.
func (s *serverConns) enter() (opening, untilHard context.Context, counted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeContexts()
	if !s.closing {
		s.active++
	}
	return s.opening, s.untilHard, !s.closing
}

// makeContexts makes opening and untilHard if need be. mu must be locked.
func (s *serverConns) makeContexts() {
	if s.opening == nil {
		s.opening, s.endOpening = context.WithCancel(context.Background())
		s.untilHard, s.endUntilHard = context.WithCancel(context.Background())
	}
}

// enterHandler counts a handler that outlives its request. The request must still
// be counted.
func (s *serverConns) enterHandler() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
}

// leave undoes enter, enterHandler or add.
func (s *serverConns) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	if s.closing && s.active == 0 {
		close(s.idle)
	}
}

// add counts a connection until it is over, and calls cancel then or when
// closing begins. If closing has begun, it ends the connection and returns
// false.
func (s *serverConns) add(c *Conn, cancel context.CancelCauseFunc) (open bool) {
	s.mu.Lock()
	if s.all == nil {
		s.all = make(map[*Conn]context.CancelCauseFunc)
	}
	s.all[c] = cancel
	s.active++
	closing, hard := s.closing, s.hard
	s.mu.Unlock()
	c.life.onEnd(func() {
		cancel(nil)
		s.remove(c)
	})
	if closing {
		c.rcv.abandon()
		dismiss(c, cancel, hard)
	}
	return !closing
}

func (s *serverConns) remove(c *Conn) {
	s.mu.Lock()
	delete(s.all, c)
	s.mu.Unlock()
	s.leave()
}

// shutdown closes all connections, in the background: with very many it takes
// time, which the caller may not have. It returns a channel that is closed when
// nothing is left.
func (s *serverConns) shutdown() (idle <-chan struct{}) {
	all, idle := s.beginClosing(false)
	go func() {
		for c, cancel := range all {
			dismiss(c, cancel, false)
		}
	}()
	return idle
}

// close ends all connections at once.
func (s *serverConns) close() {
	all, _ := s.beginClosing(true)
	for c, cancel := range all {
		dismiss(c, cancel, true)
	}
}

// dismiss ends a connection, and the context of its handler.
func dismiss(c *Conn, cancel context.CancelCauseFunc, hard bool) {
	cancel(http.ErrServerClosed)
	if hard {
		c.life.end(errClosed)
	} else {
		_ = c.CloseWith(StatusGoingAway, "")
	}
}

// beginClosing ends all handshakes and lets nothing new in. It returns the
// connections that are not over, and the channel that is closed when nothing is
// left.
func (s *serverConns) beginClosing(hard bool) (map[*Conn]context.CancelCauseFunc, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.closing = true
		s.makeContexts()
		s.endOpening()
		if s.idle = make(chan struct{}); s.active == 0 {
			close(s.idle)
		}
	}
	if hard {
		s.hard = true
		s.endUntilHard()
	}
	return maps.Clone(s.all), s.idle
}
