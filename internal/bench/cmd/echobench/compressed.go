package main

import (
	"github.com/protocol-websocket/websocket/internal/bench/echo"
	"github.com/protocol-websocket/websocket/internal/bench/harness"
)

// differentMessages are more than a window holds, so that none finds itself.
const differentMessages = 128

// compressedLoad is what a server with compression is put under, with one
// message in flight on each connection.
type compressedLoad struct {
	deflate echo.Deflate
	size    int // of messages, before they are compressed
	conns   int
}

func compressedMatrix() (all []measurement) {
	for _, deflate := range []echo.Deflate{echo.Alone, echo.Takeover} {
		for _, size := range []int{512, 4096} {
			all = append(all, measurement{deflate.Messages(), deflate, compressedLoad{deflate, size, 50}.measure})
		}
	}
	return all
}

// measure runs a server under the load. Answers differ in length, so messages
// are counted; without a protocol there are none, but the length is known.
func (l compressedLoad) measure(name string, p *harness.Process) (harness.Result, error) {
	t, err := harness.NewCompressed(name, l.deflate, l.size, differentMessages)
	if err != nil {
		return harness.Result{}, err
	}
	g := &generator{counted: !t.Raw()}
	for _, frame := range t.Frames {
		answer := 1
		if t.Raw() {
			answer = len(frame)
		}
		g.batches = append(g.batches, batch{frame, answer})
	}
	m, err := g.measure(t.First(1), p, l.conns, l.conns)
	if err != nil {
		return harness.Result{}, err
	}
	messages := float64(m.batches)
	metrics := m.metrics(messages)
	metrics["sent-B/msg"] = float64(m.bytes) / messages
	return harness.NewResult("EchoCompressed", m.batches, metrics,
		"takeover", l.deflate == echo.Takeover, "size", l.size, "conns", l.conns, "lib", name), nil
}
