package websocket

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
)

type jsonPoint struct {
	X, Y int
	Name string `json:"name,omitempty"`
}

func TestJSON(t *testing.T) {
	for _, v := range allVersions {
		t.Run(v.String(), func(t *testing.T) {
			streamBubble(t, v, func(t *testing.T, c, s *Conn) {
				want := jsonPoint{X: 1, Y: -2, Name: "<ÿ>\x00"}
				go func() {
					if err := WriteJSON(c, want); err != nil {
						t.Errorf("WriteJSON: %v", err)
					}
				}()
				if got, err := ReadJSON[jsonPoint](s); got != want || err != nil {
					t.Errorf("ReadJSON: %+v, %v; expected %+v", got, err, want)
				}
			})
		})
	}
}

// A message that is not what the program expects is no reason to end the
// connection, and leaves nothing half filled in.
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
			streamBubble(t, RFC6455, func(t *testing.T, c, s *Conn) {
				go func() {
					c.WriteMessage(Text, []byte(tt.message))
					c.WriteMessage(Binary, []byte(`{"X":7}`))
				}()
				got, err := ReadJSON[jsonPoint](s)
				if err == nil || got != (jsonPoint{}) || !strings.HasPrefix(err.Error(), "websocket: message from the peer ") {
					t.Errorf("ReadJSON of %s: %+v, %v; expected the zero value and an error that blames the peer", tt.message, got, err)
				}
				if got, err := ReadJSON[jsonPoint](s); got.X != 7 || err != nil {
					t.Errorf("ReadJSON of the next message: %+v, %v; expected the connection to be usable", got, err)
				}
			})
		})
	}
}

func TestReadJSONGivesTheErrorsOfDecodingAndReading(t *testing.T) {
	streamBubble(t, RFC6455, func(t *testing.T, c, s *Conn) {
		go func() {
			c.WriteMessage(Text, []byte(`"text"`))
			c.Close()
		}()
		var kind *json.UnmarshalTypeError
		if _, err := ReadJSON[int](s); !errors.As(err, &kind) {
			t.Errorf("ReadJSON of a string into an int: %v; expected a json.UnmarshalTypeError", err)
		}
		if _, err := ReadJSON[int](s); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("ReadJSON after the peer has hung up: %v; expected the error of the read", err)
		}
	})
}

func TestWriteJSONOfWhatJSONLacks(t *testing.T) {
	streamBubble(t, RFC6455, func(t *testing.T, c, s *Conn) {
		for _, v := range []any{math.NaN(), func() {}, make(chan int)} {
			if err := WriteJSON(c, v); err == nil || !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Errorf("WriteJSON of %T: %v; expected an error", v, err)
			}
		}
		go WriteJSON(c, 1)
		if got, err := ReadJSON[int](s); got != 1 || err != nil {
			t.Errorf("the next message is %v, %v; expected 1, with nothing sent before", got, err)
		}
		synctest.Wait()
	})
}
