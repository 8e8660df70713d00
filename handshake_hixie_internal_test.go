package websocket

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestKeyNumber(t *testing.T) {
	for key, want := range map[string]uint32{
		"0 0":             0,
		"00000 00001":     1,
		"1 2":             12,
		"4294967295 x":    math.MaxUint32,
		"8589934590   ":   2863311530,
		"1 2 4 8 ":        312,
		"a8589b934590  c": math.MaxUint32,
		"5153 9607540" + "xxxxxxxxxxx           ": math.MaxUint32,
	} {
		if got, err := keyNumber(key); got != want || err != nil {
			t.Errorf("number in %q is %d, error %v: want %d", key, got, err, want)
		}
	}
}

// A client's keys are made as draft 76 section 5.1 says.
func TestNewHixieKey(t *testing.T) {
	spacesSeen, noiseSeen, numbersSeen := map[int]bool{}, map[int]bool{}, map[uint32]bool{}
	largest := uint64(0)
	for range 2000 {
		key, number := newHixieKey()
		if got, err := keyNumber(key); got != number || err != nil {
			t.Fatalf("number in %q reads as %d, error %v: want %d", key, got, err, number)
		}
		if strings.TrimSpace(key) != key {
			t.Fatalf("key %q has a space at an end, where HTTP strips it", key)
		}
		spaces, noise, digits := 0, 0, ""
		for _, c := range key {
			switch {
			case c == ' ':
				spaces++
			case c >= '0' && c <= '9':
				digits += string(c)
			case c > ' ' && c < 0x7f:
				noise++
			default:
				t.Fatalf("key %q holds %q", key, c)
			}
		}
		if spaces < 1 || spaces > 12 || noise < 1 || noise > 12 {
			t.Fatalf("key %q has %d spaces and %d other characters, want 1 to 12 of each", key, spaces, noise)
		}
		product, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || product > math.MaxUint32 {
			t.Fatalf("digits of %q are %s: the draft has them up to 4294967295", key, digits)
		}
		largest = max(largest, product)
		spacesSeen[spaces], noiseSeen[noise], numbersSeen[number] = true, true, true
	}
	if len(spacesSeen) != 12 || len(noiseSeen) != 12 {
		t.Errorf("numbers of spaces were %v, of other characters %v: want all from 1 to 12", spacesSeen, noiseSeen)
	}
	if len(numbersSeen) < 1900 || largest < math.MaxUint32/2 {
		t.Errorf("%d different numbers in 2000 keys, digits up to %d: want all numbers to be as likely", len(numbersSeen), largest)
	}
	if len(noise) != 84 || strings.ContainsAny(noise, " 0123456789\x7f") {
		t.Errorf("%d characters stand between the digits, want 84 and no digits: %q", len(noise), noise)
	}
}

func TestRandomBelow(t *testing.T) {
	for _, n := range []uint64{1, 2, 12, 84, 1 << 32} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			seen := map[uint64]bool{}
			for range 2000 {
				i := randomBelow(n)
				if i >= n {
					t.Fatalf("randomBelow(%d) is %d", n, i)
				}
				seen[i] = true
			}
			if want := int(min(n, 1900)); len(seen) < want {
				t.Errorf("%d different numbers in 2000, want %d", len(seen), want)
			}
		})
	}
}
