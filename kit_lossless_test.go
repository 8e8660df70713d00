package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/protocol-websocket/websocket"
)

// losslessWriters and losslessReaders are how many goroutines write and read on
// each side of a losslessRound.
const (
	losslessWriters = 8
	losslessReaders = 2
)

// losslessRound is one connection on both sides of which many goroutines write
// numbered messages and read, while others send Pings and move deadlines, until
// an end comes.
type losslessRound struct {
	t        *testing.T
	seed     uint64
	v        websocket.Version
	count    int           // how many messages each writer sends
	oneByOne bool          // readers take turns, so that they may use NextReader
	streams  bool          // writers may use NextWriter
	loops    bool          // readers may use Messages with a context
	cut      bool          // the end may cut a message off, so reads may miss the peer's Close
	c, peer  *losslessSide // c ends the connection

	endAt    int64 // how many messages are written when end is closed
	written  atomic.Int64
	end      chan struct{}
	endOnce  sync.Once
	ended    chan struct{} // closed once both sides are over
	stalled  bool          // the process stood still for so long that the end ran into its bound
	stopTalk chan struct{}
}

// losslessSide is one side of a losslessRound.
type losslessSide struct {
	*losslessRound
	c    *websocket.Conn
	name string
	sent [losslessWriters]int                    // how many messages of each writer had a nil error
	got  [losslessReaders][losslessWriters][]int // what each reader got of each writer of the peer
	last [losslessReaders]error                  // with what each reader ended

	turn  sync.Mutex    // held during a read if oneByOne is set
	pause chan struct{} // if not nil, readers stop at the end and go on once it is closed
}

// newLosslessRound makes a round. All that is not given follows from seed.
func newLosslessRound(t *testing.T, v websocket.Version, transport string, seed uint64, count int) *losslessRound {
	r := newRand(seed)
	opts := pairOptions{}
	if r.IntN(2) == 0 {
		opts.server.PingInterval, opts.server.PingTimeout = time.Millisecond, time.Minute
		opts.client.PingInterval, opts.client.PingTimeout = 2*time.Millisecond, time.Minute
	}
	if z := r.IntN(3); z > 0 && !isHixie(v) {
		opts.server.Compression = &websocket.Compression{Threshold: 100, NoContextTakeover: z == 2}
		opts.client.Compression = opts.server.Compression
	}
	if (transport == overPipe || transport == overMemory) && !isHixie(v) && r.IntN(4) == 0 {
		opts.wrapServer = func(nc net.Conn) net.Conn { return noDeadlines{Conn: nc} }
	}
	server, client := newPair(t, v, transport, opts)
	l := &losslessRound{t: t, seed: seed, v: v, count: count, end: make(chan struct{}), ended: make(chan struct{}), stopTalk: make(chan struct{})}
	l.oneByOne, l.streams, l.loops = r.IntN(2) == 0, r.IntN(3) > 0, opts.wrapServer == nil
	l.endAt = r.Int64N(int64(2*losslessWriters*count) + 1)
	l.c = &losslessSide{losslessRound: l, c: server, name: "server"}
	l.peer = &losslessSide{losslessRound: l, c: client, name: "client"}
	if r.IntN(2) == 0 {
		l.c, l.peer = l.peer, l.c
	}
	return l
}

// run runs the round. It calls end when it is time, with the side that ends the
// connection and its peer.
func (l *losslessRound) run(end func(c, peer *losslessSide)) {
	watchdog := time.AfterFunc(time.Minute+time.Duration(l.count)*10*time.Millisecond, func() {
		panic(fmt.Sprintf("round %d of %s hangs:\n%s", l.seed, l.t.Name(), allStacks()))
	})
	defer watchdog.Stop()
	var writers, readers, talkers sync.WaitGroup
	for n, s := range []*losslessSide{l.c, l.peer} {
		for w := range losslessWriters {
			writers.Go(func() { s.write(w, newRand(l.seed+uint64(100*n+w))) })
		}
		for id := range losslessReaders {
			readers.Go(func() { s.read(id, newRand(l.seed+uint64(1000*n+id))) })
		}
		talkers.Go(func() { s.talk(newRand(l.seed + uint64(10*n))) })
	}
	go func() {
		writers.Wait()
		l.itIsTime()
	}()
	<-l.end
	start := time.Now()
	halfway := l.watch(websocket.CloseTimeout / 2)
	end(l.c, l.peer)
	<-websocket.Over(l.c.c)
	<-websocket.Over(l.peer.c)
	close(l.ended)
	took, stacks := time.Since(start), <-halfway
	l.stalled = took >= websocket.CloseTimeout && stacks == ""
	if took >= websocket.CloseTimeout && !l.stalled {
		l.t.Errorf("round %d: the end took %v; halfway:\n%s", l.seed, took, stacks)
	}
	close(l.stopTalk)
	talkers.Wait()
	if l.c.pause != nil {
		close(l.c.pause)
	}
	writers.Wait()
	readers.Wait()
}

