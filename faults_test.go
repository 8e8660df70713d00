package websocket_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/protocol-websocket/websocket"
)

// faultModes are how a connection is used when a fault may show.
const (
	modeAlone       = "alone" // one reader and one writer
	modeDeadlines   = "deadlines"
	modeNoReader    = "nobody reads"
	modeManyWriters = "many writers"
	modeKeepalive   = "keepalive"
	modeCompression = "compression"
	modeHTTP        = "net/http" // otherwise through Accept
)

var faultModes = []string{modeAlone, modeDeadlines, modeNoReader, modeManyWriters, modeKeepalive, modeCompression, modeHTTP}

// The faults that this table is about.
const (
	faultHandler   = "a handler sees another request"
	faultReaders   = "Shutdown takes messages away from a reader"
	faultCloseLost = "the Close frame is lost"
	faultWrites    = "a write deadline does not hold"
	faultKeepalive = "keepalive ends a live connection"
	faultStreamEnd = "Close of a Stream waits"
	faultEmpty     = "empty messages and frames are sent"
	faultNetConn   = "a Stream is not a net.Conn"
	faultProgress  = "a broken net.Conn goes unnoticed"
	faultNotify    = "TLS ends without close_notify"
)

var faults = []string{faultHandler, faultReaders, faultCloseLost, faultWrites, faultKeepalive, faultStreamEnd, faultEmpty, faultNetConn, faultProgress, faultNotify}

// faultRule says which tests look for a fault in some cells, or why none does.
// A list that is empty means all. The first rule that matches a cell counts.
type faultRule struct {
	fault      string
	versions   []websocket.Version
	sides      []websocket.Side
	transports []string
	modes      []string

	tests  []string // names; those of other packages come after a directory
	reason string   // why there is none
}

const (
	sameConn    = "Upgrade makes the same Conn as Accept, and the Conn does not know which has made it"
	sameSocket  = "for package net, and so for us, a Unix socket is as TCP"
	noPing      = "the version has no Ping"
	noExtension = "the version has no compression"
	sameQueue   = "the queue does not know what a frame holds; all versions are tested over net.Pipe"
	streamModes = "a Stream uses the Conn in one way; what the Conn does in this mode is tested for the Conn"
)

