package websocket_test

import (
	"testing"

	"github.com/protocol-websocket/websocket"
)

// stressRounds returns how often a test does something that it usually does n
// times.
func stressRounds(n int) int { return websocket.StressRounds(n) }

// stressed returns a test that runs f once, and more often under stress.
func stressed(f func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) {
		rounds := stressRounds(1)
		if rounds == 1 {
			f(t)
			return
		}
		for range rounds {
			t.Run("", f)
		}
	}
}
