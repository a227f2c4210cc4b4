"""The tables of a node's file, their versions, and opening it (SHK-40, SHK-41).

One process has the file at a time, so whatever leases it holds when it is opened are those of a process that has ended.
"""

from __future__ import annotations

from pathlib import Path

from p2pstack.storage.config import StorageConfig
from p2pstack.storage.database import Database
from p2pstack.storage.schema import Schema

__all__ = ["APPLICATION_ID", "MIGRATIONS", "NODE_SCHEMA", "open_database"]

APPLICATION_ID = 0x70327073
"""``p2ps``, which marks the file as a node's."""

_COMMON = """
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    attempts INTEGER NOT NULL,
    created REAL NOT NULL,
    due REAL NOT NULL,
    leased_until REAL NOT NULL,
    dead TEXT NOT NULL,
    error TEXT NOT NULL,
    size INTEGER NOT NULL,
"""
"""Columns of both queues. Those with the long values come last: a scan then reads none of their pages."""


def _queue(name: str, columns: str) -> tuple[str, ...]:
    """Return what makes a queue: its table, its indexes, and triggers that count rows and bytes, dead ones apart."""
    statements = (
        f"CREATE TABLE $Q ({_COMMON}{columns})",
        "CREATE INDEX $Q_due ON $Q (leased_until, due, seq) WHERE dead = ''",
        "CREATE INDEX $Q_dead ON $Q (seq) WHERE dead <> ''",
        "INSERT INTO totals VALUES ('$Q', 0, 0), ('$Q-dead', 0, 0)",
        (
            "CREATE TRIGGER $Q_added AFTER INSERT ON $Q BEGIN"
            " UPDATE totals SET rows = rows + 1, bytes = bytes + NEW.size WHERE name = '$Q'; END"
        ),
        (
            "CREATE TRIGGER $Q_removed AFTER DELETE ON $Q BEGIN"
            " UPDATE totals SET rows = rows - 1, bytes = bytes - OLD.size"
            " WHERE name = CASE WHEN OLD.dead = '' THEN '$Q' ELSE '$Q-dead' END; END"
        ),
        (
            "CREATE TRIGGER $Q_moved AFTER UPDATE OF dead ON $Q WHEN (OLD.dead = '') <> (NEW.dead = '') BEGIN"
            " UPDATE totals SET rows = rows - 1, bytes = bytes - OLD.size"
            " WHERE name = CASE WHEN OLD.dead = '' THEN '$Q' ELSE '$Q-dead' END;"
            " UPDATE totals SET rows = rows + 1, bytes = bytes + NEW.size"
            " WHERE name = CASE WHEN NEW.dead = '' THEN '$Q' ELSE '$Q-dead' END; END"
        ),
    )
    return tuple(statement.replace("$Q", name) for statement in statements)


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE totals (name TEXT PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID",
        *_queue(
            "retry",
            "recipient TEXT NOT NULL, address TEXT NOT NULL, save INTEGER NOT NULL, message BLOB NOT NULL",
        ),
        "CREATE INDEX retry_recipient ON retry (recipient) WHERE dead = ''",
        *_queue(
            "job",
            "receiver_address TEXT NOT NULL, unsafe_sender_address TEXT NOT NULL, message_type INTEGER NOT NULL,"
            " date_created REAL NOT NULL, content BLOB NOT NULL",
        ),
        "CREATE TABLE seen (key TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
        "CREATE INDEX seen_at ON seen (at)",
        "INSERT INTO totals VALUES ('seen', 0, 0)",
        (
            "CREATE TRIGGER seen_added AFTER INSERT ON seen BEGIN"
            " UPDATE totals SET rows = rows + 1 WHERE name = 'seen'; END"
        ),
        (
            "CREATE TRIGGER seen_removed AFTER DELETE ON seen BEGIN"
            " UPDATE totals SET rows = rows - 1 WHERE name = 'seen'; END"
        ),
    ),
)
"""What leads from each version of the file to the next. Only ever appended to."""

_VOID_LEASES = (
    "UPDATE retry SET leased_until = 0 WHERE dead = '' AND leased_until > 0",
    "UPDATE job SET leased_until = 0 WHERE dead = '' AND leased_until > 0",
)

NODE_SCHEMA = Schema(name="a node's", application_id=APPLICATION_ID, migrations=MIGRATIONS, on_open=_VOID_LEASES)
"""What marks and makes a node's file."""


async def open_database(path: Path, config: StorageConfig | None = None) -> Database:
    """Open a node's file, made if there is none; raises what :meth:`Database.open` does."""
    return await Database.open(path, NODE_SCHEMA, config)
