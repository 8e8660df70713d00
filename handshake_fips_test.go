//go:build !purego

// With the tag purego, crypto/internal/fips140 refuses to run in this mode.

package websocket_test

import (
	"os"
	"os/exec"
	"testing"
)

// The handshakes of all versions work where only the algorithms of FIPS 140-3
// are allowed, although the protocol needs SHA-1 and MD5.
func TestHandshakesMeetWithFIPSOnly(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHandshakesMeet$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("with GODEBUG=fips140=only: %v; look for the use of another algorithm\n%s", err, out)
	}
}
