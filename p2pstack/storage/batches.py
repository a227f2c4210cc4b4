"""Operations on a file that are committed together: the part that runs in its thread (SHK-42)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from p2pstack.errors import P2PError
from p2pstack.storage.schema import storage_error

__all__ = ["Operation", "Outcome", "execute"]

Operation = Callable[[sqlite3.Connection], object]
"""Reads or writes within a transaction that is not its own. What it raises of P2PError undoes it alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation returned, or why it was refused."""

    value: object = None
    error: P2PError | None = None


def execute(connection: sqlite3.Connection, operations: Sequence[Operation]) -> list[Outcome]:
    """Run operations in one transaction; return an outcome each. They are on disk when this returns.

    Where SQLite fails, each is tried in a transaction of its own, so that only those fail that can't be done.
    """
    try:
        return _together(connection, operations)
    except sqlite3.Error as error:
        if len(operations) == 1:
            return [Outcome(error=storage_error(error, "the file can't be read or written"))]
    return [outcome for operation in operations for outcome in execute(connection, [operation])]


def _together(connection: sqlite3.Connection, operations: Sequence[Operation]) -> list[Outcome]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [_one(connection, operation) for operation in operations]
        connection.execute("COMMIT")
    except BaseException:
        # After a full disk SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _one(connection: sqlite3.Connection, operation: Operation) -> Outcome:
    connection.execute("SAVEPOINT operation")
    try:
        value = operation(connection)
    except P2PError as error:
        connection.execute("ROLLBACK TO operation")
        connection.execute("RELEASE operation")
        return Outcome(error=error)
    connection.execute("RELEASE operation")
    return Outcome(value)
