"""What the program reads of its messages: an async iterator that gives each out until it was taken (SHK-94)."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from p2pstack.errors import P2PError
from p2pstack.shinkai import json_form
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node.results import ReceivedMessage
from p2pstack.shinkai.node.store import Kind, MessageStore, StoredMessage

__all__ = ["InboxReader"]

_LOOK_AGAIN = 3_600.0
"""Seconds after which a reader looks even though nothing was announced."""


class InboxReader:
    """Messages as they come, oldest first; those that wait since before the start included. It never ends by itself.

    Asking for the next message takes the one before. Where the reader is left, its last message stays, and is given
    out again, unless its ``done`` was awaited.
    """

    def __init__(
        self, store: MessageStore, *, inbox: str | None = None, kinds: Sequence[Kind] = tuple(Kind), prefetch: int = 64
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._kinds = tuple(kinds)
        self._prefetch = prefetch
        self._waiting: deque[StoredMessage] = deque()
        self._last: int | None = None
        self._taking: set[asyncio.Task[None]] = set()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReceivedMessage:
        stored = await self.next_stored()
        return received(stored, functools.partial(self._done, stored.seq))

    async def next_stored(self) -> StoredMessage:
        """Return the next message as the store has it, and take the one before.

        Raises:
            StopAsyncIteration: the reader was closed.
        """
        if self._last is not None:
            self._take_in_background(self._last)
            self._last = None
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            seen = self._store.arrivals.count
            messages, wait = await self._store.give(self._prefetch, inbox=self._inbox, kinds=self._kinds)
            self._waiting.extend(messages)
            if not messages:
                await self._store.arrivals.wait(seen, _LOOK_AGAIN if wait is None else wait)
        stored = self._waiting.popleft()
        self._last = stored.seq
        return stored

    def leave(self) -> None:
        """Leave the last message to others: it is not taken by asking for the next one."""
        self._last = None

    async def aclose(self) -> None:
        """Put back what was not given to the program, and end. Messages that were taken are noted when this returns."""
        self._closed = True
        self._put_back()
        if self._taking:
            await asyncio.wait(self._taking)
        self._store.announce()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._put_back()

    def _put_back(self) -> None:
        seqs = [message.seq for message in self._waiting]
        if self._last is not None:
            seqs.append(self._last)
        self._waiting.clear()
        self._last = None
        if seqs:
            self._store.put_back(seqs)

    async def _done(self, seq: int) -> None:
        if self._last == seq:
            self._last = None
        await self._store.take(seq)

    def _take_in_background(self, seq: int) -> None:
        """Note that a message was taken, together with others, without letting the next one wait for the disk."""
        task = asyncio.get_running_loop().create_task(self._take(seq))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take(self, seq: int) -> None:
        try:
            await self._store.take(seq)
        except P2PError:
            # It is given out again, as after a crash.
            self._store.put_back([seq])


def received(stored: StoredMessage, done: Callable[[], Awaitable[None]]) -> ReceivedMessage:
    """Return a message of the store as the program sees it."""
    return ReceivedMessage(
        key=stored.key,
        message=json_form.decode(stored.message, max_size=len(stored.message)),
        sender=ShinkaiName.parse(stored.sender),
        inbox=stored.inbox,
        via=stored.via,
        received_at=stored.at,
        redelivered=stored.deliveries > 0,
        done=done,
    )
