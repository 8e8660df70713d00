package bench

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/protocol-websocket/websocket/internal/bench/echo"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

// zipServe has a server serve nc, which it closes in the end. It may return
// before, as handlers do that leave net/http's goroutine.
func zipServe(serve http.Handler, nc *zipConn, d echo.Deflate) {
	r := request()
	r.Header.Set("Sec-WebSocket-Extensions", d.Offer())
	serve.ServeHTTP(zipHijacker{newHijacker(nc)}, r)
}

// zipHijacker ends the connection of a request that is refused.
type zipHijacker struct{ *hijacker }

func (w zipHijacker) WriteHeader(status int) {
	if status != http.StatusSwitchingProtocols {
		_ = w.conn.Close()
	}
}

// zipConn has a client send messages, over and over, until left are sent. Then
// it ends or, if idle is set, falls silent.
type zipConn struct {
	memConn
	in    [][]byte // frames
	i, at int
	left  int
	bytes int    // written
	begin func() // called before the last counted messages
	count int

	idle   chan struct{}
	quiet  *sync.WaitGroup
	once   sync.Once
	closed chan struct{}
}

// Read gives at most one frame, as a client sends them that waits for answers.
func (c *zipConn) Read(p []byte) (int, error) {
	switch {
	case c.left > 0:
	case c.idle == nil:
		return 0, io.EOF
	default:
		c.quiet.Done()
		<-c.idle
		return 0, io.EOF
	}
	if c.left == c.count && c.begin != nil {
		c.begin()
		c.begin, c.bytes = nil, 0
	}
	n := copy(p, c.in[c.i][c.at:])
	if c.at += n; c.at == len(c.in[c.i]) {
		c.left--
		c.i, c.at = (c.i+1)%len(c.in), 0
	}
	return n, nil
}

func (c *zipConn) Write(p []byte) (int, error) {
	c.bytes += len(p)
	return len(p), nil
}

// Close tells who waits for silence that there will be none if messages are left.
func (c *zipConn) Close() error {
	c.once.Do(func() {
		if c.quiet != nil && c.left > 0 {
			c.quiet.Done()
		}
		close(c.closed)
	})
	return nil
}

func newZipConn(in [][]byte, left int) *zipConn {
	return &zipConn{in: in, left: left, closed: make(chan struct{})}
}

// zipFrames are messages that clients send, more than a window.
func zipFrames(b *testing.B, d echo.Deflate, size int) [][]byte {
	b.Helper()
	t, err := harness.NewCompressed("ours", d, size, 128)
	if err != nil {
		b.Fatal(err)
	}
	return t.Frames
}

// zipAble reports whether a server has that kind of compression.
func zipAble(name string, d echo.Deflate) bool {
	return slices.Contains(echo.For(d.Messages()), name)
}

// BenchmarkCompressedEcho has a server inflate a message and send it back
// compressed, in memory.
func BenchmarkCompressedEcho(b *testing.B) {
	for _, d := range []echo.Deflate{echo.Alone, echo.Takeover} {
		for _, size := range []int{128, 512, 4096} {
			in := zipFrames(b, d, size)
			for _, s := range echo.Compressed {
				if !zipAble(s.Name, d) {
					continue
				}
				serve := s.Handler(d == echo.Takeover)
				b.Run(fmt.Sprintf("takeover=%t/size=%d/lib=%s", d == echo.Takeover, size, s.Name), func(b *testing.B) {
					nc := newZipConn(in, b.N+64) // the first ones fill pools and windows
					nc.count, nc.begin = b.N, b.ResetTimer
					b.ReportAllocs()
					zipServe(serve, nc, d)
					<-nc.closed
					b.StopTimer()
					if nc.left > 0 {
						b.Fatalf("%d messages were not read", nc.left)
					}
					b.ReportMetric(float64(nc.bytes)/float64(b.N), "sent-bytes/op")
				})
			}
		}
	}
}

// BenchmarkCompressedIdle measures what a connection costs in memory that has
// echoed 20 compressed messages with context takeover, without its socket.
func BenchmarkCompressedIdle(b *testing.B) {
	const most, conns = 3, 1000
	in := zipFrames(b, echo.Takeover, 512)
	for _, s := range echo.Compressed {
		if !zipAble(s.Name, echo.Takeover) {
			continue
		}
		serve := s.Handler(true)
		b.Run("lib="+s.Name, func(b *testing.B) {
			zipIdle(b, serve, in, conns/4) // pools that all connections share are not of one
			var measured []float64
			for b.Loop() {
				if len(measured) < most {
					measured = append(measured, float64(zipIdle(b, serve, in, conns))/conns)
				}
			}
			b.ReportMetric(0, "ns/op") // would be of nothing
			b.ReportMetric(harness.Median(measured), "RSS-bytes/conn")
		})
	}
}

// zipIdle returns how much memory so many idle connections take.
func zipIdle(b *testing.B, serve http.Handler, in [][]byte, conns int) int64 {
	before := zipMemory(b)
	over := make(chan struct{})
	var quiet sync.WaitGroup
	quiet.Add(conns)
	all := make([]*zipConn, conns)
	for i := range all {
		all[i] = newZipConn(in, 20)
		all[i].idle, all[i].quiet = over, &quiet
		go zipServe(serve, all[i], echo.Takeover)
	}
	quiet.Wait()
	after := zipMemory(b)
	close(over)
	for _, nc := range all {
		if <-nc.closed; nc.left > 0 {
			b.Errorf("%d messages were not read", nc.left)
		}
	}
	return after - before
}

// zipMemory is what of the process is in memory.
func zipMemory(b *testing.B) int64 {
	m, err := harness.OwnMemory()
	if err != nil {
		b.Fatal(err)
	}
	return m.RSS
}
