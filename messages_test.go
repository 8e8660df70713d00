package websocket_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

type jsonPoint struct {
	X, Y int
	Name string `json:"name,omitempty"`
}

func TestJSON(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			pairInBubble(t, v, func(t *testing.T, c, s *websocket.Conn) {
				want := jsonPoint{X: 1, Y: -2, Name: "<ÿ>\x00"}
				go func() {
					if err := websocket.WriteJSON(c, want); err != nil {
						t.Errorf("WriteJSON: %v", err)
					}
				}()
				if got, err := websocket.ReadJSON[jsonPoint](s); got != want || err != nil {
					t.Errorf("ReadJSON: %+v, %v; expected %+v", got, err, want)
				}
			})
		})
	}
}

// A message that the program does not expect does not end the connection, and
// leaves nothing half filled in.
func TestReadJSONOfAnotherKind(t *testing.T) {
	for _, tt := range []struct{ name, message string }{
		{"no JSON", "hello"},
		{"empty", ""},
		{"cut off", `{"X":1,"Y"`},
		{"two values", `{"X":1} {"X":2}`},
		{"another type behind a good one", `{"X":1,"Y":"two"}`},
		{"too large a number", `{"X":1e400}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
				go func() {
					c.WriteMessage(websocket.Text, []byte(tt.message))
					c.WriteMessage(websocket.Binary, []byte(`{"X":7}`))
				}()
				got, err := websocket.ReadJSON[jsonPoint](s)
				if err == nil || got != (jsonPoint{}) || !strings.HasPrefix(err.Error(), "websocket: message from the peer ") {
					t.Errorf("ReadJSON of %s: %+v, %v; expected the zero value and an error that blames the peer", tt.message, got, err)
				}
				if got, err := websocket.ReadJSON[jsonPoint](s); got.X != 7 || err != nil {
					t.Errorf("ReadJSON of the next message: %+v, %v; expected the connection to be usable", got, err)
				}
			})
		})
	}
}

func TestReadJSONGivesTheErrorsOfDecodingAndReading(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		go func() {
			c.WriteMessage(websocket.Text, []byte(`"text"`))
			c.Close()
		}()
		var kind *json.UnmarshalTypeError
		if _, err := websocket.ReadJSON[int](s); !errors.As(err, &kind) {
			t.Errorf("ReadJSON of a string into an int: %v; expected a json.UnmarshalTypeError", err)
		}
		if _, err := websocket.ReadJSON[int](s); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("ReadJSON after the peer has hung up: %v; expected the error of the read", err)
		}
	})
}

func TestWriteJSONOfWhatJSONLacks(t *testing.T) {
	pairInBubble(t, websocket.RFC6455, func(t *testing.T, c, s *websocket.Conn) {
		for _, v := range []any{math.NaN(), func() {}, make(chan int)} {
			if err := websocket.WriteJSON(c, v); err == nil || !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Errorf("WriteJSON of %T: %v; expected an error", v, err)
			}
		}
		go websocket.WriteJSON(c, 1)
		if got, err := websocket.ReadJSON[int](s); got != 1 || err != nil {
			t.Errorf("the next message is %v, %v; expected 1, with nothing sent before", got, err)
		}
		synctest.Wait()
	})
}

func TestMessages(t *testing.T) {
	for _, tt := range []struct {
		name string
		code websocket.StatusCode
		want error // a CloseError with the same code if nil and not normal
		ok   bool
	}{
		{name: "normal closure", code: websocket.StatusNormalClosure, ok: true},
		{name: "going away", code: websocket.StatusGoingAway, ok: true},
		{name: "no status", code: websocket.StatusNoStatusReceived, ok: true},
		{name: "internal error", code: websocket.StatusInternalError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wire := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, []byte("a")}, message{websocket.Binary, []byte("b")})
			wire, err := websocket.AppendClose(wire, websocket.RFC6455, websocket.ClientSide, tt.code, "")
			if err != nil {
				t.Fatal(err)
			}
			c, _ := newScripted(websocket.RFC6455, websocket.ServerSide, wire)
			var got []string
			var ended error
			for m, err := range c.Messages(t.Context()) {
				if ended != nil {
					t.Fatal("goes on after an error")
				}
				got, ended = append(got, fmt.Sprintf("%v %s", m.Type, m.Data)), err
			}
			want := 2
			if !tt.ok {
				want++ // the error
			}
			if len(got) != want || got[0] != "Text a" || got[1] != "Binary b" {
				t.Errorf("yields %q, want Text a and Binary b", got)
			}
			var ce *websocket.CloseError
			if tt.ok && ended != nil || !tt.ok && (!errors.As(ended, &ce) || ce.Code != tt.code) {
				t.Errorf("ends with %v, closed with %v", ended, tt.code)
			}
		})
	}
}

// Messages yields the error of a context that ends between two messages.
func TestMessagesContextEndsInBody(t *testing.T) {
	wire := peerFrames(t, websocket.RFC6455, websocket.ServerSide, message{websocket.Text, []byte("a")}, message{websocket.Text, []byte("b")})
	c, _ := newScripted(websocket.RFC6455, websocket.ServerSide, wire)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range c.Messages(ctx) {
		n++
		last = err
		cancel()
	}
	if n != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d turns, the last with %v; want one message, and the error of the context", n, last)
	}
	if _, p, err := c.ReadMessage(); err != nil || string(p) != "b" {
		t.Errorf("ReadMessage after it: %q, %v; want the second message", p, err)
	}
}
