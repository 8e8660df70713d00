package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"testing"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/deflate"
)

// compressedPair returns both sides of a connection over net.Pipe with these
// options.
func compressedPair(t testing.TB, server, client *websocket.Config) (s, c *websocket.Conn) {
	t.Helper()
	return newPair(t, websocket.RFC6455, overPipe, pairOptions{server: *server, client: *client})
}

// compressionOptions are pairs of options that a handshake may meet.
var compressionOptions = []struct {
	name           string
	server, client *websocket.Compression
}{
	{"defaults", &websocket.Compression{}, &websocket.Compression{}},
	{"all", &websocket.Compression{Threshold: 1}, &websocket.Compression{Threshold: 1}},
	{"each alone", &websocket.Compression{NoContextTakeover: true}, &websocket.Compression{NoContextTakeover: true}},
	{"server's alone", &websocket.Compression{NoContextTakeover: true}, &websocket.Compression{}},
	{"client's alone", &websocket.Compression{}, &websocket.Compression{NoContextTakeover: true}},
	{"smallest windows", &websocket.Compression{WindowBits: 8, Threshold: 1}, &websocket.Compression{WindowBits: 8, Threshold: 1}},
	{"largest windows", &websocket.Compression{WindowBits: 15}, &websocket.Compression{WindowBits: 15}},
	{"windows that differ", &websocket.Compression{WindowBits: 9}, &websocket.Compression{WindowBits: 15}},
	{"server without", nil, &websocket.Compression{}},
	{"client without", &websocket.Compression{}, nil},
}

// mixedMessages returns n messages of all sizes: random, JSON, and zeros. They
// are the same in each run.
func mixedMessages(n int) [][]byte {
	random := rand.New(rand.NewSource(1))
	var all [][]byte
	for i := range n {
		size := []int{0, 1, 511, 512, 513, 3000, 20_000, 70_000}[i%8]
		p := make([]byte, size)
		switch i % 3 {
		case 0:
			random.Read(p)
		case 1:
			for at := 0; at < size; {
				at += copy(p[at:], fmt.Sprintf(`{"id":%d,"name":"user %d","ok":%t},`, at*i, random.Intn(1000), i%2 == 0))
			}
		}
		all = append(all, p)
	}
	return all
}

// writeInWay writes p as WriteMessage, BufferMessage, WritePrepared or
// NextWriter does; i chooses.
func writeInWay(c *websocket.Conn, i int, p []byte) error {
	switch i % 5 {
	case 0:
		return c.WriteMessage(websocket.Binary, p)
	case 1:
		return errors.Join(c.BufferMessage(websocket.Binary, p), c.Flush())
	case 2:
		m, _ := websocket.Prepare(websocket.Binary, p)
		return c.WritePrepared(m)
	}
	w, err := c.NextWriter(websocket.Binary)
	for step := 1 + len(p)/3; len(p) > 0 && err == nil; p = p[min(step, len(p)):] {
		_, err = w.Write(p[:min(step, len(p))])
	}
	return errors.Join(err, w.Close())
}

// readInWay reads a message in one of six ways that i chooses. It returns nil
// if it has skipped the message.
func readInWay(c *websocket.Conn, i int) ([]byte, error) {
	switch i % 6 {
	case 0:
		_, p, err := c.ReadMessage()
		return p, err
	case 1:
		_, p, err := c.ReadAppend([]byte("prefix"))
		return bytes.TrimPrefix(p, []byte("prefix")), err
	case 2:
		_, p, err := c.ReadAppend(make([]byte, 0, 100_000))
		return p, err
	case 3:
		return nil, websocket.DiscardMessage(c)
	}
	_, r, err := c.NextReader()
	if err != nil {
		return nil, err
	}
	if i%6 == 4 {
		_, err = io.ReadFull(r, make([]byte, 100))
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
		return nil, err // the next read skips the rest
	}
	p, err := io.ReadAll(r)
	return p, err
}

// bombFrame returns a frame of 1 MiB that inflates to 1 GiB.
func bombFrame() []byte {
	d := deflate.Compressor{WindowBits: 15}
	block := d.Append(nil, make([]byte, 1<<20))
	var bomb []byte
	for len(bomb) < 1<<20-len(block)-4 {
		bomb = append(append(bomb, block...), 0, 0, 0xff, 0xff)
	}
	return rawFrames(websocket.ServerSide, rawFrame{b0: finBinary | rsv1, payload: string(append(bomb, block...))})
}

// bombWays are the ways of readInWay that read all of a message, or skip it.
var bombWays = map[int]string{0: "ReadMessage", 1: "ReadAppend", 5: "NextReader", 3: "skip"}

// readBomb reads frame in one of bombWays.
func readBomb(t *testing.T, frame []byte, way int) error {
	c, peer := newTCP(t, websocket.RFC6455, websocket.ServerSide, websocket.Config{Compression: &websocket.Compression{WindowBits: 15}})
	go peer.Write(frame)
	defer peer.Close()
	defer c.Close()
	_, err := readInWay(c, way)
	return err
}

// deflated returns s compressed as the payload of a message.
func deflated(s string) string {
	d := deflate.Compressor{WindowBits: 15}
	return string(d.Append(nil, []byte(s)))
}
