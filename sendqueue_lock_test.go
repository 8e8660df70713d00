package websocket_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// wantInLine checks how many writers stand in line.
func wantInLine(t *testing.T, c *websocket.Conn, want int) {
	t.Helper()
	if n := websocket.LineLength(c); n != want {
		t.Errorf("%d stand in line, want %d", n, want)
	}
}

// The message that all others wait for goes to the front of the line, even if
// its writer comes last. Otherwise nobody would ever move.
func TestLineBeginsWithTheStream(t *testing.T) {
	p := func(kib int) string { return strings.Repeat("p", kib<<10) }
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		stream, err := c.NextWriter(websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Ping(cancelled(t)); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		<-g.writes
		other := later(writeText(c, "other"))
		synctest.Wait()
		streamed := later(func() error {
			var err error
			for range 6 { // more than the queue holds
				err = errors.Join(err, writeString(stream, p(32)))
			}
			return errors.Join(err, stream.Close())
		})
		synctest.Wait()
		wantInLine(t, c, 2)
		g.results <- gateResult{n: -1}
		var all []byte
		for len(textsOf(t, websocket.RFC6455, all)) < 5 {
			select {
			case p := <-g.writes:
				all = append(all, p...)
				g.results <- gateResult{n: -1}
			case <-time.After(time.Minute):
				t.Error("nobody writes, although nothing is in the way")
				return
			}
		}
		if err := errors.Join(<-streamed, <-other); err != nil {
			t.Error(err)
		}
		wantTexts(t, "after the Ping", websocket.RFC6455, all, p(60), p(64), p(64), p(4), "other")
	})
}

// A writer that gives up wakes the next one, which may have waited only for it.
func TestLineMovesWhenTheFirstGivesUp(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		stuck := later(writeText(c, strings.Repeat("w", 60<<10)))
		<-g.writes
		_, giveUp := websocket.StandInLine(c)
		time.Sleep(websocket.MaxOvertaken)
		small := later(writeText(c, "small")) // for which there is room
		synctest.Wait()
		wantInLine(t, c, 2)
		giveUp()
		synctest.Wait()
		select {
		case err := <-small:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("the small message still waits, with nobody before it")
		}
		g.results <- gateResult{n: -1}
		g.expect(t, "after what was stuck", "small")
		if err := <-stuck; err != nil {
			t.Error(err)
		}
	})
}

// Once the queue is being written, a writer that has waited for room may go on.
func TestLineMovesWhenTheQueueIsTaken(t *testing.T) {
	first, second, third := "first", strings.Repeat("2", 60<<10), strings.Repeat("3", 10<<10)
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		wrote := later(writeText(c, first))
		<-g.writes
		if err := c.WriteMessage(websocket.Text, []byte(second)); err != nil {
			t.Fatal(err)
		}
		waiting := later(writeText(c, third))
		synctest.Wait()
		g.results <- gateResult{n: -1}
		got := <-g.writes
		synctest.Wait()
		select {
		case err := <-waiting:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("the third message still waits, with the queue empty")
		}
		g.results <- gateResult{n: -1}
		wantTexts(t, "second write", websocket.RFC6455, got, second)
		g.expect(t, "third write", third)
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	})
}

// A turn that comes together with the deadline comes too late: a write that
// begins then would break the connection.
func TestLineTurnThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, script := newScripted(websocket.RFC6455, websocket.ServerSide, nil)
		if _, err := c.NextWriter(websocket.Text); err != nil {
			t.Fatal(err)
		}
		late := later(writeText(c, "late"))
		synctest.Wait()
		websocket.EndStreamAtDeadline(c)
		if err := <-late; err != websocket.ErrWriteDeadline || script.out.Len() > 0 {
			t.Errorf("%v, want the deadline; % x was sent", err, script.out.Bytes())
		}
	})
}

