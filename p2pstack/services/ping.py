"""ping: 32 random bytes out, the same bytes back (specs/ping.md). The responder is a hot path.

Guarded by the row ``ping`` of ``python -m benchmarks``.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from functools import partial
from time import perf_counter

from p2pstack.aio.stream import Stream
from p2pstack.aio.tasks import background
from p2pstack.errors import DeadlineExceeded, ProtocolViolation, StreamEOF, StreamError, StreamTimeout
from p2pstack.host.events import EventStream, PeerDisconnected
from p2pstack.host.host import BaseHost, Target
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.config import PingConfig

__all__ = ["PING", "SIZE", "PingService", "respond"]

PING = "/ipfs/ping/1.0.0"

SIZE = 32
"""Bytes of a ping."""

_DRAIN_FROM = 65_536
"""Unsent bytes at which the responder waits: a peer that pings without reading the echoes."""


async def respond(stream: Stream, *, idle_timeout: float) -> None:
    """Echo whole pings, however they are cut, until the peer ends its side (PING-03, PING-04). HOT PATH.

    A silence of ``idle_timeout`` seconds ends it too (PING-05). A rest of less than 32 bytes at the end is dropped.
    """
    stream.timeout = idle_timeout
    rest = b""
    try:
        while data := await stream.read():
            if rest:
                data = rest + data
            size = len(data)
            extra = size % SIZE
            if extra:
                size -= extra
                rest = data[size:]
                stream.write(data[:size])
            else:
                rest = b""
                stream.write(data)
            if stream.unsent_size > _DRAIN_FROM:
                await stream.drain()
    except StreamTimeout:
        return


class _Conversation:
    """The one outbound ping stream of a peer, and whose turn it is on it (PING-02)."""

    __slots__ = ("lock", "stream")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.stream: Stream | None = None


class PingService:
    """Answers pings, and pings. Made by :class:`p2pstack.Host`."""

    def __init__(self, host: BaseHost, config: PingConfig | None = None) -> None:
        self.config = config or PingConfig()
        self._host = host
        self._conversations: dict[PeerId, _Conversation] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._events: EventStream | None = None
        responder = partial(respond, idle_timeout=self.config.idle_timeout)
        host.handle(PING, responder, eager=True, max_streams=self.config.max_streams, relayed=True)

    async def start(self) -> None:
        """Nothing to do: what is needed begins with the first ping."""

    async def stop(self) -> None:
        """End the ping streams."""
        if self._events is not None:
            self._events.close()
        if self._watcher is not None:
            await self._watcher
        for conversation in self._conversations.values():
            if conversation.stream is not None:
                conversation.stream.reset()
        self._conversations.clear()

    async def ping(self, target: Target, *, timeout: float | None = None) -> float:
        """Return the round trip to a peer in seconds, through all layers; dials it if need be.

        The stream is kept for the next ping and opened anew when the peer has ended it. Pings of one peer wait for
        each other. A target without a peer id is dialled each time.

        Raises:
            DeadlineExceeded: no echo within ``timeout`` seconds (default: the configuration's).
            ProtocolViolation: the echo differs from what was sent (PING-01).
            ProtocolNotSupported: the peer doesn't speak ping.
            DialError: it can't be reached.
            StreamError: the stream or the connection ended meanwhile.
        """
        seconds = self.config.timeout if timeout is None else timeout
        peer = (await self._host.connect(target)).peer_id
        conversation = self._conversations.get(peer)
        if conversation is None:
            conversation = self._conversations[peer] = _Conversation()
            self._watch()
        async with conversation.lock:
            former = conversation.stream
            if former is not None and self._is_of_use(former):
                # The peer may end an idle stream at any time, even while the ping is under way (PING-05).
                with contextlib.suppress(StreamError):
                    return await _exchange(former, seconds)
            if former is not None:
                former.finish()
            stream = conversation.stream = await self._host.open_stream(peer, PING, timeout=seconds, relayed=True)
            return await _exchange(stream, seconds)

    def _is_of_use(self, stream: Stream) -> bool:
        """Whether a stream is open, and passes no relay without need."""
        if stream.eof or stream.failure is not None:
            return False
        best = self._host.network.best(stream.peer_id)
        return not stream.connection.relayed or (best is not None and best.relayed)

    def _watch(self) -> None:
        """See to it that nothing is kept of peers that are gone."""
        if self._watcher is None:
            self._events = self._host.events(PeerDisconnected)
            self._watcher = background(self._forget_the_gone(self._events), "ping")

    async def _forget_the_gone(self, events: EventStream) -> None:
        async for event in events:
            # By the time that this runs the peer may have come back.
            if isinstance(event, PeerDisconnected) and not self._host.connections(event.peer):
                self._conversations.pop(event.peer, None)


async def _exchange(stream: Stream, timeout: float) -> float:
    """Send one ping and wait for its echo; without it the stream is reset, since a late one would mislead."""
    try:
        return await _round_trip(stream, timeout)
    except StreamTimeout as error:
        stream.reset()
        raise DeadlineExceeded(f"no echo within {timeout:g} s") from error
    except BaseException:
        stream.reset()
        raise


async def _round_trip(stream: Stream, timeout: float) -> float:
    payload = secrets.token_bytes(SIZE)
    stream.timeout = timeout
    started = perf_counter()
    stream.write(payload)
    echo = await stream.read(SIZE)
    while len(echo) < SIZE:
        if stream.eof and not stream.received:
            raise StreamEOF(echo, SIZE)
        stream.timeout = max(0.001, timeout - (perf_counter() - started))
        echo += await stream.read(SIZE - len(echo))
    elapsed = perf_counter() - started
    if echo != payload or stream.received:
        raise ProtocolViolation("ping", "the echo differs from what was sent", requirement="PING-01")
    return elapsed
