"""What both queues do with their table, as plain calls within a transaction: leases, failures, dead entries (SHK-43).

An entry is alive and free, or leased to who works on it, or dead. Taking it counts an attempt; the count also says
whose lease it is, so that who comes back after its lease is over changes nothing. Every ``now`` is in seconds since
1970.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from p2pstack.errors import LimitExceeded, LocalError
from p2pstack.shinkai.storage.config import QueueConfig

__all__ = ["MAX_KEY", "DeadEntry", "QueueStats", "Table", "Verdict"]

MAX_KEY = 256
"""Characters of the longest key."""

_COMMON = ("key", "size", "attempts", "created", "due", "leased_until", "dead", "error")

_MAX_ERROR = 300
"""Characters that are kept of why an attempt failed."""

_CLOCK_STEP = 1.0
"""Seconds by which the system's clock may be set back unnoticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of an entry whose attempt failed: ``due`` is when it is tried again, None if it is ``dead``."""

    attempts: int
    due: float | None
    dead: str = ""
    """Why it is not tried again: ``attempts``, ``age``, or ``refused``; empty if it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadEntry:
    """An entry that is not tried any more. ``seq`` is where to go on listing; ``reason`` as in :class:`Verdict`."""

    seq: int
    key: str
    reason: str
    error: str
    attempts: int
    created: float
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """How much of a queue's limits is taken, in rows and bytes, and when the next entry is due (None: never)."""

    rows: int
    bytes: int
    dead_rows: int
    dead_bytes: int
    leased: int
    next_due: float | None


