package websocket_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"

	"github.com/protocol-websocket/websocket"
)

// maxDistance is how far back deflate can refer, in bytes.
const maxDistance = 1 << 15

// The ways in which a flatePeer compresses.
const (
	zipTakeover = iota // refers to earlier messages
	zipAlone           // refers to nothing before the message
	zipFinal           // ends each message with a final block, as zlib's Z_FINISH does
	zipFinish          // the same without the byte that RFC 7692 section 7.2.3.4 wants after it
	zipStored          // stores, which refers to nothing
)

// zipLevels are quick where a compressor begins again with each message.
var zipLevels = [...]int{
	zipTakeover: flate.DefaultCompression, zipAlone: flate.BestSpeed, zipFinal: flate.BestSpeed, zipFinish: flate.BestSpeed, zipStored: flate.NoCompression,
}

// flatePeer compresses and decompresses the messages of a peer. It uses the
// standard library, which compresses with windows of 32 KiB and nothing else,
// and shares no code with the package.
type flatePeer struct {
	w      *flate.Writer
	zipped bytes.Buffer

	r      io.ReadCloser
	keeps  int // how many bytes of the messages received it keeps
	kept   []byte
	source bytes.Reader
}

// newFlatePeer returns a peer that keeps so many bytes of what it receives.
func newFlatePeer(keeps int) *flatePeer {
	return &flatePeer{keeps: keeps, r: flate.NewReader(bytes.NewReader(nil))}
}

// zip compresses p as RFC 7692 section 7.2.1 says, always in the same way. The
// result is valid until the next call.
func (z *flatePeer) zip(p []byte, way int) []byte {
	z.zipped.Reset()
	switch {
	case z.w == nil:
		z.w, _ = flate.NewWriter(&z.zipped, zipLevels[way])
	case way != zipTakeover:
		z.w.Reset(&z.zipped)
	}
	z.w.Write(p)
	switch way {
	case zipFinal:
		z.w.Close()
		return append(z.zipped.Bytes(), 0)
	case zipFinish:
		z.w.Close()
		return z.zipped.Bytes()
	}
	z.w.Flush()
	return bytes.TrimSuffix(z.zipped.Bytes(), []byte("\x00\x00\xff\xff"))
}

// unzip decompresses a message as section 7.2.2 says. The final block that it
// adds tells the standard library to stop.
func (z *flatePeer) unzip(p []byte) ([]byte, error) {
	z.source.Reset(append(bytes.Clone(p), "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...))
	if err := z.r.(flate.Resetter).Reset(&z.source, z.kept); err != nil {
		return nil, err
	}
	out, err := io.ReadAll(z.r)
	z.kept = append(z.kept, out...)
	z.kept = z.kept[max(0, len(z.kept)-z.keeps):]
	return out, err
}

// zipReference returns n bytes that stand distance bytes before the end of
// history, compressed as a reference to them.
func zipReference(history []byte, distance, n int) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriterDict(&b, flate.BestCompression, history[len(history)-min(len(history), maxDistance):])
	w.Write(history[len(history)-distance:][:n])
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// nextFrame reads the next frame from r, which has room for it.
func nextFrame(r *bufio.Reader) (websocket.Frame, error) {
	for size := 2; ; {
		head, err := r.Peek(size)
		if err != nil {
			return websocket.Frame{}, err
		}
		if n := r.Buffered(); n > size {
			head, _ = r.Peek(n)
		}
		f, n, err := websocket.ParseFrame(head, websocket.RFC6455)
		if err != io.ErrUnexpectedEOF {
			f.Payload = bytes.Clone(f.Payload)
			r.Discard(n)
			return f, err
		}
		size = len(head) + 1
	}
}

// catalogue makes messages as a feed sends them. They are records of JSON that
// look alike and that come again, some soon, some after 4 KiB or more than 32
// KiB.
type catalogue struct {
	r       *rand.Rand
	records [][]byte
}

func newCatalogue(seed uint64) *catalogue {
	c := &catalogue{r: newRand(seed)}
	for range 160 {
		c.records = append(c.records, jsonText(c.r, 150+c.r.IntN(100)))
	}
	return c
}

// message returns a text of 1 to 5 records.
func (c *catalogue) message() []byte {
	var p []byte
	for range 1 + c.r.IntN(5) {
		p = append(p, c.records[c.r.IntN(len(c.records))]...)
	}
	return p
}
