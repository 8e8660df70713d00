package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// splitConn is a connection that writes one byte at a time while on is set.
type splitConn struct {
	net.Conn
	on *atomic.Bool
}

func (c splitConn) Write(p []byte) (n int, err error) {
	if !c.on.Load() {
		return c.Conn.Write(p)
	}
	for n < len(p) && err == nil {
		var k int
		k, err = c.Conn.Write(p[n : n+1])
		n += k
	}
	return n, err
}

// splitHalf is a splitConn with CloseWrite.
type splitHalf struct {
	splitConn
	half interface{ CloseWrite() error }
}

func (c splitHalf) CloseWrite() error { return c.half.CloseWrite() }

func splitter(on *atomic.Bool) func(net.Conn) net.Conn {
	return func(nc net.Conn) net.Conn {
		split := splitConn{nc, on}
		if half, ok := nc.(interface{ CloseWrite() error }); ok {
			return splitHalf{split, half}
		}
		return split
	}
}

type arrival struct {
	typ  websocket.MessageType
	data []byte
	err  error
}

// converse makes a talk to b, which echoes, and end the connection.
func converse(t *testing.T, a, b *websocket.Conn, sizes []int) {
	t.Helper()
	echoed := make(chan error, 1)
	go func() { echoed <- echoAll(b) }()
	received := make(chan arrival, 1)
	go func() {
		for {
			typ, p, err := a.ReadMessage()
			received <- arrival{typ, p, err}
			if err != nil {
				return
			}
		}
	}()
	expect := func(what string, typ websocket.MessageType, want []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got := <-received
		if got.err != nil || got.typ != typ || !bytes.Equal(got.data, want) {
			t.Fatalf("%s: echo is %v of %d bytes, error %v; want %v of %d bytes, the same",
				what, got.typ, len(got.data), got.err, typ, len(want))
		}
	}
	control := !isHixie(a.Version())
	for _, typ := range messageTypes(a.Version()) {
		for _, n := range sizes {
			p := payloadOf(typ, n)
			kept := bytes.Clone(p)
			expect(fmt.Sprintf("%v message of %d bytes", typ, n), typ, p, a.WriteMessage(typ, p))
			if !bytes.Equal(p, kept) {
				t.Fatalf("WriteMessage changed its argument, %d bytes", n)
			}
			expect(fmt.Sprintf("streamed %v message of %d bytes", typ, n), typ, p, streamInThree(a, typ, p, control))
			if control {
				if _, err := b.Ping(t.Context()); err != nil {
					t.Fatalf("ping by the other side after %d bytes: %v", n, err)
				}
			}
		}
	}
	goodbye(t, a, received, echoed)
}

// goodbye makes a close the connection and checks what both sides report.
func goodbye(t *testing.T, a *websocket.Conn, received <-chan arrival, echoed <-chan error) {
	t.Helper()
	want := websocket.CloseError{Code: 4321, Reason: "that was all, tschüß"}
	if err := a.Shutdown(t.Context(), want.Code, want.Reason); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if isHixie(a.Version()) {
		want = websocket.CloseError{Code: websocket.StatusNoStatusReceived}
	}
	var got *websocket.CloseError
	if err := <-echoed; !errors.As(err, &got) || *got != want {
		t.Errorf("side that was closed got %v, want %+v", err, want)
	}
	switch last := <-received; {
	case !errors.As(last.err, &got) && !(a.Version() == websocket.Hixie75 && errors.Is(last.err, net.ErrClosed)):
		t.Errorf("side that closed reads %v, want the peer's Close", last.err)
	case got != nil && *got != want:
		t.Errorf("side that closed got %+v back, want %+v", got, want)
	}
	if err := a.WriteMessage(websocket.Text, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteMessage after Shutdown: %v, want net.ErrClosed", err)
	}
}

func TestConversation(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20}
	for _, v := range allVersions {
		for _, transport := range transports {
			t.Run(v.String()+"/"+transport+"/client begins", func(t *testing.T) {
				t.Parallel()
				server, client := newPair(t, v, transport, pairOptions{})
				converse(t, client, server, sizes)
			})
			t.Run(v.String()+"/"+transport+"/server begins", func(t *testing.T) {
				t.Parallel()
				server, client := newPair(t, v, transport, pairOptions{})
				converse(t, server, client, sizes[:len(sizes)-1])
			})
		}
	}
}

func TestConversationInBytes(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 127, 1000}
	for _, v := range allVersions {
		for _, transport := range transports {
			// If only one side is split, the other is a plain TCP connection,
			// which is read in another way.
			for _, who := range []string{"both", "server", "client"} {
				t.Run(v.String()+"/"+transport+"/split by "+who, func(t *testing.T) {
					t.Parallel()
					on := new(atomic.Bool) // after the handshake: over net.Pipe that of hybi-00 cannot come in pieces
					var opts pairOptions
					if who != "client" {
						opts.wrapServer = splitter(on)
					}
					if who != "server" {
						opts.wrapClient = splitter(on)
					}
					server, client := newPair(t, v, transport, opts)
					on.Store(true)
					converse(t, client, server, sizes)
				})
			}
		}
	}
}

// A mask that can be guessed protects nobody, so no package of this module
// imports math/rand outside its tests.
func TestNoMathRand(t *testing.T) {
	checked := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != "." {
				return fs.SkipDir // a module of its own, which no user imports
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		checked[filepath.ToSlash(filepath.Dir(path))] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range parsed.Imports {
			if imported, _ := strconv.Unquote(i.Path.Value); strings.HasPrefix(imported, "math/rand") {
				t.Errorf("%s imports %s: keys and nonces must come from crypto/rand", path, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "internal/mask"} {
		if !checked[dir] {
			t.Errorf("the files of %s were not checked", dir)
		}
	}
}

// An idle connection costs little. With one byte more a Conn would need the
// next size class of the allocator, 768 bytes.
func TestConnIsSmall(t *testing.T) {
	const most = 704 - 8 // which the allocator keeps a word of
	if size := reflect.TypeFor[websocket.Conn]().Size(); size > most {
		t.Errorf("a Conn has %d bytes, want at most %d", size, most)
	}
}
