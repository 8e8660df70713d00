package websocket_test

import (
	"context"
	"fmt"
	"log"

	"github.com/protocol-websocket/websocket"
)

// A handler is tested without a network: one end of a NetPipe is the server's,
// the other the client's.
func ExampleNetPipe() {
	ctx := context.Background()
	server, client := websocket.NetPipe()
	go (&websocket.Server{Handler: echo}).ServeConn(ctx, server)

	c, err := new(websocket.Dialer).Handshake(ctx, client, "ws://example.com/echo")
	if err != nil {
		log.Fatal(err)
	}
	c.WriteMessage(websocket.Text, []byte("hello"))
	_, p, err := c.ReadMessage()
	fmt.Printf("%s %v\n", p, err)
	fmt.Println(c.Shutdown(ctx, websocket.StatusNormalClosure, ""))
	// Output:
	// hello <nil>
	// <nil>
}
