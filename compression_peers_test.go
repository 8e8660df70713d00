package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// fieldPeer is a client or a server as it is met in the field.
type fieldPeer struct {
	name      string
	extension string // the offer of a client, the response of a server; abbreviated
	way       int    // how it compresses
	keeps     int    // how many bytes it keeps of what it receives
	plain     func(i int) bool
	fragments bool // sends each message in three frames

	refuses bool   // a client fails at parameters that it did not offer; a server declines offers that have others
	kept    int    // how many bytes are kept of what it sends, with the zero Compression
	bounded string // how it ends with PeerWindowBits 13: words of the error, or "" if it works
}

const (
	notBounded = "expected server_max_window_bits of at most 13, or server_no_context_takeover"
	tooFar     = "beyond the window of" // with the number and the parameter
)

func always(int) bool      { return true }
func sometimes(i int) bool { return i%3 != 0 }

// fieldClients make their offers and then do as they please.
var fieldClients = []fieldPeer{
	{name: "makes a bare offer and ignores the answer", extension: "d", way: zipTakeover, keeps: maxDistance, kept: maxDistance},
	{name: "does the same in fragments", extension: "d", way: zipTakeover, keeps: maxDistance, kept: maxDistance, fragments: true},
	{name: "makes Chrome's offer and compresses with 15 bits", extension: "d cw", way: zipTakeover, keeps: maxDistance, kept: maxDistance, bounded: tooFar},
	{name: "makes Chrome's offer and compresses with 15 bits, in fragments", extension: "d cw", way: zipTakeover, keeps: maxDistance, kept: maxDistance, fragments: true, bounded: tooFar},
	{name: "announces 12 bits and compresses with 15", extension: "d cw=12 sw=12", way: zipTakeover, keeps: 4 << 10, kept: maxDistance, bounded: tooFar},
	{name: "refuses what it did not offer, bare", extension: "d", way: zipTakeover, keeps: maxDistance, refuses: true, kept: maxDistance},
	{name: "refuses what it did not offer, Chrome's offer", extension: "d cw", way: zipAlone, keeps: maxDistance, refuses: true, kept: 4 << 10},
	{name: "refuses what it did not offer, small window", extension: "d sw=9", way: zipAlone, keeps: 512, refuses: true, kept: maxDistance},
	{name: "refuses what it did not offer, all parameters", extension: "d s c sw=10 cw=12", way: zipAlone, refuses: true},
	{name: "refuses what it did not offer, forgets", extension: "d c", way: zipAlone, keeps: maxDistance, refuses: true},
	{name: "refuses what it did not offer, wants a server that forgets", extension: "d s", way: zipTakeover, refuses: true, kept: maxDistance},
	{name: "begins again with each message", extension: "d", way: zipAlone, keeps: maxDistance, kept: maxDistance},
	{name: "never compresses", extension: "d cw", plain: always, keeps: maxDistance},
	{name: "compresses some messages", extension: "d", way: zipTakeover, plain: sometimes, keeps: maxDistance, kept: maxDistance},
	{name: "compresses some messages, with 15 bits whatever was said", extension: "d cw", way: zipTakeover, plain: sometimes, keeps: maxDistance, kept: maxDistance, bounded: tooFar},
	{name: "ends each message with a final block", extension: "d c", way: zipFinal, keeps: maxDistance},
	{name: "ends each message with a final block and no byte after it", extension: "d cw", way: zipFinish, keeps: maxDistance, kept: 4 << 10},
	{name: "stores", extension: "d cw", way: zipStored, keeps: maxDistance, kept: 4 << 10},
}

