"""Whose a file is, the versions of its tables, and opening it (SHK-40, SHK-41).

``application_id`` says whose file it is, ``user_version`` how many migrations it went through. They run in one
transaction, so that a process that ends in between leaves the file as it was before.

The file is opened in WAL mode, with ``synchronous=NORMAL``: a commit is handed to the system before it is reported, and
survives the process; the disk has it at the next checkpoint. ``FULL`` waits for the disk at each commit. The lock is
exclusive and lasts as long as the process.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from p2pstack.storage.config import StorageConfig
from p2pstack.storage.errors import SchemaTooNew, StorageDamaged, StorageError, StorageLocked

__all__ = ["Schema", "open_connection", "storage_error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a kind of files is, for :func:`open_connection`."""

    name: str
    """As an error names it, behind "not": ``a node's``."""

    application_id: int
    """31 bits that mark these files."""

    migrations: tuple[tuple[str, ...], ...] = ()
    """Statements that lead from each version to the next. Only ever appended to."""

    on_open: tuple[str, ...] = ()
    """Statements that run at each opening: what the last process held, nobody holds any more."""


def open_connection(path: Path, schema: Schema, config: StorageConfig) -> sqlite3.Connection:
    """Open a file, made if there is none (readable for its owner alone), at the newest version of ``schema``.

    Raises:
        StorageLocked: another process has it open.
        SchemaTooNew: a newer version of the program has written it.
        StorageDamaged: it is no database, or a damaged one.
        StorageError: it can't be opened, or is of another program.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StorageError(f"can't open {path}: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=config.lock_timeout, isolation_level=None)
    try:
        _prepare(connection, path, schema, config)
    except sqlite3.Error as error:
        connection.close()
        raise storage_error(error, f"can't open {path}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, schema: Schema, config: StorageConfig) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StorageError(f"can't open {path}: its file system allows no write-ahead log")
    connection.execute("PRAGMA synchronous = FULL" if config.survive_power_loss else "PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # With this the lock is taken, and with `locking_mode` it is kept.
    connection.execute("BEGIN IMMEDIATE")
    try:
        _migrate(connection, path, schema)
        for statement in schema.on_open:
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrate(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    newest = len(schema.migrations)
    if owner != schema.application_id and (owner or tables):
        raise StorageError(f"{path} is a database, but not {schema.name}")
    if version > newest:
        raise SchemaTooNew(f"{path} has version {version}, this program knows {newest}")
    for statements in schema.migrations[version:]:
        for statement in statements:
            connection.execute(statement)
    if version < newest or owner != schema.application_id:
        connection.execute(f"PRAGMA application_id = {schema.application_id}")
        connection.execute(f"PRAGMA user_version = {newest}")


def storage_error(error: sqlite3.Error, what: str) -> StorageError:
    """Return what SQLite says as an error of ours, with what could not be done."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says what exactly
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageLocked(f"{what}: another process has it open")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StorageDamaged(f"{what}: {error}")
    return StorageError(f"{what}: {error}")
