"""The tables of a node's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.shinkai.storage.config import RetryConfig
from p2pstack.shinkai.storage.schema import APPLICATION_ID, MIGRATIONS, open_database
from tests.shinkai.storage.files import connection, retry_table

VALUES: dict[str, object] = {"due": 1.0, "recipient": "b", "address": "", "save": 0, "message": b"x"}


@pytest.mark.req("SHK-40", "SHK-41")
async def test_a_new_file_is_a_nodes_and_at_the_newest_version(tmp_path: Path) -> None:
    async with await open_database(tmp_path / "node.db") as database:
        owner = await database.run(lambda file: file.execute("PRAGMA application_id").fetchone()[0])
        version = await database.run(lambda file: file.execute("PRAGMA user_version").fetchone()[0])
        tables = await database.run(lambda file: file.execute("SELECT name FROM sqlite_master").fetchall())
    assert (owner, version) == (APPLICATION_ID, len(MIGRATIONS))
    assert {("retry",), ("job",), ("seen",), ("totals",)} <= set(tables)


@pytest.mark.req("SHK-47")
def test_leases_end_with_their_process(tmp_path: Path) -> None:
    file = connection(tmp_path / "node.db")
    retry_table(RetryConfig()).insert(file, "k", 1, VALUES, 1.0, leased=True)
    assert retry_table(RetryConfig()).take(file, 2.0, 9)[0] == []
    file.close()
    file = connection(tmp_path / "node.db")
    ((key, attempts, *_),) = retry_table(RetryConfig()).take(file, 2.0, 9)[0]
    assert (key, attempts) == ("k", 2)
    file.close()
