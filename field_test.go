package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protocol-websocket/websocket"
	"github.com/protocol-websocket/websocket/internal/testkit"
)

// What clients and servers of the field send is served, or refused with a text
// that helps: whole and byte by byte, without I/O and over a connection, and
// behind net/http.
func TestField(t *testing.T) {
	for _, c := range readFieldCases(t) {
		t.Run(strings.TrimSuffix(c.name, ".txt"), func(t *testing.T) {
			for name, run := range map[string]func(*fieldCase, *testing.T){
				"core":      func(c *fieldCase, t *testing.T) { c.core(t, 1<<20) },
				"bytewise":  func(c *fieldCase, t *testing.T) { c.core(t, 1) },
				"conn":      (*fieldCase).overConn,
				"net-http":  (*fieldCase).behindHTTP,
				"in-pieces": (*fieldCase).inPieces,
			} {
				t.Run(name, func(t *testing.T) { run(c, t) })
			}
		})
	}
}

// The corpus is large enough, has something of every kind, and nothing twice.
func TestFieldIsWhole(t *testing.T) {
	const least = 120
	cases := readFieldCases(t)
	if len(cases) < least {
		t.Errorf("testdata/field has %d cases, want at least %d", len(cases), least)
	}
	kinds := map[string]int{}
	given, titles := map[string]string{}, map[string]string{}
	for _, c := range cases {
		kinds[c.kind]++
		for key, seen := range map[string]map[string]string{c.given: given, c.title: titles} {
			if other := seen[key]; other != "" {
				t.Errorf("%s is as %s", c.name, other)
			}
			seen[key] = c.name
		}
		if !strings.HasPrefix(c.name, c.kind+"-") || !strings.HasSuffix(c.name, ".txt") {
			t.Errorf("name %s: expected %s-….txt", c.name, c.kind)
		}
	}
	for _, kind := range fieldKinds {
		if kinds[kind] < 3 {
			t.Errorf("%d cases of kind %s, want at least 3", kinds[kind], kind)
		}
	}
}

// core runs the case without I/O, in pieces of n bytes.
func (c *fieldCase) core(t *testing.T, n int) {
	if c.side == websocket.ClientSide {
		c.coreClient(t, n)
		return
	}
	sent := slices.Concat(c.wireHead(t, strings.NewReplacer()), c.body, c.frames)
	h, got := replayServer(&c.upgrader, cut([][]byte{sent}, n))
	if c.refusesHandshake() {
		c.wantRefusal(t, got.err)
		c.answer.check(t, parseResponse(t, got.handshake), c.words)
		return
	}
	if !h.Done() {
		t.Fatalf("handshake: %v", got.err)
	}
	res := parseResponse(t, got.handshake)
	c.answer.check(t, res, nil)
	c.wantParsed(t, got)
	c.wantEncoded(t, h.Version(), h.Encoder(), res.Header.Get("Sec-WebSocket-Extensions") != "")
}

func (c *fieldCase) coreClient(t *testing.T, n int) {
	h, err := websocket.NewClientHandshake(&c.dialer, c.url)
	if err != nil {
		t.Fatal(err)
	}
	sent := slices.Concat(c.response(t, h.AppendRequest(nil)), c.frames)
	got := replayClient(h, cut([][]byte{sent}, n))
	if c.refusesHandshake() {
		c.wantRefusal(t, got.err)
		return
	}
	if !h.Done() {
		t.Fatalf("handshake: %v", got.err)
	}
	if h.Subprotocol() != c.answer.subprotocol {
		t.Errorf("subprotocol is %q, want %q", h.Subprotocol(), c.answer.subprotocol)
	}
	c.wantParsed(t, got)
	c.wantEncoded(t, h.Version(), h.Encoder(), h.Response().Header.Get("Sec-WebSocket-Extensions") != "")
}

