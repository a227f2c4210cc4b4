"""Messages that a node keeps, on disk: those that came for its program, and those that it has sent (SHK-93 to SHK-95).

A message stands there once, by its key. It is *fresh* until the program has taken it, and is given out again after a
restart until then. What was taken, and what was sent, stays as history, within bounds.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

from p2pstack.errors import LimitExceeded
from p2pstack.shinkai.node.config import InboxConfig
from p2pstack.shinkai.storage.arrivals import Arrivals
from p2pstack.storage.database import Database

__all__ = ["Kind", "MessageState", "MessageStore", "StoreStats", "StoredMessage"]

_SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS message (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, outgoing INTEGER NOT NULL,"
        " state INTEGER NOT NULL, kind INTEGER NOT NULL, due REAL NOT NULL, deliveries INTEGER NOT NULL,"
        " at REAL NOT NULL, inbox TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL, via TEXT NOT NULL,"
        " error TEXT NOT NULL, size INTEGER NOT NULL, message BLOB NOT NULL, UNIQUE (key, outgoing))"
    ),
    "CREATE INDEX IF NOT EXISTS message_fresh ON message (kind, seq) WHERE state = 0",
    "CREATE INDEX IF NOT EXISTS message_kept ON message (seq) WHERE state > 0",
    "CREATE INDEX IF NOT EXISTS message_inbox ON message (inbox, seq)",
    "INSERT OR IGNORE INTO totals VALUES ('message', 0, 0), ('message-kept', 0, 0)",
    (
        "CREATE TRIGGER IF NOT EXISTS message_added AFTER INSERT ON message BEGIN UPDATE totals SET rows = rows + 1,"
        " bytes = bytes + NEW.size WHERE name = CASE WHEN NEW.state = 0 THEN 'message' ELSE 'message-kept' END; END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS message_removed AFTER DELETE ON message BEGIN UPDATE totals SET rows = rows - 1,"
        " bytes = bytes - OLD.size WHERE name = CASE WHEN OLD.state = 0 THEN 'message' ELSE 'message-kept' END; END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS message_moved AFTER UPDATE OF state ON message"
        " WHEN (OLD.state = 0) <> (NEW.state = 0) BEGIN"
        " UPDATE totals SET rows = rows - 1, bytes = bytes - OLD.size"
        " WHERE name = CASE WHEN OLD.state = 0 THEN 'message' ELSE 'message-kept' END;"
        " UPDATE totals SET rows = rows + 1, bytes = bytes + NEW.size"
        " WHERE name = CASE WHEN NEW.state = 0 THEN 'message' ELSE 'message-kept' END; END"
    ),
)

_COLUMNS = "seq, key, outgoing, state, kind, deliveries, at, inbox, sender, recipient, via, error, message"

_SELECT = f"SELECT {_COLUMNS} FROM message WHERE seq = ?"  # noqa: S608 - made of constants

_PRUNED = 4
"""Old messages that are dropped with each new one beyond the bounds: more than come."""

_MAX_ERROR = 300


class MessageState(IntEnum):
    """Where a message stands."""

    FRESH = 0
    """The program has not taken it."""

    TAKEN = 1
    """The program has taken it."""

    FAILED = 2
    """The program's handler failed too often; it can be made fresh again."""

    SENT = 3
    """This node has sent it."""


class Kind(IntEnum):
    """Who takes a message: handlers of jobs, or everybody else."""

    MESSAGE = 0
    JOB = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message in the store; ``message`` is its JSON with body and content decrypted as far as this node can."""

    key: str
    inbox: str
    sender: str
    recipient: str
    via: str
    message: bytes
    at: float
    kind: Kind = Kind.MESSAGE
    state: MessageState = MessageState.FRESH
    outgoing: bool = False
    seq: int = 0
    deliveries: int = 0
    """How often it was given out before."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How much is kept: messages that were not taken, and all others, in rows and bytes."""

    untaken: int
    untaken_bytes: int
    kept: int
    kept_bytes: int


