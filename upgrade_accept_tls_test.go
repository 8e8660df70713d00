package websocket_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
)

// A tls.Conn sends an alert at the end, and a client that does not read makes
// no room for it.
func TestAcceptLingersOverTLS(t *testing.T) {
	serverConfig, clientConfig := newTLSConfigs("lab.example")
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go func() {
			tc := tls.Client(client, clientConfig)
			io.WriteString(tc, "POST / HTTP/1.1\r\nHost: a\r\n\r\n")
			http.ReadResponse(bufio.NewReader(tc), nil)
		}()
		start := time.Now()
		_, err := new(websocket.Upgrader).Accept(t.Context(), tls.Server(server, serverConfig))
		if took := time.Since(start); took != websocket.RefusalLinger || statusOf(err) != 405 {
			t.Errorf("%v after %v; want status 405 after %v", err, took, websocket.RefusalLinger)
		}
		checkPeerClosed(t, client)
	})
}

// The timeout includes the TLS handshake. Accept does not wait for the alert of
// a tls.Conn, which may take 5 seconds.
func TestAcceptTLSInterrupted(t *testing.T) {
	serverConfig, clientConfig := newTLSConfigs("lab.example")
	stages := map[string]func(net.Conn){
		"sends nothing":       func(net.Conn) {},
		"sends half a hello":  sendStep("\x16\x03\x01\x02\x00\x01"),
		"is silent after TLS": func(c net.Conn) { tls.Client(c, clientConfig).Handshake() },
		"does not read the response": func(c net.Conn) {
			tc := tls.Client(c, clientConfig)
			io.WriteString(tc, requestOf(websocket.RFC6455).with("Origin").String())
		},
		"does not read the refusal": func(c net.Conn) {
			tc := tls.Client(c, clientConfig)
			io.WriteString(tc, requestOf(websocket.RFC6455).with("Connection").String())
		},
	}
	for name, client := range stages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				go client(ours)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				start := time.Now()
				_, err := new(websocket.Upgrader).Accept(ctx, tls.Server(theirs, serverConfig))
				if refused := statusOf(err) == 400; !refused && !errors.Is(err, context.Canceled) {
					t.Errorf("%v, want context.Canceled, or the refusal", err)
				}
				if took := time.Since(start); took != time.Second {
					t.Errorf("returned after %v, want 1s, when the context ended", took)
				}
				checkPeerClosed(t, ours)
			})
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				go client(ours)
				start := time.Now()
				up := &websocket.Upgrader{Config: websocket.Config{HandshakeTimeout: 2 * time.Second}}
				_, err := up.Accept(t.Context(), tls.Server(theirs, serverConfig))
				if refused := statusOf(err) == 400; !refused && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v, want context.DeadlineExceeded, or the refusal", err)
				}
				if took := time.Since(start); took != up.HandshakeTimeout {
					t.Errorf("returned after %v, want the HandshakeTimeout of %v", took, up.HandshakeTimeout)
				}
				checkPeerClosed(t, ours)
			})
		})
	}
}

func TestAcceptNotTLS(t *testing.T) {
	serverConfig, _ := newTLSConfigs("lab.example")
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, ours)
		go io.WriteString(ours, requestOf(websocket.RFC6455).String())
		_, err := new(websocket.Upgrader).Accept(t.Context(), tls.Server(theirs, serverConfig))
		if err == nil || !strings.HasPrefix(err.Error(), "websocket: handshake: TLS: ") {
			t.Errorf("%v, want an error that says TLS", err)
		}
		checkPeerClosed(t, ours)
	})
}

func TestAcceptOverTLS(t *testing.T) {
	serverConfig, clientConfig := newTLSConfigs("lab.example")
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			server := make(chan *websocket.Conn, 1)
			go func() {
				c, err := new(websocket.Upgrader).Accept(t.Context(), tls.Server(theirs, serverConfig))
				if err != nil {
					t.Error(err)
				}
				server <- c
			}()
			client, err := (&websocket.Dialer{Version: v}).Handshake(t.Context(), tls.Client(ours, clientConfig), "wss://lab.example/")
			if err != nil {
				t.Fatal(err)
			}
			s := <-server
			if s.Request().TLS == nil || s.Version() != v {
				t.Errorf("request %+v, want what TLS has agreed on in it", s.Request())
			}
			ours.Close() // without alerts, which would be waited for
			theirs.Close()
			client.Close()
			s.Close()
		})
	})
}
