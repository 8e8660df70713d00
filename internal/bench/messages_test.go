package bench

import (
	"bytes"
	"fmt"
	"testing"

	ours "github.com/protocol-websocket/websocket"
)

var (
	sizes       = []int{16, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20}
	streamSizes = []int{1 << 10, 64 << 10, 1 << 20}
	types       = map[string]ours.MessageType{"binary": ours.Binary, "text": ours.Text}
)

// job is what is measured of a connection: it does its work n times with a
// message, which it reads or writes.
type job func(n int, t ours.MessageType, p []byte) error

// bench measures what pick picks, if that is not nil, of every library.
func bench(b *testing.B, side ours.Side, sizes []int, pick func(c conn) job) {
	for _, kind := range []string{"binary", "text"} {
		for _, size := range sizes {
			p := bytes.Repeat([]byte("a"), size)
			frame := frameTo(side, types[kind], p)
			for _, l := range libraries {
				if c, _ := open(b, l, side, nil, 0); pick(c) == nil {
					continue
				}
				b.Run(fmt.Sprintf("type=%s/size=%d/lib=%s", kind, size, l.name), func(b *testing.B) {
					c, nc := open(b, l, side, frame, b.N+1)
					do := pick(c)
					if err := do(1, types[kind], p); err != nil { // buffers grow
						b.Fatal(err)
					}
					before := nc.written
					b.SetBytes(int64(size))
					b.ReportAllocs()
					b.ResetTimer()
					if err := do(b.N, types[kind], p); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					if nc.written > before { // a system call costs nothing here and much on a socket
						calls, err := nc.callsOf(func() error { return do(1, types[kind], p) })
						if err != nil {
							b.Fatal(err)
						}
						b.ReportMetric(float64(calls), "writes/op")
					}
				})
			}
		}
	}
}

// open returns a connection to which the peer has sent n frames.
func open(b *testing.B, l library, side ours.Side, frame []byte, n int) (conn, *memConn) {
	b.Helper()
	nc := newServerEnd(frame, n)
	if side == ours.ClientSide {
		nc = newClientEnd(frame, n)
	}
	c, err := l.open(side, nc)
	if err != nil {
		b.Fatalf("%s: %v", l.name, err)
	}
	return c, nc
}

// frameTo returns the frame in which p comes to a side.
func frameTo(side ours.Side, t ours.MessageType, p []byte) []byte {
	from := ours.ClientSide
	if side == ours.ClientSide {
		from = ours.ServerSide
	}
	frame, err := ours.AppendMessage(nil, ours.RFC6455, from, t, p)
	if err != nil {
		panic(err)
	}
	return frame
}

func whole(c conn) job   { return c.read }
func written(c conn) job { return c.write }

func inPieces(c conn) job {
	if r, ok := c.(streamReader); ok {
		return r.readStream
	}
	return nil
}

func writtenInPieces(c conn) job {
	if w, ok := c.(streamWriter); ok {
		return w.writeStream
	}
	return nil
}

func prepared(c conn) job {
	if w, ok := c.(preparedWriter); ok {
		return w.writePrepared
	}
	return nil
}

func BenchmarkServerRead(b *testing.B)       { bench(b, ours.ServerSide, sizes, whole) }
func BenchmarkClientRead(b *testing.B)       { bench(b, ours.ClientSide, sizes, whole) }
func BenchmarkServerWrite(b *testing.B)      { bench(b, ours.ServerSide, sizes, written) }
func BenchmarkClientWrite(b *testing.B)      { bench(b, ours.ClientSide, sizes, written) }
func BenchmarkServerReadStream(b *testing.B) { bench(b, ours.ServerSide, streamSizes, inPieces) }
func BenchmarkClientReadStream(b *testing.B) { bench(b, ours.ClientSide, streamSizes, inPieces) }
func BenchmarkServerWriteStream(b *testing.B) {
	bench(b, ours.ServerSide, streamSizes, writtenInPieces)
}
func BenchmarkClientWriteStream(b *testing.B) {
	bench(b, ours.ClientSide, streamSizes, writtenInPieces)
}
func BenchmarkServerWritePrepared(b *testing.B) { bench(b, ours.ServerSide, sizes, prepared) }
func BenchmarkClientWritePrepared(b *testing.B) { bench(b, ours.ClientSide, sizes, prepared) }
