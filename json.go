package websocket

import (
	"encoding/json"
	"fmt"
)

// ReadJSON reads the next message, of either type, and decodes it into a T, as
// [json.Unmarshal] does. Besides the errors of [Conn.ReadMessage] it returns
// those of decoding, after which the connection is as good as before. With an
// error comes the zero T. It may be called from any goroutine.
func ReadJSON[T any](c *Conn) (T, error) {
	var v, none T
	_, p, err := c.ReadMessage()
	if err != nil {
		return none, err
	}
	if err := json.Unmarshal(p, &v); err != nil {
		return none, fmt.Errorf("websocket: message from the peer is not the JSON expected: %w", err)
	}
	return v, nil
}

// WriteJSON writes v as a text message, encoded as [json.Marshal] does, in one
// frame. Its errors are those of encoding, after which nothing was sent, and of
// [Conn.WriteMessage]. It may be called from any goroutine.
func WriteJSON(c *Conn, v any) error {
	p, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("websocket: cannot encode %T as JSON: %w", v, err)
	}
	return c.WriteMessage(Text, p)
}
