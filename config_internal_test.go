package websocket

import (
	"math"
	"testing"
	"time"
)

// The zero Config has the defaults that its documentation names.
func TestConfigDefaults(t *testing.T) {
	for _, tt := range []struct {
		name      string
		config    Config
		size      int64
		fragments int
		handshake time.Duration
		ping      time.Duration
	}{
		{"zero", Config{}, 1 << 20, 4096, 10 * time.Second, 0},
		{"no limits", Config{MaxMessageSize: -1, MaxFragments: -1, HandshakeTimeout: -1}, math.MaxInt64, math.MaxInt, math.MaxInt64, 0},
		{"no limit of size", Config{MaxMessageSize: -1, HandshakeTimeout: 1}, math.MaxInt64, math.MaxInt, 1, 0},
		{"large", Config{MaxMessageSize: 64 << 20, HandshakeTimeout: 1}, 64 << 20, 64 << 10, 1, 0},
		{"4 MiB and less", Config{MaxMessageSize: 4<<20 + 1023, HandshakeTimeout: 1}, 4<<20 + 1023, 4096, 1, 0},
		{"small", Config{MaxMessageSize: 1, HandshakeTimeout: 1}, 1, 4096, 1, 0},
		{"no limit of fragments", Config{MaxFragments: -1, HandshakeTimeout: 1}, 1 << 20, math.MaxInt, 1, 0},
		{"fragments given", Config{MaxMessageSize: -1, MaxFragments: 3, HandshakeTimeout: 1}, math.MaxInt64, 3, 1, 0},
		{"given", Config{MaxMessageSize: 7, MaxFragments: 8, HandshakeTimeout: 9, PingInterval: 11, PingTimeout: 12}, 7, 8, 9, 12},
		{"PingTimeout left out", Config{PingInterval: 11}, 1 << 20, 4096, 10 * time.Second, 11},
		{"PingTimeout negative", Config{PingInterval: 11, PingTimeout: -1}, 1 << 20, 4096, 10 * time.Second, 11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.config
			if got := tt.config.maxMessageSize(); got != tt.size {
				t.Errorf("MaxMessageSize is taken for %d; expected %d", got, tt.size)
			}
			if got := tt.config.maxFragments(); got != tt.fragments {
				t.Errorf("MaxFragments is taken for %d; expected %d", got, tt.fragments)
			}
			if got := tt.config.handshakeTimeout(); got != tt.handshake {
				t.Errorf("HandshakeTimeout is taken for %v; expected %v", got, tt.handshake)
			}
			if got := tt.config.pingTimeout(); got != tt.ping {
				t.Errorf("PingTimeout is taken for %v; expected %v", got, tt.ping)
			}
			if tt.config != before {
				t.Errorf("the caller's Config was changed to %+v", tt.config)
			}
		})
	}
}
