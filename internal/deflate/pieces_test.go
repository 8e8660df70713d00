package deflate_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/protocol-websocket/websocket/internal/deflate"
)

// rooms are how many bytes may come out at a time.
var rooms = []int{1, 2, 7, 300, 32 << 10}

// inPieces decompresses a message that comes in pieces. What goes in and what
// came out is overwritten at once, because it belongs to the caller.
func inPieces(d *deflate.Decompressor, pieces [][]byte, room int, limit int64) (got []byte, err error) {
	err = eachStep(d, pieces, room, limit, func(p []byte) { got = append(got, p...) })
	return got, err
}

// count is inPieces without the bytes.
func count(d *deflate.Decompressor, pieces [][]byte, room int, limit int64) (n int, err error) {
	err = eachStep(d, pieces, room, limit, func(p []byte) { n += len(p) })
	return n, err
}

func eachStep(d *deflate.Decompressor, pieces [][]byte, room int, limit int64, f func(p []byte)) error {
	dst := make([]byte, 0, room)
	for i, piece := range pieces {
		src := bytes.Clone(piece)
		for {
			out, n, full, err := d.Append(dst, src, i == len(pieces)-1, limit)
			if err != nil {
				return err
			}
			f(out)
			clear(out)
			clear(src[:n])
			src = src[n:]
			if !full {
				break
			}
		}
		if len(src) > 0 {
			return fmt.Errorf("%d bytes of a piece of %d are left", len(src), len(piece))
		}
	}
	return nil
}

// cuts cuts message in two, at each place if it is short.
func cuts(message []byte) (all [][][]byte) {
	step := 1 + len(message)/200
	for i := 0; i <= len(message); i += step {
		all = append(all, [][]byte{message[:i], message[i:]})
	}
	if len(message) < 2000 {
		all = append(all, append(slices.Collect(slices.Chunk(message, 1)), nil))
	}
	return append(all, split(message, 3), append(split(message, 4), nil))
}

// sameError reports whether got says of a message that came in pieces what want
// says of one that came whole.
func sameError(got, want error) bool {
	g, ok := errors.AsType[*deflate.CorruptError](got)
	w, wanted := errors.AsType[*deflate.CorruptError](want)
	if !ok || !wanted {
		return got == want
	}
	return g.Err == w.Err && g.Offset == w.Offset && (g.Len == w.Len || g.Len == 0)
}

// checkPieces checks that message is decompressed to the same if it comes in
// pieces. earlier is the message before it.
func checkPieces(t *testing.T, name string, d deflate.Decompressor, earlier, message []byte, limit int64) {
	t.Helper()
	start := func() *deflate.Decompressor {
		d := d
		if _, err := d.AppendWhole(nil, earlier, 1<<20); err != nil {
			t.Fatal(err)
		}
		return &d
	}
	whole := start()
	want, _, full, wantErr := whole.Append(make([]byte, 0, 1<<20), message, true, limit)
	if full {
		t.Fatalf("%s: a MiB is too little", name)
	}
	for _, pieces := range cuts(message) {
		for _, room := range rooms {
			if room < 300 && len(want) > 40<<10 {
				continue
			}
			d := start()
			got, err := inPieces(d, pieces, room, limit)
			if !sameError(err, wantErr) || err == nil && !bytes.Equal(got, want) || len(got) > len(want) {
				t.Fatalf("%s: in %d pieces, the first of %d, %d bytes at a time: %d bytes, first other one at %d, %v; want %d, %v",
					name, len(pieces), len(pieces[0]), room, len(got), firstDiff(got, want), err, len(want), wantErr)
			}
			if err == nil && !bytes.Equal(d.Window(), whole.Window()) {
				t.Fatalf("%s: another window is kept", name)
			}
		}
	}
}

func TestPieces(t *testing.T) {
	strict := deflate.Decompressor{WindowBits: 15, ContextTakeover: true}
	for _, c := range refused() {
		checkPieces(t, c.name, strict, nil, bitBytes(c.bits), 1000)
	}
	for _, m := range []string{
		"", "\x00", "\x01\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00",
		"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "\x00\x00\x00\xff\xff\x02\x00",
	} {
		for limit := range int64(12) {
			checkPieces(t, fmt.Sprintf("%x", m), strict, nil, []byte(m), limit)
		}
	}
	earlier := []byte("\xf2\x48\xcd\xc9\xc9\x07\x00")
	checkPieces(t, "sharing the window", strict, earlier, []byte("\xf2\x00\x11\x00\x00"), 5)
	for _, dist := range []int{1, 256, 257, 9000, 1 << 15} {
		message, _ := distMessage(dist, dist)
		for _, tolerant := range []bool{true, false} {
			checkPieces(t, fmt.Sprint("distance ", dist), deflate.Decompressor{WindowBits: 8, Tolerant: tolerant}, nil, message, 1<<20)
		}
	}
	r := newRand(12)
	for range 200 {
		checkPieces(t, "noise", strict, earlier, randomBytes(r, r.IntN(40)), 1000)
	}
}

