"""Answering others (KAD-03, KAD-07, KAD-08; specs/kad.md). Hot path, guarded by the row group ``kad``."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import time

from p2pstack.aio.stream import Stream
from p2pstack.errors import DecodeError, ProtocolViolation, StreamEOF, StreamTimeout
from p2pstack.kad.messages import Message, decode
from p2pstack.kad.responder import Responder
from p2pstack.services.kad.config import KademliaConfig
from p2pstack.services.kad.messenger import frame_of

__all__ = ["Server"]


class Server:
    """Serves streams: request after request, in their order, until the peer ends its side."""

    def __init__(self, responder: Responder, config: KademliaConfig, counters: Counter[str]) -> None:
        self._responder = responder
        self._config = config
        self._counters = counters
        self._streams: set[Stream] = set()

    def __len__(self) -> int:
        """Streams that are served now."""
        return len(self._streams)

    async def serve(self, stream: Stream) -> None:
        """Answer the requests on a stream; what breaks a rule raises, and resets it.

        Raises:
            ProtocolViolation: a request is to be refused.
            StreamTimeout: none came in time.
        """
        self._streams.add(stream)
        try:
            while (data := await self._next(stream)) is not None:
                answer = self._answer(stream, data)
                if answer is not None:
                    stream.write(frame_of(answer))
                    await stream.drain()
        finally:
            self._streams.discard(stream)

    async def _next(self, stream: Stream) -> bytes | None:
        """Return the next request; None at the end."""
        limit = asyncio.timeout(self._config.idle_timeout)
        try:
            async with limit:
                return await stream.read_frame(self._config.kad.max_received)
        except StreamEOF as error:
            if not error.partial:
                return None
            raise
        except TimeoutError as error:
            if isinstance(error, StreamTimeout):
                raise
            raise StreamTimeout(f"no request within {self._config.idle_timeout:g} s") from error

    def _answer(self, stream: Stream, data: bytes) -> Message | None:
        try:
            request = decode(data, self._config.kad)
            self._counters[f"served.{request.type.name}"] += 1
            return self._responder.respond(request, stream.peer_id, time())
        except DecodeError as error:
            self._counters["refused"] += 1
            raise ProtocolViolation("kad", str(error), requirement=error.requirement) from error
        except ProtocolViolation:
            self._counters["refused"] += 1
            raise

    def reset(self) -> None:
        """End all streams: the node is a client from now on (KAD-03)."""
        for stream in list(self._streams):
            stream.reset()
