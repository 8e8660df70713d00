//go:build !purego

package mask_test

import (
	"testing"

	"github.com/protocol-websocket/websocket/internal/mask"
)

func TestCopyWithoutAVX2(t *testing.T) {
	defer mask.DisableAVX2()()
	TestCopy(t)
	TestCopyInPlace(t)
}
