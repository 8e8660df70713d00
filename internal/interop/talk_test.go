package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/protocol-websocket/websocket"
)

// patience is how long any one thing may take that the peer is to do.
const patience = 30 * time.Second

// talk is a conversation over one connection. The peer echoes every message,
// except commands, which begin with an exclamation mark:
//
//	!subprotocol        says "subprotocol " and the one that was agreed on
//	!cookie             says "cookie " and the request's Cookie header
//	!burst              says "burst 1", "burst 2" and "burst 3", all at once
//	!fragments          says "one, two, three ✓" in three frames or more
//	!ping TEXT          pings with TEXT and says "pong TEXT" once it is answered
//	!close CODE REASON  closes the connection
//
// When a connection was closed it prints a line "CLOSED CODE REASON". README.md
// says the rest of what it has to do.
type talk struct {
	c       *websocket.Conn
	peer    role
	tap     *tap
	running *running
	page    string // the origin that a client is to name
	frames  *frames
	in      chan websocket.Message
	end     chan struct{} // closed after the last message
	err     error         // why there is no further message, once end is closed
	limits  map[string]string
	checks  int
	cannot  []string
	reason  string // with which we closed
}

// frames counts, by way of Trace.
type frames struct{ written, readUnfinished atomic.Int64 }

func (f *frames) trace() *websocket.Trace {
	return &websocket.Trace{
		FrameWritten: func(*websocket.Conn, websocket.FrameInfo) { f.written.Add(1) },
		FrameRead: func(_ *websocket.Conn, i websocket.FrameInfo) {
			if !i.Fin {
				f.readUnfinished.Add(1)
			}
		},
	}
}

func newTalk(c *websocket.Conn, peer role, count *frames) *talk {
	k := &talk{c: c, peer: peer, frames: count, in: make(chan websocket.Message, 16), end: make(chan struct{})}
	go func() {
		defer close(k.end)
		for {
			typ, p, err := c.ReadMessage()
			if err != nil {
				k.err = err
				return
			}
			select {
			case k.in <- websocket.Message{Type: typ, Data: p}:
			case <-time.After(patience):
				k.err = errors.New("nobody wanted the next message")
				return
			}
		}
	}()
	return k
}

func (k *talk) hixie() bool { return isHixie(k.c.Version()) }

// What a peer may be unable to do: steps and, from codeFromIt on, parts of them.
const (
	handshake        = "handshake" // stands for all
	subprotocolStep  = "subprotocol"
	originStep       = "origin"
	over64KiB        = "65535 to 70000 bytes"
	oneMiB           = "1 MiB"
	fragmentsToIt    = "fragments to it"
	fragmentsFromIt  = "fragments from it"
	pingFromIt       = "ping from it"
	tellsHowWeClosed = "it tells how we closed"

	codeFromIt    = "code from it"
	reasonFromIt  = "reason from it"
	reasonToIt    = "reason to it"
	anyReasonToIt = "any text as reason to it"
	finFromIt     = "FIN from it"
)

// step is one thing that is checked.
type step struct {
	name string
	hybi bool // needs one of the versions that have types of frames
	only role // that the peer must have, if any
	run  func(k *talk) error
}

// long is the first conversation, which the peer ends.
var long = []step{
	{name: subprotocolStep, run: (*talk).subprotocol},
	{name: "cookie", run: (*talk).cookie},
	{name: originStep, only: asClient, run: (*talk).origin},
	{name: "empty", run: texts("")},
	{name: "ascii", run: texts("Hello", "GET / HTTP/1.1\r\n\r\n")},
	{name: "utf-8", run: texts(unicodeTexts()...)},
	{name: "125 to 127 bytes", run: sizes(125, 126, 127)},
	{name: over64KiB, run: sizes(65535, 65536, 70000)},
	{name: "binary", hybi: true, run: (*talk).binary},
	{name: oneMiB, run: sizes(1 << 20)},
	{name: "three in one segment to it", run: (*talk).threeAtOnce},
	{name: "three at once from it", run: (*talk).burst},
	{name: fragmentsToIt, run: (*talk).fragmentsTo},
	{name: fragmentsFromIt, hybi: true, run: (*talk).fragmentsFrom},
	{name: "ping to it", hybi: true, run: (*talk).ping},
	{name: pingFromIt, hybi: true, run: (*talk).pinged},
	{name: "it closes", run: (*talk).closedByPeer},
	{name: "TCP ends well", run: (*talk).tcpEnd},
}

// brief is the other conversation, which this side ends.
var brief = []step{
	{name: "ascii", run: texts("Hello")},
	{name: "we close", run: (*talk).close},
	{name: tellsHowWeClosed, run: (*talk).closeSeen},
	{name: "TCP ends well", run: (*talk).tcpEnd},
	{name: "our closing frame", run: (*talk).closeSent},
}

