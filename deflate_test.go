package websocket

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// deflateRand is the same in each run.
func deflateRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// deflateJSON is a message of about n bytes: the same keys, other values.
func deflateJSON(r *rand.Rand, n int) []byte {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"time":"2026-03-%02dT%02d:%02d:00Z","price":%.2f,"side":"%s","user":{"id":"u_%08x","vip":%t}}`,
			r.IntN(1e9), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.Float64()*90000, []string{"buy", "sell"}[r.IntN(2)], r.Uint32(), r.IntN(4) == 0)
	}
	return []byte(b.String()[:n])
}

func deflateNoise(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// deflateMessage is a message of any kind and size.
func deflateMessage(r *rand.Rand) []byte {
	n := r.IntN(400)
	switch r.IntN(20) {
	case 0:
		n = 0
	case 1, 2, 3:
		n = r.IntN(12 << 10)
	case 4:
		if r.IntN(8) == 0 {
			n = maxBlock - 300 + r.IntN(2*maxBlock)
		}
	}
	switch r.IntN(6) {
	case 0:
		return deflateNoise(r, n)
	case 1:
		return make([]byte, n)
	case 2: // noise that comes again, n bytes back
		return bytes.Repeat(deflateNoise(r, n/2), 2)
	}
	return deflateJSON(r, n)
}

func deflateWays(f func(bits int, takeover bool)) {
	for bits := 8; bits <= 15; bits++ {
		f(bits, false)
		f(bits, true)
	}
}

// No message refers back further than was negotiated, or to another connection.
// The messages of 16 connections are mixed, as the compressors are shared.
func TestDeflaterKeepsToItsWindow(t *testing.T) {
	type conn struct {
		deflater
		inflater
		strict strictInflater
	}
	var conns []*conn
	deflateWays(func(bits int, takeover bool) {
		conns = append(conns, &conn{deflater: deflater{bits: bits, takeover: takeover}, inflater: inflater{bits: bits, takeover: takeover}})
	})
	r := deflateRand(1)
	for i := range 4000 {
		c, p := conns[i%len(conns)], deflateMessage(r)
		sent := c.deflater.append(nil, p)
		if blocks := (len(p) + maxBlock - 1) / maxBlock; len(sent) > len(p)+6*max(1, blocks) {
			t.Errorf("%d bytes were compressed to %d", len(p), len(sent))
		}
		if !c.deflater.takeover {
			c.strict.out = nil
		}
		if got, err := c.strict.message(sent); err != nil || !bytes.Equal(got, p) {
			t.Fatalf("%d bytes, %d bits, takeover %v: inflated by the letter to something else: %v", len(p), c.deflater.bits, c.deflater.takeover, err)
		}
		if got, err := c.inflater.append(nil, sent, int64(len(p))); err != nil || !bytes.Equal(got, p) {
			t.Fatalf("%d bytes, %d bits, takeover %v: inflated to something else: %v", len(p), c.deflater.bits, c.deflater.takeover, err)
		}
		c.strict.out = c.strict.out[max(0, len(c.strict.out)-1<<16):]
	}
	for _, c := range conns {
		size := 1 << c.deflater.bits
		if d := c.strict.farthest; d > size || d <= size/2 {
			t.Errorf("%d bits, takeover %v: refers back %d bytes, want %d at most, and not much less", c.deflater.bits, c.deflater.takeover, d, size)
		}
		for _, w := range [][]byte{c.deflater.window, c.inflater.window} {
			if cap(w) > size || !c.deflater.takeover && w != nil {
				t.Errorf("%d bits, takeover %v: holds %d bytes between messages", c.deflater.bits, c.deflater.takeover, cap(w))
			}
		}
	}
}

// The other side may be compress/flate, which reads one long stream.
func TestDeflaterToOtherInflater(t *testing.T) {
	deflateWays(func(bits int, takeover bool) {
		r, d := deflateRand(2), deflater{bits: bits, takeover: takeover}
		pr, pw := io.Pipe()
		defer pr.Close()
		in := flate.NewReader(pr)
		for range 100 {
			p := deflateMessage(r)
			sent := append(d.append(nil, p), 0, 0, 0xff, 0xff)
			if !takeover {
				in = flate.NewReader(bytes.NewReader(sent))
			} else {
				go pw.Write(sent)
			}
			got := make([]byte, len(p))
			if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, p) {
				t.Fatalf("%d bits, takeover %v: compress/flate inflates %d bytes to something else: %v", bits, takeover, len(p), err)
			}
		}
	})
}

// What takes less than a byte is there whole, and no more is.
func TestDeflaterKnownMessages(t *testing.T) {
	d := deflater{bits: 15, takeover: true}
	for _, m := range []struct{ name, payload, want string }{
		{"empty", "", "\x00"},
		{"first", "Hello", "\xf2\x48\xcd\xc9\xc9\x07\x00"},
		{"again", "Hello", "\xf2\x40\x93\x00\x00"},
	} {
		got := d.append(nil, []byte(m.payload))
		if m.name != "again" && string(got) != m.want || len(got) > len(m.want)+2 {
			t.Errorf("%s: %q is sent as %x, want %x", m.name, m.payload, got, m.want)
		}
	}
}

// What is compressed is hardly larger than what compress/flate makes of it at
// level 1 and with a window of 32 KiB.
func TestDeflaterRatio(t *testing.T) {
	for _, c := range []struct {
		bits, size int
		takeover   bool
	}{
		{12, 512, true}, {12, 4 << 10, true}, {15, 512, true}, {15, 64 << 10, true},
		{15, 512, false}, {15, 4 << 10, false}, {15, 64 << 10, false},
	} {
		r, d, buf := deflateRand(3), deflater{bits: c.bits, takeover: c.takeover}, new(bytes.Buffer)
		w, err := flate.NewWriter(buf, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := 0, 0
		for range 50 {
			p := deflateJSON(r, c.size)
			if !c.takeover {
				w.Reset(buf)
			}
			w.Write(p)
			w.Flush()
			ours, theirs = ours+len(d.append(nil, p)), theirs+buf.Len()-4
			buf.Reset()
		}
		if ours > theirs+theirs/20 {
			t.Errorf("%d bytes of JSON, %d bits, takeover %v: %d bytes in all, and by compress/flate %d", c.size, c.bits, c.takeover, ours, theirs)
		}
	}
}

// A block may refer to the one before it, also where that began with a window.
func TestDeflaterRefersToBlockBefore(t *testing.T) {
	d, r := deflater{bits: 15, takeover: true}, deflateRand(11)
	d.append(nil, deflateNoise(r, 1000))
	zeros, noise := make([]byte, maxBlock-60), deflateNoise(r, 60)
	once := len(d.append(nil, append(zeros, noise...)))
	d.window = d.window[:0]
	d.append(nil, deflateNoise(r, 1000))
	if n := len(d.append(nil, append(append(zeros, noise...), noise...))); n > once+20 {
		t.Errorf("60 bytes that are repeated in the next block take %d", n-once)
	}
}

// A short message is not compared with all that a large window holds.
func TestDeflaterLearnsInProportion(t *testing.T) {
	r := deflateRand(12)
	for _, n := range []int{200, 10000} {
		noise := deflateNoise(r, n)
		d := deflater{bits: 15, window: append(bytes.Clone(noise), deflateNoise(r, 1<<15-n)...)}
		if short, got := n < 1000, len(d.append(nil, noise)); short != (got > n) {
			t.Errorf("%d bytes that are repeated after 32 KiB take %d; want it unseen: %v", n, got, short)
		}
	}
}

// Positions begin again before they run out.
func TestCompressorForgetsOldPositions(t *testing.T) {
	c := &deflation{reach: 1 << 15}
	p := deflateJSON(deflateRand(4), 3000)
	for _, base := range []uint32{0, 1<<30 - 1000, 1 << 30, 1<<30 + 1, 1<<32 - 1} {
		c.base = base
		if base > 1<<30 {
			for i := range c.table {
				c.table[i] = stale - 1
			}
		}
		for range 3 {
			var s strictInflater
			if got, err := s.message(c.message(nil, p)); err != nil || !bytes.Equal(got, p) {
				t.Errorf("base %#x: %v", base, err)
			}
		}
	}
}

// What is appended is put behind what is there, and where there is room in dst
// that is all that is touched of it.
func TestDeflateAppends(t *testing.T) {
	p := deflateJSON(deflateRand(5), 5000)
	d, f := deflater{bits: 15}, inflater{bits: 15}
	sent := d.append(nil, p)
	for name, c := range map[string]struct {
		run  func(dst []byte) []byte
		want []byte
	}{
		"deflater": {func(dst []byte) []byte { return d.append(dst, p) }, sent},
		"inflater": {func(dst []byte) []byte {
			dst, err := f.append(dst, sent, int64(len(p)))
			if err != nil {
				t.Error(err)
			}
			return dst
		}, p},
	} {
		buf := bytes.Repeat([]byte{'.'}, len(c.want)+100)
		copy(buf, "first")
		got := c.run(buf[:5])
		if &got[0] != &buf[0] || string(got[:5]) != "first" || !bytes.Equal(got[5:], c.want) {
			t.Errorf("%s: did not append to what there is", name)
		}
		if rest := buf[len(got):]; !bytes.Equal(rest, bytes.Repeat([]byte{'.'}, len(rest))) {
			t.Errorf("%s: wrote beyond what it appended", name)
		}
		if got := c.run(buf[: 5 : 5+len(c.want)]); &got[0] != &buf[0] || len(got) != 5+len(c.want) {
			t.Errorf("%s: allocated although there is room for the result", name)
		}
	}
}

func TestSlide(t *testing.T) {
	for _, c := range []struct {
		window, p string
		size      int
		want      string
	}{
		{"", "", 4, ""}, {"", "ab", 4, "ab"}, {"ab", "cd", 4, "abcd"}, {"abc", "de", 4, "bcde"}, {"abcd", "", 4, "abcd"},
		{"abcd", "e", 4, "bcde"}, {"abcd", "efghi", 4, "fghi"}, {"", "abcdef", 4, "cdef"},
	} {
		for _, room := range []int{len(c.window), 4} {
			got := window(append(make([]byte, 0, room), c.window...))
			got.slide([]byte(c.p), c.size)
			if string(got) != c.want || cap(got) > c.size {
				t.Errorf("slide(%q, %q, %d) = %q with room for %d, want %q", c.window, c.p, c.size, got, cap(got), c.want)
			}
		}
	}
}

func FuzzDeflate(f *testing.F) {
	r := deflateRand(6)
	for i := range 16 {
		f.Add(deflateMessage(r), uint64(i), byte(i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, bits byte, takeover bool) {
		d := deflater{bits: 8 + int(bits%8), takeover: takeover}
		in, strict := inflater{bits: d.bits, takeover: takeover}, strictInflater{}
		buf, sent := []byte(nil), []byte(nil)
		for _, p := range append(coreSplit(data, seed), data) {
			sent = d.append(sent[:0], p)
			var err error
			if buf, err = in.append(buf[:0], sent, int64(len(p))); err != nil || !bytes.Equal(buf, p) {
				t.Fatalf("%q inflates to %q, %v", p, buf, err)
			}
			if got, err := strict.message(sent); err != nil || !bytes.Equal(got, p) || strict.farthest > 1<<d.bits {
				t.Fatalf("%q inflates by the letter to %q, %d bytes back, %v", p, got, strict.farthest, err)
			}
			if !takeover {
				strict.out = nil
			}
		}
	})
}

// Positions begin anew before they overflow: what is in the table would seem to
// be near.
func TestDeflaterPositionsBeginAnew(t *testing.T) {
	r := deflateRand(12)
	for _, base := range []uint32{1 << 30, 1<<30 + 1, 1 << 31, 1<<32 - 1} {
		c, in := &deflation{base: base, reach: 1 << 15}, inflater{bits: 15}
		for range 3 {
			p := deflateJSON(r, 1000)
			got, err := in.append(nil, c.message(nil, p), 1<<20)
			if err != nil || !bytes.Equal(got, p) {
				t.Errorf("at %d: inflated to something else: %v", base, err)
			}
			if c.base > 1<<30+stale+1000 {
				t.Fatalf("positions have got from %d to %d", base, c.base)
			}
		}
	}
}
