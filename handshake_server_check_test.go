package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/protocol-websocket/websocket"
)

// checkWays are the ways to do a server's handshake. Each returns the answer to
// a request, and the error.
var checkWays = map[string]func(t *testing.T, up *websocket.Upgrader, request httpMessage) (answer string, err error){
	"without I/O": func(_ *testing.T, up *websocket.Upgrader, request httpMessage) (string, error) {
		_, answer, _, err := serve(up, request.String())
		return answer, err
	},
	"Accept": acceptAnswer,
	"Upgrade": func(t *testing.T, up *websocket.Upgrader, request httpMessage) (answer string, err error) {
		synctest.Test(t, func(t *testing.T) {
			result := make(chan error, 1)
			client := connectTo(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := up.Upgrade(w, r)
				if err == nil {
					c.Close()
				}
				result <- err
			})})
			go io.WriteString(client, request.String())
			answer, err = readRest(t, client), <-result
		})
		return answer, err
	},
}

// checkEachWay runs f for each of checkWays and each version.
func checkEachWay(t *testing.T, f func(t *testing.T, v websocket.Version, serve func(*websocket.Upgrader, httpMessage) (string, error))) {
	t.Helper()
	for name, way := range checkWays {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, v websocket.Version) {
				f(t, v, func(up *websocket.Upgrader, request httpMessage) (string, error) { return way(t, up, request) })
			})
		})
	}
}

// "Refusal by check runs before 101 in every version." The headers of Check go
// into a 101 and into a refusal, unless one of them is a mistake.
func TestCheck(t *testing.T) {
	reason := errors.New("not on a Sunday")
	cookie := http.Header{"Set-Cookie": {"a=b"}}
	tests := []struct {
		name   string
		header http.Header
		err    error
		status string
		cookie bool
	}{
		{"nothing", nil, nil, "101", false},
		{"header", cookie, nil, "101", true},
		{"refusal", nil, reason, "403", false},
		{"refusal with a header", cookie, reason, "403", true},
		{"refusal with a status", cookie, &websocket.HandshakeError{Status: 401, Err: reason}, "401", true},
		{"header of the handshake", http.Header{"Upgrade": {"x"}, "Set-Cookie": {"a=b"}}, nil, "500", false},
		{"header of the handshake in a refusal", http.Header{"Sec-WebSocket-Accept": {"x"}, "Set-Cookie": {"a=b"}}, reason, "500", false},
		{"line break in a header", http.Header{"X": {"a\r\nSet-Cookie: a=b"}}, nil, "500", false},
	}
	checkEachWay(t, func(t *testing.T, v websocket.Version, serve func(*websocket.Upgrader, httpMessage) (string, error)) {
		for _, tt := range tests {
			calls := 0
			up := &websocket.Upgrader{Check: func(r *http.Request, h http.Header) (context.Context, error) {
				calls++
				if r.URL.Path != "/chat" || len(h) > 0 {
					t.Errorf("%s: asked about %v with the header %v", tt.name, r.URL, h)
				}
				return checkGives(tt.header, tt.err)(r, h)
			}}
			answer, err := serve(up, requestOf(v))
			if calls != 1 || !strings.HasPrefix(answer, "HTTP/1.1 "+tt.status+" ") || (err == nil) != (tt.status == "101") {
				t.Errorf("%s: asked %d times, answer %q (%v); want status %s", tt.name, calls, answer, err, tt.status)
			}
			if tt.err != nil && tt.status != "500" && !errors.Is(err, reason) || strings.Contains(answer, "Sunday") || strings.Count(answer, "HTTP/1.1") != 1 {
				t.Errorf("%s: %v, answer %q; want one answer, and the reason in the error and nowhere else", tt.name, err, answer)
			}
			if has := strings.Contains(answer, "\r\nSet-Cookie: a=b\r\n"); has != tt.cookie {
				t.Errorf("%s: answer %q, want the cookie in it: %t", tt.name, answer, tt.cookie)
			}
		}
	})
}

