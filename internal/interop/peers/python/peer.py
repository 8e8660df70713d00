"""Server and client for the interop tests, written with Python packages.

    peer.py LIBRARY server VERSION        prints "LISTEN PORT"
    peer.py LIBRARY client VERSION URL
"""
import asyncio
import sys

ORIGIN = "http://interop.example"
COOKIE = "interop=theirs"
LIMIT = 16 << 20
FRAGMENTS = ["one, ", "two, ", "three ✓"]


def report(*words):
    print(*words, flush=True)


async def run_websockets(role, version, url):
    import websockets

    async def converse(ws, cookie):
        try:
            async for m in ws:
                if isinstance(m, bytes) or not m.startswith("!"):
                    await ws.send(m)
                    continue
                command, _, rest = m.partition(" ")
                if command == "!subprotocol":
                    await ws.send(f"subprotocol {ws.subprotocol}")
                elif command == "!cookie":
                    await ws.send(f"cookie {cookie}")
                elif command == "!burst":
                    for n in 1, 2, 3:
                        await ws.send(f"burst {n}")
                elif command == "!fragments":
                    await ws.send(FRAGMENTS)
                elif command == "!ping":
                    pong = await ws.ping(rest)
                    asyncio.ensure_future(answer(ws, pong, rest))
                elif command == "!close":
                    code, _, reason = rest.partition(" ")
                    await ws.close(int(code), reason)
        except websockets.ConnectionClosed:
            pass
        report("CLOSED", ws.close_code, ws.close_reason)

    async def answer(ws, pong, text):
        await pong
        await ws.send("pong " + text)

    if role == "client":
        async with websockets.connect(
            url, subprotocols=["chat"], origin=ORIGIN, max_size=LIMIT, extra_headers={"Cookie": COOKIE}
        ) as ws:
            await converse(ws, "")
        return
    server = await websockets.serve(
        lambda ws: converse(ws, ws.request_headers.get("Cookie")), "127.0.0.1", 0, subprotocols=["chat"], max_size=LIMIT
    )
    report("LISTEN", server.sockets[0].getsockname()[1])
    await asyncio.Future()


async def run_autobahn(role, version, url):
    from autobahn.asyncio.websocket import (
        WebSocketClientFactory, WebSocketClientProtocol, WebSocketServerFactory, WebSocketServerProtocol,
    )

    class Peer:
        chosen = cookie = None

        def onMessage(self, payload, isBinary):
            if isBinary or not payload.startswith(b"!"):
                self.sendMessage(payload, isBinary)
                return
            command, _, rest = payload.decode().partition(" ")
            if command == "!subprotocol":
                self.say(f"subprotocol {self.chosen}")
            elif command == "!cookie":
                self.say(f"cookie {self.cookie}")
            elif command == "!burst":
                for n in 1, 2, 3:
                    self.say(f"burst {n}")
            elif command == "!fragments":
                self.sendMessage("".join(FRAGMENTS).encode(), fragmentSize=6)
            elif command == "!ping":
                self.sendPing(rest.encode())
            elif command == "!close":
                code, _, reason = rest.partition(" ")
                self.sendClose(int(code), reason)

        def say(self, text):
            self.sendMessage(text.encode())

        def onPong(self, payload):
            self.say("pong " + payload.decode())

        def onClose(self, wasClean, code, reason):
            report("CLOSED", self.remoteCloseCode, self.remoteCloseReason)

    class Server(Peer, WebSocketServerProtocol):
        def onConnect(self, request):
            self.cookie = request.headers.get("cookie")
            self.chosen = "chat" if "chat" in request.protocols else None
            return self.chosen

    class Client(Peer, WebSocketClientProtocol):
        def onConnect(self, response):
            self.chosen = response.protocol

    loop = asyncio.get_running_loop()
    if role == "client":
        factory = WebSocketClientFactory(url, origin=ORIGIN, protocols=["chat"], headers={"Cookie": COOKIE}, loop=loop)
        factory.setProtocolOptions(version={"hybi-10": 10, "rfc6455": 18}[version])
        factory.protocol = Client
        await loop.create_connection(factory, factory.host, factory.port)
    else:
        factory = WebSocketServerFactory(loop=loop)
        factory.protocol = Server
        server = await loop.create_server(factory, "127.0.0.1", 0)
        report("LISTEN", server.sockets[0].getsockname()[1])
    await asyncio.Future()


def run_gevent():
    from gevent import pywsgi
    from geventwebsocket.handler import WebSocketHandler
    from geventwebsocket.websocket import WebSocket

    def handle_close(self, header, payload):
        report("CLOSED", int.from_bytes(payload[:2], "big"), bytes(payload[2:]).decode())
        return ordinary_close(self, header, payload)

    ordinary_close, WebSocket.handle_close = WebSocket.handle_close, handle_close
    WebSocket.handle_pong = lambda self, header, payload: self.send("pong " + bytes(payload).decode())

    class Application:
        def app_protocol(self, path):
            return "chat"

        def __call__(self, environ, start_response):
            ws, cookie = environ["wsgi.websocket"], environ.get("HTTP_COOKIE")
            while True:
                m = ws.receive()
                if m is None:
                    return []
                if not isinstance(m, str) or not m.startswith("!"):
                    ws.send(m)
                    continue
                command, _, rest = m.partition(" ")
                if command == "!subprotocol":
                    ws.send("subprotocol chat")
                elif command == "!cookie":
                    ws.send(f"cookie {cookie}")
                elif command == "!burst":
                    for n in 1, 2, 3:
                        ws.send(f"burst {n}")
                elif command == "!ping":
                    ws.send_frame(rest, ws.OPCODE_PING)
                elif command == "!close":
                    read = ws.raw_read
                    ws.close()
                    read()  # the answer, which would be met by a reset if TCP were just closed
                    return []

    server = pywsgi.WSGIServer(("127.0.0.1", 0), Application(), handler_class=WebSocketHandler, log=None)
    server.start()
    report("LISTEN", server.server_port)
    server.serve_forever()


library, *arguments = sys.argv[1:]
if library == "gevent":
    run_gevent()
else:
    run = {"websockets": run_websockets, "autobahn": run_autobahn}[library]
    asyncio.run(run(*(arguments + [None])[:3]))
