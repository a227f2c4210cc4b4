"""Answering others (KAD-03, KAD-07, KAD-08, KAD-22). Hot path, guarded by the row group ``kad``."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import monotonic, time

from p2pstack.aio.alarm import NEVER, Alarm
from p2pstack.aio.stream import Stream
from p2pstack.errors import DecodeError, ProtocolViolation, StreamEOF
from p2pstack.kad.messages import Message, MessageType, decode
from p2pstack.kad.responder import Responder
from p2pstack.services.kad.config import KademliaConfig
from p2pstack.services.kad.messenger import frame_of
from p2pstack.yamux.frames import RESET_RESOURCE_LIMIT

__all__ = ["Server"]

_SERVED = {kind: f"served.{kind.name}" for kind in MessageType}
"""How the requests are counted."""


class Server:
    """Serves streams: request after request, in their order, until the peer ends its side.

    One alarm stands for all streams that wait: a timer for each request costs as much as its answer.
    """

    def __init__(self, responder: Responder, config: KademliaConfig, counters: Counter[str]) -> None:
        self._responder = responder
        self._config = config
        self._counters = counters
        self._streams: dict[Stream, float] = {}  # until when the next request must have come
        self._alarm: Alarm | None = None

    def __len__(self) -> int:
        """Streams that are served now."""
        return len(self._streams)

    async def serve(self, stream: Stream) -> None:
        """Answer the requests on a stream; what breaks a rule raises, and resets it, as does a request that is late.

        Raises:
            ProtocolViolation: a request is to be refused.
            StreamError: the stream was reset, or is gone.
        """
        if self._alarm is None:
            self._alarm = Alarm(asyncio.get_running_loop(), self._reset_the_late)
        if len(self._streams) >= self._config.max_served_streams:
            self._make_room()
        try:
            while (data := await self._next(stream)) is not None:
                answer = self._answer(stream, data)
                if answer is not None:
                    stream.write(frame_of(answer))
                    await stream.drain()
        finally:
            self._streams.pop(stream, None)

    async def _next(self, stream: Stream) -> bytes | None:
        """Return the next request; None at the end."""
        due = self._streams[stream] = monotonic() + self._config.idle_timeout
        if self._alarm is not None:
            self._alarm.at_latest(due)
        try:
            return await stream.read_frame(self._config.kad.max_request)
        except StreamEOF as error:
            if not error.partial:
                return None
            raise

    def _make_room(self) -> None:
        """End the stream that has been silent longest; who asks again does so on a new one (KAD-22)."""
        silent = min(self._streams, key=self._streams.__getitem__)
        del self._streams[silent]
        self._counters["evicted"] += 1
        silent.reset(RESET_RESOURCE_LIMIT)

    def _reset_the_late(self) -> None:
        now = monotonic()
        for stream in [each for each, due in self._streams.items() if due <= now]:
            self._counters["late"] += 1
            stream.reset()
            del self._streams[stream]
        if self._alarm is not None:
            self._alarm.at_latest(min(self._streams.values(), default=NEVER))

    def _answer(self, stream: Stream, data: bytes) -> Message | None:
        try:
            request = decode(data, self._config.kad)
            self._counters[_SERVED[request.type]] += 1
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
        if self._alarm is not None:
            self._alarm.cancel()