// allStacks returns where all goroutines are.
func allStacks() []byte {
	stacks := make([]byte, 1<<20)
	return stacks[:runtime.Stack(stacks, true)]
}

// watch returns where all goroutines are after d. That is nothing if both sides
// are over before, or if the whole process stood still meanwhile.
func (l *losslessRound) watch(d time.Duration) <-chan string {
	stacks := make(chan string, 1)
	start := time.Now()
	go func() {
		select {
		case <-time.After(d):
			if time.Since(start) < 2*d-d/4 {
				stacks <- string(allStacks())
			}
		case <-l.ended:
		}
		close(stacks)
	}()
	return stacks
}

func (l *losslessRound) itIsTime() { l.endOnce.Do(func() { close(l.end) }) }

// numberedBy returns the i-th message of writer w. All of it follows from w and
// i.
func numberedBy(w, i int) []byte {
	n := 20 + (w*31+i*17)%180
	switch (w*7 + i) % 50 {
	case 13:
		n = 3_000 + i%2_000
	case 31:
		n = 20_000 + i%1_000
	case 47:
		if i%4 == 0 {
			n = websocket.MaxQueue + 5_000
		}
	}
	p := fmt.Appendf(make([]byte, 0, n), "%d %d %d ", w, i, n)
	return append(p, bytes.Repeat([]byte{'a' + byte(i%26)}, n-len(p))...)
}

// write sends the messages of writer w until one fails.
func (s *losslessSide) write(w int, r *rand.Rand) {
	for i := range s.count {
		err := s.writeOne(numberedBy(w, i), r)
		if err == nil {
			s.sent[w]++
			if s.written.Add(1) >= s.endAt {
				s.itIsTime()
			}
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.t.Errorf("round %d: writer %d of the %s: %v, although no deadline has passed", s.seed, w, s.name, err)
		}
		return
	}
}

// writeOne sends one message in any way.
func (s *losslessSide) writeOne(p []byte, r *rand.Rand) error {
	switch way := r.IntN(10); {
	case way < 4:
		return s.c.WriteMessage(websocket.Text, p)
	case way < 6:
		err := s.c.BufferMessage(websocket.Text, p)
		if err == nil && r.IntN(3) == 0 {
			_ = s.c.Flush() // the message was queued; what the end does to Flush does not matter
		}
		return err
	case way < 8:
		m, err := websocket.Prepare(websocket.Text, p)
		if err == nil {
			err = s.c.WritePrepared(m)
		}
		return err
	case !s.streams:
		return s.c.WriteMessage(websocket.Text, p)
	}
	w, err := s.c.NextWriter(websocket.Text)
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(p, 1+r.IntN(len(p))) {
		if _, err = w.Write(piece); err != nil {
			break
		}
	}
	return errors.Join(err, w.Close())
}

// read reads until the connection has ended, whatever deadlines pass.
func (s *losslessSide) read(id int, r *rand.Rand) {
	for {
		if s.pause != nil {
			select {
			case <-s.end:
				<-s.pause
			default:
			}
		}
		err := s.readSome(id, r)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !isContextError(err) {
			s.last[id] = err
			return
		}
	}
}

// isContextError reports whether err is that of a context that has ended, and
// not the one after a closing handshake that was not finished in time.
func isContextError(err error) bool {
	return err == context.Canceled || err == context.DeadlineExceeded
}

