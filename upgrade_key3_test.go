package websocket_test

import (
	"bufio"
	"context"
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

// noHijack hides that the connection can be hijacked.
type noHijack struct{ http.ResponseWriter }

// "A refused hixie-76 request whose key3 is then parsed as the next request."
func TestRefusedKey3IsNoRequest(t *testing.T) {
	refuse := func(*http.Request, string) error { return errors.New("no") }
	as := func(m httpMessage) httpMessage { return m }
	tests := []struct {
		name   string
		up     *websocket.Upgrader
		edit   func(httpMessage) httpMessage
		status string
	}{
		{"version not taken", &websocket.Upgrader{Versions: []websocket.Version{websocket.RFC6455}}, as, "426"},
		{"no such upgrade", &websocket.Upgrader{}, func(m httpMessage) httpMessage { return m.with("Upgrade", "x") }, "426"},
		{"CheckOrigin", &websocket.Upgrader{CheckOrigin: refuse}, as, "403"},
		{"foreign origin", &websocket.Upgrader{}, func(m httpMessage) httpMessage { return m.with("Origin", "http://evil.example") }, "403"},
		{"bad key", &websocket.Upgrader{}, func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Key1", "1") }, "400"},
		{"draft 2", &websocket.Upgrader{}, func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Draft", "2") }, "400"},
		{"key missing", &websocket.Upgrader{}, func(m httpMessage) httpMessage { return m.with("Sec-WebSocket-Key2") }, "400"},
		{"method", &websocket.Upgrader{}, func(m httpMessage) httpMessage { return m.withLine("POST / HTTP/1.1") }, "405"},
		{"protocol", &websocket.Upgrader{}, func(m httpMessage) httpMessage {
			return m.withLine("GET / HTTP/1.0").with("Connection", "Upgrade, keep-alive")
		}, "505"},
		{"options", &websocket.Upgrader{Origins: []string{"x"}}, as, "500"},
		{"no hijacking", nil, as, "500"},
	}
	const second = "GET /xyz HTTP/1.1\r\nHost: a\r\n\r\n" // begins with what should be key3
	for _, tt := range tests {
		for _, length := range []string{"", "8"} {
			input := tt.edit(requestOf(websocket.Hybi00))
			if length != "" {
				input = input.with("Content-Length", length)
			}
			input.body = second + second
			t.Run(tt.name+"/net/http"+length, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					requests := 0
					client := connectTo(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						requests++
						if tt.up == nil {
							new(websocket.Upgrader).Upgrade(noHijack{w}, r)
							return
						}
						tt.up.Upgrade(w, r)
					})})
					go io.WriteString(client, input.String())
					got := readRest(t, client)
					if requests != 1 || strings.Count(got, "\r\n\r\n") != 1 || !strings.HasPrefix(got, "HTTP/1.1 "+tt.status) && !strings.HasPrefix(got, "HTTP/1.0 "+tt.status) {
						t.Errorf("%d requests were seen, answered by\n%q; want one and %s", requests, got, tt.status)
					}
				})
			})
			if tt.up == nil {
				continue
			}
			t.Run(tt.name+"/Accept"+length, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					go io.WriteString(client, input.String())
					go tt.up.Accept(t.Context(), server)
					got := readRest(t, client)
					if strings.Count(got, "HTTP/1.1 ") != 1 || !strings.HasPrefix(got, "HTTP/1.1 "+tt.status) || !strings.Contains(got, "\r\nConnection: close\r\n") {
						t.Errorf("answered by\n%q; want one response, %s with Connection: close", got, tt.status)
					}
				})
			})
		}
	}
}

