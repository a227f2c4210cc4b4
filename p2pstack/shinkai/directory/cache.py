"""A directory that remembers for a while what another one said (SHK-66, SHK-67).

Whoever asks for a name that is being asked for already waits for the same answer. A lookup goes on when those who wait
for it give up: its answer is remembered for the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from p2pstack.errors import DeadlineExceeded, LimitExceeded
from p2pstack.shinkai.directory.config import CacheConfig
from p2pstack.shinkai.directory.errors import DirectoryUnavailable, IdentityNotFound
from p2pstack.shinkai.directory.interface import Directory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["CachedDirectory"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record, or None for a name that nobody has, and when that was said."""

    record: IdentityRecord | None
    since: float


class CachedDirectory:
    """What ``inner`` said, for a while. ``clock`` gives seconds."""

    def __init__(
        self, inner: Directory, config: CacheConfig | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config or CacheConfig()
        self._inner = inner
        self._clock = clock
        self._entries: OrderedDict[ShinkaiName, _Entry] = OrderedDict()
        self._lookups: dict[ShinkaiName, asyncio.Task[IdentityRecord]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._entries)

    async def lookup(self, name: ShinkaiName) -> IdentityRecord:
        """Return what is known of the node of ``name``.

        Raises:
            IdentityNotFound: nothing is.
            InvalidIdentity: what is registered can't be used; that is not remembered.
            DirectoryUnavailable: nobody knows, or the directory is closed.
            LimitExceeded: too many names are being looked up (``max_lookups``).
            DeadlineExceeded: it took longer than ``timeout`` seconds.
        """
        node = name.node
        entry = self._entries.get(node)
        if entry is not None:
            self._entries.move_to_end(node)
            age = self._clock() - entry.since
            if entry.record is None:
                if age < self.config.unknown:
                    raise IdentityNotFound(f"nobody is known as {node.node_name}")
            elif age < self.config.fresh:
                return entry.record
            elif age < self.config.stale:
                if node not in self._lookups and len(self._lookups) < self.config.max_lookups and not self._closed:
                    self._begin(node)
                return entry.record
        return await self._wait(node)

    def forget(self, name: ShinkaiName) -> None:
        """Ask again at the next lookup of the node of ``name``: what is known of it turned out to be wrong."""
        self._entries.pop(name.node, None)

    async def close(self) -> None:
        """End the lookups that are under way, and the directory inside."""
        self._closed = True
        tasks = list(self._lookups.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._inner.close()

    async def _wait(self, node: ShinkaiName) -> IdentityRecord:
        task = self._lookups.get(node)
        if task is None:
            if self._closed:
                raise DirectoryUnavailable("the directory is closed")
            if len(self._lookups) >= self.config.max_lookups:
                raise LimitExceeded("max_lookups", self.config.max_lookups)
            task = self._begin(node)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and self._closed:
                raise DirectoryUnavailable("the directory was closed") from None
            raise

    def _begin(self, node: ShinkaiName) -> asyncio.Task[IdentityRecord]:
        task = asyncio.get_running_loop().create_task(self._ask(node), name=f"look up {node.node_name}")
        self._lookups[node] = task
        task.add_done_callback(lambda task: self._ended(node, task))
        return task

    def _ended(self, node: ShinkaiName, task: asyncio.Task[IdentityRecord]) -> None:
        del self._lookups[node]
        if not task.cancelled():
            task.exception()  # those who wait have it; where nobody does it is of no use

    async def _ask(self, node: ShinkaiName) -> IdentityRecord:
        record: IdentityRecord | None = None
        try:
            async with asyncio.timeout(self.config.timeout):
                record = await self._inner.lookup(node)
        except IdentityNotFound:
            self._remember(node, None)
            raise
        except TimeoutError as error:
            raise DeadlineExceeded(f"looking {node.node_name} up took longer than {self.config.timeout} s") from error
        self._remember(node, record)
        return record

    def _remember(self, node: ShinkaiName, record: IdentityRecord | None) -> None:
        self._entries[node] = _Entry(record, self._clock())
        self._entries.move_to_end(node)
        if len(self._entries) > self.config.max_entries:
            self._entries.popitem(last=False)