// Check is called after everything else that may refuse a request.
func TestCheckOrder(t *testing.T) {
	for _, way := range checkWays {
		eachVersion(t, func(t *testing.T, v websocket.Version) {
			asked := 0
			up := &websocket.Upgrader{Check: func(_ *http.Request, h http.Header) (context.Context, error) {
				asked++
				h.Set("X-Checked", "yes")
				return nil, nil
			}}
			before := map[string]httpMessage{
				"method":  requestOf(v).withLine("POST / HTTP/1.1"),
				"upgrade": requestOf(v).with("Connection"),
				"version": requestOf(v).with("Sec-WebSocket-Version", "6"),
				"key":     requestOf(v).with("Sec-WebSocket-Key1", "1").with("Sec-WebSocket-Key", "1"),
				"origin":  requestOf(v).with("Origin", "http://evil.example").with("Sec-WebSocket-Origin"),
			}
			if v == websocket.Hixie75 {
				delete(before, "key") // which it does not have
			}
			for name, request := range before {
				if answer, err := way(t, up, request); err == nil || asked > 0 || strings.Contains(answer, "X-Checked") {
					t.Errorf("%v, wrong %s: asked %d times (%v), answer %q", v, name, asked, err, answer)
					asked = 0
				}
			}
		})
	}
}

// The text of a refusal is ours, so Check cannot set the headers that describe
// it.
func TestCheckRefusalIsDescribedOnce(t *testing.T) {
	check := checkGives(http.Header{"content-type": {"text/html"}, "Content-Encoding": {"gzip"}, "X-Content-Type-Options": {"x"}, "Retry-After": {"9"}}, errors.New("no"))
	for name, way := range checkWays {
		answer, _ := way(t, &websocket.Upgrader{Check: check}, requestOf(websocket.RFC6455))
		res, err := http.ReadResponse(bufReader(answer), nil)
		if err != nil {
			t.Fatalf("%s: %v in %q", name, err, answer)
		}
		want := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"}, "Content-Encoding": nil, "Retry-After": {"9"}}
		for field, values := range want {
			if got := res.Header[field]; !slices.Equal(got, values) {
				t.Errorf("%s: %s is %q, want %q", name, field, got, values)
			}
		}
	}
}

type checkKey struct{}

// The context that Check returns becomes that of the request. A connection that
// may outlive its request keeps it without its cancellation.
func TestCheckContext(t *testing.T) {
	end := func() {}
	check := func(r *http.Request, _ http.Header) (context.Context, error) {
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), checkKey{}, "user"))
		end = cancel
		return ctx, nil
	}
	want := func(t *testing.T, what string, ctx context.Context) {
		t.Helper()
		if ctx.Value(checkKey{}) != "user" || ctx.Err() != nil {
			t.Errorf("%s: value %v, %v; want the user and no end", what, ctx.Value(checkKey{}), ctx.Err())
		}
	}
	t.Run("without I/O", func(t *testing.T) {
		h, _, _, err := serve(&websocket.Upgrader{Check: check}, requestOf(websocket.RFC6455).String())
		if err != nil || h.Request().Context().Value(checkKey{}) != "user" {
			t.Errorf("%v, request %v; want the user in its context", err, h.Request())
		}
	})
	eachServerWay(t, &websocket.Upgrader{Check: check, Config: websocket.Config{Trace: &websocket.Trace{Opened: func(c *websocket.Conn) {
		end()
		want(t, "Opened", c.Request().Context())
	}}}}, func(t *testing.T, client net.Conn, result <-chan error) {
		go io.WriteString(client, requestOf(websocket.RFC6455).String()+helloOf(websocket.RFC6455, websocket.ClientSide))
		readRest(t, client)
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
	t.Run("Server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			done := make(chan struct{})
			s := &websocket.Server{Logger: slog.New(slog.DiscardHandler), Upgrader: websocket.Upgrader{Check: check}, Handler: func(ctx context.Context, c *websocket.Conn) error {
				defer close(done)
				want(t, "Handler", ctx)
				want(t, "Request", c.Request().Context())
				end()
				if ctx.Err() == nil || c.Request().Context().Err() == nil {
					t.Error("the context of Check has ended, but not that of Handler or of Request")
				}
				return nil
			}}
			client := connectTo(t, &http.Server{Handler: s})
			go io.WriteString(client, requestOf(websocket.RFC6455).String())
			if _, err := http.ReadResponse(bufio.NewReader(client), nil); err != nil {
				t.Fatal(err)
			}
			<-done
			go io.Copy(io.Discard, client)
			s.Close()
		})
	})
}