class MessageStore:
    """The messages in a node's file. Made by :meth:`open`."""

    def __init__(
        self, database: Database, config: InboxConfig | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.config = config or InboxConfig()
        self.arrivals = Arrivals()
        self._database = database
        self._clock = clock
        self._given: set[int] = set()

    @classmethod
    async def open(
        cls, database: Database, config: InboxConfig | None = None, *, clock: Callable[[], float] = time.time
    ) -> Self:
        """Make the table if there is none, and return the store.

        Raises:
            StorageError: the file can't be read or written.
        """

        def operation(connection: sqlite3.Connection) -> None:
            for statement in _SCHEMA:
                connection.execute(statement)

        await database.run(operation)
        return cls(database, config, clock=clock)

    # What comes in

    def insert(self, connection: sqlite3.Connection, message: StoredMessage) -> bool:
        """Add a message within the caller's transaction; False for one that is there. Call :meth:`announce` after it.

        Raises:
            LimitExceeded: too many were not taken yet (``inbox_untaken``).
        """
        if message.state is MessageState.FRESH:
            row = connection.execute("SELECT rows FROM totals WHERE name = 'message'").fetchone()
            if row[0] >= self.config.max_untaken:
                raise LimitExceeded("inbox_untaken", self.config.max_untaken)
        added = connection.execute(
            "INSERT OR IGNORE INTO message (key, outgoing, state, kind, due, deliveries, at, inbox, sender, recipient,"
            " via, error, size, message) VALUES (?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, '', ?, ?)",
            (
                message.key,
                message.outgoing,
                message.state,
                message.kind,
                message.at,
                message.inbox,
                message.sender,
                message.recipient,
                message.via,
                len(message.message),
                message.message,
            ),
        ).rowcount
        self._prune(connection)
        return added > 0

    def announce(self) -> None:
        """Tell the readers that there may be something new."""
        self.arrivals.announce()

    async def add(self, message: StoredMessage) -> bool:
        """Add a message; False for one that is there.

        Raises:
            LimitExceeded: too many were not taken yet (``inbox_untaken``).
            StorageError: the file can't be written.
        """
        added = await self._database.run(lambda connection: self.insert(connection, message))
        if added:
            self.announce()
        return added

    def _prune(self, connection: sqlite3.Connection) -> None:
        rows, size = connection.execute("SELECT rows, bytes FROM totals WHERE name = 'message-kept'").fetchone()
        if rows > self.config.max_kept or size > self.config.max_kept_bytes:
            connection.execute(
                "DELETE FROM message WHERE seq IN (SELECT seq FROM message WHERE state > 0 ORDER BY seq LIMIT ?)",
                (_PRUNED,),
            )

    # What goes to the program

    async def give(
        self, limit: int, *, inbox: str | None = None, kinds: Sequence[Kind] = tuple(Kind)
    ) -> tuple[list[StoredMessage], float | None]:
        """Give out up to ``limit`` fresh messages, oldest first, each to one reader until it is taken or put back.

        Returns:
            The messages, and the seconds until one comes whose handler has failed (None: there is none).
        """
        now = self._clock()
        marks = ", ".join("?" * len(kinds))
        where = f"state = 0 AND kind IN ({marks})" + ("" if inbox is None else " AND inbox = ?")
        values = (*kinds, *(() if inbox is None else (inbox,)))

        def operation(connection: sqlite3.Connection) -> tuple[list[StoredMessage], float | None]:
            given = set(self._given)
            found = connection.execute(
                f"SELECT seq FROM message WHERE {where} AND due <= ? ORDER BY seq LIMIT ?",  # noqa: S608 - made of constants
                (*values, now, limit + len(given)),
            ).fetchall()
            chosen = [(seq,) for (seq,) in found if seq not in given][:limit]
            messages = [_stored(connection.execute(_SELECT, seq).fetchone()) for seq in chosen]
            connection.executemany("UPDATE message SET deliveries = deliveries + 1 WHERE seq = ?", chosen)
            next_due = None
            if not chosen:
                next_due = connection.execute(
                    f"SELECT min(due) FROM message WHERE {where} AND due > ?",  # noqa: S608 - made of constants
                    (*values, now),
                ).fetchone()[0]
            self._given.update(seq for (seq,) in chosen)
            return messages, None if next_due is None else max(0.0, next_due - now)

        # What was chosen for a reader that is cancelled meanwhile goes back, once the file's thread is done with it.
        running = asyncio.ensure_future(self._database.run(operation))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(self._give_up)
            raise

    def _give_up(self, running: asyncio.Future[tuple[list[StoredMessage], float | None]]) -> None:
        if not running.cancelled() and running.exception() is None:
            self.put_back([message.seq for message in running.result()[0]])

    def put_back(self, seqs: Sequence[int]) -> None:
        """Let others have messages that were given out and not taken."""
        self._given.difference_update(seqs)
        self.announce()

    async def take(self, seq: int) -> None:
        """Note that the program has a message: it is never given out again."""
        await self._database.run(
            lambda connection: connection.execute(
                "UPDATE message SET state = ? WHERE seq = ? AND state = 0", (MessageState.TAKEN, seq)
            )
        )
        self._given.discard(seq)

    async def fail(self, message: StoredMessage, error: str) -> bool:
        """Note that the program's handler failed with a message; whether it is given out again."""
        failures = message.deliveries + 1
        again = failures < self.config.handler_attempts
        state = MessageState.FRESH if again else MessageState.FAILED
        due = self._clock() + self.config.handler_backoff * 2 ** min(failures - 1, 16)
        await self._database.run(
            lambda connection: connection.execute(
                "UPDATE message SET state = ?, due = ?, error = ? WHERE seq = ? AND state = 0",
                (state, due, error[:_MAX_ERROR], message.seq),
            )
        )
        self.put_back([message.seq])
        return again

    async def retry(self, key: str) -> bool:
        """Make a message fresh again whose handler has failed; whether there is one of this key."""
        count = await self._database.run(
            lambda connection: (
                connection.execute(
                    "UPDATE message SET state = 0, due = 0, deliveries = 0"
                    " WHERE key = ? AND outgoing = 0 AND state = ?",
                    (key, MessageState.FAILED),
                ).rowcount
            )
        )
        if count:
            self.announce()
        return count > 0

    # Looking

    async def history(
        self,
        inbox: str | None = None,
        *,
        before: int | None = None,
        limit: int = 100,
        state: MessageState | None = None,
    ) -> list[StoredMessage]:
        """Return up to ``limit`` messages, received and sent, the newest first, of ``inbox`` or of all.

        ``before`` is the ``seq`` of the last one that was seen.
        """
        tests, values = ["seq < ?"], [2**62 if before is None else before]
        parameters: list[object] = list(values)
        if inbox is not None:
            tests.append("inbox = ?")
            parameters.append(inbox)
        if state is not None:
            tests.append("state = ?")
            parameters.append(int(state))
        parameters.append(limit)
        rows = await self._database.run(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM message WHERE {' AND '.join(tests)} ORDER BY seq DESC LIMIT ?",  # noqa: S608
                parameters,
            ).fetchall()
        )
        return [_stored(row) for row in rows]

    async def stats(self) -> StoreStats:
        """Return how much is kept."""
        rows = await self._database.run(
            lambda connection: connection.execute(
                "SELECT name, rows, bytes FROM totals WHERE name IN ('message', 'message-kept') ORDER BY name"
            ).fetchall()
        )
        (_, untaken, untaken_bytes), (_, kept, kept_bytes) = rows
        return StoreStats(untaken, untaken_bytes, kept, kept_bytes)


def _stored(row: tuple[Any, ...]) -> StoredMessage:
    seq, key, outgoing, state, kind, deliveries, at, inbox, sender, recipient, via, error, message = row
    return StoredMessage(
        seq=seq,
        key=key,
        outgoing=bool(outgoing),
        state=MessageState(state),
        kind=Kind(kind),
        deliveries=deliveries,
        at=at,
        inbox=inbox,
        sender=sender,
        recipient=recipient,
        via=via,
        error=error,
        message=message,
    )
