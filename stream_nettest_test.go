package websocket_test

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/protocol-websocket/websocket"
)

// A stream passes the tests that golang.org/x/net has for every net.Conn.
func TestStreamIsNetConn(t *testing.T) {
	for _, transport := range []string{overPipe, overMemory, overTCP, overTLS} {
		for _, side := range sides {
			t.Run(transport+"/"+sideName(side), stressed(func(t *testing.T) {
				t.Parallel()
				nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
					s, c := newPair(t, websocket.RFC6455, transport, pairOptions{})
					if side == websocket.ClientSide {
						s, c = c, s
					}
					c1, c2 = websocket.Stream(s, websocket.Binary), websocket.Stream(c, websocket.Binary)
					return c1, c2, func() {
						c1.Close()
						c2.Close()
						<-websocket.Over(s)
						<-websocket.Over(c)
					}, nil
				})
			}))
		}
	}
}
