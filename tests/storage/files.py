"""A file for a test."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from p2pstack.storage.config import StorageConfig
from p2pstack.storage.schema import Schema, open_connection

MIGRATIONS = (("CREATE TABLE numbers (n INTEGER PRIMARY KEY)",),)
NUMBERS = Schema(name="one of numbers", application_id=0x6E756D62, migrations=MIGRATIONS)


def connection(path: Path, config: StorageConfig | None = None, *, schema: Schema = NUMBERS) -> sqlite3.Connection:
    return open_connection(path, schema, config or StorageConfig(lock_timeout=0.01))