// fieldServers answer our offer with their response, if they accept it, and then
// do as they please.
var fieldServers = []fieldPeer{
	{name: "ignores the windows", extension: "d", way: zipTakeover, keeps: maxDistance, kept: maxDistance, bounded: notBounded},
	{name: "does the same in fragments", extension: "d", way: zipTakeover, keeps: maxDistance, kept: maxDistance, fragments: true, bounded: notBounded},
	{name: "declines the windows that it does not know", extension: "d", way: zipTakeover, keeps: maxDistance, refuses: true, kept: maxDistance, bounded: notBounded},
	{name: "agrees to 12 bits and compresses with 15", extension: "d sw=12 cw=12", way: zipTakeover, keeps: 4 << 10, kept: maxDistance, bounded: tooFar},
	{name: "agrees to 12 bits and compresses with 15, in fragments", extension: "d sw=12 cw=12", way: zipTakeover, keeps: 4 << 10, kept: maxDistance, fragments: true, bounded: tooFar},
	{name: "agrees to 12 bits", extension: "d sw=12 cw=12", way: zipAlone, keeps: 4 << 10, kept: 4 << 10},
	{name: "keeps 512 bytes", extension: "d cw=9", way: zipTakeover, keeps: 512, kept: maxDistance, bounded: notBounded},
	{name: "forgets, and the client is to forget", extension: "d s c", way: zipAlone},
	{name: "forgets", extension: "d s", way: zipFinal, keeps: maxDistance},
	{name: "never compresses", extension: "d", plain: always, keeps: maxDistance, bounded: notBounded},
	{name: "compresses some messages", extension: "d", way: zipTakeover, plain: sometimes, keeps: maxDistance, kept: maxDistance, bounded: notBounded},
	{name: "ends each message with a final block and no byte after it", extension: "d", way: zipFinish, keeps: maxDistance, kept: maxDistance, bounded: notBounded},
}

// talk sends n messages to side, which echoes them, and reads the echoes.
func (p *fieldPeer) talk(nc net.Conn, r *bufio.Reader, side websocket.Side, n int) error {
	z, c := newFlatePeer(p.keeps), newCatalogue(uint64(n))
	for i := range n {
		want := c.message()
		payload, rsv := want, byte(0)
		if p.plain == nil || !p.plain(i) {
			payload, rsv = z.zip(want, p.way), rsv1
		}
		frames := []rawFrame{{b0: finText | rsv, payload: string(payload)}}
		if cut := len(payload) / 2; p.fragments {
			frames = []rawFrame{{b0: firstText | rsv, payload: string(payload[:cut])}, {b0: more, payload: string(payload[cut:])}, {b0: last}}
		}
		if _, err := nc.Write(rawFrames(side, frames...)); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		f, err := nextFrame(r)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if f.RSV == websocket.RSVCompressed {
			f.Payload, err = z.unzip(f.Payload)
		}
		if err != nil || f.Opcode != websocket.Text || !bytes.Equal(f.Payload, want) {
			return fmt.Errorf("message %d is answered %v %.200q, %v", i, f.Opcode, f.Payload, err)
		}
	}
	return nil
}

// checkOffered returns an error if a response has a parameter that the client
// did not offer, as clients do that fail the connection then.
func checkOffered(offer, response string) error {
	for param := range strings.SplitSeq(response, ";") {
		name, _, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.Contains(offer, name) {
			return fmt.Errorf("%q is answered %q: %q was not offered", offer, response, name)
		}
	}
	return nil
}

// connect does the handshake of a client.
func (p *fieldPeer) connect(nc net.Conn) (*bufio.Reader, error) {
	offer, r := expandExtension(p.extension), bufio.NewReaderSize(nc, 64<<10)
	if _, err := nc.Write([]byte(requestOf(websocket.RFC6455).with("Sec-WebSocket-Extensions", offer).String())); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	response := res.Header.Get("Sec-WebSocket-Extensions")
	if p.refuses {
		err = checkOffered(offer, response)
	}
	if response == "" { // then nothing may be compressed
		p.plain = always
	}
	return r, err
}

// accept does the handshake of a server.
func (p *fieldPeer) accept(nc net.Conn) (*bufio.Reader, error) {
	r := bufio.NewReaderSize(nc, 64<<10)
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	response := httpMessage{line: "HTTP/1.1 101 Switching Protocols", fields: [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", websocket.AcceptKey(req.Header.Get("Sec-WebSocket-Key"))},
	}}
	offers := strings.Split(req.Header.Get("Sec-WebSocket-Extensions"), ", ")
	if !p.refuses || slices.ContainsFunc(offers, func(o string) bool { return !strings.Contains(o, "server_max_window_bits") }) {
		response = response.with("Sec-WebSocket-Extensions", expandExtension(p.extension))
	}
	_, err = nc.Write([]byte(response.String()))
	return r, err
}

