package websocket

import (
	"encoding/json"
	"fmt"
)

// ReadJSON reads the next message and decodes it into a T, as [json.Unmarshal]
// does. Besides the errors of [Conn.ReadMessage] it returns those of decoding,
// after which the connection is as good as before.
func ReadJSON[T any](c *Conn) (T, error) {
	var v T
	_, p, err := c.ReadMessage()
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(p, &v); err != nil {
		return v, fmt.Errorf("websocket: message from the peer is not the JSON expected: %w", err)
	}
	return v, nil
}

// WriteJSON writes v as a text message, encoded as [json.Marshal] does, in one
// frame.
func WriteJSON(c *Conn, v any) error {
	p, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("websocket: cannot encode message: %w", err)
	}
	return c.WriteMessage(Text, p)
}
