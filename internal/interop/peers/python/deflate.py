"""An echo with permessage-deflate, of websockets: deflate.py ALONE server|client [URL].

ALONE is true or false: whether each message is compressed by itself.
"""
import asyncio
import sys

import websockets
from websockets.extensions import permessage_deflate

ALONE = sys.argv[1] == "true"


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def serve():
    factory = permessage_deflate.ServerPerMessageDeflateFactory(
        server_no_context_takeover=ALONE, client_no_context_takeover=ALONE
    )
    async with websockets.serve(echo, "127.0.0.1", 0, compression=None, extensions=[factory]) as server:
        print("LISTEN", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


async def connect(url):
    factory = permessage_deflate.ClientPerMessageDeflateFactory(
        server_no_context_takeover=ALONE, client_no_context_takeover=ALONE, client_max_window_bits=True
    )
    async with websockets.connect(url, compression=None, extensions=[factory]) as ws:
        await echo(ws)


asyncio.run(serve() if sys.argv[2] == "server" else connect(sys.argv[3]))
