package deflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/deflate"
)

// The examples of RFC 7692 section 7.2.3, and what follows from them.
func TestDecompressorExamples(t *testing.T) {
	for _, c := range []struct {
		name     string
		messages []string
		want     string
	}{
		{"7.2.3.1: a block", []string{"\xf2\x48\xcd\xc9\xc9\x07\x00"}, "Hello"},
		{"7.2.3.2: sharing the window", []string{"\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x00\x11\x00\x00"}, "HelloHello"},
		{"7.2.3.3: stored", []string{"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"}, "Hello"},
		{"7.2.3.4: BFINAL", []string{"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"}, "Hello"},
		{"7.2.3.5: two blocks", []string{"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"}, "Hello"},
		{"7.2.3.6: empty", []string{"\x00"}, ""},
		{"BFINAL and no more", []string{"\xf3\x48\xcd\xc9\xc9\x07\x00"}, "Hello"},
		{"BFINAL, then another stream", []string{"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00"}, "HelloHello"},
		{"the window outlives BFINAL", []string{"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\xf2\x00\x11\x00\x00"}, "HelloHello"},
		{"BFINAL on the block that a flush adds", []string{"\xf2\x48\xcd\xc9\xc9\x07\x04"}, "Hello"},
		{"stored with BFINAL", []string{"\x01\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f"}, "Hello"},
		{"empty blocks", []string{"\x00\x00\x00\xff\xff\x02\x00"}, ""},
	} {
		d, got, err := deflate.Decompressor{WindowBits: 15, ContextTakeover: true}, []byte(nil), error(nil)
		for _, m := range c.messages {
			if got, err = d.AppendWhole(got, []byte(m), 10); err != nil {
				break
			}
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// refused are messages that are not a deflate stream, as bitBytes takes them, and
// why.
func refused() []refusal {
	const (
		fixed = "0 01 "
		own   = "0 10 "                                                                         // with the code for code lengths given as 000 000 001 001, c0 stands for 0 and c1 for 18
		ones  = "1110 000 000 001 000 000 000 000 000 000 000 000 000 000 000 000 000 000 001 " // c0 stands for 1 and c1 for 18
	)
	return []refusal{
		{"type 3", "0 11 s", deflate.ErrBlockType},
		{"stored: complement", "0 00 s 0000000000000001 0000000000000001", deflate.ErrStored},
		{"stored: short header", "0 00 s 0000000000000000", deflate.ErrTruncated},
		{"stored: short", "0 00 s 0000000000000010 1111111111111101 00000000", deflate.ErrTruncated},
		{"stored: nothing after it", "0 00 s 0000000000000001 1111111111111110 00000000", deflate.ErrTruncated},
		{"the four bytes that the sender must remove", "0 00 s 0000000000000000 1111111111111111", deflate.ErrTruncated},
		{"fixed: symbol 286", fixed + "c11000110 s s", deflate.ErrSymbol},
		{"fixed: distance 30", fixed + "c00110000 c0000001 c11110 s", deflate.ErrSymbol},
		{"fixed: before the first byte", fixed + "c00110000 c0000001 c00001 c0000000 0 00 s", deflate.DistanceError{Distance: 2, Window: 1 << 15}},
		{"fixed: no end", fixed + "c00110000", deflate.ErrTruncated},
		{"287 literals", own + "11110 00000 0000 000 000 000 000", deflate.ErrLengths},
		{"31 distances", own + "00000 11110 0000 000 000 000 000", deflate.ErrLengths},
		{"header cut", own + "00000 000", deflate.ErrTruncated},
		{"code for lengths over-subscribed", own + "00000 00000 0000 001 001 001 000", deflate.ErrLengths},
		{"code for lengths incomplete", own + "00000 00000 0000 010 010 000 000", deflate.ErrLengths},
		{"no code for lengths", own + "00000 00000 0000 000 000 000 000 00000000", deflate.ErrSymbol},
		{"16 with nothing before it", own + "00000 00000 0000 001 000 001 000 c0 00", deflate.ErrLengths},
		{"a run that goes too far", own + "00000 00000 0000 000 000 001 001 c1 1111111 c1 1111111", deflate.ErrLengths},
		{"a run of one too many", own + "00000 00000 0000 000 000 001 001 c1 1111111 c1 1101110", deflate.ErrLengths},
		{"runs cut", own + "00000 00000 0000 000 000 001 001 c1 111", deflate.ErrTruncated},
		{"code for literals over-subscribed", own + "00000 00000 " + ones + "c0 c0 c0 c1 1111111 c1 1101010", deflate.ErrLengths},
		{"code for distances over-subscribed", own + "00000 00010 " + ones + "c0 c0 c1 1111111 c1 1101010 c0 c0 c0", deflate.ErrLengths},
		{"no literals", own + "00000 00000 0000 000 000 001 001 c1 1111111 c1 1101101 00000000", deflate.ErrSymbol},
	}
}

type refusal struct {
	name, bits string
	want       error
}

func TestDecompressorRefuses(t *testing.T) {
	for _, c := range refused() {
		message := bitBytes(c.bits)
		d := deflate.Decompressor{WindowBits: 15}
		got, err := d.AppendWhole(nil, message, 1000)
		var ce *deflate.CorruptError
		if !errors.As(err, &ce) || !errors.Is(err, c.want) || ce.Len != len(message) || ce.Offset < 1 || ce.Offset > len(message) {
			t.Errorf("%s: got %q, %v; want %v", c.name, got, err, c.want)
		}
		if _, ok := reference(message, 1000); ok {
			t.Errorf("%s: compress/flate takes it", c.name)
		}
	}
}

// The error says what was expected, what came instead, and where.
func TestCorruptErrorText(t *testing.T) {
	for message, want := range map[string]string{
		"\xff":                                 "block of type 3, which there is not, at byte 1 of 1",
		"\x00\x01":                             "truncated, at byte 1 of 2",
		"\xf2\x48\xcd\xc9\xc9\x07\x00\xff\xff": "truncated, at byte 7 of 9",
	} {
		d := deflate.Decompressor{WindowBits: 15}
		_, err := d.AppendWhole(nil, []byte(message), 1000)
		if want := "expected a message compressed as RFC 1951 has it: " + want; err == nil || err.Error() != want {
			t.Errorf("%x: %v; want %s", message, err, want)
		}
	}
}

// distMessage returns a message of letters, the last four at the given distance
// from those that they repeat, and what it is decompressed to.
func distMessage(letters, dist int) (message, whole []byte) {
	symbol := 0
	for symbol+1 < len(strictDists) && strictDists[symbol+1] <= dist {
		symbol++
	}
	bits := "0 01" + strings.Repeat(" c10010001", letters) + fmt.Sprintf(" c0000010 c%05b", symbol) // fixed codes of a and of length 4
	if extra := max(0, symbol/2-1); extra > 0 {
		bits += fmt.Sprintf(" %0*b", extra, dist-strictDists[symbol])
	}
	return bitBytes(bits + " c0000000 0 00 s"), bytes.Repeat([]byte{'a'}, letters+4)
}

// A distance is refused if it goes beyond what there is, and also if it goes
// beyond what was negotiated.
func TestDecompressorKeepsToItsWindow(t *testing.T) {
	for bits := 8; bits <= 14; bits++ {
		size := 1 << bits
		for _, tt := range []struct {
			before, letters, dist int
			want                  bool
		}{
			{size - 1, 0, size, false}, {size, 0, size, true}, {size + 1, 0, size, true},
			{size, 0, size + 1, false}, {size + 1, 0, size + 1, false}, {size, 1, size + 1, false},
			{size - 1, 1, size, true}, {size - 2, 1, size, false}, {1, 0, 1, true}, {1, 0, 2, false},
			{0, size, size, true}, {0, size + 1, size + 1, false}, {0, size - 1, size, false}, {0, 2, 3, false},
		} {
			for _, takeover := range []bool{true, false} {
				d, c := deflate.Decompressor{WindowBits: bits, ContextTakeover: takeover}, deflate.Compressor{WindowBits: 8}
				if _, err := d.AppendWhole(nil, c.Append(nil, bytes.Repeat([]byte{'a'}, tt.before)), 1<<20); err != nil {
					t.Fatal(err)
				}
				message, whole := distMessage(tt.letters, tt.dist)
				got, err := d.AppendWhole(nil, message, 1<<20)
				want := tt.want && (takeover || tt.before == 0)
				if want != (err == nil) || want && !bytes.Equal(got, whole) || !want && !errors.Is(err, deflate.DistanceError{Distance: tt.dist, Window: size}) {
					t.Errorf("%d bits, takeover %v: %d back after %d bytes and %d of its own: %v; want it taken: %v",
						bits, takeover, tt.dist, tt.before, tt.letters, err, want)
				}
			}
		}
	}
}

func TestDecompressorFromOtherCompressor(t *testing.T) {
	for _, takeover := range []bool{true, false} {
		var d deflate.Decompressor
		otherMessages(t, takeover, func(level int, first bool, sent, want []byte) {
			if first {
				d = deflate.Decompressor{WindowBits: 15, ContextTakeover: takeover}
			}
			if got, err := d.AppendWhole(nil, sent, int64(len(want))); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("level %d, takeover %v: %d bytes are decompressed to something else: %v", level, takeover, len(want), err)
			}
		})
	}
}

// A message that is cut is an error. Only the first byte of a stored block is a
// message by itself: the empty one.
func TestDecompressorTruncated(t *testing.T) {
	for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 9} {
		for _, n := range []int{1, 30, 2000} {
			var buf bytes.Buffer
			w, err := flate.NewWriter(&buf, level)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(jsonText(newRand(8), n))
			w.Flush()
			sent := bytes.TrimSuffix(buf.Bytes(), []byte{0, 0, 0xff, 0xff})
			for i := 1; i < len(sent); i++ { // no bytes at all are the empty message
				if i == 1 && sent[0] == 0 {
					continue
				}
				d := deflate.Decompressor{WindowBits: 15}
				_, err := d.AppendWhole(nil, sent[:i:i], 1<<20)
				if _, ok := err.(*deflate.CorruptError); !ok {
					t.Errorf("level %d: the first %d bytes of %d: error %v, want a CorruptError", level, i, len(sent), err)
				}
			}
		}
	}
}

func TestDecompressorLimit(t *testing.T) {
	r := newRand(9)
	for range 300 {
		p, c, d := message(r), deflate.Compressor{WindowBits: 15}, deflate.Decompressor{WindowBits: 15}
		sent := c.Append(nil, p)
		for _, limit := range []int64{int64(len(p)), 1<<63 - 1} {
			if got, err := d.AppendWhole([]byte("x"), sent, limit); err != nil || !bytes.Equal(got[1:], p) {
				t.Fatalf("%d bytes with a limit of %d: %v", len(p), limit, err)
			}
		}
		if len(p) == 0 {
			continue
		}
		got, err := d.AppendWhole(nil, sent, int64(len(p)-1))
		if err != deflate.ErrTooLarge || len(got) >= len(p) {
			t.Fatalf("%d bytes with a limit of one less: %d came, error %v", len(p), len(got), err)
		}
	}
}

// bomb returns a message of little more than 1 MiB that decompresses to 1 GiB
// of zeros.
func bomb(t *testing.T) []byte {
	t.Helper()
	var part bytes.Buffer
	w, err := flate.NewWriter(&part, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, 1<<20))
	w.Flush()
	return append(bytes.Repeat(part.Bytes(), 1<<10), 0)
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A bomb costs what the limit allows, not what it holds, however it comes.
func TestDecompressorBomb(t *testing.T) {
	message := bomb(t)
	if len(message) > 5<<18 {
		t.Fatalf("the bomb has %d bytes, want 1 MiB or so", len(message))
	}
	for _, size := range []int{1, 4 << 10, len(message)} {
		pieces := slices.Collect(slices.Chunk(message, size))
		memory := allocated(func() {
			d := deflate.Decompressor{WindowBits: 15, ContextTakeover: true}
			if n, err := count(&d, pieces, 1000, 1<<20); err != deflate.ErrTooLarge || n > 1<<20 || n < 1<<20-deflate.Step {
				t.Errorf("pieces of %d: %d bytes came, error %v; want 1 MiB at most", size, n, err)
			}
		})
		if memory >= uint64(200<<10+size) { // a copy of a piece is the test's
			t.Errorf("a bomb of %d bytes made %d bytes be allocated, want a window and a step", len(message), memory)
		}
	}
}

// A length and its distance take up to 48 bits, and few of the bits loaded
// before may be left.
func TestDecompressorLongestCodes(t *testing.T) {
	var b, tokens strings.Builder
	b.WriteString("0 10 11101 11101 1111 000 000 000" + strings.Repeat(" 100", 16)) // all code lengths have a code of 4 bits, runs have none
	// The literals a to n have codes of 1 to 14 bits. The end, and lengths from
	// 227 on, have codes of 15. Distances up to 24576 have codes of 1 to 14
	// bits, and longer ones of 15.
	lits, dists := make([]int, 286), make([]int, 30)
	for i := range 14 {
		lits['a'+i], dists[i] = i+1, i+1
	}
	lits[256], lits[284], dists[28], dists[29] = 15, 15, 15, 15
	for _, n := range slices.Concat(lits, dists) {
		fmt.Fprintf(&b, " c%04b", n)
	}
	literal := func(i int) { fmt.Fprintf(&tokens, " c%s0", strings.Repeat("1", i)) }
	copied := func(length, dist int) {
		code := "c0"
		if dist > 1 {
			code = fmt.Sprintf("c%s %013b", strings.Repeat("1", 15), dist-24577)
		}
		fmt.Fprintf(&tokens, " c%s %05b %s", strings.Repeat("1", 15), length-227, code)
	}
	for i := range 14 {
		literal(i)
	}
	for range 150 {
		copied(257, 1)
	}
	for i := range 14 {
		for k := range 14 {
			literal(i)
			literal(k)
			copied(227+i+k, 24577+100*i+k)
		}
	}
	fmt.Fprintf(&tokens, " c%s0 0 00 s", strings.Repeat("1", 14))
	message := bitBytes(b.String() + tokens.String())
	want, ok := reference(message, 1<<20)
	if !ok {
		t.Fatal("compress/flate does not take the message")
	}
	d := deflate.Decompressor{WindowBits: 15}
	if got, err := d.AppendWhole(nil, message, 1<<20); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, first other one at %d, %v; want %d", len(got), firstDiff(got, want), err, len(want))
	}
}

func FuzzDecompressor(f *testing.F) {
	otherMessages(f, false, func(level int, first bool, sent, want []byte) {
		if len(sent) < 1000 {
			f.Add(bytes.Clone(sent))
		}
	})
	f.Add([]byte{})
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
	const limit = 1 << 16
	f.Fuzz(func(t *testing.T, message []byte) {
		d := deflate.Decompressor{WindowBits: 15}
		got, err := d.AppendWhole(nil, message, limit)
		want, ok := reference(message, limit)
		switch {
		case len(want) > limit:
			if err != deflate.ErrTooLarge {
				t.Errorf("%x: error %v, want that it is too large", message, err)
			}
		case len(message) == 0: // for compress/flate not a stream
			if len(got) > 0 || err != nil {
				t.Errorf("nothing is decompressed to %x, %v", got, err)
			}
		case ok != (err == nil):
			t.Errorf("%x: error %v, and compress/flate takes it: %v", message, err, ok)
		case ok && !bytes.Equal(got, want):
			t.Errorf("%x is decompressed to %x, and by compress/flate to %x", message, got, want)
		}
		if err == deflate.ErrTooLarge && len(got) > limit {
			t.Errorf("%x: %d bytes came", message, len(got))
		}
	})
}
