package websocket

import (
	"flag"
	"testing"
)

// stress scales how often tests do what may race. At 100 they take moments; it
// is 10000 where there is time.
var stress = flag.Int("stress", 100, "how often tests look for races, in percent of what is usual")

// stressRounds returns how often a test does something that it usually does n
// times.
func stressRounds(n int) int { return max(1, n**stress/100) }

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