// response checks the request of our client, and returns what the server sends
// up to the frames. The parts that depend on the request come from our own server.
func (c *fieldCase) response(t *testing.T, request []byte) []byte {
	t.Helper()
	_, response, _, err := serve(&websocket.Upgrader{Origins: []string{"*"}, Subprotocols: c.dialer.Subprotocols}, string(request))
	if err != nil {
		t.Fatalf("our server refuses %q: %v", request, err)
	}
	r, err := http.ReadRequest(bufReader(string(request)))
	if err != nil {
		t.Fatalf("no request in %q: %v", request, err)
	}
	r.Header.Set("Host", r.Host)
	c.request.checkHeader(t, r.Header)
	accept := parseResponse(t, []byte(response)).Header.Get("Sec-WebSocket-Accept")
	head := c.wireHead(t, strings.NewReplacer("${accept}", accept, "${key}", r.Header.Get("Sec-WebSocket-Key")))
	_, answer, _ := strings.Cut(response, "\r\n\r\n")
	return append(head, bytes.ReplaceAll(c.body, []byte("${answer}"), []byte(answer))...)
}

// wantParsed checks what the parser made of the frames.
func (c *fieldCase) wantParsed(t *testing.T, got replay) {
	t.Helper()
	wantHeard(t, got.heard, c.messages)
	wantCode(t, got.err, c.fails, endsClosed(c.messages))
	c.wantWords(t, got.err)
}

// wantEncoded checks how the messages are echoed without I/O.
func (c *fieldCase) wantEncoded(t *testing.T, v websocket.Version, e *websocket.Encoder, compresses bool) {
	t.Helper()
	var sent []byte
	want := c.data()
	for _, line := range want {
		m := fieldPayload(t, line)
		var err error
		if sent, err = e.AppendMessage(sent, m.typ, m.p); err != nil {
			t.Fatal(err)
		}
	}
	echoes, _, _ := fieldEchoes(t, v, sent, compresses)
	wantHeard(t, echoes, want)
}

// wantRefusal checks the error of a handshake that must fail.
func (c *fieldCase) wantRefusal(t *testing.T, err error) {
	t.Helper()
	wantStatus(t, err, c.answer.status)
	c.wantWords(t, err)
}

// wantWords checks that an error helps, if there must be one.
func (c *fieldCase) wantWords(t *testing.T, err error) {
	t.Helper()
	for _, word := range c.words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("the error is %q, want the words %q", fmt.Sprint(err), word)
		}
	}
}

// fieldTalk is what one of our connections made of a case.
type fieldTalk struct {
	opened      error // of the handshake
	subprotocol string
	heard       []string
	end         error
	stream      []byte // what was read, if it is a Stream
}

// fieldRead is a way to read a message.
type fieldRead func(c *websocket.Conn) (websocket.MessageType, []byte, error)

// talk echoes messages until the connection ends. It takes what Accept, Upgrade
// and Handshake return.
func (c *fieldCase) talk(read fieldRead) func(conn *websocket.Conn, err error) fieldTalk {
	return func(conn *websocket.Conn, err error) fieldTalk {
		if err != nil {
			return fieldTalk{opened: err}
		}
		defer conn.Close()
		return c.echo(conn, read)
	}
}

func (c *fieldCase) echo(conn *websocket.Conn, read fieldRead) fieldTalk {
	got := fieldTalk{subprotocol: conn.Subprotocol()}
	if c.stream != 0 {
		got.stream, got.end = io.ReadAll(websocket.Stream(conn, c.stream))
		return got
	}
	for {
		typ, p, err := read(conn)
		if err != nil {
			got.end = err
			return got
		}
		got.heard = append(got.heard, describe(websocket.Message{Type: typ, Data: p}))
		conn.WriteMessage(typ, p)
	}
}

// play plays the peer on nc, in a bubble. It sends what is in the case, waits
// until our side can do no more, and ends its direction. It returns all that our
// side has sent.
func (c *fieldCase) play(t *testing.T, nc net.Conn, parts ...[]byte) (heard []byte) {
	t.Helper()
	all := make(chan []byte, 1)
	go func() { b, _ := io.ReadAll(nc); all <- b }()
	for _, part := range parts {
		go nc.Write(part)
		synctest.Wait()
	}
	nc.(interface{ CloseWrite() error }).CloseWrite()
	heard = <-all
	nc.Close()
	return heard
}

// fromClient returns what the client sends, in the parts in which it waits for us.
func (c *fieldCase) fromClient(t *testing.T) [][]byte {
	head := c.wireHead(t, strings.NewReplacer())
	switch c.heldBack {
	case "body":
		return [][]byte{head, append(c.body[:len(c.body):len(c.body)], c.frames...)}
	case "frames":
		return [][]byte{append(head, c.body...), c.frames}
	}
	return [][]byte{slices.Concat(head, c.body, c.frames)}
}

