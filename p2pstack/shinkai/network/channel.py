"""The bounded channel by which a manager is asked (SHK-70; specs/shinkai.md)."""

from __future__ import annotations

import asyncio
from collections import deque

from p2pstack.aio.waiting import WaitingList
from p2pstack.errors import DeadlineExceeded, HostClosed, LimitExceeded
from p2pstack.shinkai.network.events import NetworkEvent

__all__ = ["EventChannel", "EventSender"]


class EventChannel:
    """The manager's end: events in the order in which they were sent."""

    def __init__(self, limit: int, timeout: float) -> None:
        self.limit = limit
        self.timeout = timeout
        self.closed = False
        self._events: deque[NetworkEvent] = deque()
        self._room = WaitingList()
        self._news = WaitingList()

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: NetworkEvent) -> None:
        """Add an event; there is room."""
        self._events.append(event)
        self._news.wake()

    async def room(self) -> None:
        """Wait until an event fits, or the channel is closed."""
        while len(self._events) >= self.limit and not self.closed:
            await self._room.join(asyncio.get_running_loop())

    async def get(self) -> NetworkEvent | None:
        """Return the next event; None once the channel is closed."""
        while not self._events:
            if self.closed:
                return None
            await self._news.join(asyncio.get_running_loop())
        self._room.wake()
        return self._events.popleft()

    def close(self) -> list[NetworkEvent]:
        """Take nothing any more; return the events that nobody took. Idempotent."""
        self.closed = True
        left = list(self._events)
        self._events.clear()
        self._room.wake()
        self._news.wake()
        return left


class EventSender:
    """The end that a program holds, and may hand to anybody."""

    def __init__(self, channel: EventChannel) -> None:
        self._channel = channel

    def __len__(self) -> int:
        return len(self._channel)

    async def send(self, event: NetworkEvent, *, timeout: float | None = None) -> None:
        """Send an event; wait for room up to ``timeout`` seconds (default: the configuration's ``event_timeout``).

        Raises:
            DeadlineExceeded: there was no room.
            HostClosed: the manager was stopped.
        """
        channel = self._channel
        seconds = channel.timeout if timeout is None else timeout
        if len(channel) >= channel.limit:
            try:
                async with asyncio.timeout(seconds):
                    await channel.room()
            except TimeoutError:
                raise DeadlineExceeded(f"no room in the channel of events within {seconds:g} s") from None
        self._put(event)

    def try_send(self, event: NetworkEvent) -> None:
        """Send an event at once.

        Raises:
            LimitExceeded: ``max_events`` wait already.
            HostClosed: the manager was stopped.
        """
        if not self._channel.closed and len(self._channel) >= self._channel.limit:
            raise LimitExceeded("max_events", self._channel.limit)
        self._put(event)

    def _put(self, event: NetworkEvent) -> None:
        if self._channel.closed:
            raise HostClosed("the manager was stopped")
        self._channel.put(event)
