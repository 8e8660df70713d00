package websocket_test

import (
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/protocol-websocket/websocket"
)

// A server without I/O: bytes go in, as an event loop gets them from its
// sockets, and bytes come out, for it to send.
func ExampleServerHandshake() {
	handshake := websocket.NewServerHandshake(nil)
	var parser *websocket.Parser

	// received is called with what has arrived and returns what is to be sent,
	// and whether the connection is to be ended then.
	received := func(in []byte) (out []byte, end bool) {
		if parser == nil {
			n, err := handshake.Feed(in)
			out = handshake.AppendResponse(out)
			if err != nil {
				return out, true // a refusal, which out says
			}
			if !handshake.Done() {
				return out, false
			}
			parser = handshake.Parser()
			in = in[n:]
		}
		v := handshake.Version()
		parser.Append(in)
		for {
			m, err := parser.Next()
			var broken *websocket.ProtocolError
			switch {
			case errors.Is(err, websocket.ErrIncomplete):
				return out, false
			case errors.As(err, &broken):
				out, _ = websocket.AppendClose(out, v, websocket.ServerSide, broken.Code, "")
				return out, true
			case err != nil: // io.EOF, after a Close
				return out, true
			}
			switch m.Type {
			case websocket.Text, websocket.Binary:
				out, _ = websocket.AppendMessage(out, v, websocket.ServerSide, m.Type, m.Data)
			case websocket.Ping:
				out, _ = websocket.AppendMessage(out, v, websocket.ServerSide, websocket.Pong, m.Data)
			case websocket.Close:
				out, _ = websocket.AppendClose(out, v, websocket.ServerSide, m.CloseError().Code, "")
			}
		}
	}

	arrivals := []string{
		"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85",
		"\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
		"\x88\x82\x37\xfa\x21\x3d\x34\x12",
	}
	for _, in := range arrivals {
		out, end := received([]byte(in))
		fmt.Printf("%q %v\n", out, end)
	}
	// Output:
	// "" false
	// "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n" false
	// "\x81\x05Hello" false
	// "\x88\x02\x03\xe8" true
}

// A client without I/O, here with a server without I/O in place of the network.
func ExampleClientHandshake() {
	d := &websocket.Dialer{Version: websocket.Hybi00, Subprotocols: []string{"chat"}}
	client, err := websocket.NewClientHandshake(d, "ws://example.com/chat")
	if err != nil {
		log.Fatal(err)
	}
	server := websocket.NewServerHandshake(&websocket.Upgrader{Subprotocols: []string{"chat"}})

	if _, err := server.Feed(client.AppendRequest(nil)); err != nil {
		log.Fatal(err)
	}
	response := server.AppendResponse(nil)
	if err != nil {
		log.Fatal(err)
	}
	v := server.Version()
	arrived, _ := websocket.AppendMessage(response, v, websocket.ServerSide, websocket.Text, []byte("welcome"))

	n, err := client.Feed(arrived)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Done(), client.Version(), client.Subprotocol())
	parser := client.Parser()
	parser.Append(arrived[n:]) // the first message came along with the response
	m, err := parser.Next()
	fmt.Printf("%v %s %v\n", m.Type, m.Data, err)
	// Output:
	// true draft-ietf-hybi-00 chat
	// Text welcome <nil>
}

// The parser joins fragments, and delivers control frames between them.
func ExampleParser() {
	parser, err := websocket.NewParser(websocket.RFC6455, websocket.ClientSide, websocket.Config{})
	if err != nil {
		log.Fatal(err)
	}
	for _, chunk := range []string{"\x01\x03Hel", "\x89\x02hi\x80", "\x02lo", "\x81\x01\xff"} {
		parser.Append([]byte(chunk))
		for {
			m, err := parser.Next()
			if errors.Is(err, websocket.ErrIncomplete) {
				break
			}
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("%v %s\n", m.Type, m.Data)
		}
	}
	// Output:
	// Ping hi
	// Text Hello
	// websocket: peer broke the protocol (1007): text message is not valid UTF-8: unexpected byte 0xff
}

// Single frames on the wire, in the versions' two framings.
func ExampleAppendFrame() {
	f := websocket.Frame{Fin: true, Opcode: websocket.Text, Payload: []byte("Hello")}
	b, err := websocket.AppendFrame(nil, websocket.RFC6455, f)
	fmt.Printf("%q %v\n", b, err)
	b, err = websocket.AppendFrame(nil, websocket.Hixie75, f)
	fmt.Printf("%q %v\n", b, err)
	f.Masked, f.MaskKey = true, [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b, err = websocket.AppendFrame(nil, websocket.RFC6455, f)
	fmt.Printf("%q %v\n", b, err)
	// Output:
	// "\x81\x05Hello" <nil>
	// "\x00Hello\xff" <nil>
	// "\x81\x857\xfa!=\x7f\x9fMQX" <nil>
}

// The frames in a dump.
func ExampleParseFrame() {
	dump := []byte("\x01\x03Hel\x80\x02lo\x88")
	for {
		f, n, err := websocket.ParseFrame(dump, websocket.RFC6455)
		if err != nil {
			fmt.Println(err == io.ErrUnexpectedEOF, len(dump), "byte left")
			return
		}
		fmt.Printf("%v fin=%v %q\n", f.Opcode, f.Fin, f.Payload)
		dump = dump[n:]
	}
	// Output:
	// Text fin=false "Hel"
	// Continuation fin=true "lo"
	// true 1 byte left
}

// Messages for an event loop to send.
func ExampleAppendMessage() {
	out, err := websocket.AppendMessage(nil, websocket.Hybi10, websocket.ServerSide, websocket.Binary, []byte{1, 2})
	fmt.Printf("%q %v\n", out, err)
	out, err = websocket.AppendClose(out[:0], websocket.Hybi10, websocket.ServerSide, websocket.StatusGoingAway, "bye")
	fmt.Printf("%q %v\n", out, err)
	// Output:
	// "\x82\x02\x01\x02" <nil>
	// "\x88\x05\x03\xe9bye" <nil>
}

// Names of versions, from flags and configuration.
func ExampleParseVersion() {
	for _, name := range []string{"rfc6455", "13", "draft-ietf-hybi-10", "8", "hybi-07", "hixie-76", "hixie-75", "hybi-03"} {
		v, err := websocket.ParseVersion(name)
		if err != nil {
			fmt.Println(name, "is not known")
			continue
		}
		fmt.Println(name, "is", v)
	}
	// Output:
	// rfc6455 is rfc6455
	// 13 is rfc6455
	// draft-ietf-hybi-10 is draft-ietf-hybi-10
	// 8 is draft-ietf-hybi-10
	// hybi-07 is draft-ietf-hybi-07
	// hixie-76 is draft-ietf-hybi-00
	// hixie-75 is draft-hixie-75
	// hybi-03 is not known
}

// The parts of a URL that a client needs.
func ExampleParseURL() {
	u, err := websocket.ParseURL("wss://Example.COM/chat?room=1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u.Secure, u.Host, u.Addr(), u.ResourceName())
	_, err = websocket.ParseURL("ftp://example.com/")
	fmt.Println(err)
	// Output:
	// true example.com example.com:443 /chat?room=1
	// websocket: the caller's URL "ftp://example.com/" is unusable: expected it to begin with ws://, wss://, http:// or https://
}