// overConn runs the case over a connection in memory, without net/http.
func (c *fieldCase) overConn(t *testing.T) {
	c.overPipe(t, c.talk((*websocket.Conn).ReadMessage), func(nc net.Conn) net.Conn { return nc })
}

// inPieces runs the case over a connection that brings one byte with each Read.
func (c *fieldCase) inPieces(t *testing.T) {
	c.overPipe(t, c.talk(readStream), func(nc net.Conn) net.Conn { return oneByteConn{nc} })
}

// readStream reads a message with NextReader.
func readStream(c *websocket.Conn) (websocket.MessageType, []byte, error) {
	typ, r, err := c.NextReader()
	if err != nil {
		return typ, nil, err
	}
	p, err := io.ReadAll(r)
	return typ, p, err
}

func (c *fieldCase) overPipe(t *testing.T, talk func(*websocket.Conn, error) fieldTalk, wrap func(net.Conn) net.Conn) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) }) // after which nothing may be left
		end, peer := websocket.NetPipe()
		ours := wrap(end)
		result := make(chan fieldTalk, 1)
		if c.side == websocket.ServerSide {
			go func() { result <- talk(c.upgrader.Accept(context.Background(), ours)) }()
			c.checkServer(t, &c.answer, c.play(t, peer, c.fromClient(t)...), <-result)
			return
		}
		go func() { result <- talk(c.dialer.Handshake(context.Background(), ours, c.url)) }()
		response := c.response(t, readWholeRequest(t, peer))
		heard := c.play(t, peer, append(response, c.frames...))
		got := <-result
		if c.refusesHandshake() {
			c.wantRefusal(t, got.opened)
			return
		}
		if got.subprotocol != c.answer.subprotocol {
			t.Errorf("subprotocol is %q, want %q", got.subprotocol, c.answer.subprotocol)
		}
		c.checkTalk(t, c.dialer.Version, heard, got, bytes.Contains(response, []byte("permessage-deflate")))
	})
}

// behindHTTP runs a case for a server behind net/http.
func (c *fieldCase) behindHTTP(t *testing.T) {
	if c.side == websocket.ClientSide {
		return
	}
	answer := &c.answer
	if c.behind != nil {
		answer = c.behind
	}
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * websocket.CloseTimeout) })
		result, talk := make(chan fieldTalk, 1), c.talk(func(conn *websocket.Conn) (websocket.MessageType, []byte, error) { return conn.ReadAppend(nil) })
		n := &pipeNet{testkit.NewPipeListener(websocket.NetPipe)}
		handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			result <- talk(c.upgrader.Upgrade(fieldWriters[c.writer](w), r))
		}))
		if c.writer == "of TimeoutHandler" {
			handler = http.TimeoutHandler(handler, time.Hour, "")
		}
		serveHTTP(t, n, handler)
		heard := c.play(t, n.Connect(), c.fromClient(t)...)
		select {
		case got := <-result:
			c.checkServer(t, answer, heard, got)
		default: // net/http refuses it
			answer.check(t, parseResponse(t, heard), nil)
		}
	})
}

// checkServer checks what a server answered to a client, and what it made of the
// frames.
func (c *fieldCase) checkServer(t *testing.T, answer *fieldAnswer, heard []byte, got fieldTalk) {
	t.Helper()
	words := c.words
	if answer == c.behind {
		words = nil
		for _, word := range answer.words {
			if got.opened == nil || !strings.Contains(got.opened.Error(), word) {
				t.Errorf("the error is %v, want the words %q", got.opened, word)
			}
		}
	}
	if len(heard) == 0 && got.opened != nil && c.writer == "without bufio and conn" {
		wantStatus(t, got.opened, answer.status)
		return // there was nobody to answer
	}
	r := bufio.NewReader(bytes.NewReader(heard))
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no response in %q: %v", heard, err)
	}
	answer.check(t, res, words)
	rest, _ := io.ReadAll(r)
	if answer.status != http.StatusSwitchingProtocols {
		wantStatus(t, got.opened, answer.status)
		if len(rest) > 0 { // what follows a refused request is no request
			t.Errorf("after the refusal the client was sent %q", rest)
		}
		return
	}
	compresses := res.Header.Get("Sec-WebSocket-Extensions") != ""
	c.checkTalk(t, c.versionOf(res), rest, got, compresses)
}

