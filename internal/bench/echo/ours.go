package echo

import (
	"context"
	"net"
	"net/http"

	ours "github.com/protocol-websocket/websocket"
)

var oursUpgrader = ours.Upgrader{Config: ours.Config{MaxMessageSize: maxMessage}}

func serveOurs(u ours.Upgrader, handler func(context.Context, *ours.Conn) error) http.HandlerFunc {
	return (&ours.Server{Upgrader: u, Handler: handler}).ServeHTTP
}

// oursDetached is as the Server of serveOurs, but its handler outlives the request.
var oursDetached = ours.Server{
	Upgrader: oursUpgrader,
	Handler:  echoOurs,
	Detach:   func(*http.Request) context.Context { return nil },
}

func serveOursDetached(w http.ResponseWriter, r *http.Request) { oursDetached.ServeHTTP(w, r) }

func echoOurs(_ context.Context, c *ours.Conn) error {
	var b []byte
	for {
		t, p, err := c.ReadAppend(b[:0])
		if err != nil {
			return err
		}
		if err := c.BufferMessage(t, p); err != nil {
			return err
		}
		b = p
	}
}

func echoOursAtOnce(_ context.Context, c *ours.Conn) error {
	var b []byte
	for {
		t, p, err := c.ReadAppend(b[:0])
		if err != nil {
			return err
		}
		if err := c.WriteMessage(t, p); err != nil {
			return err
		}
		b = p
	}
}

func serveOursAccept(l net.Listener) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			c, err := oursUpgrader.Accept(context.Background(), nc)
			if err != nil {
				return // nc is closed
			}
			go func() { // a fresh, small stack
				defer c.Close()
				_ = echoOurs(context.Background(), c)
			}()
		}()
	}
}
