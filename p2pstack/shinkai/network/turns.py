"""Whose message goes next to a peer: by priority, within its bandwidth, so many at once (SHK-71; specs/shinkai.md)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from math import isinf
from time import monotonic

from p2pstack.errors import HostClosed
from p2pstack.shinkai.limits.bandwidth import Bandwidth, Priority
from p2pstack.shinkai.limits.outbox import Outbox

__all__ = ["Turns"]


class Turns:
    """Hands out turns. A key stands for a peer, or for the topic of one."""

    def __init__(self, bandwidth: Bandwidth, concurrent: int) -> None:
        self._outbox: Outbox[asyncio.Future[None]] = Outbox(bandwidth)
        self._concurrent = concurrent
        self._running: Counter[Hashable] = Counter()
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._outbox)

    @property
    def running(self) -> int:
        """Turns that somebody has now."""
        return self._running.total()

    @contextlib.asynccontextmanager
    async def turn(self, key: Hashable, size: int, priority: Priority) -> AsyncIterator[None]:
        """Wait until ``size`` bytes may go to ``key``; the turn lasts as long as the block.

        Raises:
            LimitExceeded: too much waits for it (``waiting``, ``waiting_bytes``), or for too many (``waiting_peers``).
            HostClosed: the manager was stopped.
        """
        if self._closed:
            raise HostClosed("the manager was stopped")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outbox.push(key, future, size, priority)
        self._hand_out(key)
        try:
            await future
        except asyncio.CancelledError:
            if not future.cancelled() and future.exception() is None:
                self._release(key)
            raise
        try:
            yield
        finally:
            self._release(key)

    def close(self) -> None:
        """End the waiting of all, with HostClosed."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for key in self._outbox.peers:
            for future in self._outbox.drop(key):
                if not future.done():
                    future.set_exception(HostClosed("the manager was stopped"))

    def _release(self, key: Hashable) -> None:
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
        self._hand_out(key)

    def _hand_out(self, key: Hashable) -> None:
        """Let those go whose turn it is; look again once the bandwidth allows more."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        while self._running[key] < self._concurrent:
            future, wait = self._outbox.pop(key, monotonic())
            if future is None:
                if not isinf(wait):
                    self._timers[key] = asyncio.get_running_loop().call_later(wait, self._hand_out, key)
                break
            if not future.done():
                self._running[key] += 1
                future.set_result(None)
        if not self._running[key]:
            del self._running[key]
