"""The messages of a punch, carried over a stream (DCUTR-03)."""

from __future__ import annotations

import asyncio
from time import monotonic

from p2pstack.aio.stream import Stream
from p2pstack.dcutr.exchange import Answerer, Opener
from p2pstack.dcutr.messages import MAX_MESSAGE
from p2pstack.errors import DeadlineExceeded
from p2pstack.identity.multiaddrs import Multiaddr

__all__ = ["answer_punch", "open_punch"]


async def open_punch(stream: Stream, opener: Opener, timeout: float) -> tuple[list[Multiaddr], float]:
    """Lead the exchange on ``stream``; return whom to dial, and in how many seconds from now.

    Raises:
        DeadlineExceeded: it took longer than ``timeout`` seconds.
        ProtocolViolation: the peer broke the rules.
        StreamError: the stream or the connection ended.
    """
    try:
        async with asyncio.timeout(timeout), stream:
            stream.write_frame(opener.connect(monotonic()))
            answer = await stream.read_frame(MAX_MESSAGE)
            sync, addresses, delay = opener.receive(answer, monotonic())
            stream.write_frame(sync)
    except TimeoutError as error:
        raise DeadlineExceeded(f"the peer did not answer the CONNECT within {timeout:g} s") from error
    return addresses, delay


async def answer_punch(stream: Stream, answerer: Answerer, timeout: float) -> list[Multiaddr]:
    """Take part in the exchange on ``stream``; return whom to dial now.

    Raises:
        DeadlineExceeded: it took longer than ``timeout`` seconds.
        ProtocolViolation: the peer broke the rules.
        StreamError: the stream or the connection ended.
    """
    try:
        async with asyncio.timeout(timeout):
            stream.write_frame(answerer.receive_connect(await stream.read_frame(MAX_MESSAGE)))
            answerer.receive_sync(await stream.read_frame(MAX_MESSAGE))
    except TimeoutError as error:
        raise DeadlineExceeded(f"the exchange took longer than {timeout:g} s") from error
    return answerer.addresses
