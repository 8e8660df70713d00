package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// The examples of RFC 7692, section 7.2.3, and what follows from them.
func TestInflaterExamples(t *testing.T) {
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
		f, got, err := inflater{bits: 15, takeover: true}, []byte(nil), error(nil)
		for _, m := range c.messages {
			if got, err = f.append(got, []byte(m), 10); err != nil {
				break
			}
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// inflateBits makes bytes of bits, each group of which is given as it is
// numbered in RFC 1951: numbers are sent from their lowest bit, codes (after a
// c) from their first, and s is as many zeros as are left in the byte.
func inflateBits(t *testing.T, groups string) []byte {
	t.Helper()
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

func TestInflaterRefuses(t *testing.T) {
	const (
		fixed = "0 01 "
		own   = "0 10 " // the code for code lengths is c0 for 0, c1 for 18 where it is given as 000 000 001 001
	)
	for _, c := range []struct {
		name, bits string
		want       error
	}{
		{"type 3", "0 11 s", errBlockType},
		{"stored: complement", "0 00 s 0000000000000001 0000000000000001", errStored},
		{"stored: short header", "0 00 s 0000000000000000", errTruncated},
		{"stored: short", "0 00 s 0000000000000010 1111111111111101 00000000", errTruncated},
		{"stored: nothing after it", "0 00 s 0000000000000001 1111111111111110 00000000", errTruncated},
		{"the four bytes that are to be taken off", "0 00 s 0000000000000000 1111111111111111", errTruncated},
		{"fixed: symbol 286", fixed + "c11000110 s s", errSymbol},
		{"fixed: distance 30", fixed + "c00110000 c0000001 c11110 s", errSymbol},
		{"fixed: before the first byte", fixed + "c00110000 c0000001 c00001 c0000000 0 00 s", errDistance},
		{"fixed: no end", fixed + "c00110000", errTruncated},
		{"287 literals", own + "11110 00000 0000 000 000 000 000", errLengths},
		{"31 distances", own + "00000 11110 0000 000 000 000 000", errLengths},
		{"header cut", own + "00000 000", errTruncated},
		{"code for lengths over-subscribed", own + "00000 00000 0000 001 001 001 000", errLengths},
		{"code for lengths incomplete", own + "00000 00000 0000 010 010 000 000", errLengths},
		{"no code for lengths", own + "00000 00000 0000 000 000 000 000 00000000", errSymbol},
		{"16 with nothing before it", own + "00000 00000 0000 001 000 001 000 c0 00", errLengths},
		{"a run that goes too far", own + "00000 00000 0000 000 000 001 001 c1 1111111 c1 1111111", errLengths},
		{"a run of one too many", own + "00000 00000 0000 000 000 001 001 c1 1111111 c1 1101110", errLengths},
		{"runs cut", own + "00000 00000 0000 000 000 001 001 c1 111", errTruncated},
		{"no literals", own + "00000 00000 0000 000 000 001 001 c1 1111111 c1 1101101 00000000", errSymbol},
	} {
		f := inflater{bits: 15}
		got, err := f.append(nil, inflateBits(t, c.bits), 1000)
		var pe *ProtocolError
		if !errors.As(err, &pe) || pe.Code != StatusInvalidPayloadData || !errors.Is(err, c.want) {
			t.Errorf("%s: got %q, %v; want 1007, %v", c.name, got, err, c.want)
		}
		if _, ok := inflateReference(inflateBits(t, c.bits), 1000); ok {
			t.Errorf("%s: compress/flate takes it", c.name)
		}
	}
}

// inflateDist is a message of letters, the last four as many back as dist.
func inflateDist(letters, dist int) (message, whole []byte) {
	c := new(deflation)
	whole = bytes.Repeat([]byte{'a'}, letters+4)
	c.addLiterals(whole[4:])
	c.addMatch(4, uint32(dist))
	c.put(0b010, 3)
	c.write(&fixedCodes)
	c.put(0, 3)
	c.align(&c.out)
	return c.take(nil), whole
}

// A distance is refused beyond what there is, and beyond what was negotiated
// even if it is there.
func TestInflaterKeepsToItsWindow(t *testing.T) {
	for bits := 8; bits <= 14; bits++ {
		size := 1 << bits
		for _, c := range []struct {
			before, letters, dist int
			want                  bool
		}{
			{size - 1, 0, size, false}, {size, 0, size, true}, {size + 1, 0, size, true},
			{size, 0, size + 1, false}, {size + 1, 0, size + 1, false}, {size, 1, size + 1, false},
			{size - 1, 1, size, true}, {size - 2, 1, size, false}, {1, 0, 1, true}, {1, 0, 2, false},
			{0, size, size, true}, {0, size + 1, size + 1, false}, {0, size - 1, size, false}, {0, 2, 3, false},
		} {
			for _, takeover := range []bool{true, false} {
				f, d := inflater{bits: bits, takeover: takeover}, deflater{bits: 8}
				if _, err := f.append(nil, d.append(nil, bytes.Repeat([]byte{'a'}, c.before)), 1<<20); err != nil {
					t.Fatal(err)
				}
				message, whole := inflateDist(c.letters, c.dist)
				got, err := f.append(nil, message, 1<<20)
				want := c.want && (takeover || c.before == 0)
				if want != (err == nil) || want && !bytes.Equal(got, whole) || !want && !errors.Is(err, errDistance) {
					t.Errorf("%d bits, takeover %v: %d back after %d bytes and %d of its own: %v; want it taken: %v",
						bits, takeover, c.dist, c.before, c.letters, err, want)
				}
			}
		}
	}
}

// inflateOthers are messages as compress/flate makes them, at each level. With
// takeover they refer to those before them.
func inflateOthers(t testing.TB, takeover bool, f func(level int, first bool, sent, want []byte)) {
	t.Helper()
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		var buf bytes.Buffer
		w, err := flate.NewWriter(&buf, level)
		if err != nil {
			t.Fatal(err)
		}
		r := deflateRand(7)
		for i := range 40 {
			p := deflateMessage(r)
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

func TestInflaterFromOtherDeflater(t *testing.T) {
	for _, takeover := range []bool{true, false} {
		var in inflater
		inflateOthers(t, takeover, func(level int, first bool, sent, want []byte) {
			if first {
				in = inflater{bits: 15, takeover: takeover}
			}
			if got, err := in.append(nil, sent, int64(len(want))); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("level %d, takeover %v: %d bytes are inflated to something else: %v", level, takeover, len(want), err)
			}
		})
	}
}

// A message that is cut is no message. Only the first byte of a stored block is
// one of its own: the empty message.
func TestInflaterTruncated(t *testing.T) {
	for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 9} {
		for _, n := range []int{1, 30, 2000} {
			var buf bytes.Buffer
			w, err := flate.NewWriter(&buf, level)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(deflateJSON(deflateRand(8), n))
			w.Flush()
			sent := bytes.TrimSuffix(buf.Bytes(), []byte{0, 0, 0xff, 0xff})
			for i := 1; i < len(sent); i++ { // nothing stands for nothing
				if i == 1 && sent[0] == 0 {
					continue
				}
				f := inflater{bits: 15}
				_, err := f.append(nil, sent[:i:i], 1<<20)
				if pe, ok := err.(*ProtocolError); !ok || pe.Code != StatusInvalidPayloadData {
					t.Errorf("level %d: the first %d bytes of %d: error %v, want 1007", level, i, len(sent), err)
				}
			}
		}
	}
}

func TestInflaterLimit(t *testing.T) {
	r := deflateRand(9)
	for range 300 {
		p, d, f := deflateMessage(r), deflater{bits: 15}, inflater{bits: 15}
		sent := d.append(nil, p)
		for _, limit := range []int64{int64(len(p)), 1<<63 - 1} {
			if got, err := f.append([]byte("x"), sent, limit); err != nil || !bytes.Equal(got[1:], p) {
				t.Fatalf("%d bytes with a limit of %d: %v", len(p), limit, err)
			}
		}
		if len(p) == 0 {
			continue
		}
		got, err := f.append(nil, sent, int64(len(p)-1))
		pe, ok := err.(*ProtocolError)
		if !ok || pe.Code != StatusMessageTooBig || !errors.Is(err, ErrMessageTooBig) || len(got) >= len(p) {
			t.Fatalf("%d bytes with a limit of one less: %d came, error %v", len(p), len(got), err)
		}
	}
}

// inflateBomb is 1 MiB, and a little, that inflates to 1 GiB of zeros.
func inflateBomb(t *testing.T) []byte {
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

func inflateMemory(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A bomb costs what is allowed, not what it holds.
func TestInflaterBomb(t *testing.T) {
	bomb := inflateBomb(t)
	if len(bomb) > 5<<18 {
		t.Fatalf("the bomb has %d bytes, want 1 MiB or so", len(bomb))
	}
	f := inflater{bits: 15, takeover: true}
	memory := inflateMemory(func() {
		if got, err := f.append(nil, bomb, 1<<20); !errors.Is(err, ErrMessageTooBig) || cap(got) > 2<<20 {
			t.Errorf("room for %d bytes was made, error %v", cap(got), err)
		}
	})
	if memory >= 4<<20 {
		t.Errorf("a bomb of %d bytes made %d bytes be allocated, want less than 4 MiB", len(bomb), memory)
	}
	// If everything is allowed, it goes by what has really come out: 4 MiB.
	memory = inflateMemory(func() {
		if _, err := f.append(nil, bomb[:4<<10], 1<<40); err == nil {
			t.Error("a part of the bomb was taken for a message")
		}
	})
	if memory >= 16<<20 {
		t.Errorf("4 MiB, and then an end that is none, made %d bytes be allocated, want less than 16 MiB", memory)
	}
}

// What is shared holds on to nobody's message.
func TestInflaterLetsGo(t *testing.T) {
	f := inflater{bits: 15, takeover: true, window: make([]byte, 100)}
	for _, message := range []string{"\xf2\x48\xcd\xc9\xc9\x07\x00", "\x07"} {
		f.append(nil, []byte(message), 10)
		s := inflations.Get().(*inflation)
		if s.in != nil || s.out != nil || s.window != nil {
			t.Errorf("after %q the pool holds on to %q, %q and a window of %d bytes", message, s.in, s.out, len(s.window))
		}
	}
}

// inflateReference inflates with compress/flate. In the place of the four bytes
// that the sender has taken off there is a block that can be told from anything
// else, to see that they belong there.
func inflateReference(message []byte, limit int) ([]byte, bool) {
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
		case in.Len() == 0: // and a stored block may not have swallowed what follows it
			return bytes.TrimSuffix(out, []byte(mark)), bytes.HasSuffix(out, []byte(mark)) && !bytes.HasSuffix(out, []byte(end[:len(end)-5]))
		}
	}
}

func FuzzInflate(f *testing.F) {
	inflateOthers(f, false, func(level int, first bool, sent, want []byte) {
		if len(sent) < 1000 {
			f.Add(bytes.Clone(sent))
		}
	})
	f.Add([]byte{})
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
	const limit = 1 << 16
	f.Fuzz(func(t *testing.T, message []byte) {
		in := inflater{bits: 15}
		got, err := in.append(nil, message, limit)
		want, ok := inflateReference(message, limit)
		switch {
		case len(want) > limit:
			if !errors.Is(err, ErrMessageTooBig) {
				t.Errorf("%x: error %v, want that it is too big", message, err)
			}
		case len(message) == 0: // by itself it is no stream
			if len(got) > 0 || err != nil {
				t.Errorf("nothing inflates to %x, %v", got, err)
			}
		case ok != (err == nil):
			t.Errorf("%x: error %v, and compress/flate takes it: %v", message, err, ok)
		case ok && !bytes.Equal(got, want):
			t.Errorf("%x inflates to %x, and with compress/flate to %x", message, got, want)
		}
		if cap(got) > limit+limit/2 {
			t.Errorf("%x: room for %d bytes was made", message, cap(got))
		}
	})
}

// A length and its distance take 48 bits at most, however few are left of those
// that were loaded before.
func TestInflaterLongestCodes(t *testing.T) {
	var b, tokens strings.Builder
	b.WriteString("0 10 11101 11101 1111 000 000 000" + strings.Repeat(" 100", 16)) // lengths take 4 bits, runs are not used
	// Literals a to n have codes of 1 to 14 bits, the end and lengths from 227 on of
	// 15, distances up to 24576 of 1 to 14 and those beyond of 15.
	lits, dists := make([]int, maxLits), make([]int, maxDists)
	for i := range 14 {
		lits['a'+i], dists[i] = i+1, i+1
	}
	lits[endOfBlock], lits[284], dists[28], dists[29] = 15, 15, 15, 15
	for _, n := range append(lits, dists...) {
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
	message := inflateBits(t, b.String()+tokens.String())
	want, ok := inflateReference(message, 1<<20)
	if !ok {
		t.Fatal("compress/flate does not take the message")
	}
	f := inflater{bits: 15}
	if got, err := f.append(nil, message, 1<<20); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, first other one at %d, %v; want %d", len(got), firstDiff(got, want), err, len(want))
	}
}

// The limit is for the memory, too, that a message takes until it is refused.
func TestInflaterMakesRoomWithinLimit(t *testing.T) {
	bomb := inflateBomb(t)
	for limit := 1 << 12; limit <= 1<<22; limit *= 2 {
		f := inflater{bits: 15}
		got, err := f.append(nil, bomb, int64(limit+1))
		if !errors.Is(err, ErrMessageTooBig) || cap(got) > limit+limit/2 {
			t.Errorf("limit %d: room for %d bytes was made, error %v", limit+1, cap(got), err)
		}
	}
}
