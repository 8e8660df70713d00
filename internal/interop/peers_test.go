package interop

import (
	"bytes"

	"github.com/protocol-websocket/websocket"
)

// peers are the implementations. README.md says how to add one.
var peers = []*peerSpec{
	both(named("Perl Protocol::WebSocket", "libprotocol-websocket-perl"), cmd("/usr/bin/perl", "peers/perl/peer.pl"),
		only(asClient, hixie75, hybi00, hybi10, rfc6455),
	),
	node("ws-04", only(asServer, hybi00, hybi10, rfc6455), only(asClient, hybi10, rfc6455)),
	node("ws-1", only(asServer, hybi00, hybi10, rfc6455), only(asClient, hybi10, rfc6455)),
	node("ws-8", only("", hybi10, rfc6455)),
	node("websocket-driver-06",
		limit{step: handshake, as: asClient, why: "its client needs an HTTP parser that Node no longer has"},
		noSubprotocol(hixie...),
		noFragments,
	),
	node("websocket-driver-07",
		only(asServer, hixie75, hybi00, rfc6455),
		only(asClient, rfc6455),
		noSubprotocol(hixie...),
		noFragments,
	),
	node("websocket-driver-08",
		only(asServer, hixie75, hybi00, rfc6455),
		only(asClient, rfc6455),
		noSubprotocol(hixie...),
		noFragments,
	),
	node("websocket", only("", hybi10, rfc6455)),
	both(named("Python websockets", "python3-websockets"), python("websockets"), only("", rfc6455)),
	both(named("Python autobahn", "python3-autobahn"), python("autobahn"), only("", hybi10, rfc6455)),
	{
		name:   named("Python gevent-websocket", "python3-gevent-websocket"),
		server: python("gevent"),
		limits: limits{
			only(asServer, hybi...),
			noFragments,
			{step: codeFromIt, why: "it never sends one"},
			{step: reasonFromIt, why: "it sends the reason without a code before it"},
			{step: reasonToIt, why: "it answers with the reason alone, whose first two bytes are then the code"},
		},
	},
	{
		name:   named("Ruby websocket", "ruby-websocket"),
		server: ruby("websocket"),
		client: ruby("websocket"),
		limits: limits{
			noFragments,
			{step: subprotocolStep, as: asClient, in: []websocket.Version{hybi00},
				why: "it asks in a header WebSocket-Protocol and wants the answer in Sec-WebSocket-Protocol"},
			{step: anyReasonToIt, in: hybi, why: "it takes only ASCII in the reason"},
		},
		bad: key3IsStripped,
	},
	{
		name:   named("Ruby em-websocket", "ruby-em-websocket"),
		server: ruby("em-websocket"),
		limits: limits{noFragments, noSubprotocol(hixie75, hybi07, hybi10, rfc6455)},
	},
	both(named("Ruby websocket-driver", "ruby-websocket-driver"), ruby("websocket-driver"),
		only(asClient, rfc6455),
		noSubprotocol(hixie...),
		noFragments,
	),
	both(named("Java Netty", "libnetty-java"), java(),
		only(asClient, hybi00, hybi07, hybi10, rfc6455),
		limit{step: originStep, as: asClient, why: "it always sends the origin of the server"},
		limit{step: over64KiB, in: hixie, why: spansReads},
		limit{step: oneMiB, in: hixie, why: spansReads},
		limit{step: fragmentsToIt, in: hixie, why: spansReads},
	),
	both(named("C++ WebSocket++", "libwebsocketpp-dev"), cmd("build/websocketpp"),
		only(asServer, hybi00, hybi07, hybi10, rfc6455),
		only(asClient, rfc6455),
		noFragments,
	),
	both(named("C libwebsockets", "libwebsockets-dev"), cmd("build/libwebsockets"),
		only(asServer, hybi...),
		only(asClient, rfc6455),
	),
	both(named("Go gorilla", "github.com/gorilla/websocket"), gorillaPeer, only("", rfc6455),
		limit{step: fragmentsFromIt, why: "it cannot cut short messages; as client it cuts long ones, which passed"},
	),
	both(named("Go coder", "github.com/coder/websocket"), coderPeer, only("", rfc6455)),
	both(named("Go gobwas", "github.com/gobwas/ws"), gobwasPeer, only("", rfc6455)),
	both(named("Go gws", "github.com/lxzan/gws"), gwsPeer, only("", rfc6455), noFragments, hangsUp),
	both(named("Go xnet", "golang.org/x/net"), xnetPeer, only("", rfc6455), noFragments, hangsUp,
		limit{step: fragmentsToIt, why: "it takes each fragment for a message"},
		limit{step: pingFromIt, why: "it does not tell the program of Pongs"},
		limit{step: tellsHowWeClosed, why: "it does not tell the program of codes"},
		limit{step: codeFromIt, why: "it always sends 1000"},
		limit{step: reasonFromIt, why: "it never sends one"},
	),
}

// both is a peer whose one program is server and client.
func both(name string, p program, l ...limit) *peerSpec {
	return &peerSpec{name: name, server: p, client: p, limits: l}
}

func node(folder string, l ...limit) *peerSpec {
	return both(namedNPM(folder), cmd("node", "--no-deprecation", "peers/node/peer.js", folder), l...)
}

// Perl, Python and Ruby are Debian's, wherever PATH leads: no others find what
// Debian packages for them.

func python(library string) *command { return cmd("/usr/bin/python3", "peers/python/peer.py", library) }

func ruby(library string) *command { return cmd("/usr/bin/ruby", "peers/ruby/peer.rb", library) }

func java() *command {
	path := "build/java"
	for _, part := range []string{"buffer", "codec", "codec-http", "common", "handler", "resolver", "transport"} {
		path += ":/usr/share/java/netty-" + part + ".jar"
	}
	return cmd("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8",
		"-cp", path, "Peer")
}

const spansReads = "it loses the beginning of frames that come in more than one read"

// key3IsStripped reports that the last 8 bytes of the handshake of hybi-00
// begin or end with what the Ruby gem takes for white space and strips.
func key3IsStripped(p *tap) bool {
	request := p.sent(us)
	if len(request) < 8 || !bytes.Contains(request, []byte("Sec-WebSocket-Key1")) {
		return false
	}
	key3 := request[len(request)-8:]
	const blank = "\x00\t\n\v\f\r "
	return bytes.IndexByte([]byte(blank), key3[0]) >= 0 || bytes.IndexByte([]byte(blank), key3[7]) >= 0
}

// noFragments is the limit of those that send every message as one frame.
var noFragments = limit{step: fragmentsFromIt, why: "it has no means to send fragments"}

// hangsUp is the limit of those that close TCP right after their Close frame:
// whether a reset meets our answer or FIN comes first is a matter of luck.
var hangsUp = limit{step: finFromIt, why: "it closes TCP without waiting for the answer to its Close, which may be met by a reset"}

// noSubprotocol is that of servers that leave the subprotocol unanswered.
func noSubprotocol(in ...websocket.Version) limit {
	return limit{step: subprotocolStep, why: "it does not answer it", in: in, as: asServer}
}
