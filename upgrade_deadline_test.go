package websocket

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Deadlines of the http.Server are about requests, and must not end a
// connection that lives longer.
func TestUpgradeClearsServerTimeouts(t *testing.T) {
	handshakeEachVersion(t, func(t *testing.T, v Version) {
		synctest.Test(t, func(t *testing.T) {
			srv := &http.Server{Handler: upgradeEcho(&Upgrader{}, nil), ReadTimeout: time.Second, WriteTimeout: time.Second, IdleTimeout: time.Second}
			client := upgradeServe(t, srv)
			request := handshakeRequest(v)
			_, response, _, _ := handshakeServe(nil, request.String())
			go io.WriteString(client, request.String())
			upgradeRead(t, client, response)
			<-time.After(time.Hour)
			go io.WriteString(client, handshakeHello(v, ClientSide))
			upgradeRead(t, client, handshakeHello(v, ServerSide))
		})
	})
}

// upgradeHijacker is a ResponseWriter that gives away nc.
type upgradeHijacker struct {
	*httptest.ResponseRecorder
	nc net.Conn
}

func (w upgradeHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(bufio.NewReader(w.nc), bufio.NewWriter(w.nc)), nil
}

// upgradeDeadlines is a connection that knows which deadlines are set.
type upgradeDeadlines struct {
	net.Conn
	mu          sync.Mutex
	read, write time.Time
	count       int
}

func (c *upgradeDeadlines) note(read, write bool, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if read {
		c.read = at
	}
	if write {
		c.write = at
	}
}

func (c *upgradeDeadlines) SetDeadline(at time.Time) error {
	c.note(true, true, at)
	return c.Conn.SetDeadline(at)
}

func (c *upgradeDeadlines) SetReadDeadline(at time.Time) error {
	c.note(true, false, at)
	return c.Conn.SetReadDeadline(at)
}

func (c *upgradeDeadlines) SetWriteDeadline(at time.Time) error {
	c.note(false, true, at)
	return c.Conn.SetWriteDeadline(at)
}

// check fails the test if a deadline is left behind, or there never was one.
func (c *upgradeDeadlines) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count < 2 || !c.read.IsZero() || !c.write.IsZero() {
		t.Errorf("%d deadlines set, left are %v for reads and %v for writes; want none left", c.count, c.read, c.write)
	}
}

func TestUpgradeLeavesNoDeadline(t *testing.T) {
	handshakeEachVersion(t, func(t *testing.T, v Version) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			nc := &upgradeDeadlines{Conn: server}
			r, _ := http.ReadRequest(handshakeReader(handshakeRequest(v).head()))
			go func() {
				_, response, _, _ := handshakeServe(nil, handshakeRequest(v).head())
				io.ReadFull(client, make([]byte, len(response)))
				io.WriteString(client, handshakeRequest(v).body)
				io.Copy(io.Discard, client)
			}()
			c, err := new(Upgrader).Upgrade(upgradeHijacker{httptest.NewRecorder(), nc}, r)
			if err != nil {
				t.Fatal(err)
			}
			nc.check(t)
			c.Close()
		})
	})
}

// A client that does not even read the response is given up in time.
func TestUpgradeStuckClient(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 3 * time.Second: 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			r, _ := http.ReadRequest(handshakeReader(handshakeRequest(RFC6455).head()))
			start := time.Now()
			up := &Upgrader{Config: Config{HandshakeTimeout: timeout}}
			_, err := up.Upgrade(upgradeHijacker{httptest.NewRecorder(), server}, r)
			if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") || handshakeStatus(err) != 0 {
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
