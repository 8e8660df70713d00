package websocket_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/httphead"
)

// padded returns m with a header more, so that its head has size bytes.
func padded(t *testing.T, m httpMessage, size int) httpMessage {
	t.Helper()
	missing := size - len(m.with("Cookie", "").head())
	if missing < 0 {
		t.Fatalf("the request alone has %d bytes more than %d", -missing, size)
	}
	return m.with("Cookie", strings.Repeat("x", missing))
}

// A head of exactly MaxHeaderBytes is accepted, and one byte more is 431, whoever
// has read the request.
func TestMaxHeaderBytes(t *testing.T) {
	checkEachWay(t, func(t *testing.T, v websocket.Version, serve func(*websocket.Upgrader, httpMessage) (string, error)) {
		for _, limit := range []int{0, 1000, 100_000} {
			up, most := &websocket.Upgrader{MaxHeaderBytes: limit}, limit
			if limit == 0 {
				most = 16 << 10
			}
			if answer, err := serve(up, padded(t, requestOf(v), most)); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
				t.Errorf("MaxHeaderBytes %d, a head of %d bytes: %v; want 101", limit, most, err)
			}
			answer, err := serve(up, padded(t, requestOf(v), most+1))
			if statusOf(err) != 431 || !strings.HasPrefix(answer, "HTTP/1.1 431 ") {
				t.Errorf("MaxHeaderBytes %d, a head of %d bytes: %v; want 431", limit, most+1, err)
			}
			for _, words := range []string{fmt.Sprint(most), "cookies", "Upgrader.MaxHeaderBytes"} {
				if !strings.Contains(answer, words) {
					t.Errorf("answer %q, want it to name %s", answer, words)
				}
			}
		}
	})
}

// The number of lines is limited too, to the same number.
func TestMaxHeaderLines(t *testing.T) {
	checkEachWay(t, func(t *testing.T, v websocket.Version, serve func(*websocket.Upgrader, httpMessage) (string, error)) {
		request := requestOf(v)
		for lines := strings.Count(request.head(), "\r\n"); lines < httphead.MaxLines; lines++ {
			request = request.with(fmt.Sprintf("X-%d", lines), "")
		}
		if _, err := serve(new(websocket.Upgrader), request); err != nil {
			t.Errorf("%d lines: %v, want 101", httphead.MaxLines, err)
		}
		answer, err := serve(new(websocket.Upgrader), request.with("X", ""))
		if statusOf(err) != 431 || !strings.Contains(answer, "256") {
			t.Errorf("%d lines: %v, answer %q; want 431 with the limit", httphead.MaxLines+1, err, answer)
		}
	})
}

// What a connection keeps of its request is bounded by MaxHeaderBytes, wherever
// the bytes are.
func TestKeptRequestIsBounded(t *testing.T) {
	const conns, limit = 50, 8 << 10
	fill := strings.Repeat("%41", limit)
	for name, request := range map[string]httpMessage{
		"one header":   padded(t, requestOf(websocket.RFC6455), limit),
		"target":       requestOf(websocket.RFC6455).withLine("GET /" + fill[:limit/4*3] + " HTTP/1.1"),
		"query":        requestOf(websocket.RFC6455).withLine("GET /?" + fill[:limit/4*3] + " HTTP/1.1"),
		"many headers": manyHeaders(requestOf(websocket.RFC6455)),
	} {
		up := &websocket.Upgrader{MaxHeaderBytes: limit}
		sent, made := []byte(request.String()), make([]*websocket.Conn, conns)
		before := heapInUse()
		for i := range made {
			c, err := up.Accept(t.Context(), &script{in: sent})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			made[i] = c
		}
		kept := (heapInUse() - before) / conns
		if kept > 2*limit+4<<10 {
			t.Errorf("%s: a connection keeps %d bytes, want at most twice MaxHeaderBytes, %d, and what a connection takes", name, kept, limit)
		}
		for _, c := range made {
			c.Close()
		}
	}
}

func manyHeaders(m httpMessage) httpMessage {
	for i := range 200 {
		m = m.with(fmt.Sprintf("X-%d", i), strings.Repeat("v", 20))
	}
	return m
}

// heapInUse returns how many bytes of the heap are reachable.
func heapInUse() int {
	for range 2 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