// Messages of another compressor, one after the other.
func TestPiecesFromOtherCompressor(t *testing.T) {
	for _, takeover := range []bool{true, false} {
		for _, bits := range []int{15, 12} {
			var d deflate.Decompressor
			n := uint64(0)
			otherMessages(t, takeover, func(level int, first bool, sent, want []byte) {
				if first {
					d = deflate.Decompressor{WindowBits: bits, ContextTakeover: takeover, Tolerant: bits < 15}
				}
				n++
				pieces := append(split(sent, n), nil)
				got, err := inPieces(&d, pieces, rooms[n%5], int64(len(want)))
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("level %d, takeover %v, message %d of %d bytes: %v, first other byte at %d", level, takeover, n, len(want), err, firstDiff(got, want))
				}
			})
		}
	}
}

// More than a window and a step goes through the buffer, and a byte too many is
// found.
func TestPiecesOfLongMessage(t *testing.T) {
	p := append(jsonText(newRand(3), 300<<10), randomBytes(newRand(4), 100<<10)...)
	for _, takeover := range []bool{true, false} {
		for bits := 8; bits <= 15; bits++ {
			c := deflate.Compressor{WindowBits: bits, ContextTakeover: takeover}
			first, second := c.Append(nil, p), c.Append(nil, p[len(p)-1000:])
			for _, room := range []int{300, 50_000, 350 << 10, 400 << 10} {
				d := deflate.Decompressor{WindowBits: bits, ContextTakeover: takeover}
				for i, m := range [][]byte{first, second} {
					want := p
					if i == 1 {
						want = p[len(p)-1000:]
					}
					pieces := slices.Collect(slices.Chunk(m, len(m)-i*9))
					got, err := inPieces(&d, pieces, room, int64(len(want)))
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%d bits, room %d: %v, first other byte at %d", bits, room, err, firstDiff(got, want))
					}
				}
				d = deflate.Decompressor{WindowBits: bits}
				if n, err := count(&d, split(first, 1), room, int64(len(p)-1)); err != deflate.ErrTooLarge || n >= len(p) {
					t.Fatalf("%d bits, room %d, a limit of one byte less: %d bytes came, %v", bits, room, n, err)
				}
			}
		}
	}
}

// A message that is dropped leaves nothing behind.
func TestDrop(t *testing.T) {
	d := deflate.Decompressor{WindowBits: 15}
	d.Drop() // nothing is in progress
	if _, _, _, err := d.Append(nil, []byte("\xf2\x48\xcd"), false, 10); err != nil {
		t.Fatal(err)
	}
	d.Drop()
	if got, err := d.AppendWhole(nil, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), 10); err != nil || string(got) != "Hello" {
		t.Errorf("after Drop %q, %v", got, err)
	}
}

// Where a message is cut, in and out, changes nothing.
func FuzzPieces(f *testing.F) {
	otherMessages(f, false, func(level int, first bool, sent, want []byte) {
		if len(sent) < 1000 {
			f.Add(bytes.Clone(sent), uint64(level), uint16(300))
		}
	})
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), uint64(1), uint16(1))
	const limit = 1 << 16
	f.Fuzz(func(t *testing.T, message []byte, seed uint64, room uint16) {
		whole := deflate.Decompressor{WindowBits: 15 - int(seed>>1%7), ContextTakeover: seed>>4%2 == 1, Tolerant: seed>>5%2 == 1}
		d := whole
		for range 3 { // the second may refer to the first, and the third to both
			want, _, _, wantErr := whole.Append(make([]byte, 0, limit+1), message, true, limit)
			pieces := split(message, seed)
			if seed%2 == 0 || len(pieces) == 0 {
				pieces = append(pieces, nil)
			}
			got, err := inPieces(&d, pieces, 1+int(room), limit)
			if !sameError(err, wantErr) || err == nil && !bytes.Equal(got, want) {
				t.Errorf("%x: %x, %v in pieces, and %x, %v as a whole", message, got, err, want, wantErr)
			}
			if wantErr != nil {
				return
			}
		}
	})
}

// The memory of one message is that of another as soon as it was given back. Only
// the race detector sees whether it is used after that.
func TestManyDecompressAtOnce(t *testing.T) {
	want := bytes.Repeat([]byte("some text, "), 100)
	zipped := (&deflate.Compressor{WindowBits: 15}).Append(nil, want)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			d := deflate.Decompressor{WindowBits: 15}
			for range 200 {
				got, _, _, err := d.Append(make([]byte, 0, len(want)), zipped, true, 1<<20)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
				}
			}
		})
	}
	all.Wait()
}
