"""Several tasks that wait for the same thing."""

from __future__ import annotations

import asyncio

__all__ = ["WaitingList"]


class WaitingList:
    """Futures that are all ended at once."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: list[asyncio.Future[None]] = []

    def __bool__(self) -> bool:
        return bool(self._futures)

    def join(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Return a future that :meth:`wake` will end; those that were given up are forgotten."""
        future = loop.create_future()
        self._futures = [other for other in self._futures if not other.done()]
        self._futures.append(future)
        return future

    def wake(self) -> None:
        """Let everyone go on that waits."""
        futures, self._futures = self._futures, []
        for future in futures:
            if not future.done():
                future.set_result(None)
