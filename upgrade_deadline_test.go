package websocket_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// The timeouts of an http.Server are for requests. They do not end a
// connection, which lives longer.
func TestUpgradeClearsServerTimeouts(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		synctest.Test(t, func(t *testing.T) {
			srv := &http.Server{Handler: echoOnceHandler(&websocket.Upgrader{}, nil), ReadTimeout: time.Second, WriteTimeout: time.Second, IdleTimeout: time.Second}
			client := connectTo(t, srv)
			request := requestOf(v)
			_, response, _, _ := serve(nil, request.String())
			go io.WriteString(client, request.String())
			wantBytes(t, client, response)
			<-time.After(time.Hour)
			go io.WriteString(client, helloOf(v, websocket.ClientSide))
			wantBytes(t, client, helloOf(v, websocket.ServerSide))
		})
	})
}

func TestUpgradeLeavesNoDeadline(t *testing.T) {
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			nc := &deadlineLog{Conn: server}
			r, _ := http.ReadRequest(bufReader(requestOf(v).head()))
			go func() {
				_, response, _, _ := serve(nil, requestOf(v).head())
				io.ReadFull(client, make([]byte, len(response)))
				io.WriteString(client, requestOf(v).body)
				io.Copy(io.Discard, client)
			}()
			c, err := new(websocket.Upgrader).Upgrade(hijacker{httptest.NewRecorder(), nc}, r)
			if err != nil {
				t.Fatal(err)
			}
			nc.check(t)
			c.Close()
		})
	})
}

// A client that does not read the response is given up in time.
func TestUpgradeStuckClient(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 3 * time.Second: 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			r, _ := http.ReadRequest(bufReader(requestOf(websocket.RFC6455).head()))
			start := time.Now()
			up := &websocket.Upgrader{Config: websocket.Config{HandshakeTimeout: timeout}}
			_, err := up.Upgrade(hijacker{httptest.NewRecorder(), server}, r)
			if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") || statusOf(err) != 0 {
				t.Errorf("%v, want an error of the network", err)
			}
			if took := time.Since(start); took != want {
				t.Errorf("gave up after %v, want %v", took, want)
			}
			if _, err := client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("write after that: %v; Upgrade left the connection open", err)
			}
		})
	}
}
