package websocket_test

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// sessionWant is the expected result of a recorded session.
type sessionWant struct {
	refused int      // with this status, and then nothing else is looked at
	heard   []string // by our server of the client
	told    []string // by our client of the server; nil: the same
	code    websocket.StatusCode
	client  string // our client refuses the server and says this
	// The end of our echo and of the server's, in hex, where they differ.
	ours, theirs string
}

const sessionUnicode = `Text "Grüße, 世界 ✓ Жук 😀 ÿ \u0080 \U0010fffd"`

// sessionASCII is what clients sent to have 126 bytes echoed.
const sessionASCII = "Text \"!(/6=DKRY`gnu|%,3:AHOV]dkry\\\")07>ELSZahov}&-4;BIPW^elsz#*18?FMT[bipw~'.5<CJQX_fmt" +
	"{$+29@GNU\\\\cjqx\\\")07>ELSZahov}&-4;BIPW^elsz#*18?\""

// The messages of a session, as describe writes them.
var (
	talk75   = []string{`Text ""`, `Text "Hello"`, sessionUnicode, sessionASCII}
	talk76   = []string{`Text ""`, `Text "Hello"`, closedWithoutCode}
	talkHybi = []string{`Text ""`, `Text "Hello"`, `Binary ""`, `Binary "\x00\x01\xfe\xff"`, `Close 1000 ""`}
)

// sessionDrafts has the expected result for each draft if both sides did what
// it says. The drafts between hybi-00 and hybi-07 were never deployed. They are
// refused: as broken if they look like hixie-76, and otherwise with the
// versions that we accept.
var sessionDrafts = map[string]sessionWant{
	"hixie-75": {heard: talk75},
	"hixie-76": {heard: talk76},
	"hybi-01":  {refused: http.StatusBadRequest},
	"hybi-02":  {refused: http.StatusBadRequest},
	"hybi-03":  {refused: http.StatusBadRequest},
	"hybi-04":  {refused: http.StatusUpgradeRequired},
	"hybi-05":  {refused: http.StatusUpgradeRequired},
	"hybi-06":  {refused: http.StatusUpgradeRequired},
	"hybi-07":  {heard: talkHybi},
	"hybi-10":  {heard: talkHybi},
	"hybi-17":  {heard: talkHybi},
}

// sessionDeviations has the expected result of sessions in which one side did
// something else.
var sessionDeviations = map[string]sessionWant{
	// hixie-75 has no closing frame. Peers that send one mean the end, and get
	// none back.
	"hixie-75 oldnet em":     {heard: append(talk75[:4:4], closedWithoutCode), theirs: "ff00"},
	"hixie-75 oldnet oldnet": {heard: append(talk75[:4:4], closedWithoutCode), told: talk75},
	"hixie-75 jws jws":       {heard: talk75[1:]}, // drops empty messages
	"hixie-75 wsgem wsgem":   {heard: talk75[:2]}, // client that sent no more
	"hixie-75 oldnet perl":   {heard: []string{}}, // client that did not like the reason phrase; ours does not mind

	"hixie-76 jws jws":       {heard: talk76[1:], told: talk76[1:2], ours: "ff00"},
	"hixie-76 jws netty":     {heard: talk76[1:]},
	"hixie-76 oldnet oldnet": {heard: talk76, told: talk76[:2], ours: "ff00"},
	"hixie-76 oldnet wsio":   {heard: talk76, told: talk76[:2], ours: "ff00"},
	// A server that took a hixie-76 request for hixie-75 because of its lower
	// case. It sent no proof, so our client refuses it.
	"hixie-76 netty jws": {heard: []string{}, client: "header Sec-WebSocket-Origin is missing"},

	"hybi-07 wsgem em":      {heard: []string{}}, // client that wanted its subprotocol or nothing
	"hybi-07 wsgem gevent":  {heard: talkHybi, told: append(talkHybi[:4:4], closedWithoutCode), ours: "880203e8", theirs: "8800"},
	"hybi-17 perl gevent":   {heard: talkHybi, told: append(talkHybi[:4:4], closedWithoutCode), ours: "880203e8", theirs: "8800"},
	"hybi-10 oldnet oldnet": {heard: talkHybi, told: talkHybi[:4], ours: "880203e8"},
	"hybi-17 wsgem oldnet":  {heard: talkHybi, told: talkHybi[:4], ours: "880203e8"},
	"hybi-10 wsnode ws115":  {heard: append(talkHybi[:4:4], `Close 1000 "Normal connection closure"`)},
	"hybi-17 wsnode wsnode": {
		heard: append(talkHybi[:4:4], `Close 1000 "Normal connection closure"`), told: talkHybi,
		ours: "881b03e84e6f726d616c20636f6e6e656374696f6e20636c6f73757265", theirs: "880203e8",
	},
	// permessage-deflate was agreed on in the recording. Our handshakes do not
	// offer or accept it here, so compressed frames break the protocol.
	"hybi-17 ws115 ws115": {
		heard: talkHybi[:1], code: websocket.StatusProtocolError, client: "extensions",
		theirs: "c10cf248cdc9c907000000ffff00 c20100 c20b6260fcf71f000000ffff00 880203e8",
	},
}

