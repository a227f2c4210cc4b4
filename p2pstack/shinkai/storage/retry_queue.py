"""Messages that are to be delivered, on disk until they are (SHK-43 to SHK-45).

::

    queue = RetryQueue(database)
    queued = await queue.add(encode(message), key=message_key(message), recipient="@@bob.shinkai", claim=True)
    # ... try to deliver it; then one of
    await queue.delivered(queued.key)
    verdict = await queue.failed(queued.key, queued.attempts, "connection refused")

A worker loops over :meth:`RetryQueue.take` for what others left: first attempts that failed, and those of a process
that has ended.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from p2pstack.errors import LocalError
from p2pstack.shinkai.storage.config import RetryConfig
from p2pstack.shinkai.storage.leased_queue import LeasedQueue
from p2pstack.shinkai.storage.leases import Table
from p2pstack.storage.database import Database

__all__ = ["Queued", "RetryEntry", "RetryQueue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Where a message stands in the queue.

    ``attempts`` counts those that were begun, with ``claim`` the caller's own; ``due`` is when it is tried next, in
    seconds since 1970. ``new`` is False where the message was there already: then nothing was changed, and nothing
    claimed. ``dead`` says why it is not tried any more, as in
    :class:`~p2pstack.shinkai.storage.leases.Verdict`; it is empty for one that is.
    """

    key: str
    recipient: str
    attempts: int
    due: float
    new: bool
    dead: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryEntry:
    """A message that was taken: the caller has it alone until it is delivered or failed, or the lease is over.

    Times are in seconds since 1970; ``message`` is as it goes on the wire; ``address`` is where the recipient was when
    it was sent, or empty; ``save`` asks for the message to be saved among the node's once it is sent.
    """

    key: str
    attempts: int
    created: float
    due: float
    recipient: str
    address: str
    save: bool
    message: bytes


class RetryQueue(LeasedQueue):
    """The messages of a node that are to be delivered."""

    def __init__(
        self, database: Database, config: RetryConfig | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.config = config or RetryConfig()
        super().__init__(database, Table("retry", ("recipient", "address", "save", "message"), self.config), clock)

    async def add(
        self,
        message: bytes,
        *,
        key: str,
        recipient: str,
        address: str = "",
        save: bool = True,
        delay: float = 0.0,
        claim: bool = False,
    ) -> Queued:
        """Accept a message: once this returns it is delivered or dead one day, whatever happens to the process.

        Args:
            message: as it goes on the wire.
            key: by which it is known; see :func:`p2pstack.shinkai.storage.replay.message_key`. One that is there
                already, alive or dead, is left as it is.
            recipient: the name of its node, for :meth:`hasten`.
            address: where the recipient was when it was sent, if that is known.
            save: whether it is to be saved among the node's messages once it is sent.
            delay: seconds before the first attempt, at most the longest back-off.
            claim: the caller tries at once itself, as if it had taken it.

        Raises:
            LimitExceeded: the queue is full: ``retry_rows``, ``retry_bytes``, ``retry_size``, ``storage_pending``.
            DeadlineExceeded: it took too long; the message may be accepted or not, and adding it again is safe.
            LocalError: the key is empty or too long, or the file is closed.
        """
        if not 0.0 <= delay <= self.config.backoff_max:
            raise LocalError(f"a delay is 0 to {self.config.backoff_max} s, not {delay}")
        now = self._clock()
        values: dict[str, object] = {
            "due": now + delay,
            "recipient": recipient,
            "address": address,
            "save": save,
            "message": message,
        }

        def operation(connection: sqlite3.Connection) -> Queued:
            found = self._find(connection, key)
            if found is not None:
                return found
            self._table.insert(connection, key, len(message), values, now, leased=claim)
            return Queued(key=key, recipient=recipient, attempts=int(claim), due=now + delay, new=True)

        queued = await self._database.run(operation)
        if queued.new:
            self._arrivals.announce()
        return queued

    async def take(self, limit: int = 32, *, timeout: float = 0.0) -> list[RetryEntry]:
        """Take up to ``limit`` messages that are due; wait for the first up to ``timeout`` seconds, then return [].

        Each is counted as an attempt, and nobody else gets it for ``config.lease`` seconds. If the caller is cancelled
        in here, what it would have got comes back after that time.
        """
        return [_entry(row) for row in await self._take(limit, timeout)]

    async def delivered(self, key: str) -> bool:
        """Forget a message that has arrived, whoever has it; whether it was still there."""
        return await self.drop(key)

    async def hasten(self, recipient: str) -> int:
        """Make all that waits for ``recipient`` due now, because its node is back; return how many that are."""
        now = self._clock()
        count = await self._database.run(
            lambda connection: (
                connection.execute(
                    "UPDATE retry SET due = :now WHERE dead = '' AND recipient = :recipient"
                    " AND leased_until = 0 AND due > :now",
                    {"now": now, "recipient": recipient},
                ).rowcount
            )
        )
        if count:
            self._arrivals.announce()
        return count

    async def find(self, key: str) -> Queued | None:
        """Return where the message with this key stands, or None where it is not in the queue."""
        return await self._database.run(lambda connection: self._find(connection, key))

    async def waiting(self, *, limit: int = 100) -> list[Queued]:
        """Return up to ``limit`` messages that are alive, those first that are due first."""
        rows = await self._database.run(
            lambda connection: connection.execute(
                f"{_QUEUED} WHERE dead = '' ORDER BY due, seq LIMIT ?", (limit,)
            ).fetchall()
        )
        return [_queued(row) for row in rows]

    def _find(self, connection: sqlite3.Connection, key: str) -> Queued | None:
        row = connection.execute(f"{_QUEUED} WHERE key = ?", (key,)).fetchone()
        return None if row is None else _queued(row)


_QUEUED = "SELECT key, recipient, attempts, due, dead, error FROM retry"


def _queued(row: tuple[Any, ...]) -> Queued:
    key, recipient, attempts, due, dead, error = row
    return Queued(key=key, recipient=recipient, attempts=attempts, due=due, new=False, dead=dead, error=error)


def _entry(row: tuple[Any, ...]) -> RetryEntry:
    key, attempts, created, due, recipient, address, save, message = row
    return RetryEntry(
        key=key,
        attempts=attempts,
        created=created,
        due=due,
        recipient=recipient,
        address=address,
        save=bool(save),
        message=message,
    )
