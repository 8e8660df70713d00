"""An echo with permessage-deflate: deflate.py LIBRARY ALONE server|client VERSION [URL].

LIBRARY is websockets or autobahn. ALONE is true or false: whether each message
is compressed by itself.
"""
import asyncio
import sys

ALONE = sys.argv[2] == "true"


async def run_websockets(url):
    import websockets
    from websockets.extensions import permessage_deflate

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    if url:
        factory = permessage_deflate.ClientPerMessageDeflateFactory(
            server_no_context_takeover=ALONE, client_no_context_takeover=ALONE, client_max_window_bits=True
        )
        async with websockets.connect(url, compression=None, extensions=[factory]) as ws:
            await echo(ws)
        return
    factory = permessage_deflate.ServerPerMessageDeflateFactory(
        server_no_context_takeover=ALONE, client_no_context_takeover=ALONE
    )
    server = await websockets.serve(echo, "127.0.0.1", 0, compression=None, extensions=[factory])
    print("LISTEN", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


async def run_autobahn(url):
    from autobahn.asyncio.websocket import (
        WebSocketClientFactory, WebSocketClientProtocol, WebSocketServerFactory, WebSocketServerProtocol,
    )
    from autobahn.websocket import compress

    class Echo:
        def onMessage(self, payload, isBinary):
            self.sendMessage(payload, isBinary)

    class Server(Echo, WebSocketServerProtocol):
        pass

    class Client(Echo, WebSocketClientProtocol):
        pass

    def accept(offers):
        for offer in offers:
            if isinstance(offer, compress.PerMessageDeflateOffer):
                return compress.PerMessageDeflateOfferAccept(
                    offer,
                    request_no_context_takeover=ALONE and offer.accept_no_context_takeover,
                    no_context_takeover=ALONE or offer.request_no_context_takeover,
                )

    loop = asyncio.get_running_loop()
    if url:
        factory = WebSocketClientFactory(url, loop=loop)
        factory.protocol = Client
        factory.setProtocolOptions(
            perMessageCompressionOffers=[compress.PerMessageDeflateOffer(request_no_context_takeover=ALONE)],
            perMessageCompressionAccept=lambda response: compress.PerMessageDeflateResponseAccept(
                response, no_context_takeover=ALONE or response.client_no_context_takeover
            ),
        )
        await loop.create_connection(factory, factory.host, factory.port)
    else:
        factory = WebSocketServerFactory(loop=loop)
        factory.protocol = Server
        factory.setProtocolOptions(perMessageCompressionAccept=accept)
        server = await loop.create_server(factory, "127.0.0.1", 0)
        print("LISTEN", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


run = {"websockets": run_websockets, "autobahn": run_autobahn}[sys.argv[1]]
asyncio.run(run(sys.argv[5] if sys.argv[3] == "client" else None))
