"""Opening a node's file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from p2pstack.shinkai.storage import schema
from p2pstack.shinkai.storage.config import RetryConfig, StorageConfig
from p2pstack.shinkai.storage.errors import SchemaTooNew, StorageError, StorageLocked
from p2pstack.shinkai.storage.schema import APPLICATION_ID, MIGRATIONS
from tests.shinkai.storage.files import connection, retry_table


def pragma(file: sqlite3.Connection, name: str) -> object:
    return file.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.mark.req("SHK-40", "SHK-41")
def test_a_new_file_is_ours_private_and_at_the_newest_version(tmp_path: Path) -> None:
    file = connection(tmp_path / "node.db")
    assert (pragma(file, "application_id"), pragma(file, "user_version")) == (APPLICATION_ID, len(MIGRATIONS))
    assert (pragma(file, "journal_mode"), pragma(file, "synchronous")) == ("wal", 1)
    assert (tmp_path / "node.db").stat().st_mode & 0o777 == 0o600
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
    file.close()
    again = connection(tmp_path / "node.db", StorageConfig(survive_power_loss=True))
    assert pragma(again, "synchronous") == 2
    again.close()


@pytest.mark.req("SHK-40")
def test_no_two_processes_share_a_file(tmp_path: Path) -> None:
    file = connection(tmp_path / "node.db")
    with pytest.raises(StorageLocked, match=r"node\.db: another process"):
        connection(tmp_path / "node.db")
    file.close()
    connection(tmp_path / "node.db").close()


@pytest.mark.req("SHK-41")
def test_a_file_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    file = connection(tmp_path / "node.db")
    file.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    file.close()
    with pytest.raises(SchemaTooNew, match=f"version {len(MIGRATIONS) + 1}"):
        connection(tmp_path / "node.db")


@pytest.mark.req("SHK-41")
def test_an_older_file_is_brought_up_to_date_or_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = connection(tmp_path / "node.db")
    retry_table(RetryConfig()).insert(
        file, "k", 1, {"due": 1.0, "recipient": "b", "address": "", "save": 0, "message": b"x"}, 1.0, leased=False
    )
    file.close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE news (a)", "CREATE TABLE news (a)")))
    with pytest.raises(StorageError, match="already exists"):
        connection(tmp_path / "node.db")
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("CREATE TABLE news (a)",)))
    file = connection(tmp_path / "node.db")
    assert pragma(file, "user_version") == len(MIGRATIONS) + 1
    assert file.execute("SELECT key FROM retry").fetchall() == [("k",)]
    assert file.execute("SELECT count(*) FROM news").fetchone() == (0,)
    file.close()


@pytest.mark.req("SHK-41")
@pytest.mark.parametrize("foreign", ["text", "database", "other program"])
def test_what_is_no_file_of_a_node_is_left_alone(tmp_path: Path, foreign: str) -> None:
    path = tmp_path / "node.db"
    if foreign == "text":
        path.write_text("a diary, and a long one\n" * 100)
    else:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE notes (a)" if foreign == "database" else "PRAGMA application_id = 7")
        other.close()
    with pytest.raises(StorageError):
        connection(path)


@pytest.mark.req("SHK-40")
def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        connection(tmp_path / "none" / "node.db")


@pytest.mark.req("SHK-47")
def test_leases_end_with_their_process(tmp_path: Path) -> None:
    file = connection(tmp_path / "node.db")
    values: dict[str, object] = {"due": 1.0, "recipient": "b", "address": "", "save": 0, "message": b"x"}
    retry_table(RetryConfig()).insert(file, "k", 1, values, 1.0, leased=True)
    assert retry_table(RetryConfig()).take(file, 2.0, 9)[0] == []
    file.close()
    file = connection(tmp_path / "node.db")
    ((key, attempts, *_),) = retry_table(RetryConfig()).take(file, 2.0, 9)[0]
    assert (key, attempts) == ("k", 2)
    file.close()