// run makes the steps that the peer can do. It stops at the first that fails.
func (k *talk) run(steps []step) error {
	for _, s := range steps {
		if s.hybi && k.hixie() || s.only != "" && s.only != k.peer {
			continue
		}
		if why, ok := k.limits[s.name]; ok {
			k.cannot = append(k.cannot, s.name+": "+why)
			continue
		}
		if err := s.run(k); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		k.checks++
	}
	return nil
}

func (k *talk) send(t websocket.MessageType, p []byte) error { return k.c.WriteMessage(t, p) }

func (k *talk) command(s string) error { return k.send(websocket.Text, []byte(s)) }

// expect waits for a message, which must be this one.
func (k *talk) expect(t websocket.MessageType, p []byte) error {
	var m websocket.Message
	select {
	case m = <-k.in:
	case <-k.end:
		select {
		case m = <-k.in:
		default:
			return fmt.Errorf("expected %v, got: %w", abridged(p), k.err)
		}
	case <-time.After(patience):
		return fmt.Errorf("expected %v, got nothing", abridged(p))
	}
	if m.Type != t || !bytes.Equal(m.Data, p) {
		return fmt.Errorf("expected %v %v, got %v %v, %s", t, abridged(p), m.Type, abridged(m.Data), difference(m.Data, p))
	}
	return nil
}

func abridged(p []byte) string {
	if len(p) <= 60 {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%d bytes %q…", len(p), p[:40])
}

func difference(a, b []byte) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("different from byte %d", i)
		}
	}
	return "one being the beginning of the other"
}

func (k *talk) echo(t websocket.MessageType, p []byte) error {
	if err := k.send(t, p); err != nil {
		return err
	}
	return k.expect(t, p)
}

func texts(list ...string) func(*talk) error {
	return func(k *talk) error {
		for _, s := range list {
			if err := k.echo(websocket.Text, []byte(s)); err != nil {
				return err
			}
		}
		return nil
	}
}

// unicodeTexts are the first and last characters of every length in UTF-8.
func unicodeTexts() []string {
	list := []string{"a\x00b"}
	for _, r := range []rune{0, 0x7F, 0x80, 0xFF, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x10FFFF} {
		list = append(list, string(r))
	}
	return append(list, "Grüße, 世界 ✓ Жук 😀 \u0000\u0080\u00ff\U0010fffd")
}

func sizes(list ...int) func(*talk) error {
	return func(k *talk) error {
		for _, n := range list {
			if err := k.echo(websocket.Text, pattern(n)); err != nil {
				return err
			}
		}
		return nil
	}
}

// pattern is ASCII of which no part is like another.
func pattern(n int) []byte {
	b := make([]byte, 0, n+8)
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "%x,", i)
	}
	return b[:n]
}

func (k *talk) binary() error {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, p := range [][]byte{{}, all, bytes.Repeat(all, 260), {0xFF, 0, 0x81, 0}} {
		if err := k.echo(websocket.Binary, p); err != nil {
			return err
		}
	}
	return nil
}

func (k *talk) threeAtOnce() error {
	list := []string{"first", "", "third ✓"}
	for _, s := range list {
		if err := k.c.BufferMessage(websocket.Text, []byte(s)); err != nil {
			return err
		}
	}
	if err := k.c.Flush(); err != nil {
		return err
	}
	for _, s := range list {
		if err := k.expect(websocket.Text, []byte(s)); err != nil {
			return err
		}
	}
	return nil
}

func (k *talk) burst() error {
	if err := k.command("!burst"); err != nil {
		return err
	}
	for _, s := range []string{"burst 1", "burst 2", "burst 3"} {
		if err := k.expect(websocket.Text, []byte(s)); err != nil {
			return err
		}
	}
	return nil
}

// fragmentsTo writes a message in pieces. Characters are cut in two by them.
func (k *talk) fragmentsTo() error {
	p := append(bytes.Repeat([]byte("é世😀-"), 12_000), "end"...)
	before := k.frames.written.Load()
	w, err := k.c.NextWriter(websocket.Text)
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(p, 9_999) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if n := k.frames.written.Load() - before; n < 3 && !k.hixie() {
		return fmt.Errorf("%d bytes were written as %d frames: expected at least 3", len(p), n)
	}
	return k.expect(websocket.Text, p)
}

func (k *talk) fragmentsFrom() error {
	before := k.frames.readUnfinished.Load()
	if err := k.command("!fragments"); err != nil {
		return err
	}
	if err := k.expect(websocket.Text, []byte("one, two, three ✓")); err != nil {
		return err
	}
	if n := k.frames.readUnfinished.Load() - before; n < 2 {
		return fmt.Errorf("it came in %d frames: expected at least 3", n+1)
	}
	return nil
}