// versionOf returns the version of a response. Only what differs in frames
// matters.
func (c *fieldCase) versionOf(res *http.Response) websocket.Version {
	switch {
	case res.Header["Sec-Websocket-Location"] != nil:
		return websocket.Hybi00
	case res.Header["Websocket-Location"] != nil:
		return websocket.Hixie75
	}
	return websocket.RFC6455
}

// checkTalk checks the messages of a connection, and the echoes and answers that
// the peer has heard.
func (c *fieldCase) checkTalk(t *testing.T, v websocket.Version, heard []byte, got fieldTalk, compresses bool) {
	t.Helper()
	if got.opened != nil {
		t.Fatalf("handshake: %v", got.opened)
	}
	if c.stream != 0 {
		c.checkStream(t, got)
		return
	}
	wantHeard(t, got.heard, c.data())
	c.checkEnd(t, v, got.end)
	if v == websocket.Hybi00 && c.side == websocket.ServerSide {
		heard = heard[min(len(heard), 16):]
	}
	c.checkEchoes(t, v, heard, compresses)
}

// checkStream checks what was read from a Stream: the payloads of all messages.
func (c *fieldCase) checkStream(t *testing.T, got fieldTalk) {
	t.Helper()
	want := ""
	for _, line := range c.data() {
		want += string(fieldPayload(t, line).p)
	}
	if string(got.stream) != want {
		t.Errorf("the stream is %q, want %q", got.stream, want)
	}
	c.checkEnd(t, websocket.RFC6455, got.end)
}

// checkEnd checks why the connection ended: because of what the peer sent, or
// because it ended its direction.
func (c *fieldCase) checkEnd(t *testing.T, v websocket.Version, end error) {
	t.Helper()
	var ce *websocket.CloseError
	switch {
	case c.fails != 0:
		wantCode(t, end, c.fails, false)
		c.wantWords(t, end)
	case c.stream != 0 && endsClosed(c.messages):
		if end != nil {
			t.Errorf("the stream ended with %v, want io.EOF", end)
		}
	case endsClosed(c.messages) || isHixie(v):
		want := closedWithoutCode
		if endsClosed(c.messages) {
			want = c.messages[len(c.messages)-1]
		}
		if !errors.As(end, &ce) || fmt.Sprintf("Close %d %q", ce.Code, ce.Reason) != want {
			t.Errorf("the connection ended with %v, want %s", end, want)
		}
	case !errors.Is(end, io.ErrUnexpectedEOF):
		t.Errorf("the connection ended with %v, want io.ErrUnexpectedEOF", end)
	}
}

// A slip of the pen in a case is found. It cannot turn an expectation off.
func TestFieldFindsSlips(t *testing.T) {
	const whole = "-- case --\ntitle: a\nkind: app\nside: server\nverdict: served\n-- head --\nGET / HTTP/1.1\n" +
		"-- frames --\n81 80 00000000\n-- answer --\n101\nabsent: Server\n-- messages --\nText \"\"\n"
	if _, err := parseFieldCase("a", whole); err != nil {
		t.Fatal(err)
	}
	for name, slip := range map[string][2]string{
		"unknown key":              {"title: a", "titel: a"},
		"unknown kind":             {"kind: app", "kind: apple"},
		"unknown verdict":          {"served", "severed"},
		"unknown section":          {"-- answer --", "-- answers --"},
		"section twice":            {"-- messages --", "-- answer --\n101\n-- messages --"},
		"no title":                 {"title: a\n", ""},
		"no status":                {"101\n", ""},
		"no messages":              {"-- messages --\nText \"\"\n", ""},
		"no answer":                {"-- answer --\n101\nabsent: Server\n", ""},
		"no words":                 {"served", verdictHelped},
		"words for what is served": {"verdict", "words: a\nverdict"},
		"served and refused":       {"101", "403"},
		"no header":                {"absent: Server", "absent Server"},
		"odd hex":                  {"81 80", "81 8"},
		"failure in the middle":    {"Text \"\"", "fails 1002\nText \"\""},
	} {
		text := strings.Replace(whole, slip[0], slip[1], 1)
		if _, err := parseFieldCase("a", text); err == nil || text == whole {
			t.Errorf("%s: no error for\n%s", name, text)
		}
	}
}
