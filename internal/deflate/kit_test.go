package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/deflate"
)

// newRand returns a source that is the same in each run.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// jsonText returns n bytes of JSON: objects with the same keys and other
// values.
func jsonText(r *rand.Rand, n int) []byte {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"time":"2026-03-%02dT%02d:%02d:00Z","price":%.2f,"side":"%s","user":{"id":"u_%08x","vip":%t}}`,
			r.IntN(1e9), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.Float64()*90000, []string{"buy", "sell"}[r.IntN(2)], r.Uint32(), r.IntN(4) == 0)
	}
	return []byte(b.String()[:n])
}

func randomBytes(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// message returns a message of any kind and size.
func message(r *rand.Rand) []byte {
	n := r.IntN(400)
	switch r.IntN(20) {
	case 0:
		n = 0
	case 1, 2, 3:
		n = r.IntN(12 << 10)
	case 4:
		if r.IntN(8) == 0 {
			n = deflate.MaxBlock - 300 + r.IntN(2*deflate.MaxBlock)
		}
	}
	switch r.IntN(6) {
	case 0:
		return randomBytes(r, n)
	case 1:
		return make([]byte, n)
	case 2: // noise that is repeated, at a distance of n/2
		return bytes.Repeat(randomBytes(r, n/2), 2)
	}
	return jsonText(r, n)
}

// ways calls f for each size of window, with and without context takeover.
func ways(f func(bits int, takeover bool)) {
	for bits := 8; bits <= 15; bits++ {
		f(bits, false)
		f(bits, true)
	}
}

// split cuts data into pieces, of one byte, a few, or up to 2 KiB, as seed
// chooses.
func split(data []byte, seed uint64) (pieces [][]byte) {
	r := newRand(seed)
	for len(data) > 0 {
		n := min(len(data), 1+r.IntN([]int{1, 8, 2048}[r.IntN(3)]))
		pieces, data = append(pieces, data[:n]), data[n:]
	}
	return pieces
}

// bitBytes turns groups of bits into bytes. Each group is written as RFC 1951
// does: a number has its highest bit first, but is sent from its lowest; a
// code, with a c before it, is sent as it is written. The group s is as many
// zeros as the byte has left.
func bitBytes(groups string) []byte {
	var out []byte
	n := 0
	add := func(b byte) {
		if n%8 == 0 {
			out = append(out, 0)
		}
		out[n/8] |= (b - '0') << (n % 8)
		n++
	}
	for _, g := range strings.Fields(groups) {
		code, isCode := strings.CutPrefix(g, "c")
		switch {
		case g == "s":
			for n%8 != 0 {
				add('0')
			}
		case isCode:
			for i := range len(code) {
				add(code[i])
			}
		default:
			for i := len(g) - 1; i >= 0; i-- {
				add(g[i])
			}
		}
	}
	return out
}

// otherMessages calls f with messages that compress/flate compressed, at each
// level. With takeover each may refer to those before it of the same level.
func otherMessages(t testing.TB, takeover bool, f func(level int, first bool, sent, want []byte)) {
	t.Helper()
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		var buf bytes.Buffer
		w, err := flate.NewWriter(&buf, level)
		if err != nil {
			t.Fatal(err)
		}
		r := newRand(7)
		for i := range 40 {
			p := message(r)
			if !takeover {
				w.Reset(&buf)
			}
			w.Write(p[:len(p)/2])
			if i%3 == 0 {
				w.Flush()
			}
			w.Write(p[len(p)/2:])
			if i%5 == 0 && !takeover {
				w.Close()
				f(level, i == 0, buf.Bytes(), p)
			} else {
				w.Flush()
				f(level, i == 0, bytes.TrimSuffix(buf.Bytes(), []byte{0, 0, 0xff, 0xff}), p)
			}
			buf.Reset()
		}
	}
}

// reference decompresses with compress/flate. Where the sender removed four
// bytes it adds a block that cannot be mistaken for anything else, to see that
// they belong there.
func reference(message []byte, limit int) ([]byte, bool) {
	const mark = "\x6b\xd1\x0e\x97\xf3\x28\x5c\xe1"
	end := "\x08\x00\xf7\xff" + mark + "\x01\x00\x00\xff\xff"
	in, out := bytes.NewReader(append(bytes.Clone(message), end...)), []byte(nil)
	for {
		p, err := io.ReadAll(io.LimitReader(flate.NewReaderDict(in, out), int64(limit)+100-int64(len(out))))
		out = append(out, p...)
		switch {
		case len(out) > limit+len(mark):
			return out, true
		case err != nil:
			return nil, false
		case in.Len() == len(end):
			return out, true
		case in.Len() == 0: // and a stored block must not have swallowed what follows it
			return bytes.TrimSuffix(out, []byte(mark)), bytes.HasSuffix(out, []byte(mark)) && !bytes.HasSuffix(out, []byte(end[:len(end)-5]))
		}
	}
}

// firstDiff returns the index of the first byte in which a and b differ.
func firstDiff(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
