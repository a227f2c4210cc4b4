"""Waiting for something to arrive in a queue, without missing what arrives in between."""

from __future__ import annotations

import asyncio

from p2pstack.aio.waiting import WaitingList

__all__ = ["Arrivals"]


class Arrivals:
    """Counts arrivals. Who found nothing waits for the count to differ from what it was before the look."""

    __slots__ = ("_waiting", "count")

    def __init__(self) -> None:
        self.count = 0
        self._waiting = WaitingList()

    def announce(self) -> None:
        """Something has arrived."""
        self.count += 1
        self._waiting.wake()

    async def wait(self, seen: int, timeout: float) -> None:
        """Return once the count is not ``seen``, or after ``timeout`` seconds."""
        if self.count != seen:
            return
        future = self._waiting.join(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            return
