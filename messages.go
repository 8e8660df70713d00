package websocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// Message is a message, or a control frame, that came from the peer.
type Message struct {
	Type MessageType // Text, Binary, Close, Ping or Pong
	Data []byte      // the payload; of a Close, see [Message.CloseError]
}

// CloseError returns code and reason of a message of type [Close], as reads of
// a [Conn] return them, and nil for all other types.
func (m Message) CloseError() *CloseError {
	if m.Type != Close {
		return nil
	}
	ce, err := parseClosePayload(Hybi10, m.Data) // Hybi10 accepts all that any Parser lets through
	if err != nil {
		return &CloseError{Code: StatusNoStatusReceived}
	}
	return ce
}

// Messages returns an iterator over the messages to come. It ends without an
// error when the peer closes the connection with [StatusNormalClosure],
// [StatusGoingAway] or no status, and otherwise after one error: that of
// [Conn.ReadMessage], or that of ctx, whose end stops the loop and leaves the
// connection as it was. The Data of each message is the caller's to keep. Until
// the loop has ended nothing else should read: the end of ctx interrupts such reads
// too, as a deadline would.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		release, err := c.rcv.interruptAt(ctx)
		if err != nil {
			yield(Message{}, err)
			return
		}
		defer release()
		for ctx.Err() == nil {
			t, p, err := c.ReadMessage()
			if err != nil {
				if ended := contextError(ctx, err); !closedNormally(ended) {
					yield(Message{}, ended)
				}
				return
			}
			if !yield(Message{Type: t, Data: p}, nil) {
				return
			}
		}
		yield(Message{}, ctx.Err())
	}
}

func closedNormally(err error) bool {
	var ce *CloseError
	if !errors.As(err, &ce) {
		return false
	}
	return ce.Code == StatusNormalClosure || ce.Code == StatusGoingAway || ce.Code == StatusNoStatusReceived
}

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