// A 101 has the headers that a handler or middleware has set, if they mean
// something there.
func TestUpgradeKeepsHeader(t *testing.T) {
	given := http.Header{
		"Set-Cookie": {"a=b", "c=d"}, "X-Request-Id": {"7"}, "Strict-Transport-Security": {"max-age=1"}, "x-lower": {"1"}, "Vary": {"Origin"},
		"Connection": {"X-Hop, close"}, "X-Hop": {"1"}, "Keep-Alive": {"1"}, "Upgrade": {"h2c"}, "Te": {"x"}, "Trailer": {"x"},
		"Transfer-Encoding": {"chunked"}, "Proxy-Authenticate": {"x"}, "Proxy-Authorization": {"x"}, "Proxy-Connection": {"x"},
		"Content-Length": {"3"}, "Content-Type": {"text/html"}, "content-encoding": {"gzip"}, "Content-Security-Policy": {"x"},
		"Sec-Websocket-Protocol": {"x"}, "sec-websocket-accept": {"x"}, "Websocket-Location": {"x"},
		http.TrailerPrefix + "X": {"x"}, "Date": nil,
	}
	before := maps.Clone(given)
	want := []string{"Set-Cookie", "Strict-Transport-Security", "Vary", "X-Checked", "X-Request-Id", "x-lower"}
	eachVersion(t, func(t *testing.T, v websocket.Version) {
		synctest.Test(t, func(t *testing.T) {
			_, plain, _, _ := serve(nil, requestOf(v).String())
			head, _, _ := strings.Cut(plain, "\r\n\r\n")
			up := &websocket.Upgrader{Check: func(_ *http.Request, h http.Header) (context.Context, error) {
				if h.Get("Vary") != "Origin" {
					t.Errorf("Check is given %v, want what was set before", h)
				}
				h.Add("Vary", "Cookie")
				h.Set("X-Checked", "yes")
				return nil, nil
			}}
			client := connectTo(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				maps.Copy(w.Header(), given)
				echoOnceHandler(up, nil)(w, r)
			})})
			go io.WriteString(client, requestOf(v).String()+helloOf(v, websocket.ClientSide))
			answer, _, _ := strings.Cut(readRest(t, client), "\r\n\r\n")
			added, ok := strings.CutPrefix(answer, head)
			if !ok {
				t.Fatalf("answer %q, want the beginning %q", answer, head)
			}
			names := []string{}
			for line := range strings.SplitSeq(strings.TrimPrefix(added, "\r\n"), "\r\n") {
				name, _, _ := strings.Cut(line, ":")
				names = append(names, name)
			}
			if got := slices.Compact(names); !slices.Equal(got, want) {
				t.Errorf("headers %q were added, want %q", got, want)
			}
			if !strings.Contains(answer, "\r\nVary: Origin\r\nVary: Cookie\r\n") || !strings.Contains(answer, "\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n") {
				t.Errorf("answer %q lacks one of several values", answer)
			}
		})
	})
	if !maps.EqualFunc(given, before, slices.Equal) {
		t.Errorf("the handler's header was changed to %v", given)
	}
}

// A header that was set before with a control character in its value is refused
// before the connection is hijacked.
func TestUpgradeRefusesGivenHeader(t *testing.T) {
	for name, value := range controlValues {
		w := httptest.NewRecorder()
		w.Header().Set("X", value)
		r, err := http.ReadRequest(bufReader(requestOf(websocket.RFC6455).head()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(websocket.Upgrader).Upgrade(w, r); statusOf(err) != 500 || w.Code != 500 {
			t.Errorf("%s: %v, status %d; want 500", name, err, w.Code)
		}
	}
}

// A refusal with 304 has no body, RFC 9110 section 15.4.5.
func TestRefusalWithoutBody(t *testing.T) {
	checkEachWay(t, func(t *testing.T, v websocket.Version, serve func(*websocket.Upgrader, httpMessage) (string, error)) {
		up := &websocket.Upgrader{Check: func(*http.Request, http.Header) (context.Context, error) {
			return nil, &websocket.HandshakeError{Status: http.StatusNotModified}
		}}
		answer, err := serve(up, requestOf(v))
		if err == nil || !strings.HasPrefix(answer, "HTTP/1.1 304 Not Modified\r\n") || !strings.HasSuffix(answer, "\r\n\r\n") {
			t.Errorf("answer %q, %v; want 304 without a body", answer, err)
		}
	})
}

// The text of a refusal is ours, and so are the headers that describe it, however
// a middleware has prepared for the body of the handler.
func TestUpgradeRefusalDropsGivenDescription(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("X-Request-Id", "7")
	_, err := new(websocket.Upgrader).Upgrade(w, httptest.NewRequest("GET", "/", nil))
	h := w.Result().Header
	if err == nil || h.Get("Content-Encoding") != "" || h.Get("X-Request-Id") != "7" || !strings.HasPrefix(w.Body.String(), "Upgrade Required") {
		t.Errorf("refused with %v and %q, %v; want its text without Content-Encoding", h, w.Body, err)
	}
}