// upgradeRelay relays between a client and a server as HAProxy and nginx do:
// what follows the head of the request is sent after the head of the response.
func upgradeRelay(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	fromClient, fromServer := bufio.NewReader(client), bufio.NewReader(server)
	for _, way := range []struct {
		from *bufio.Reader
		to   net.Conn
	}{{fromClient, server}, {fromServer, client}} {
		if _, err := io.WriteString(way.to, readHead(way.from)); err != nil {
			return
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fromServer.WriteTo(client)
		client.Close()
	}()
	fromClient.WriteTo(server)
	server.Close()
	<-ended
}

// "The 101 header is written and flushed before the 8 bytes of key3 are waited
// for": through such a relay there is no connection otherwise.
func TestKey3WithheldByRelay(t *testing.T) {
	eachServerWay(t, &websocket.Upgrader{}, func(t *testing.T, server net.Conn, _ <-chan error) {
		ours, relayed := net.Pipe()
		go upgradeRelay(relayed, server)
		c, err := (&websocket.Dialer{Version: websocket.Hybi00}).Handshake(t.Context(), ours, "ws://a.example/")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.WriteMessage(websocket.Text, []byte("through")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.ReadMessage(); err != nil || string(got) != "through" {
			t.Errorf("echo %q, %v", got, err)
		}
	})
}

// What arrives after key3, in whatever pieces, belongs to the first frame.
func TestKey3InItsOwnSegment(t *testing.T) {
	_, response, _, _ := serve(nil, requestOf(websocket.Hybi00).String())
	head := strings.TrimSuffix(response, hixieAnswer)
	for _, pieces := range [][]string{
		{hixieKey3, "\x00Hello\xff"},
		{hixieKey3 + "\x00Hello\xff"},
		{hixieKey3[:1], hixieKey3[1:] + "\x00Hel", "lo\xff"},
		strings.Split(hixieKey3+"\x00Hello\xff", ""),
	} {
		eachServerWay(t, &websocket.Upgrader{}, func(t *testing.T, client net.Conn, _ <-chan error) {
			go io.WriteString(client, requestOf(websocket.Hybi00).head())
			wantBytes(t, client, head)
			go func() {
				for _, piece := range pieces {
					io.WriteString(client, piece)
				}
			}()
			wantBytes(t, client, hixieAnswer+"\x00Hello\xff")
		})
	}
}

// A client that never sends key3 is given up. The time begins anew when the
// head was sent, and bytes that arrive do not extend it.
func TestKey3NeverComes(t *testing.T) {
	for name, sends := range map[string]int{"nothing": 0, "7 bytes": 7} {
		t.Run(name, func(t *testing.T) {
			up := &websocket.Upgrader{Config: websocket.Config{HandshakeTimeout: 5 * time.Second}}
			eachServerWay(t, up, func(t *testing.T, client net.Conn, result <-chan error) {
				go func() {
					io.WriteString(client, requestOf(websocket.Hybi00).head()[:20])
					<-time.After(4 * time.Second) // of the time for the head
					io.WriteString(client, requestOf(websocket.Hybi00).head()[20:])
				}()
				if head := readHead(client); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
					t.Fatalf("response %q", head)
				}
				start := time.Now()
				for range sends {
					<-time.After(500 * time.Millisecond)
					io.WriteString(client, "x")
				}
				err := <-result
				if took := time.Since(start); took != up.HandshakeTimeout {
					t.Errorf("given up %v after the head, want %v", took, up.HandshakeTimeout)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "websocket: ") {
					t.Errorf("%v, want one of this package that wraps context.DeadlineExceeded", err)
				}
				if rest := readRest(t, client); rest != "" {
					t.Errorf("received %q after that, want the end", rest)
				}
			})
		})
	}
}

func TestKey3ClientHangsUp(t *testing.T) {
	eachServerWay(t, &websocket.Upgrader{}, func(t *testing.T, client net.Conn, result <-chan error) {
		go io.WriteString(client, requestOf(websocket.Hybi00).head())
		readHead(client)
		io.WriteString(client, "1234567")
		client.Close()
		if err := <-result; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v, want one that wraps io.ErrUnexpectedEOF", err)
		}
	})
}

// With a negative HandshakeTimeout only the context of Accept bounds the
// handshake.
func TestKey3ContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		client, server := net.Pipe()
		result := make(chan error, 1)
		go func() {
			_, err := (&websocket.Upgrader{Config: websocket.Config{HandshakeTimeout: -1}}).Accept(ctx, server)
			result <- err
		}()
		go io.WriteString(client, requestOf(websocket.Hybi00).head())
		readHead(client)
		<-time.After(24 * time.Hour)
		select {
		case err := <-result:
			t.Fatalf("given up (%v), though no limit was set", err)
		default:
		}
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want one that wraps context.Canceled", err)
		}
	})
}