// meet has p do its handshake and talk with a connection of side that has these
// options, and returns how that ended for both.
func (p fieldPeer) meet(side websocket.Side, z websocket.Compression, n int, inspect func(*websocket.Conn)) error {
	nc, peer := websocket.NetPipe()
	defer peer.Close()
	handshake := p.connect
	if side == websocket.ClientSide {
		handshake = p.accept
	}
	talked := later(func() error {
		defer peer.Close()
		r, err := handshake(peer)
		if err != nil {
			return err
		}
		return p.talk(peer, r, side, n)
	})
	cfg := websocket.Config{Compression: &z}
	var c *websocket.Conn
	var err error
	if side == websocket.ServerSide {
		c, err = (&websocket.Upgrader{Config: cfg}).Accept(context.Background(), nc)
	} else {
		c, err = (&websocket.Dialer{Config: cfg}).Handshake(context.Background(), nc, "ws://127.0.0.1/")
	}
	if err != nil {
		return err
	}
	defer c.Close()
	for range n {
		typ, p, err := c.ReadMessage()
		if err == nil {
			err = c.WriteMessage(typ, p)
		}
		if err != nil {
			c.CloseWith(websocket.StatusNormalClosure, "")
			return errors.Join(err, <-talked)
		}
	}
	inspect(c)
	return <-talked
}

// eachFieldPeer runs f for all clients and servers.
func eachFieldPeer(t *testing.T, f func(t *testing.T, p fieldPeer, side websocket.Side)) {
	for side, peers := range map[websocket.Side][]fieldPeer{websocket.ServerSide: fieldClients, websocket.ClientSide: fieldServers} {
		for _, p := range peers {
			t.Run(sideName(websocket.ClientSide-side)+" that "+p.name, func(t *testing.T) {
				t.Parallel()
				f(t, p, side)
			})
		}
	}
}

// The zero Compression works with every client and every server. 1,000 messages
// go each way, and no more is kept than the peer needs.
func TestCompressionWithPeersOfTheField(t *testing.T) {
	eachFieldPeer(t, func(t *testing.T, p fieldPeer, side websocket.Side) {
		err := p.meet(side, websocket.Compression{}, 1000, func(c *websocket.Conn) {
			if in, out := websocket.ConnWindows(c); in != p.kept || out != min(p.keeps, 4<<10) {
				t.Errorf("%d bytes are kept of what was received and %d of what was sent; want %d and %d", in, out, p.kept, min(p.keeps, 4<<10))
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// The other options work too, but for servers that do not forget although they
// must, and peers of which more would have to be kept than PeerWindowBits says.
func TestCompressionOptionsWithPeersOfTheField(t *testing.T) {
	for _, z := range []websocket.Compression{{WindowBits: 15}, {WindowBits: 9, Threshold: 1}, {PeerWindowBits: 15}, {NoContextTakeover: true}, {PeerWindowBits: 13}} {
		t.Run(fmt.Sprintf("%+v", z), func(t *testing.T) {
			eachFieldPeer(t, func(t *testing.T, p fieldPeer, side websocket.Side) {
				want := ""
				switch {
				case z.PeerWindowBits == 13:
					want = p.bounded
				case z.NoContextTakeover && side == websocket.ClientSide && !slices.Contains(strings.Fields(p.extension), "s"):
					want = "expected server_no_context_takeover"
				}
				err := p.meet(side, z, 60, func(*websocket.Conn) {})
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("ended with %v; want an error that says %q", err, want)
				}
			})
		})
	}
}

// What is kept of a peer grows with what it has sent.
func TestCompressionWindowGrows(t *testing.T) {
	for extension, most := range map[string]int{"d": maxDistance, "d cw": 4 << 10} {
		h, _ := offer(t, websocket.RFC6455, extension, websocket.Compression{})
		peer, r, receive := newFlatePeer(0), newRand(4), compressedReceiver(h.Parser(), websocket.ServerSide)
		for sent := 0; sent < 128<<10; {
			history, err := receive(peer.zip(randomBytes(r, 1000), zipStored))
			if err != nil {
				t.Fatal(err)
			}
			sent = len(history)
			limit := min(2*sent, maxDistance)
			if sent > 65<<10 {
				limit = most
			}
			if got := websocket.ParserWindow(h.Parser()); got > limit {
				t.Fatalf("%q: after %d bytes %d are kept; want no more than %d", extension, sent, got, limit)
			}
		}
	}
}

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
