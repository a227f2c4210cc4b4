"""What a host tells: typed events, delivered to any number of listeners through bounded queues."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from p2pstack.aio.connection import Connection
from p2pstack.errors import DeadlineExceeded, DialError, P2PError
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId

__all__ = [
    "AddressesChanged",
    "ConnectionEnded",
    "ConnectionOpened",
    "DialFailed",
    "Event",
    "EventBus",
    "EventStream",
    "PeerConnected",
    "PeerDisconnected",
    "ProtocolsChanged",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOpened(Event):
    """A connection is upgraded; fires before :class:`PeerConnected`."""

    connection: Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionEnded(Event):
    """A connection that had been opened is gone; fires before :class:`PeerDisconnected`."""

    connection: Connection
    reason: P2PError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConnected(Event):
    """The first connection to a peer is open (GEN-11)."""

    peer: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDisconnected(Event):
    """The last connection to a peer is gone (GEN-11)."""

    peer: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class DialFailed(Event):
    """``connect`` did not reach a peer, for the reason ``error``; each caller of a shared dial has its own event."""

    peer: PeerId
    error: DialError | DeadlineExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressesChanged(Event):
    """The host listens elsewhere than before, or believes in other addresses of its own."""

    addresses: tuple[Multiaddr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolsChanged(Event):
    """The host serves other protocols than before."""

    protocols: tuple[str, ...]


class EventStream:
    """One listener: an async iterator over events, which ends when it or the host is closed.

    The queue is bounded. When the listener falls behind, the oldest events are dropped and counted in ``dropped``.
    Use it with ``async with``, or close it.
    """

    def __init__(self, bus: EventBus, types: tuple[type[Event], ...], size: int) -> None:
        self.dropped = 0
        self._bus = bus
        self._types = types
        self._queue: deque[Event] = deque(maxlen=size)
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def put(self, event: Event) -> None:
        """Queue ``event`` if the listener asked for its type; called by the bus."""
        if self._types and not isinstance(event, self._types):
            return
        if len(self._queue) == self._queue.maxlen:
            self.dropped += 1
        self._queue.append(event)
        self._wake()

    def close(self) -> None:
        """Stop listening; what is queued can still be read. Idempotent."""
        self._closed = True
        self._bus.forget(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._queue.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class EventBus:
    """Hands each event to every listener that asked for its type."""

    def __init__(self, queue_size: int) -> None:
        self._queue_size = queue_size
        self._listeners: list[EventStream] = []
        self._closed = False

    def listen(self, *types: type[Event]) -> EventStream:
        """Return a new listener for events of ``types`` (none given: all); after the end, one that ends at once."""
        stream = EventStream(self, types, self._queue_size)
        self._listeners.append(stream)
        if self._closed:
            stream.close()
        return stream

    def emit(self, event: Event) -> None:
        """Hand out ``event``. Never blocks."""
        for listener in self._listeners:
            listener.put(event)

    def forget(self, stream: EventStream) -> None:
        """Remove a listener."""
        if stream in self._listeners:
            self._listeners.remove(stream)

    def close(self) -> None:
        """End every listener."""
        self._closed = True
        for listener in list(self._listeners):
            listener.close()