var faultRules = []faultRule{
	{fault: faultHandler, sides: []websocket.Side{websocket.ClientSide}, reason: "a client has no handler"},
	{fault: faultHandler, modes: []string{modeHTTP}, transports: []string{overPipe}, tests: []string{
		"internal/routers/TestRoomsStayApart", "internal/routers/TestRoomsStayApartAfterDetach", "internal/routers/TestRequestsInProgress",
		"internal/routers/TestTimeout", "internal/routers/TestPanic", "TestServerContext", "TestServerRequestContextEnds", "TestServerDetach",
	}},
	{fault: faultHandler, modes: []string{modeHTTP}, reason: "the connection is that of net/http; a Server does not see what it runs over"},
	{fault: faultHandler, modes: []string{modeAlone}, tests: []string{"TestServeConnServesEveryVersionOnEveryTransport", "TestServeConnHandsOnItsContext"}},
	{fault: faultHandler, reason: "what a handler sees of its request does not depend on how it uses the connection"},

	{fault: faultReaders, modes: []string{modeHTTP}, reason: sameConn},
	{fault: faultReaders, versions: hixieVersions, modes: []string{modeKeepalive}, reason: noPing},
	{fault: faultReaders, versions: hixieVersions, modes: []string{modeCompression}, reason: noExtension},
	{fault: faultReaders, tests: []string{"TestNothingIsLost", "TestNothingOfMuchIsLost", "TestShutdownBesideASlowReader", "TestShutdownKeepsWhatWasBegun"}},

	{fault: faultCloseLost, modes: []string{modeHTTP}, reason: sameConn},
	{fault: faultCloseLost, versions: hixieVersions[1:], reason: "the version has no Close frame; what was written before is looked for by TestNothingIsLost"},
	{fault: faultCloseLost, versions: hixieVersions, modes: []string{modeKeepalive}, reason: noPing},
	{fault: faultCloseLost, versions: hixieVersions, modes: []string{modeCompression}, reason: noExtension},
	{fault: faultCloseLost, tests: []string{"TestNothingIsLost", "TestCloseWithThenClose", "TestClosingByCloseWith"}},

	{fault: faultWrites, modes: []string{modeHTTP}, reason: sameConn},
	{fault: faultWrites, versions: hixieVersions, modes: []string{modeKeepalive}, reason: noPing},
	{fault: faultWrites, modes: []string{modeKeepalive}, transports: []string{overPipe}, tests: []string{"TestKeepaliveAfterPassedWriteDeadline", "TestKeepaliveAfterFailedWrite"}},
	{fault: faultWrites, modes: []string{modeKeepalive, modeCompression}, reason: sameQueue},
	{fault: faultWrites, transports: []string{overUnix}, versions: hybiVersions[:1], tests: []string{"TestWriteTimeoutOverTransports"}},
	{fault: faultWrites, transports: []string{overUnix}, reason: sameSocket},
	{fault: faultWrites, transports: []string{overMemory}, versions: hybiVersions[:1], tests: []string{"TestDeadlinesOfWrites", "TestHostilePeers"}},
	{fault: faultWrites, transports: []string{overMemory}, reason: sameQueue},
	{fault: faultWrites, transports: []string{overPipe}, tests: []string{
		"TestWriteDeadlineHoldsForWhatIsAhead", "TestWriteDeadlineSparesWhatBeginsLater", "TestSetWriteDeadlineWakesWaiters", "TestWriteTimeout", "TestWriteDeadline",
	}},
	{fault: faultWrites, tests: []string{"TestWriteDeadline", "TestWriteTimeoutOverTransports", "TestDeadlinesOfWrites"}},

	{fault: faultKeepalive, versions: hixieVersions, reason: noPing},
	{fault: faultKeepalive, versions: hybiVersions[1:], reason: "Ping and Pong are those of RFC 6455; TestKeepaliveOfSilentPeer has all versions"},
	{fault: faultKeepalive, modes: []string{modeHTTP}, reason: sameConn},
	{fault: faultKeepalive, modes: []string{modeDeadlines}, transports: []string{overPipe}, tests: []string{"TestKeepaliveAfterPassedWriteDeadline"}},
	{fault: faultKeepalive, transports: []string{overTCP, overTLS, overUnix}, reason: "what is asked is when something happens, which only a bubble tells exactly"},
	{fault: faultKeepalive, tests: []string{
		"TestKeepaliveDuringLargeWrite", "TestKeepaliveFindsHalfOpenPeer", "TestKeepaliveAfterSignsWhileNobodyReads", "TestKeepalivePingBehindSmallMessage", "TestNothingIsLost",
	}},

	{fault: faultStreamEnd, modes: []string{modeHTTP}, reason: sameConn},
	{fault: faultStreamEnd, modes: []string{modeKeepalive, modeCompression, modeManyWriters}, reason: streamModes},
	{fault: faultStreamEnd, transports: []string{overUnix}, reason: sameSocket},
	{fault: faultStreamEnd, transports: []string{overTCP, overTLS}, tests: []string{"TestStreamCloseWithSilentPeer", "TestStreamIsNetConn", "TestHostilePeersOverSockets"}},
	{fault: faultStreamEnd, tests: []string{"TestStreamClose", "TestStreamCloseSendsWhatWasWritten", "TestDeadlinesOfStreams", "TestHostilePeers"}},

	{fault: faultEmpty, transports: []string{overPipe}, modes: []string{modeAlone}, tests: []string{"TestStreamEmptyWrite", "TestNextWriter", "TestStreamSkipsEmptyMessages"}},
	{fault: faultEmpty, reason: "which frames a call makes does not depend on the transport and on the mode"},

	{fault: faultNetConn, modes: []string{modeHTTP}, reason: sameConn},
	{fault: faultNetConn, modes: []string{modeKeepalive, modeCompression, modeManyWriters, modeNoReader}, reason: streamModes},
	{fault: faultNetConn, transports: []string{overUnix}, reason: sameSocket},
	{fault: faultNetConn, versions: hybiVersions[:1], tests: []string{"TestStreamIsNetConn", "TestStreamTunnel", "TestStreamWriteDeadline"}},
	{fault: faultNetConn, transports: []string{overPipe, overMemory}, tests: []string{"TestStreamWriteDeadline", "TestNextReaderInHalfOfFrame", "TestNextReaderReadsOnInCutFrame"}},
	{fault: faultNetConn, reason: "a Stream goes through the payloads of any version in the same way; all versions are tested over net.Pipe"},

	{fault: faultProgress, transports: []string{overPipe}, modes: []string{modeAlone, modeDeadlines}, tests: []string{
		"TestReadsWithoutProgress", "TestShortWriteIsAnError", "TestShortWriteOfWhatAReadSends", "TestContextsNeedDeadlines", "TestContextsOfReadsWithoutDeadlines",
	}},
	{fault: faultProgress, reason: "the broken net.Conn is the program's own, and none of these transports"},

	{fault: faultNotify, transports: []string{overPipe, overMemory, overTCP, overUnix}, reason: "only TLS has a close_notify"},
	{fault: faultNotify, modes: []string{modeHTTP}, reason: sameConn},
	{fault: faultNotify, modes: []string{modeAlone}, tests: []string{"TestCloseEndsTLS", "internal/netx/TestLingerTLS", "internal/netx/TestLingerForEndOverTLS"}},
	{fault: faultNotify, modes: []string{modeNoReader}, tests: []string{"TestHostilePeersOverSockets", "internal/netx/TestLingerGivesUpWithoutProgress"}},
	{fault: faultNotify, reason: "TLS ends after the last frame, whatever has come before"},
}

