package websocket

import (
	"log/slog"
	"testing"
)

func TestServerLogsByDefaultToSlogDefault(t *testing.T) {
	if got := new(Server).logger(); got != slog.Default() {
		t.Errorf("logger of the zero Server is %p; expected slog.Default", got)
	}
}
