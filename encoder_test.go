package websocket_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// Before a handshake is done, there is neither a Parser nor an Encoder.
func TestParserAndEncoderAreThereWhenDone(t *testing.T) {
	server := websocket.NewServerHandshake(nil)
	client, err := websocket.NewClientHandshake(nil, "ws://a.example/")
	if err != nil {
		t.Fatal(err)
	}
	if server.Parser() != nil || server.Encoder() != nil || client.Parser() != nil || client.Encoder() != nil {
		t.Error("a handshake that has not begun has a Parser or an Encoder")
	}
}

// Messages refer to those before them, so a handshake returns the same Encoder
// and the same Parser each time.
func TestEncodersAndParsersMeet(t *testing.T) {
	for _, tt := range compressionOptions {
		t.Run(tt.name, func(t *testing.T) {
			server, client := handshakes(t, &websocket.Upgrader{Config: websocket.Config{Compression: tt.server}}, &websocket.Dialer{Config: websocket.Config{Compression: tt.client}})
			for i, want := range mixedMessages(24) {
				wire, err := client.Encoder().AppendMessage(nil, websocket.Binary, want)
				if err != nil {
					t.Fatal(err)
				}
				server.Parser().Append(wire)
				m, err := server.Parser().Next()
				if err != nil || m.Type != websocket.Binary || !bytes.Equal(m.Data, want) {
					t.Fatalf("server, message %d: %d bytes of %d, %v", i, len(m.Data), len(want), err)
				}
				wire, err = server.Encoder().AppendMessage(wire[:0], websocket.Binary, m.Data)
				if err != nil {
					t.Fatal(err)
				}
				client.Parser().Append(wire)
				if m, err = client.Parser().Next(); err != nil || !bytes.Equal(m.Data, want) {
					t.Fatalf("client, message %d: %d bytes of %d, %v", i, len(m.Data), len(want), err)
				}
				if _, err = client.Parser().Next(); !errors.Is(err, websocket.ErrIncomplete) {
					t.Fatalf("client, after message %d: %v", i, err)
				}
			}
		})
	}
}

// An Encoder compresses messages of at least Threshold bytes. It refuses what
// the function AppendMessage refuses, and its state does not change then.
func TestEncoderThresholdAndRefusals(t *testing.T) {
	z := &websocket.Compression{Threshold: 100}
	server, client := handshakes(t, &websocket.Upgrader{Config: websocket.Config{Compression: z}}, &websocket.Dialer{Config: websocket.Config{Compression: z}})
	p := []byte(strings.Repeat("text ", 20))
	for n, rsv := range map[int]byte{99: 0, 100: websocket.RSVCompressed} {
		wire, err := server.Encoder().AppendMessage([]byte("before"), websocket.Text, p[:n])
		f, length, parseErr := websocket.ParseFrame(bytes.TrimPrefix(wire, []byte("before")), websocket.RFC6455)
		if err != nil || parseErr != nil || f.RSV != rsv || length+len("before") != len(wire) {
			t.Errorf("%d bytes: frame %+v, %v, %v; want RSV %d", n, f, err, parseErr, rsv)
		}
		client.Parser().Append(wire[len("before"):])
		if m, err := client.Parser().Next(); err != nil || !bytes.Equal(m.Data, p[:n]) {
			t.Errorf("%d bytes: read %q, %v", n, m.Data, err)
		}
	}
	var zero websocket.Encoder
	if wire, err := zero.AppendMessage(nil, websocket.Text, p); err != nil || wire[0] != 0x81 {
		t.Errorf("the zero Encoder sends % x, %v, want a frame that is not compressed", wire[:2], err)
	}
	for _, typ := range []websocket.MessageType{websocket.Continuation, websocket.Close, 3, 11} {
		if wire, err := server.Encoder().AppendMessage([]byte("x"), typ, p); err == nil || string(wire) != "x" {
			t.Errorf("%v: %x, %v, want an error and nothing appended", typ, wire, err)
		}
	}
}

// Control frames are never compressed, RFC 7692 section 6, even if Threshold is
// 1.
func TestEncoderLeavesControlFrames(t *testing.T) {
	z := &websocket.Compression{Threshold: 1}
	server, client := handshakes(t, &websocket.Upgrader{Config: websocket.Config{Compression: z}}, &websocket.Dialer{Config: websocket.Config{Compression: z}})
	p := []byte(strings.Repeat("control ", 15))
	for _, typ := range []websocket.MessageType{websocket.Ping, websocket.Pong} {
		wire, err := server.Encoder().AppendMessage(nil, typ, p)
		if f, _, parseErr := websocket.ParseFrame(wire, websocket.RFC6455); err != nil || parseErr != nil || f.RSV != 0 || !bytes.Equal(f.Payload, p) {
			t.Errorf("%v: frame %+v, %v, %v; want it as it is", typ, f, err, parseErr)
		}
		client.Parser().Append(wire)
		if m, err := client.Parser().Next(); err != nil || m.Type != typ || !bytes.Equal(m.Data, p) {
			t.Errorf("%v: read %v %q, %v", typ, m.Type, m.Data, err)
		}
	}
}