func (k *talk) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := k.c.Ping(ctx)
	return err
}

func (k *talk) pinged() error {
	if err := k.command("!ping hello"); err != nil {
		return err
	}
	return k.expect(websocket.Text, []byte("pong hello"))
}

const (
	subprotocol  = "chat"
	pageOrigin   = "http://interop.example"
	ourCookie    = "interop=ours; second=2"
	peersCookie  = "interop=theirs"
	closeCode    = 3001
	closeReason  = "bye ✓"
	peersCode    = 3002
	peersReason  = "fare well ✓"
	closedPrefix = "CLOSED"
)

func (k *talk) subprotocol() error {
	if got := k.c.Subprotocol(); got != subprotocol {
		return fmt.Errorf("agreed on %q: expected %q", got, subprotocol)
	}
	if err := k.command("!subprotocol"); err != nil {
		return err
	}
	return k.expect(websocket.Text, []byte("subprotocol "+subprotocol))
}

func (k *talk) cookie() error {
	if k.peer == asClient {
		if got := k.c.Request().Header.Get("Cookie"); got != peersCookie {
			return fmt.Errorf("header Cookie is %q: expected %q", got, peersCookie)
		}
		return nil
	}
	if err := k.command("!cookie"); err != nil {
		return err
	}
	return k.expect(websocket.Text, []byte("cookie "+ourCookie))
}

func (k *talk) origin() error {
	r := k.c.Request()
	header := "Origin"
	if v := k.c.Version(); v == websocket.Hybi07 || v == websocket.Hybi10 {
		header = "Sec-WebSocket-Origin"
	}
	if got := r.Header.Get(header); got != k.page {
		return fmt.Errorf("header %s is %q: expected %q", header, got, k.page)
	}
	return nil
}

// awaitEnd returns the error that ended the reading.
func (k *talk) awaitEnd() error {
	select {
	case <-k.end:
		return k.err
	case m := <-k.in:
		return fmt.Errorf("unexpected message %v", abridged(m.Data))
	case <-time.After(patience):
		return errors.New("the connection did not end")
	}
}

func (k *talk) closedByPeer() error {
	if err := k.command(fmt.Sprintf("!close %d %s", peersCode, peersReason)); err != nil {
		return err
	}
	err := k.awaitEnd()
	want := &websocket.CloseError{Code: peersCode, Reason: peersReason}
	if k.hixie() {
		want = &websocket.CloseError{Code: websocket.StatusNoStatusReceived}
	}
	var got *websocket.CloseError
	if !errors.As(err, &got) {
		return fmt.Errorf("got %w: expected %v", err, want)
	}
	if k.cannotDo(codeFromIt) {
		want.Code = got.Code
	}
	if !k.hixie() && k.cannotDo(reasonFromIt) {
		want.Reason = got.Reason
	}
	if *got != *want {
		return fmt.Errorf("got %w: expected %v", err, want)
	}
	return nil
}

// cannotDo reports that the peer cannot do a part of a step, and notes it.
func (k *talk) cannotDo(part string) bool {
	why, ok := k.limits[part]
	if ok {
		k.cannot = append(k.cannot, part+": "+why)
	}
	return ok
}

func (k *talk) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	k.reason = closeReason
	switch {
	case k.hixie():
	case k.cannotDo(reasonToIt):
		k.reason = ""
	case k.cannotDo(anyReasonToIt):
		k.reason = "bye"
	}
	return k.c.Shutdown(ctx, closeCode, k.reason)
}

// closeSeen compares what the peer says the close was.
func (k *talk) closeSeen() error {
	got, err := k.running.await(closedPrefix, patience)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf(" %d %s", closeCode, k.reason); !k.hixie() && got != want {
		return fmt.Errorf("it printed %q: expected %q", closedPrefix+got, closedPrefix+want)
	}
	return nil
}

// closeSent looks for the closing frame of hybi-00 in what this side sent, since
// peers tell of an end without it in the same way.
func (k *talk) closeSent() error {
	if k.c.Version() != websocket.Hybi00 {
		return nil
	}
	if sent := k.tap.sent(us); !bytes.HasSuffix(sent, []byte{0xff, 0}) {
		return fmt.Errorf("what was sent ends in % x: expected ff 00", sent[max(0, len(sent)-8):])
	}
	return nil
}

// tcpEnd waits for the end of the TCP connection, which must be FIN both ways.
func (k *talk) tcpEnd() error {
	k.c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := k.tap.awaitEnd(ctx)
	if errors.Is(err, errPeerReset) && k.cannotDo(finFromIt) {
		return nil
	}
	return err
}

// dialHeader is what our client adds to its request.
func dialHeader() http.Header {
	return http.Header{"Origin": {pageOrigin}, "Cookie": {ourCookie}}
}