// matches reports whether the rule is about a cell.
func (r *faultRule) matches(fault string, v websocket.Version, side websocket.Side, transport, mode string) bool {
	return r.fault == fault && allows(r.versions, v) && allows(r.sides, side) && allows(r.transports, transport) && allows(r.modes, mode)
}

func allows[T comparable](list []T, e T) bool { return len(list) == 0 || slices.Contains(list, e) }

// Every fault is looked for in every cell of version, side, transport and mode,
// or there is a reason why not.
func TestFaultsAreLookedForEverywhere(t *testing.T) {
	used := make([]bool, len(faultRules))
	eachFaultCell(func(fault string, v websocket.Version, side websocket.Side, transport, mode string) {
		i := slices.IndexFunc(faultRules, func(r faultRule) bool { return r.matches(fault, v, side, transport, mode) })
		if i < 0 {
			t.Errorf("%s: neither a test nor a reason for %v, %s, %s, %s", fault, v, sideName(side), transport, mode)
			return
		}
		used[i] = true
	})
	for i, r := range faultRules {
		if !used[i] {
			t.Errorf("%s: rule %d is for no cell: %v", r.fault, i, r)
		}
		if (len(r.tests) == 0) == (r.reason == "") {
			t.Errorf("%s: rule %d must have either tests or a reason: %v", r.fault, i, r)
		}
		for _, name := range r.tests {
			if !testNames(t, path.Dir(name))[path.Base(name)] {
				t.Errorf("%s: there is no test %s", r.fault, name)
			}
		}
	}
}

func eachFaultCell(f func(fault string, v websocket.Version, side websocket.Side, transport, mode string)) {
	for _, fault := range faults {
		for _, v := range allVersions {
			for _, side := range sides {
				for _, transport := range allTransports {
					for _, mode := range faultModes {
						f(fault, v, side, transport, mode)
					}
				}
			}
		}
	}
}

var testNamesOf = map[string]map[string]bool{}

// testNames returns the names of the tests in a directory.
func testNames(t *testing.T, dir string) map[string]bool {
	t.Helper()
	if testNamesOf[dir] != nil {
		return testNamesOf[dir]
	}
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("tests in %s: %d files, %v", dir, len(files), err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[f.Name.Name] = true
			}
		}
	}
	testNamesOf[dir] = names
	return names
}

// String returns the cells of the rule.
func (r faultRule) String() string {
	return fmt.Sprint(r.versions, r.sides, r.transports, r.modes, r.tests, r.reason)
}
