package harness

import (
	"fmt"
	"os"
)

// Progress shows one line on standard error in place of the one before.
func Progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...)
}
