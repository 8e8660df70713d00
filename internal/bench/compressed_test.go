package bench

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

// zipServers compress all that they send, however short, as their documentation
// has it. gorilla has no context takeover.
var zipServers = []struct {
	name string
	// open upgrades, and echo answers until the end of the input. A server gives
	// echo a stack of its own, which the upgrade has not made large.
	open func(nc net.Conn, takeover bool) (echo func() error, err error)
}{
	{"ours", zipOurs},
	{"gorilla", zipGorilla},
	{"coder", zipCoder},
	{"gws", zipGws},
}

func zipOurs(nc net.Conn, takeover bool) (echo func() error, err error) {
	u := ours.Upgrader{Config: ours.Config{Compression: &ours.Compression{NoContextTakeover: !takeover, Threshold: 1}}}
	c, err := u.Upgrade(newHijacker(nc), zipRequest(takeover), nil)
	return func() (err error) {
		var b []byte
		for err == nil {
			var t ours.MessageType
			if t, b, err = c.AppendMessage(b[:0]); err == nil {
				err = c.WriteMessage(t, b)
			}
		}
		return err
	}, err
}

func zipGorilla(nc net.Conn, takeover bool) (echo func() error, err error) {
	u := gorilla.Upgrader{EnableCompression: true}
	c, err := u.Upgrade(newHijacker(nc), zipRequest(takeover), nil)
	return func() (err error) {
		var b bytes.Buffer
		for err == nil {
			var t int
			var r io.Reader
			if t, r, err = c.NextReader(); err != nil {
				break
			}
			b.Reset()
			if _, err = b.ReadFrom(r); err == nil {
				err = c.WriteMessage(t, b.Bytes())
			}
		}
		return err
	}, err
}

func zipCoder(nc net.Conn, takeover bool) (echo func() error, err error) {
	option := &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 1}
	if takeover {
		option.CompressionMode = websocket.CompressionContextTakeover
	}
	c, err := websocket.Accept(newHijacker(nc), zipRequest(takeover), option)
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return func() (err error) {
		ctx := context.Background()
		var b bytes.Buffer
		for err == nil {
			var t websocket.MessageType
			var r io.Reader
			if t, r, err = c.Reader(ctx); err != nil {
				break
			}
			b.Reset()
			if _, err = b.ReadFrom(r); err == nil {
				err = c.Write(ctx, t, b.Bytes())
			}
		}
		return err
	}, nil
}

// zipGwsUpgraders are without and with takeover; each makes compressors that its
// connections share.
var zipGwsUpgraders = sync.OnceValue(func() (u [2]*gws.Upgrader) {
	for i, takeover := range []bool{false, true} {
		u[i] = gws.NewUpgrader(zipEvents{}, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{
			Enabled: true, Threshold: 1, ServerContextTakeover: takeover, ClientContextTakeover: takeover,
			ServerMaxWindowBits: 12, ClientMaxWindowBits: 12,
		}})
	}
	return u
})

func zipGws(nc net.Conn, takeover bool) (echo func() error, err error) {
	u := zipGwsUpgraders()[0]
	if takeover {
		u = zipGwsUpgraders()[1]
	}
	c, err := u.Upgrade(newHijacker(nc), zipRequest(takeover))
	return func() error { c.ReadLoop(); return nil }, err
}

type zipEvents struct{ gws.BuiltinEventHandler }

func (zipEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	_ = c.WriteMessage(m.Opcode, m.Bytes())
	_ = m.Close()
}

func zipRequest(takeover bool) *http.Request {
	r := request()
	offer := "permessage-deflate; client_max_window_bits"
	if !takeover {
		offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	}
	r.Header.Set("Sec-WebSocket-Extensions", offer)
	return r
}

// zipConn has a client send messages, over and over, until left are sent. Then
// it ends or, if idle is set, falls silent.
type zipConn struct {
	memConn
	in    []byte // frames
	ends  []int  // of them in it
	i, at int
	left  int
	bytes int    // written
	begin func() // called before the last counted messages
	count int

	idle  chan struct{}
	quiet *sync.WaitGroup
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
	n := copy(p, c.in[c.at:c.ends[c.i]])
	if c.at += n; c.at == c.ends[c.i] {
		c.left--
		if c.i++; c.i == len(c.ends) {
			c.i, c.at = 0, 0
		}
	}
	return n, nil
}

func (c *zipConn) Write(p []byte) (int, error) {
	c.bytes += len(p)
	return len(p), nil
}

