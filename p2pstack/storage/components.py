"""Tables of one part of a program, in whatever file that is given: each part has its own version (PEERS-09).

A program may keep all in one file, or a file for each part. Whose tables are at which version stands in the table
``component``.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from p2pstack.storage.errors import SchemaTooNew
from p2pstack.storage.schema import Schema

__all__ = ["NETWORK_SCHEMA", "Component"]

NETWORK_SCHEMA = Schema(name="one of peers or records", application_id=0x7032706E)
"""``p2pn``: a file that holds nothing but components."""

_TABLE = "CREATE TABLE IF NOT EXISTS component (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """The tables of a part, by which name they go, and the statements that lead from each version to the next."""

    name: str
    migrations: tuple[tuple[str, ...], ...]

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables, or bring them up to date; an operation for :meth:`Database.run`.

        Raises:
            SchemaTooNew: a newer version of the program has written them; they are left as they are.
        """
        connection.execute(_TABLE)
        row = connection.execute("SELECT version FROM component WHERE name = ?", (self.name,)).fetchone()
        version = 0 if row is None else row[0]
        newest = len(self.migrations)
        if version > newest:
            raise SchemaTooNew(f"{self.name} has version {version} in the file, this program knows {newest}")
        for statements in self.migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO component VALUES (?, ?)", (self.name, newest))