// readSome reads one message or a few, in any way.
func (s *losslessSide) readSome(id int, r *rand.Rand) error {
	if s.oneByOne {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	way := r.IntN(4)
	if way == 2 && !s.loops || way == 3 && !s.oneByOne { // another reader would skip what NextReader has begun
		way = 0
	}
	switch way {
	case 1:
		_, p, err := s.c.ReadAppend([]byte("before"))
		if err == nil {
			s.note(id, p[len("before"):])
		}
		return err
	case 2:
		return s.readLoop(id, r)
	case 3:
		return s.readPieces(id, r)
	}
	_, p, err := s.c.ReadMessage()
	if err == nil {
		s.note(id, p)
	}
	return err
}

// readLoop reads with Messages until its context ends, or for a few messages.
func (s *losslessSide) readLoop(id int, r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(1000))*time.Microsecond)
	defer cancel()
	left := 1 + r.IntN(5)
	for m, err := range s.c.Messages(ctx) {
		if err != nil {
			return err
		}
		s.note(id, m.Data)
		if left--; left == 0 {
			break
		}
	}
	return nil
}

// readPieces reads a message with NextReader, whatever deadlines pass meanwhile.
func (s *losslessSide) readPieces(id int, r *rand.Rand) error {
	_, m, err := s.c.NextReader()
	if err != nil {
		return err
	}
	var got []byte
	for piece := make([]byte, 1+r.IntN(5000)); ; {
		n, err := m.Read(piece)
		got = append(got, piece[:n]...)
		switch {
		case err == io.EOF:
			s.note(id, got)
			return nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
	}
}

// note notes a message that reader id has got.
func (s *losslessSide) note(id int, p []byte) {
	var w, i, n int
	if _, err := fmt.Sscanf(string(p[:min(len(p), 40)]), "%d %d %d ", &w, &i, &n); err != nil ||
		w < 0 || w >= losslessWriters || !bytes.Equal(p, numberedBy(w, i)) {
		s.t.Errorf("round %d: the %s got %d bytes that nobody wrote: %.60q", s.seed, s.name, len(p), p)
		return
	}
	s.got[id][w] = append(s.got[id][w], i)
}

// talk sends Pings and moves deadlines. No write deadline ever passes.
func (s *losslessSide) talk(r *rand.Rand) {
	defer s.c.SetReadDeadline(time.Time{})
	for {
		select {
		case <-s.stopTalk:
			return
		default:
		}
		switch r.IntN(6) {
		case 0, 1:
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(2000))*time.Microsecond)
			s.c.Ping(ctx)
			cancel()
		case 2:
			s.c.SetReadDeadline(time.Now().Add(-time.Second))
			runtime.Gosched()
			s.c.SetReadDeadline(time.Time{})
		case 3:
			s.c.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(300)) * time.Microsecond))
		case 4:
			s.c.SetWriteDeadline(time.Now().Add(time.Duration(1+r.IntN(10)) * time.Minute))
		case 5:
			s.c.SetWriteDeadline(time.Time{})
			s.c.SetReadDeadline(time.Time{})
		}
		time.Sleep(time.Duration(r.IntN(200)) * time.Microsecond)
	}
}

// check checks what s has got from peer: from each writer a sequence without a
// hole, in order, each message once. If all is set, nothing of what peer has
// written may be missing.
func (s *losslessSide) check(peer *losslessSide, all bool) {
	for w := range losslessWriters {
		var union []int
		for id := range losslessReaders {
			got := s.got[id][w]
			if !slices.IsSorted(got) {
				s.t.Errorf("round %d: reader %d of the %s got messages of writer %d out of order: %v", s.seed, id, s.name, w, got)
			}
			union = append(union, got...)
		}
		slices.Sort(union)
		for i, n := range union {
			if i != n {
				s.t.Errorf("round %d: the %s got %d of writer %d where %d should be: one is missing or came twice (reads ended with %v)",
					s.seed, s.name, n, w, i, s.last)
				break
			}
		}
		if sent := peer.sent[w]; all && len(union) != sent {
			s.t.Errorf("round %d: the %s got %d messages of writer %d, which has written %d (reads ended with %v)",
				s.seed, s.name, len(union), w, sent, s.last)
		}
	}
}

// checkEnd checks that all readers have ended with the peer's Close frame.
func (s *losslessSide) checkEnd() {
	for id, err := range s.last {
		if ce := (*websocket.CloseError)(nil); !errors.As(err, &ce) {
			s.t.Errorf("round %d: reader %d of the %s ended with %v, want the peer's Close", s.seed, id, s.name, err)
		}
	}
}
