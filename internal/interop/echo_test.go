package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/protocol-websocket/websocket"
)

// ourEcho is a peer made of this package, to stand behind a proxy: it echoes
// and obeys the commands of talk until the connection ends. Long texts it
// sends in fragments.
func ourEcho(c *websocket.Conn, r *running) {
	defer c.Close()
	l := &goLink{subprotocol: c.Subprotocol(), cookie: c.Request().Header.Get("Cookie")}
	l.text = func(s string) error {
		w, err := c.NextWriter(websocket.Text)
		if err != nil {
			return err
		}
		for piece := range slices.Chunk([]byte(s), 10_000) {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		return w.Close()
	}
	l.ping = func(s string) error {
		go func() { // the Pong is noticed by the read below
			if _, err := c.Ping(context.Background()); err == nil {
				l.text("pong " + s)
			}
		}()
		return nil
	}
	l.close = func(code int, reason string) error {
		go c.Shutdown(context.Background(), websocket.StatusCode(code), reason)
		return nil
	}
	for {
		typ, m, err := c.ReadMessage()
		var end *websocket.CloseError
		switch {
		case errors.As(err, &end) && end.Code != websocket.StatusNoStatusReceived:
			r.lines <- fmt.Sprintf("%s %d %s", closedPrefix, end.Code, end.Reason)
			return
		case err != nil:
			r.lines <- closedPrefix
			return
		case typ == websocket.Binary:
			c.WriteMessage(typ, m)
		default:
			l.answer(string(m))
		}
	}
}