// newZipConn has messages of JSON with the same keys and other values, each
// compressed by itself, which every server has to understand.
func newZipConn(size, left int) *zipConn {
	c := &zipConn{left: left}
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, flate.BestSpeed)
	for i := range 128 { // more than a window
		z.Reset()
		w.Reset(&z)
		_, _ = w.Write(zipMessage(i, size))
		_ = w.Flush()
		frame, err := ours.AppendFrame(nil, ours.RFC6455, ours.Frame{
			Fin: true, RSV: 4, Opcode: ours.Text, Masked: true, MaskKey: [4]byte{1, 2, 3, byte(i)},
			Payload: bytes.TrimSuffix(z.Bytes(), []byte{0, 0, 0xff, 0xff}),
		})
		if err != nil {
			panic(err)
		}
		c.in = append(c.in, frame...)
		c.ends = append(c.ends, len(c.in))
	}
	return c
}

func zipMessage(i, size int) []byte {
	var b strings.Builder
	for k := 0; b.Len() < size; k++ {
		fmt.Fprintf(&b, `{"id":%d,"user":"user-%d","price":%d.%02d,"open":%v,"tags":["t%d","u%d"],"hash":"%08x"},`,
			i*1000+k, (i*7919+k*31)%1000, (i*13+k*7)%977, (k*37+i)%100, (i+k)%2 == 0, i%13, k%17, uint32(i*2654435761+k*40503))
	}
	return []byte(b.String()[:size])
}

// BenchmarkCompressedEcho has a server inflate a message and send it back
// compressed, in memory.
func BenchmarkCompressedEcho(b *testing.B) {
	for _, takeover := range []bool{false, true} {
		for _, size := range []int{128, 512, 4096} {
			for _, s := range zipServers {
				if takeover && s.name == "gorilla" {
					continue
				}
				b.Run(fmt.Sprintf("takeover=%t/size=%d/lib=%s", takeover, size, s.name), func(b *testing.B) {
					nc := newZipConn(size, b.N+64) // the first ones fill pools and windows
					nc.count, nc.begin = b.N, b.ResetTimer
					b.ReportAllocs()
					echo, err := s.open(nc, takeover)
					if err != nil {
						b.Fatal(err)
					}
					err = echo()
					b.StopTimer()
					if nc.left > 0 {
						b.Fatalf("%d messages were not read: %v", nc.left, err)
					}
					b.ReportMetric(float64(nc.bytes)/float64(b.N), "sent-bytes/op")
				})
			}
		}
	}
}

// BenchmarkCompressedIdle measures what a connection costs in memory that has
// echoed 20 compressed messages with context takeover, without its socket. It
// does so a few times at most, however many iterations there are: each makes
// 1,000 connections.
func BenchmarkCompressedIdle(b *testing.B) {
	const most, conns = 3, 1000
	for _, s := range zipServers {
		if s.name == "gorilla" {
			continue
		}
		b.Run("lib="+s.name, func(b *testing.B) {
			zipIdle(b, s.open, conns/4) // pools that all connections share are not of one
			var measured []float64
			for b.Loop() {
				if len(measured) < most {
					measured = append(measured, zipIdle(b, s.open, conns))
				}
			}
			b.ReportMetric(0, "ns/op") // would be of nothing
			b.ReportMetric(harness.Median(measured), "RSS-bytes/conn")
		})
	}
}

// zipIdle returns the memory of one of so many connections.
func zipIdle(b *testing.B, open func(net.Conn, bool) (func() error, error), conns int) float64 {
	before := zipMemory(b)
	over := make(chan struct{})
	var quiet, ended sync.WaitGroup
	template := newZipConn(512, 0)
	for range conns {
		nc := &zipConn{in: template.in, ends: template.ends, left: 20, idle: over, quiet: &quiet}
		echo, err := open(nc, true)
		if err != nil {
			b.Fatal(err)
		}
		quiet.Add(1)
		ended.Go(func() {
			if err := echo(); nc.left > 0 {
				b.Errorf("%d messages were not read: %v", nc.left, err)
				quiet.Done()
			}
		})
	}
	quiet.Wait()
	after := zipMemory(b)
	close(over)
	ended.Wait()
	return float64(after-before) / float64(conns)
}

// zipMemory is what of the process is in memory, after garbage collection.
func zipMemory(b *testing.B) int64 {
	for range 3 { // pools are emptied by the second
		runtime.GC()
	}
	debug.FreeOSMemory()
	f, err := os.Open("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var total, resident int64
	if _, err := fmt.Fscan(bufio.NewReader(f), &total, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}
