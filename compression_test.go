package websocket

import (
	"math"
	"strings"
	"testing"
)

// The zero Compression is what its documentation says.
func TestCompressionDefaults(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		c                     Compression
		threshold, bits, peer int
	}{
		{"zero", Compression{}, 512, 12, 12},
		{"given", Compression{Threshold: 1, WindowBits: 10}, 1, 10, 10},
		{"largest", Compression{Threshold: math.MaxInt, WindowBits: 15}, math.MaxInt, 15, 15},
		{"smallest", Compression{Threshold: 1, WindowBits: 8}, 1, 8, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.c
			if got := tt.c.threshold(); got != tt.threshold {
				t.Errorf("Threshold is taken for %d; expected %d", got, tt.threshold)
			}
			if got := tt.c.windowBits(); got != tt.bits {
				t.Errorf("WindowBits is taken for %d; expected %d", got, tt.bits)
			}
			if got := tt.c.peerWindowBits(); got != tt.peer {
				t.Errorf("the peer is asked for %d bits; expected %d", got, tt.peer)
			}
			if tt.c != before {
				t.Errorf("the caller's Compression was changed to %+v", tt.c)
			}
		})
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
		{"smallest", &Compression{Threshold: 1, WindowBits: 8, NoContextTakeover: true}, ""},
		{"largest", &Compression{Threshold: math.MaxInt, WindowBits: 15}, ""},
		{"Threshold -1", &Compression{Threshold: -1}, "Threshold is -1: expected a number of bytes, or 0 for 512"},
		{"WindowBits -1", &Compression{WindowBits: -1}, "WindowBits is -1: expected 8 to 15, or 0 for 12"},
		{"WindowBits 7", &Compression{WindowBits: 7}, "WindowBits is 7: expected 8 to 15, or 0 for 12"},
		{"WindowBits 16", &Compression{WindowBits: 16}, "WindowBits is 16: expected 8 to 15, or 0 for 12"},
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

// A client does not offer what it cannot do: once it did, and compressing
// panicked.
func TestDialerRefusesBadCompression(t *testing.T) {
	for _, z := range []Compression{{WindowBits: -5}, {WindowBits: 7}, {WindowBits: 16}, {Threshold: -1}} {
		if h, err := NewClientHandshake(&Dialer{Config: Config{Compression: &z}}, "ws://a/"); err == nil {
			t.Errorf("%+v was taken, and the request is\n%s", z, h.AppendRequest(nil))
		}
	}
}
