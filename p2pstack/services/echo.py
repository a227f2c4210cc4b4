"""echo: a complete protocol in a page, to be read before you write your own.

A protocol needs a name, a handler for the side that is asked, and a function for the side that asks. The name starts
with a slash and ends with a version by custom; peers agree on it when a stream is opened. A stream carries bytes in
both directions, each of which ends on its own::

    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as server, Host() as client:
        serve_echo(server)
        answer = await echo(client, server.full_addresses[0], b"hello")
"""

from __future__ import annotations

import asyncio

from p2pstack.aio.stream import Stream
from p2pstack.errors import ProtocolViolation
from p2pstack.host.host import BaseHost, Target

__all__ = ["ECHO", "echo", "respond", "serve_echo"]

ECHO = "/echo/1.0.0"


def serve_echo(host: BaseHost, *, relayed: bool = False) -> None:
    """Let peers use the protocol with ``host``; with ``relayed`` also those that come through a relay."""
    host.handle(ECHO, respond, relayed=relayed)


async def respond(stream: Stream) -> None:
    """Send everything back until the peer has ended its side.

    There is no error to handle here. When this returns the stream is closed; when it raises, because the peer reset the
    stream or vanished, the stream is reset, and nothing else is affected.
    """
    while pieces := await stream.chunks():
        for piece in pieces:
            stream.write(piece)
        # Without this a peer that sends but does not read would have us hold all that it sends.
        await stream.drain()


async def echo(host: BaseHost, target: Target, data: bytes, *, relayed: bool = False) -> bytes:
    """Send ``data`` to a peer and return what it answers; with ``relayed`` through a relay will do.

    Raises:
        ProtocolViolation: that is not what was sent.
        ProtocolNotSupported: the peer does not speak the protocol.
        DialError: it can't be reached.
        StreamError: the stream or the connection ended too early.
    """
    # `async with` closes the stream at the end, and resets it when the block raises.
    async with await host.open_stream(target, ECHO, relayed=relayed) as stream:
        # Sending and receiving go on at the same time: the peer stops reading once we don't take what it sends back.
        answer, _ = await asyncio.gather(stream.read_to_end(len(data)), _send(stream, data))
        if answer != data:
            raise ProtocolViolation("echo", f"{len(answer)} bytes came back, which are not the {len(data)} sent")
        return answer


async def _send(stream: Stream, data: bytes) -> None:
    """Queue ``data``, wait until it is on its way, and end our side: that is how the peer knows that it was all."""
    stream.write(data)
    await stream.drain()
    stream.close_write()
