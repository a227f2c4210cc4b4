"""Tries again what was accepted and not delivered: after failures, and after a restart (SHK-83)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from p2pstack.errors import P2PError
from p2pstack.shinkai.node.outgoing import Outcome
from p2pstack.shinkai.storage.retry_queue import RetryEntry, RetryQueue

__all__ = ["RetryWorker"]

logger = logging.getLogger("p2pstack.shinkai")

_WAIT = 60.0
"""Seconds that the worker waits for messages at a time."""

_AT_ONCE = 16
"""Messages that go to one recipient at the same time, once the first has arrived."""

_AHEAD = 4
"""Batches that may wait for their recipients' turn before no more are taken."""


class RetryWorker:
    """Takes messages that are due. ``attempt`` tries one and notes what came of it, ``give_up`` notes only the latter.

    Each recipient is tried with one message first: those that are not there cost one attempt, however many wait.
    """

    def __init__(
        self,
        queue: RetryQueue,
        attempt: Callable[[RetryEntry], Awaitable[Outcome]],
        give_up: Callable[[RetryEntry, Outcome], Awaitable[None]],
        *,
        batch: int,
        peers: int,
    ) -> None:
        self._queue = queue
        self._attempt = attempt
        self._give_up = give_up
        self._batch = batch
        self._turns = asyncio.Semaphore(peers)
        self._lanes: dict[str, deque[RetryEntry]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._room = asyncio.Event()
        self._room.set()

    async def run(self) -> None:
        """Work for ever; where the file fails, again after a second."""
        try:
            while True:
                await self._room.wait()
                try:
                    entries = await self._queue.take(self._batch, timeout=_WAIT)
                except P2PError as error:
                    logger.warning("messages can't be taken from the queue: %s", error)
                    await asyncio.sleep(1.0)
                    continue
                for entry in entries:
                    self._sort(entry)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def _sort(self, entry: RetryEntry) -> None:
        lane = self._lanes.get(entry.recipient)
        if lane is None:
            lane = self._lanes[entry.recipient] = deque()
            task = asyncio.get_running_loop().create_task(self._work(entry.recipient, lane))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        lane.append(entry)
        self._waiting += 1
        if self._waiting >= self._batch * _AHEAD:
            self._room.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The messages come back when their leases are over.
            logger.error("trying messages again failed", exc_info=error)

    async def _work(self, recipient: str, lane: deque[RetryEntry]) -> None:
        try:
            async with self._turns:
                while lane:
                    first = lane.popleft()
                    outcome = await self._attempt(first)
                    self._finished(1)
                    rest = [lane.popleft() for _ in range(len(lane))]
                    if outcome.unreachable or outcome.reason == "unknown-identity":
                        for entry in rest:
                            await self._give_up(entry, outcome)
                    else:
                        await self._deliver(rest)
                    self._finished(len(rest))
        finally:
            self._finished(len(lane))
            if self._lanes.get(recipient) is lane:
                del self._lanes[recipient]

    async def _deliver(self, entries: Sequence[RetryEntry]) -> None:
        for start in range(0, len(entries), _AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for entry in entries[start : start + _AT_ONCE]:
                    group.create_task(self._one(entry))

    async def _one(self, entry: RetryEntry) -> None:
        await self._attempt(entry)

    def _finished(self, count: int) -> None:
        self._waiting -= count
        if self._waiting < self._batch * _AHEAD:
            self._room.set()
