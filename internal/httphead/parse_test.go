package httphead_test

import (
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket/internal/httphead"
)

func TestIsInterim(t *testing.T) {
	for status, want := range map[int]bool{100: true, 102: true, 103: true, 199: true, 101: false, 99: false, 200: false, 407: false} {
		if got := httphead.IsInterim(status); got != want {
			t.Errorf("IsInterim(%d) = %t, want %t", status, got, want)
		}
	}
}

func TestParseRequest(t *testing.T) {
	r, err := httphead.ParseRequest([]byte("GET /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nX: z\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "GET" || r.RequestURI != "/x?y" || r.Host != "a" || r.Header.Get("X") != "z" || r.ContentLength != 8 {
		t.Errorf("%s %s, Host %s, header %v, length %d", r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength)
	}
	if b, err := io.ReadAll(r.Body); len(b) > 0 || err != nil {
		t.Errorf("body %q, %v; want none", b, err)
	}
	if r, err := httphead.ParseRequest([]byte("no request\r\n\r\n")); err == nil {
		t.Errorf("%v, want an error", r)
	}
}

func TestParseResponse(t *testing.T) {
	req := &http.Request{Method: "GET", URL: &url.URL{Host: "a"}}
	res, err := httphead.ParseResponse([]byte("HTTP/1.1 407 Nope\r\nContent-Length: 8\r\nX: z\r\n\r\n"), req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 407 || res.Request != req || res.Header.Get("X") != "z" || res.ContentLength != 8 {
		t.Errorf("status %d, request %p, header %v, length %d", res.StatusCode, res.Request, res.Header, res.ContentLength)
	}
	if b, err := io.ReadAll(res.Body); len(b) > 0 || err != nil {
		t.Errorf("body %q, %v; want none", b, err)
	}
	if res, err := httphead.ParseResponse([]byte("no response\r\n\r\n"), req); err == nil {
		t.Errorf("%v, want an error", res)
	}
}

// What is pooled must not be shared while it is in use.
func TestParseConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for _, host := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			for range 200 {
				r, err := httphead.ParseRequest([]byte("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"))
				if err != nil || r.Host != host {
					t.Errorf("got %v, %v; want the host %s", r, err, host)
					return
				}
			}
		})
	}
	wg.Wait()
}

// net/http removes a header Connection that contains close.
func TestParseResponseKeepsConnection(t *testing.T) {
	req := &http.Request{Method: "GET", URL: &url.URL{Host: "a"}}
	for _, version := range []string{"HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0"} {
		for _, values := range [][]string{nil, {"close"}, {"close, Upgrade"}, {"Upgrade", "Close"}, {"keep-alive"}} {
			for _, end := range []string{"\r\n", "\n"} {
				head := version + " 101 x" + end
				for _, value := range values {
					head += "connection: " + value + end
				}
				res, err := httphead.ParseResponse([]byte(head+"X: y"+end+end), req)
				if err != nil {
					t.Fatalf("%q: %v", head, err)
				}
				if got := res.Header["Connection"]; !slices.Equal(got, values) || res.Header.Get("X") != "y" {
					t.Errorf("%q: Connection %q, X %q; want what came", head, got, res.Header.Get("X"))
				}
			}
		}
	}
}

func TestTrimNames(t *testing.T) {
	h := http.Header{"Upgrade ": {"a"}, "connection  ": {"b"}, "Connection": {"c"}, "X Y ": {"d"}, " Z": {"e"}}
	httphead.TrimNames(h)
	slices.Sort(h["Connection"])
	want := http.Header{"Upgrade": {"a"}, "Connection": {"b", "c"}, "X Y": {"d"}, " Z": {"e"}}
	if !maps.EqualFunc(h, want, slices.Equal) {
		t.Errorf("got %v, want %v", h, want)
	}
}

func TestCheckNames(t *testing.T) {
	if err := httphead.CheckNames(http.Header{"A": nil, "X-Y_z!": {"1"}}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"A ", "", "A:", "a b", "é", "A\r\nB"} {
		var refused *httphead.Error
		if err := httphead.CheckNames(http.Header{name: {"1"}}); !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
			t.Errorf("%q: error %v, want an *Error of status 400", name, err)
		}
	}
	if err := httphead.CheckNames(http.Header{strings.Repeat("é", 1000): nil}); len(err.Error()) > 500 {
		t.Errorf("error of %d bytes, want the name cut short", len(err.Error()))
	}
}

func TestReadRefusal(t *testing.T) {
	long := strings.Repeat("b", 2*httphead.MaxBody)
	tests := []struct {
		name       string
		head, rest string
		later      string
		body       string // "-" if there is no response
		wait       time.Duration
	}{
		{"no body", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "", "", "", 0},
		{"with the head", "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\n", "who", "", "who", 0},
		{"half of it later", "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\n", "w", "ho", "who", 0},
		{"chunked", "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nwho\r\n", "0\r\n\r\n", "who", 0},
		{"too long", "HTTP/1.1 403 No\r\n\r\n", long, "", long[:httphead.MaxBody], 0},
		{"never comes", "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\n", "w", "", "w", httphead.BodyWait},
		{"no HTTP", "SSH\r\n\r\n", "", "", "-", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := net.Pipe()
				defer peer.Close()
				defer conn.Close()
				go io.WriteString(peer, tt.later)
				start := time.Now()
				req := &http.Request{Method: "GET", URL: &url.URL{Host: "a"}}
				res := httphead.ReadRefusal(conn, []byte(tt.head), []byte(tt.rest), req)
				if wait := time.Since(start); wait != tt.wait {
					t.Errorf("took %v, want %v", wait, tt.wait)
				}
				if tt.body == "-" {
					if res != nil {
						t.Errorf("response %v, want none", res)
					}
					return
				}
				body, err := io.ReadAll(res.Body)
				if err != nil || string(body) != tt.body || res.StatusCode != 403 || res.Request != req {
					t.Errorf("status %d, body of %d bytes %.20q, %v; want 403 and %d bytes %.20q", res.StatusCode, len(body), body, err, len(tt.body), tt.body)
				}
			})
		})
	}
}
