package interop

import (
	"bytes"

	"github.com/protocol-websocket/websocket"
)

const (
	hixie75 = websocket.Hixie75
	hybi00  = websocket.Hybi00
	hybi07  = websocket.Hybi07
	hybi10  = websocket.Hybi10
	rfc6455 = websocket.RFC6455
)

// peers are the implementations. To add one, write its program in peers/ after
// the commands in talk_test.go and list here what it cannot do.
var peers = []*peerSpec{
	both("Perl Protocol::WebSocket 0.26", cmd("perl", "peers/perl/peer.pl"),
		lacks(asClient, hybi07),
	),
	both("Node ws 0.4.32", node("ws-04"),
		lacks("", hixie75, hybi07),
		lacks(asClient, hybi00),
	),
	both("Node ws 1.1.5", node("ws-1"),
		lacks("", hixie75, hybi07),
		lacks(asClient, hybi00),
	),
	both("Node ws 8.23.0", node("ws-8"),
		lacks("", hixie75, hybi00, hybi07),
	),
	both("Node websocket-driver 0.6.3", node("websocket-driver-06"),
		limit{step: handshake, as: asClient, why: "its client needs an HTTP parser that Node no longer has"},
		noSubprotocol(hixie()...),
		noFragments,
	),
	both("Node websocket-driver 0.7.4", node("websocket-driver-07"),
		lacks(asServer, hybi07, hybi10),
		lacks(asClient, hixie75, hybi00, hybi07, hybi10),
		noSubprotocol(hixie()...),
		noFragments,
	),
	both("Node websocket-driver 0.8.0", node("websocket-driver-08"),
		lacks(asServer, hybi07, hybi10),
		lacks(asClient, hixie75, hybi00, hybi07, hybi10),
		noSubprotocol(hixie()...),
		noFragments,
	),
	both("Node websocket 1.0.34", node("websocket"),
		lacks("", hixie75, hybi00, hybi07),
	),
	both("Python websockets 10.4", cmd("/usr/bin/python3", "peers/python/peer.py", "websockets"),
		lacks("", hixie75, hybi00, hybi07, hybi10),
	),
	both("Python autobahn 22.7.1", cmd("/usr/bin/python3", "peers/python/peer.py", "autobahn"),
		lacks("", hixie75, hybi00, hybi07),
	),
	{
		name:   "Python gevent-websocket 0.10.1",
		server: cmd("/usr/bin/python3", "peers/python/peer.py", "gevent"),
		limits: []limit{
			lacks(asServer, hixie75, hybi00),
			noFragments,
			{step: "code from it", why: "it never sends one"},
			{step: "reason from it", why: "it sends the reason without a code before it"},
			{step: "reason to it", why: "it answers with the reason alone, whose first two bytes are then the code"},
		},
	},
	{
		name:   "Ruby websocket 1.2.9",
		server: ruby("websocket"),
		client: ruby("websocket"),
		limits: []limit{
			noFragments,
			{step: "subprotocol", as: asClient, in: []websocket.Version{hybi00},
				why: "it asks in a header WebSocket-Protocol and wants the answer in Sec-WebSocket-Protocol"},
			{step: "any text as reason to it", in: hybi(), why: "it takes only ASCII in the reason"},
		},
		bad: key3IsStripped,
	},
	{
		name:   "Ruby em-websocket 0.5.1",
		server: ruby("em-websocket"),
		limits: []limit{noFragments, noSubprotocol(hixie75, hybi07, hybi10, rfc6455)},
	},
	both("Ruby websocket-driver 0.6.3", ruby("websocket-driver"),
		lacks(asClient, hixie75, hybi00, hybi07, hybi10),
		noSubprotocol(hixie()...),
		noFragments,
	),
	both("Java Netty 4.1.48", java(),
		lacks(asClient, hixie75),
		limit{step: "origin", as: asClient, why: "it always sends the origin of the server"},
		limit{step: "65535 to 70000 bytes", in: hixie(), why: spansReads},
		limit{step: "1 MiB", in: hixie(), why: spansReads},
		limit{step: "fragments to it", in: hixie(), why: spansReads},
	),
	both("C++ WebSocket++ 0.8.2", cmd("build/websocketpp"),
		lacks(asServer, hixie75),
		lacks(asClient, hixie75, hybi00, hybi07, hybi10),
		noFragments,
	),
	both("C libwebsockets 4.1.6", cmd("build/libwebsockets"),
		lacks(asServer, hixie75, hybi00),
		lacks(asClient, hixie75, hybi00, hybi07, hybi10),
	),
	both("Go gorilla 1.5.3", gorillaPeer, lacks("", hixie75, hybi00, hybi07, hybi10),
		limit{step: "fragments from it", why: "it cannot cut short messages; as client it cuts long ones, which passed"},
	),
	both("Go coder 1.8.15", coderPeer, lacks("", hixie75, hybi00, hybi07, hybi10)),
	both("Go gobwas 1.4.0", gobwasPeer, lacks("", hixie75, hybi00, hybi07, hybi10)),
	both("Go gws 1.8.9", gwsPeer, lacks("", hixie75, hybi00, hybi07, hybi10), noFragments,
		limit{step: "FIN from it", why: "it closes TCP without waiting for the answer to its Close, which is met by a reset"},
	),
	both("Go x/net 0.58.0", xnetPeer, lacks("", hixie75, hybi00, hybi07, hybi10), noFragments,
		limit{step: "fragments to it", why: "it takes each fragment for a message"},
		limit{step: "ping from it", why: "it does not tell the program of Pongs"},
		limit{step: "it tells how we closed", why: "it does not tell the program of codes"},
		limit{step: "code from it", why: "it always sends 1000"},
		limit{step: "reason from it", why: "it never sends one"},
	),
}

// both is a peer whose one program is server and client.
func both(name string, p program, limits ...limit) *peerSpec {
	return &peerSpec{name: name, server: p, client: p, limits: limits}
}

func node(library string) *command {
	return cmd("node", "--no-deprecation", "peers/node/peer.js", library)
}

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
var noFragments = limit{step: "fragments from it", why: "it has no means to send fragments"}

// noSubprotocol is that of servers that leave the subprotocol unanswered.
func noSubprotocol(in ...websocket.Version) limit {
	return limit{step: "subprotocol", why: "it does not answer it", in: in, as: asServer}
}