// Moving the deadline wakes nobody, however many wait: each that woke would only
// find that it must go on waiting. The deadline that passes wakes all.
func TestSetWriteDeadlineWakesNobodyTooEarly(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		wrote := later(writeText(c, "waits for the peer"))
		<-g.writes
		var woken []<-chan struct{}
		for range 4000 {
			w, _ := websocket.StandInLine(c)
			woken = append(woken, w)
		}
		woken = append(woken, websocket.StandInFlush(c))
		wantWoken := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			n := 0
			for _, w := range woken {
				select {
				case <-w:
					n++
				default:
				}
			}
			if n != want {
				t.Errorf("%s wakes %d of %d that wait, want %d", what, n, len(woken), want)
			}
		}
		for _, deadline := range []time.Duration{time.Minute, time.Second, time.Hour} {
			c.SetWriteDeadline(time.Now().Add(deadline))
			wantWoken("a deadline in "+deadline.String(), 0)
		}
		time.Sleep(time.Hour - 1)
		wantWoken("the time before the deadline", 0)
		c.SetWriteDeadline(time.Time{})
		time.Sleep(time.Hour)
		wantWoken("a deadline that was taken away", 0)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		time.Sleep(time.Second)
		wantWoken("the deadline", len(woken))
		woken[len(woken)-1] = websocket.StandInFlush(c)
		c.SetWriteDeadline(time.Now().Add(-time.Second))
		wantWoken("a deadline that has passed", len(woken))
		g.results <- gateResult{n: -1}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	})
}

// Writers that wait notice a new deadline.
func TestSetWriteDeadlineWakesWaiters(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		w, err := c.NextWriter(websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		waiting := later(writeText(c, "waits"))
		synctest.Wait()
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if err := <-waiting; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("waiting writer: %v after %v, want the deadline that was set while it waited", err, time.Since(start))
		}
		var netErr net.Error
		if !errors.As(websocket.ErrWriteDeadline, &netErr) || !netErr.Timeout() {
			t.Error("error of the deadline is not a net.Error with Timeout")
		}
		c.SetWriteDeadline(time.Time{})
		closed := later(w.Close)
		g.expect(t, "end of the stream", "")
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// Writers are served in order: large messages do not wait forever while small
// ones find room, nor the other way round. Small ones may overtake at first.
func TestWritersAreServedInOrder(t *testing.T) {
	large, small := strings.Repeat("L", 100<<10), strings.Repeat("s", 100)
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		first := later(writeText(c, "first"))
		<-g.writes
		var results []<-chan error
		for _, s := range []string{large, small + "1", large + "2", small + "3", small + "4"} {
			results = append(results, later(writeText(c, s)))
			synctest.Wait() // it stands in line, but the first small one
			if s != large {
				time.Sleep(websocket.MaxOvertaken)
			}
		}
		g.results <- gateResult{n: -1}
		var all []byte
		for len(all) < 2*len(large)+3*len(small) {
			all = append(all, <-g.writes...)
			g.results <- gateResult{n: -1}
		}
		wantTexts(t, "after the first", websocket.RFC6455, all, small+"1", large, large+"2", small+"3", small+"4")
		for _, r := range append(results, first) {
			if err := <-r; err != nil {
				t.Error(err)
			}
		}
	})
}

// A writer that gives up leaves the line without holding up those behind it.
func TestWriterLeavesLine(t *testing.T) {
	withGate(t, websocket.RFC6455, func(t *testing.T, c *websocket.Conn, g *gate) {
		first := later(writeText(c, "first"))
		<-g.writes
		c.SetWriteDeadline(time.Now().Add(time.Second))
		impatient := later(writeText(c, strings.Repeat("L", 100<<10)))
		synctest.Wait()
		if err := <-impatient; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("large message: %v, want the deadline", err)
		}
		c.SetWriteDeadline(time.Time{})
		if err := c.WriteMessage(websocket.Text, []byte("next")); err != nil {
			t.Error(err)
		}
		g.results <- gateResult{n: -1}
		g.expect(t, "after the first", "next")
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}
