package deflate_test

import (
	"bytes"
	"compress/flate"
	"io"
	"testing"

	"github.com/protocol-websocket/websocket/internal/deflate"
)

// No message refers back further than was negotiated, or to another connection.
// The messages of 16 connections are mixed, since the compressors share memory.
func TestCompressorKeepsToItsWindow(t *testing.T) {
	type conn struct {
		bits     int
		takeover bool
		out      deflate.Compressor
		in       deflate.Decompressor
		strict   strictDecompressor
	}
	var conns []*conn
	ways(func(bits int, takeover bool) {
		conns = append(conns, &conn{
			bits: bits, takeover: takeover,
			out: deflate.Compressor{WindowBits: bits, ContextTakeover: takeover},
			in:  deflate.Decompressor{WindowBits: bits, ContextTakeover: takeover},
		})
	})
	r := newRand(1)
	for i := range 4000 {
		c, p := conns[i%len(conns)], message(r)
		sent := c.out.Append(nil, p)
		if blocks := (len(p) + deflate.MaxBlock - 1) / deflate.MaxBlock; len(sent) > len(p)+6*max(1, blocks) {
			t.Errorf("%d bytes were compressed to %d", len(p), len(sent))
		}
		if !c.takeover {
			c.strict.out = nil
		}
		if got, err := c.strict.message(sent); err != nil || !bytes.Equal(got, p) {
			t.Fatalf("%d bytes, %d bits, takeover %v: decompressed by the letter to something else: %v", len(p), c.bits, c.takeover, err)
		}
		if got, err := c.in.AppendWhole(nil, sent, int64(len(p))); err != nil || !bytes.Equal(got, p) {
			t.Fatalf("%d bytes, %d bits, takeover %v: decompressed to something else: %v", len(p), c.bits, c.takeover, err)
		}
		c.strict.out = c.strict.out[max(0, len(c.strict.out)-1<<16):]
	}
	for _, c := range conns {
		size := 1 << c.bits
		if d := c.strict.farthest; d > size || d <= size/2 {
			t.Errorf("%d bits, takeover %v: refers back %d bytes, want %d at most, and not much less", c.bits, c.takeover, d, size)
		}
		for _, w := range [][]byte{c.out.Window(), c.in.Window()} {
			if cap(w) > size || !c.takeover && w != nil {
				t.Errorf("%d bits, takeover %v: holds %d bytes between messages", c.bits, c.takeover, cap(w))
			}
		}
	}
}

// The other side may be compress/flate, which reads one long stream.
func TestCompressorToOtherDecompressor(t *testing.T) {
	ways(func(bits int, takeover bool) {
		r, c := newRand(2), deflate.Compressor{WindowBits: bits, ContextTakeover: takeover}
		pr, pw := io.Pipe()
		defer pr.Close()
		in := flate.NewReader(pr)
		for range 100 {
			p := message(r)
			sent := append(c.Append(nil, p), 0, 0, 0xff, 0xff)
			if !takeover {
				in = flate.NewReader(bytes.NewReader(sent))
			} else {
				go pw.Write(sent)
			}
			got := make([]byte, len(p))
			if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, p) {
				t.Fatalf("%d bits, takeover %v: compress/flate decompresses %d bytes to something else: %v", bits, takeover, len(p), err)
			}
		}
	})
}

// The last bits of a message are there, and nothing follows them.
func TestCompressorKnownMessages(t *testing.T) {
	c := deflate.Compressor{WindowBits: 15, ContextTakeover: true}
	for _, m := range []struct{ name, payload, want string }{
		{"empty", "", "\x00"},
		{"first", "Hello", "\xf2\x48\xcd\xc9\xc9\x07\x00"},
		{"again", "Hello", "\xf2\x40\x93\x00\x00"},
	} {
		got := c.Append(nil, []byte(m.payload))
		if m.name != "again" && string(got) != m.want || len(got) > len(m.want)+2 {
			t.Errorf("%s: %q is sent as %x, want %x", m.name, m.payload, got, m.want)
		}
	}
}

