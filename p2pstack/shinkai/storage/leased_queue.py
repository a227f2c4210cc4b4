"""What a queue on disk is for those who use it: taking with a wait, failing, dead entries (SHK-43, SHK-47)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from p2pstack.shinkai.storage.arrivals import Arrivals
from p2pstack.shinkai.storage.leases import DeadEntry, QueueStats, Table, Verdict
from p2pstack.storage.database import Database

__all__ = ["LeasedQueue"]


class LeasedQueue:
    """A queue in the table ``table``; ``clock`` gives seconds since 1970.

    Every call raises StorageError where the file can't be read or written, DeadlineExceeded where the disk takes too
    long, LimitExceeded (``storage_pending``) where too many calls wait for it, LocalError where the file is closed.
    """

    def __init__(self, database: Database, table: Table, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._table = table
        self._clock = clock
        self._arrivals = Arrivals()

    async def _take(self, limit: int, timeout: float) -> list[tuple[Any, ...]]:
        """Take what is due, or wait for it up to ``timeout`` seconds and return nothing."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while True:
            seen = self._arrivals.count
            now = self._clock()
            rows, next_due = await self._database.run(
                lambda connection, now=now: self._table.take(connection, now, limit)  # type: ignore[misc]
            )
            left = until - loop.time()
            if rows or left <= 0:
                return rows
            await self._arrivals.wait(seen, left if next_due is None else min(left, max(0.0, next_due - now)))

    async def failed(self, key: str, attempts: int, error: str, *, final: bool = False) -> Verdict | None:
        """Give an entry back whose attempt number ``attempts`` failed; ``final``: don't try again, it was refused.

        Returns:
            When it is tried again, or why not; None where this attempt's lease is over, and nothing was changed.
        """
        now = self._clock()
        verdict = await self._database.run(
            lambda connection: self._table.fail(connection, key, attempts, error, now, final=final)
        )
        if verdict is not None and verdict.due is not None:
            self._arrivals.announce()  # those who wait have to look when this one is due
        return verdict

    async def renew(self, key: str, attempts: int) -> bool:
        """Make the lease of attempt number ``attempts`` last from now anew; False where it is over."""
        now = self._clock()
        return await self._database.run(lambda connection: self._table.renew(connection, key, attempts, now))

    async def dead_letters(self, *, after: int = 0, limit: int = 100) -> list[DeadEntry]:
        """Return up to ``limit`` entries that are not tried any more, in the order in which they were accepted.

        ``after`` is the ``seq`` of the last one that was seen.
        """
        return await self._database.run(lambda connection: self._table.dead(connection, after, limit))

    async def retry(self, key: str) -> bool:
        """Let a dead entry begin anew, at once; whether there is one of this key.

        Raises:
            LimitExceeded: the queue is full.
        """
        now = self._clock()
        found = await self._database.run(lambda connection: self._table.revive(connection, key, now))
        if found:
            self._arrivals.announce()
        return found

    async def drop(self, key: str) -> bool:
        """Remove an entry, alive or dead, whoever has it; whether there was one of this key."""
        return await self._database.run(lambda connection: self._table.remove(connection, key))

    async def stats(self) -> QueueStats:
        """Return how much of the limits is taken."""
        return await self._database.run(self._table.stats)
