"""A subscription: the messages of one topic, as an async iterator over a bounded queue (specs/gossipsub.md)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from p2pstack.errors import ConfigError, LocalError
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.host.events import Event
from p2pstack.services.gossipsub.events import MessagesDropped

__all__ = ["Subscription"]


class Subscription:
    """The messages of ``topic`` from now on, each once, those of our own included; made by :meth:`Gossipsub.subscribe`.

    Iterate over it with ``async for``, in one task; the iteration ends when the subscription or pubsub is closed and
    everything queued was read. The queue holds at most ``max_messages`` and ``max_bytes``. When its reader falls
    behind, the oldest messages are dropped, counted in ``dropped``, and told as :class:`MessagesDropped`. Use it with
    ``async with``, or close it: the topic is left with its last subscription.
    """

    __slots__ = (
        "_closed", "_emit", "_max_bytes", "_max_messages", "_on_close", "_queue", "_size", "_told", "_waiter",
        "dropped", "topic",
    )  # fmt: skip

    def __init__(
        self,
        topic: str,
        *,
        max_messages: int,
        max_bytes: int,
        emit: Callable[[Event], None],
        on_close: Callable[[Subscription], None],
    ) -> None:
        if max_messages < 1 or max_bytes < 1:
            raise ConfigError("max_messages and max_bytes must be positive")
        self.topic = topic
        self.dropped = 0
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._emit = emit
        self._on_close = on_close
        self._queue: deque[Incoming] = deque()
        self._size = 0
        self._told = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        """Bytes of messages that wait to be read."""
        return self._size

    @property
    def closed(self) -> bool:
        """Whether nothing comes any more."""
        return self._closed

    def put(self, message: Incoming) -> None:
        """Queue a message; called by pubsub."""
        queue = self._queue
        size = len(message.message.encoded)
        queue.append(message)
        self._size += size
        if len(queue) > self._max_messages or self._size > self._max_bytes:
            self._drop()
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _drop(self) -> None:
        """Drop the oldest messages until the rest fits; the newest always stays."""
        queue = self._queue
        while len(queue) > 1 and (len(queue) > self._max_messages or self._size > self._max_bytes):
            self._size -= len(queue.popleft().message.encoded)
            self.dropped += 1
        if not self._told:
            self.report()

    def report(self) -> None:
        """Tell of the losses that were not told yet; called at each heartbeat."""
        count = self.dropped - self._told
        if count:
            self._told = self.dropped
            self._emit(MessagesDropped(topic=self.topic, count=count, total=self.dropped))

    def close(self) -> None:
        """Take nothing any more; what is queued can still be read. Idempotent."""
        if not self._closed:
            self._closed = True
            self._on_close(self)
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Incoming:
        queue = self._queue
        while not queue:
            if self._closed:
                raise StopAsyncIteration
            if self._waiter is not None and not self._waiter.done():
                raise LocalError("another task reads from this subscription")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message = queue.popleft()
        self._size -= len(message.message.encoded)
        return message

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
