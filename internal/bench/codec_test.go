package bench

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	ours "github.com/protocol-websocket/websocket"
)

// The names have no hyphen, since benchstat takes a number after it for
// GOMAXPROCS.
var versions = []struct {
	name    string
	version ours.Version
}{
	{"hixie75", ours.Hixie75},
	{"hybi00", ours.Hybi00},
	{"hybi07", ours.Hybi07},
	{"hybi10", ours.Hybi10},
	{"rfc6455", ours.RFC6455},
}

var codecSizes = []int{125, 1 << 10, 64 << 10}

// codec measures do with frames of clients, of every version and size.
func codec(b *testing.B, do func(b *testing.B, v ours.Version, f ours.Frame, wire []byte)) {
	for _, size := range codecSizes {
		f := ours.Frame{Fin: true, Opcode: ours.Text, Payload: bytes.Repeat([]byte("a"), size)}
		for _, v := range versions {
			f := f
			if v.version != ours.Hixie75 && v.version != ours.Hybi00 {
				f.Masked, f.MaskKey = true, [4]byte{1, 2, 3, 4}
			}
			wire, err := ours.AppendFrame(nil, v.version, f)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("size=%d/version=%s", size, v.name), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				do(b, v.version, f, wire)
			})
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	codec(b, func(b *testing.B, v ours.Version, f ours.Frame, wire []byte) {
		dst := make([]byte, 0, len(wire))
		for b.Loop() {
			got, err := ours.AppendFrame(dst, v, f)
			if err != nil || len(got) != len(wire) {
				b.Fatalf("%d bytes, %v", len(got), err)
			}
		}
	})
}

func BenchmarkParseFrame(b *testing.B) {
	codec(b, func(b *testing.B, v ours.Version, f ours.Frame, wire []byte) {
		for b.Loop() {
			got, n, err := ours.ParseFrame(wire, v)
			if err != nil || n != len(wire) || len(got.Payload) != len(f.Payload) {
				b.Fatalf("%d bytes, %v", n, err)
			}
		}
	})
}

// BenchmarkParser appends one message at a time in the pieces in which a socket
// might give it.
func BenchmarkParser(b *testing.B) {
	codec(b, func(b *testing.B, v ours.Version, f ours.Frame, wire []byte) {
		p, err := ours.NewParser(v, ours.ServerSide, ours.Config{})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			got, err := parse(p, wire)
			if err != nil || len(got.Data) != len(f.Payload) {
				b.Fatalf("%d bytes, %v", len(got.Data), err)
			}
		}
	})
}

func parse(p *ours.Parser, wire []byte) (ours.Message, error) {
	for {
		n := min(len(wire), 16<<10)
		p.Append(wire[:n])
		wire = wire[n:]
		m, err := p.Next()
		if len(wire) == 0 || !errors.Is(err, ours.ErrIncomplete) {
			return m, err
		}
	}
}
