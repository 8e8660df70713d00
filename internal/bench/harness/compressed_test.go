package harness

import (
	"bytes"
	"compress/flate"
	"net"
	"strings"
	"testing"
	"time"

	ours "github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/bench/echo"
)

// TestCompressedServers has every server that can echo more messages than a
// window holds, and hang up after the closing handshake.
func TestCompressedServers(t *testing.T) {
	for _, d := range []echo.Deflate{echo.Alone, echo.Takeover} {
		for _, name := range echo.For(d.Messages()) {
			t.Run(string(d)+"/"+name, func(t *testing.T) {
				nc, talk := openCompressed(t, name, d)
				if err := talk.Echo(nc); err != nil {
					t.Fatal(err)
				}
				if err := talk.Close(nc); err != nil {
					t.Fatalf("closing: %v", err)
				}
			})
		}
	}
}

func openCompressed(t *testing.T, name string, d echo.Deflate) (net.Conn, Compressed) {
	t.Helper()
	s, err := echo.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	go s.Compressing(d).Serve(l)
	talk, err := NewCompressed(name, d, 512, 100)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := talk.Open(l.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return nc, talk
}

// TestOpenCompressed refuses servers that do not compress as they are asked to.
func TestOpenCompressed(t *testing.T) {
	for _, tt := range []struct {
		server string
		does   echo.Deflate
		asked  echo.Deflate
	}{
		{"gobwas", echo.Plain, echo.Takeover},
		{"gorilla", echo.Alone, echo.Takeover},
		{"ours", echo.Plain, echo.Alone},
	} {
		s, err := echo.Named(tt.server)
		if err != nil {
			t.Fatal(err)
		}
		l := listen(t)
		go s.Compressing(tt.does).Serve(l)
		talk, err := NewCompressed(tt.server, tt.asked, 512, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := talk.Open(l.Addr().String(), false); err == nil || !strings.Contains(err.Error(), "want compression") {
			t.Errorf("%s with compression %q, asked for %q: got %v", tt.server, tt.does, tt.asked, err)
		}
	}
}

// deflated returns frames of a server, each a message that refers to those before.
func deflated(t *testing.T, messages ...[]byte) (frames [][]byte) {
	t.Helper()
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		z.Reset()
		_, _ = w.Write(m)
		_ = w.Flush()
		frame, err := ours.AppendFrame(nil, ours.RFC6455, ours.Frame{
			Fin: true, RSV: 4, Opcode: ours.Text, Payload: bytes.TrimSuffix(z.Bytes(), []byte(flushed)),
		})
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return frames
}

// TestCompressedEcho checks answers that were made before.
func TestCompressedEcho(t *testing.T) {
	first, second := jsonMessage(0, 512), jsonMessage(1, 512)
	for _, tt := range []struct {
		name    string
		d       echo.Deflate
		answers [][]byte
		err     string // empty: none
	}{
		{"takeover", echo.Takeover, deflated(t, first, second), ""},
		{"refers to what it should not", echo.Alone, deflated(t, first, second), "message 1: flate: corrupt input"},
		{"other message", echo.Takeover, deflated(t, first, first), "message 1: the answer begins with"},
		{"not compressed", echo.Takeover, [][]byte{{0x81, 1, 'a'}}, "message 0: the header 81 01 is none"},
		{"ends", echo.Takeover, deflated(t, first)[:1], "message 1: EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			talk, err := NewCompressed("ours", tt.d, 512, 2)
			if err != nil {
				t.Fatal(err)
			}
			client, server := net.Pipe()
			defer client.Close()
			go func() {
				defer server.Close()
				var b [4096]byte
				for _, answer := range tt.answers {
					_, _ = server.Read(b[:])
					_, _ = server.Write(answer)
				}
				_, _ = server.Read(b[:])
			}()
			err = talk.Echo(client)
			if got := errorText(err); tt.err == "" && got != "" || !strings.Contains(got, tt.err) {
				t.Errorf("got %q, want %q", got, tt.err)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