class Table:
    """The table ``name`` of a queue; ``columns`` are those of its own that :meth:`take` reads."""

    def __init__(self, name: str, columns: tuple[str, ...], config: QueueConfig) -> None:
        self.name = name
        self.config = config
        self._last_now = 0.0
        own = (*_COMMON, *columns)
        self._insert = (
            self.sql("INSERT INTO $Q ($NAMES) VALUES ($MARKS)")
            .replace("$NAMES", ", ".join(own))
            .replace("$MARKS", ", ".join(f":{column}" for column in own))
        )
        self._select = self.sql(
            "SELECT key, attempts + 1, created, due, $COLUMNS FROM $Q"
            " WHERE dead = '' AND leased_until = 0 AND due <= ? ORDER BY due, seq LIMIT ?"
        ).replace("$COLUMNS", ", ".join(columns))

    def sql(self, text: str) -> str:
        """Return a statement in which ``$Q`` stands for the table."""
        return text.replace("$Q", self.name)

    def insert(
        self,
        connection: sqlite3.Connection,
        key: str,
        size: int,
        values: dict[str, object],
        now: float,
        *,
        leased: bool,
    ) -> None:
        """Add an entry of ``size`` bytes; ``values`` are its ``due`` and the queue's own columns.

        Raises:
            LimitExceeded: there is no room for it; the error names the limit (``retry_rows``, ``job_bytes``, ...).
            LocalError: the key is empty or too long.
        """
        if not 0 < len(key) <= MAX_KEY:
            raise LocalError(f"a key has 1 to {MAX_KEY} characters, not {len(key)}")
        self._admit(connection, size)
        row = {
            "key": key,
            "size": size,
            "attempts": 1 if leased else 0,
            "created": now,
            "leased_until": now + self.config.lease if leased else 0.0,
            "dead": "",
            "error": "",
            **values,
        }
        connection.execute(self._insert, row)

    def _admit(self, connection: sqlite3.Connection, size: int) -> None:
        if size > self.config.max_size:
            raise LimitExceeded(f"{self.name}_size", self.config.max_size)
        rows, total = self._total(connection, self.name)
        if rows >= self.config.max_rows:
            raise LimitExceeded(f"{self.name}_rows", self.config.max_rows)
        if total + size > self.config.max_bytes:
            raise LimitExceeded(f"{self.name}_bytes", self.config.max_bytes)

    def take(
        self, connection: sqlite3.Connection, now: float, limit: int
    ) -> tuple[list[tuple[Any, ...]], float | None]:
        """Lease up to ``limit`` entries that are due, those first that have been for longest.

        Returns:
            A row each of key, attempts (this one counted), created, due and the queue's columns, and the time at which
            the next entry may be due.
        """
        self._follow_clock(connection, now)
        connection.execute(
            self.sql("UPDATE $Q SET leased_until = 0 WHERE dead = '' AND leased_until > 0 AND leased_until <= ?"),
            (now,),
        )
        rows = connection.execute(self._select, (now, limit)).fetchall()
        # Their attempts have all ended with the process, or with a lease that nobody gave back.
        spent = [row for row in rows if row[1] > self.config.max_attempts]
        for row in spent:
            self._bury(connection, row[0], row[1] - 1, "attempts", "the last attempt did not come to its end")
        taken = [row for row in rows if row[1] <= self.config.max_attempts]
        connection.executemany(
            self.sql("UPDATE $Q SET attempts = attempts + 1, leased_until = ? WHERE key = ?"),
            [(now + self.config.lease, row[0]) for row in taken],
        )
        return taken, now if spent and not taken else self.next_due(connection)

    def remove(self, connection: sqlite3.Connection, key: str) -> bool:
        """Remove an entry, alive or dead, whoever has it; whether it was there."""
        return connection.execute(self.sql("DELETE FROM $Q WHERE key = ?"), (key,)).rowcount > 0

    def fail(
        self, connection: sqlite3.Connection, key: str, attempts: int, error: str, now: float, *, final: bool
    ) -> Verdict | None:
        """Give an entry back whose attempt failed; None where it is no longer this lease's."""
        row = connection.execute(
            self.sql("SELECT created FROM $Q WHERE key = ? AND attempts = ? AND dead = '' AND leased_until > 0"),
            (key, attempts),
        ).fetchone()
        if row is None:
            return None
        reason = ""
        if final:
            reason = "refused"
        elif attempts >= self.config.max_attempts:
            reason = "attempts"
        elif now - row[0] >= self.config.max_age:
            reason = "age"
        if reason:
            self._bury(connection, key, attempts, reason, error)
            return Verdict(attempts=attempts, due=None, dead=reason)
        due = now + self.config.backoff(attempts)
        connection.execute(
            self.sql("UPDATE $Q SET leased_until = 0, due = ?, error = ? WHERE key = ?"),
            (due, error[:_MAX_ERROR], key),
        )
        return Verdict(attempts=attempts, due=due)

    def renew(self, connection: sqlite3.Connection, key: str, attempts: int, now: float) -> bool:
        """Make a lease last from ``now`` anew; False where it is over and somebody else has the entry."""
        return (
            connection.execute(
                self.sql(
                    "UPDATE $Q SET leased_until = ? WHERE key = ? AND attempts = ? AND dead = '' AND leased_until > 0"
                ),
                (now + self.config.lease, key, attempts),
            ).rowcount
            > 0
        )

    def revive(self, connection: sqlite3.Connection, key: str, now: float) -> bool:
        """Let a dead entry begin anew, at once; False where there is none.

        Raises:
            LimitExceeded: there is no room for it among the living.
        """
        row = connection.execute(self.sql("SELECT size FROM $Q WHERE key = ? AND dead <> ''"), (key,)).fetchone()
        if row is None:
            return False
        self._admit(connection, row[0])
        connection.execute(
            self.sql("UPDATE $Q SET dead = '', attempts = 0, created = ?, due = ?, leased_until = 0 WHERE key = ?"),
            (now, now, key),
        )
        return True

    def dead(self, connection: sqlite3.Connection, after: int, limit: int) -> list[DeadEntry]:
        """Return up to ``limit`` dead entries in the order in which they came, those behind ``after``."""
        rows = connection.execute(
            self.sql(
                "SELECT seq, key, dead, error, attempts, created, size FROM $Q"
                " WHERE dead <> '' AND seq > ? ORDER BY seq LIMIT ?"
            ),
            (after, limit),
        )
        return [
            DeadEntry(seq=row[0], key=row[1], reason=row[2], error=row[3], attempts=row[4], created=row[5], size=row[6])
            for row in rows
        ]

    def stats(self, connection: sqlite3.Connection) -> QueueStats:
        """Return how much is taken."""
        rows, size = self._total(connection, self.name)
        dead_rows, dead_size = self._total(connection, f"{self.name}-dead")
        leased = connection.execute(
            self.sql("SELECT count(*) FROM $Q WHERE dead = '' AND leased_until > 0")
        ).fetchone()[0]
        return QueueStats(
            rows=rows,
            bytes=size,
            dead_rows=dead_rows,
            dead_bytes=dead_size,
            leased=leased,
            next_due=self.next_due(connection),
        )

    def next_due(self, connection: sqlite3.Connection) -> float | None:
        """Return when the next entry is due, or a lease is over; None where nothing is alive."""
        row = connection.execute(
            self.sql(
                "SELECT (SELECT min(due) FROM $Q WHERE dead = '' AND leased_until = 0),"
                " (SELECT min(leased_until) FROM $Q WHERE dead = '' AND leased_until > 0)"
            )
        ).fetchone()
        times = [time for time in row if time is not None]
        return min(times) if times else None

    def _bury(self, connection: sqlite3.Connection, key: str, attempts: int, reason: str, error: str) -> None:
        connection.execute(
            self.sql("UPDATE $Q SET dead = ?, error = ?, attempts = ?, leased_until = 0 WHERE key = ?"),
            (reason, error[:_MAX_ERROR], attempts, key),
        )
        while True:
            rows, size = self._total(connection, f"{self.name}-dead")
            if rows <= self.config.max_dead_rows and size <= self.config.max_dead_bytes:
                return
            connection.execute(self.sql("DELETE FROM $Q WHERE seq = (SELECT min(seq) FROM $Q WHERE dead <> '')"))

    def _total(self, connection: sqlite3.Connection, name: str) -> tuple[int, int]:
        row = connection.execute("SELECT rows, bytes FROM totals WHERE name = ?", (name,)).fetchone()
        return row[0], row[1]

    def _follow_clock(self, connection: sqlite3.Connection, now: float) -> None:
        """After the first look, and where the clock was set back: let nothing wait longer than it ever has to."""
        if now < self._last_now - _CLOCK_STEP or not self._last_now:
            due, lease = now + self.config.backoff_max, now + self.config.lease
            connection.execute(self.sql("UPDATE $Q SET due = ? WHERE dead = '' AND due > ?"), (due, due))
            connection.execute(
                self.sql("UPDATE $Q SET leased_until = ? WHERE dead = '' AND leased_until > ?"), (lease, lease)
            )
        self._last_now = now
