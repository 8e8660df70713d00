package websocket

import (
	"encoding/hex"
	"flag"
	"strings"
	"testing"
)

// What the tests in package websocket share. They cannot use the kit of package
// websocket_test.

// stress scales how often tests do what may race. At 100 they take moments; it
// is 10000 where there is time.
var stress = flag.Int("stress", 100, "how often tests look for races, in percent of what is usual")

// StressRounds returns how often a test does something that it usually does n
// times.
func StressRounds(n int) int { return max(1, n**stress/100) }

// hybiVersions are the versions whose frames have a length.
var hybiVersions = allVersions[:3:3]

// fromHex reads hex with blanks in it.
func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("hex in the test: %v", err)
	}
	return b
}
