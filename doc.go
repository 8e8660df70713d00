// Package websocket speaks every version of the WebSocket protocol that was
// ever deployed, RFC 6455 and the four drafts before it, as a server and as a
// client.
//
// # Overview
//
// A server gives [Handler] a function, or makes a [Server] with options, and
// registers it like any other [http.Handler]. The function gets a [Conn] for
// each connection:
//
//	echo := websocket.Handler(func(ctx context.Context, c *websocket.Conn) error {
//		for m, err := range c.Messages(ctx) {
//			if err != nil {
//				return err
//			}
//			if err := c.WriteMessage(m.Type, m.Data); err != nil {
//				return err
//			}
//		}
//		return nil
//	})
//	http.Handle("/echo", echo)
//
// A client calls [Dial], or makes a [Dialer] with options:
//
//	c, err := websocket.Dial(ctx, "wss://example.com/echo")
//
// Programs that have a handler of their own call [Upgrader.Upgrade] in it, and
// those without net/http [Upgrader.Accept] on a [net.Conn]. Options are fields
// of structs; their zero values are chosen so that a program that sets none of
// them is correct and withstands a hostile peer.
//
// # Versions
//
// What a client speaks is [Dialer].Version, by default [RFC6455]: a client
// cannot offer several. A server takes what the client speaks, and
// [Conn.Version] tells what that is. [Upgrader].Versions narrows the choice.
// The old versions are for peers that cannot be updated. They protect less:
// [Hixie75] has no proof that the peer meant to speak WebSocket, neither it nor
// [Hybi00] masks what clients send, which may let an attacker write into the
// caches of careless proxies, and both have text messages only. A server whose
// clients are all current should say so:
//
//	websocket.Upgrader{Versions: []websocket.Version{websocket.RFC6455}}
//
// What a version lacks returns an error that wraps [errors.ErrUnsupported],
// and leaves the connection as it was.
//
// # Data messages
//
// A message is [Text], which must be UTF-8, or [Binary]. [Conn.ReadMessage],
// [Conn.ReadAppend] and [Conn.Messages] read whole messages,
// [Conn.WriteMessage] and [Conn.BufferMessage] write them. With
// [Conn.NextReader] and [Conn.NextWriter] a message need not be in memory
// whole. [ReadJSON] and [WriteJSON] carry JSON, [Stream] makes a [net.Conn] of
// a connection, and [Prepare] makes a message that is sent to many connections
// at little cost.
//
// A server that answers what it reads is fastest with ReadAppend, which does
// not allocate once its buffer has grown, and BufferMessage, which sends the
// answers to all that has arrived at once:
//
//	var buf []byte
//	for {
//		t, p, err := c.ReadAppend(buf[:0])
//		if err != nil {
//			return err
//		}
//		if err := c.BufferMessage(t, p); err != nil {
//			return err
//		}
//		buf = p
//	}
//
// # Control messages
//
// Pings are answered with Pongs without the program's doing, but only while it
// reads: control frames are found between the messages. A program should
// therefore have a read waiting at all times. One that only writes calls
// [Conn.Discard], which reads in the background.
//
// [Conn.Ping] measures a round trip. [Config].PingInterval finds out peers that
// are gone: a connection over which nothing came for so long, nor for
// PingTimeout after a Ping, is ended with [ErrPingTimeout].
//
// # Closing
//
// [Conn.Shutdown] does the closing handshake with a status code and a reason,
// within the time that its context leaves. [Conn.Close] ends the connection
// without one, at once. The Close of the peer is answered by the read that
// finds it, which returns a [CloseError]; so does every read after it. A peer
// that breaks the protocol, or a limit, is told so by a Close too, and reads
// return a [ProtocolError].
//
// A connection that is no longer needed must be ended by one of the two, after
// errors too. What [Server] has made, it ends when the handler returns, with a
// code that tells the peer how it went. [Server.Shutdown] ends all of them with
// [StatusGoingAway] and waits; since [http.Server] does not know of them, a
// program calls both.
//
// # Concurrency
//
// All methods of Conn may be called from any goroutine at any time, Close and
// Shutdown included. Each whole message is written as one; the writer of
// NextWriter makes others wait until it is closed. Writers do not wait for each
// other's system calls: what is written while another goroutine is writing
// leaves with what that one writes next. Reads wait for each other; two
// goroutines that both read get each some of the messages.
//
// Options must not be changed while they are in use. [Upgrader], [Server],
// [Dialer] and [Prepared] may be used by many goroutines at once; [Parser],
// [Encoder], [ServerHandshake] and [ClientHandshake] by one at a time.
//
// # Deadlines
//
// [Conn.SetReadDeadline] and [Conn.SetWriteDeadline] work as on any [net.Conn].
// A read that gives up, at any byte, has lost nothing: the next read goes on
// where it stopped. A write that gives up after half a frame has ended what can
// be written on this connection. Contexts bound what waits for a decision of
// the peer: Dial, Accept, Ping, Shutdown; and the loops of Messages and Discard,
// which leave the connection usable when they end.
//
// The opening handshake is bounded by [Config].HandshakeTimeout, the closing
// handshake by 5 seconds or its context. Neither bounds the connection.
//
// # Origin
//
// Browsers let any page connect anywhere, and send the user's cookies along. So
// servers must look where the page came from, RFC 6455 section 10.2: by default
// from the host and port that the request is for, and by https if the request
// came over TLS. Other origins are listed in [Upgrader].Origins, or judged by
// [Upgrader].CheckOrigin. Programs that are no browsers need not send an Origin,
// except in [Hybi00] and [Hixie75], and can send any: it is no authentication.
// That is what [Upgrader].Check is for.
//
// # Limits
//
// A message may have 1 MiB in 4096 fragments, unless [Config].MaxMessageSize
// and MaxFragments say otherwise; more ends the connection with
// [StatusMessageTooBig] and an error that wraps [ErrMessageTooBig]. Memory is
// taken as bytes arrive, never because a length was announced. The head of a
// handshake may have 64 KiB in 256 lines. A writer that the peer keeps waiting
// waits, at most 64 KiB being queued for it; deadlines end that.
//
// # Compression
//
// With [Config].Compression messages are compressed one by one,
// permessage-deflate, RFC 7692, if the peer wants it too. The zero
// [Compression] is ready to use: a connection of a server then keeps at most 4
// KiB for each direction, and nothing with NoContextTakeover; a client keeps up
// to 32 KiB for what it receives. Limits hold for what a message inflates to. Nothing else changes for the program, but for one thing:
// NextReader waits for the whole of a compressed message.
//
// Messages that hold a secret beside something that an attacker can choose must
// not be compressed: their length tells of the secret.
//
// # Use without I/O
//
// All of the protocol is also there without connections, for programs that
// bring their own event loop or transport. [ServerHandshake] and
// [ClientHandshake] are fed bytes and give bytes to send. Then a [Parser] is
// given what arrives, in pieces of any size, and gives messages and control
// frames:
//
//	parser.Append(chunk)
//	for {
//		m, err := parser.Next()
//		if errors.Is(err, websocket.ErrIncomplete) {
//			break
//		}
//		...
//	}
//
// The [Encoder] of the handshake, or where there is no compression
// [AppendMessage], makes the messages that are sent, [AppendClose] the last one;
// [AppendFrame] and [ParseFrame] are for single frames. Conn is made of the same
// parts.
package websocket
