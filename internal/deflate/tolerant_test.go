package deflate_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/protocol-websocket/websocket/internal/deflate"
)

// plain decompresses a message of n letters that no distance is needed for.
func plain(t *testing.T, d *deflate.Decompressor, n int) {
	t.Helper()
	c := deflate.Compressor{WindowBits: 8}
	if _, err := d.AppendWhole(nil, c.Append(nil, bytes.Repeat([]byte{'a'}, n)), 1<<20); err != nil {
		t.Fatal(err)
	}
}

// distant decompresses a message of letters, the last four of them at the given
// distance from those that they repeat.
func distant(d *deflate.Decompressor, letters, dist int) error {
	message, whole := distMessage(letters, dist)
	got, err := d.AppendWhole(nil, message, 1<<20)
	if err == nil && !bytes.Equal(got, whole) {
		return errors.New("the message is decompressed to something else")
	}
	return err
}

// A peer that uses a larger window than it was asked for is served: within a
// message always, beyond it if the first 64 KiB show that it does so.
func TestTolerant(t *testing.T) {
	const asked, all = 1 << 9, 1 << 15
	tolerant := func() *deflate.Decompressor {
		return &deflate.Decompressor{WindowBits: 9, ContextTakeover: true, Tolerant: true}
	}
	tooFar := func(dist int) error { return deflate.DistanceError{Distance: dist, Window: asked} }

	alone := &deflate.Decompressor{WindowBits: 9, Tolerant: true}
	for _, dist := range []int{asked + 1, 9000, all} {
		if err := distant(alone, dist, dist); err != nil || len(alone.Window()) > 0 {
			t.Errorf("without takeover, distance %d within a message: %v, and %d bytes are kept", dist, err, len(alone.Window()))
		}
		if err := distant(alone, dist-1, dist); !errors.Is(err, tooFar(dist)) {
			t.Errorf("without takeover, distance %d beyond the first byte: %v", dist, err)
		}
		alone = &deflate.Decompressor{WindowBits: 9, Tolerant: true}
	}

	early := tolerant()
	plain(t, early, all-100)
	plain(t, early, 100)
	if n := len(early.Window()); n != all {
		t.Errorf("at first %d bytes are kept, want %d", n, all)
	}
	if err := distant(early, 0, all); err != nil {
		t.Errorf("distance %d into earlier messages, at first: %v", all, err)
	}
	for range 4 {
		plain(t, early, all)
	}
	if n := len(early.Window()); n != all {
		t.Errorf("after a long distance %d bytes are kept, want %d", n, all)
	}
	if err := distant(early, 0, all); err != nil {
		t.Errorf("distance %d into earlier messages, after another: %v", all, err)
	}

	obeys := tolerant()
	plain(t, obeys, 64<<10-1)
	if n := len(obeys.Window()); n != all {
		t.Errorf("after 64 KiB less one, %d bytes are kept, want %d", n, all)
	}
	plain(t, obeys, 1)
	if n, room := len(obeys.Window()), cap(obeys.Window()); n != asked || room != asked {
		t.Errorf("of a peer that obeys %d bytes are kept in %d, want %d", n, room, asked)
	}
	if err := distant(obeys, 0, asked); err != nil {
		t.Errorf("distance %d: %v", asked, err)
	}
	if err := distant(obeys, 9000, 9000); err != nil { // from now on it is known
		t.Errorf("distance 9000 within a message, late: %v", err)
	}
	plain(t, obeys, all)
	if err := distant(obeys, 0, all); err != nil {
		t.Errorf("distance %d after a late distance of 9000: %v", all, err)
	}

	late := tolerant()
	plain(t, late, 64<<10)
	if err := distant(late, 0, 9000); !errors.Is(err, tooFar(9000)) {
		t.Errorf("distance 9000 into earlier messages, late: %v", err)
	}
}

func TestDistanceErrorText(t *testing.T) {
	for e, want := range map[deflate.DistanceError]string{
		{Distance: 9000, Window: 4096}: "distance of 9000 bytes, beyond the window of 4096",
		{Distance: 9, Window: 4096}:    "distance of 9 bytes, beyond the first byte",
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}
