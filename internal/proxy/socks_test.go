package proxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket/internal/proxy"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// socksServer is a SOCKS5 server that connects to an echo, RFC 1928 and 1929.
type socksServer struct {
	login  string // wanted, "user:password"; empty: none
	reply  byte   // to the CONNECT command
	target string // what was asked for, kind and text
}

func (s *socksServer) serve(c net.Conn) {
	r := bufio.NewReader(c)
	if err := s.authenticate(c, r); err != nil {
		return
	}
	command := make([]byte, 4) // version, command, reserved, kind of address
	if _, err := io.ReadFull(r, command); err != nil || command[1] != 1 {
		return
	}
	var host string
	switch command[3] {
	case 1:
		host = "IPv4 " + net.IP(readN(r, 4)).String()
	case 3:
		n, _ := r.ReadByte()
		host = "name " + string(readN(r, int(n)))
	case 4:
		host = "IPv6 " + net.IP(readN(r, 16)).String()
	}
	port := readN(r, 2)
	s.target = fmt.Sprintf("%s port %d", host, int(port[0])<<8|int(port[1]))
	c.Write([]byte{5, s.reply, 0, 1, 127, 0, 0, 1, 0x1f, 0x90})
	if s.reply == 0 {
		io.Copy(c, r)
	}
}

func (s *socksServer) authenticate(c net.Conn, r *bufio.Reader) error {
	methods := readN(r, int(readN(r, 2)[1]))
	switch {
	case s.login == "":
		_, err := c.Write([]byte{5, 0})
		return err
	case !bytes.Contains(methods, []byte{2}):
		c.Write([]byte{5, 0xff})
		return errors.New("login wanted, none offered")
	}
	c.Write([]byte{5, 2})
	user := readN(r, int(readN(r, 2)[1]))
	password := readN(r, int(readN(r, 1)[0]))
	if string(user)+":"+string(password) != s.login {
		c.Write([]byte{1, 1})
		return errors.New("wrong login")
	}
	_, err := c.Write([]byte{1, 0})
	return err
}

func readN(r io.Reader, n int) []byte {
	b := make([]byte, n)
	io.ReadFull(r, b)
	return b
}

func TestDialSOCKS(t *testing.T) {
	tests := []struct {
		name       string
		proxy      string
		addr       string
		server     socksServer
		wantDial   string
		wantTarget string
		wantErr    string
	}{
		{"name", "socks5://p.test", "a.test:80", socksServer{}, "tcp p.test:1080", "name a.test port 80", ""},
		{"name with socks5h", "socks5h://p.test", "a.test:443", socksServer{}, "tcp p.test:1080", "name a.test port 443", ""},
		{"other port", "socks5://p.test:9050", "a.test:80", socksServer{}, "tcp p.test:9050", "name a.test port 80", ""},
		{"IPv4", "socks5://p.test", "192.0.2.1:80", socksServer{}, "tcp p.test:1080", "IPv4 192.0.2.1 port 80", ""},
		{"IPv6", "socks5://p.test", "[2001:db8::1]:80", socksServer{}, "tcp p.test:1080", "IPv6 2001:db8::1 port 80", ""},
		{"login", "socks5://u:secret@p.test", "a.test:80", socksServer{login: "u:secret"}, "tcp p.test:1080", "name a.test port 80", ""},
		{"user with a colon", "socks5://u%3Av:secret@p.test", "a.test:80", socksServer{login: "u:v:secret"}, "tcp p.test:1080", "name a.test port 80", ""},
		{"login not asked for", "socks5://u:secret@p.test", "a.test:80", socksServer{}, "tcp p.test:1080", "name a.test port 80", ""},
		{"wrong login", "socks5://u:secret@p.test", "a.test:80", socksServer{login: "u:other"}, "tcp p.test:1080", "", "authentication failed"},
		{"login missing", "socks5://p.test", "a.test:80", socksServer{login: "u:secret"}, "tcp p.test:1080", "", "authentication"},
		{"forbidden", "socks5://u:secret@p.test", "a.test:80", socksServer{reply: 2}, "tcp p.test:1080", "name a.test port 80", "not allowed by ruleset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &testkit.PipeLink{Serve: tt.server.serve}
				conn, err := proxy.Dial(t.Context(), link.Dial, mustURL(t, tt.proxy), tt.addr, proxy.Options{})
				if err == nil {
					defer conn.Close()
					if conn != link.Client {
						t.Error("the connection is wrapped, want the one dialed")
					}
					checkEcho(t, conn)
				} else {
					link.CheckClosed(t)
				}
				checkProxyError(t, err, tt.wantErr, "proxy p.test:1080: ")
				synctest.Wait() // the server is done writing to its fields
				if link.Addr != tt.wantDial || tt.server.target != tt.wantTarget {
					t.Errorf("dialed %q, target %q; want %q, %q", link.Addr, tt.server.target, tt.wantDial, tt.wantTarget)
				}
			})
		})
	}
}

func TestDialNotSOCKS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &testkit.PipeLink{Serve: func(c net.Conn) {
			readN(c, 3)
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}}
		_, err := proxy.Dial(t.Context(), link.Dial, mustURL(t, "socks5://p.test"), "a.test:80", proxy.Options{})
		checkProxyError(t, err, "unexpected protocol version", "proxy p.test:1080: ")
		link.CheckClosed(t)
	})
}
