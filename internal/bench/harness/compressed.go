package harness

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net"
	"strings"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/echo"
)

// Compressed are different messages of JSON to an echo server, each compressed
// by itself, which every server has to understand. How long the answers are is
// up to the server, and with takeover to what it has sent before.
type Compressed struct {
	client
	Frames   [][]byte // the messages on the wire
	messages [][]byte
}

// NewCompressed returns n messages of size bytes to a server. One that speaks no
// protocol is sent the same bytes.
func NewCompressed(server string, d echo.Deflate, size, n int) (Compressed, error) {
	t := Compressed{}
	var err error
	if t.client, err = newClient(server, d); err != nil {
		return t, err
	}
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, flate.BestSpeed)
	if err != nil {
		return t, err
	}
	for i := range n {
		message := jsonMessage(i, size)
		z.Reset()
		w.Reset(&z)
		_, _ = w.Write(message) // to memory
		_ = w.Flush()
		frame, err := ours.AppendFrame(nil, ours.RFC6455, ours.Frame{
			Fin: true, RSV: 4, Opcode: ours.Text, Masked: true, MaskKey: [4]byte{1, 2, 3, byte(i)},
			Payload: bytes.TrimSuffix(z.Bytes(), []byte(flushed)),
		})
		if err != nil {
			return t, err
		}
		t.messages, t.Frames = append(t.messages, message), append(t.Frames, frame)
	}
	return t, nil
}

// jsonMessage has the same keys for each i and other values.
func jsonMessage(i, size int) []byte {
	var b strings.Builder
	for k := 0; b.Len() < size; k++ {
		fmt.Fprintf(&b, `{"id":%d,"user":"user-%d","price":%d.%02d,"open":%v,"tags":["t%d","u%d"],"hash":"%08x"},`,
			i*1000+k, (i*7919+k*31)%1000, (i*13+k*7)%977, (k*37+i)%100, (i+k)%2 == 0, i%13, k%17, uint32(i*2654435761+k*40503))
	}
	return []byte(b.String()[:size])
}

// First returns the first n messages.
func (t Compressed) First(n int) Compressed {
	t.Frames, t.messages = t.Frames[:n], t.messages[:n]
	return t
}

// Echo has the server echo all messages, one after another, and checks the
// answers. The connection must be a new one: answers may refer to all that was
// said on it.
func (t Compressed) Echo(nc net.Conn) error {
	var in inflater
	for i, frame := range t.Frames {
		if _, err := nc.Write(frame); err != nil {
			return err
		}
		want := t.messages[i]
		if t.raw {
			want = frame
		}
		got, err := t.answer(nc, &in, len(want))
		if err != nil {
			return fmt.Errorf("echo of compressed message %d: %w", i, err)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("echo of compressed message %d: the answer begins with %.16q, want %.16q", i, got, want)
		}
	}
	return nil
}

// answer reads one answer and returns the message, which is of n bytes.
func (t Compressed) answer(nc net.Conn, in *inflater, n int) ([]byte, error) {
	if t.raw {
		b := make([]byte, n)
		_, err := io.ReadFull(nc, b)
		return b, err
	}
	payload, err := readAnswer(nc)
	if err != nil {
		return nil, err
	}
	if t.deflate == echo.Alone {
		in.window = nil
	}
	return in.inflate(payload)
}

// readAnswer returns the payload of the one message that comes.
func readAnswer(nc net.Conn) (payload []byte, err error) {
	var answers Answers
	var chunk [4096]byte
	var all []byte
	for ended := 0; ended == 0; {
		n, err := nc.Read(chunk[:])
		if err != nil {
			return nil, err
		}
		if ended, err = answers.Count(chunk[:n]); err != nil {
			return nil, err
		}
		all = append(all, chunk[:n]...)
	}
	for len(all) > 0 {
		f, n, err := ours.ParseFrame(all, ours.RFC6455)
		if err != nil {
			return nil, err
		}
		payload, all = append(payload, f.Payload...), all[n:]
	}
	return payload, nil
}

const (
	flushed = "\x00\x00\xff\xff"     // ends a message, but is not sent: RFC 7692 section 7.2.1
	final   = "\x01\x00\x00\xff\xff" // an empty block that is the last
	window  = 32 << 10               // the largest distance to what is referred to
)

// inflater inflates the messages of a connection.
type inflater struct {
	window []byte // what was inflated before
	r      io.ReadCloser
}

func (in *inflater) inflate(p []byte) ([]byte, error) {
	src := io.MultiReader(bytes.NewReader(p), strings.NewReader(flushed+final))
	if in.r == nil {
		in.r = flate.NewReader(nil)
	}
	if err := in.r.(flate.Resetter).Reset(src, in.window); err != nil {
		return nil, err
	}
	message, err := io.ReadAll(in.r)
	in.window = append(in.window, message...)
	in.window = in.window[max(0, len(in.window)-window):]
	return message, err
}
