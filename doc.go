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
// Programs that have a handler of their own call [Upgrader.Upgrade] in it.
// Without net/http, [Server.ServeConn] and [Upgrader.Accept] serve a [net.Conn];
// with [NetPipe] a test needs no network. Options are fields
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
// A call for something that the version lacks returns an error that wraps
// [errors.ErrUnsupported], and leaves the connection as it was.
//
// # Routers and middlewares
//
// To routers and middlewares a [Server] is a handler like any other: ServeHTTP
// returns when the Server's Handler has. Route parameters and other values of
// the request's context are there while Handler runs. A limit on requests in
// progress limits connections. A middleware that recovers panics also recovers
// those of Handler. The duration in an access log or a span is that of the
// connection. The status in the log is what the middleware records for a
// hijacked connection, for example 200 or 101.
//
// When the request's context ends, at the timeout of a middleware for example,
// the connection is closed with [StatusGoingAway] and a warning is logged: routes
// of WebSockets should have no such timeout. [http.TimeoutHandler] cannot stand
// before a Server, because its ResponseWriter cannot be hijacked.
//
// While Handler runs, net/http keeps its goroutine and its buffers. An idle
// connection then takes about 15 KB of memory of the process; with
// [Server].Detach about 6 KB, because ServeHTTP returns after the handshake.
// That is for servers with very many idle connections. Limits and access logs
// no longer see the connection, panics are logged by the Server, and nothing of
// the request's context is left but what Detach hands on.
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
// [Conn.Ping] measures a round trip. With [Config].PingInterval the package
// finds peers that are gone. If nothing arrives for PingInterval, it sends a
// Ping. If nothing arrives for PingTimeout after that, it ends the connection
// with [ErrPingTimeout].
//
// # Closing
//
// There are three ways to end a connection. [Conn.Shutdown] sends a Close frame
// with a status code and a reason and waits for the peer's. [Conn.CloseWith]
// sends it and does not wait; the rest is done in the background. [Conn.Close]
// ends the connection now, or cuts a closing handshake short. A connection that
// is no longer needed must be ended by one of them, after errors too. A [Server]
// ends what it has made when the handler returns.
//
//	call              it waits                     the peer sees                      it returns
//	Shutdown          until the connection has     our Close frame, and the end       nil if the peer has closed; an error that
//	                  ended, or ctx has            after its own, or after 5 s        wraps that of ctx; or why it has not
//	CloseWith         never                        the same                           nil; net.ErrClosed if the connection has
//	                                                                                  ended; the error of an earlier write
//	Close, open       never                        the end, without a Close frame     the error of closing the net.Conn
//	Close, closing    never                        what is queued, our Close frame,   nil
//	                                               and the end 1 s later at most
//	Close, ended      never                        nothing more                       net.ErrClosed; nil if a closing handshake
//	                                                                                  was begun
//	Server.Shutdown   for handlers, connections    our Close frame with 1001; the     nil, or the error of ctx
//	                  and handshakes, or for ctx   end at once if ctx ends first
//	Server.Close      never                        the end, without a Close frame     nil
//	Stream's Close    never                        our Close frame with 1000          nil; net.ErrClosed the second time
//
// A closing handshake takes at most 5 seconds from its first Close frame,
// whatever the peer does. What was queued leaves first, then the Close frame,
// then the end of the connection. A peer that does not read sees the end after
// 5 seconds. When the context of Shutdown ends, or if it has ended before, only
// the waiting ends. After `go c.Shutdown(...)` a call of Close may come first
// and send no Close frame: use CloseWith. [Hixie75] has no Close frame. There
// the end of our side takes its place, and the peer answers by ending its own.
//
// The Close frame of the peer is answered by the read that finds it, which
// returns a [CloseError]; so does every read after it. A goroutine that reads
// during a closing handshake keeps reading, and misses nothing. Where none
// reads, the handshake reads by itself. It keeps 64 KiB of messages, besides
// what is in its buffers, for later reads. If the program does not read for a
// second then, it drops the rest, and reads that come to this point return an
// error that wraps [net.ErrClosed]. A peer that breaks the protocol, or a
// limit, is told so by a Close frame too, and reads return a [ProtocolError].
//
// Shutdown of [http.Server] does not know the connections of a Server and does
// not wait for their handlers, so a program calls both at once.
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
// [Conn.SetReadDeadline] and [Conn.SetWriteDeadline] work as on any [net.Conn]:
// they hold for calls that wait and for later ones, of all goroutines. A
// deadline in the past interrupts. A context bounds calls that wait for an
// answer of the peer, and loops. To bound each frame by itself, whoever sends
// it, set [Config].WriteTimeout. Test the errors in this table with
// [errors.Is], because most of them are wrapped.
//
//	call                          bounded by               it then returns             the connection is then
//	ReadMessage, ReadAppend,      read deadline            os.ErrDeadlineExceeded      as before: the next read goes on
//	NextReader, its Read
//	Messages, Discard             ctx                      the error of ctx            as before
//	                              read deadline            os.ErrDeadlineExceeded      as before
//	all that read                 Config.MessageTimeout    ErrMessageTimeout           over
//	WriteMessage, WritePrepared,  write deadline           os.ErrDeadlineExceeded      as before if the frame was still
//	BufferMessage, Flush,                                                              waiting; if it was being sent, later
//	NextWriter, its methods                                                            writes fail too, and reads go on
//	Ping                          ctx                      the error of ctx            as before
//	Stream's Read                 read deadline            os.ErrDeadlineExceeded      as before
//	Stream's Write                write deadline           os.ErrDeadlineExceeded      as before: the n bytes that it has
//	                                                                                   taken will be sent
//	all that send a frame         Config.WriteTimeout      ErrWriteTimeout             over
//	Shutdown                      ctx                      the error of ctx            closing: it ends within 5 s
//	Dial, Handshake, Accept       HandshakeTimeout, ctx    context.DeadlineExceeded,   closed
//	                                                       or the error of ctx
//	ServeConn                     as Accept; its Handler   as Accept                   closed
//	                              by ctx only
//	Upgrade                       HandshakeTimeout         os.ErrDeadlineExceeded      closed
//
// [Conn.Close] ends at once all of these calls that use the Conn, and
// [Server.Close] the handshake or the connection of a ServeConn. A network that
// fails ends them too. When the peer closes, or CloseWith or Shutdown is
// called, calls that wait to send a message are refused; what is being sent
// goes on, with its deadline, for 5 seconds at most; and reads go on.
//
// In errors of deadlines [errors.As] finds a [net.Error] whose Timeout method
// returns true. It does not in the errors of reads, of Ping and of a Stream's
// Write after the end, even if the end was a timeout, so a loop that tries
// again after a timeout ends.
//
// BufferMessage leaves the frame in the queue, and so do the other calls that
// write while another goroutine is writing. At most 64 KiB are queued. An error of
// the network is then returned by later calls. Flush waits until everything has
// left.
//
// Over TLS a peer can make a read write: it may ask for new keys, or send what
// is not TLS. If such a peer does not read, reads wait beyond their deadline,
// until the connection is ended by Close, by keepalive or at WriteTimeout. If
// the connection below has no deadlines, SetReadDeadline and SetWriteDeadline
// say so.
//
// The opening handshake is bounded by [Config].HandshakeTimeout, the closing
// handshake by 5 seconds. Neither bounds the connection.
//
// # Origin
//
// Browsers let any page connect anywhere, and send the user's cookies along. So
// servers must look where the page came from, RFC 6455 section 10.2: by default
// from the host and port that the request is for, and by https if the request
// came over TLS. Other origins are listed in [Upgrader].Origins, or judged by
// [Upgrader].CheckOrigin. An Origin with wss or ws counts as https or http.
//
// Programs other than browsers may leave Origin out or empty, except in
// [Hybi00] and [Hixie75]. They can also send any Origin, so it authenticates
// nobody; use [Upgrader].Check for that.
//
// # Limits
//
// A message may have 1 MiB in 4096 fragments, unless [Config].MaxMessageSize
// and MaxFragments say otherwise; a larger size allows for more fragments by
// itself. More ends the connection with [StatusMessageTooBig] and an error that
// wraps [ErrMessageTooBig]. Memory is taken as bytes arrive, never because a
// length was announced. The head of a request may have 16 KiB, or
// [Upgrader].MaxHeaderBytes, and that of a response 64 KiB, both in 256 lines.
// At most 64 KiB are queued for a peer that does not read. Then writers wait
// until the peer reads, or until a deadline.
//
// # Compression
//
// With [Config].Compression messages are compressed one by one,
// permessage-deflate, RFC 7692, if the peer wants it too. The zero value works
// with all peers but one kind: Netty before April 2025, see [Compression]. A
// connection then keeps 4 KiB of what it sends. Of what it receives it keeps up
// to 32 KiB, grown as used. Once a peer that has agreed to 4 KiB has sent 64
// KiB of messages and kept to it, 4 KiB are kept. Compression.PeerWindowBits
// from 9 to 14 sets a smaller limit. A client that does not agree is then
// served without compression. A server that does not agree makes Dial fail.
//
// Limits hold for what a message inflates to. Messages are inflated as they
// arrive. Nothing else changes for the program.
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