// The output is hardly larger than that of compress/flate at level 1 and with a
// window of 32 KiB.
func TestCompressorRatio(t *testing.T) {
	for _, tt := range []struct {
		bits, size int
		takeover   bool
	}{
		{12, 512, true}, {12, 4 << 10, true}, {15, 512, true}, {15, 64 << 10, true},
		{15, 512, false}, {15, 4 << 10, false}, {15, 64 << 10, false},
	} {
		r, c, buf := newRand(3), deflate.Compressor{WindowBits: tt.bits, ContextTakeover: tt.takeover}, new(bytes.Buffer)
		w, err := flate.NewWriter(buf, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := 0, 0
		for range 50 {
			p := jsonText(r, tt.size)
			if !tt.takeover {
				w.Reset(buf)
			}
			w.Write(p)
			w.Flush()
			ours, theirs = ours+len(c.Append(nil, p)), theirs+buf.Len()-4
			buf.Reset()
		}
		if ours > theirs+theirs/20 {
			t.Errorf("%d bytes of JSON, %d bits, takeover %v: %d bytes in all, and by compress/flate %d", tt.size, tt.bits, tt.takeover, ours, theirs)
		}
	}
}

// A block may refer to the one before it, also if that one began with a window.
func TestCompressorRefersToBlockBefore(t *testing.T) {
	r := newRand(11)
	zeros, repeated := make([]byte, deflate.MaxBlock-60), randomBytes(r, 60)
	size := func(message []byte) int {
		c := deflate.Compressor{WindowBits: 15, ContextTakeover: true}
		c.Append(nil, randomBytes(r, 1000))
		return len(c.Append(nil, message))
	}
	once := append(zeros, repeated...)
	if a, b := size(once), size(append(once, repeated...)); b > a+20 {
		t.Errorf("60 bytes that are repeated in the next block take %d", b-a)
	}
}

// A short message is not compared with everything in a large window.
func TestCompressorLearnsInProportion(t *testing.T) {
	r := newRand(12)
	for _, n := range []int{200, 10000} {
		repeated := randomBytes(r, n)
		c := deflate.Compressor{WindowBits: 15, ContextTakeover: true}
		c.Append(nil, append(bytes.Clone(repeated), randomBytes(r, 1<<15-n)...))
		if short, got := n < 1000, len(c.Append(nil, repeated)); short != (got > n) {
			t.Errorf("%d bytes that are repeated after 32 KiB take %d; want them to look new: %v", n, got, short)
		}
	}
}

// The result follows what is in dst, and if dst has room for it nothing else in
// dst changes.
func TestAppend(t *testing.T) {
	p := jsonText(newRand(5), 5000)
	c, d := deflate.Compressor{WindowBits: 15}, deflate.Decompressor{WindowBits: 15}
	sent := c.Append(nil, p)
	for name, tt := range map[string]struct {
		run  func(dst []byte) []byte
		want []byte
	}{
		"Compressor": {func(dst []byte) []byte { return c.Append(dst, p) }, sent},
		"Decompressor": {func(dst []byte) []byte {
			dst, err := d.AppendWhole(dst, sent, int64(len(p)))
			if err != nil {
				t.Error(err)
			}
			return dst
		}, p},
	} {
		buf := bytes.Repeat([]byte{'.'}, len(tt.want)+100)
		copy(buf, "first")
		got := tt.run(buf[:5])
		if &got[0] != &buf[0] || string(got[:5]) != "first" || !bytes.Equal(got[5:], tt.want) {
			t.Errorf("%s: did not append to what was there", name)
		}
		if rest := buf[len(got):]; !bytes.Equal(rest, bytes.Repeat([]byte{'.'}, len(rest))) {
			t.Errorf("%s: wrote beyond what it appended", name)
		}
		if got := tt.run(buf[: 5 : 5+len(tt.want)]); &got[0] != &buf[0] || len(got) != 5+len(tt.want) {
			t.Errorf("%s: allocated although there is room for the result", name)
		}
	}
}

func FuzzCompressor(f *testing.F) {
	r := newRand(6)
	for i := range 16 {
		f.Add(message(r), uint64(i), byte(i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, bits byte, takeover bool) {
		c := deflate.Compressor{WindowBits: 8 + int(bits%8), ContextTakeover: takeover}
		d, strict := deflate.Decompressor{WindowBits: c.WindowBits, ContextTakeover: takeover}, strictDecompressor{}
		buf, sent := []byte(nil), []byte(nil)
		for _, p := range append(split(data, seed), data) {
			sent = c.Append(sent[:0], p)
			var err error
			if buf, err = d.AppendWhole(buf[:0], sent, int64(len(p))); err != nil || !bytes.Equal(buf, p) {
				t.Fatalf("%q is decompressed to %q, %v", p, buf, err)
			}
			if got, err := strict.message(sent); err != nil || !bytes.Equal(got, p) || strict.farthest > 1<<c.WindowBits {
				t.Fatalf("%q is decompressed by the letter to %q, %d bytes back, %v", p, got, strict.farthest, err)
			}
			if !takeover {
				strict.out = nil
			}
		}
	})
}
