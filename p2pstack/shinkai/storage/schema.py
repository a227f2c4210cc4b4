"""The tables of a node's file, their versions, and opening it (SHK-40, SHK-41).

``application_id`` says whose file it is, ``user_version`` how many of :data:`MIGRATIONS` it went through. Each runs in
one transaction, so that a process that ends in between leaves the file as it was before.

The file is opened in WAL mode, with ``synchronous=NORMAL``: a commit is handed to the system before it is reported, and
survives the process; the disk has it at the next checkpoint. ``FULL`` waits for the disk at each commit. The lock is
exclusive and lasts as long as the process, so whatever leases the file holds are those of a process that has ended.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from p2pstack.shinkai.storage.config import StorageConfig
from p2pstack.shinkai.storage.errors import SchemaTooNew, StorageError, StorageLocked

__all__ = ["APPLICATION_ID", "MIGRATIONS", "open_connection", "storage_error"]

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


def open_connection(path: Path, config: StorageConfig) -> sqlite3.Connection:
    """Open a node's file, made if there is none (readable for its owner alone), at the newest version of the schema.

    Raises:
        StorageLocked: another process has it open.
        SchemaTooNew: a newer version of the program has written it.
        StorageError: it can't be opened, or is no file of a node.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StorageError(f"can't open {path}: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=config.lock_timeout, isolation_level=None)
    try:
        _prepare(connection, path, config)
    except sqlite3.Error as error:
        connection.close()
        raise storage_error(error, f"can't open {path}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, config: StorageConfig) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StorageError(f"can't open {path}: its file system allows no write-ahead log")
    connection.execute("PRAGMA synchronous = FULL" if config.survive_power_loss else "PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # With this the lock is taken, and with `locking_mode` it is kept.
    connection.execute("BEGIN IMMEDIATE")
    try:
        _migrate(connection, path)
        for statement in _VOID_LEASES:
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (owner or tables):
        raise StorageError(f"{path} is a database, but not a node's")
    if version > len(MIGRATIONS):
        raise SchemaTooNew(f"{path} has version {version}, this program knows {len(MIGRATIONS)}")
    if version < len(MIGRATIONS):
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def storage_error(error: sqlite3.Error, what: str) -> StorageError:
    """Return what SQLite says as an error of ours, with what could not be done."""
    if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageLocked(f"{what}: another process has it open")
    return StorageError(f"{what}: {error}")
