"""Messages that came in and wait to be worked on, on disk until that is done (SHK-46 to SHK-48).

A job is worked on at least once: it is gone only when its worker has said so, and comes back when that worker's lease
is over or its process has ended. It is accepted once: a copy that arrives within the replay window is told apart by its
key, also long after the job was done.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.frames import MessageType
from p2pstack.shinkai.storage.config import JobConfig
from p2pstack.shinkai.storage.leased_queue import LeasedQueue
from p2pstack.shinkai.storage.leases import Table
from p2pstack.storage.database import Database

__all__ = ["JobEntry", "JobQueue", "NetworkJob"]

_COLUMNS = ("receiver_address", "unsafe_sender_address", "message_type", "date_created", "content")

_PRUNED = 4
"""Keys whose window is over that are forgotten with each new one: more than come, so that none stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkJob:
    """A message as it came in, with the fields that the original's jobs have (SHK-46).

    ``receiver_address`` is where this node listens, ``unsafe_sender_address`` where the message seemed to come from:
    real for TCP, made up for libp2p (SHK-09), and never to be trusted. ``date_created`` is in seconds since 1970.
    """

    receiver_address: Endpoint
    unsafe_sender_address: Endpoint
    message_type: MessageType
    content: bytes
    date_created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """A job that was taken: the worker has it alone until it is done or failed, or the lease is over."""

    key: str
    attempts: int
    job: NetworkJob


class JobQueue(LeasedQueue):
    """The jobs of a node."""

    def __init__(
        self, database: Database, config: JobConfig | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.config = config or JobConfig()
        super().__init__(database, Table("job", _COLUMNS, self.config), clock)

    async def add(self, job: NetworkJob, *, key: str) -> bool:
        """Accept a job: once this returns True it is worked on, whatever happens to the process.

        Args:
            job: the message.
            key: by which copies of it are told apart. It must be made of more than the signature, which a stranger can
                copy: see :func:`p2pstack.shinkai.storage.replay.message_key`.

        Returns:
            False for a copy of one that was accepted within the replay window, or is still here.

        Raises:
            LimitExceeded: the queue is full: ``job_rows``, ``job_bytes``, ``job_size``, ``storage_pending``.
            DeadlineExceeded: it took too long; the job may be accepted or not, and adding it again is safe.
            LocalError: the key is empty or too long, or the file is closed.
        """
        now = self._clock()
        values: dict[str, object] = {
            "due": now,
            "receiver_address": str(job.receiver_address),
            "unsafe_sender_address": str(job.unsafe_sender_address),
            "message_type": int(job.message_type),
            "date_created": job.date_created,
            "content": job.content,
        }

        def operation(connection: sqlite3.Connection) -> bool:
            if self._is_known(connection, key, now):
                return False
            self._table.insert(connection, key, len(job.content), values, now, leased=False)
            self._remember(connection, key, now)
            return True

        new = await self._database.run(operation)
        if new:
            self._arrivals.announce()
        return new

    async def take(self, limit: int = 1, *, timeout: float = 0.0) -> list[JobEntry]:
        """Take up to ``limit`` jobs in the order in which they came; wait for the first up to ``timeout`` seconds.

        Each is counted as an attempt, and nobody else gets it for ``config.lease`` seconds. If the caller is cancelled
        in here, what it would have got comes back after that time.
        """
        return [_entry(row) for row in await self._take(limit, timeout)]

    async def done(self, key: str, *, forget: bool = False) -> bool:
        """Remove a job that was worked on, whoever has it; whether it was still there.

        Args:
            key: the job's.
            forget: don't know it again. For what turned out to be forged: it is refused again as quickly, and must not
                take the place of those that have to be known.
        """

        def operation(connection: sqlite3.Connection) -> bool:
            if forget:
                connection.execute("DELETE FROM seen WHERE key = ?", (key,))
            return self._table.remove(connection, key)

        return await self._database.run(operation)

    async def seen(self) -> int:
        """Return how many messages would be known again."""
        row: tuple[int] = await self._database.run(
            lambda connection: connection.execute("SELECT rows FROM totals WHERE name = 'seen'").fetchone()
        )
        return row[0]

    def _is_known(self, connection: sqlite3.Connection, key: str, now: float) -> bool:
        row = connection.execute(
            "SELECT 1 FROM seen WHERE key = ? AND at > ? UNION ALL SELECT 1 FROM job WHERE key = ? LIMIT 1",
            (key, now - self.config.replay_window, key),
        ).fetchone()
        return row is not None

    def _remember(self, connection: sqlite3.Connection, key: str, now: float) -> None:
        connection.execute("DELETE FROM seen WHERE key = ?", (key,))
        connection.execute("INSERT INTO seen VALUES (?, ?)", (key, now))
        connection.execute(
            "DELETE FROM seen WHERE key IN (SELECT key FROM seen WHERE at <= ? ORDER BY at LIMIT ?)",
            (now - self.config.replay_window, _PRUNED),
        )
        connection.execute(
            "DELETE FROM seen WHERE key IN (SELECT key FROM seen ORDER BY at"
            " LIMIT max(0, (SELECT rows FROM totals WHERE name = 'seen') - ?))",
            (self.config.max_seen,),
        )


def _entry(row: tuple[Any, ...]) -> JobEntry:
    key, attempts, _, _, receiver, sender, kind, date_created, content = row
    job = NetworkJob(
        receiver_address=Endpoint.parse(receiver),
        unsafe_sender_address=Endpoint.parse(sender),
        message_type=MessageType(kind),
        content=content,
        date_created=date_created,
    )
    return JobEntry(key=key, attempts=attempts, job=job)
