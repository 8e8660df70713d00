package netx_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket/internal/netx"
)

// Who waits for a deadline waits for the one that was set last, and is woken by
// one that has passed.
func TestDeadline(t *testing.T) {
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for _, tt := range []struct {
		name  string
		set   func() []time.Time // after the wait has begun
		after time.Duration
	}{
		{"one", func() []time.Time { return []time.Time{in(time.Second)} }, time.Second},
		{"now", func() []time.Time { return []time.Time{in(0)} }, 0},
		{"long ago", func() []time.Time { return []time.Time{time.Unix(1, 0)} }, 0},
		{"extended", func() []time.Time { return []time.Time{in(time.Second), in(time.Minute)} }, time.Minute},
		{"brought forward", func() []time.Time { return []time.Time{in(time.Minute), in(time.Second)} }, time.Second},
		{"removed and set", func() []time.Time { return []time.Time{in(time.Second), {}, in(time.Minute)} }, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d netx.Deadline
				start, passed := time.Now(), d.Passed()
				for _, at := range tt.set() {
					d.Set(at)
				}
				<-passed
				if took := time.Since(start); took != tt.after {
					t.Errorf("passed after %v, want %v", took, tt.after)
				}
				d.Set(time.Time{})
				time.Sleep(time.Hour)
				select {
				case <-d.Passed():
					t.Error("passed again, although it was removed")
				default:
				}
			})
		})
	}
}
