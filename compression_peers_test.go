package websocket_test

import (
	"bytes"
	"testing"
)

// A flatePeer inflates what another compresses, and what refers to earlier messages
// refers far back. Otherwise tests with it prove nothing.
func TestFlatePeers(t *testing.T) {
	for way, keeps := range map[int]int{zipTakeover: maxDistance, zipAlone: 0, zipFinal: 0, zipFinish: 0, zipStored: 0} {
		from, to, c, far := newFlatePeer(0), newFlatePeer(keeps), newCatalogue(1), 0
		near := newFlatePeer(4 << 10)
		for i := range 200 {
			p := c.message()
			zipped := from.zip(p, way)
			if got, err := to.unzip(zipped); err != nil || !bytes.Equal(got, p) {
				t.Fatalf("way %d: message %d is %.40q, %v; want %.40q", way, i, got, err, p)
			}
			if got, err := near.unzip(zipped); err != nil || !bytes.Equal(got, p) {
				far++
				near.kept = to.kept[max(0, len(to.kept)-near.keeps):]
			}
		}
		if (far > 100) != (way == zipTakeover) {
			t.Errorf("way %d: %d messages of 200 refer to more than 4 KiB before them", way, far)
		}
	}
}