func (s session) want() sessionWant {
	want, ok := sessionDeviations[s.name()]
	if !ok {
		want = sessionDrafts[s.Draft]
	}
	if want.told == nil {
		want.told = want.heard
	}
	return want
}

// Our server takes the place of the recorded server, and our client that of the
// recorded client, in every recorded conversation, by segments and by bytes.
func TestRecordedSessions(t *testing.T) {
	sessions := readSessions(t)
	if len(sessions) != 59 {
		t.Errorf("%d sessions in testdata/sessions.json, want 59", len(sessions))
	}
	found := map[string]bool{}
	for _, s := range sessions {
		found[s.name()] = true
		if _, ok := sessionDrafts[s.Draft]; !ok {
			t.Errorf("%s: no expectation for this draft", s.name())
			continue
		}
		t.Run(s.name(), func(t *testing.T) {
			fromClient, fromServer := s.segments(t, fromClient), s.segments(t, fromServer)
			for _, cut := range []struct {
				name           string
				client, server [][]byte
			}{
				{"segments", fromClient, fromServer},
				{"one segment", cut(fromClient, 1<<20), cut(fromServer, 1<<20)},
				{"bytes", cut(fromClient, 1), cut(fromServer, 1)},
			} {
				t.Run("server, "+cut.name, func(t *testing.T) { s.testServer(t, cut.client) })
				t.Run("client, "+cut.name, func(t *testing.T) { s.testClient(t, cut.server) })
			}
		})
	}
	for name := range sessionDeviations {
		if !found[name] {
			t.Errorf("no session %q, though there is an expectation for it", name)
		}
	}
}

func (s session) testServer(t *testing.T, chunks [][]byte) {
	want := s.want()
	h, got := replayServer(&websocket.Upgrader{Origins: []string{"*"}, Subprotocols: []string{"chat"}}, chunks)
	head, rest := splitHead(t, s.segments(t, fromServer))
	if want.refused != 0 {
		s.testRefusal(t, got, want.refused)
		return
	}
	if v, err := websocket.ParseVersion(s.Draft); err != nil || h.Version() != v {
		t.Errorf("took it for %v, want %s: look at detectVersion", h.Version(), s.Draft)
	}
	ourHead, ourProof := splitHead(t, [][]byte{got.handshake})
	if ours, theirs := acceptIn(t, ourHead), acceptIn(t, head); ours != theirs {
		t.Errorf("Sec-WebSocket-Accept is %q, the server's was %q", ours, theirs)
	}
	if h.Version() == websocket.Hybi00 && want.client == "" {
		if proof := rest[:len(hixieAnswer)]; !bytes.Equal(ourProof, proof) {
			t.Errorf("answer to the challenge is % x, the server's was % x", ourProof, proof)
		}
		rest = rest[len(hixieAnswer):]
	}
	wantHeard(t, got.heard, want.heard)
	wantCode(t, got.err, want.code, strings.HasPrefix(strings.Join(got.heard[max(0, len(got.heard)-1):], ""), "Close"))
	echo, ok := bytes.CutSuffix(rest, unhex(t, want.theirs))
	if echo = append(echo[:len(echo):len(echo)], unhex(t, want.ours)...); !ok || !bytes.Equal(got.replies, echo) {
		t.Errorf("echo is\n% x, want\n% x", got.replies, echo)
	}
}

