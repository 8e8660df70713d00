package websocket

import (
	"math"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket/internal/permessage"
)

// The zero Compression has the defaults that its documentation names.
func TestCompressionDefaults(t *testing.T) {
	for _, tt := range []struct {
		name      string
		c         Compression
		threshold int
		want      permessage.Options
	}{
		{"zero", Compression{}, 512, permessage.Options{WindowBits: 12, PeerWindowBits: 12}},
		{"given", Compression{Threshold: 1, WindowBits: 10}, 1, permessage.Options{WindowBits: 10, PeerWindowBits: 10}},
		{"largest", Compression{Threshold: math.MaxInt, WindowBits: 15}, math.MaxInt, permessage.Options{WindowBits: 15, PeerWindowBits: 15}},
		{"smallest", Compression{Threshold: 1, WindowBits: 8}, 1, permessage.Options{WindowBits: 8, PeerWindowBits: 9}},
		{"no takeover", Compression{NoContextTakeover: true}, 512, permessage.Options{WindowBits: 12, PeerWindowBits: 12, NoContextTakeover: true}},
		{"peer's window", Compression{PeerWindowBits: 9}, 512, permessage.Options{WindowBits: 12, PeerWindowBits: 9, Strict: true}},
		{"peer's window, largest", Compression{WindowBits: 8, PeerWindowBits: 15}, 512, permessage.Options{WindowBits: 8, PeerWindowBits: 15, Strict: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.c
			if got := tt.c.threshold(); got != tt.threshold {
				t.Errorf("Threshold is taken for %d; expected %d", got, tt.threshold)
			}
			if got := *tt.c.options(); got != tt.want {
				t.Errorf("the options are %+v; expected %+v", got, tt.want)
			}
			if tt.c != before {
				t.Errorf("the caller's Compression was changed to %+v", tt.c)
			}
		})
	}
	var none *Compression
	if o := none.options(); o != nil || none.offer() != "" {
		t.Errorf("no Compression has the options %+v and offers %q", o, none.offer())
	}
}

// Extensions that are declined cost no memory.
func TestDeclinedExtensionsDoNotAllocate(t *testing.T) {
	for _, c := range []*Compression{nil, {}} {
		for _, lines := range [][]string{nil, {"x-webkit-deflate-frame"}, {"permessage-deflate; foo"}, {"permessage-deflate;"}} {
			if n := testing.AllocsPerRun(10, func() { c.agree(lines) }); n > 0 {
				t.Errorf("%v: %q: %v allocations, want 0: nothing was accepted", c, lines, n)
			}
		}
		if n := testing.AllocsPerRun(10, func() { c.agreed(nil) }); n > 0 {
			t.Errorf("%v: no response: %v allocations, want 0", c, n)
		}
	}
}

func TestCompressionValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		c      *Compression
		reason string // "" if it is valid
	}{
		{"nil", nil, ""},
		{"zero", &Compression{}, ""},
		{"smallest", &Compression{Threshold: 1, WindowBits: 8, PeerWindowBits: 9, NoContextTakeover: true}, ""},
		{"largest", &Compression{Threshold: math.MaxInt, WindowBits: 15, PeerWindowBits: 15}, ""},
		{"Threshold -1", &Compression{Threshold: -1}, "Threshold is -1: expected a number of bytes, or 0 for 512"},
		{"WindowBits -1", &Compression{WindowBits: -1}, "WindowBits is -1: expected 8 to 15, or 0 for 12"},
		{"WindowBits 7", &Compression{WindowBits: 7}, "WindowBits is 7: expected 8 to 15, or 0 for 12"},
		{"WindowBits 16", &Compression{WindowBits: 16}, "WindowBits is 16: expected 8 to 15, or 0 for 12"},
		{"PeerWindowBits -1", &Compression{PeerWindowBits: -1}, "PeerWindowBits is -1: expected 9 to 15, or 0 for what each peer needs"},
		{"PeerWindowBits 8", &Compression{PeerWindowBits: 8}, "PeerWindowBits is 8: expected 9 to 15, or 0"},
		{"PeerWindowBits 16", &Compression{PeerWindowBits: 16}, "PeerWindowBits is 16: expected 9 to 15, or 0"},
	} {
		err := tt.c.validate()
		if tt.reason == "" && err != nil {
			t.Errorf("%s: %v; expected no error", tt.name, err)
		}
		if tt.reason != "" && (err == nil || !strings.HasPrefix(err.Error(), "websocket: Compression."+tt.reason)) {
			t.Errorf("%s: %v; expected an error that says that %s", tt.name, err, tt.reason)
		}
	}
}