// testRefusal checks the answer to a version that we do not accept.
func (s session) testRefusal(t *testing.T, got replay, status int) {
	var he *websocket.HandshakeError
	if !errors.As(got.err, &he) || he.Status != status {
		t.Fatalf("error is %v, want a HandshakeError with status %d", got.err, status)
	}
	res := parseResponse(t, got.handshake)
	if res.StatusCode != status || !res.Close {
		t.Errorf("answered %s, Connection %q: want %d and close", res.Status, res.Header["Connection"], status)
	}
	if want := "13, 8, 7"; status == http.StatusUpgradeRequired && res.Header.Get("Sec-WebSocket-Version") != want {
		t.Errorf("Sec-WebSocket-Version is %q, want %q", res.Header.Get("Sec-WebSocket-Version"), want)
	}
}

func (s session) testClient(t *testing.T, chunks [][]byte) {
	want := s.want()
	v, err := websocket.ParseVersion(s.Draft)
	if want.refused != 0 {
		if err == nil {
			t.Errorf("ParseVersion(%q) is %v, want an error: our client cannot ask for this draft", s.Draft, v)
		}
		return
	}
	h := clientFor(t, v, s.segments(t, fromClient))
	got := replayClient(h, chunks)
	if want.client != "" {
		if got.err == nil || !strings.Contains(got.err.Error(), want.client) {
			t.Errorf("error is %v, want one that says %q", got.err, want.client)
		}
		return
	}
	head, _ := splitHead(t, s.segments(t, fromServer))
	if chosen := parseResponse(t, head).Header.Get(protocolHeader(v)); h.Subprotocol() != chosen {
		t.Errorf("subprotocol is %q, the server chose %q", h.Subprotocol(), chosen)
	}
	wantHeard(t, got.heard, want.told)
	wantCode(t, got.err, 0, strings.HasPrefix(strings.Join(got.heard[max(0, len(got.heard)-1):], ""), "Close"))
}

// clientFor returns a handshake with the options and keys of a recorded
// request.
func clientFor(tb testing.TB, v websocket.Version, segments [][]byte) *websocket.ClientHandshake {
	tb.Helper()
	head, rest := splitHead(tb, segments)
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		tb.Fatal(err)
	}
	origin := r.Header.Get(originHeader(v))
	if origin == "" {
		origin = r.Header.Get("Origin")
	}
	var offered []string
	if list := r.Header.Get(protocolHeader(v)); list != "" {
		offered = strings.Split(list, ", ")
	}
	d := &websocket.Dialer{Version: v, Subprotocols: offered, Header: http.Header{"Origin": {origin}}}
	h, err := websocket.NewClientHandshake(d, "ws://"+r.Host+r.RequestURI)
	if err != nil {
		tb.Fatal(err)
	}
	websocket.SetKey(h, r.Header.Get("Sec-WebSocket-Key"))
	if v == websocket.Hybi00 {
		setHixieKeys(tb, h, r.Header.Get("Sec-WebSocket-Key1"), r.Header.Get("Sec-WebSocket-Key2"), rest[:len(hixieKey3)])
	}
	return h
}
